/* Replay protection: a sliding window of 4096 packet numbers (RFC 4303 section 3.4.3, RFC 6479's
 * ring of words). Checked read-only before decryption, committed after. Owned by one thread. */
#ifndef PROTO_REPLAY_H
#define PROTO_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

enum { REPLAY_WINDOW = 4096, REPLAY_WORDS = REPLAY_WINDOW / 64 + 1 };

struct replay {
    uint64_t end;                /* highest committed packet number + 1; 0: none yet */
    uint64_t bits[REPLAY_WORDS]; /* word (pn / 64) % REPLAY_WORDS, bit pn % 64 */
};

enum replay_verdict {
    REPLAY_FRESH,
    REPLAY_SEEN,
    REPLAY_OLD, /* before the window, or 2^64 - 1, which would wrap the counter */
};

/* All zero is the initial state. */
static inline enum replay_verdict replay_check(const struct replay *r, uint64_t pn)
{
    if (__builtin_expect(pn >= r->end, 1))
        return pn != UINT64_MAX ? REPLAY_FRESH : REPLAY_OLD;
    if (r->end - pn > REPLAY_WINDOW)
        return REPLAY_OLD;
    return r->bits[pn / 64 % REPLAY_WORDS] >> (pn % 64) & 1 ? REPLAY_SEEN : REPLAY_FRESH;
}

/* Have what replay_commit will touch fetched. */
static inline void replay_prefetch(const struct replay *r, uint64_t pn)
{
    __builtin_prefetch(&r->bits[pn / 64 % REPLAY_WORDS], 1);
}

/* Make pn, in a word beyond that of the highest so far, the highest: clears the words it enters. */
void replay_slide(struct replay *r, uint64_t pn);

/* Mark pn, whose packet authenticated, sliding the window when it is the highest. Anything but
 * REPLAY_FRESH means that it was taken since it was checked (twice in a burst): drop the packet. */
static inline enum replay_verdict replay_commit(struct replay *r, uint64_t pn)
{
    enum replay_verdict verdict = replay_check(r, pn);

    if (__builtin_expect(verdict != REPLAY_FRESH, 0))
        return verdict;
    if (pn >= r->end) {
        if ((pn ^ (r->end - 1)) < 64) /* in the word of the highest so far, as 63 of 64 are */
            r->end = pn + 1;
        else
            replay_slide(r, pn);
    }
    r->bits[pn / 64 % REPLAY_WORDS] |= UINT64_C(1) << (pn % 64);
    return REPLAY_FRESH;
}

#endif
