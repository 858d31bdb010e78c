/* Sessions of one thread whose peers are what a test sends them. Their pools have
 * what one packet must find, and so much more as a test says. */
#ifndef TESTS_CONN_FIXTURE_H
#define TESTS_CONN_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "conn_state.h"

enum {
    NOW = 1000000000,
    SESSIONS = 64,
    TABLE = 4096,
    POOLS = 10,
    CREDIT = 1 << 20,
    SYMBOL = 1536,
};

/* More than the least there must be. */
struct plenty {
    uint32_t streams, closed, sent, send, messages, blocks;
};

struct peer {
    struct conn *c;
    struct replay replay;
    uint64_t pn, acked;
    uint32_t opened, ended, read, tickets, moves;
    uint64_t code; /* of its close */
    bool silent;   /* what it sent stays unread */
};

static struct world {
    struct conn_pools pools;
    struct conn_entry *table[TABLE];
    struct peer peer[SESSIONS];
    void *memory[POOLS];
    unsigned n_memory;
    uint64_t now;
} w;

static void on_opened(struct conn *c, uint32_t stream)
{
    struct peer *p = conn_user(c);

    (void)stream;
    p->opened++;
}
static void on_readable(struct conn *c, uint32_t stream)
{
    struct peer *p = conn_user(c);
    struct reassembly_message *m;

    while (!p->silent && (m = conn_read(c, stream)) != NULL) {
        p->read++;
        conn_release(c, stream, m, w.now);
    }
}
/* What the peer ends we end. */
static void on_ended(struct conn *c, uint32_t stream, enum conn_end how)
{
    struct peer *p = conn_user(c);

    p->ended += how == CONN_END_BOTH;
    conn_reset(c, stream, w.now);
}
static void on_released(struct conn *c, void *user, enum sendq_fate fate)
{
    (void)c, (void)user, (void)fate;
}
static void on_writable(struct conn *c, int stream)
{
    (void)c, (void)stream;
}
static void on_datagram(struct conn *c, const uint8_t *data, uint32_t len)
{
    (void)c, (void)data, (void)len;
}
static void on_path(struct conn *c, unsigned path, enum conn_path_event event)
{
    struct peer *p = conn_user(c);

    (void)path;
    p->moves += event == CONN_PATH_CHANGED;
}
static void on_ticket(struct conn *c, const uint8_t *ticket, uint32_t len)
{
    struct peer *p = conn_user(c);

    (void)ticket, (void)len;
    p->tickets++;
}
static int on_acked(struct conn *c, uint64_t pn)
{
    (void)c, (void)pn;
    return 0;
}
static void on_closed(struct conn *c, uint64_t code, const char *reason, bool local)
{
    struct peer *p = conn_user(c);

    assert_true(reason && local);
    p->code = code;
}
static const struct conn_ops ops = {
    .opened = on_opened,
    .readable = on_readable,
    .ended = on_ended,
    .released = on_released,
    .writable = on_writable,
    .datagram = on_datagram,
    .path = on_path,
    .ticket = on_ticket,
    .acked = on_acked,
    .closed = on_closed,
};

static void carve(struct pool *pool, size_t size, uint32_t n)
{
    void *memory = aligned_alloc(64, pool_footprint((uint32_t)size, n));

    w.memory[w.n_memory++] = memory;
    pool_init(pool, memory, (uint32_t)size, n);
}

static void world_begin(const struct plenty *more)
{
    struct conn_pools *p = &w.pools;

    memset(&w, 0, sizeof(w));
    w.now = NOW;
    p->table = w.table;
    p->table_mask = TABLE - 1;
    p->table_key = 7;
    p->fec.symbol_max = SYMBOL;
    carve(&p->streams, conn_stream_size(), CONN_RESERVE_STREAMS + more->streams);
    carve(&p->closed, conn_closed_size(), CONN_CLOSED_PAGES + more->closed);
    carve(&p->sent, sizeof(struct sent_packet), 64 + more->sent);
    carve(&p->sendq.messages, sizeof(struct sendq_message), 64 + more->send);
    carve(&p->sendq.ranges, sizeof(struct sendq_range), 64 + more->send);
    carve(&p->reassembly.messages, sizeof(struct reassembly_message),
          CONN_RESERVE_MESSAGES + more->messages);
    carve(&p->reassembly.blocks, sizeof(struct reassembly_block),
          CONN_RESERVE_BLOCKS + more->blocks);
    carve(&p->fec.symbols, SYMBOL, 256);
    carve(&p->fec.blocks, fec_block_size(), 16);
    carve(&p->protection, conn_fec_size(), 4);
}

/* Of a session whose peer may open so many streams. */
static struct conn_config config_of(unsigned i, uint16_t max_streams)
{
    struct conn_config config = {.ops = &ops,
                                 .user = &w.peer[i],
                                 .pools = &w.pools,
                                 .replay = &w.peer[i].replay,
                                 .congestion = &cc_newreno,
                                 .local = hs_params_default,
                                 .peer = hs_params_default,
                                 .path = {.peer_port = (uint16_t)(1 + i)},
                                 .window_max = 16 * CREDIT,
                                 .stream_window_max = 16 * CREDIT,
                                 .server = true};

    config.local.max_data = config.peer.max_data = CREDIT;
    config.local.max_stream_data = config.peer.max_stream_data = CREDIT;
    config.local.max_streams = max_streams;
    return config;
}

static struct peer *peer_begin(unsigned i, const struct conn_config *config)
{
    struct peer *p = &w.peer[i];

    p->c = aligned_alloc(64, (conn_size() + 63) & ~(size_t)63);
    assert_int_equal(conn_init(p->c, config, w.now), 0);
    return p;
}

static void peer_end(struct peer *p)
{
    conn_fini(p->c);
    free(p->c);
    p->c = NULL;
}

static int world_end(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SESSIONS; i++)
        if (w.peer[i].c)
            peer_end(&w.peer[i]);
    assert_int_equal(w.pools.streams.used, 0);
    assert_int_equal(w.pools.closed.used, 0);
    assert_int_equal(w.pools.sent.used, 0);
    assert_int_equal(w.pools.sendq.messages.used, 0);
    assert_int_equal(w.pools.sendq.ranges.used, 0);
    assert_int_equal(w.pools.reassembly.messages.used, 0);
    assert_int_equal(w.pools.reassembly.blocks.used, 0);
    assert_int_equal(w.pools.fec.symbols.used, 0);
    assert_int_equal(w.pools.fec.blocks.used, 0);
    assert_int_equal(w.pools.protection.used, 0);
    for (unsigned i = 0; i < CONN_HOLDINGS; i++)
        for (unsigned j = 0; j < CONN_HOLDING_CLASSES; j++)
            assert_int_equal(w.pools.holders[i][j].n, 0);
    for (unsigned i = 0; i < w.n_memory; i++)
        free(w.memory[i]);
    return 0;
}

/* The peer's next packet arrives along a path. */
static void receive_along(struct peer *p, const uint8_t *frames, const uint8_t *end,
                          const struct jp_path *path)
{
    struct conn_received r = {.frames = frames,
                              .path = path,
                              .pn = p->pn++,
                              .len = (uint32_t)(end - frames),
                              .bytes = 1200};

    assert_int_equal(replay_commit(&p->replay, r.pn), REPLAY_FRESH);
    conn_receive(p->c, w.now, &r);
}

static void receive(struct peer *p, const uint8_t *frames, const uint8_t *end)
{
    receive_along(p, frames, end, &p->c->config.path);
}

/* As its owner would: false when there is no room for it. */
static inline bool offer(struct peer *p, const uint8_t *frames, const uint8_t *end)
{
    if (conn_is_closed(p->c) || !conn_can_receive(p->c))
        return false;
    receive(p, frames, end);
    return true;
}

/* A fragment of a message, the last if `fin`. */
static inline uint8_t *put_fragment(uint8_t *p, uint32_t stream, uint64_t seq, uint32_t offset,
                                    uint32_t len, bool fin)
{
    p = frame_put_stream_flags(p, FRAME_STREAM_LEN | (fin ? FRAME_STREAM_FIN : 0), stream, seq,
                               offset, len);
    memset(p, 0x55, len);
    return p + len;
}

/* It sends what it has to. Returns packets. */
static inline unsigned send_all(struct peer *p)
{
    uint8_t frames[CONN_PACKET_MAX];
    unsigned n = 0;

    for (;; n++) {
        struct conn_packet out = {.frames = frames};

        if (!conn_send(p->c, w.now, p->c->next_pn, &out))
            return n;
    }
}

/* And all of it is acknowledged, a while later. */
static inline void answer_all(struct peer *p)
{
    uint8_t frames[64];

    while (send_all(p) > 0 && !conn_is_closed(p->c)) {
        struct frame_ack_range all = {p->acked, p->c->next_pn - 1};

        p->acked = p->c->next_pn;
        w.now += 10000;
        receive(p, frames, frame_put_ack(frames, 0, &all, 1));
    }
}

#endif
