#include <assert.h>
#include <sys/timerfd.h>

#include "loop.h"

struct jp_timer {
    struct heap_entry entry; /* first */
    struct jp_loop *loop;
    jp_timer_expired *expired;
    uint64_t every;
    bool running;
    alignas(max_align_t) unsigned char extension[];
};

static_assert(offsetof(struct jp_timer, entry) == 0, "an entry is its timer");

uint64_t timers_next(const struct jp_loop *loop, uint64_t at)
{
    const struct heap_entry *first = loop->timers.root;

    return first && first->at < at ? first->at : at;
}

void timers_alarm(struct jp_loop *loop, uint64_t at)
{
    /* An alarm before its time wakes us once for nothing; setting it anew whenever the first timer
     * moves back, as it does with every packet, would cost a system call each. */
    if (at < loop->alarm) {
        struct itimerspec when = {
            .it_value = {(time_t)(at / 1000000), (long)(at % 1000000 * 1000)}};

        timerfd_settime(loop->timerfd, TFD_TIMER_ABSTIME, &when, NULL);
        loop->alarm = at;
    }
}

static void insert(struct jp_timer *timer, uint64_t at)
{
    timer->entry.at = at;
    timer->entry.order = timer->loop->timer_order++;
    timer->running = true;
    heap_insert(&timer->loop->timers, &timer->entry);
}

static void withdraw(struct jp_timer *timer)
{
    if (timer->running)
        heap_remove(&timer->loop->timers, &timer->entry);
    timer->running = false;
}

static uint64_t later(uint64_t now, uint64_t after)
{
    return after < UINT64_MAX - now ? now + after : UINT64_MAX;
}

void timers_expire(struct jp_loop *loop)
{
    uint64_t now = loop_clock(loop), order = loop->timer_order;

    /* What callbacks start for this very moment waits for the next turn. */
    for (struct heap_entry *e; (e = loop->timers.root) && e->at <= now && e->order < order;) {
        struct jp_timer *timer = (struct jp_timer *)e;

        withdraw(timer);
        if (timer->every)
            insert(timer, later(now, timer->every - (now - e->at) % timer->every));
        loop->called++;
        timer->expired(timer); /* may free it */
    }
}

int jp_timer_create(struct jp_timer **timer, struct jp_loop *loop, jp_timer_expired *expired,
                    size_t extension)
{
    int error;

    if (!timer || !loop || !expired)
        return failure(JP_INVALID, __func__, "NULL argument");
    *timer = NULL;
    error = loop_check(loop, __func__);
    if (error)
        return error;
    *timer = loop_object_new(loop, OBJECT_TIMER, sizeof(**timer), extension, __func__);
    if (!*timer)
        return JP_NO_MEMORY;
    (*timer)->loop = loop;
    (*timer)->expired = expired;
    return 0;
}

static int check(const struct jp_timer *timer, const char *what)
{
    return timer ? loop_check(timer->loop, what) : failure(JP_INVALID, what, "no timer");
}

int jp_timer_start_at(struct jp_timer *timer, uint64_t at, uint64_t every)
{
    int error = check(timer, __func__);
    uint64_t now;

    if (error)
        return error;
    now = loop_clock(timer->loop);
    withdraw(timer);
    timer->every = every;
    insert(timer, at > now ? at : now); /* not before those that are due already */
    if (!loop_is_running(timer->loop))  /* somebody else may wait for our descriptor */
        timers_alarm(timer->loop, timer->entry.at);
    return 0;
}

int jp_timer_start(struct jp_timer *timer, uint64_t after, uint64_t every)
{
    int error = check(timer, __func__);

    return error ? error : jp_timer_start_at(timer, later(loop_clock(timer->loop), after), every);
}

int jp_timer_stop(struct jp_timer *timer)
{
    int error = check(timer, __func__);

    if (!error)
        withdraw(timer);
    return error;
}

int jp_timer_is_running(const struct jp_timer *timer)
{
    int error = check(timer, __func__);

    return error ? error : timer->running;
}

int jp_timer_free(struct jp_timer *timer)
{
    int error = timer ? check(timer, __func__) : 0;

    if (!timer || error)
        return error;
    withdraw(timer);
    loop_object_free(timer->loop, OBJECT_TIMER, timer);
    return 0;
}

void *jp_timer_extension(struct jp_timer *timer)
{
    return timer ? timer->extension : NULL;
}

struct jp_loop *jp_timer_loop(const struct jp_timer *timer)
{
    return timer ? timer->loop : NULL;
}
