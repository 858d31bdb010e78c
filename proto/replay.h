/* Replay protection: a sliding window of 4096 packet numbers (RFC 4303 section 3.4.3, RFC 6479's ring of
 * words). Checked read-only before decryption, committed after. Owned by one thread. */
#ifndef PROTO_REPLAY_H
#define PROTO_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

enum { REPLAY_WINDOW = 4096, REPLAY_WORDS = REPLAY_WINDOW / 64 + 1 };

struct replay {
    uint64_t end;                 /* highest committed packet number + 1; 0: none yet */
    uint64_t bits[REPLAY_WORDS];  /* word (pn / 64) % REPLAY_WORDS, bit pn % 64 */
};

enum replay_verdict {
    REPLAY_FRESH,
    REPLAY_SEEN,
    REPLAY_OLD, /* before the window */
};

/* All zero is the initial state. */
enum replay_verdict replay_check(const struct replay *r, uint64_t pn);

/* Mark pn, whose packet authenticated, sliding the window when it is the highest. Anything but
 * REPLAY_FRESH means that pn was taken since it was checked (twice in one burst): drop the packet. */
enum replay_verdict replay_commit(struct replay *r, uint64_t pn);

#endif
