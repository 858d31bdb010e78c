#include <errno.h>
#include <string.h>

#include "bytes.h"
#include "frame.h"
#include "varint.h"

enum { FEC_INDEXES = 64, FEC_REPAIRS = 16, FEC_SYMBOL_MIN = 2, RLC_SOURCES = 64, PATH_DATA = 8 };

/* ---- parsing: each function reads one frame's fields, false when they are cut or impossible ----
 */

static inline bool parse_stream(const uint8_t **p, const uint8_t *end, unsigned flags,
                                struct frame *f)
{
    f->type = FRAME_STREAM;
    return frame_get_stream(p, end, flags, &f->u.stream);
}

static bool parse_datagram(const uint8_t **p, const uint8_t *end, unsigned flags, struct frame *f)
{
    f->type = FRAME_DATAGRAM;
    return frame_get_datagram(p, end, flags, &f->u.datagram);
}

static bool parse_ack(const uint8_t **p, const uint8_t *end, bool ecn, struct frame *f)
{
    uint64_t last, more, length, gap;

    f->u.ack.ect = f->u.ack.ce = 0;
    if (!varint_get(p, end, &last) || !varint_get(p, end, &f->u.ack.delay_us))
        return false;
    if (ecn && (!varint_get(p, end, &f->u.ack.ect) || !varint_get(p, end, &f->u.ack.ce)))
        return false;
    if (!varint_get(p, end, &more) || more >= FRAME_ACK_RANGES_MAX)
        return false;
    f->u.ack.largest = last;
    f->u.ack.n = (uint32_t)more + 1;
    for (uint32_t i = 0;; i++) {
        if (!varint_get(p, end, &length) || length > last)
            return false;
        f->u.ack.ranges[i] = (struct frame_ack_range){.first = last - length, .last = last};
        if (i == more)
            return true;
        if (!varint_get(p, end, &gap) || gap + 2 > last - length)
            return false;
        last -= length + gap + 2;
    }
}

static bool parse_close(const uint8_t **p, const uint8_t *end, struct frame *f)
{
    const uint8_t *len;

    if (!varint_get(p, end, &f->u.close.code) || !(len = bytes_take(p, end, 1)))
        return false;
    f->u.close.reason_len = *len;
    f->u.close.reason = bytes_take(p, end, *len);
    return f->u.close.reason;
}

/* A source's symbol: *p moves to the frames in it. */
static bool parse_symbol(const uint8_t **p, const uint8_t *end, const uint8_t **symbol,
                         uint32_t *len)
{
    if (!(*symbol = bytes_take(p, end, FEC_SYMBOL_MIN)))
        return false;
    *len = FEC_SYMBOL_MIN + be16_load(*symbol);
    return *len <= end - *symbol;
}

static bool parse_fec_source(const uint8_t **p, const uint8_t *end, struct frame *f)
{
    const uint8_t *index;

    if (!varint_get(p, end, &f->u.fec_source.block) || !(index = bytes_take(p, end, 1)) ||
        *index >= FEC_INDEXES)
        return false;
    f->u.fec_source.index = *index;
    return parse_symbol(p, end, &f->u.fec_source.symbol, &f->u.fec_source.symbol_len);
}

static bool parse_rlc_source(const uint8_t **p, const uint8_t *end, struct frame *f)
{
    return varint_get(p, end, &f->u.rlc_source.id) &&
           parse_symbol(p, end, &f->u.rlc_source.symbol, &f->u.rlc_source.symbol_len);
}

static bool parse_rlc_repair(const uint8_t **p, const uint8_t *end, struct frame *f)
{
    const uint8_t *fixed;

    if (!varint_get(p, end, &f->u.rlc_repair.first) || !(fixed = bytes_take(p, end, 3)))
        return false;
    f->u.rlc_repair.n = fixed[0];
    f->u.rlc_repair.seed = be16_load(fixed + 1);
    f->u.rlc_repair.symbol = *p;
    f->u.rlc_repair.symbol_len = (uint32_t)(end - *p);
    *p = end;
    return fixed[0] >= 1 && fixed[0] <= RLC_SOURCES &&
           f->u.rlc_repair.first <= VARINT_MAX - RLC_SOURCES &&
           f->u.rlc_repair.symbol_len >= FEC_SYMBOL_MIN;
}

static bool parse_recovered(const uint8_t **p, const uint8_t *end, struct frame *f)
{
    const uint8_t *window = bytes_take(p, end, 1), *mask;

    if (!window || *window > 1 || !varint_get(p, end, &f->u.recovered.first) ||
        !(mask = bytes_take(p, end, 8)))
        return false;
    f->u.recovered.window = *window;
    f->u.recovered.mask = be64_load(mask);
    return true;
}

static bool parse_ticket(const uint8_t **p, const uint8_t *end, struct frame *f)
{
    const uint8_t *len = bytes_take(p, end, 1);

    if (!len || *len == 0 || *len > FRAME_TICKET_MAX)
        return false;
    f->u.ticket.len = *len;
    return (f->u.ticket.bytes = bytes_take(p, end, *len));
}

/* What a control frame consists of. */
enum { HAS_STREAM = 1, HAS_VALUE = 2, HAS_TOTAL = 4 };

static unsigned control_fields(uint8_t type)
{
    switch (type) {
    case FRAME_PATH_USE:
    case FRAME_NACK:
    case FRAME_MAX_DATA:
    case FRAME_MAX_STREAMS:
    case FRAME_DATA_BLOCKED:
        return HAS_VALUE;
    case FRAME_MAX_STREAM_DATA:
    case FRAME_STREAM_BLOCKED:
    case FRAME_STREAM_END:
        return HAS_STREAM | HAS_VALUE;
    case FRAME_STREAM_RESET:
        return HAS_STREAM | HAS_TOTAL;
    case FRAME_FORWARD:
        return HAS_STREAM | HAS_VALUE | HAS_TOTAL;
    default:
        return 0;
    }
}

static bool parse_control(const uint8_t **p, const uint8_t *end, uint8_t type, struct frame *f)
{
    unsigned fields = control_fields(type);
    uint64_t stream = 0;

    f->u.control.value = f->u.control.total = 0;
    if (fields == 0 || (fields & HAS_STREAM && !varint_get(p, end, &stream)) ||
        (fields & HAS_VALUE && !varint_get(p, end, &f->u.control.value)) ||
        (fields & HAS_TOTAL && !varint_get(p, end, &f->u.control.total)))
        return false;
    f->u.control.stream = (uint32_t)stream;
    return stream < FRAME_STREAM_IDS &&
           (type != FRAME_PATH_USE || f->u.control.value <= PATH_DUPLICATE);
}

static bool parse_fec_repair(const uint8_t **p, const uint8_t *end, struct frame *f)
{
    const uint8_t *fixed;

    if (!varint_get(p, end, &f->u.fec_repair.block) || !(fixed = bytes_take(p, end, 3)))
        return false;
    f->u.fec_repair.k = fixed[0];
    f->u.fec_repair.r = fixed[1];
    f->u.fec_repair.index = fixed[2];
    f->u.fec_repair.symbol = *p;
    f->u.fec_repair.symbol_len = (uint32_t)(end - *p);
    *p = end;
    return fixed[0] >= 1 && fixed[0] <= FEC_INDEXES && fixed[1] >= 1 && fixed[1] <= FEC_REPAIRS &&
           fixed[2] < fixed[1] && f->u.fec_repair.symbol_len >= FEC_SYMBOL_MIN;
}

/* The frames that are legal only directly in a packet. */
static bool parse_outer(const uint8_t **p, const uint8_t *end, uint8_t type, struct frame *f)
{
    f->type = type;
    switch (type) {
    case FRAME_ACK:
    case FRAME_ACK_ECN:
        f->type = FRAME_ACK;
        return parse_ack(p, end, type == FRAME_ACK_ECN, f);
    case FRAME_CLOSE:
        return parse_close(p, end, f);
    case FRAME_PATH_CHALLENGE:
    case FRAME_PATH_RESPONSE:
        return (f->u.path_data = bytes_take(p, end, PATH_DATA));
    case FRAME_FEC_SOURCE:
        return parse_fec_source(p, end, f);
    case FRAME_FEC_REPAIR:
        return parse_fec_repair(p, end, f);
    case FRAME_RLC_SOURCE:
        return parse_rlc_source(p, end, f);
    case FRAME_RLC_REPAIR:
        return parse_rlc_repair(p, end, f);
    case FRAME_FEC_RECOVERED:
        return parse_recovered(p, end, f);
    case FRAME_TICKET:
        return parse_ticket(p, end, f);
    default:
        return parse_control(p, end, type, f);
    }
}

int frame_next(const uint8_t **p, const uint8_t *end, bool inner, struct frame *f)
{
    const uint8_t *q = *p;
    bool ok;

    while (q < end && *q == FRAME_PADDING)
        q++;
    if (q == end) {
        *p = q;
        return 0;
    }
    uint8_t type = *q++;

    if ((type & ~FRAME_STREAM_FLAGS) == FRAME_STREAM) {
        ok = parse_stream(&q, end, type & FRAME_STREAM_FLAGS, f);
    } else if ((type & ~1) == FRAME_DATAGRAM) {
        ok = parse_datagram(&q, end, type & 1, f);
    } else if (type == FRAME_PING) {
        f->type = type;
        ok = true;
    } else {
        ok = !inner && parse_outer(&q, end, type, f);
    }
    *p = q;
    return ok ? 1 : -EBADMSG;
}

/* ---- writing ---- */

uint8_t *frame_put_ping(uint8_t *p)
{
    *p = FRAME_PING;
    return p + 1;
}

static uint8_t *put_ranges(uint8_t *p, const struct frame_ack_range *ranges, unsigned n)
{
    p = varint_put(p, n - 1);
    p = varint_put(p, ranges[0].last - ranges[0].first);
    for (unsigned i = 1; i < n; i++) {
        p = varint_put(p, ranges[i - 1].first - ranges[i].last - 2);
        p = varint_put(p, ranges[i].last - ranges[i].first);
    }
    return p;
}

uint8_t *frame_put_ack(uint8_t *p, uint64_t delay_us, const struct frame_ack_range *ranges,
                       unsigned n)
{
    *p++ = FRAME_ACK;
    p = varint_put(p, ranges[0].last);
    p = varint_put(p, delay_us);
    return put_ranges(p, ranges, n);
}

uint8_t *frame_put_ack_ecn(uint8_t *p, uint64_t delay_us, uint64_t ect, uint64_t ce,
                           const struct frame_ack_range *ranges, unsigned n)
{
    *p++ = FRAME_ACK_ECN;
    p = varint_put(p, ranges[0].last);
    p = varint_put(p, delay_us);
    p = varint_put(p, ect);
    p = varint_put(p, ce);
    return put_ranges(p, ranges, n);
}

uint8_t *frame_put_close(uint8_t *p, uint64_t code, const char *reason)
{
    size_t len = strnlen(reason, UINT8_MAX);

    *p++ = FRAME_CLOSE;
    p = varint_put(p, code);
    *p++ = (uint8_t)len;
    memcpy(p, reason, len);
    return p + len;
}

uint8_t *frame_put_path(uint8_t *p, enum frame_type type, const uint8_t data[8])
{
    *p++ = (uint8_t)type;
    memcpy(p, data, PATH_DATA);
    return p + PATH_DATA;
}

uint8_t *frame_put_fec_source_hdr(uint8_t *p, uint64_t block, uint8_t index, uint16_t len)
{
    *p++ = FRAME_FEC_SOURCE;
    p = varint_put(p, block);
    *p++ = index;
    be16_store(p, len);
    return p + 2;
}

size_t frame_fec_source_hdr_size(uint64_t block)
{
    return 1 + varint_size(block) + 1 + 2;
}

uint8_t *frame_put_fec_repair_hdr(uint8_t *p, uint64_t block, uint8_t k, uint8_t r, uint8_t index)
{
    *p++ = FRAME_FEC_REPAIR;
    p = varint_put(p, block);
    *p++ = k;
    *p++ = r;
    *p++ = index;
    return p;
}

static uint8_t *put_stream(uint8_t *p, unsigned flags, uint32_t id, uint64_t seq, uint32_t offset,
                           bool fin)
{
    *p++ = (uint8_t)(FRAME_STREAM | flags | (offset ? FRAME_STREAM_OFF : 0) |
                     (fin ? FRAME_STREAM_FIN : 0));
    p = varint_put(p, id);
    p = varint_put(p, seq);
    return offset ? varint_put(p, offset) : p;
}

uint8_t *frame_put_stream_hdr(uint8_t *p, uint32_t id, uint64_t seq, uint32_t offset, bool fin)
{
    return put_stream(p, 0, id, seq, offset, fin);
}

size_t frame_stream_hdr_size(uint32_t id, uint64_t seq, uint32_t offset)
{
    return 1 + varint_size(id) + varint_size(seq) + (offset ? varint_size(offset) : 0);
}

uint8_t *frame_put_stream_hdr_len(uint8_t *p, uint32_t id, uint64_t seq, uint32_t offset, bool fin,
                                  uint32_t len)
{
    return varint_put(put_stream(p, FRAME_STREAM_LEN, id, seq, offset, fin), len);
}

uint8_t *frame_put_stream_flags(uint8_t *p, unsigned flags, uint32_t id, uint64_t seq,
                                uint32_t offset, uint32_t len)
{
    p = put_stream(p, flags, id, seq, offset, false);
    return flags & FRAME_STREAM_LEN ? varint_put(p, len) : p;
}

uint8_t *frame_put_datagram_hdr(uint8_t *p)
{
    *p = FRAME_DATAGRAM;
    return p + 1;
}

uint8_t *frame_put_datagram_hdr_len(uint8_t *p, uint32_t len)
{
    *p = FRAME_DATAGRAM | FRAME_DATAGRAM_LEN;
    return varint_put(p + 1, len);
}

uint8_t *frame_put_control(uint8_t *p, enum frame_type type, uint32_t stream, uint64_t value,
                           uint64_t total)
{
    unsigned fields = control_fields((uint8_t)type);

    *p++ = (uint8_t)type;
    if (fields & HAS_STREAM)
        p = varint_put(p, stream);
    if (fields & HAS_VALUE)
        p = varint_put(p, value);
    return fields & HAS_TOTAL ? varint_put(p, total) : p;
}

uint8_t *frame_put_recovered(uint8_t *p, bool window, uint64_t first, uint64_t mask)
{
    *p++ = FRAME_FEC_RECOVERED;
    *p++ = window;
    p = varint_put(p, first);
    be64_store(p, mask);
    return p + 8;
}

uint8_t *frame_put_rlc_source_hdr(uint8_t *p, uint64_t id, uint16_t len)
{
    *p++ = FRAME_RLC_SOURCE;
    p = varint_put(p, id);
    be16_store(p, len);
    return p + 2;
}

size_t frame_rlc_source_hdr_size(uint64_t id)
{
    return 1 + varint_size(id) + 2;
}

uint8_t *frame_put_rlc_repair_hdr(uint8_t *p, uint64_t first, uint8_t n, uint16_t seed)
{
    *p++ = FRAME_RLC_REPAIR;
    p = varint_put(p, first);
    *p++ = n;
    be16_store(p, seed);
    return p + 2;
}

uint8_t *frame_put_ticket(uint8_t *p, const uint8_t *ticket, uint32_t len)
{
    *p++ = FRAME_TICKET;
    *p++ = (uint8_t)len;
    memcpy(p, ticket, len);
    return p + len;
}
