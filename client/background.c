#include "background.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "errors.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned users; /* under lock, and what follows */
static pthread_t thread;
static jp_loop *background;
static _Thread_local bool inside; /* this is the thread */

static void *run_loop(void *argument)
{
    jp_loop *loop = argument;

    inside = true;
    jp_loop_adopt(loop);
    jp_loop_run(loop);
    while (jp_loop_free(loop) == JP_BUSY) /* the last sessions say farewell */
        jp_loop_run_once(loop, 10000);
    return NULL;
}

/* Signals are for the program's own threads. */
static int start_thread(void)
{
    sigset_t all, before;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&thread, NULL, run_loop, background);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

static int start(void)
{
    int error = jp_loop_create(&background, 0);

    if (error)
        return error;
    error = start_thread();
    if (error) {
        jp_loop_free(background);
        return failure_errno(OP_GENERAL, error, "pthread_create");
    }
    return 0;
}

int background_hold(jp_loop **loop)
{
    int error;

    pthread_mutex_lock(&lock);
    error = users ? 0 : start();
    users += !error;
    *loop = background;
    pthread_mutex_unlock(&lock);
    return error;
}

void background_release(void)
{
    pthread_mutex_lock(&lock);
    if (--users == 0) {
        jp_loop_stop(background);
        pthread_join(thread, NULL);
    }
    pthread_mutex_unlock(&lock);
}

struct call {
    background_run *run;
    void *argument;
    int result;
    sem_t done;
    char detail[256];
};

static void answer(void *argument)
{
    struct call *call = argument;

    call->result = call->run(call->argument);
    if (call->result < 0)
        snprintf(call->detail, sizeof(call->detail), "%s", jp_error_detail());
    sem_post(&call->done);
}

int background_call(jp_loop *loop, background_run *run, void *argument, const char *what)
{
    struct call call = {.run = run, .argument = argument};
    int error;

    if (inside)
        return failure(JP_RUNNING, what, "it would wait for itself");
    sem_init(&call.done, 0, 0);
    error = jp_defer(loop, answer, &call, NULL);
    if (!error) {
        while (sem_wait(&call.done) < 0) /* a signal came */
            ;
        if (call.result < 0)
            failure_detail(what, "%s", failure_text(call.detail));
    }
    sem_destroy(&call.done);
    return error ? error : call.result;
}
