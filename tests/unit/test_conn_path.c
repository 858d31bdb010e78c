/* Paths: validation, migration and its refusals, additional paths, and which one is chosen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "conn_state.h"

enum { NOW = 1000000000, RECORDS = 512 };

struct world {
    struct conn *c;
    struct conn_pools pools;
    void *memory;
    uint64_t pn, now;
    int event[CONN_PATHS]; /* the last of each path, -1: none */
};

static void on_path(struct conn *c, unsigned path, enum conn_path_event event)
{
    ((struct world *)c->user)->event[path] = (int)event;
}
static const struct conn_ops ops = {.path = on_path};

static struct jp_path address(uint8_t host, uint16_t port)
{
    return (struct jp_path){
        .peer_ip = {0xfd, host}, .our_ip = {0xfd}, .peer_port = port, .our_port = 4500};
}

static void begin(struct world *w, bool server)
{
    struct conn *c = aligned_alloc(64, (sizeof(*c) + 63) & ~(size_t)63);

    memset(c, 0, sizeof(*c));
    *w = (struct world){.c = c, .now = NOW, .pn = 10};
    memset(w->event, -1, sizeof(w->event));
    w->memory = malloc(pool_footprint(sizeof(struct sent_packet), RECORDS));
    pool_init(&w->pools.sent, w->memory, sizeof(struct sent_packet), RECORDS);
    c->ops = &ops;
    c->user = w;
    c->pools = &w->pools;
    c->next_pn = 100;
    c->config =
        (struct conn_config){.congestion = &cc_newreno, .path = address(1, 1000), .server = server};
    c->config.local.max_packet = c->config.peer.max_packet = 1472;
    paths_init(c, w->now);
    rtt_update(&c->path[0].rtt, 20000, 0);
    c->path[0].congestion.cwnd = 50000;
}

static void end(struct world *w)
{
    paths_fini(w->c);
    assert_int_equal(w->pools.sent.used, 0);
    free(w->memory);
    free(w->c);
}

/* A packet comes, with one frame: FRAME_PING, or one about paths. */
static struct conn_path *arrive(struct world *w, struct jp_path from, uint64_t pn,
                                enum frame_type type, const uint8_t *data, uint64_t value)
{
    struct conn *c = w->c;
    struct frame f = {.type = (uint8_t)type};
    struct conn_received p = {.path = &from, .pn = pn, .bytes = 400};
    struct conn_path *path = path_arrived(c, &p, w->now);
    bool newest = pn >= c->newest;

    if (type == FRAME_PATH_USE)
        f.u.control.value = value;
    else
        f.u.path_data = data;
    if (type != FRAME_PING)
        path_read(c, path, &f, w->now);
    if (newest)
        c->newest = pn + 1;
    path_settled(c, path, newest, type != FRAME_PING, w->now);
    return path;
}
static struct conn_path *ping_from(struct world *w, struct jp_path from)
{
    return arrive(w, from, w->pn++, FRAME_PING, NULL, 0);
}
static struct conn_path *use_from(struct world *w, struct jp_path from, enum path_use use)
{
    return arrive(w, from, w->pn++, FRAME_PATH_USE, NULL, use);
}

/* The path frames due leave; the path they took, and the one record of them, if any. */
static struct conn_path *send_frames(struct world *w, uint8_t out[64], size_t *len)
{
    struct conn *c = w->c;
    struct conn_path *path = path_control_due(c, w->now);
    struct build b = {.c = c, .path = path, .now = w->now, .start = out, .p = out, .end = out + 64};

    if (!path)
        return NULL;
    b.pn = c->next_pn++;
    path_put(&b);
    *len = (size_t)(b.p - out);
    for (unsigned i = 0; i < CONN_PATHS; i++)
        if (c->path[i].open && (&c->path[i] != path || !b.eliciting))
            sent_note(&c->path[i].sent, b.pn);
    if (b.eliciting) {
        struct sent_packet *record = sent_add(&path->sent, &w->pools.sent, b.pn, w->now);

        record->n = b.n;
        record->bytes = 100;
        memcpy(record->items, b.items, b.n * sizeof(b.items[0]));
        congestion_on_sent(&path->congestion, record, w->now);
    }
    path_sent(c, path, 100, w->now);
    return path;
}

/* The challenge that is due leaves along path and is answered from its peer. */
static void answer_challenge(struct world *w, struct conn_path *path, uint64_t rtt)
{
    uint8_t out[64];
    size_t len;

    assert_ptr_equal(send_frames(w, out, &len), path);
    assert_int_equal(out[0], FRAME_PATH_CHALLENGE);
    w->now += rtt;
    arrive(w, path->address, w->pn++, FRAME_PATH_RESPONSE, out + 1, 0);
}

static struct conn_path *choose(struct world *w)
{
    uint64_t at = UINT64_MAX;

    return path_choose(w->c, w->now, &at);
}

/* How large a packet with the path frames due is to be. */
static uint32_t size_due(struct world *w, struct conn_path *path)
{
    uint8_t out[64];
    struct build b = {
        .c = w->c, .path = path, .now = w->now, .start = out, .p = out, .end = out + 64};

    return path_put(&b);
}

static void responses_are_as_large_as_their_challenge(void **state)
{
    static const uint32_t sizes[] = {44, 600, CONN_PACKET_MIN, 1452};
    struct jp_path from = address(1, 1000);
    struct world w;

    (void)state;
    begin(&w, true);
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct conn_received p = {.path = &from, .pn = w.pn++, .bytes = sizes[i]};
        struct frame f = {.type = FRAME_PATH_CHALLENGE, .u.path_data = (const uint8_t[8]){1}};
        struct conn_path *path = path_arrived(w.c, &p, w.now);

        path_read(w.c, path, &f, w.now);
        assert_int_equal(size_due(&w, path), i < 2 ? sizes[i] : CONN_PACKET_MIN);
    }
    end(&w);
}

/* The server was not asked whether it likes the client's path; TCP has no MTU. */
static void clients_challenge_with_full_packets(void **state)
{
    struct jp_path by_tcp = address(3, 1000);
    struct world w;

    (void)state;
    begin(&w, true);
    assert_int_equal(size_due(&w, ping_from(&w, address(2, 1000))), 0);
    end(&w);
    begin(&w, false);
    by_tcp.tcp = 1;
    for (unsigned i = 0; i < 2; i++) {
        struct jp_path to = i ? by_tcp : address(2, 1000);
        int path = conn_path_add(w.c, &to, PATH_SHARE, w.now);

        assert_int_equal(size_due(&w, &w.c->path[path]), i ? 0 : CONN_PACKET_MIN);
    }
    end(&w);
}

static void the_first_path(void **state)
{
    struct world w;
    struct jp_path moved = address(1, 1000);

    (void)state;
    begin(&w, true);
    assert_ptr_equal(choose(&w), &w.c->path[0]);
    assert_null(path_control_due(w.c, w.now));
    assert_int_equal(path_room(&w.c->path[0]), w.c->path[0].mtu);
    moved.peer_mac[0] = 7; /* another next hop is the same path */
    moved.vlan = 9;
    assert_ptr_equal(ping_from(&w, moved), &w.c->path[0]);
    assert_int_equal(w.c->path[0].address.vlan, 9);
    arrive(&w, address(1, 1000), 1, FRAME_PING, NULL, 0); /* an old packet says nothing */
    assert_int_equal(w.c->path[0].address.vlan, 9);
    assert_true(paths_deadline(w.c) == UINT64_MAX);
    end(&w);
}

static void the_peer_migrates(void **state)
{
    struct world w;

    (void)state;
    begin(&w, true);
    struct conn_path *to = ping_from(&w, address(2, 1000)), *from = &w.c->path[0];

    assert_ptr_equal(to, &w.c->path[w.c->active]);
    assert_int_equal(w.event[w.c->active], CONN_PATH_CHANGED);
    assert_false(rtt_known(&to->rtt));
    assert_true(to->congestion.cwnd < 50000);
    assert_int_equal(path_room(from), 0);
    assert_int_equal(path_room(to), 3 * 400);
    assert_ptr_equal(choose(&w), to);
    path_sent(w.c, to, 1000, w.now);
    assert_int_equal(path_room(to), 200);
    assert_null(choose(&w));
    answer_challenge(&w, to, 30000);
    assert_true(to->validated);
    assert_int_equal(w.event[w.c->active], CONN_PATH_VALIDATED);
    assert_int_equal(to->rtt.smoothed, 30000);
    assert_int_equal(path_room(to), to->mtu);
    assert_ptr_equal(choose(&w), to);
    assert_true(from->open);
    w.now = from->close_at;
    assert_true(paths_deadline(w.c) <= w.now);
    paths_timeout(w.c, w.now);
    assert_false(from->open);
    end(&w);
}

static void what_migrates_nothing(void **state)
{
    struct world w;

    (void)state;
    begin(&w, true);
    ping_from(&w, address(1, 1000));
    arrive(&w, address(2, 1), 5, FRAME_PING, NULL, 0); /* older than the newest */
    assert_int_equal(w.c->active, 0);
    struct conn_path *path =
        arrive(&w, address(2, 1), w.pn++, FRAME_PATH_CHALLENGE, (const uint8_t *)"12345678", 0);
    uint8_t out[64];
    size_t len;

    assert_int_equal(w.c->active, 0);
    assert_ptr_equal(send_frames(&w, out, &len), path); /* but it is answered, there */
    assert_int_equal(len, 9);
    assert_memory_equal(out,
                        "\x05"
                        "12345678",
                        9);
    assert_null(path_control_due(w.c, w.now));
    assert_ptr_equal(choose(&w), &w.c->path[0]);
    end(&w);
}

static void only_a_port_changed(void **state)
{
    struct world w;

    (void)state;
    begin(&w, true);
    w.c->path[0].sent.next_order = 77;
    struct conn_path *to = ping_from(&w, address(1, 1001));

    assert_ptr_equal(to, &w.c->path[w.c->active]);
    assert_int_equal(to->rtt.smoothed, 20000);
    assert_int_equal(to->congestion.cwnd, 50000);
    assert_int_equal(to->sent.next_order, 77);
    assert_int_equal(to->settled, 77); /* which are no packets of this one */
    assert_int_equal(path_room(to), 1200);
    answer_challenge(&w, to, 20000);
    assert_int_equal(path_room(to), to->mtu);
    end(&w);
}

static void a_move_that_fails(void **state)
{
    struct world w;
    uint8_t out[64];
    size_t len;
    unsigned challenges = 0;

    (void)state;
    begin(&w, true);
    struct conn_path *to = ping_from(&w, address(2, 1000)), *from = &w.c->path[0];
    unsigned index = w.c->active;

    while (to->open) {
        uint64_t at = paths_deadline(w.c);

        assert_true(challenges < 10);
        w.now = at > w.now ? at : w.now;
        paths_timeout(w.c, w.now);
        if (send_frames(&w, out, &len)) {
            challenges++;
            /* neither wrong data nor the wrong path prove anything */
            arrive(&w, from->address, 1, FRAME_PATH_RESPONSE, out + 1, 0);
            out[1] ^= 1;
            arrive(&w, to->address, 1, FRAME_PATH_RESPONSE, out + 1, 0);
        }
    }
    assert_int_equal(challenges, 3);
    assert_int_equal(w.event[index], CONN_PATH_FAILED);
    assert_int_equal(w.event[0], -1);
    assert_int_equal(w.c->active, 0);
    assert_ptr_equal(choose(&w), from);
    end(&w);
}

/* Of moves in quick succession one is believed until it was proven or a while passed; the last
 * proven path is what remains. */
static void churn(void **state)
{
    struct world w;

    (void)state;
    begin(&w, true);
    struct conn_path *first = ping_from(&w, address(2, 1)), *second = ping_from(&w, address(3, 1));

    assert_ptr_equal(&w.c->path[w.c->active], first);
    assert_false(second->challenging);
    w.now += rtt_pto(&first->rtt);
    ping_from(&w, address(3, 1));
    assert_ptr_equal(&w.c->path[w.c->active], second);
    assert_false(first->open);
    assert_int_equal(second->replaces, 0);
    ping_from(&w, address(1, 1000)); /* back home, at once: it is proven */
    assert_int_equal(w.c->active, 0);
    assert_ptr_equal(choose(&w), &w.c->path[0]);
    assert_int_equal(path_room(second), 0);
    w.now = second->close_at;
    paths_timeout(w.c, w.now);
    assert_false(second->open);
    assert_true(w.c->path[0].open);
    end(&w);
}

static void strangers_crowd_nobody_out(void **state)
{
    struct world w;
    const uint8_t data[8] = {1};

    (void)state;
    begin(&w, true);
    for (uint8_t i = 0; i < CONN_PATHS - 1; i++)
        assert_non_null(arrive(&w, address(2 + i, 1), w.pn++, FRAME_PATH_CHALLENGE, data, 0));
    assert_null(arrive(&w, address(9, 1), w.pn++, FRAME_PATH_CHALLENGE, data, 0));
    w.now += 3 * rtt_pto(&w.c->path[0].rtt);
    assert_non_null(arrive(&w, address(9, 1), w.pn++, FRAME_PATH_CHALLENGE, data, 0));
    assert_true(w.c->path[0].open);
    assert_int_equal(w.c->active, 0);
    end(&w);
}

/* One more path, proven, with this use. */
static struct conn_path *add(struct world *w, uint8_t host, enum path_use use)
{
    struct conn_path *path = use_from(w, address(host, 1), use);

    assert_true(path->challenging);
    assert_int_equal(path_room(path), 1200);
    answer_challenge(w, path, 20000);
    path->congestion.cwnd = 50000;
    return path;
}

static void an_additional_path(void **state)
{
    struct world w;

    (void)state;
    begin(&w, true);
    struct conn_path *first = &w.c->path[0], *second = add(&w, 2, PATH_STANDBY);

    /* acknowledgements go where the newest packet came from, but nobody moved */
    assert_ptr_equal(&w.c->path[w.c->active], second);
    ping_from(&w, first->address);
    assert_ptr_equal(&w.c->path[w.c->active], first);
    ping_from(&w, second->address);
    assert_ptr_equal(&w.c->path[w.c->active], second);
    assert_int_equal(w.event[1], CONN_PATH_VALIDATED);
    assert_ptr_equal(choose(&w), first);
    first->congestion.in_flight = first->congestion.cwnd;
    assert_null(choose(&w)); /* it works, and is full */
    first->loss.probe_count = 2;
    assert_ptr_equal(choose(&w), second);
    assert_true(path_failing(w.c, first));
    first->loss.probe_count = 0;
    first->congestion.in_flight = 0;
    use_from(&w, second->address, PATH_SHARE);
    use_from(&w, first->address, PATH_STANDBY);
    assert_ptr_equal(choose(&w), second);
    use_from(&w, first->address, PATH_DUPLICATE);
    assert_ptr_equal(choose(&w), second);
    assert_ptr_equal(path_next_copy(w.c, second, NULL, 1000, w.now), first);
    assert_null(path_next_copy(w.c, second, first, 1000, w.now));
    assert_null(path_next_copy(w.c, second, NULL, 1473, w.now));
    use_from(&w, second->address, PATH_ABANDONED);
    assert_int_equal(w.c->active, 0);
    assert_ptr_equal(choose(&w), first);
    use_from(&w, first->address, PATH_ABANDONED); /* the last one stays */
    assert_ptr_equal(choose(&w), first);
    end(&w);
}

static void an_old_use_is_ignored(void **state)
{
    struct world w;

    (void)state;
    begin(&w, true);
    struct conn_path *second = add(&w, 2, PATH_SHARE);

    arrive(&w, second->address, 1, FRAME_PATH_USE, NULL, PATH_ABANDONED);
    assert_false(second->quiet);
    end(&w);
}

/* Traffic is shared by rate; a path that was blocked does not catch up. */
static void shares_by_rate(void **state)
{
    struct world w;
    unsigned n[2] = {0};

    (void)state;
    begin(&w, true);
    struct conn_path *first = &w.c->path[0], *second = add(&w, 2, PATH_SHARE);

    first->congestion.pacing_rate = 30000000;
    second->congestion.pacing_rate = 10000000;
    for (unsigned i = 0; i < 1000; i++) {
        struct conn_path *path = choose(&w);

        n[path == second]++;
        path_sent(w.c, path, 1000, w.now);
    }
    assert_in_range(n[0], 745, 755);
    second->congestion.in_flight = second->congestion.cwnd;
    for (unsigned i = 0; i < 1000; i++)
        path_sent(w.c, choose(&w), 1000, w.now);
    second->congestion.in_flight = 0;
    n[0] = n[1] = 0;
    for (unsigned i = 0; i < 1000; i++) {
        struct conn_path *path = choose(&w);

        n[path == second]++;
        path_sent(w.c, path, 1000, w.now);
    }
    assert_in_range(n[0], 740, 760);
    uint64_t at = UINT64_MAX;

    pacer_on_sent(&first->pacer, 1000, 9000, w.now);
    pacer_on_sent(&second->pacer, 1000, 9000, w.now);
    first->congestion.pacing_rate = second->congestion.pacing_rate = 1000;
    assert_null(path_choose(w.c, w.now, &at));
    assert_true(at > w.now && at != UINT64_MAX);
    end(&w);
}

/* What is in flight along a path that fails, or is closed, is lost: it is sent elsewhere. */
static void what_is_in_flight_is_rescued(void **state)
{
    struct world w;

    (void)state;
    begin(&w, true);
    struct conn_path *first = &w.c->path[0];

    for (unsigned i = 0; i < 5; i++) {
        struct sent_packet *p = sent_add(&first->sent, &w.pools.sent, w.c->next_pn++, w.now);

        p->bytes = 1000;
        congestion_on_sent(&first->congestion, p, w.now);
    }
    first->loss.probe_count = 2;
    paths_timeout(w.c, w.now); /* there is no other */
    assert_int_equal(w.pools.sent.used, 5);
    add(&w, 2, PATH_SHARE);
    paths_timeout(w.c, w.now);
    assert_int_equal(w.pools.sent.used, 0);
    assert_int_equal(first->congestion.in_flight, 0);
    assert_int_equal(first->packets_lost, 5);
    sent_add(&first->sent, &w.pools.sent, w.c->next_pn++, w.now);
    paths_timeout(w.c, w.now); /* once a timeout: its probe may still be answered */
    assert_int_equal(w.pools.sent.used, 1);
    use_from(&w, first->address, PATH_ABANDONED);
    w.now = first->close_at;
    paths_timeout(w.c, w.now);
    assert_false(first->open);
    assert_int_equal(w.pools.sent.used, 0);
    end(&w);
}

static void the_client_migrates(void **state)
{
    struct world w;
    struct jp_path to = address(1, 1000), third = address(1, 1000);

    (void)state;
    begin(&w, false);
    to.our_ip[5] = 1;
    third.our_ip[5] = 2;
    assert_int_equal(conn_migrate(w.c, &to, w.now), 0);
    struct conn_path *path = &w.c->path[w.c->active];

    assert_memory_equal(&path->address, &to, 36);
    assert_true(w.c->ping_due);
    assert_ptr_equal(choose(&w), path); /* at once, without a limit */
    assert_int_equal(path_room(path), path->mtu);
    ping_from(&w, address(1, 1000)); /* the server does not know yet */
    assert_ptr_equal(&w.c->path[w.c->active], path);
    answer_challenge(&w, path, 40000);
    assert_int_equal(w.event[w.c->active], CONN_PATH_VALIDATED);
    assert_int_equal(path->use_state, USE_KNOWN);
    assert_null(ping_from(&w, third)); /* a server does not move */
    assert_int_equal(conn_migrate(w.c, &to, w.now), 0);
    assert_int_equal(conn_migrate(w.c, &third, w.now), 0);
    w.c->ping_due = false;
    w.now += 3600000000;
    paths_timeout(w.c, w.now); /* it never worked */
    assert_ptr_equal(&w.c->path[w.c->active], path);
    assert_true(w.c->ping_due);
    end(&w);
}

static void the_client_adds_a_path(void **state)
{
    struct world w;
    struct jp_path more = address(1, 1000);
    uint8_t out[64];
    size_t len;

    (void)state;
    begin(&w, false);
    more.our_port = 9;
    assert_int_equal(conn_path_add(w.c, &more, PATH_ABANDONED, w.now), -EINVAL);
    assert_int_equal(conn_path_add(w.c, &w.c->config.path, PATH_SHARE, w.now), -EINVAL);
    int index = conn_path_add(w.c, &more, PATH_SHARE, w.now);

    assert_int_equal(index, 1);
    struct conn_path *path = &w.c->path[1];

    answer_challenge(&w, path, 20000);
    assert_ptr_equal(choose(&w), &w.c->path[0]); /* the peer has to know first */
    assert_ptr_equal(send_frames(&w, out, &len), path);
    assert_int_equal(len, 2);
    assert_memory_equal(out, "\x07\x02", 2);
    assert_null(path_control_due(w.c, w.now));
    path_item_lost(w.c, path, &path->sent.live->items[0]);
    assert_ptr_equal(send_frames(&w, out, &len), path);
    path->probes = 2; /* no other packet may go first */
    assert_ptr_equal(send_frames(&w, out, &len), path);
    path->probes = 0;
    path_item_acked(w.c, path, &path->sent.live->items[0]);
    w.c->path[0].congestion.in_flight = 50000;
    assert_ptr_equal(choose(&w), path);
    assert_int_equal(conn_path_set(w.c, 2, PATH_SHARE, w.now), -ENOENT);
    assert_int_equal(conn_path_set(w.c, 99, PATH_SHARE, w.now), -ENOENT);
    assert_int_equal(conn_path_set(w.c, 0, PATH_ABANDONED, w.now), 0);
    assert_int_equal(w.c->active, 1);
    assert_ptr_equal(send_frames(&w, out, &len), &w.c->path[0]);
    assert_memory_equal(out, "\x07\x00", 2);
    assert_int_equal(path_room(&w.c->path[0]), 0);
    assert_int_equal(conn_path_set(w.c, 0, PATH_SHARE, w.now), -ENOENT);
    assert_int_equal(conn_path_set(w.c, 1, PATH_ABANDONED, w.now), -EINVAL);
    end(&w);
}

/* A path may be gone, or back in use, before the one that was to replace it fails. */
static void what_was_replaced_is_closed(void **state)
{
    struct world w;
    struct jp_path address_of[4];

    (void)state;
    begin(&w, false);
    for (unsigned i = 0; i < 4; i++) {
        address_of[i] = address(1, 1000);
        address_of[i].our_port = (uint16_t)(4500 + i);
    }
    assert_int_equal(conn_path_add(w.c, &address_of[1], PATH_SHARE, w.now), 1);
    answer_challenge(&w, &w.c->path[1], 20000);
    w.c->path[1].joined = true;
    assert_int_equal(conn_migrate(w.c, &address_of[2], w.now), 0);
    assert_int_equal(w.c->path[2].replaces, 0);
    w.c->path[1].use_state = USE_KNOWN;
    ping_from(&w, w.c->path[1].address);
    assert_int_equal(w.c->active, 1);
    assert_int_equal(conn_migrate(w.c, &address_of[0], w.now), 0);
    assert_int_equal(conn_migrate(w.c, &address_of[3], w.now), 0);
    w.c->path[2].challenge_at = UINT64_MAX; /* it is not heard */
    answer_challenge(&w, &w.c->path[w.c->active], 20000);
    w.now = w.c->path[0].close_at;
    paths_timeout(w.c, w.now);
    assert_false(w.c->path[0].open);
    assert_int_equal(w.c->path[2].replaces, CONN_PATHS);
    w.now = w.c->path[2].validate_by;
    paths_timeout(w.c, w.now);
    assert_true(w.c->path[w.c->active].open);
    end(&w);
}

/* Callbacks run while a path's records are walked. */
static void no_path_is_closed_while_its_records_are_read(void **state)
{
    struct world w;
    struct jp_path more = address(1, 1000);

    (void)state;
    begin(&w, false);
    for (uint16_t i = 1; i < CONN_PATHS; i++) {
        more.our_port = i;
        assert_int_equal(conn_path_add(w.c, &more, PATH_SHARE, w.now), i);
        answer_challenge(&w, &w.c->path[i], 20000);
        w.c->path[i].use_state = USE_KNOWN;
    }
    assert_int_equal(conn_path_set(w.c, 2, PATH_ABANDONED, w.now), 0);
    w.c->path[2].settling = true;
    more.our_port = 77;
    assert_int_equal(conn_path_add(w.c, &more, PATH_SHARE, w.now), -ENOSPC);
    assert_true(w.c->path[2].open);
    w.c->path[2].settling = false;
    assert_int_equal(conn_path_add(w.c, &more, PATH_SHARE, w.now), 2);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_path),
        cmocka_unit_test(responses_are_as_large_as_their_challenge),
        cmocka_unit_test(clients_challenge_with_full_packets),
        cmocka_unit_test(the_peer_migrates),
        cmocka_unit_test(what_migrates_nothing),
        cmocka_unit_test(only_a_port_changed),
        cmocka_unit_test(a_move_that_fails),
        cmocka_unit_test(churn),
        cmocka_unit_test(strangers_crowd_nobody_out),
        cmocka_unit_test(an_additional_path),
        cmocka_unit_test(an_old_use_is_ignored),
        cmocka_unit_test(shares_by_rate),
        cmocka_unit_test(what_is_in_flight_is_rescued),
        cmocka_unit_test(the_client_migrates),
        cmocka_unit_test(the_client_adds_a_path),
        cmocka_unit_test(what_was_replaced_is_closed),
        cmocka_unit_test(no_path_is_closed_while_its_records_are_read),
    };

    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
