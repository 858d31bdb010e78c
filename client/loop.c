#include "loop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "init.h"

/* Never given twice, unlike the system's: a loop whose thread is gone belongs to nobody. */
static uint64_t thread_id(void)
{
    static _Atomic uint64_t last;
    static _Thread_local uint64_t id;

    if (!id)
        id = atomic_fetch_add(&last, 1) + 1;
    return id;
}

static uint64_t holder(const struct jp_loop *loop)
{
    return atomic_load_explicit(&loop->holder, memory_order_acquire);
}

int jp_loop_is_mine(const struct jp_loop *loop)
{
    return loop && holder(loop) >> 1 == thread_id();
}

bool loop_is_running(const struct jp_loop *loop)
{
    return holder(loop) & 1;
}

int loop_check(const struct jp_loop *loop, const char *what)
{
    if (!loop)
        return failure(JP_INVALID, what, "no loop");
    if (jp_loop_is_mine(loop))
        return 0;
    return failure(JP_WRONG_THREAD, what, "the loop belongs to another thread");
}

int jp_loop_adopt(struct jp_loop *loop)
{
    uint64_t was;

    if (!loop)
        return failure(JP_INVALID, __func__, "no loop");
    was = holder(loop);
    while (!(was & 1))
        if (atomic_compare_exchange_weak(&loop->holder, &was, thread_id() << 1))
            return 0;
    return failure(JP_RUNNING, __func__, "a thread is running the loop");
}

/* Begin a run. */
static int enter(struct jp_loop *loop, const char *what)
{
    uint64_t idle = thread_id() << 1;

    if (!loop)
        return failure(JP_INVALID, what, "no loop");
    if (atomic_compare_exchange_strong(&loop->holder, &idle, idle | 1))
        return 0;
    if (idle >> 1 == thread_id())
        return failure(JP_RUNNING, what, "called by a callback of the loop");
    return loop_check(loop, what);
}

static void leave(struct jp_loop *loop)
{
    atomic_store_explicit(&loop->holder, thread_id() << 1, memory_order_release);
}

/* Read the clock. */
static uint64_t refresh(struct jp_loop *loop)
{
    struct timespec t;
    uint64_t now;

    clock_gettime(CLOCK_MONOTONIC, &t);
    now = (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
    atomic_store_explicit(&loop->now, now, memory_order_relaxed);
    return now;
}

uint64_t jp_loop_now(const struct jp_loop *loop)
{
    return loop ? atomic_load_explicit(&loop->now, memory_order_relaxed) : 0;
}

int jp_loop_refresh(struct jp_loop *loop)
{
    int error = loop_check(loop, __func__);

    if (!error)
        refresh(loop);
    return error;
}

uint64_t loop_clock(struct jp_loop *loop)
{
    return loop_is_running(loop) ? jp_loop_now(loop) : refresh(loop);
}

/* The alarm went off; disarm it for good, which also makes the descriptor unreadable. */
static void silence(struct jp_loop *loop)
{
    static const struct itimerspec never;

    timerfd_settime(loop->timerfd, 0, &never, NULL);
    loop->alarm = UINT64_MAX;
}

static unsigned watch_events(const struct jp_watch *watch, uint32_t events)
{
    unsigned ready = (events & EPOLLIN ? (unsigned)JP_READABLE : 0) |
                     (events & EPOLLOUT ? (unsigned)JP_WRITABLE : 0);

    if (!watch->events) /* paused by a callback before it */
        return 0;
    return (ready & watch->events) | (events & (EPOLLERR | EPOLLHUP) ? (unsigned)JP_HANGUP : 0);
}

static void dispatch(struct jp_loop *loop, const struct epoll_event *e)
{
    struct jp_watch *watch = e->data.ptr;

    if (e->data.ptr == &loop->timerfd) {
        silence(loop);
    } else if (e->data.ptr == &loop->eventfd) {
        defer_run(loop);
    } else if (watch) { /* else freed by a callback before it */
        unsigned events = watch_events(watch, e->events);

        if (events) {
            loop->called++;
            watch->ready(watch, events);
        }
    }
}

/* One turn, waiting until `until` at most. */
static int turn(struct jp_loop *loop, uint64_t until)
{
    uint64_t next;
    bool wait;
    int n;

    if (loop->before)
        loop->before(loop);
    next = timers_next(loop, until);
    wait = next > refresh(loop);
    if (wait)
        timers_alarm(loop, next);
    n = epoll_wait(loop->epoll, loop->batch, LOOP_BATCH, wait ? -1 : 0);
    if (n < 0 && errno != EINTR)
        return failure_errno(OP_GENERAL, errno, "epoll_wait");
    refresh(loop);
    if (loop->after)
        loop->after(loop);
    loop->batch_size = n;
    for (loop->batch_next = 0; loop->batch_next < loop->batch_size;)
        dispatch(loop, &loop->batch[loop->batch_next++]);
    timers_expire(loop);
    return 0;
}

/* Whether a stop was asked for; answers once. */
static bool stopped(struct jp_loop *loop)
{
    return atomic_exchange(&loop->stopping, false);
}

int jp_loop_run(struct jp_loop *loop)
{
    int error = enter(loop, __func__);

    if (error)
        return error;
    while (!error && !stopped(loop))
        error = turn(loop, UINT64_MAX);
    leave(loop);
    return error;
}

int jp_loop_run_once(struct jp_loop *loop, int64_t timeout)
{
    uint64_t until;
    bool stop;
    int error = enter(loop, __func__);

    if (error)
        return error;
    loop->called = 0;
    until = timeout < 0 ? UINT64_MAX : timeout ? refresh(loop) + (uint64_t)timeout : 0;
    do {
        error = turn(loop, until);
        stop = stopped(loop);
    } while (!error && !loop->called && !stop && jp_loop_now(loop) < until);
    timers_alarm(loop, timers_next(loop, UINT64_MAX)); /* somebody may wait for our descriptor */
    leave(loop);
    return error ? error : loop->called;
}

void jp_loop_stop(struct jp_loop *loop)
{
    if (!loop)
        return;
    pthread_mutex_lock(&loop->lock);
    atomic_store(&loop->stopping, true);
    defer_wake(loop);
    pthread_mutex_unlock(&loop->lock);
}

/* Open what the loop consists of; returns 0 or errno. */
static int open_descriptors(struct jp_loop *loop)
{
    struct epoll_event timer = {.events = EPOLLIN, .data.ptr = &loop->timerfd};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &loop->eventfd};

    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    loop->timerfd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    loop->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->epoll < 0 || loop->timerfd < 0 || loop->eventfd < 0 ||
        epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->timerfd, &timer) < 0 ||
        epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->eventfd, &event) < 0)
        return errno;
    return 0;
}

static void close_descriptors(struct jp_loop *loop)
{
    const int fds[] = {loop->epoll, loop->timerfd, loop->eventfd};

    for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static void destroy(struct jp_loop *loop)
{
    close_descriptors(loop);
    pthread_mutex_destroy(&loop->lock);
    free(loop);
    init_release();
}

int jp_loop_create(struct jp_loop **loop, size_t extension)
{
    struct jp_loop *l;
    int error;

    if (!loop)
        return failure(JP_INVALID, __func__, "NULL argument");
    *loop = NULL;
    error = init_hold(__func__);
    if (error)
        return error;
    l = extension < SIZE_MAX - sizeof(*l) ? calloc(1, sizeof(*l) + extension) : NULL;
    if (!l) {
        init_release();
        return failure(JP_NO_MEMORY, __func__, "no memory for a loop and %zu bytes", extension);
    }
    l->last = &l->first;
    l->alarm = UINT64_MAX;
    atomic_store(&l->holder, thread_id() << 1);
    pthread_mutex_init(&l->lock, NULL);
    refresh(l);
    error = open_descriptors(l);
    if (error) {
        destroy(l);
        return failure_errno(OP_GENERAL, error, __func__);
    }
    *loop = l;
    return 0;
}

/* JP_BUSY with a list of what is alive, or 0. */
static int check_alive(const struct jp_loop *loop, const char *what)
{
    static const char *const names[OBJECT_KINDS][2] = {
#define X(constant, name, plural) {name, plural},
        LOOP_OBJECTS(X)
#undef X
    };
    char list[128] = "";

    for (unsigned i = 0; i < OBJECT_KINDS; i++) {
        size_t used = strlen(list);
        unsigned n = loop->alive[i];

        if (n)
            snprintf(list + used, sizeof(list) - used, "%s%u %s", used ? ", " : "", n,
                     names[i][n > 1]);
    }
    return *list ? failure(JP_BUSY, what, "still alive: %s", list) : 0;
}

int jp_loop_free(struct jp_loop *loop)
{
    int error;

    if (!loop)
        return 0;
    error = enter(loop, __func__);
    if (error)
        return error;
    error = check_alive(loop, __func__);
    leave(loop);
    if (error)
        return error;
    defer_drop(loop);
    destroy(loop);
    return 0;
}

int jp_loop_fd(const struct jp_loop *loop)
{
    return loop ? loop->epoll : failure(JP_INVALID, __func__, "no loop");
}

void *jp_loop_extension(struct jp_loop *loop)
{
    return loop ? loop->extension : NULL;
}

int jp_loop_set_hooks(struct jp_loop *loop, jp_loop_hook *before, jp_loop_hook *after)
{
    int error = loop_check(loop, __func__);

    if (error)
        return error;
    loop->before = before;
    loop->after = after;
    return 0;
}

void *loop_object_new(struct jp_loop *loop, enum loop_object kind, size_t size, size_t extension,
                      const char *what)
{
    void *object = extension < SIZE_MAX - size ? calloc(1, size + extension) : NULL;

    if (object)
        loop->alive[kind]++;
    else
        failure_detail(what, "no memory for %zu bytes", size + extension);
    return object;
}

void loop_object_free(struct jp_loop *loop, enum loop_object kind, void *object)
{
    loop->alive[kind]--;
    free(object);
}
