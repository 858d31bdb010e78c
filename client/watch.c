#include <errno.h>

#include "loop.h"

static uint32_t epoll_events(unsigned events)
{
    return (events & JP_READABLE ? (uint32_t)EPOLLIN : 0) |
           (events & JP_WRITABLE ? (uint32_t)EPOLLOUT : 0);
}

/* Forget what the batch under way still holds for this watch. */
static void forget(struct jp_watch *watch)
{
    struct jp_loop *loop = watch->loop;

    for (int i = loop->batch_next; i < loop->batch_size; i++)
        if (loop->batch[i].data.ptr == watch)
            loop->batch[i].data.ptr = NULL;
}

/* Change what is asked of the kernel, from watch->events to events. */
static int ask(struct jp_watch *watch, unsigned events)
{
    struct epoll_event e = {.events = epoll_events(events), .data.ptr = watch};
    int op = !events ? EPOLL_CTL_DEL : watch->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

    if (!events && !watch->events)
        return 0;
    if (epoll_ctl(watch->loop->epoll, op, watch->fd, &e) < 0)
        return errno;
    watch->events = events;
    return 0;
}

static int check(const struct jp_watch *watch, const char *what)
{
    return watch ? loop_check(watch->loop, what) : failure(JP_INVALID, what, "no watch");
}

int jp_watch_set(struct jp_watch *watch, unsigned events)
{
    int e = check(watch, __func__);

    if (e)
        return e;
    if (events & ~(unsigned)(JP_READABLE | JP_WRITABLE))
        return failure(JP_INVALID, __func__, "events 0x%x", events);
    e = ask(watch, events);
    return e ? failure_errno(OP_GENERAL, e, __func__) : 0;
}

int jp_watch_create(struct jp_watch **watch, struct jp_loop *loop, int fd, unsigned events,
                    jp_watch_ready *ready, size_t extension)
{
    struct jp_watch *w;
    int error;

    if (!watch || !loop || !ready)
        return failure(JP_INVALID, __func__, "NULL argument");
    *watch = NULL;
    error = loop_check(loop, __func__);
    if (error)
        return error;
    w = loop_object_new(loop, OBJECT_WATCH, sizeof(*w), extension, __func__);
    if (!w)
        return JP_NO_MEMORY;
    w->loop = loop;
    w->ready = ready;
    w->fd = fd;
    error = jp_watch_set(w, events);
    if (error) {
        loop_object_free(loop, OBJECT_WATCH, w);
        return error;
    }
    *watch = w;
    return 0;
}

int jp_watch_free(struct jp_watch *watch)
{
    int error = watch ? check(watch, __func__) : 0;

    if (!watch || error)
        return error;
    ask(watch, 0); /* fails when the descriptor is closed already: then the kernel knows */
    forget(watch);
    loop_object_free(watch->loop, OBJECT_WATCH, watch);
    return 0;
}

void *jp_watch_extension(struct jp_watch *watch)
{
    return watch ? watch->extension : NULL;
}

struct jp_loop *jp_watch_loop(const struct jp_watch *watch)
{
    return watch ? watch->loop : NULL;
}

int jp_watch_fd(const struct jp_watch *watch)
{
    return watch ? watch->fd : failure(JP_INVALID, __func__, "no watch");
}
