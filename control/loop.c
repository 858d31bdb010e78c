#include "loop.h"

#include <errno.h>
#include <unistd.h>

int loop_open(struct loop *loop)
{
    loop->stopping = false;
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    return loop->epoll < 0 ? -errno : 0;
}

void loop_close(struct loop *loop)
{
    close(loop->epoll);
}

static int control(struct loop *loop, int op, struct loop_watch *watch, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = watch};

    return epoll_ctl(loop->epoll, op, watch->fd, &e) < 0 ? -errno : 0;
}

int loop_add(struct loop *loop, struct loop_watch *watch, uint32_t events)
{
    return control(loop, EPOLL_CTL_ADD, watch, events);
}

int loop_change(struct loop *loop, struct loop_watch *watch, uint32_t events)
{
    return control(loop, EPOLL_CTL_MOD, watch, events);
}

void loop_remove(struct loop *loop, struct loop_watch *watch)
{
    control(loop, EPOLL_CTL_DEL, watch, 0);
}

int loop_run(struct loop *loop)
{
    while (!loop->stopping) {
        struct epoll_event e;
        int n = epoll_wait(loop->epoll, &e, 1, -1);

        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            struct loop_watch *watch = e.data.ptr;

            watch->ready(watch->arg, e.events);
        }
    }
    return 0;
}

void loop_stop(struct loop *loop)
{
    loop->stopping = true;
}
