/* The sending half of streams: fragments, what becomes of them, modes, ends; and both halves
 * together over a path that loses, repeats and reorders. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "frame.h"
#include "reassembly_fixture.h"
#include "rng.h"
#include "sendq.h"

enum { FOREVER = 0, COST = FLOW_MESSAGE_COST, MESSAGES_MAX = 2000 };

struct sender {
    struct sendq q;
    struct sendq_pools pools;
    struct sendq_config config;
    struct flow_tx stream, session;
    void *messages, *ranges;
    unsigned released[3]; /* by fate */
    int fates[MESSAGES_MAX];
};

static void on_release(void *context, void *user, enum sendq_fate fate)
{
    struct sender *s = context;

    assert_int_equal(s->fates[(uintptr_t)user], -1); /* once */
    s->fates[(uintptr_t)user] = fate;
    s->released[fate]++;
}

static void sender_init(struct sender *s, uint64_t ttl, uint8_t retransmissions, uint32_t ranges)
{
    *s = (struct sender){.config = {.ttl_us = ttl,
                                    .max_retransmissions = retransmissions,
                                    .max_messages = 100,
                                    .max_ranges = ranges,
                                    .release = on_release}};
    s->config.context = s;
    s->messages = aligned_alloc(64, pool_footprint(sizeof(struct sendq_message), 200));
    s->ranges = aligned_alloc(64, pool_footprint(sizeof(struct sendq_range), 400));
    pool_init(&s->pools.messages, s->messages, sizeof(struct sendq_message), 200);
    pool_init(&s->pools.ranges, s->ranges, sizeof(struct sendq_range), 400);
    s->stream.limit = s->session.limit = 1 << 30;
    for (unsigned i = 0; i < MESSAGES_MAX; i++)
        s->fates[i] = -1;
    sendq_init(&s->q, &s->config, &s->pools, &s->stream, &s->session);
}

static void sender_fini(struct sender *s)
{
    sendq_fini(&s->q);
    assert_int_equal(s->pools.messages.used, 0);
    assert_int_equal(s->pools.ranges.used, 0);
    assert_int_equal(s->stream.used, s->session.used);
    free(s->messages);
    free(s->ranges);
}

static const uint8_t zeros[100000];

static int push(struct sender *s, uint32_t len, uintptr_t user, uint64_t now)
{
    return sendq_push(&s->q, zeros, len, (void *)user, now);
}

/* The next fragment, cut to room, must be this one; it is sent. */
static void sends(struct sender *s, uint32_t room, uint64_t seq, uint32_t offset, uint32_t len,
                  bool fin)
{
    struct sendq_fragment f;

    assert_int_equal(sendq_next(&s->q, 0, &f), SENDQ_READY);
    assert_true(sendq_fit(&f, room));
    assert_int_equal(f.seq, seq);
    assert_int_equal(f.offset, offset);
    assert_int_equal(f.len, len);
    assert_int_equal(f.fin, fin);
    assert_ptr_equal(f.data, zeros + offset);
    sendq_sent(&s->q, &f);
}

static void sends_nothing(struct sender *s, enum sendq_verdict why)
{
    struct sendq_fragment f;

    assert_int_equal(sendq_next(&s->q, 0, &f), why);
}

static void fragments_fit(void **state)
{
    struct sender s;
    struct sendq_fragment f;

    (void)state;
    sender_init(&s, FOREVER, SENDQ_RELIABLE, 100);
    sends_nothing(&s, SENDQ_IDLE);
    push(&s, 2500, 0, 0);
    push(&s, 0, 1, 0);
    push(&s, 10, 2, 0);
    sends(&s, 1000, 0, 0, 1000, false);
    assert_int_equal(sendq_next(&s.q, 0, &f), SENDQ_READY);
    assert_false(sendq_fit(&f, 0)); /* no room: not sent */
    sends(&s, 1000, 0, 1000, 1000, false);
    sends(&s, 500, 0, 2000, 500, true);
    sends(&s, 0, 1, 0, 0, true);
    sends(&s, 500, 2, 0, 10, true);
    sends_nothing(&s, SENDQ_IDLE);
    assert_int_equal(s.q.ranges, 3); /* neighbours are one */
    sendq_acked(&s.q, 0, 2000, 500, true);
    sendq_acked(&s.q, 2, 0, 10, true);
    sendq_acked(&s.q, 0, 0, 1000, false);
    assert_int_equal(s.released[SENDQ_ACKED], 1); /* the third */
    sendq_acked(&s.q, 0, 1000, 1000, false);
    assert_int_equal(s.q.base, 1);
    sendq_acked(&s.q, 1, 0, 0, true);
    assert_int_equal(s.released[SENDQ_ACKED], 3);
    assert_int_equal(s.q.messages, 0);
    assert_int_equal(s.stream.used, 3 * COST + 2510);
    sendq_acked(&s.q, 1, 0, 0, true); /* late */
    sendq_lost(&s.q, 9, 0, 0, true);
    sender_fini(&s);
}

static void lost_goes_first(void **state)
{
    struct sender s;

    (void)state;
    sender_init(&s, FOREVER, SENDQ_RELIABLE, 100);
    push(&s, 5000, 0, 0);
    push(&s, 5000, 1, 0);
    for (uint32_t at = 0; at < 4000; at += 1000)
        sends(&s, 1000, 0, at, 1000, false);
    sendq_lost(&s.q, 0, 1000, 1000, false);
    sends(&s, 400, 0, 1000, 400, false); /* cut anew */
    sends(&s, 1000, 0, 1400, 600, false);
    sends(&s, 1000, 0, 4000, 1000, true);
    sendq_lost(&s.q, 0, 4000, 1000, true);
    sendq_lost(&s.q, 0, 1400, 600, false);
    sendq_acked(&s.q, 0, 1000, 1000, false); /* the original came late */
    sends(&s, 9000, 0, 4000, 1000, true);
    sends(&s, 9000, 1, 0, 5000, true);
    sendq_acked(&s.q, 0, 0, 1000, false);
    sendq_acked(&s.q, 0, 2000, 2000, false);
    sendq_acked(&s.q, 0, 4000, 1000, true);
    assert_int_equal(s.fates[0], SENDQ_ACKED);
    sendq_lost(&s.q, 1, 0, 5000, true);
    sender_fini(&s);
    assert_int_equal(s.fates[1], SENDQ_ABANDONED);
}

static void caps(void **state)
{
    struct sender s;

    (void)state;
    sender_init(&s, FOREVER, SENDQ_RELIABLE, 3);
    assert_int_equal(push(&s, FRAME_MESSAGE_MAX + 1, 0, 0), -EMSGSIZE);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(push(&s, 10, i, 0), 0);
    assert_int_equal(push(&s, 10, 100, 0), -ENOBUFS);
    for (unsigned i = 0; i < 3; i++)
        sends(&s, 100, i, 0, 10, true);
    sends_nothing(&s, SENDQ_FULL);
    sendq_acked(&s.q, 0, 0, 10, true);
    assert_int_equal(push(&s, 10, 100, 0), 0);
    sends(&s, 100, 3, 0, 10, true);
    sender_fini(&s);
}

/* Without a range to spare what is in flight counts as lost rather than as acknowledged. */
static void without_ranges_nothing_is_missed(void **state)
{
    struct sender s;

    (void)state;
    sender_init(&s, FOREVER, SENDQ_RELIABLE, 2);
    push(&s, 9000, 0, 0);
    for (uint32_t at = 0; at < 9000; at += 1000)
        sends(&s, 1000, 0, at, 1000, at == 8000);
    sendq_acked(&s.q, 0, 4000, 1000, false); /* [0,4000) and [5000,9001) */
    sendq_acked(&s.q, 0, 2000, 1000, false); /* no third: the first is lost */
    sends(&s, 9000, 0, 0, 4000, false);
    sendq_lost(&s.q, 0, 6000, 1000, false); /* and now all of the second */
    sends(&s, 9000, 0, 5000, 4000, true);
    sendq_acked(&s.q, 0, 0, 4000, false);
    sendq_acked(&s.q, 0, 5000, 4000, true);
    assert_int_equal(s.fates[0], SENDQ_ACKED);
    sender_fini(&s);
}

static void credit(void **state)
{
    struct sender s;
    struct sendq_fragment f;

    (void)state;
    sender_init(&s, FOREVER, SENDQ_RELIABLE, 100);
    s.stream.limit = s.session.limit = 0;
    push(&s, 1000, 0, 0);
    push(&s, 1000, 1, 0);
    assert_int_equal(sendq_next(&s.q, 0, &f), SENDQ_BLOCKED_STREAM);
    assert_int_equal(f.want, COST + 1000);
    flow_tx_raise(&s.stream, 1 << 20);
    assert_int_equal(sendq_next(&s.q, 0, &f), SENDQ_BLOCKED_SESSION);
    flow_tx_raise(&s.session, f.want);
    sends(&s, 300, 0, 0, 300, false);
    sendq_lost(&s.q, 0, 0, 300, false);
    sends(&s, 300, 0, 0, 300, false); /* again costs nothing */
    sends(&s, 900, 0, 300, 700, true);
    assert_int_equal(sendq_next(&s.q, 0, &f), SENDQ_BLOCKED_SESSION);
    sender_fini(&s);
}

static void time_to_live(void **state)
{
    struct sender s;
    struct sendq_fragment f;
    struct sendq_control c;

    (void)state;
    sender_init(&s, 1000, SENDQ_RELIABLE, 100);
    push(&s, 100, 0, 0);
    push(&s, 100, 1, 10);
    push(&s, 100, 2, 500);
    push(&s, 100, 3, 600);
    assert_int_equal(sendq_deadline(&s.q), 1000);
    sends(&s, 200, 0, 0, 100, true);
    sends(&s, 60, 1, 0, 60, false);
    sendq_expire(&s.q, 999);
    assert_int_equal(s.q.messages, 4);
    assert_int_equal(sendq_next(&s.q, 1010, &f), SENDQ_READY); /* both are over */
    assert_int_equal(f.seq, 2);
    assert_int_equal(s.released[SENDQ_EXPIRED], 2);
    assert_true(sendq_control_next(&s.q, &c));
    assert_int_equal(c.type, SENDQ_FORWARD);
    assert_int_equal(c.seq, 2);
    assert_int_equal(c.total, 2 * COST + 160);
    assert_int_equal(s.session.used, 3 * COST + 260); /* what was not sent came back */
    sendq_control_sent(&s.q, &c);
    assert_false(sendq_control_next(&s.q, &c));
    sendq_control_lost(&s.q, SENDQ_FORWARD, 2);
    assert_true(sendq_control_next(&s.q, &c));
    sendq_control_sent(&s.q, &c);
    sendq_expire(&s.q, 1600); /* 2 was started, 3 not: it gets no number */
    assert_int_equal(s.q.next_seq, 3);
    sendq_control_lost(&s.q, SENDQ_FORWARD, 2); /* old */
    assert_true(sendq_control_next(&s.q, &c));
    assert_int_equal(c.seq, 3);
    assert_int_equal(c.total, 3 * COST + 160);
    sendq_control_sent(&s.q, &c);
    sendq_control_lost(&s.q, SENDQ_FORWARD, 2); /* old, too: 3 is on its way */
    assert_false(sendq_control_next(&s.q, &c));
    sendq_control_acked(&s.q, SENDQ_FORWARD, 2);
    assert_int_equal(s.q.known, 2);
    sendq_control_acked(&s.q, SENDQ_FORWARD, 3);
    assert_int_equal(s.q.known, 3);
    assert_false(sendq_control_next(&s.q, &c));
    sender_fini(&s);
}

/* A shorter one, once it is configured, is for what is queued then, whatever waits in front. */
static void time_to_live_changes(void **state)
{
    struct sender s;
    struct sendq_fragment f;

    (void)state;
    sender_init(&s, 0, SENDQ_RELIABLE, 100);
    push(&s, 100, 0, 0);
    s.config.ttl_us = 1000;
    for (unsigned i = 1; i < 5; i++)
        push(&s, 100, i, i);
    s.config.ttl_us = 0;
    push(&s, 100, 5, 5);
    for (unsigned i = 0; i < 3; i++)
        sends(&s, 200, i, 0, 100, true);
    sendq_acked(&s.q, 1, 0, 100, true);
    assert_in_range(sendq_deadline(&s.q), 1001,
                    1002); /* what is there counts until somebody looks */
    sendq_expire(&s.q, 1001);
    assert_int_equal(sendq_deadline(&s.q), 1002);
    assert_int_equal(s.released[SENDQ_EXPIRED], 0);
    assert_int_equal(sendq_next(&s.q, 1003, &f), SENDQ_READY);
    assert_int_equal(s.fates[2], SENDQ_EXPIRED); /* sent, not acknowledged */
    assert_int_equal(s.fates[3], SENDQ_EXPIRED); /* waited to be sent */
    assert_int_equal(s.released[SENDQ_EXPIRED], 2);
    assert_int_equal(sendq_deadline(&s.q), 1004);
    sendq_expire(&s.q, 1004);
    assert_int_equal(s.fates[4], SENDQ_EXPIRED);
    assert_int_equal(sendq_deadline(&s.q), UINT64_MAX);
    sendq_acked(&s.q, 0, 0, 100, true);
    assert_int_equal(s.q.base, 4); /* the last that expired was numbered to be sent */
    sends(&s, 200, 4, 0, 100, true);
    sendq_acked(&s.q, 4, 0, 100, true);
    assert_int_equal(s.released[SENDQ_ACKED], 3);
    assert_null(s.q.head);
    sender_fini(&s);
}

static void retransmissions_are_limited(void **state)
{
    struct sender s;
    struct sendq_control c;

    (void)state;
    for (uint8_t limit = 0; limit < 4; limit++) {
        sender_init(&s, FOREVER, limit, 100);
        push(&s, 3000, 0, 0);
        push(&s, 100, 1, 0);
        for (uint32_t at = 0; at < 3000; at += 1000)
            sends(&s, 1000, 0, at, 1000, at == 2000);
        for (unsigned i = 0; i < limit; i++) { /* each byte has its own tries */
            sendq_lost(&s.q, 0, 0, 1000, false);
            sendq_lost(&s.q, 0, 2000, 1000, true);
            sends(&s, 1000, 0, 0, 1000, false);
            sends(&s, 1000, 0, 2000, 1000, true);
        }
        assert_int_equal(s.fates[0], -1);
        sends(&s, 1000, 1, 0, 100, true);
        sendq_lost(&s.q, 0, 2000, 1000, true);
        assert_int_equal(s.fates[0], SENDQ_ABANDONED);
        assert_true(sendq_control_next(&s.q, &c));
        assert_int_equal(c.seq, 1);
        assert_int_equal(c.total, COST + 3000);
        sender_fini(&s);
    }
}

/* Another limit is for what is queued then. */
static void limits_of_retransmissions_change(void **state)
{
    struct sender s;

    (void)state;
    sender_init(&s, FOREVER, SENDQ_RELIABLE, 100);
    push(&s, 100, 0, 0);
    s.config.max_retransmissions = 0;
    push(&s, 100, 1, 0);
    s.config.max_retransmissions = 1;
    for (unsigned i = 0; i < 2; i++)
        sends(&s, 200, i, 0, 100, true);
    assert_true(sendq_is_reliable(&s.q, 0) && !sendq_is_reliable(&s.q, 1));
    for (unsigned i = 0; i < 3; i++) {
        sendq_lost(&s.q, 0, 0, 100, true);
        sends(&s, 200, 0, 0, 100, true);
    }
    assert_int_equal(s.fates[0], -1);
    sendq_lost(&s.q, 1, 0, 100, true);
    assert_int_equal(s.fates[1], SENDQ_ABANDONED);
    sender_fini(&s);
}

static void numbers_wait_for_the_peer(void **state)
{
    struct sender s;
    struct sendq_control c;

    (void)state;
    sender_init(&s, FOREVER, 0, 100);
    push(&s, 1, 0, 0);
    sends(&s, 10, 0, 0, 1, true);
    push(&s, 1, 1, 0);
    sends(&s, 10, 1, 0, 1, true);
    sendq_acked(&s.q, 1, 0, 1, true);
    assert_int_equal(s.q.known, 0); /* the first is under way */
    s.fates[1] = -1;
    sendq_lost(&s.q, 0, 0, 1, true); /* given up; the peer does not know */
    for (unsigned i = 2; i < FLOW_MESSAGES_AHEAD; i++) {
        s.fates[1] = -1;
        push(&s, 1, 1, 0);
        sends(&s, 10, i, 0, 1, true);
        sendq_acked(&s.q, i, 0, 1, true);
    }
    push(&s, 1, 2, 0);
    sends_nothing(&s, SENDQ_FULL);
    assert_true(sendq_control_next(&s.q, &c));
    sendq_control_sent(&s.q, &c);
    sendq_control_acked(&s.q, SENDQ_FORWARD, c.seq);
    sends(&s, 10, FLOW_MESSAGES_AHEAD, 0, 1, true);
    sender_fini(&s);
}

static void half_close(void **state)
{
    struct sender s;
    struct sendq_control c;

    (void)state;
    sender_init(&s, FOREVER, SENDQ_RELIABLE, 100);
    push(&s, 100, 0, 0);
    sendq_finish(&s.q);
    assert_int_equal(push(&s, 100, 1, 0), -EPIPE);
    assert_false(sendq_control_next(&s.q, &c)); /* how many there are is not known */
    sends(&s, 100, 0, 0, 100, true);
    assert_true(sendq_control_next(&s.q, &c));
    assert_int_equal(c.type, SENDQ_END);
    assert_int_equal(c.seq, 1);
    sendq_control_sent(&s.q, &c);
    sendq_control_lost(&s.q, SENDQ_END, 1);
    assert_true(sendq_control_next(&s.q, &c));
    sendq_control_sent(&s.q, &c);
    sendq_control_acked(&s.q, SENDQ_END, 1);
    sendq_control_lost(&s.q, SENDQ_END, 1);
    assert_false(sendq_control_next(&s.q, &c));
    assert_false(sendq_done(&s.q));
    sendq_acked(&s.q, 0, 0, 100, true);
    assert_true(sendq_done(&s.q));
    sender_fini(&s);
}

static void reset(void **state)
{
    struct sender s;
    struct sendq_control c;

    (void)state;
    sender_init(&s, FOREVER, SENDQ_RELIABLE, 100);
    for (unsigned i = 0; i < 4; i++)
        push(&s, 100, i, 0);
    for (unsigned i = 0; i < 2; i++)
        sends(&s, 200, i, 0, 100, true);
    sends(&s, 30, 2, 0, 30, false);
    sendq_acked(&s.q, 1, 0, 100, true);
    sendq_lost(&s.q, 0, 0, 100, true);
    sendq_finish(&s.q);
    sendq_reset(&s.q);
    sendq_reset(&s.q);
    assert_int_equal(s.released[SENDQ_ABANDONED], 3);
    sends_nothing(&s, SENDQ_IDLE);
    assert_int_equal(push(&s, 100, 9, 0), -EPIPE);
    assert_true(sendq_control_next(&s.q, &c));
    assert_int_equal(c.type, SENDQ_RESET);
    assert_int_equal(c.total, 3 * COST + 230);
    assert_int_equal(s.session.used, 3 * COST + 230);
    sendq_control_sent(&s.q, &c);
    assert_false(sendq_done(&s.q));
    sendq_acked(&s.q, 0, 0, 100, true); /* late */
    sendq_control_acked(&s.q, SENDQ_RESET, 0);
    assert_true(sendq_done(&s.q));
    assert_false(sendq_control_next(&s.q, &c));
    sender_fini(&s);
}

/* ---- both halves ---- */

enum { FLIGHT = 60, LEN_MAX = 9000, ROOM_MAX = 1400, LOSS = 15 /* percent */ };

/* What is on its way: a fragment or a control. */
struct item {
    bool used, is_control;
    bool dropped, came, told; /* told: its sender was told that it is lost */
    uint64_t seq;
    uint32_t offset, len;
    bool fin;
    struct sendq_control control;
    uint8_t data[ROOM_MAX];
};

struct path {
    struct sender s;
    struct reassembly_fixture f;
    struct item items[FLIGHT];
    uint8_t *data[MESSAGES_MAX];
    uint32_t len[MESSAGES_MAX];
    uint64_t expected_user, now;
    unsigned pushed, delivered;
    bool ordered, seen[MESSAGES_MAX];
};

/* A message says who it is in its first bytes. */
static void path_push(struct path *p, struct rng *rng)
{
    unsigned i = p->pushed;
    uint32_t len = 4 + (uint32_t)rng_below(rng, rng_below(rng, 3) ? 200 : LEN_MAX);

    p->data[i] = malloc(len);
    p->len[i] = len;
    for (uint32_t at = 0; at < len; at++)
        p->data[i][at] = message_byte(i, at);
    memcpy(p->data[i], &i, 4);
    if (sendq_push(&p->s.q, p->data[i], len, (void *)(uintptr_t)i, p->now) == 0)
        p->pushed++;
    else
        free(p->data[i]);
}

static void path_take(struct path *p)
{
    struct reassembly_message *m;
    const uint8_t *data;
    uint32_t n, user;

    while ((m = reassembly_take(&p->f.r)) != NULL) {
        assert_true(m->len >= 4);
        reassembly_read(m, 0, &data);
        memcpy(&user, data, 4);
        assert_true(user < p->pushed && !p->seen[user]);
        assert_true(!p->ordered || user >= p->expected_user);
        p->expected_user = user + 1;
        p->seen[user] = true;
        assert_int_equal(m->len, p->len[user]);
        for (uint32_t at = 0; at < m->len; at += n) {
            n = reassembly_read(m, at, &data);
            for (uint32_t i = at < 4 ? 4 : 0; i < n; i++)
                assert_int_equal(data[i], message_byte(user, at + i));
        }
        reassembly_release(&p->f.r, m);
        p->delivered++;
    }
}

static void arrive(struct path *p, const struct item *i)
{
    struct reassembly *r = &p->f.r;
    int ret;

    if (!i->is_control)
        ret = reassembly_push(r, i->seq, i->offset, i->data, i->len, i->fin);
    else if (i->control.type == SENDQ_FORWARD)
        ret = reassembly_forward(r, i->control.seq, i->control.total);
    else if (i->control.type == SENDQ_END)
        ret = reassembly_end(r, i->control.seq);
    else
        ret = reassembly_reset(r, i->control.total);
    assert_int_equal(ret, 0);
    path_take(p);
}

/* The sender learns what became of i. */
static void tell(struct path *p, const struct item *i, bool acked)
{
    if (i->is_control)
        (acked ? sendq_control_acked : sendq_control_lost)(&p->s.q, i->control.type,
                                                           i->control.seq);
    else
        (acked ? sendq_acked : sendq_lost)(&p->s.q, i->seq, i->offset, i->len, i->fin);
}

/* Send one item in the free place `i`, if there is one to be sent. */
static void path_send(struct path *p, struct item *i, struct rng *rng)
{
    struct sendq_fragment f = {0};

    memset(i, 0, sizeof(*i));
    i->dropped = rng_below(rng, 100) < LOSS;
    if (sendq_control_next(&p->s.q, &i->control)) {
        i->is_control = true;
        sendq_control_sent(&p->s.q, &i->control);
    } else {
        if (sendq_next(&p->s.q, p->now, &f) != SENDQ_READY)
            return;
        if (!sendq_fit(&f, 1 + (uint32_t)rng_below(rng, ROOM_MAX)))
            return;
        sendq_sent(&p->s.q, &f);
        i->seq = f.seq;
        i->offset = f.offset;
        i->len = f.len;
        i->fin = f.fin;
        memcpy(i->data, f.data, f.len);
    }
    i->used = true;
}

/* Something happens to what is under way in `i`: it gets lost, comes, maybe twice or after it was
 * thought lost, or is acknowledged. */
static void path_move(struct path *p, struct item *i, struct rng *rng)
{
    if (i->dropped || i->came) {
        if (!i->told)
            tell(p, i, i->came);
        i->used = false;
    } else if (!i->told && rng_below(rng, 20) == 0) {
        tell(p, i, false);
        i->told = true;
    } else {
        arrive(p, i);
        i->came = rng_below(rng, 10) > 0;
    }
}

static void path_step(struct path *p, struct rng *rng)
{
    struct item *i = &p->items[rng_below(rng, FLIGHT)];
    uint64_t limit;

    p->now += 3;
    if (i->used)
        path_move(p, i, rng);
    else
        path_send(p, i, rng);
    if ((limit = flow_rx_update(&p->f.stream, 100, p->now)) > 0)
        flow_tx_raise(&p->s.stream, limit);
    if ((limit = flow_rx_update(&p->f.session, 100, p->now)) > 0)
        flow_tx_raise(&p->s.session, limit);
    assert_true(reassembly_fixture_memory(&p->f) <=
                REASSEMBLY_OVERHEAD * reassembly_fixture_held(&p->f));
}

static void run_path(struct rng *rng, bool ordered, uint64_t ttl, uint8_t tries, uint32_t ranges,
                     enum sendq_control_type end)
{
    static struct path p;
    bool reliable = ttl == FOREVER && tries == SENDQ_RELIABLE && end == SENDQ_END;
    unsigned want = 400;

    memset(&p, 0, sizeof(p));
    p.ordered = ordered;
    sender_init(&p.s, ttl, tries, ranges);
    reassembly_fixture_init(&p.f, ordered, 1 << 16, 500, 2000);
    p.s.stream.limit = p.s.session.limit = 1 << 16;
    for (unsigned step = 0; !sendq_done(&p.s.q) || !reassembly_done(&p.f.r); step++) {
        assert_true(step < 2000000);
        if (p.pushed < want && rng_below(rng, 3) == 0)
            path_push(&p, rng);
        if (p.pushed == want && end == SENDQ_END)
            sendq_finish(&p.s.q);
        if (p.pushed == want && end == SENDQ_RESET)
            sendq_reset(&p.s.q);
        path_step(&p, rng);
    }
    assert_true(reassembly_fixture_idle(&p.f));
    assert_int_equal(p.f.stream.counted, p.s.stream.used); /* both sides agree on every byte */
    assert_int_equal(p.f.session.counted, p.s.session.used);
    if (reliable)
        assert_int_equal(p.delivered, want);
    assert_true(p.delivered > want / 4);
    assert_true(reliable || p.delivered < want);
    for (unsigned i = 0; i < want; i++) {
        assert_int_not_equal(p.s.fates[i], -1);
        /* a reset drops what was acknowledged and waits for its turn */
        assert_true(p.s.fates[i] != SENDQ_ACKED || p.seen[i] || end == SENDQ_RESET);
        free(p.data[i]);
    }
    sender_fini(&p.s);
    reassembly_fixture_fini(&p.f);
}

/* Queues of one pool, each of which takes what it may: there is always some left for the next. */
static void queues_share(void **state)
{
    struct sender s;
    struct sendq q[3];

    (void)state;
    sender_init(&s, FOREVER, SENDQ_RELIABLE, 400);
    s.config.max_messages = 400;
    for (unsigned i = 0; i < 3; i++) {
        uint32_t left = pool_left(&s.pools.messages);
        struct sendq_fragment f;

        sendq_init(&q[i], &s.config, &s.pools, &s.stream, &s.session);
        while (sendq_push(&q[i], zeros, 1, (void *)(uintptr_t)s.pools.messages.used, 0) == 0)
            while (sendq_next(&q[i], 0, &f) == SENDQ_READY)
                sendq_sent(&q[i], &f);
        assert_int_equal(q[i].messages, left / 2);
        assert_true(pool_left(&s.pools.ranges) >= left / 2);
    }
    for (unsigned i = 0; i < 3; i++)
        sendq_fini(&q[i]);
    sender_fini(&s);
}

/* One byte each of many messages is lost, some anywhere. They are sent again from the oldest on. */
static void lost_in_any_order(void **state)
{
    enum { TWICE = 2 * MESSAGES_MAX, LOST = 50 };
    struct rng rng = rng_new(103);
    struct sender s;
    void *messages = aligned_alloc(64, pool_footprint(sizeof(struct sendq_message), TWICE));
    void *ranges = aligned_alloc(64, pool_footprint(sizeof(struct sendq_range), TWICE));

    (void)state;
    sender_init(&s, FOREVER, SENDQ_RELIABLE, MESSAGES_MAX);
    pool_init(&s.pools.messages, messages, sizeof(struct sendq_message), TWICE);
    pool_init(&s.pools.ranges, ranges, sizeof(struct sendq_range), TWICE);
    s.config.max_messages = MESSAGES_MAX;
    for (unsigned i = 0; i < MESSAGES_MAX; i++) {
        assert_int_equal(push(&s, 1, i, 0), 0);
        sends(&s, 1, i, 0, 1, true);
    }
    for (unsigned round = 0; round < 200; round++) {
        struct sendq_fragment f;
        uint64_t last = 0;

        for (unsigned i = 0; i < LOST; i++)
            sendq_lost(&s.q, rng_below(&rng, MESSAGES_MAX), 0, 1, true);
        while (sendq_next(&s.q, 0, &f) == SENDQ_READY) {
            assert_true(f.again && f.seq >= last);
            last = f.seq;
            sendq_sent(&s.q, &f);
        }
        assert_int_equal(s.q.lost, 0);
        sendq_acked(&s.q, rng_below(&rng, MESSAGES_MAX), 0, 1, true);
    }
    sender_fini(&s);
    free(messages);
    free(ranges);
}

/* Acknowledgements in any order, while numbers go round the marks. */
static void acked_in_any_order(void **state)
{
    struct rng rng = rng_new(102);
    enum { TWICE = 2 * MESSAGES_MAX };
    struct sender s;
    void *messages = aligned_alloc(64, pool_footprint(sizeof(struct sendq_message), TWICE));
    void *ranges = aligned_alloc(64, pool_footprint(sizeof(struct sendq_range), TWICE));
    static uint64_t seqs[MESSAGES_MAX];

    (void)state;
    sender_init(&s, FOREVER, SENDQ_RELIABLE, MESSAGES_MAX);
    pool_init(&s.pools.messages, messages, sizeof(struct sendq_message), TWICE);
    pool_init(&s.pools.ranges, ranges, sizeof(struct sendq_range), TWICE);
    s.config.max_messages = MESSAGES_MAX;
    for (unsigned round = 0; round < 5; round++) {
        for (unsigned i = 0; i < MESSAGES_MAX; i++) {
            s.fates[i] = -1;
            assert_int_equal(push(&s, 1, i, 0), 0);
            seqs[i] = round * MESSAGES_MAX + i;
            sends(&s, 1, seqs[i], 0, 1, true);
        }
        for (unsigned i = MESSAGES_MAX - 1; i > 0; i--) {
            unsigned j = (unsigned)rng_below(&rng, i + 1);
            uint64_t seq = seqs[i];

            seqs[i] = seqs[j];
            seqs[j] = seq;
        }
        for (unsigned i = 0; i < MESSAGES_MAX; i++) {
            sendq_acked(&s.q, seqs[i], 0, 1, true);
            assert_int_equal(s.fates[seqs[i] % MESSAGES_MAX], SENDQ_ACKED);
        }
        assert_null(s.q.head);
    }
    sender_fini(&s);
    free(messages);
    free(ranges);
}

static void both_halves(void **state)
{
    struct rng rng = rng_new(101);

    (void)state;
    for (unsigned run = 0; run < 4; run++)
        for (int ordered = 0; ordered < 2; ordered++) {
            run_path(&rng, ordered, FOREVER, SENDQ_RELIABLE, 150, SENDQ_END);
            run_path(&rng, ordered, FOREVER, SENDQ_RELIABLE, 4, SENDQ_END); /* hardly any ranges */
            run_path(&rng, ordered, 2000, SENDQ_RELIABLE, 150, SENDQ_END);
            run_path(&rng, ordered, FOREVER, 1, 150, SENDQ_END);
            run_path(&rng, ordered, FOREVER, 0, 150, SENDQ_END);
            run_path(&rng, ordered, FOREVER, 3, 150, SENDQ_RESET);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fragments_fit),
        cmocka_unit_test(lost_goes_first),
        cmocka_unit_test(caps),
        cmocka_unit_test(without_ranges_nothing_is_missed),
        cmocka_unit_test(credit),
        cmocka_unit_test(time_to_live),
        cmocka_unit_test(time_to_live_changes),
        cmocka_unit_test(retransmissions_are_limited),
        cmocka_unit_test(limits_of_retransmissions_change),
        cmocka_unit_test(numbers_wait_for_the_peer),
        cmocka_unit_test(half_close),
        cmocka_unit_test(reset),
        cmocka_unit_test(queues_share),
        cmocka_unit_test(acked_in_any_order),
        cmocka_unit_test(lost_in_any_order),
        cmocka_unit_test(both_halves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
