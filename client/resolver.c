/* Name lookups off the loop: a job goes through a queue to one of a few threads, and comes back to
 * its loop as a deferred call. The loop's thread may cancel at any point: the job then ends
 * silently, wherever it is. A loop cannot be freed while a resolve is alive, so posting to it under
 * the lock, with job->resolve still set, is safe. */
#include "resolver.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <jetplane/address.h>

#include "address.h"
#include "loop.h"

enum { THREADS_MAX = 4 };

struct job {
    struct deferred delivery;   /* first: the loop frees it */
    struct jp_resolve *resolve; /* NULL: cancelled */
    TAILQ_ENTRY(job) link;
    bool queued;
    char text[HOST_TEXT + 8];
    uint16_t port;
    enum jp_family family;
    int result; /* count or error */
    char detail[256];
    jp_address addresses[JP_ADDRESSES_MAX];
};

static_assert(offsetof(struct job, delivery) == 0, "the loop frees a job by its delivery");

struct jp_resolve {
    struct jp_loop *loop;
    jp_resolve_done *done;
    struct job *job; /* NULL: delivered */
    alignas(max_align_t) unsigned char extension[];
};

static pthread_mutex_t lock =
    PTHREAD_MUTEX_INITIALIZER; /* for all below and job->resolve, queued */
static pthread_cond_t work = PTHREAD_COND_INITIALIZER;
static TAILQ_HEAD(, job) queue = TAILQ_HEAD_INITIALIZER(queue);
static unsigned waiting; /* jobs in the queue */
static pthread_t threads[THREADS_MAX];
static unsigned running, idle;
static bool ending;

/* In the loop: hand over the answer. */
static void deliver(void *argument)
{
    struct job *job = argument;
    struct jp_resolve *resolve = job->resolve;
    int n = job->result;

    if (!resolve)
        return;
    resolve->job = NULL;
    if (n < 0)
        failure_detail("jp_resolve_start", "%s", job->detail);
    resolve->done(resolve, n < 0 ? n : 0, job->addresses, n < 0 ? 0 : (size_t)n);
    loop_object_free(resolve->loop, OBJECT_RESOLVE, resolve);
}

static void look_up(struct job *job)
{
    job->result =
        jp_address_lookup(job->text, job->port, job->family, job->addresses, JP_ADDRESSES_MAX);
    if (job->result < 0)
        snprintf(job->detail, sizeof(job->detail), "%s", jp_error_detail());
}

/* With the lock held. */
static void push(struct job *job)
{
    TAILQ_INSERT_TAIL(&queue, job, link);
    job->queued = true;
    waiting++;
}

static void withdraw(struct job *job)
{
    TAILQ_REMOVE(&queue, job, link);
    job->queued = false;
    waiting--;
}

/* Take a job from the queue, let go of the lock while looking it up, and post the answer. */
static void work_one(struct job *job)
{
    withdraw(job);
    pthread_mutex_unlock(&lock);
    look_up(job);
    pthread_mutex_lock(&lock);
    if (job->resolve)
        defer_post(job->resolve->loop, &job->delivery);
    else
        free(job);
}

static void *work_off(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&lock);
    while (!ending) {
        if (waiting) {
            work_one(TAILQ_FIRST(&queue));
        } else {
            idle++;
            pthread_cond_wait(&work, &lock);
            idle--;
        }
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

/* See to it that somebody takes what waits; with the lock held. Returns errno when nobody can. */
static int employ(void)
{
    sigset_t all, old;
    int e = 0;

    if (waiting > idle && running < THREADS_MAX) {
        sigfillset(&all); /* signals are the program's business */
        pthread_sigmask(SIG_SETMASK, &all, &old);
        e = pthread_create(&threads[running], NULL, work_off, NULL);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        running += !e;
    }
    pthread_cond_signal(&work);
    return running ? 0 : e;
}

void resolver_shutdown(void)
{
    pthread_mutex_lock(&lock);
    ending = true;
    pthread_cond_broadcast(&work);
    pthread_mutex_unlock(&lock);
    for (unsigned i = 0; i < running; i++)
        pthread_join(threads[i], NULL);
    ending = false;
    running = 0;
}

/* Queue the resolve's job; returns errno. */
static int submit(struct jp_resolve *resolve, struct job *job)
{
    int e;

    resolve->job = job;
    job->resolve = resolve;
    job->delivery.call = deliver;
    job->delivery.argument = job;
    pthread_mutex_lock(&lock);
    push(job);
    e = employ();
    if (e)
        withdraw(job);
    pthread_mutex_unlock(&lock);
    return e;
}

int jp_resolve_start(struct jp_resolve **resolve, struct jp_loop *loop, const char *text,
                     uint16_t default_port, enum jp_family family, jp_resolve_done *done,
                     size_t extension)
{
    struct job *job;
    int e;

    if (!resolve || !loop || !text || !done)
        return failure(JP_INVALID, __func__, "NULL argument");
    *resolve = NULL;
    e = loop_check(loop, __func__);
    if (e)
        return e;
    if (strlen(text) >= sizeof(job->text))
        return failure(JP_ADDRESS_SYNTAX, __func__, "a name of %zu characters", strlen(text));
    *resolve = loop_object_new(loop, OBJECT_RESOLVE, sizeof(**resolve), extension, __func__);
    if (!*resolve)
        return JP_NO_MEMORY;
    (*resolve)->loop = loop;
    (*resolve)->done = done;
    job = calloc(1, sizeof(*job));
    if (job) {
        strcpy(job->text, text);
        job->port = default_port;
        job->family = family;
    }
    e = job ? submit(*resolve, job) : ENOMEM;
    if (!e)
        return 0;
    free(job);
    loop_object_free(loop, OBJECT_RESOLVE, *resolve);
    *resolve = NULL;
    return failure_errno(OP_GENERAL, e, __func__);
}

int jp_resolve_cancel(struct jp_resolve *resolve)
{
    int error = resolve ? loop_check(resolve->loop, __func__) : 0;
    struct job *job;

    if (!resolve || error)
        return error;
    job = resolve->job;
    if (!job)
        return failure(JP_INVALID, __func__, "called in its own callback");
    pthread_mutex_lock(&lock);
    job->resolve = NULL;
    if (job->queued) {
        withdraw(job);
        free(job);
    }
    pthread_mutex_unlock(&lock);
    loop_object_free(resolve->loop, OBJECT_RESOLVE, resolve);
    return 0;
}

void *jp_resolve_extension(struct jp_resolve *resolve)
{
    return resolve ? resolve->extension : NULL;
}

struct jp_loop *jp_resolve_loop(const struct jp_resolve *resolve)
{
    return resolve ? resolve->loop : NULL;
}
