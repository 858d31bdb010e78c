/* Echoes: every message carries its number and the time it was sent, so each can be judged whatever
 * order they come back in. */
#include <stdlib.h>
#include <string.h>

#include "jetperf.h"

static uint64_t now_of(const struct test *t)
{
    return jp_loop_now(jp_session_loop(t->session));
}

/* ---- who asks ---- */

static bool send_one(struct test *t, jp_stream *stream, uint64_t now)
{
    static uint8_t message[JP_MESSAGE_MAX];
    struct lane *lane = lane_of(stream);
    uint64_t n = lane->next;
    int error;

    put64(message, n);
    put64(message + 8, now);
    memcpy(message + ECHO_HEADER, pattern(t->plan.size) + n % 256, t->plan.size - ECHO_HEADER);
    error = jp_stream_send(stream, message, t->plan.size);
    if (error) {
        test_refused(t, error);
        return false;
    }
    lane->slots[n % ECHO_SLOTS].number = n;
    lane->slots[n % ECHO_SLOTS].at = now;
    lane->waiting++;
    lane->next++;
    t->tally.queued += t->plan.size;
    return true;
}

static bool is_all_sent(const struct test *t)
{
    return t->plan.bytes && t->tally.queued >= t->plan.bytes;
}

static void set_free(struct lane *lane, unsigned slot)
{
    lane->slots[slot].at = 0;
    lane->waiting--;
}

static bool is_reliable(const struct test *t)
{
    return t->plan.options.reliability == JP_RELIABLE && !t->plan.options.ttl;
}

/* Give up those that may be lost, or came damaged, and take far longer than the others did. */
static void expire(struct test *t, struct lane *lane, uint64_t now)
{
    const struct tally *n = &t->tally;
    uint64_t patience = 100000 + (n->echoes ? 8 * n->rtt_sum / n->echoes : 1000000);
    unsigned oldest = lane->next % ECHO_SLOTS;

    if (is_reliable(t) && !t->tally.wrong)
        return;
    for (unsigned i = 0; i < ECHO_SLOTS; i++)
        if (lane->slots[i].at && (i == oldest || now - lane->slots[i].at > patience)) {
            set_free(lane, i);
            t->tally.missing++;
        }
}

static bool has_room(const struct lane *lane)
{
    return !lane->stopped && lane->waiting < ECHO_WINDOW &&
           !lane->slots[lane->next % ECHO_SLOTS].at;
}

void echo_pump(struct test *t)
{
    uint64_t now = now_of(t);

    for (unsigned refused = 0; refused < t->n_lanes;) {
        struct lane *lane = lane_of(t->lanes[t->turn]);

        expire(t, lane, now);
        if (has_room(lane) && !is_all_sent(t) && test_is_due(t, now) &&
            send_one(t, t->lanes[t->turn], now))
            refused = 0;
        else
            refused++;
        t->turn = (t->turn + 1) % t->n_lanes;
    }
    if (is_all_sent(t))
        test_drain(t);
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

/* Whether it is one of those we sent, byte by byte. */
static bool is_ours(const struct test *t, const struct lane *lane, const uint8_t *data, size_t size)
{
    return size == t->plan.size && get64(data) < lane->next &&
           memcmp(data + ECHO_HEADER, pattern(t->plan.size) + get64(data) % 256,
                  size - ECHO_HEADER) == 0;
}

void echo_check(jp_stream *stream, const uint8_t *data, size_t size)
{
    struct lane *lane = lane_of(stream);
    struct test *t = test_of(jp_stream_session(stream));
    uint64_t now = now_of(t), n;
    unsigned slot;

    t->tally.received += size;
    t->tally.received_messages++;
    t->last_at = now;
    if (!is_ours(t, lane, data, size)) {
        t->tally.wrong++;
        return;
    }
    n = get64(data);
    slot = n % ECHO_SLOTS;
    if (!lane->slots[slot].at || lane->slots[slot].number != n) {
        t->tally.wrong += is_reliable(t); /* twice; else perhaps late, and counted as missing */
        return;
    }
    t->tally.wrong += get64(data + 8) != lane->slots[slot].at;
    t->tally.acked += size;
    t->tally.acked_messages++;
    count_rtt(&t->tally, now - lane->slots[slot].at);
    set_free(lane, slot);
}

/* ---- who answers ---- */

static size_t held_bytes;

void echo_release(struct held *held)
{
    if (!held)
        return;
    LIST_REMOVE(held, next);
    held_bytes -= held->size;
    free(held);
}

void echo_answer(jp_stream *stream, const void *data, size_t size)
{
    struct test *t = test_of(jp_stream_session(stream));
    struct held *held;
    int error = jp_stream_send(stream, data, size);

    if (error != JP_SEND_WOULD_BLOCK) {
        if (error)
            test_refused(t, error);
        return;
    }
    held = size <= HELD_MAX - held_bytes ? malloc(sizeof(*held) + size) : NULL;
    if (!held) {
        jp_session_close(t->session, JP_CODE_LIMIT, "no memory for the echoes that wait");
        return;
    }
    held_bytes += size;
    memcpy(held->data, data, size);
    held->size = size;
    LIST_INSERT_HEAD(&t->held, held, next);
    lane_of(stream)->held = held;
    jp_stream_pause(stream);
}

void echo_go_on(jp_stream *stream)
{
    struct lane *lane = lane_of(stream);
    int error = jp_stream_send(stream, lane->held->data, lane->held->size);

    if (error == JP_SEND_WOULD_BLOCK)
        return;
    if (error)
        test_refused(test_of(jp_stream_session(stream)), error);
    echo_release(lane->held);
    lane->held = NULL;
    jp_stream_resume(stream);
}
