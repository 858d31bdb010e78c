/* jetcat: carry standard input and output, or files, over a session.
 *
 * Everything goes over stream 1, which the client opens. A message that begins with { is a JSON
 * object, one that begins with d is data. First both say their role; then:
 *
 *   pipe     data, {"end": true}; whoever wrote out all of it answers {"done": true}
 *   files    for each:  sender    {"file": name, "size": n}
 *                       receiver  {"offset": k, "sha256": of the first k bytes that it has}
 *                       sender    {"start": k, or 0 if its own differ}, data, {"sha256": of all}
 *                       receiver  {"done": true}
 *            then:      sender    {"end": true}
 *                       receiver  {"done": true}
 *
 * and {"error": why} instead of any of these. */
#ifndef TOOLS_JETCAT_H
#define TOOLS_JETCAT_H

#include <sodium.h>

#include "tool.h"

enum {
    CHUNK = 256 << 10, /* bytes of a message of data */
    SHA256_TEXT = 2 * crypto_hash_sha256_BYTES + 1,
    NAME_BYTES = 242, /* of a file, so that its part's name is one of at most 255 */
};

/* What there is of a file that is not whole: a name that no sender may give to a file. */
#define PART_NAME ".%s.jetcat-part"

enum role { ROLE_PIPE, ROLE_SEND, ROLE_RECEIVE };

struct jetcat {
    struct tool tool;
    jp_settings settings;
    enum role role;
    const char **files; /* to send */
    unsigned n_files;
    bool quiet;
    uint64_t timeout; /* us, of a silent peer and of connecting */
    jp_socket *socket;
    uint8_t buffer[1 + CHUNK]; /* a message of data, after its d */
};

/* ---- jetcat_wire.c: messages; whoever fails here says why and exits ---- */

/* The other end's role must fit ours. */
void wire_greet(struct jetcat *j);
void wire_tell(struct jetcat *j, json_t *object);
/* The first n bytes of the buffer after its d. */
void wire_send(struct jetcat *j, size_t n);
/* What came next: an object (give it back with json_decref), or NULL and data. */
json_t *wire_receive(struct jetcat *j, jp_received **data);
/* The next object, which has to have this member. */
json_t *wire_expect(struct jetcat *j, const char *member);
/* Tell the other end and exit. */
void __attribute__((noreturn, format(printf, 3, 4)))
wire_fail(struct jetcat *j, int code, const char *format, ...);
/* An integer member, 0 to 2^63-1, or fail. */
uint64_t wire_number(struct jetcat *j, json_t *object, const char *member);
/* All is done here and there: close. */
void wire_end(struct jetcat *j);

/* ---- what it is for ---- */

void pipe_run(struct jetcat *j);
/* Before there is a session: the files are there; exits when they are not. */
void send_check(struct jetcat *j);
void send_run(struct jetcat *j);
void receive_run(struct jetcat *j);

/* ---- jetcat_progress.c ---- */

struct progress {
    const struct jetcat *jetcat;
    const char *name;
    uint64_t size, offset, at; /* offset: where it was resumed */
    uint64_t began, shown;     /* us */
};
struct progress progress_begin(const struct jetcat *j, const char *name, uint64_t size,
                               uint64_t offset);
void progress_show(struct progress *p);
void progress_end(struct progress *p, const char *sha256);

/* Add the next n bytes of a file to a hash; how many there were, or -errno. */
int64_t hash_file(crypto_hash_sha256_state *hash, int fd, uint64_t n, uint8_t *buffer, size_t size);
/* In hexadecimal, of a copy: the hash goes on. */
void hash_text(const crypto_hash_sha256_state *hash, char text[SHA256_TEXT]);

#endif
