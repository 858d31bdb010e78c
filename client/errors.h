/* How the library fails: a code, and a detail for jp_error_detail(). */
#ifndef CLIENT_ERRORS_H
#define CLIENT_ERRORS_H

#include <jetplane/error.h>

/* Operations by the hundreds of their codes. */
enum operation {
    OP_GENERAL = 0,
    OP_ADDRESS = 1,
    OP_CONNECT = 2,
    OP_BIND = 3,
    OP_LISTEN = 4,
    OP_ACCEPT = 5,
    OP_SEND = 6,
    OP_RECEIVE = 7,
    OP_IDENTITY = 8,
};

/* Keep the detail "what: text" for this thread. What: the public function or the object it is
 * about; NULL: the text says it all. */
void failure_detail(const char *what, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The same, as an expression that is code: analyzers see that it is an error. */
#define failure(code, ...) (failure_detail(__VA_ARGS__), (code))

/* The code for errno value e in this operation. */
int error_of_errno(enum operation operation, int e);

/* failure() with that code and the system's text. */
int failure_errno(enum operation operation, int e, const char *what);

/* A detail without the public function that it begins with, for another to say it again. */
const char *failure_text(const char *detail);

#endif
