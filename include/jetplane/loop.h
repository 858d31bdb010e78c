/* The event loop: descriptors, timers, and calls from other threads, one turn after another.
 *
 * A turn: hook before waiting; wait; hook after waiting; descriptors and deferred calls; timers.
 * Callbacks may create, stop and free anything but the loop itself. */
#ifndef JETPLANE_LOOP_H
#define JETPLANE_LOOP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct jp_loop jp_loop;
typedef struct jp_timer jp_timer;
typedef struct jp_watch jp_watch;

/* The loop belongs to the thread that made it, until another adopts it. */
int jp_loop_create(jp_loop **loop, size_t extension);

/* Deferred calls still waiting are dropped. JP_BUSY, with a list in jp_error_detail(), while
 * timers, watches or lookups are alive; JP_RUNNING in a callback. NULL is fine. */
int jp_loop_free(jp_loop *loop);

/* Make the loop this thread's. The thread that had it must have handed it over; JP_RUNNING if it
 * is inside. */
int jp_loop_adopt(jp_loop *loop);

/* Turn until jp_loop_stop; 0. */
int jp_loop_run(jp_loop *loop);

/* Turn until at least one callback was called, the loop is stopped, or `timeout` has passed (0:
 * take what is ready, < 0: no limit). Returns the number of callbacks called. */
int jp_loop_run_once(jp_loop *loop, int64_t timeout);

/* Let the run under way, or the next one, return after its turn. From any thread. */
void jp_loop_stop(jp_loop *loop);

/* For foreign loops: readable when jp_loop_run_once(loop, 0) has something to do. */
int jp_loop_fd(const jp_loop *loop);

void *jp_loop_extension(jp_loop *loop);

/* The monotonic clock as of this turn: cheap, and the same for all its callbacks. From any thread.
 * jp_loop_refresh reads it anew, for callbacks that take long. */
uint64_t jp_loop_now(const jp_loop *loop);
int jp_loop_refresh(jp_loop *loop);

/* Whether the calling thread owns the loop. From any thread. */
int jp_loop_is_mine(const jp_loop *loop);

/* Called in every turn before and after waiting; NULL for none. */
typedef void jp_loop_hook(jp_loop *loop);
int jp_loop_set_hooks(jp_loop *loop, jp_loop_hook *before, jp_loop_hook *after);

/* Calls from any thread. `argument` passes to the loop with success: exactly one of call(argument)
 * and, if the loop is freed first, drop(argument) happens (drop may be NULL). jp_defer always waits
 * for a coming turn, in the order of the calls; jp_run_on calls at once, before what waits, when
 * this thread owns the loop. */
typedef void jp_call(void *argument);
int jp_defer(jp_loop *loop, jp_call *call, void *argument, jp_call *drop);
int jp_run_on(jp_loop *loop, jp_call *call, void *argument, jp_call *drop);

/* Timers. Never early by the loop's clock; those of one moment in the order they were started. */
typedef void jp_timer_expired(jp_timer *timer);
int jp_timer_create(jp_timer **timer, jp_loop *loop, jp_timer_expired *expired, size_t extension);
/* Expire after `after`, then every `every` (0: once). Periods do not drift; those missed are
 * skipped. Started again it forgets what it was set to. */
int jp_timer_start(jp_timer *timer, uint64_t after, uint64_t every);
/* The same with the first time on the clock of jp_loop_now. */
int jp_timer_start_at(jp_timer *timer, uint64_t at, uint64_t every);
int jp_timer_stop(jp_timer *timer);
int jp_timer_is_running(const jp_timer *timer);
int jp_timer_free(jp_timer *timer); /* also in its own callback; NULL is fine */
void *jp_timer_extension(jp_timer *timer);
jp_loop *jp_timer_loop(const jp_timer *timer);

/* Watches of descriptors of the caller's, level-triggered. */
enum {
    JP_READABLE = 1,
    JP_WRITABLE = 2,
    JP_HANGUP = 4, /* error or hangup; reported without asking while anything is asked */
};
typedef void jp_watch_ready(jp_watch *watch, unsigned events);
int jp_watch_create(jp_watch **watch, jp_loop *loop, int fd, unsigned events, jp_watch_ready *ready,
                    size_t extension);
int jp_watch_set(jp_watch *watch, unsigned events); /* 0: pause */
/* Also in its own callback, and before the descriptor is closed. What was ready is forgotten. */
int jp_watch_free(jp_watch *watch);
void *jp_watch_extension(jp_watch *watch);
jp_loop *jp_watch_loop(const jp_watch *watch);
int jp_watch_fd(const jp_watch *watch);

#ifdef __cplusplus
}
#endif

#endif
