#include "endpoint.h"

#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static void prepare_process(void)
{
    fec_init();
}

void buffer_free(struct buffer *b)
{
    if (b->size)
        sodium_memzero(b->bytes, b->size); /* what was or will be encrypted */
    free(b->bytes);
    *b = (struct buffer){0};
}

bool buffer_reserve(struct buffer *b, size_t size)
{
    if (size <= b->size)
        return true;
    buffer_free(b); /* first, as realloc would leave what was there behind */
    b->bytes = malloc(size);
    b->size = b->bytes ? size : 0;
    return b->bytes != NULL;
}

static void endpoint_free(struct endpoint *e)
{
    e->loop->endpoint = NULL;
    if (e->timer) {
        e->loop->alive[OBJECT_TIMER]++; /* it was nobody else's business */
        jp_timer_free(e->timer);
    }
    if (e->aead)
        aead_free(e->aead);
    if (e->memory.base)
        memory_fini(&e->memory);
    udp_rx_free(&e->rx);
    free(e->sessions);
    free(e->streams);
    free(e->sockets);
    buffer_free(&e->message);
    buffer_free(&e->expanded);
    buffer_free(&(struct buffer){e->out.buffer, e->out.buffer ? SEND_BUFFER : 0});
    free(e);
}

/* ---- turns ---- */

static void expire(struct endpoint *e, uint64_t now)
{
    for (struct heap_entry *h; (h = e->deadlines.root) && h->at <= now;) {
        jp_session *s = (jp_session *)((uint8_t *)h - offsetof(jp_session, deadline));

        heap_remove(&e->deadlines, h);
        s->armed = false;
        session_touch(s);
        session_expire(s, now);
    }
}

static void disarm(struct endpoint *e, jp_session *s)
{
    if (s->armed)
        heap_remove(&e->deadlines, &s->deadline);
    s->armed = false;
}

static void arm(struct endpoint *e, jp_session *s, uint64_t at)
{
    if (s->armed && s->deadline.at == at)
        return;
    disarm(e, s);
    if (at == UINT64_MAX)
        return;
    s->deadline.at = at;
    s->deadline.order = e->order++;
    s->armed = true;
    heap_insert(&e->deadlines, &s->deadline);
}

void endpoint_deliver(struct endpoint *e)
{
    for (jp_session *s = e->active; s; s = s->next_active)
        session_deliver(s);
}

/* Those that may have something to send line up. */
static void line_up(struct endpoint *e)
{
    for (jp_session *s = e->active; s; s = s->next_active)
        if (s->was_open && !s->mute && !s->held && !drr_waits(&s->turn)) {
            unsigned priority = conn_priority(s->conn);

            drr_add(&e->drr, &s->turn,
                    priority < DRR_PRIORITIES ? (enum drr_priority)priority : DRR_SYSTEM);
        }
}

/* The list is empty then, but for those that have something to tell by now. Those that wait in line
 * come back when they leave it. */
static void settle(struct endpoint *e, uint64_t now)
{
    jp_session *s = e->active, *next;

    e->active = NULL;
    e->active_tail = &e->active;
    for (; s; s = next) {
        bool waits = drr_waits(&s->turn);

        next = s->next_active;
        if (s->state == SESSION_ENDED && !waits) {
            disarm(e, s);
            session_tell_end(s); /* still active: what it calls brings it back no more */
            if (s->lingers)
                s->active = false;
            else
                session_end(s);
            continue;
        }
        s->active = false;
        if (!waits)
            arm(e, s, session_deadline(s, now));
        if (s->tell || s->telling)
            session_touch(s);
    }
}

static void turn(jp_timer *timer)
{
    struct endpoint *e = *(struct endpoint **)jp_timer_extension(timer);
    uint64_t now = loop_clock(e->loop);

    endpoint_enter(e);
    expire(e, now);
    endpoint_deliver(e);
    line_up(e);
    endpoint_send(e, now);
    settle(e, now);
    endpoint_leave(e);
}

void endpoint_wake(struct endpoint *e)
{
    if (!e->inside)
        jp_timer_start_at(e->timer, 0, 0);
}

void endpoint_enter(struct endpoint *e)
{
    e->inside++;
}

static bool has_work(const struct endpoint *e)
{
    bool waits = e->active || e->out.sent < e->out.count;

    for (unsigned i = 0; i < DRR_PRIORITIES; i++)
        waits |= e->drr.turn[i] != NULL;
    return waits && !e->full;
}

void endpoint_leave(struct endpoint *e)
{
    if (--e->inside)
        return;
    if (!e->users)
        endpoint_free(e);
    else if (has_work(e))
        jp_timer_start_at(e->timer, 0, 0);
    else if (e->deadlines.root)
        jp_timer_start_at(e->timer, e->deadlines.root->at, 0);
    else
        jp_timer_stop(e->timer);
}

/* ---- life ---- */

static int endpoint_init(struct endpoint *e)
{
    int error = memory_init(&e->memory);

    if (!error)
        error = udp_rx_init(&e->rx);
    e->sessions = calloc(ENDPOINT_HEADS, sizeof(*e->sessions));
    e->streams = calloc(ENDPOINT_HEADS, sizeof(*e->streams));
    e->out.buffer = malloc(SEND_BUFFER);
    e->aead = aead_new(aead_best());
    if (!error && (!e->sessions || !e->streams || !e->out.buffer || !e->aead))
        error = failure(JP_NO_MEMORY, NULL, "no memory for sessions");
    if (!error)
        error = jp_timer_create(&e->timer, e->loop, turn, sizeof(e));
    if (error)
        return error;
    *(struct endpoint **)jp_timer_extension(e->timer) = e;
    e->loop->alive[OBJECT_TIMER]--; /* the loop's list speaks of sessions and listeners instead */
    e->active_tail = &e->active;
    randombytes_buf(&e->streams_key, sizeof(e->streams_key));
    e->streams_key |= 1;
    drr_init(&e->drr, 16384);
    return 0;
}

static int endpoint_new(struct endpoint **out, struct jp_loop *loop)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct endpoint *e;
    int error;

    pthread_once(&once, prepare_process);
    e = aligned_alloc(64, (sizeof(*e) + 63) & ~(size_t)63);
    if (!e)
        return failure(JP_NO_MEMORY, NULL, "no memory for sessions");
    memset(e, 0, sizeof(*e));
    e->loop = loop;
    error = endpoint_init(e);
    if (error) {
        endpoint_free(e);
        return error;
    }
    loop->endpoint = e;
    *out = e;
    return 0;
}

int endpoint_hold(struct endpoint **e, struct jp_loop *loop)
{
    int error = 0;

    *e = loop->endpoint;
    if (!*e)
        error = endpoint_new(e, loop);
    if (!error)
        (*e)->users++;
    return error;
}

void endpoint_release(struct endpoint *e)
{
    e->users--;
    endpoint_enter(e);
    endpoint_leave(e); /* unless somebody is inside */
}

/* ---- sessions by SPI ---- */

jp_session *endpoint_find(const struct endpoint *e, uint32_t spi)
{
    jp_session *s = e->sessions[spi % ENDPOINT_HEADS];

    while (s && s->spi != spi)
        s = s->next_by_spi;
    return s;
}

uint32_t endpoint_new_spi(const struct endpoint *e, unsigned n, unsigned residue)
{
    uint32_t spi;

    do {
        spi = randombytes_random();
        spi -= spi % n;
        spi += residue;
    } while (spi < WIRE_SPI_MIN || spi % n != residue || endpoint_find(e, spi));
    return spi;
}
