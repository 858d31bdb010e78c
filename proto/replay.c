#include "replay.h"

void replay_slide(struct replay *r, uint64_t pn)
{
    uint64_t last = pn / 64;
    uint64_t entered = r->end / 64 + (r->end % 64 != 0); /* the first word not in use yet */

    if (last - entered >= REPLAY_WORDS) /* a turn of the ring or more: clear each word once */
        entered = last - REPLAY_WORDS + 1;
    for (uint64_t word = entered; word <= last; word++)
        r->bits[word % REPLAY_WORDS] = 0;
    r->end = pn + 1;
}
