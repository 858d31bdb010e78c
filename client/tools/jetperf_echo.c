/* Echoes: every message carries its number and the time it was sent, so each can be judged whatever
 * order they come back in. */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "jetperf.h"

enum { PATIENCE = 2000000 }; /* us, for an echo */

static uint64_t now_of(const struct test *t)
{
    return jp_loop_now(jp_session_loop(t->session));
}

static void put64(uint8_t *at, uint64_t value)
{
    value = htobe64(value);
    memcpy(at, &value, sizeof(value));
}

static uint64_t get64(const uint8_t *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof(value));
    return be64toh(value);
}

/* ---- who asks ---- */

static bool send_one(struct test *t, jp_stream *stream, uint64_t now)
{
    static uint8_t message[JP_MESSAGE_MAX];
    struct lane *lane = lane_of(stream);
    uint64_t n = lane->next;

    put64(message, n);
    put64(message + 8, now);
    memcpy(message + ECHO_HEADER, t->pattern + n % 256, t->plan.size - ECHO_HEADER);
    if (jp_stream_send(stream, message, t->plan.size) < 0)
        return false;
    lane->slots[n % ECHO_WINDOW].number = n;
    lane->slots[n % ECHO_WINDOW].at = now;
    lane->next++;
    t->tally.queued += t->plan.size;
    return true;
}

static bool is_all_sent(const struct test *t)
{
    return t->plan.bytes && t->tally.queued >= t->plan.bytes;
}

void echo_pump(struct test *t)
{
    uint64_t now = now_of(t);

    for (unsigned i = 0; i < t->n_lanes; i++) {
        struct lane *lane = lane_of(t->lanes[i]);

        echo_expire(t, lane, now);
        while (!lane->stopped && !is_all_sent(t) && !lane->slots[lane->next % ECHO_WINDOW].at)
            if (!send_one(t, t->lanes[i], now))
                break;
    }
    if (is_all_sent(t))
        test_drain(t);
}

void echo_expire(struct test *t, struct lane *lane, uint64_t now)
{
    for (unsigned i = 0; i < ECHO_WINDOW; i++)
        if (lane->slots[i].at && now - lane->slots[i].at > PATIENCE &&
            t->plan.options.reliability != JP_RELIABLE) {
            lane->slots[i].at = 0;
            t->tally.missing++;
        }
}

bool echo_waits(const struct lane *lane)
{
    for (unsigned i = 0; i < ECHO_WINDOW; i++)
        if (lane->slots[i].at)
            return true;
    return false;
}

static void count_rtt(struct tally *tally, uint64_t rtt)
{
    tally->echoes++;
    tally->rtt_sum += rtt;
    if (rtt < tally->rtt_min)
        tally->rtt_min = rtt;
    if (rtt > tally->rtt_max)
        tally->rtt_max = rtt;
}

void echo_check(jp_stream *stream, const uint8_t *data, size_t size)
{
    struct lane *lane = lane_of(stream);
    struct test *t = test_of(jp_stream_session(stream));
    uint64_t now = now_of(t), n = size >= ECHO_HEADER ? get64(data) : 0;
    unsigned slot = n % ECHO_WINDOW;

    t->tally.received += size;
    t->tally.received_messages++;
    t->last_at = now;
    if (size != t->plan.size || !lane->slots[slot].at || lane->slots[slot].number != n ||
        get64(data + 8) != lane->slots[slot].at ||
        memcmp(data + ECHO_HEADER, t->pattern + n % 256, size - ECHO_HEADER) != 0) {
        t->tally.wrong++;
        return;
    }
    t->tally.acked += size;
    t->tally.acked_messages++;
    count_rtt(&t->tally, now - lane->slots[slot].at);
    lane->slots[slot].at = 0;
}

/* ---- who answers ---- */

void echo_release(struct held *held)
{
    if (held)
        LIST_REMOVE(held, next);
    free(held);
}

void echo_answer(jp_stream *stream, const void *data, size_t size)
{
    struct test *t = test_of(jp_stream_session(stream));
    struct held *held;

    if (jp_stream_send(stream, data, size) != JP_SEND_WOULD_BLOCK)
        return;
    held = malloc(sizeof(*held) + size);
    if (!held) {
        jp_session_close(t->session, JP_CODE_LIMIT, "no memory");
        return;
    }
    memcpy(held->data, data, size);
    held->size = size;
    LIST_INSERT_HEAD(&t->held, held, next);
    lane_of(stream)->held = held;
    jp_stream_pause(stream);
}

void echo_go_on(jp_stream *stream)
{
    struct lane *lane = lane_of(stream);

    if (jp_stream_send(stream, lane->held->data, lane->held->size) == JP_SEND_WOULD_BLOCK)
        return;
    echo_release(lane->held);
    lane->held = NULL;
    jp_stream_resume(stream);
}
