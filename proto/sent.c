#include "sent.h"

#include <errno.h>
#include <stddef.h>

void sent_init(struct sent *s, uint32_t max)
{
    *s = (struct sent){.max = max};
    s->tail = &s->head;
}

void sent_note(struct sent *s, uint64_t pn)
{
    assert(pn >= s->next_pn);
    if (pn > s->next_pn)
        s->skipped[s->skips++ % SENT_SKIPS] = (struct frame_ack_range){s->next_pn, pn - 1};
    s->next_pn = pn + 1;
}

struct sent_packet *sent_add(struct sent *s, struct pool *pool, uint64_t pn, uint64_t now)
{
    struct sent_packet *p = s->count < s->max ? pool_get(pool) : NULL;

    if (!p)
        return NULL;
    *p = (struct sent_packet){
        .pn = pn,
        .order = s->next_order++,
        .sent_at = now,
        .flags = s->tail_acked ? SENT_AFTER_ACKED : 0,
    };
    sent_note(s, pn);
    s->tail_acked = false;
    s->last_sent_at = now;
    s->count++;
    *s->tail = p;
    s->tail = &p->next;
    if (!s->live)
        s->live = p;
    return p;
}

/* Whether ranges hold a number that was never sent. */
static bool impossible(const struct sent *s, const struct frame_ack_range *ranges, unsigned n)
{
    unsigned skips = s->skips < SENT_SKIPS ? s->skips : SENT_SKIPS;

    if (ranges[0].last >= s->next_pn)
        return true;
    for (unsigned i = 0; i < skips; i++)
        for (unsigned j = 0; j < n && ranges[j].last >= s->skipped[i].first; j++)
            if (ranges[j].first <= s->skipped[i].last)
                return true;
    return false;
}

/* Take the record at *link out of the list. */
static struct sent_packet *take(struct sent *s, struct sent_packet **link)
{
    struct sent_packet *p = *link;

    *link = p->next;
    if (p->next)
        p->next->flags |= SENT_AFTER_ACKED;
    else {
        s->tail = link;
        s->tail_acked = true;
    }
    if (s->live == p)
        s->live = p->next;
    if (p->flags & SENT_LOST)
        s->lost--;
    if (p->order >= s->acked_end)
        s->acked_end = p->order + 1;
    s->count--;
    return p;
}

int sent_ack(struct sent *s, const struct frame_ack_range *ranges, unsigned n,
             struct sent_packet **acked)
{
    struct sent_packet **link = &s->head, **out = acked, *p;

    *acked = NULL;
    if (impossible(s, ranges, n))
        return -EPROTO;
    while (n > 0 && (p = *link) != NULL) {
        const struct frame_ack_range *r = &ranges[n - 1]; /* the lowest not passed */

        if (p->pn > r->last) {
            n--;
        } else if (p->pn < r->first) {
            link = &p->next;
        } else {
            *out = take(s, link);
            out = &(*out)->next;
        }
    }
    *out = NULL;
    return 0;
}

void sent_recovered(struct sent *s, uint64_t pn)
{
    for (struct sent_packet *p = s->head; p && p->order < s->acked_end && p->pn <= pn; p = p->next)
        if (p->pn == pn)
            p->flags |= SENT_RECOVERED;
}

struct sent_packet *sent_lose(struct sent *s, uint32_t threshold, uint64_t cutoff)
{
    struct sent_packet *first = s->live, *p;

    for (p = first; p && p->order < s->acked_end; p = p->next) {
        if (p->order + threshold >= s->acked_end && p->sent_at >= cutoff)
            break;
        p->flags |= SENT_LOST;
        s->lost++;
    }
    s->live = p;
    return first;
}

struct sent_packet *sent_lose_all(struct sent *s)
{
    struct sent_packet *first = s->live;

    for (struct sent_packet *p = first; p; p = p->next) {
        p->flags |= SENT_LOST;
        s->lost++;
    }
    s->live = NULL;
    return first;
}

static void free_head(struct sent *s, struct pool *pool)
{
    struct sent_packet *p = s->head;

    s->head = p->next;
    if (!s->head)
        s->tail = &s->head;
    if (s->live == p)
        s->live = p->next;
    if (p->flags & SENT_LOST)
        s->lost--;
    s->count--;
    pool_put(pool, p);
}

void sent_release(struct sent *s, struct pool *pool, struct sent_packet *acked, uint64_t keep)
{
    while (acked) {
        struct sent_packet *next = acked->next;

        pool_put(pool, acked);
        acked = next;
    }
    while (s->head != s->live && (!s->live || s->lost > SENT_LOST_MAX || s->head->sent_at < keep))
        free_head(s, pool);
}

void sent_fini(struct sent *s, struct pool *pool)
{
    while (s->head)
        free_head(s, pool);
}
