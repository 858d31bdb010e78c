/* frame_next as a receiver uses it: everything points into the packet, keeps the limits, and reads
 * the same after our writers wrote it again. First byte of the input: is this a FEC symbol's
 * inside? */
#include <errno.h>
#include <string.h>

#include "frame.h"
#include "fuzz.h"
#include "varint.h"

static void check_inside(const uint8_t *at, size_t len, const uint8_t *begin, const uint8_t *end)
{
    FUZZ_CHECK(at >= begin && at <= end && len <= (size_t)(end - at));
}

static void check_ack(const struct frame *f)
{
    const struct frame_ack_range *ranges = f->u.ack.ranges;

    FUZZ_CHECK(f->u.ack.n >= 1 && f->u.ack.n <= FRAME_ACK_RANGES_MAX);
    FUZZ_CHECK(ranges[0].last == f->u.ack.largest && f->u.ack.largest <= VARINT_MAX);
    for (uint32_t i = 0; i < f->u.ack.n; i++) {
        FUZZ_CHECK(ranges[i].first <= ranges[i].last);
        FUZZ_CHECK(i == 0 || ranges[i].last + 1 < ranges[i - 1].first);
    }
}

static bool is_control(uint8_t type)
{
    return type == FRAME_PATH_USE || (type >= FRAME_NACK && type < FRAME_STREAM) ||
           (type >= FRAME_MAX_STREAM_DATA && type <= FRAME_STREAM_RESET);
}

static void check_control(const struct frame *f)
{
    FUZZ_CHECK(is_control(f->type));
    FUZZ_CHECK(f->u.control.stream <= 65535 && f->u.control.value <= VARINT_MAX &&
               f->u.control.total <= VARINT_MAX);
    FUZZ_CHECK(f->type != FRAME_PATH_USE || f->u.control.value <= PATH_DUPLICATE);
}

static void check_limits(const struct frame *f, const uint8_t *begin, const uint8_t *end)
{
    switch (f->type) {
    case FRAME_ACK:
        check_ack(f);
        break;
    case FRAME_CLOSE:
        FUZZ_CHECK(f->u.close.reason_len <= 255);
        check_inside(f->u.close.reason, f->u.close.reason_len, begin, end);
        break;
    case FRAME_PATH_CHALLENGE:
    case FRAME_PATH_RESPONSE:
        check_inside(f->u.path_data, 8, begin, end);
        break;
    case FRAME_FEC_SOURCE:
        FUZZ_CHECK(f->u.fec_source.index < 64 && f->u.fec_source.symbol_len >= 2);
        check_inside(f->u.fec_source.symbol, f->u.fec_source.symbol_len, begin, end);
        break;
    case FRAME_FEC_REPAIR:
        FUZZ_CHECK(f->u.fec_repair.k >= 1 && f->u.fec_repair.k <= 64 && f->u.fec_repair.r <= 16);
        FUZZ_CHECK(f->u.fec_repair.index < f->u.fec_repair.r && f->u.fec_repair.symbol_len >= 2);
        check_inside(f->u.fec_repair.symbol, f->u.fec_repair.symbol_len, begin, end);
        break;
    case FRAME_RLC_SOURCE:
        FUZZ_CHECK(f->u.rlc_source.id <= VARINT_MAX && f->u.rlc_source.symbol_len >= 2);
        check_inside(f->u.rlc_source.symbol, f->u.rlc_source.symbol_len, begin, end);
        break;
    case FRAME_RLC_REPAIR:
        FUZZ_CHECK(f->u.rlc_repair.n >= 1 && f->u.rlc_repair.n <= 64);
        FUZZ_CHECK(f->u.rlc_repair.first + f->u.rlc_repair.n <= VARINT_MAX &&
                   f->u.rlc_repair.symbol_len >= 2);
        check_inside(f->u.rlc_repair.symbol, f->u.rlc_repair.symbol_len, begin, end);
        break;
    case FRAME_FEC_RECOVERED:
        FUZZ_CHECK(f->u.recovered.window <= 1 && f->u.recovered.first <= VARINT_MAX);
        break;
    case FRAME_TICKET:
        FUZZ_CHECK(f->u.ticket.len >= 1 && f->u.ticket.len <= FRAME_TICKET_MAX);
        check_inside(f->u.ticket.bytes, f->u.ticket.len, begin, end);
        break;
    case FRAME_STREAM:
        FUZZ_CHECK(!f->u.stream.compressed || f->u.stream.fin);
        FUZZ_CHECK(f->u.stream.id <= 65535 && f->u.stream.seq <= VARINT_MAX);
        FUZZ_CHECK(f->u.stream.offset < 1 << 24 &&
                   f->u.stream.len <= (1 << 24) - f->u.stream.offset);
        check_inside(f->u.stream.data, f->u.stream.len, begin, end);
        break;
    case FRAME_DATAGRAM:
        check_inside(f->u.datagram.data, f->u.datagram.len, begin, end);
        break;
    case FRAME_PING:
        break;
    default:
        check_control(f);
    }
}

static unsigned stream_flags(const struct frame *f)
{
    return (f->u.stream.fin ? FRAME_STREAM_FIN : 0) |
           (f->u.stream.unordered ? FRAME_STREAM_UNORDERED : 0) |
           (f->u.stream.compressed ? FRAME_STREAM_COMPRESSED : 0);
}

/* Write f as ours, without the data of STREAM, DATAGRAM and FEC; returns the size. */
static size_t rewrite(const struct frame *f, uint8_t *out)
{
    char reason[256] = {0};

    switch (f->type) {
    case FRAME_PING:
        return (size_t)(frame_put_ping(out) - out);
    case FRAME_ACK:
        return (size_t)(frame_put_ack_ecn(out, f->u.ack.delay_us, f->u.ack.ect, f->u.ack.ce,
                                          f->u.ack.ranges, f->u.ack.n) -
                        out);
    case FRAME_CLOSE:
        memcpy(reason, f->u.close.reason, f->u.close.reason_len);
        return (size_t)(frame_put_close(out, f->u.close.code, reason) - out);
    case FRAME_PATH_CHALLENGE:
    case FRAME_PATH_RESPONSE:
        return (size_t)(frame_put_path(out, f->type, f->u.path_data) - out);
    case FRAME_STREAM:
        return (size_t)(frame_put_stream_flags(out, stream_flags(f), f->u.stream.id,
                                               f->u.stream.seq, f->u.stream.offset, 0) -
                        out);
    case FRAME_FEC_RECOVERED:
        return (size_t)(frame_put_recovered(out, f->u.recovered.window, f->u.recovered.first,
                                            f->u.recovered.mask) -
                        out);
    case FRAME_TICKET:
        return (size_t)(frame_put_ticket(out, f->u.ticket.bytes, f->u.ticket.len) - out);
    case FRAME_DATAGRAM:
    case FRAME_FEC_SOURCE:
    case FRAME_FEC_REPAIR:
    case FRAME_RLC_SOURCE:
    case FRAME_RLC_REPAIR:
        return 0;
    default:
        return (size_t)(frame_put_control(out, f->type, f->u.control.stream, f->u.control.value,
                                          f->u.control.total) -
                        out);
    }
}

static void check_rewritten(const struct frame *f)
{
    static struct frame again;
    uint8_t out[1024];
    size_t n = rewrite(f, out);
    const uint8_t *p = out;

    if (n == 0)
        return;
    FUZZ_CHECK(frame_next(&p, out + n, false, &again) == 1 && p == out + n);
    FUZZ_CHECK(again.type == f->type);
    if (f->type == FRAME_ACK)
        FUZZ_CHECK(again.u.ack.n == f->u.ack.n && again.u.ack.delay_us == f->u.ack.delay_us &&
                   again.u.ack.ect == f->u.ack.ect && again.u.ack.ce == f->u.ack.ce &&
                   memcmp(again.u.ack.ranges, f->u.ack.ranges,
                          f->u.ack.n * sizeof(f->u.ack.ranges[0])) == 0);
    if (f->type == FRAME_STREAM)
        FUZZ_CHECK(again.u.stream.id == f->u.stream.id && again.u.stream.seq == f->u.stream.seq &&
                   again.u.stream.offset == f->u.stream.offset &&
                   stream_flags(&again) == stream_flags(f));
    if (is_control(f->type))
        FUZZ_CHECK(again.u.control.stream == f->u.control.stream &&
                   again.u.control.value == f->u.control.value &&
                   again.u.control.total == f->u.control.total);
    if (f->type == FRAME_FEC_RECOVERED)
        FUZZ_CHECK(again.u.recovered.window == f->u.recovered.window &&
                   again.u.recovered.first == f->u.recovered.first &&
                   again.u.recovered.mask == f->u.recovered.mask);
}

/* Read all frames in [p, end); false when one is bad. */
static bool read_all(const uint8_t *p, const uint8_t *end, bool inner)
{
    static struct frame f; /* its ACK ranges are large */

    for (;;) {
        const uint8_t *before = p;
        int got = frame_next(&p, end, inner, &f);

        FUZZ_CHECK(p >= before && p <= end);
        if (got <= 0) {
            FUZZ_CHECK(got == -EBADMSG || p == end);
            return got == 0;
        }
        FUZZ_CHECK(p > before);
        check_limits(&f, before, end);
        check_rewritten(&f);
        if (f.type == FRAME_FEC_SOURCE || f.type == FRAME_RLC_SOURCE) {
            bool block = f.type == FRAME_FEC_SOURCE;
            const uint8_t *symbol = block ? f.u.fec_source.symbol : f.u.rlc_source.symbol;
            const uint8_t *behind =
                symbol + (block ? f.u.fec_source.symbol_len : f.u.rlc_source.symbol_len);

            FUZZ_CHECK(!inner && p == symbol + 2);
            if (!read_all(p, behind, true))
                return false;
            p = behind;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0)
        read_all(data + 1, data + size, data[0] & 1);
    return 0;
}

static uint8_t *put_stream(uint8_t *p, unsigned i)
{
    p = frame_put_stream_hdr_len(p, i * 997 % 65536, (uint64_t)i << (i % 50), i * 70000 % (1 << 24),
                                 i & 1, i);
    memset(p, 'x', i);
    return p + i;
}

static uint8_t *put_ack(uint8_t *p, unsigned i)
{
    struct frame_ack_range ranges[FRAME_ACK_RANGES_MAX];
    unsigned n = 1 + i % FRAME_ACK_RANGES_MAX;

    for (unsigned j = 0; j < n; j++) {
        ranges[n - 1 - j].first = j * 100 * (i + 1);
        ranges[n - 1 - j].last = j * 100 * (i + 1) + i;
    }
    return frame_put_ack(p, i * 1000, ranges, n);
}

static uint8_t *put_controls(uint8_t *p, unsigned i)
{
    struct frame_ack_range range = {i, 2 * i};

    for (unsigned type = 0; type <= FRAME_STREAM_RESET; type++)
        if (is_control((uint8_t)type))
            p = frame_put_control(p, type, i * 997 % 65536, type == FRAME_PATH_USE ? i & 3 : i,
                                  (uint64_t)i << (i % 50));
    p = frame_put_ack_ecn(p, i, i * 1000, i, &range, 1);
    p = frame_put_recovered(p, i & 1, i, UINT64_MAX / (i + 1));
    return frame_put_ticket(p, (const uint8_t *)"ticket", 6);
}

size_t fuzz_seed(unsigned index, uint8_t *out)
{
    uint8_t *p = out + 1, *inside;

    if (index >= 90)
        return 0;
    out[0] = index % 9 == 8; /* the last kind is legal inside a symbol, too */
    switch (index % 9) {
    case 0:
        p = put_ack(p, index);
        break;
    case 1:
        p = frame_put_close(p, index, "reason");
        break;
    case 2:
        p = frame_put_path(frame_put_path(p, FRAME_PATH_CHALLENGE, out), FRAME_PATH_RESPONSE, out);
        break;
    case 3:
        inside = p + frame_fec_source_hdr_size(index * 100);
        inside = put_stream(put_stream(inside, index), 3);
        frame_put_fec_source_hdr(
            p, index * 100, index % 64,
            (uint16_t)(inside - p - (int)frame_fec_source_hdr_size(index * 100)));
        p = frame_put_ping(inside);
        break;
    case 4:
        p = frame_put_fec_repair_hdr(put_ack(p, 3), index, 64, 16, index % 16);
        memset(p, 0xa5, index);
        p += index;
        break;
    case 5:
        p = put_controls(p, index);
        break;
    case 6:
        inside = p + frame_rlc_source_hdr_size(index * 100);
        memset(inside, FRAME_PING, index);
        p = frame_put_rlc_source_hdr(p, index * 100, (uint16_t)index) + index;
        p = frame_put_rlc_repair_hdr(p, index, (uint8_t)(1 + index % 64), (uint16_t)(index * 997));
        memset(p, 0xa5, 30);
        p += 30;
        break;
    case 7: /* at every limit */
        p = put_ack(p, FRAME_ACK_RANGES_MAX - 1);
        p = frame_put_stream_hdr_len(p, 65535, VARINT_MAX, (1 << 24) - 1, true, 1);
        *p++ = 'x';
        break;
    default:
        p = put_stream(frame_put_ping(put_stream(p, index)), 7);
        *p++ = FRAME_PADDING;
        p = frame_put_datagram_hdr(p);
        *p++ = 'd';
    }
    return (size_t)(p - out);
}
