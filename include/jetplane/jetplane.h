/* libjetplane: encrypted, loss-protected, multi-stream sessions over UDP for ordinary programs.
 *
 * Rules for all of it:
 * - Functions return 0, a count, or a negative enum jp_error; jp_error_detail() says more.
 * - An object belongs to its loop and is used in the loop's thread only; any other use is refused
 *   with JP_WRONG_THREAD. What may be called from any thread says so.
 * - NULL where an object or a buffer belongs is JP_INVALID; functions that return no error answer
 *   NULL, 0 or zeros then. _free functions take it. An object that is over and not freed yet may be
 *   asked anything; what it can do no more is ..._CLOSED, or JP_INVALID.
 * - An extension is memory of the caller's, of the size asked for at creation: zeroed, aligned for
 *   any type, living as long as its object.
 * - Times are in microseconds. */
#ifndef JETPLANE_JETPLANE_H
#define JETPLANE_JETPLANE_H

#include <jetplane/address.h>
#include <jetplane/error.h>
#include <jetplane/identity.h>
#include <jetplane/loop.h>
#include <jetplane/session.h>
#include <jetplane/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Start using the library; before anything else that needs a loop. Counted: every success wants
 * one jp_finish. From any thread. */
int jp_init(void);

/* Stop using it. The last one waits for host name lookups under way; JP_BUSY, and nothing done,
 * while loops are alive; JP_NOT_INITIALISED when called once too often. From any thread. */
int jp_finish(void);

/* "major.minor.patch" of the library at hand. */
const char *jp_version(void);

#ifdef __cplusplus
}
#endif

#endif
