#include <pthread.h>

#include <jetplane/jetplane.h>

#include "errors.h"
#include "init.h"
#include "resolver.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned users, loops; /* under lock */

int jp_init(void)
{
    pthread_mutex_lock(&lock);
    users++;
    pthread_mutex_unlock(&lock);
    return 0;
}

/* jp_finish with the lock held. */
static int finish(void)
{
    if (!users)
        return failure(JP_NOT_INITIALISED, "jp_finish", "called more often than jp_init");
    if (users == 1 && loops)
        return failure(JP_BUSY, "jp_finish", "%u loop%s still alive", loops, loops > 1 ? "s" : "");
    if (users == 1)
        resolver_shutdown();
    users--;
    return 0;
}

int jp_finish(void)
{
    int error;

    pthread_mutex_lock(&lock);
    error = finish();
    pthread_mutex_unlock(&lock);
    return error;
}

int init_hold(const char *what)
{
    int error = 0;

    pthread_mutex_lock(&lock);
    if (users)
        loops++;
    else
        error = failure(JP_NOT_INITIALISED, what, "call jp_init first");
    pthread_mutex_unlock(&lock);
    return error;
}

void init_release(void)
{
    pthread_mutex_lock(&lock);
    loops--;
    pthread_mutex_unlock(&lock);
}

const char *jp_version(void)
{
    return JP_VERSION;
}
