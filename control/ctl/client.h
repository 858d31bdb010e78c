/* One question to jetplaned: include/jetplane/ctl.h. */
#ifndef CTL_CLIENT_H
#define CTL_CLIENT_H

#include <jansson.h>

/* Exit codes. */
enum {
    CTL_OK = 0,
    CTL_FAILED = 1,  /* no jetplaned behind the socket, it does not answer, or stdout is full */
    CTL_USAGE = 2,   /* as the other programs' */
    CTL_REFUSED = 3, /* it answered with an error: no such session, data plane away ... */
};

/* What came of it: a result (owned by who gets this), or a code and text. */
struct answer {
    json_t *result;
    int code;
    char error[256];
};

/* Send request (stolen) to the socket and wait for its answer, at most 5 s. */
struct answer client_ask(const char *socket, json_t *request);

struct answer answer_error(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
