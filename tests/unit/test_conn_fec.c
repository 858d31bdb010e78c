/* FEC of a session: two ends joined by the frames they write; what they call of the rest of the
 * session is here. */
#include "fec_fixture.h"

#include "../../proto/conn_fec.h"
#include "varint.h"

enum { MESSAGES = 4096, RTT_US = 40000, ROOM = 1300, DATA = 600 };

static struct {
    struct conn *c;
    struct conn_pools pools;
    void *memory[2];
    unsigned got[MESSAGES]; /* times that message was read */
    unsigned acked;         /* fragments */
    const char *violation;
} end[2];
static struct {
    uint8_t frames[ROOM];
    uint32_t len;
    uint64_t pn;
    bool repair;
} packet;
static uint64_t now;
static struct conn *const *const tx = &end[0].c, *const *const rx = &end[1].c;

/* ---- the rest of the session ---- */

uint64_t conn_rtt(const struct conn *c)
{
    (void)c;
    return RTT_US;
}

void conn_violation(struct conn *c, const char *what, uint64_t at)
{
    (void)at;
    end[c == *rx].violation = what;
    c->closed = true;
}

void item_acked(struct conn *c, const struct sent_item *i, uint64_t at)
{
    (void)at;
    assert_int_equal(i->type & ~FRAME_STREAM_FLAGS, FRAME_STREAM);
    end[c == *rx].acked++;
}

static void make_end(unsigned i)
{
    static const unsigned records = 4096;
    struct conn *c = calloc(1, sizeof(*c));

    memset(&end[i], 0, sizeof(end[i]));
    end[i].memory[0] = aligned_alloc(64, pool_footprint(sizeof(struct sent_packet), records));
    end[i].memory[1] = aligned_alloc(64, pool_footprint((uint32_t)conn_fec_size(), 2));
    pool_init(&end[i].pools.sent, end[i].memory[0], sizeof(struct sent_packet), records);
    pool_init(&end[i].pools.protection, end[i].memory[1], (uint32_t)conn_fec_size(), 2);
    end[i].pools.fec = pools;
    end[i].c = c;
    c->pools = &end[i].pools;
    c->config.goals = redundancy_goals;
    redundancy_init(&c->redundancy, redundancy_goals);
    c->path[0].open = true;
    sent_init(&c->path[0].sent, records);
    rtt_init(&c->path[0].rtt);
    loss_init(&c->path[0].loss);
}

/* Everything must have come back. */
static void free_end(unsigned i)
{
    fec_fini(end[i].c);
    sent_fini(&end[i].c->path[0].sent, &end[i].pools.sent);
    assert_int_equal(end[i].pools.fec.symbols.used + end[i].pools.fec.blocks.used, 0);
    assert_int_equal(end[i].pools.protection.used, 0);
    free(end[i].c);
    free(end[i].memory[0]);
    free(end[i].memory[1]);
}

static void *more_memory[2];

static int setup_ends(void **state)
{
    setup(state);
    make_end(0);
    /* the fixture's pools are one end's; the other has its own */
    more_memory[0] = pool_memory[0];
    more_memory[1] = pool_memory[1];
    pools_make(ROOMY, ROOMY);
    make_end(1);
    now = 1000000;
    return 0;
}

static int teardown_ends(void **state)
{
    free_end(0);
    free_end(1);
    free(more_memory[0]);
    free(more_memory[1]);
    return teardown(state);
}

static void plan(enum redundancy_class class, struct redundancy_plan p)
{
    (*tx)->redundancy.plan[class] = p;
}

/* ---- packets ---- */

static struct build begin(struct conn *c)
{
    struct build b = {.c = c, .path = &c->path[0], .now = now, .pn = c->next_pn};

    b.start = b.p = packet.frames;
    b.end = packet.frames + ROOM;
    return b;
}

static void finish(struct build *b)
{
    struct conn *c = b->c;

    packet.len = (uint32_t)(b->p - b->start);
    packet.pn = b->pn;
    if (b->eliciting) {
        struct sent_packet *p = sent_add(&b->path->sent, &c->pools->sent, b->pn, now);

        assert_non_null(p);
        p->bytes = (uint16_t)packet.len;
        p->n = b->n;
        memcpy(p->items, b->items, sizeof(p->items));
    }
    c->next_pn++;
}

/* Message n, of `len` bytes of n's pattern. True: protected. */
static bool send_message(enum conn_protection class, unsigned n, uint32_t len)
{
    struct build b = begin(*tx);
    uint32_t hdr = fec_header(&b, class);
    uint8_t *header = b.p;
    unsigned before = b.n;

    b.p = frame_put_stream_hdr_len(b.p + hdr, 5, n, 0, true, len);
    memset(b.p, (uint8_t)n, len);
    b.p += len;
    assert_true(b.p <= b.end);
    build_item(&b, (struct sent_item){.type = FRAME_STREAM, .seq = n, .stream = 5});
    if (hdr > 0)
        fec_wrap(&b, class, header, b.p);
    packet.repair = false;
    finish(&b);
    return b.n == before + 2;
}

static bool send_repair(void)
{
    struct build b = begin(*tx);

    if (!fec_repair_due(*tx) || !fec_put_repair(&b))
        return false;
    packet.repair = true;
    finish(&b);
    return true;
}

static void read_frames(struct conn *c, const uint8_t *p, const uint8_t *stop, bool inner);

static void read_message(struct conn *c, const struct frame *f)
{
    assert_true(f->u.stream.seq < MESSAGES);
    for (uint32_t i = 0; i < f->u.stream.len; i++)
        assert_int_equal(f->u.stream.data[i], (uint8_t)f->u.stream.seq);
    end[c == *rx].got[f->u.stream.seq]++;
}

static void read_rebuilt(struct conn *c, const uint8_t *frames, uint32_t len, uint64_t at)
{
    assert_int_equal(at, now);
    read_frames(c, frames, frames + len, true);
}

static void read_frames(struct conn *c, const uint8_t *p, const uint8_t *stop, bool inner)
{
    struct frame f;
    int more;

    while (!c->closed && (more = frame_next(&p, stop, inner, &f)) != 0) {
        assert_int_equal(more, 1);
        if (f.type == FRAME_STREAM) {
            read_message(c, &f);
        } else if (f.type == FRAME_FEC_SOURCE || f.type == FRAME_RLC_SOURCE) {
            bool window = f.type == FRAME_RLC_SOURCE;
            const uint8_t *behind = window ? f.u.rlc_source.symbol + f.u.rlc_source.symbol_len
                                           : f.u.fec_source.symbol + f.u.fec_source.symbol_len;

            if (fec_read_source(c, &f, now))
                read_frames(c, p, behind, true);
            p = behind;
        } else if (f.type == FRAME_FEC_REPAIR || f.type == FRAME_RLC_REPAIR) {
            fec_read_repair(c, &f, now);
        } else if (f.type == FRAME_FEC_RECOVERED) {
            fec_read_recovered(c, &f, now);
        } else {
            fail();
        }
    }
}

static void arrive_packet(void)
{
    struct conn *c = *rx;

    read_frames(c, packet.frames, packet.frames + packet.len, false);
    if (!c->closed)
        fec_rebuild(c, now, read_rebuilt);
    if (packet.pn >= c->newest)
        c->newest = packet.pn + 1;
}

/* The receiver's reports reach the sender. */
static void send_reports(void)
{
    struct build b = begin(*rx);

    if (!fec_report_due(*rx))
        return;
    fec_put_reports(&b);
    assert_false(b.eliciting);
    finish(&b);
    read_frames(*tx, packet.frames, packet.frames + packet.len, false);
}

/* The sender hears that packets first to last arrived. */
static void acknowledge(uint64_t first, uint64_t last)
{
    struct conn *c = *tx;
    struct conn_path *path = &c->path[0];
    struct frame_ack_range range = {first, last};
    struct loss_event ev;

    assert_int_equal(
        loss_on_ack(&path->loss, &path->sent, &path->rtt, &range, 1, 0, now + RTT_US, &ev), 0);
    fec_settle(c, path, &ev);
    loss_done(&path->rtt, &path->sent, &c->pools->sent, now + RTT_US, &ev);
}

static unsigned delivered_once(unsigned n)
{
    unsigned all = 0;

    for (unsigned i = 0; i < n; i++) {
        assert_true(end[1].got[i] <= 1);
        all += end[1].got[i];
    }
    return all;
}

static const struct redundancy_plan two_blocks = {
    .code = REDUNDANCY_BLOCKS, .k = 8, .r = 2, .depth = 2, .ratio = 64};
static const struct redundancy_plan window = {.code = REDUNDANCY_WINDOW, .window = 32, .ratio = 64};

/* ---- tests ---- */

static void blocks_recover_a_burst(void **state)
{
    uint64_t lost_first = 0;

    (void)state;
    plan(REDUNDANCY_BULK, two_blocks);
    for (unsigned n = 0; n < 16; n++) {
        assert_false(fec_repair_due(*tx));
        assert_true(send_message(CONN_BULK, n, DATA + n));
        if (n == 5)
            lost_first = packet.pn;
        if (n < 5 || n > 8)
            arrive_packet();
        if (n > 9) /* the sender knows what is lost before it is recovered */
            acknowledge(packet.pn - 1, packet.pn - 1);
    }
    assert_int_equal(delivered_once(16), 12);
    while (send_repair())
        arrive_packet();
    assert_int_equal((*tx)->stats.fec_repairs, 4);
    assert_int_equal(delivered_once(16), 16);
    assert_int_equal((*rx)->stats.fec_recovered, 4);
    send_reports();
    assert_null(end[0].violation);
    assert_int_equal((*tx)->stats.peer_recovered, 4);
    assert_int_equal(end[0].acked, 4); /* not to be sent again */
    for (const struct sent_packet *p = (*tx)->path[0].sent.head; p; p = p->next)
        assert_int_equal((p->flags & SENT_RECOVERED) != 0,
                         p->pn >= lost_first && p->pn < lost_first + 4);
}

static void windows_recover_losses(void **state)
{
    enum { N = 2000 };
    unsigned lost = 0;

    (void)state;
    plan(REDUNDANCY_LATENCY, window);
    for (unsigned n = 0; n < N; n++) {
        assert_true(send_message(CONN_LATENCY, n, 1 + below(DATA)));
        if (happens(0.05))
            lost++;
        else
            arrive_packet();
        while (send_repair())
            if (!happens(0.05))
                arrive_packet();
        send_reports();
        now += 1000;
        fec_timeout(*tx, now);
        fec_timeout(*rx, now);
    }
    assert_null(end[0].violation);
    assert_null(end[1].violation);
    assert_true(lost > N / 40);
    assert_true(delivered_once(N) >= N - 2);
    assert_true((*rx)->stats.fec_recovered >= lost - 2);
    assert_true((*tx)->stats.fec_repairs <= N * 2 / 5);
}

/* Few sources get what the cap allows, and no more. */
static void time_flushes(enum redundancy_class class, struct redundancy_plan p)
{
    enum { N = 400 };
    unsigned lost = 0, recovered;

    plan(class, p);
    for (unsigned n = 0; n < N; n++) {
        assert_true(send_message((enum conn_protection) class, n, 100));
        if (n % 10 == 3)
            lost++;
        else
            arrive_packet();
        assert_true(fec_repair_due(*tx) || fec_deadline(*tx) <= now + RTT_US);
        now += RTT_US + 1;
        fec_timeout(*tx, now);
        while (send_repair())
            arrive_packet();
    }
    recovered = delivered_once(N) - (N - lost);
    assert_true((*tx)->stats.fec_repairs <= (uint64_t)N * redundancy_goals[class].overhead / 256);
    assert_true((*tx)->stats.fec_repairs >=
                (uint64_t)N * redundancy_goals[class].overhead / 256 - 2);
    assert_true(recovered >= lost / 8);
}

static void time_flushes_blocks(void **state)
{
    (void)state;
    time_flushes(REDUNDANCY_BULK, two_blocks);
}

static void time_flushes_windows(void **state)
{
    (void)state;
    time_flushes(REDUNDANCY_LATENCY, window);
    assert_int_equal(delivered_once(400), 400);
}

static void late_originals_are_not_read_twice(void **state)
{
    uint8_t late[ROOM];
    uint32_t len = 0;

    (void)state;
    plan(REDUNDANCY_BULK, two_blocks);
    for (unsigned n = 0; n < 16; n++) {
        send_message(CONN_BULK, n, DATA);
        if (n != 3) {
            arrive_packet();
            continue;
        }
        len = packet.len;
        memcpy(late, packet.frames, len);
    }
    while (send_repair())
        arrive_packet();
    assert_int_equal(delivered_once(16), 16);
    read_frames(*rx, late, late + len, false);
    assert_int_equal(delivered_once(16), 16);
}

/* A packet of the largest symbol leaves room for a repair as large, whatever the ids. */
static void repairs_fit(void **state)
{
    (void)state;
    plan(REDUNDANCY_BULK, two_blocks);
    plan(REDUNDANCY_LATENCY, window);
    for (unsigned n = 0; n < 1000; n++) {
        enum conn_protection class = n % 2 ? CONN_BULK : CONN_LATENCY;
        struct build b = begin(*tx);
        uint32_t hdr = fec_header(&b, class), room = (uint32_t)(b.end - b.p) - hdr;
        uint64_t repairs = (*tx)->stats.fec_repairs;
        uint8_t scratch[FRAME_STREAM_HDR_MAX];
        bool due;

        room -= (uint32_t)(frame_put_stream_hdr_len(scratch, 5, n, 0, true, room) - scratch);
        assert_true(send_message(class, n, room));
        if ((due = fec_repair_due(*tx)))
            assert_true(send_repair());
        assert_int_equal((*tx)->stats.fec_repairs, repairs + due);
    }
}

static void without_memory_frames_go_unprotected(void **state)
{
    struct pool *symbols = &end[0].pools.fec.symbols;
    uint32_t capacity = symbols->capacity;
    struct build b;
    uint32_t hdr;
    uint8_t *header;

    (void)state;
    assert_false(send_message(CONN_LATENCY, 0, DATA)); /* no plan */
    assert_null((*tx)->fec_tx);
    plan(REDUNDANCY_LATENCY, window);
    assert_false(send_message(CONN_PLAIN, 1, DATA));
    symbols->capacity = 0; /* no symbols left */
    assert_false(send_message(CONN_LATENCY, 2, DATA));
    symbols->capacity = capacity;

    /* a symbol too long to be added: the header becomes padding */
    end[0].pools.fec.symbol_max = 16;
    b = begin(*tx);
    hdr = fec_header(&b, CONN_LATENCY);
    header = b.p;
    b.p = frame_put_stream_hdr_len(b.p + hdr, 5, 3, 0, true, DATA);
    memset(b.p, 3, DATA);
    b.p += DATA;
    fec_wrap(&b, CONN_LATENCY, header, b.p);
    assert_int_equal(b.n, 0);
    end[0].pools.fec.symbol_max = SYMBOL_MAX;
    finish(&b);
    arrive_packet();
    assert_int_equal(end[1].got[3], 1);
    assert_null((*rx)->fec_rx);

    /* nor does a receiver without memory hold anything back */
    end[1].pools.protection.free = NULL;
    end[1].pools.protection.fresh_left = 0;
    assert_true(send_message(CONN_LATENCY, 4, DATA));
    arrive_packet();
    assert_int_equal(end[1].got[4], 1);
    assert_null((*rx)->fec_rx);
}

static void claims_of_what_was_never_sent_end_the_session(void **state)
{
    static const struct {
        bool window;
        uint64_t first, mask;
    } claims[] = {
        {false, 2, 1}, {false, 0, 1 << 8}, {true, 4, 1}, {true, 0, 1 << 4}, {true, VARINT_MAX, 1}};

    (void)state;
    plan(REDUNDANCY_BULK, two_blocks);
    plan(REDUNDANCY_LATENCY, window);
    for (unsigned n = 0; n < 20; n++)
        send_message(n < 16 ? CONN_BULK : CONN_LATENCY, n, DATA);
    for (unsigned i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
        struct frame f = {.type = FRAME_FEC_RECOVERED};

        f.u.recovered.window = claims[i].window;
        f.u.recovered.first = claims[i].first;
        f.u.recovered.mask = claims[i].mask;
        end[0].violation = NULL;
        fec_read_recovered(*tx, &f, now);
        assert_non_null(end[0].violation);
        f.u.recovered.first = 0;
        f.u.recovered.mask = 3;
        end[0].violation = NULL;
        fec_read_recovered(*tx, &f, now);
        assert_null(end[0].violation);
    }
}

static void contradictions_end_the_session(void **state)
{
    struct frame f = {.type = FRAME_FEC_REPAIR};

    (void)state;
    plan(REDUNDANCY_BULK, two_blocks);
    for (unsigned n = 0; n < 3; n++) {
        send_message(CONN_BULK, n, DATA);
        arrive_packet();
    }
    f.u.fec_repair.k = 8;
    f.u.fec_repair.r = 2;
    f.u.fec_repair.symbol = packet.frames;
    f.u.fec_repair.symbol_len = 20; /* shorter than the sources */
    fec_read_repair(*rx, &f, now);
    assert_non_null(end[1].violation);
}

/* Spells of three losses are known as such however often the peer acknowledges. */
static void losses_are_counted_in_sending_order(void **state)
{
    struct redundancy_path estimate;

    (void)state;
    for (unsigned n = 0; n < 3000; n++) {
        send_message(CONN_PLAIN, n, 10);
        now += 1000;
        if (n % 30 < 27)
            acknowledge(packet.pn, packet.pn);
    }
    estimate = redundancy_estimate(&(*tx)->redundancy);
    assert_in_range(CHANCE_ONE / estimate.exit, 2, 3);
    assert_in_range(CHANCE_ONE / estimate.enter, 24, 30);
}

/* Of 64 sources, 3 are lost, 2 of them recovered. */
static void fates_are_judged(void **state)
{
    const struct redundancy_record *record = &(*tx)->redundancy.record[REDUNDANCY_BULK];
    struct frame f = {.type = FRAME_FEC_RECOVERED};

    (void)state;
    plan(REDUNDANCY_BULK, two_blocks);
    for (unsigned n = 0; n < 16 * FATES / 2; n++) {
        send_message(CONN_BULK, n, 10);
        if (n < 2 || n > 4)
            acknowledge(packet.pn, packet.pn);
    }
    assert_int_equal(record->sources, 16 * FATES / 2 - 3);
    f.u.recovered.first = 0; /* block 0: messages 0, 2, 4, ... */
    f.u.recovered.mask = 6;
    fec_read_recovered(*tx, &f, now);
    fec_read_recovered(*tx, &f, now); /* again: known */
    assert_int_equal((*tx)->stats.peer_recovered, 2);
    assert_int_equal(record->sources, 16 * FATES / 2 - 1);
    assert_int_equal(record->lost, 0);
    plan(REDUNDANCY_BULK, two_blocks); /* the path seems clean */
    for (unsigned n = 0; n < 2; n++)
        send_message(CONN_BULK, n, 10); /* blocks 32 and 33 take their places */
    assert_int_equal(record->sources, 16 * FATES / 2);
    assert_int_equal(record->lost, 1);
}

/* Two blocks cannot be rebuilt: the sender hears that what is missing will not come, but only of
 * packets that have been missing for long. */
static void lost_blocks_are_told(void **state)
{
    uint64_t newest;
    struct frame f;
    struct build b;
    const uint8_t *p = packet.frames;

    (void)state;
    plan(REDUNDANCY_BULK, two_blocks);
    for (unsigned n = 0; n < 16 + 6; n++) {
        send_message(CONN_BULK, n, DATA);
        if (n == 0 || n > 14)
            arrive_packet();
        while (send_repair())
            arrive_packet();
        now += 1000;
    }
    newest = packet.pn;
    assert_int_equal(delivered_once(16), 2);
    assert_false(fec_report_due(*rx));
    now = fec_deadline(*rx) + 20000;
    fec_timeout(*rx, now);
    assert_int_equal(end[1].pools.fec.blocks.used, 0);
    assert_false(fec_report_due(*rx));
    now += 2 * RTT_US + 100000;
    send_message(CONN_BULK, 22, DATA);
    arrive_packet();
    assert_true(fec_report_due(*rx));
    b = begin(*rx);
    fec_put_reports(&b);
    assert_int_equal(frame_next(&p, b.p, false, &f), 1);
    assert_int_equal(f.type, FRAME_NACK);
    assert_int_equal(f.u.control.value, newest);
    assert_false(fec_report_due(*rx));
}

int main(void)
{
#define ENDS_TEST(f) cmocka_unit_test_setup_teardown(f, setup_ends, teardown_ends)
    const struct CMUnitTest tests[] = {
        ENDS_TEST(blocks_recover_a_burst),
        ENDS_TEST(windows_recover_losses),
        ENDS_TEST(time_flushes_blocks),
        ENDS_TEST(time_flushes_windows),
        ENDS_TEST(late_originals_are_not_read_twice),
        ENDS_TEST(repairs_fit),
        ENDS_TEST(without_memory_frames_go_unprotected),
        ENDS_TEST(claims_of_what_was_never_sent_end_the_session),
        ENDS_TEST(contradictions_end_the_session),
        ENDS_TEST(losses_are_counted_in_sending_order),
        ENDS_TEST(fates_are_judged),
        ENDS_TEST(lost_blocks_are_told),
    };

    fixture_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
