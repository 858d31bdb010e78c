/* The loop's inside, for the files of the library that put objects on it. */
#ifndef CLIENT_LOOP_H
#define CLIENT_LOOP_H

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#include <jetplane/loop.h>

#include "errors.h"
#include "heap.h"

enum { LOOP_BATCH = 64 };

/* What must be gone before its loop; X(constant, name, plural). */
#define LOOP_OBJECTS(X)                                                                            \
    X(OBJECT_TIMER, "timer", "timers")                                                             \
    X(OBJECT_WATCH, "watch", "watches")                                                            \
    X(OBJECT_RESOLVE, "host name lookup", "host name lookups")                                     \
    X(OBJECT_LISTENER, "listener", "listeners")                                                    \
    X(OBJECT_SESSION, "session", "sessions")

enum loop_object {
#define X(constant, name, plural) constant,
    LOOP_OBJECTS(X)
#undef X
        OBJECT_KINDS,
};

/* A call deferred by any thread; malloc'ed, and freed by the loop after the call or the drop. */
struct deferred {
    struct deferred *next;
    jp_call *call, *drop;
    void *argument;
};

struct jp_loop {
    _Atomic uint64_t holder; /* owning thread's id << 1 | inside a run */
    _Atomic uint64_t now;    /* us, CLOCK_MONOTONIC */
    atomic_bool stopping;
    int epoll, timerfd, eventfd;

    struct epoll_event batch[LOOP_BATCH]; /* of the wait under way */
    int batch_next, batch_size;
    int called; /* callbacks of the run under way */

    struct heap timers;
    uint64_t timer_order;
    uint64_t alarm; /* what timerfd is set to; UINT64_MAX: nothing */

    pthread_mutex_t lock; /* for the next three */
    struct deferred *first, **last;
    bool woken; /* eventfd was written to since the loop last looked */

    jp_loop_hook *before, *after;
    unsigned alive[OBJECT_KINDS];
    struct endpoint *endpoint; /* of its sessions (endpoint.h); NULL while there are none */
    alignas(max_align_t) unsigned char extension[];
};

struct jp_watch {
    struct jp_loop *loop;
    jp_watch_ready *ready;
    int fd;
    unsigned events;
    alignas(max_align_t) unsigned char extension[];
};

/* 0, JP_WRONG_THREAD, or JP_INVALID for NULL, with detail. */
int loop_check(const struct jp_loop *loop, const char *what);
/* Inside a run, so the clock is that of the turn. */
bool loop_is_running(const struct jp_loop *loop);
/* The turn's clock inside a run, a fresh one outside. */
uint64_t loop_clock(struct jp_loop *loop);
/* An object of type size, and its extension after it, counted as alive; NULL: no memory, with
 * detail. loop_object_free gives it back. */
void *loop_object_new(struct jp_loop *loop, enum loop_object kind, size_t size, size_t extension,
                      const char *what);
void loop_object_free(struct jp_loop *loop, enum loop_object kind, void *object);

/* timer.c */
/* When the first timer expires, or `at` if that is earlier. */
uint64_t timers_next(const struct jp_loop *loop, uint64_t at);
/* Make the descriptor readable then; UINT64_MAX is never. */
void timers_alarm(struct jp_loop *loop, uint64_t at);
/* Call what is due. */
void timers_expire(struct jp_loop *loop);

/* defer.c */
/* jp_defer of a call that has its memory, perhaps as the first part of something larger. */
void defer_post(struct jp_loop *loop, struct deferred *d);
/* Let the wait end. Call with the lock held. */
void defer_wake(struct jp_loop *loop);
/* Call what waits. */
void defer_run(struct jp_loop *loop);
/* Drop what waits. */
void defer_drop(struct jp_loop *loop);

#endif
