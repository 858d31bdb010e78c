#include "sendq.h"

#include <errno.h>
#include <stddef.h>

#include "frame.h"

enum control_state { CONTROL_NONE, CONTROL_DUE, CONTROL_FLYING, CONTROL_ACKED };

void sendq_init(struct sendq *q, const struct sendq_config *config, struct sendq_pools *pools,
                struct flow_tx *stream, struct flow_tx *session)
{
    *q = (struct sendq){.config = config, .pools = pools, .stream = stream, .session = session};
}

/* ---- ranges ---- */

/* May a queue that has n objects of the pool take one more? */
static bool may_take(const struct pool *pool, uint32_t n, uint32_t max)
{
    return n < max && n < pool_left(pool);
}

static struct sendq_range *range_get(struct sendq *q)
{
    struct pool *pool = &q->pools->ranges;
    struct sendq_range *r =
        may_take(pool, q->ranges, q->config->max_ranges) ? pool_get(pool) : NULL;

    q->ranges += r != NULL;
    return r;
}

static uint32_t *lost_of(struct sendq *q, const struct sendq_message *m)
{
    return &q->lost_of[m->seq / SENDQ_STEP % SENDQ_MARKS];
}

static void set_lost(struct sendq *q, struct sendq_message *m, struct sendq_range *r, bool lost)
{
    if (r->lost == lost)
        return;
    if (lost && (q->lost == 0 || (q->lossy && m->seq < q->lossy->seq)))
        q->lossy = m;
    r->lost = lost;
    m->lost += lost ? 1 : -1u;
    q->lost += lost ? 1 : -1u;
    *lost_of(q, m) += lost ? 1 : -1u;
}

/* Take the range at *link out. */
static void range_free(struct sendq *q, struct sendq_message *m, struct sendq_range **link)
{
    struct sendq_range *r = *link;

    set_lost(q, m, r, false);
    *link = r->next;
    if (m->last == r) /* then link is its predecessor's, whose first member that is */
        m->last = link == &m->ranges ? NULL : (struct sendq_range *)link;
    q->ranges--;
    pool_put(&q->pools->ranges, r);
}

/* Make r end at `at`, inside it, and another of the same kind begin there. False, nothing changed,
 * without memory. */
static bool split(struct sendq *q, struct sendq_message *m, struct sendq_range *r, uint32_t at)
{
    struct sendq_range *n = range_get(q);

    if (!n)
        return false;
    *n = *r;
    n->start = r->end = at;
    r->next = n;
    if (m->last == r)
        m->last = n;
    m->lost += n->lost;
    q->lost += n->lost;
    *lost_of(q, m) += n->lost;
    return true;
}

/* Neighbours of the same kind become one. */
static void merge(struct sendq *q, struct sendq_message *m)
{
    struct sendq_range *r = m->ranges;

    while (r && r->next) {
        struct sendq_range *n = r->next;

        if (r->end != n->start || r->lost != n->lost || r->tries != n->tries) {
            r = n;
            continue;
        }
        r->end = n->end;
        range_free(q, m, &r->next);
    }
}

/* ---- messages ---- */

static uint32_t unsent_bytes(const struct sendq_message *m)
{
    return m->sent < m->len ? m->len - m->sent : 0;
}

static void unlink_message(struct sendq *q, struct sendq_message *m)
{
    *(m->prev ? &m->prev->next : &q->head) = m->next;
    *(m->next ? &m->next->prev : &q->tail) = m->prev;
    if (q->unsent == m)
        q->unsent = m->next;
    if (q->cursor == m)
        q->cursor = NULL;
    if (q->lossy == m)
        q->lossy = m->next;
    q->messages--;
    pool_put(&q->pools->messages, m);
}

/* The base moves over what is over. */
static void advance(struct sendq *q)
{
    while (q->head && q->head->over) {
        struct sendq_message *m = q->head;

        q->base = m->seq + 1;
        q->settled += flow_cost(m->len - unsent_bytes(m));
        if (m->given_up) {
            q->forward_need = q->base;
            q->control[SENDQ_FORWARD] = CONTROL_DUE;
        }
        unlink_message(q, m);
    }
    if (q->control[SENDQ_FORWARD] == CONTROL_NONE)
        q->known = q->base;
}

/* Its buffer goes back; the record stays until the base has passed it. */
static void leave(struct sendq *q, struct sendq_message *m, enum sendq_fate fate)
{
    while (m->ranges)
        range_free(q, m, &m->ranges);
    q->config->release(q->config->context, m->user, fate);
    if (!m->started) {
        q->waiting--;
        unlink_message(q, m);
        return;
    }
    m->over = true;
    m->given_up = fate != SENDQ_ACKED;
    flow_tx_return(q->stream, q->session, unsent_bytes(m));
    if (q->unsent == m)
        q->unsent = m->next;
    advance(q);
}

int sendq_push(struct sendq *q, const uint8_t *data, uint32_t len, void *user, uint64_t now)
{
    struct sendq_message *m;

    if (len > FRAME_MESSAGE_MAX)
        return -EMSGSIZE;
    if (q->finished || q->reset)
        return -EPIPE;
    if (!may_take(&q->pools->messages, q->messages, q->config->max_messages))
        return -ENOBUFS;
    m = pool_get(&q->pools->messages);
    *m = (struct sendq_message){.prev = q->tail,
                                .data = data,
                                .user = user,
                                .len = len,
                                .expires_at =
                                    q->config->ttl_us > 0 ? now + q->config->ttl_us : UINT64_MAX,
                                .max_retransmissions = q->config->max_retransmissions};
    q->mixed = q->tail && (q->mixed || m->expires_at < q->tail->expires_at);
    q->expires_at = q->tail && q->expires_at < m->expires_at ? q->expires_at : m->expires_at;
    *(q->tail ? &q->tail->next : &q->head) = m;
    q->tail = m;
    if (!q->unsent)
        q->unsent = m;
    q->messages++;
    q->waiting++;
    return 0;
}

/* A started message that is not over; NULL when it is. */
static struct sendq_message *find(struct sendq *q, uint64_t seq)
{
    struct sendq_message *m = q->cursor ? q->cursor : q->head;
    uint64_t step = seq / SENDQ_STEP;

    if (seq < q->base || seq >= q->next_seq)
        return NULL;
    if (step != m->seq / SENDQ_STEP && seq != m->seq + 1)
        m = step * SENDQ_STEP >= q->base ? q->mark[step % SENDQ_MARKS] : q->head;
    while (m->seq < seq) /* numbers in the list are without gaps from base to next_seq */
        m = m->next;
    while (m->seq > seq)
        m = m->prev;
    q->cursor = m;
    return m->over ? NULL : m;
}

/* ---- sending ---- */

/* Number m and take its credit. */
static enum sendq_verdict start(struct sendq *q, struct sendq_message *m, uint64_t *want)
{
    const struct flow_tx *lacks;

    if (q->next_seq - q->known >= FLOW_MESSAGES_AHEAD)
        return SENDQ_FULL;
    lacks = flow_tx_take(q->stream, q->session, m->len, want);
    if (lacks)
        return lacks == q->stream ? SENDQ_BLOCKED_STREAM : SENDQ_BLOCKED_SESSION;
    m->started = true;
    m->seq = q->next_seq++;
    if (m->seq % SENDQ_STEP == 0)
        q->mark[m->seq / SENDQ_STEP % SENDQ_MARKS] = m;
    q->waiting--;
    return SENDQ_READY;
}

static void fragment(struct sendq_fragment *f, struct sendq_message *m, uint32_t from, uint32_t to)
{
    *f = (struct sendq_fragment){.message = m, .seq = m->seq, .offset = from};
    f->fin = to > m->len;
    f->len = to - from - f->fin;
    f->data = f->len > 0 ? m->data + from : m->data;
}

/* There is one. */
static struct sendq_message *first_lossy(struct sendq *q)
{
    struct sendq_message *m = q->lossy ? q->lossy : q->head;

    while (m->lost == 0)
        m = *lost_of(q, m) > 0 ? m->next : q->mark[(m->seq / SENDQ_STEP + 1) % SENDQ_MARKS];
    return m;
}

bool sendq_is_reliable(struct sendq *q, uint64_t seq)
{
    const struct sendq_message *m = find(q, seq);

    return m && m->max_retransmissions == SENDQ_RELIABLE;
}

enum sendq_verdict sendq_next(struct sendq *q, uint64_t now, struct sendq_fragment *f)
{
    struct sendq_message *m;
    enum sendq_verdict verdict = SENDQ_READY;

    sendq_expire(q, now);
    if (q->lost > 0) {
        const struct sendq_range *r;

        m = q->lossy = first_lossy(q);
        for (r = m->ranges; !r->lost; r = r->next)
            ;
        fragment(f, m, r->start, r->end);
        f->again = true;
        return SENDQ_READY;
    }
    m = q->unsent;
    if (!m)
        return SENDQ_IDLE;
    if (!may_take(&q->pools->ranges, q->ranges, q->config->max_ranges))
        return SENDQ_FULL;
    if (!m->started)
        verdict = start(q, m, &f->want);
    if (verdict == SENDQ_READY)
        fragment(f, m, m->sent, m->len + 1);
    return verdict;
}

/* [from, to), the beginning of a lost range, is in flight again. */
static void sent_again(struct sendq *q, struct sendq_message *m, uint32_t from, uint32_t to)
{
    struct sendq_range *r = m->ranges;

    while (r && !(r->lost && r->start == from))
        r = r->next;
    if (!r || (to < r->end && !split(q, m, r, to)))
        return; /* it stays lost: sent once more */
    set_lost(q, m, r, false);
    r->tries += m->max_retransmissions != SENDQ_RELIABLE;
}

/* [from, to), behind all that was sent of m before, is in flight. */
static void append(struct sendq *q, struct sendq_message *m, uint32_t from, uint32_t to)
{
    struct sendq_range *last = m->ranges ? m->last : NULL, *r;

    if (last && last->end == from && !last->lost && last->tries == 0) {
        last->end = to;
        return;
    }
    r = range_get(q);
    assert(r); /* sendq_next saw to it */
    *r = (struct sendq_range){.start = from, .end = to};
    *(last ? &last->next : &m->ranges) = r;
    m->last = r;
}

void sendq_sent(struct sendq *q, const struct sendq_fragment *f)
{
    struct sendq_message *m = f->message;
    uint32_t to = f->offset + f->len + f->fin;

    if (f->again) {
        sent_again(q, m, f->offset, to);
        merge(q, m);
        return;
    }
    assert(f->offset == m->sent);
    append(q, m, f->offset, to);
    m->sent = to;
    if (to > m->len)
        q->unsent = m->next;
}

/* ---- what became of it ---- */

void sendq_acked(struct sendq *q, uint64_t seq, uint32_t offset, uint32_t len, bool fin)
{
    struct sendq_message *m = find(q, seq);
    uint32_t to = offset + len + fin;

    if (!m)
        return;
    for (struct sendq_range **link = &m->ranges, *r; (r = *link) != NULL && r->start < to;) {
        if (offset <= r->start && to >= r->end) {
            range_free(q, m, link);
            continue;
        }
        if (r->end > offset) {
            if (offset <= r->start)
                r->start = to;
            else if (to >= r->end)
                r->end = offset;
            else if (split(q, m, r, to))
                r->end = offset;
            else
                set_lost(q, m, r, true); /* with what was acknowledged: nothing is missed */
        }
        link = &r->next;
    }
    if (!m->ranges && m->sent > m->len)
        leave(q, m, SENDQ_ACKED);
}

void sendq_lost(struct sendq *q, uint64_t seq, uint32_t offset, uint32_t len, bool fin)
{
    struct sendq_message *m = find(q, seq);
    uint32_t to = offset + len + fin;

    if (!m)
        return;
    for (struct sendq_range *r = m->ranges; r && r->start < to; r = r->next) {
        if (r->lost || r->end <= offset)
            continue;
        if (m->max_retransmissions != SENDQ_RELIABLE && r->tries >= m->max_retransmissions) {
            leave(q, m, SENDQ_ABANDONED);
            return;
        }
        if (r->start < offset && split(q, m, r, offset))
            r = r->next;
        if (r->end > to)
            split(q, m, r, to);
        set_lost(q, m, r, true);
    }
    merge(q, m);
}

/* The head is never over (advance), and nobody behind it is older unless they are mixed. */
void sendq_expire(struct sendq *q, uint64_t now)
{
    while (q->head && q->head->expires_at <= now)
        leave(q, q->head, SENDQ_EXPIRED);
    if (!q->mixed || now < q->expires_at)
        return;
    q->expires_at = UINT64_MAX;
    for (struct sendq_message *m = q->head, *next; m; m = next) {
        next = m->next; /* stays, as the head does */
        if (m->over)
            continue;
        if (m->expires_at <= now)
            leave(q, m, SENDQ_EXPIRED);
        else if (m->expires_at < q->expires_at)
            q->expires_at = m->expires_at;
    }
}

uint64_t sendq_deadline(const struct sendq *q)
{
    if (!q->head)
        return UINT64_MAX;
    return q->mixed ? q->expires_at : q->head->expires_at;
}

/* ---- ends ---- */

void sendq_finish(struct sendq *q)
{
    if (q->finished || q->reset)
        return;
    q->finished = true;
    q->control[SENDQ_END] = CONTROL_DUE;
}

static void give_up_all(struct sendq *q)
{
    while (q->head)
        leave(q, q->head, SENDQ_ABANDONED);
}

void sendq_reset(struct sendq *q)
{
    if (q->reset)
        return;
    q->reset = true;
    give_up_all(q);
    q->control[SENDQ_FORWARD] = q->control[SENDQ_END] = CONTROL_NONE;
    q->control[SENDQ_RESET] = CONTROL_DUE;
}

bool sendq_control_next(const struct sendq *q, struct sendq_control *c)
{
    *c = (struct sendq_control){.type = SENDQ_RESET, .total = q->stream->used};
    if (q->control[SENDQ_RESET] == CONTROL_DUE)
        return true;
    *c = (struct sendq_control){.type = SENDQ_FORWARD, .seq = q->base, .total = q->settled};
    if (q->control[SENDQ_FORWARD] == CONTROL_DUE)
        return true;
    *c = (struct sendq_control){.type = SENDQ_END, .seq = q->next_seq};
    return q->control[SENDQ_END] == CONTROL_DUE && q->waiting == 0;
}

void sendq_control_sent(struct sendq *q, const struct sendq_control *c)
{
    q->control[c->type] = CONTROL_FLYING;
}

void sendq_control_acked(struct sendq *q, enum sendq_control_type type, uint64_t seq)
{
    if (type != SENDQ_FORWARD) {
        if (q->control[type] != CONTROL_NONE)
            q->control[type] = CONTROL_ACKED;
        return;
    }
    if (seq > q->known)
        q->known = seq;
    if (seq >= q->forward_need) {
        q->control[SENDQ_FORWARD] = CONTROL_NONE;
        advance(q);
    }
}

void sendq_control_lost(struct sendq *q, enum sendq_control_type type, uint64_t seq)
{
    if (q->control[type] == CONTROL_FLYING && (type != SENDQ_FORWARD || seq >= q->forward_need))
        q->control[type] = CONTROL_DUE;
}

bool sendq_done(const struct sendq *q)
{
    if (q->reset)
        return q->control[SENDQ_RESET] == CONTROL_ACKED;
    return q->control[SENDQ_END] == CONTROL_ACKED && !q->head &&
           q->control[SENDQ_FORWARD] == CONTROL_NONE;
}

void sendq_fini(struct sendq *q)
{
    give_up_all(q);
    assert(!q->head && q->messages == 0 && q->ranges == 0);
}
