/* The loop behind blocking sockets and servers, in a thread of its own while somebody needs it. */
#ifndef CLIENT_BACKGROUND_H
#define CLIENT_BACKGROUND_H

#include <jetplane/loop.h>

/* The loop, started if need be; every success wants one background_release. The last one ends the
 * thread, once what is left on its loop is gone. From any thread. */
int background_hold(jp_loop **loop);
void background_release(void);

/* Call run(argument) in the loop's thread and wait for it; returns what it does. The detail of an
 * error is carried over, as one of `what`. */
typedef int background_run(void *argument);
int background_call(jp_loop *loop, background_run *run, void *argument, const char *what);

#endif
