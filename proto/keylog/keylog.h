/* A file of sessions' secrets, for debugging: with it, a capture of their packets can be read. One
 * line a session, docs/protocol.md section 9 has the format. Whoever reads the file reads
 * the sessions, so it is its owner's alone. */
#ifndef KEYLOG_H
#define KEYLOG_H

#include <stdio.h>

#include "handshake.h"

/* Append to the file at path, made with mode 0600. NULL with errno: ELOOP for a link, EINVAL for
 * what is no regular file, EMLINK where it has other names, EPERM where it is another user's or
 * others may open it. */
FILE *keylog_open(const char *path);
/* What to tell the user about keylog_open's errno. */
const char *keylog_error(int error);
/* A session's line, at once. `hello` is the ClientHello or ResumeHello that made it. From any
 * thread; a NULL log is fine. */
void keylog_write(FILE *log, const uint8_t *hello, const struct hs_result *keys);

#endif
