/* Frames that no honest peer sends, or not now: what an input's bytes say, one frame a call. */
#ifndef TESTS_CONN_LIES_H
#define TESTS_CONN_LIES_H

#include <string.h>

#include "conn_state.h"
#include "varint.h"

struct lies {
    const uint8_t **in, *stop; /* the input */
    const struct conn *victim;
    uint64_t *tainted; /* 256 streams, a bit each: what comes on them is not to be trusted */
};

static inline uint8_t lie_take(struct lies *l)
{
    return *l->in < l->stop ? *(*l->in)++ : 0;
}

static inline uint64_t lie_number(struct lies *l, uint64_t near)
{
    uint8_t b = lie_take(l);

    switch (b >> 6) {
    case 0:
        return b;
    case 1:
        return near + (b & 63) - 32 > VARINT_MAX ? near : near + (b & 63) - 32;
    case 2:
        return (UINT64_C(1) << (b & 63)) % (VARINT_MAX + 1);
    default:
        return VARINT_MAX - (b & 63);
    }
}

static inline uint8_t *lie_ack(struct lies *l, uint8_t *p)
{
    struct frame_ack_range r[8];
    unsigned n = 0;
    uint64_t at = l->victim->next_pn;

    at = at > 0 ? at - 1 : 0;
    for (unsigned max = 1 + lie_take(l) % 8; n < max; n++) {
        uint64_t gap = lie_take(l) % 16, len = lie_take(l) % 8;

        if (at < gap + len + 2)
            break;
        r[n].last = at - gap;
        r[n].first = r[n].last - len;
        at = r[n].first - 2;
    }
    if (n == 0)
        return p;
    return lie_take(l) & 1
               ? frame_put_ack(p, lie_take(l) * 100U, r, n)
               : frame_put_ack_ecn(p, lie_number(l, 0), lie_number(l, 10), lie_number(l, 10), r, n);
}

static inline uint8_t *lie_junk(struct lies *l, uint8_t *p, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        *p++ = i < 6 ? lie_take(l) : (uint8_t)i;
    return p;
}

static inline uint8_t *lie_stream(struct lies *l, uint8_t *p)
{
    uint32_t id = lie_take(l) % 64U, len = lie_take(l) % 80U;
    uint8_t flags = lie_take(l);

    l->tainted[id / 64] |= UINT64_C(1) << (id % 64);
    p = frame_put_stream_flags(p, FRAME_STREAM_LEN | (flags & 0x2aU), id, lie_number(l, 10),
                               (uint32_t)lie_number(l, 100) & 0xffffff, len);
    return (uint8_t *)memset(p, 0x55, len) + len;
}

static inline uint8_t *lie_control(struct lies *l, uint8_t *p)
{
    static const uint8_t types[] = {FRAME_MAX_DATA,     FRAME_MAX_STREAMS,    FRAME_MAX_STREAM_DATA,
                                    FRAME_DATA_BLOCKED, FRAME_STREAM_BLOCKED, FRAME_FORWARD,
                                    FRAME_STREAM_END,   FRAME_STREAM_RESET,   FRAME_NACK,
                                    FRAME_PATH_USE};
    enum frame_type type = types[lie_take(l) % sizeof(types)];
    uint32_t id = lie_take(l) % 64U;
    uint64_t value = lie_number(l, type == FRAME_NACK ? l->victim->next_pn : l->victim->rx.limit);

    if (type == FRAME_PATH_USE)
        value %= 4;
    if (type == FRAME_FORWARD || type == FRAME_STREAM_END || type == FRAME_STREAM_RESET)
        l->tainted[id / 64] |= UINT64_C(1) << (id % 64);
    return frame_put_control(p, type, id, value, lie_number(l, 1024 * 10));
}

static inline uint8_t *lie_source(struct lies *l, uint8_t *p, bool window)
{
    uint8_t inside = lie_take(l) % 64;

    p = window ? frame_put_rlc_source_hdr(p, lie_number(l, 8), inside)
               : frame_put_fec_source_hdr(p, lie_number(l, 2), lie_take(l) % 64, inside);
    return lie_junk(l, p, inside);
}

static inline uint8_t *lie_repair(struct lies *l, uint8_t *p, bool window)
{
    uint8_t r = 1 + lie_take(l) % 16;

    p = window ? frame_put_rlc_repair_hdr(p, lie_number(l, 8), 1 + lie_take(l) % 64, lie_take(l))
               : frame_put_fec_repair_hdr(p, lie_number(l, 2), 1 + lie_take(l) % 64, r,
                                          lie_take(l) % r);
    return lie_junk(l, p, lie_take(l) * 4U);
}

static inline uint8_t *lie_put(struct lies *l, uint8_t *p, uint8_t what)
{
    static const uint8_t bytes[FRAME_TICKET_MAX];
    uint8_t n;

    switch (what % 12) {
    case 0:
        return lie_ack(l, p);
    case 1:
    case 2:
        return lie_stream(l, p);
    case 3:
    case 4:
        return lie_control(l, p);
    case 7:
        return frame_put_recovered(p, lie_take(l) & 1, lie_number(l, 1), lie_number(l, 1));
    case 8:
        return frame_put_path(p, lie_take(l) & 1 ? FRAME_PATH_CHALLENGE : FRAME_PATH_RESPONSE,
                              bytes);
    case 9:
        n = 1 + lie_take(l) % 128;
        return frame_put_ticket(p, bytes, n);
    }
    memset(l->tainted, 0xff, 256 / 8);
    switch (what % 12) {
    case 5:
        return lie_source(l, p, lie_take(l) & 1);
    case 6:
        return lie_repair(l, p, lie_take(l) & 1);
    case 10:
        if (lie_take(l) == 0)
            return frame_put_close(p, lie_number(l, 1), "lie");
        return frame_put_ping(p);
    default:
        return lie_junk(l, p, lie_take(l) % 32);
    }
}

#endif
