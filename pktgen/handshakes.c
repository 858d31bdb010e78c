#include "handshakes.h"

#include <errno.h>

#include <rte_cycles.h>
#include <sodium.h>

#include "bytes.h"
#include "send.h"

enum { REPEAT_US = 250000, GIVE_UP_US = 5000000 };
enum { STARTS_A_TURN = 4, QUOTED_NUMBERS = 4096 };

static void send_hello(struct worker *w, struct session *s)
{
    struct handshake *h = s->handshake;

    count(w, C_hellos_sent, 1);
    send_datagram(w, s, h->client.hello, HS_CLIENT_HELLO_LEN);
    h->repeat = w->now + h->interval;
    session_wake(w, s, RTE_MIN(h->repeat, h->give_up));
}

static void start(struct worker *w, struct session *s)
{
    const struct jetgen *g = w->g;
    const struct open_params *o = &g->open;
    struct hs_client_config config = {
        .client_spi = s->client_spi,
        .suites = {AEAD_AES256_GCM, AEAD_CHACHA20_POLY1305},
        .params =
            {
                .idle_timeout_ms = (uint32_t)(o->idle_timeout * 1000),
                .max_streams = (uint16_t)(o->streams + 1),
                .max_packet = (uint16_t)jetgen_payload_max(&g->options),
                .fec_k = o->fec_k,
                .fec_r = o->fec_r,
                .max_message = hs_params_default.max_message,
            },
        .pinned = g->options.pinned ? g->options.identity : NULL,
    };
    struct handshake *h = pool_get(&w->handshakes);

    if (o->suite != 0) {
        config.suites[0] = o->suite;
        config.suites[1] = 0;
    }
    h->started = rte_rdtsc();
    h->interval = REPEAT_US;
    h->give_up = w->now + GIVE_UP_US;
    s->handshake = h;
    s->state = SESSION_HELLO;
    if (hs_client_start(&h->client, &config, &hs_random_system) != 0) { /* no memory */
        count(w, C_handshakes_failed, 1);
        session_down(w, s);
        return;
    }
    send_hello(w, s);
}

/* How many handshakes the rate allows to be begun by now. */
static bool rate_allows(const struct worker *w)
{
    double rate = w->g->open.rate / w->g->options.workers;

    return rate == 0 || (double)w->handshakes_begun < rate * (double)(w->now - w->began) / 1e6 + 1;
}

unsigned handshakes_run(struct worker *w)
{
    struct session *s;
    unsigned n = 0;

    while (n < STARTS_A_TURN && !is_stopped(w) && w->handshakes.used < w->handshakes.capacity &&
           rate_allows(w) && (s = session_queue_pop(&w->waiting))) {
        w->handshakes_begun++;
        start(w, s);
        n++;
    }
    return n;
}

bool handshakes_busy(const struct worker *w)
{
    return w->waiting.head || w->handshakes.used > 0;
}

static void done(struct worker *w, struct session *s, struct hs_result *result)
{
    uint64_t took = rte_rdtsc() - s->handshake->started;

    hs_client_wipe(&s->handshake->client);
    pool_put(&w->handshakes, s->handshake);
    s->handshake = NULL;
    if (session_up(w, s, result) == 0) {
        count(w, C_handshakes_ok, 1);
        histogram_add(&w->results.handshake, took);
    } else {
        count(w, C_handshakes_failed, 1);
        session_down(w, s);
    }
    sodium_memzero(result, sizeof(*result));
}

void handshake_input(struct worker *w, struct session *s, uint8_t type, const uint8_t *msg,
                     uint32_t len)
{
    struct hs_result result;

    switch (hs_client_input(&s->handshake->client, w->aead, msg, len, &result)) {
    case HS_SEND:
        count(w, C_retries, 1);
        send_hello(w, s);
        break;
    case HS_DONE:
        done(w, s, &result);
        break;
    case HS_IGNORE:
        if (type == WIRE_SERVER_HELLO)
            count(w, C_hellos_rejected, 1);
        break;
    }
}

/* Does the quote begin a packet that this session sent lately (protocol section 2.7)? */
static bool quotes_us(const struct session *s, const uint8_t *quote)
{
    uint64_t pn = be64_load(quote + 8);

    return be32_load(quote) == s->server_spi && be32_load(quote + 4) == (uint32_t)pn &&
           pn < s->tx.next_pn && s->tx.next_pn - pn <= QUOTED_NUMBERS;
}

void handshake_reset(struct worker *w, struct session *s, const uint8_t *msg, uint32_t len)
{
    /* the signature last: it is dear */
    if (len != HS_RESET_LEN || !quotes_us(s, msg + WIRE_HS_HDR) ||
        !hs_reset_check(msg, len, s->server_identity)) {
        count(w, C_resets_ignored, 1);
        return;
    }
    count(w, C_resets, 1);
    session_down(w, s);
    session_begin(w, s);
}

void handshake_timer(struct worker *w, struct session *s)
{
    struct handshake *h = s->handshake;

    if (w->now >= h->give_up) {
        count(w, C_handshakes_failed, 1);
        session_down(w, s);
    } else if (w->now >= h->repeat) {
        h->interval *= 2;
        count(w, C_hellos_repeated, 1);
        send_hello(w, s);
    } else {
        session_wake(w, s, RTE_MIN(h->repeat, h->give_up));
    }
}
