/* The reorder queues of a session against a model without lists: every verdict, release, flag,
 * count and deadline. Input: max_held, timeout, then three bytes an operation. */
#include <string.h>

#include "fuzz.h"
#include "reorder.h"

enum { STREAMS = 4, OPERATIONS = 512 };

/* A fragment of the model; the node that is its twin has the same index. */
struct fragment {
    unsigned stream;
    uint64_t seq;
    uint32_t offset, len;
    bool fin, held;
    uint64_t arrived;
};

struct model {
    struct fragment f[OPERATIONS];
    unsigned n;
    struct {
        uint64_t seq;
        uint32_t offset;
    } next[STREAMS];
    unsigned released[OPERATIONS]; /* by the last operation, in order */
    bool gap[OPERATIONS];          /* of those */
    unsigned n_released;
};

static bool earlier(const struct fragment *a, const struct fragment *b)
{
    return a->seq < b->seq || (a->seq == b->seq && a->offset < b->offset);
}

static bool clash(const struct fragment *a, const struct fragment *b)
{
    if (a->seq != b->seq)
        return false;
    if (a->offset == b->offset)
        return true;
    return earlier(a, b) ? a->fin || a->offset + a->len > b->offset
                         : b->fin || b->offset + b->len > a->offset;
}

static unsigned held_in_all(const struct model *m)
{
    unsigned n = 0;

    for (unsigned i = 0; i < m->n; i++)
        n += m->f[i].held;
    return n;
}

/* The first held fragment of the stream, m->n if none. */
static unsigned first_held(const struct model *m, unsigned stream)
{
    unsigned first = m->n;

    for (unsigned i = 0; i < m->n; i++)
        if (m->f[i].held && m->f[i].stream == stream &&
            (first == m->n || earlier(&m->f[i], &m->f[first])))
            first = i;
    return first;
}

static bool is_next(const struct model *m, const struct fragment *f)
{
    return f->seq == m->next[f->stream].seq && f->offset == m->next[f->stream].offset;
}

/* Release fragment i, after a gap or not, and every held one that is then next. */
static void release(struct model *m, unsigned i, bool gap)
{
    unsigned stream = m->f[i].stream;

    do {
        struct fragment *f = &m->f[i];

        f->held = false;
        m->released[m->n_released] = i;
        m->gap[m->n_released++] = gap;
        m->next[stream].seq = f->fin ? f->seq + 1 : f->seq;
        m->next[stream].offset = f->fin ? 0 : f->offset + f->len;
        gap = false;
        i = first_held(m, stream);
    } while (i < m->n && is_next(m, &m->f[i]));
}

/* When the stream's oldest held fragment arrived, UINT64_MAX if none. */
static uint64_t oldest(const struct model *m, unsigned stream)
{
    uint64_t at = UINT64_MAX;

    for (unsigned i = 0; i < m->n; i++)
        if (m->f[i].held && m->f[i].stream == stream && m->f[i].arrived < at)
            at = m->f[i].arrived;
    return at;
}

static enum reorder_verdict model_push(struct model *m, const struct reorder_limits *lim,
                                       const struct fragment *f)
{
    struct fragment next = {.seq = m->next[f->stream].seq, .offset = m->next[f->stream].offset};
    unsigned i = m->n++;

    m->f[i] = *f;
    if (earlier(f, &next) || (f->len == 0 && !f->fin))
        return REORDER_DUPLICATE;
    for (unsigned j = 0; j < i; j++)
        if (m->f[j].held && m->f[j].stream == f->stream && clash(&m->f[j], f))
            return REORDER_DUPLICATE;
    if (is_next(m, f)) {
        release(m, i, false);
        return REORDER_RELEASED;
    }
    m->f[i].held = true;
    if (held_in_all(m) <= lim->max_held)
        return REORDER_HELD;
    release(m, first_held(m, f->stream), true);
    return REORDER_OVERFLOW;
}

/* ---- the real one beside it ---- */

struct session {
    struct reorder_stream streams[STREAMS];
    struct reorder_node nodes[OPERATIONS];
    struct reorder_limits lim;
    uint32_t held;
};

/* The list is what the model released. */
static void check_released(const struct model *m, const struct session *s,
                           const struct reorder_node *out)
{
    for (unsigned i = 0; i < m->n_released; i++, out = out->next) {
        FUZZ_CHECK(out == &s->nodes[m->released[i]]);
        FUZZ_CHECK(out->gap == m->gap[i]);
    }
    FUZZ_CHECK(!out);
}

static void check_state(const struct model *m, const struct session *s)
{
    FUZZ_CHECK(s->held == held_in_all(m) && s->held <= s->lim.max_held);
    for (unsigned i = 0; i < STREAMS; i++) {
        uint64_t since = oldest(m, i);
        uint64_t deadline = since == UINT64_MAX ? UINT64_MAX : since + s->lim.timeout_us;
        unsigned held = 0;

        for (unsigned j = 0; j < m->n; j++)
            held += m->f[j].held && m->f[j].stream == i;
        FUZZ_CHECK(s->streams[i].held == held);
        FUZZ_CHECK(reorder_deadline(&s->streams[i], &s->lim) == deadline);
        FUZZ_CHECK(s->streams[i].next_seq == m->next[i].seq);
        FUZZ_CHECK(s->streams[i].next_offset == m->next[i].offset);
    }
}

static void push(struct model *m, struct session *s, const struct fragment *f)
{
    struct reorder_node *node = &s->nodes[m->n], *out;

    node->seq = f->seq;
    node->offset = f->offset;
    node->len = f->len;
    node->fin = f->fin;
    enum reorder_verdict expected = model_push(m, &s->lim, f);

    FUZZ_CHECK(reorder_push(&s->streams[f->stream], &s->held, &s->lim, node, f->arrived, &out) ==
               expected);
    check_released(m, s, out);
}

static void expire(struct model *m, struct session *s, unsigned stream, uint64_t now)
{
    while (oldest(m, stream) != UINT64_MAX && oldest(m, stream) + s->lim.timeout_us <= now)
        release(m, first_held(m, stream), true);
    check_released(m, s, reorder_expire(&s->streams[stream], &s->held, &s->lim, now));
}

static void drain(struct model *m, struct session *s, unsigned stream)
{
    while (first_held(m, stream) < m->n)
        release(m, first_held(m, stream), true);
    check_released(m, s, reorder_drain(&s->streams[stream], &s->held));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct model m;
    static struct session s;
    uint64_t now = 0;

    if (size < 2)
        return 0;
    memset(&m, 0, sizeof(m));
    memset(&s, 0, sizeof(s));
    s.lim = (struct reorder_limits){.max_held = data[0] % 32, .timeout_us = data[1]};
    for (const uint8_t *p = data + 2; data + size - p >= 3 && m.n < OPERATIONS; p += 3) {
        unsigned stream = p[0] % STREAMS, what = p[0] / STREAMS;
        struct fragment f = {
            .stream = stream,
            .seq = p[1] % 8,
            .fin = p[1] & 8,
            .offset = 4 * (p[1] / 16),
            .len = p[2] % 16,
            .arrived = now += p[2] / 16,
        };

        m.n_released = 0;
        if (what < 52)
            push(&m, &s, &f);
        else if (what < 63)
            expire(&m, &s, stream, now);
        else
            drain(&m, &s, stream);
        check_state(&m, &s);
    }
    return 0;
}

/* Two to four fragments a message on each stream, in an order that only the index says. */
size_t fuzz_seed(unsigned index, uint8_t *out)
{
    size_t n = 2;

    if (index >= 40)
        return 0;
    out[0] = (uint8_t)(index * 5);
    out[1] = (uint8_t)(index * 13);
    for (unsigned i = 0; i < 96; i++, n += 3) {
        unsigned at = i ^ (index % 16); /* a permutation */
        unsigned part = at / 4 % 4, parts = 2 + index % 3;

        out[n] = (uint8_t)(at % 4 + (i % (7 + index) == 0 ? 4 * 55 : 0));
        out[n + 1] = (uint8_t)(at / 16 % 8 | (part + 1 == parts) << 3 | part << 4);
        out[n + 2] = (uint8_t)(4 | (index % 5) << 4);
    }
    return n;
}
