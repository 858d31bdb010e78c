#include "ack.h"

uint64_t ack_deadline(const struct ack *a)
{
    if (a->pending == 0)
        return UINT64_MAX;
    return a->pending < ACK_EVERY ? a->first_at + ACK_DELAY_US : a->first_at;
}

/* One more than the highest number in [low, end) whose bit, xored with flip's, is set; low when
 * there is none. */
static uint64_t above_highest(const struct replay *r, uint64_t low, uint64_t end, uint64_t flip)
{
    while (end > low) {
        uint64_t word = (end - 1) / 64;
        uint64_t bits = (r->bits[word % REPLAY_WORDS] ^ flip) & UINT64_MAX >> (63 - (end - 1) % 64);

        if (bits) {
            uint64_t above = word * 64 + 64 - (unsigned)__builtin_clzll(bits);
            return above > low ? above : low;
        }
        end = word * 64;
    }
    return low;
}

unsigned ack_ranges(const struct replay *r, struct frame_ack_range *ranges, unsigned max)
{
    uint64_t low = r->end > REPLAY_WINDOW ? r->end - REPLAY_WINDOW : 0;
    uint64_t end = r->end;
    unsigned n = 0;

    while (n < max) {
        uint64_t above = above_highest(r, low, end, 0);

        if (above == low)
            break;
        end = above_highest(r, low, above, UINT64_MAX);
        ranges[n++] = (struct frame_ack_range){.first = end, .last = above - 1};
    }
    return n;
}

uint8_t *ack_put(struct ack *a, const struct replay *r, uint64_t now, uint8_t *p)
{
    struct frame_ack_range ranges[FRAME_ACK_RANGES_MAX];
    unsigned n = ack_ranges(r, ranges, FRAME_ACK_RANGES_MAX);
    uint64_t delay = a->pending > 0 ? now - a->last_at : 0;

    *a = (struct ack){0};
    return n > 0 ? frame_put_ack(p, delay, ranges, n) : p;
}
