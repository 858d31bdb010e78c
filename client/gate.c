#include "gate.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "errors.h"

int gate_init(struct gate *g, const char *what)
{
    pthread_condattr_t attributes;

    g->ready = false;
    g->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (g->fd < 0)
        return failure_errno(OP_GENERAL, errno, what);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&g->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&g->lock, NULL);
    return 0;
}

void gate_fini(struct gate *g)
{
    pthread_mutex_destroy(&g->lock);
    pthread_cond_destroy(&g->changed);
    close(g->fd);
}

uint64_t gate_until(int64_t timeout)
{
    struct timespec now;
    uint64_t us;

    if (timeout < 0)
        return UINT64_MAX;
    clock_gettime(CLOCK_MONOTONIC, &now);
    us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    return us + (uint64_t)timeout;
}

bool gate_wait(struct gate *g, uint64_t until)
{
    struct timespec at = {.tv_sec = (time_t)(until / 1000000),
                          .tv_nsec = (long)(until % 1000000 * 1000)};

    if (until == UINT64_MAX)
        return pthread_cond_wait(&g->changed, &g->lock) == 0;
    return pthread_cond_timedwait(&g->changed, &g->lock, &at) == 0;
}

void gate_changed(struct gate *g, bool ready)
{
    uint64_t count = 1;
    ssize_t n = 0;

    if (ready && !g->ready)
        n = write(g->fd, &count, sizeof(count));
    else if (!ready && g->ready)
        n = read(g->fd, &count, sizeof(count));
    (void)n; /* an eventfd that holds 0 or 1 cannot refuse */
    g->ready = ready;
    pthread_cond_broadcast(&g->changed);
}
