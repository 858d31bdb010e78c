#include "reassembly.h"

#include <errno.h>
#include <string.h>

#include "frame.h"

enum { BLOCK_SHIFT = 9, FANOUT_SHIFT = 6, TABLE = REASSEMBLY_FANOUT * REASSEMBLY_FANOUT };
static const uint32_t unknown = UINT32_MAX;

static_assert(REASSEMBLY_BLOCK == 1 << BLOCK_SHIFT && REASSEMBLY_FANOUT == 1 << FANOUT_SHIFT,
              "shifts are logarithms");
/* so the block of the table that has the floor has nothing from the table's next turn */
static_assert(FLOW_MESSAGES_AHEAD <= TABLE - REASSEMBLY_FANOUT, "the table holds the window");

void reassembly_init(struct reassembly *r, struct reassembly_pools *pools, struct flow_rx *stream,
                     struct flow_rx *session, bool ordered)
{
    *r = (struct reassembly){.pools = pools,
                             .stream = stream,
                             .session = session,
                             .end = UINT64_MAX,
                             .ordered = ordered};
    r->ready_tail = &r->ready;
}

static void consume(struct reassembly *r, uint64_t n)
{
    flow_rx_consume(r->stream, n);
    flow_rx_consume(r->session, n);
}

/* ---- blocks ---- */

/* The block at *at, a new empty one when there is none; NULL when the pool is dry. */
static struct reassembly_block *ensure(struct pool *blocks, void **at)
{
    if (!*at && (*at = pool_get(blocks)) != NULL)
        memset(*at, 0, sizeof(struct reassembly_block));
    return *at;
}

static void free_tree(struct pool *blocks, struct reassembly_block *b, unsigned levels)
{
    if (!b)
        return;
    for (unsigned i = 0; levels > 0 && i < REASSEMBLY_FANOUT; i++)
        free_tree(blocks, b->u.child[i], levels - 1);
    pool_put(blocks, b);
}

/* Copy n bytes to `at` in b, which holds them, and count what is new in *received. False when what
 * was there is different. */
static bool fill(struct reassembly_block *b, uint32_t at, const uint8_t *data, uint32_t n,
                 uint32_t *received)
{
    for (uint32_t i = 0, step; i < n; i += step) {
        uint32_t word = (at + i) / 64, bit = (at + i) % 64;

        step = n - i < 64 - bit ? n - i : 64 - bit;
        uint64_t mask = (~UINT64_C(0) >> (64 - step)) << bit, old = b->have[word] & mask;

        for (uint64_t left = old; left != 0; left &= left - 1) {
            uint32_t same = (uint32_t)__builtin_ctzll(left);

            if (b->u.data[word * 64 + same] != data[i + same - bit])
                return false;
        }
        memcpy(b->u.data + at + i, data + i, step);
        b->have[word] |= mask;
        *received += (uint32_t)__builtin_popcountll(mask & ~old);
    }
    return true;
}

/* ---- messages ---- */

/* The block of m's data that has `offset`, made when new; NULL when the pool is dry. */
static struct reassembly_block *data_block(struct reassembly_message *m, struct pool *blocks,
                                           uint32_t offset)
{
    struct reassembly_block *b;
    void *up;

    while (offset >> BLOCK_SHIFT >> (FANOUT_SHIFT * m->levels) != 0) { /* one level more */
        up = NULL;
        if (m->root) {
            b = ensure(blocks, &up);
            if (!b)
                return NULL;
            b->u.child[0] = m->root;
            m->root = b;
        }
        m->levels++;
    }
    up = m->root;
    b = ensure(blocks, &up);
    m->root = b;
    for (unsigned level = m->levels; b && level-- > 0;)
        b = ensure(
            blocks,
            &b->u.child[offset >> BLOCK_SHIFT >> (FANOUT_SHIFT * level) & (REASSEMBLY_FANOUT - 1)]);
    return b;
}

static int store(struct reassembly_message *m, struct pool *blocks, uint32_t offset,
                 const uint8_t *data, uint32_t len)
{
    while (len > 0) {
        uint32_t at = offset % REASSEMBLY_BLOCK;
        uint32_t n = len < REASSEMBLY_BLOCK - at ? len : REASSEMBLY_BLOCK - at;
        struct reassembly_block *b = data_block(m, blocks, offset);

        if (!b)
            return -ENOBUFS;
        if (!fill(b, at, data, n, &m->received))
            return -EPROTO;
        offset += n;
        data += n;
        len -= n;
    }
    return 0;
}

static bool is_whole(const struct reassembly_message *m)
{
    return m->received == m->len;
}

static void free_message(struct reassembly_pools *pools, struct reassembly_message *m)
{
    free_tree(&pools->blocks, m->root, m->levels);
    pool_put(&pools->messages, m);
}

static void append_ready(struct reassembly *r, struct reassembly_message *m)
{
    m->next = NULL;
    *r->ready_tail = m;
    r->ready_tail = &m->next;
}

/* ---- the table: what is known of messages from the floor on ---- */

/* Of a message that was read before the floor passed it, its length is left, as an odd number. */
static void *gone(uint32_t len)
{
    return (void *)((uintptr_t)len << 1 | 1);
}

static bool is_gone(const void *entry)
{
    return (uintptr_t)entry & 1;
}

static void **leaf_of(const struct reassembly *r, uint64_t seq)
{
    return &r->table->u.child[seq % TABLE / REASSEMBLY_FANOUT];
}

/* Where the message's entry is; NULL when nothing around it is known. */
static void **entry_of(const struct reassembly *r, uint64_t seq)
{
    struct reassembly_block *leaf = r->table ? *leaf_of(r, seq) : NULL;

    return leaf ? &leaf->u.child[seq % REASSEMBLY_FANOUT] : NULL;
}

/* An empty table is none. */
static void trim(struct reassembly *r)
{
    if (r->held > 0)
        return;
    free_tree(&r->pools->blocks, r->table, 1);
    r->table = NULL;
}

/* A new message; 0, -ENOBUFS or -EDQUOT. */
static int make(struct reassembly *r, uint64_t seq, struct reassembly_message **out)
{
    struct reassembly_message *m = NULL;
    void *table = r->table;
    int ret = -ENOBUFS;

    r->table = ensure(&r->pools->blocks, &table);
    if (r->table && ensure(&r->pools->blocks, leaf_of(r, seq)))
        m = pool_get(&r->pools->messages);
    if (m) {
        ret = flow_rx_count(r->stream, r->session, FLOW_MESSAGE_COST);
        if (ret < 0)
            pool_put(&r->pools->messages, m);
    }
    if (ret < 0) {
        trim(r);
        return ret;
    }
    *m = (struct reassembly_message){.seq = seq, .len = unknown};
    *entry_of(r, seq) = *out = m;
    r->held++;
    return 0;
}

/* The floor's message is over, whole or not. */
static void pass(struct reassembly *r)
{
    void **entry = entry_of(r, r->floor);
    struct reassembly_message *m = entry ? *entry : NULL;

    if (is_gone(m)) {
        r->settled += flow_cost((uint32_t)((uintptr_t)m >> 1));
        consume(r, FLOW_MESSAGE_COST);
    } else if (m) {
        r->settled += flow_cost(m->extent);
        m->passed = true;
        if (!is_whole(m)) {
            consume(r, flow_cost(m->extent));
            free_message(r->pools, m);
        } else if (r->ordered) {
            append_ready(r, m);
        }
    }
    if (m) {
        *entry = NULL;
        r->held--;
    }
    if (++r->floor % REASSEMBLY_FANOUT == 0 && entry) {
        void **leaf = leaf_of(r, r->floor - 1);

        pool_put(&r->pools->blocks, *leaf);
        *leaf = NULL;
    }
    trim(r);
}

/* Pass messages of which nothing is known, up to `seq`: as far as one step goes. */
static bool skip(struct reassembly *r, uint64_t seq)
{
    uint64_t to = r->table ? (r->floor | (REASSEMBLY_FANOUT - 1)) + 1 : seq;

    if (r->table && *leaf_of(r, r->floor))
        return false;
    r->floor = to < seq ? to : seq;
    return true;
}

static void advance(struct reassembly *r)
{
    void **entry;

    while ((entry = entry_of(r, r->floor)) != NULL && *entry &&
           (is_gone(*entry) || is_whole(*entry)))
        pass(r);
}

/* ---- what comes in ---- */

/* Take a fragment, which is within its bounds, into m. */
static int add(struct reassembly *r, struct reassembly_message *m, uint32_t offset,
               const uint8_t *data, uint32_t len, unsigned flags)
{
    uint32_t end = offset + len;
    bool was_whole = is_whole(m), compressed = flags & REASSEMBLY_COMPRESSED;

    if (flags ? end < m->extent ||
                    (m->len != unknown && (m->len != end || m->compressed != compressed))
              : end > m->len)
        return -EPROTO;
    if (end > m->extent) {
        if (flow_rx_count(r->stream, r->session, end - m->extent) < 0)
            return -EDQUOT;
        m->extent = end;
    }
    if (flags) {
        m->len = end;
        m->compressed = compressed;
    }
    int ret = store(m, &r->pools->blocks, offset, data, len);

    if (ret < 0 || was_whole || !is_whole(m))
        return ret;
    if (!r->ordered)
        append_ready(r, m);
    advance(r);
    return 0;
}

int reassembly_push(struct reassembly *r, uint64_t seq, uint32_t offset, const uint8_t *data,
                    uint32_t len, unsigned end)
{
    void **entry;
    struct reassembly_message *m;

    if (offset > FRAME_MESSAGE_MAX || len > FRAME_MESSAGE_MAX - offset || seq >= r->end)
        return -EPROTO;
    if (r->reset || seq < r->floor || (len == 0 && !end))
        return 0;
    if (seq - r->floor >= FLOW_MESSAGES_AHEAD)
        return -EPROTO;
    entry = entry_of(r, seq);
    m = entry ? *entry : NULL;
    if (is_gone(m))
        return 0;
    if (!m) {
        int ret = make(r, seq, &m);

        if (ret < 0)
            return ret;
    }
    if (seq >= r->top)
        r->top = seq + 1;
    return add(r, m, offset, data, len, end);
}

/* The peer was charged n more than we counted, for what will not come. */
static int settle(struct reassembly *r, uint64_t n)
{
    if (flow_rx_count(r->stream, r->session, n) < 0)
        return -EDQUOT;
    consume(r, n);
    return 0;
}

int reassembly_forward(struct reassembly *r, uint64_t seq, uint64_t total)
{
    if (r->reset || seq <= r->floor)
        return 0;
    if (seq > r->end || seq - r->floor > FLOW_MESSAGES_AHEAD)
        return -EPROTO;
    while (r->floor < seq)
        if (!skip(r, seq))
            pass(r);
    if (r->top < seq)
        r->top = seq;
    if (total < r->settled)
        return -EPROTO;
    int ret = settle(r, total - r->settled);

    if (ret < 0)
        return ret;
    r->settled = total;
    advance(r);
    return 0;
}

int reassembly_end(struct reassembly *r, uint64_t messages)
{
    if (r->reset || messages == r->end)
        return 0;
    if (r->end != UINT64_MAX || messages < r->top)
        return -EPROTO;
    r->end = messages;
    return 0;
}

int reassembly_reset(struct reassembly *r, uint64_t total)
{
    if (r->reset)
        return 0;
    if (total < r->stream->counted)
        return -EPROTO;
    int ret = settle(r, total - r->stream->counted);

    if (ret < 0)
        return ret;
    reassembly_fini(r);
    r->reset = true;
    return 0;
}

/* ---- what goes out ---- */

struct reassembly_message *reassembly_take(struct reassembly *r)
{
    struct reassembly_message *m = r->ready;

    if (m) {
        r->ready = m->next;
        if (!r->ready)
            r->ready_tail = &r->ready;
    }
    return m;
}

uint32_t reassembly_read(const struct reassembly_message *m, uint32_t offset, const uint8_t **data)
{
    const struct reassembly_block *b = m->root;
    uint32_t at = offset % REASSEMBLY_BLOCK, room = REASSEMBLY_BLOCK - at;

    assert(offset < m->len);
    for (unsigned level = m->levels; level-- > 0;)
        b = b->u.child[offset >> BLOCK_SHIFT >> (FANOUT_SHIFT * level) & (REASSEMBLY_FANOUT - 1)];
    *data = b->u.data + at;
    return m->len - offset < room ? m->len - offset : room;
}

void reassembly_release(struct reassembly *r, struct reassembly_message *m)
{
    if (m->passed)
        consume(r, flow_cost(m->len));
    else { /* its number is still known, and pays for that */
        void **entry = entry_of(r, m->seq);

        assert(entry && *entry == m);
        *entry = gone(m->len);
        consume(r, m->len);
    }
    free_message(r->pools, m);
}

void reassembly_fini(struct reassembly *r)
{
    struct reassembly_message *m;

    while ((m = reassembly_take(r)) != NULL)
        if (m->passed) /* the table has the others */
            free_message(r->pools, m);
    for (unsigned i = 0; r->table && i < TABLE; i++) {
        void **entry = entry_of(r, i);

        if (!entry)
            i += REASSEMBLY_FANOUT - 1;
        else if (*entry && !is_gone(*entry))
            free_message(r->pools, *entry);
    }
    r->held = 0;
    trim(r);
    consume(r, r->stream->counted - r->stream->consumed);
}
