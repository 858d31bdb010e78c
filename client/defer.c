/* Calls from any thread. The lock is held while waking too: whoever is called may free the loop as
 * soon as the lock is released. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "loop.h"

void defer_wake(struct jp_loop *loop)
{
    static const uint64_t one = 1;

    if (loop->woken)
        return;
    loop->woken = true;
    while (write(loop->eventfd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

void defer_post(struct jp_loop *loop, struct deferred *d)
{
    d->next = NULL;
    pthread_mutex_lock(&loop->lock);
    *loop->last = d;
    loop->last = &d->next;
    defer_wake(loop);
    pthread_mutex_unlock(&loop->lock);
}

int jp_defer(struct jp_loop *loop, jp_call *call, void *argument, jp_call *drop)
{
    struct deferred *d;

    if (!loop || !call)
        return failure(JP_INVALID, __func__, "no %s", loop ? "function to call" : "loop");
    d = malloc(sizeof(*d));
    if (!d)
        return failure(JP_NO_MEMORY, __func__, "no memory for a call");
    *d = (struct deferred){.call = call, .drop = drop, .argument = argument};
    defer_post(loop, d);
    return 0;
}

int jp_run_on(struct jp_loop *loop, jp_call *call, void *argument, jp_call *drop)
{
    if (!loop || !call || !jp_loop_is_mine(loop))
        return jp_defer(loop, call, argument, drop);
    call(argument);
    return 0;
}

/* Everything that waits, as a list. */
static struct deferred *take(struct jp_loop *loop)
{
    struct deferred *list;
    uint64_t count;

    pthread_mutex_lock(&loop->lock);
    if (loop->woken && read(loop->eventfd, &count, sizeof(count)) == sizeof(count))
        loop->woken = false;
    list = loop->first;
    loop->first = NULL;
    loop->last = &loop->first;
    pthread_mutex_unlock(&loop->lock);
    return list;
}

void defer_run(struct jp_loop *loop)
{
    for (struct deferred *d = take(loop), *next; d; d = next) {
        next = d->next;
        d->call(d->argument);
        free(d);
        loop->called++;
    }
}

void defer_drop(struct jp_loop *loop)
{
    for (struct deferred *d = take(loop), *next; d; d = next) {
        next = d->next;
        if (d->drop)
            d->drop(d->argument);
        free(d);
    }
}
