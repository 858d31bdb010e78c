/* Frames: their bytes, round trips, every truncation, every refusal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "bytes.h"
#include "frame.h"
#include "rng.h"
#include "varint.h"

/* Parse one frame that fills exactly these bytes. The caller frees *copy, which the frame points
 * into. */
static struct frame parse(const void *bytes, size_t n, uint8_t **copy)
{
    struct frame f;

    *copy = exact_copy(bytes, n);
    const uint8_t *p = *copy;

    assert_int_equal(frame_next(&p, *copy + n, false, &f), 1);
    if (f.type != FRAME_FEC_SOURCE)
        assert_ptr_equal(p, *copy + n);
    return f;
}

static int verdict(const void *bytes, size_t n, bool inner)
{
    uint8_t *copy = exact_copy(bytes, n);
    const uint8_t *p = copy;
    struct frame f;
    int got = frame_next(&p, copy + n, inner, &f);

    assert_true(p >= copy && p <= copy + n);
    free(copy);
    return got;
}
#define VERDICT(...)                                                                               \
    verdict((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), false)
#define INNER(...)                                                                                 \
    verdict((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), true)

static void padding_and_ping(void **state)
{
    uint8_t packet[] = {0, 0, 0, FRAME_PING, 0, FRAME_PING, 0, 0};
    const uint8_t *p = packet, *end = packet + sizeof(packet);
    struct frame f;

    (void)state;
    assert_int_equal(verdict("", 0, false), 0);
    assert_int_equal(VERDICT(0), 0);
    assert_int_equal(frame_next(&p, end, false, &f), 1);
    assert_int_equal(f.type, FRAME_PING);
    assert_ptr_equal(p, packet + 4);
    assert_int_equal(frame_next(&p, end, false, &f), 1);
    assert_int_equal(frame_next(&p, end, false, &f), 0);
    assert_ptr_equal(p, end);
    assert_ptr_equal(frame_put_ping(packet), packet + 1);
    assert_int_equal(packet[0], FRAME_PING);
}

static void stream_bytes(void **state)
{
    uint8_t buf[FRAME_STREAM_HDR_MAX], *copy;

    (void)state;
    assert_int_equal(frame_put_stream_hdr(buf, 3, 70, 0, false) - buf, 4);
    assert_memory_equal(buf, "\x10\x03\x40\x46", 4);
    assert_int_equal(frame_put_stream_hdr(buf, 3, 5, 9, true) - buf, 4);
    assert_memory_equal(buf, "\x13\x03\x05\x09", 4);
    assert_int_equal(frame_put_stream_hdr_len(buf, 3, 5, 0, true, 2) - buf, 4);
    assert_memory_equal(buf, "\x16\x03\x05\x02", 4);
    struct frame f = parse("\x17\x40\xff\x05\x09\x02hi", 8, &copy);

    assert_int_equal(f.type, FRAME_STREAM);
    assert_int_equal(f.u.stream.id, 255);
    assert_int_equal(f.u.stream.seq, 5);
    assert_int_equal(f.u.stream.offset, 9);
    assert_true(f.u.stream.fin);
    assert_int_equal(f.u.stream.len, 2);
    assert_memory_equal(f.u.stream.data, "hi", 2);
    free(copy);
    f = parse("\x10\x03\x05", 3, &copy); /* empty, to the end */
    assert_int_equal(f.u.stream.len, 0);
    assert_false(f.u.stream.fin);
    free(copy);
}

static void stream_limits(void **state)
{
    static uint8_t big[FRAME_STREAM_HDR_MAX + 70000];
    uint8_t *p = big;

    (void)state;
    assert_int_equal(VERDICT(0x10, 0x80, 0, 0xff, 0xff, 0), 1);       /* id 65535 */
    assert_int_equal(VERDICT(0x10, 0x80, 1, 0, 0, 0), -EBADMSG);      /* id 65536 */
    assert_int_equal(VERDICT(0x11, 0, 0, 0x80, 0xff, 0xff, 0xff), 1); /* offset 2^24 - 1 */
    assert_int_equal(VERDICT(0x11, 0, 0, 0x80, 0xff, 0xff, 0xff, 9), 1);
    assert_int_equal(VERDICT(0x11, 0, 0, 0x80, 0xff, 0xff, 0xff, 9, 9),
                     -EBADMSG);                                     /* ends beyond 2^24 */
    assert_int_equal(VERDICT(0x11, 0, 0, 0x81, 0, 0, 0), -EBADMSG); /* offset 2^24 */
    assert_int_equal(VERDICT(0x14, 0, 0, 0), 1);
    assert_int_equal(VERDICT(0x14, 0, 0, 2, 9), -EBADMSG); /* longer than the packet */
    assert_int_equal(VERDICT(0x14, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), -EBADMSG);
    p = frame_put_stream_hdr_len(p, 65535, 1, 0, false, 70000);
    assert_int_equal(verdict(big, (size_t)(p - big) + 70000, false), 1);
    assert_int_equal(verdict(big, (size_t)(p - big) + 69999, false), -EBADMSG);
}

static void datagrams(void **state)
{
    uint8_t buf[4], *copy;
    struct frame f = parse("\x20xyz", 4, &copy);

    (void)state;
    assert_int_equal(f.type, FRAME_DATAGRAM);
    assert_int_equal(f.u.datagram.len, 3);
    assert_memory_equal(f.u.datagram.data, "xyz", 3);
    free(copy);
    f = parse("\x21\x02xy", 4, &copy);
    assert_int_equal(f.type, FRAME_DATAGRAM);
    assert_int_equal(f.u.datagram.len, 2);
    free(copy);
    assert_int_equal(VERDICT(0x20), 1);
    assert_int_equal(VERDICT(0x21), -EBADMSG);
    assert_int_equal(VERDICT(0x21, 1), -EBADMSG);
    assert_ptr_equal(frame_put_datagram_hdr(buf), buf + 1);
    assert_int_equal(buf[0], FRAME_DATAGRAM);
}

static void acks(void **state)
{
    static const struct frame_ack_range ranges[] = {{90, 100}, {50, 88}, {0, 0}};
    uint8_t buf[32], *copy;
    size_t n = (size_t)(frame_put_ack(buf, 77, ranges, 3) - buf);

    (void)state;
    assert_int_equal(n, 11);
    assert_memory_equal(buf, "\x02\x40\x64\x40\x4d\x02\x0a\x00\x26\x30\x00", 11);
    struct frame f = parse(buf, n, &copy);
    assert_int_equal(f.u.ack.largest, 100);
    assert_int_equal(f.u.ack.delay_us, 77);
    assert_int_equal(f.u.ack.n, 3);
    assert_memory_equal(f.u.ack.ranges, ranges, sizeof(ranges));
    free(copy);
}

static void ack_refusals(void **state)
{
    (void)state;
    assert_int_equal(VERDICT(2, 5, 0, 0, 5), 1);              /* 0 to 5 */
    assert_int_equal(VERDICT(2, 5, 0, 0, 6), -EBADMSG);       /* below 0 */
    assert_int_equal(VERDICT(2, 5, 0, 1, 0, 3, 0), 1);        /* 5, then 0 */
    assert_int_equal(VERDICT(2, 5, 0, 1, 0, 3, 1), -EBADMSG); /* 0 - 1 */
    assert_int_equal(VERDICT(2, 5, 0, 1, 0, 4, 0), -EBADMSG); /* ends at -1 */
    assert_int_equal(VERDICT(2, 5, 0, 1, 5, 0, 0), -EBADMSG); /* nothing is left below 0 */
    assert_int_equal(VERDICT(2, 5, 0, 1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0),
                     -EBADMSG);
    assert_int_equal(VERDICT(2, 5, 0, 32, 0), -EBADMSG); /* a 33rd range */
    uint8_t most[6 + 2 * 32] = {2, 0x40, 200, 0, 31};

    assert_int_equal(verdict(most, 6 + 2 * 31, false), 1);
    most[4] = 32;
    assert_int_equal(verdict(most, sizeof(most), false), -EBADMSG);
}

static void closes_and_paths(void **state)
{
    uint8_t buf[300], *copy;
    char longest[400];
    struct frame f;

    (void)state;
    assert_int_equal(frame_put_close(buf, CLOSE_IDLE, "bye") - buf, 6);
    assert_memory_equal(buf,
                        "\x03\x02\x03"
                        "bye",
                        6);
    f = parse(buf, 6, &copy);
    assert_int_equal(f.type, FRAME_CLOSE);
    assert_int_equal(f.u.close.code, CLOSE_IDLE);
    assert_int_equal(f.u.close.reason_len, 3);
    assert_memory_equal(f.u.close.reason, "bye", 3);
    free(copy);
    assert_int_equal(frame_put_close(buf, 0, "") - buf, 3);
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = 0;
    assert_int_equal(frame_put_close(buf, 0, longest) - buf, 3 + 255);
    assert_int_equal(verdict(buf, 3 + 255, false), 1);
    assert_int_equal(frame_put_path(buf, FRAME_PATH_RESPONSE, (const uint8_t *)"12345678") - buf,
                     9);
    f = parse(buf, 9, &copy);
    assert_int_equal(f.type, FRAME_PATH_RESPONSE);
    assert_memory_equal(f.u.path_data, "12345678", 8);
    free(copy);
}

static void fec_sources(void **state)
{
    uint8_t buf[FRAME_FEC_HDR_MAX + 8];
    uint8_t *p = frame_put_fec_source_hdr(buf, 300, 63, 3);
    struct frame f, inside;
    const uint8_t *q = buf;

    (void)state;
    assert_int_equal(p - buf, 6);
    assert_int_equal(frame_fec_source_hdr_size(300), 6);
    assert_memory_equal(buf, "\x08\x41\x2c\x3f\x00\x03", 6);
    memcpy(p, "\x20xy\x01", 4); /* a datagram to the symbol's end, then a PING behind the symbol */
    assert_int_equal(frame_next(&q, p + 4, false, &f), 1);
    assert_int_equal(f.type, FRAME_FEC_SOURCE);
    assert_int_equal(f.u.fec_source.block, 300);
    assert_int_equal(f.u.fec_source.index, 63);
    assert_ptr_equal(f.u.fec_source.symbol, p - 2);
    assert_int_equal(f.u.fec_source.symbol_len, 5);
    assert_ptr_equal(q, p);
    assert_int_equal(
        frame_next(&q, f.u.fec_source.symbol + f.u.fec_source.symbol_len, true, &inside), 1);
    assert_int_equal(inside.type, FRAME_DATAGRAM);
    assert_int_equal(inside.u.datagram.len, 2);
    assert_int_equal(frame_next(&q, p + 4, false, &inside), 1);
    assert_int_equal(inside.type, FRAME_PING);
    assert_int_equal(VERDICT(8, 0, 63, 0, 0), 1); /* empty */
    assert_int_equal(VERDICT(8, 0, 64, 0, 0), -EBADMSG);
    assert_int_equal(VERDICT(8, 0, 0, 0, 1), -EBADMSG);
    assert_int_equal(VERDICT(8, 0, 0, 1, 0, 0), -EBADMSG);
}

static void fec_repairs(void **state)
{
    uint8_t buf[FRAME_FEC_HDR_MAX + 8], *copy;
    uint8_t *p = frame_put_fec_repair_hdr(buf, 7, 20, 4, 3);

    (void)state;
    assert_int_equal(p - buf, 5);
    memcpy(p, "symbol", 6);
    struct frame f = parse(buf, 11, &copy);
    assert_int_equal(f.type, FRAME_FEC_REPAIR);
    assert_int_equal(f.u.fec_repair.block, 7);
    assert_int_equal(f.u.fec_repair.k, 20);
    assert_int_equal(f.u.fec_repair.r, 4);
    assert_int_equal(f.u.fec_repair.index, 3);
    assert_int_equal(f.u.fec_repair.symbol_len, 6);
    assert_memory_equal(f.u.fec_repair.symbol, "symbol", 6);
    free(copy);
    assert_int_equal(VERDICT(9, 0, 64, 16, 15, 0, 0), 1);
    assert_int_equal(VERDICT(9, 0, 0, 1, 0, 0, 0), -EBADMSG);
    assert_int_equal(VERDICT(9, 0, 65, 1, 0, 0, 0), -EBADMSG);
    assert_int_equal(VERDICT(9, 0, 1, 0, 0, 0, 0), -EBADMSG);
    assert_int_equal(VERDICT(9, 0, 1, 17, 0, 0, 0), -EBADMSG);
    assert_int_equal(VERDICT(9, 0, 1, 4, 4, 0, 0), -EBADMSG);
    assert_int_equal(VERDICT(9, 0, 1, 4, 3, 0), -EBADMSG); /* a symbol has a length at least */
}

static void stream_flags(void **state)
{
    uint8_t buf[FRAME_STREAM_HDR_MAX], *copy;
    unsigned flags = FRAME_STREAM_FIN | FRAME_STREAM_LEN | FRAME_STREAM_UNORDERED;
    struct frame f;

    (void)state;
    assert_int_equal(
        frame_put_stream_flags(buf, flags | FRAME_STREAM_COMPRESSED, 3, 70, 0, 0) - buf, 5);
    assert_memory_equal(buf, "\x3e\x03\x40\x46\x00", 5);
    f = parse(buf, 5, &copy);
    assert_int_equal(f.type, FRAME_STREAM);
    assert_true(f.u.stream.fin && f.u.stream.unordered && f.u.stream.compressed);
    free(copy);
    assert_int_equal(frame_put_stream_flags(buf, FRAME_STREAM_UNORDERED, 3, 5, 9, 0) - buf, 4);
    assert_memory_equal(buf, "\x19\x03\x05\x09", 4);
    f = parse(buf, 4, &copy);
    assert_int_equal(f.u.stream.offset, 9);
    assert_true(f.u.stream.unordered);
    assert_false(f.u.stream.fin || f.u.stream.compressed);
    free(copy);
    assert_int_equal(VERDICT(0x32, 0, 0), 1);
    assert_int_equal(VERDICT(0x30, 0, 0), -EBADMSG); /* compressed, but not the last fragment */
    assert_int_equal(VERDICT(0x3d, 0, 0, 0, 0), -EBADMSG);
}

static void acks_with_ecn(void **state)
{
    static const struct frame_ack_range ranges[] = {{90, 100}, {0, 0}};
    uint8_t buf[32], *copy;
    size_t n = (size_t)(frame_put_ack_ecn(buf, 77, 300, 5, ranges, 2) - buf);

    (void)state;
    assert_int_equal(n, 13);
    assert_memory_equal(buf, "\x06\x40\x64\x40\x4d\x41\x2c\x05\x01\x0a\x40\x58\x00", 13);
    struct frame f = parse(buf, n, &copy);

    assert_int_equal(f.type, FRAME_ACK);
    assert_int_equal(f.u.ack.delay_us, 77);
    assert_int_equal(f.u.ack.ect, 300);
    assert_int_equal(f.u.ack.ce, 5);
    assert_int_equal(f.u.ack.n, 2);
    assert_memory_equal(f.u.ack.ranges, ranges, sizeof(ranges));
    free(copy);
    n = (size_t)(frame_put_ack(buf, 77, ranges, 2) - buf);
    f = parse(buf, n, &copy);
    assert_int_equal(f.u.ack.ect, 0);
    assert_int_equal(f.u.ack.ce, 0);
    free(copy);
    assert_int_equal(VERDICT(6, 5, 0, 0, 0, 0, 5), 1);
    assert_int_equal(VERDICT(6, 5, 0, 0, 0, 0, 6), -EBADMSG);
    assert_int_equal(VERDICT(6, 5, 0, 0, 0, 32, 0), -EBADMSG);
}

/* The frames of u.control: which of stream 3, value 70 and total 5 each has. */
static void controls(void **state)
{
    static const struct {
        enum frame_type type;
        uint8_t len, bytes[6];
        bool stream, value, total;
    } cases[] = {
        {FRAME_PATH_USE, 2, {0x07, 3}, false, true, false},
        {FRAME_NACK, 3, {0x0d, 0x40, 70}, false, true, false},
        {FRAME_MAX_DATA, 3, {0x0e, 0x40, 70}, false, true, false},
        {FRAME_MAX_STREAMS, 3, {0x0f, 0x40, 70}, false, true, false},
        {FRAME_MAX_STREAM_DATA, 4, {0x22, 3, 0x40, 70}, true, true, false},
        {FRAME_DATA_BLOCKED, 3, {0x23, 0x40, 70}, false, true, false},
        {FRAME_STREAM_BLOCKED, 4, {0x24, 3, 0x40, 70}, true, true, false},
        {FRAME_FORWARD, 5, {0x25, 3, 0x40, 70, 5}, true, true, true},
        {FRAME_STREAM_END, 4, {0x26, 3, 0x40, 70}, true, true, false},
        {FRAME_STREAM_RESET, 3, {0x27, 3, 5}, true, false, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        uint64_t value = cases[i].type == FRAME_PATH_USE ? PATH_DUPLICATE : 70;
        uint8_t buf[FRAME_CONTROL_MAX], *copy;
        uint8_t *end = frame_put_control(buf, cases[i].type, 3, value, 5);

        assert_int_equal(end - buf, cases[i].len);
        assert_memory_equal(buf, cases[i].bytes, cases[i].len);
        struct frame f = parse(buf, cases[i].len, &copy);

        assert_int_equal(f.type, cases[i].type);
        assert_int_equal(f.u.control.stream, cases[i].stream ? 3 : 0);
        assert_int_equal(f.u.control.value, cases[i].value ? value : 0);
        assert_int_equal(f.u.control.total, cases[i].total ? 5 : 0);
        free(copy);
        end = frame_put_control(buf, cases[i].type, 65535, VARINT_MAX, VARINT_MAX);
        assert_true(end - buf <= FRAME_CONTROL_MAX);
        assert_int_equal(verdict(buf, (size_t)(end - buf), false),
                         cases[i].type == FRAME_PATH_USE ? -EBADMSG : 1);
    }
    assert_int_equal(VERDICT(0x07, 4), -EBADMSG);                /* no such use */
    assert_int_equal(VERDICT(0x26, 0x80, 0, 0xff, 0xff, 0), 1);  /* stream 65535 */
    assert_int_equal(VERDICT(0x26, 0x80, 1, 0, 0, 0), -EBADMSG); /* stream 65536 */
}

static void rlc_sources(void **state)
{
    uint8_t buf[FRAME_FEC_HDR_MAX + 8];
    uint8_t *p = frame_put_rlc_source_hdr(buf, 300, 3);
    const uint8_t *q = buf;
    struct frame f;

    (void)state;
    assert_int_equal(p - buf, 5);
    assert_int_equal(frame_rlc_source_hdr_size(300), 5);
    assert_memory_equal(buf, "\x0a\x41\x2c\x00\x03", 5);
    memcpy(p, "\x20xy\x01", 4);
    assert_int_equal(frame_next(&q, p + 4, false, &f), 1);
    assert_int_equal(f.type, FRAME_RLC_SOURCE);
    assert_int_equal(f.u.rlc_source.id, 300);
    assert_ptr_equal(f.u.rlc_source.symbol, p - 2);
    assert_int_equal(f.u.rlc_source.symbol_len, 5);
    assert_ptr_equal(q, p);
    assert_int_equal(VERDICT(0x0a, 0, 0, 0), 1); /* empty */
    assert_int_equal(VERDICT(0x0a, 0, 0, 1), -EBADMSG);
    assert_int_equal(VERDICT(0x0a, 0, 0), -EBADMSG);
}

static void rlc_repairs(void **state)
{
    uint8_t buf[FRAME_FEC_HDR_MAX + 8], *copy;
    uint8_t *p = frame_put_rlc_repair_hdr(buf, 300, 64, 0x1234);

    (void)state;
    assert_int_equal(p - buf, 6);
    assert_memory_equal(buf, "\x0b\x41\x2c\x40\x12\x34", 6);
    memcpy(p, "symbol", 6);
    struct frame f = parse(buf, 12, &copy);

    assert_int_equal(f.type, FRAME_RLC_REPAIR);
    assert_int_equal(f.u.rlc_repair.first, 300);
    assert_int_equal(f.u.rlc_repair.n, 64);
    assert_int_equal(f.u.rlc_repair.seed, 0x1234);
    assert_int_equal(f.u.rlc_repair.symbol_len, 6);
    assert_memory_equal(f.u.rlc_repair.symbol, "symbol", 6);
    free(copy);
    assert_int_equal(VERDICT(0x0b, 0, 1, 0, 0, 0, 0), 1);
    assert_int_equal(VERDICT(0x0b, 0, 0, 0, 0, 0, 0), -EBADMSG);
    assert_int_equal(VERDICT(0x0b, 0, 65, 0, 0, 0, 0), -EBADMSG);
    assert_int_equal(VERDICT(0x0b, 0, 1, 0, 0, 0), -EBADMSG); /* a symbol has a length at least */
    p = frame_put_rlc_repair_hdr(buf, VARINT_MAX - 64, 1, 0);
    assert_int_equal(verdict(buf, (size_t)(p - buf) + 2, false), 1);
    p = frame_put_rlc_repair_hdr(buf, VARINT_MAX - 63, 1, 0); /* its window may end too far */
    assert_int_equal(verdict(buf, (size_t)(p - buf) + 2, false), -EBADMSG);
}

static void reports_of_recovery(void **state)
{
    uint8_t buf[FRAME_CONTROL_MAX], *copy;

    (void)state;
    assert_int_equal(frame_put_recovered(buf, true, 70, UINT64_C(0x8000000000000001)) - buf, 12);
    assert_memory_equal(buf, "\x0c\x01\x40\x46\x80\0\0\0\0\0\0\x01", 12);
    struct frame f = parse(buf, 12, &copy);

    assert_int_equal(f.type, FRAME_FEC_RECOVERED);
    assert_int_equal(f.u.recovered.window, 1);
    assert_int_equal(f.u.recovered.first, 70);
    assert_int_equal(f.u.recovered.mask, UINT64_C(0x8000000000000001));
    free(copy);
    assert_int_equal(VERDICT(0x0c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), 1);
    assert_int_equal(VERDICT(0x0c, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0), -EBADMSG);
    assert_int_equal(VERDICT(0x0c, 0, 0, 0, 0, 0, 0, 0, 0, 0), -EBADMSG);
}

static void tickets(void **state)
{
    uint8_t longest[FRAME_TICKET_MAX], buf[2 + FRAME_TICKET_MAX + 1], *copy;
    uint8_t *end = frame_put_ticket(buf, (const uint8_t *)"abc", 3);

    (void)state;
    assert_int_equal(end - buf, 5);
    assert_memory_equal(buf,
                        "\x28\x03"
                        "abc",
                        5);
    struct frame f = parse(buf, 5, &copy);

    assert_int_equal(f.type, FRAME_TICKET);
    assert_int_equal(f.u.ticket.len, 3);
    assert_memory_equal(f.u.ticket.bytes, "abc", 3);
    free(copy);
    memset(longest, 't', sizeof(longest));
    end = frame_put_ticket(buf, longest, FRAME_TICKET_MAX);
    assert_int_equal(verdict(buf, (size_t)(end - buf), false), 1);
    buf[1]++;
    assert_int_equal(verdict(buf, sizeof(buf), false), -EBADMSG);
    assert_int_equal(VERDICT(0x28, 0), -EBADMSG);
    assert_int_equal(VERDICT(0x28, 2, 'a'), -EBADMSG);
}

static bool is_legal_inside(unsigned type)
{
    return type <= 1 || (type & ~0x2fu) == 0x10 || (type & ~1u) == 0x20;
}

/* Every type byte: known ones need their fields, all others are refused. */
static void types(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 256; type++) {
        bool known = is_legal_inside(type) || type <= 0x0f || (type >= 0x22 && type <= 0x28);
        uint8_t frame[12] = {(uint8_t)type};

        if (type == FRAME_FEC_REPAIR || type == FRAME_RLC_REPAIR)
            frame[2] = frame[3] = 1;
        if (type == FRAME_TICKET)
            frame[1] = 1;
        if ((type & 0x32) == 0x30) /* compressed without FIN */
            known = false;
        int expected = type == 0 ? 0 : known ? 1 : -EBADMSG;

        assert_int_equal(verdict(frame, sizeof(frame), false), expected);
        assert_int_equal(verdict(frame, sizeof(frame), true),
                         is_legal_inside(type) ? expected : -EBADMSG);
    }
    assert_int_equal(VERDICT(0x40, 0x01), -EBADMSG); /* PING, not in its shortest form */
    assert_int_equal(INNER(0x02, 5, 0, 0, 0), -EBADMSG);
}

/* ---- random packets ---- */

static struct frame_ack_range random_ranges[FRAME_ACK_RANGES_MAX];

static unsigned random_ack(struct rng *rng)
{
    unsigned n = 1 + (unsigned)rng_below(rng, FRAME_ACK_RANGES_MAX);
    uint64_t low = rng_next(rng) >> (3 + rng_below(rng, 40));

    for (unsigned i = n; i-- > 0;) { /* ascending from the last */
        random_ranges[i].first = low;
        random_ranges[i].last = low + rng_below(rng, 1 + rng_next(rng) % 100000);
        low = random_ranges[i].last + 2 + rng_below(rng, 3 + rng_next(rng) % 1000);
    }
    return n;
}

static uint64_t random_varint(struct rng *rng)
{
    return rng_next(rng) >> (2 + rng_below(rng, 62));
}

/* Write a random frame of that type, which is not the last one in its packet, with what it should
 * be read as. */
static uint8_t *put_random(struct rng *rng, enum frame_type type, uint8_t *p, struct frame *f)
{
    uint64_t a = random_varint(rng), b = random_varint(rng);
    uint32_t len = (uint32_t)rng_below(rng, 40);

    memset(f, 0, sizeof(*f));
    f->type = (uint8_t)type;
    switch (type) {
    case FRAME_PING:
        return frame_put_ping(p);
    case FRAME_ACK:
        f->u.ack.n = random_ack(rng);
        f->u.ack.largest = random_ranges[0].last;
        f->u.ack.delay_us = a;
        f->u.ack.ect = b;
        f->u.ack.ce = len;
        memcpy(f->u.ack.ranges, random_ranges, f->u.ack.n * sizeof(random_ranges[0]));
        return frame_put_ack_ecn(p, a, b, len, random_ranges, f->u.ack.n);
    case FRAME_CLOSE:
        f->u.close.code = a;
        f->u.close.reason_len = 3;
        return frame_put_close(p, a, "why");
    case FRAME_PATH_CHALLENGE:
        return frame_put_path(p, type, (const uint8_t *)"\1\2\3\4\5\6\7\xff");
    case FRAME_FEC_SOURCE:
        f->u.fec_source.block = a;
        f->u.fec_source.index = b & 63;
        f->u.fec_source.symbol_len = 2;
        return frame_put_fec_source_hdr(p, a, b & 63, 0);
    case FRAME_RLC_SOURCE:
        f->u.rlc_source.id = a;
        f->u.rlc_source.symbol_len = 2;
        return frame_put_rlc_source_hdr(p, a, 0);
    case FRAME_FEC_RECOVERED:
        f->u.recovered.window = b & 1;
        f->u.recovered.first = a;
        f->u.recovered.mask = rng_next(rng);
        return frame_put_recovered(p, b & 1, a, f->u.recovered.mask);
    case FRAME_TICKET:
        f->u.ticket.len = 1 + len;
        return frame_put_ticket(p, (const uint8_t *)"a ticket of 40 bytes or of less than that",
                                1 + len);
    case FRAME_FORWARD:
        f->u.control.stream = len;
        f->u.control.value = a;
        f->u.control.total = b;
        return frame_put_control(p, type, len, a, b);
    case FRAME_STREAM:
        f->u.stream.id = a & 0xffff;
        f->u.stream.seq = b;
        f->u.stream.offset = (uint32_t)rng_below(rng, 2) * (a & 0xffffff) / 2;
        f->u.stream.fin = b & 1;
        f->u.stream.unordered = a & 1;
        f->u.stream.compressed = f->u.stream.fin && (a & 2);
        f->u.stream.len = len;
        p = frame_put_stream_flags(p,
                                   FRAME_STREAM_LEN | (b & 1 ? FRAME_STREAM_FIN : 0) |
                                       (a & 1 ? FRAME_STREAM_UNORDERED : 0) |
                                       (f->u.stream.compressed ? FRAME_STREAM_COMPRESSED : 0),
                                   a & 0xffff, b, f->u.stream.offset, len);
        break;
    default:
        f->u.datagram.len = len;
        *p++ = FRAME_DATAGRAM | FRAME_DATAGRAM_LEN;
        p = varint_put(p, len);
    }
    rng_fill(rng, p, len);
    return p + len;
}

/* Equal but for pointers. */
static void assert_same(const struct frame *got, const struct frame *f)
{
    assert_int_equal(got->type, f->type);
    switch (f->type) {
    case FRAME_ACK:
        assert_int_equal(got->u.ack.n, f->u.ack.n);
        assert_int_equal(got->u.ack.largest, f->u.ack.largest);
        assert_int_equal(got->u.ack.delay_us, f->u.ack.delay_us);
        assert_int_equal(got->u.ack.ect, f->u.ack.ect);
        assert_int_equal(got->u.ack.ce, f->u.ack.ce);
        assert_memory_equal(got->u.ack.ranges, f->u.ack.ranges,
                            f->u.ack.n * sizeof(f->u.ack.ranges[0]));
        break;
    case FRAME_CLOSE:
        assert_int_equal(got->u.close.code, f->u.close.code);
        assert_int_equal(got->u.close.reason_len, f->u.close.reason_len);
        break;
    case FRAME_FEC_SOURCE:
        assert_int_equal(got->u.fec_source.block, f->u.fec_source.block);
        assert_int_equal(got->u.fec_source.index, f->u.fec_source.index);
        assert_int_equal(got->u.fec_source.symbol_len, f->u.fec_source.symbol_len);
        break;
    case FRAME_STREAM:
        assert_int_equal(got->u.stream.id, f->u.stream.id);
        assert_int_equal(got->u.stream.seq, f->u.stream.seq);
        assert_int_equal(got->u.stream.offset, f->u.stream.offset);
        assert_int_equal(got->u.stream.fin, f->u.stream.fin);
        assert_int_equal(got->u.stream.unordered, f->u.stream.unordered);
        assert_int_equal(got->u.stream.compressed, f->u.stream.compressed);
        assert_int_equal(got->u.stream.len, f->u.stream.len);
        break;
    case FRAME_DATAGRAM:
        assert_int_equal(got->u.datagram.len, f->u.datagram.len);
        break;
    case FRAME_RLC_SOURCE:
        assert_int_equal(got->u.rlc_source.id, f->u.rlc_source.id);
        assert_int_equal(got->u.rlc_source.symbol_len, f->u.rlc_source.symbol_len);
        break;
    case FRAME_FEC_RECOVERED:
        assert_int_equal(got->u.recovered.window, f->u.recovered.window);
        assert_int_equal(got->u.recovered.first, f->u.recovered.first);
        assert_int_equal(got->u.recovered.mask, f->u.recovered.mask);
        break;
    case FRAME_TICKET:
        assert_int_equal(got->u.ticket.len, f->u.ticket.len);
        break;
    case FRAME_FORWARD:
        assert_int_equal(got->u.control.stream, f->u.control.stream);
        assert_int_equal(got->u.control.value, f->u.control.value);
        assert_int_equal(got->u.control.total, f->u.control.total);
        break;
    }
}

/* Read everything in exactly n bytes; how it ended. A sanitizer watches the edge. */
static int read_all(const uint8_t *bytes, size_t n, bool inner)
{
    uint8_t *copy = exact_copy(bytes, n);
    const uint8_t *p = copy;
    struct frame f;
    int got;

    do {
        got = frame_next(&p, copy + n, inner, &f);
        assert_true(p <= copy + n);
        if (got == 1 && f.type == FRAME_STREAM)
            assert_true(f.u.stream.data >= copy && f.u.stream.data + f.u.stream.len <= copy + n);
        if (got == 1 && f.type == FRAME_DATAGRAM)
            assert_true(f.u.datagram.data >= copy &&
                        f.u.datagram.data + f.u.datagram.len <= copy + n);
    } while (got == 1);
    free(copy);
    return got;
}

static void random_packets(void **state)
{
    static const enum frame_type kinds[] = {
        FRAME_PING,          FRAME_ACK,    FRAME_CLOSE,    FRAME_PATH_CHALLENGE,
        FRAME_FEC_SOURCE,    FRAME_STREAM, FRAME_DATAGRAM, FRAME_RLC_SOURCE,
        FRAME_FEC_RECOVERED, FRAME_TICKET, FRAME_FORWARD,
    };
    enum { KINDS = sizeof(kinds) / sizeof(*kinds), FRAMES = 6 };
    struct rng rng = rng_new(7);

    (void)state;
    for (int i = 0; i < 3000; i++) {
        uint8_t packet[FRAMES * (600 + 4)], *end = packet;
        const uint8_t *p = packet;
        static struct frame frames[FRAMES], got;

        for (int j = 0; j < FRAMES; j++) {
            end = put_random(&rng, kinds[rng_below(&rng, KINDS)], end, &frames[j]);
            while (rng_below(&rng, 4) == 0)
                *end++ = FRAME_PADDING;
        }
        for (int j = 0; j < FRAMES; j++) {
            assert_int_equal(frame_next(&p, end, false, &got), 1);
            assert_same(&got, &frames[j]);
        }
        assert_int_equal(frame_next(&p, end, false, &got), 0);
        size_t n = (size_t)(end - packet);
        for (size_t cut = 0; cut < n; cut++) {
            read_all(packet, cut, false);
            read_all(packet, cut, true);
        }
        packet[rng_below(&rng, n)] ^= (uint8_t)(1 << rng_below(&rng, 8));
        read_all(packet, n, false);
    }
}

/* A frame that says its own length is refused at every cut. */
static void every_truncation(void **state)
{
    static const enum frame_type kinds[] = {
        FRAME_ACK,      FRAME_CLOSE,      FRAME_PATH_CHALLENGE, FRAME_FEC_SOURCE, FRAME_STREAM,
        FRAME_DATAGRAM, FRAME_RLC_SOURCE, FRAME_FEC_RECOVERED,  FRAME_TICKET,     FRAME_FORWARD,
    };
    enum { KINDS = sizeof(kinds) / sizeof(*kinds) };
    struct rng rng = rng_new(8);

    (void)state;
    for (int i = 0; i < 3000; i++) {
        uint8_t bytes[1000];
        static struct frame f;
        size_t n = (size_t)(put_random(&rng, kinds[i % KINDS], bytes, &f) - bytes);

        assert_int_equal(read_all(bytes, n, false), 0);
        for (size_t cut = 1; cut < n; cut++)
            assert_int_equal(read_all(bytes, cut, false), -EBADMSG);
    }
}

static void header_sizes(void **state)
{
    struct rng rng = rng_new(9);

    (void)state;
    for (int i = 0; i < 20000; i++) {
        uint8_t buf[FRAME_STREAM_HDR_MAX];
        uint32_t id = random_varint(&rng) & 0xffff, offset = random_varint(&rng) & 0xffffff;
        uint64_t seq = random_varint(&rng);
        uint8_t *end = frame_put_stream_hdr(buf, id, seq, offset, true);

        assert_int_equal(end - buf, frame_stream_hdr_size(id, seq, offset));
        end = frame_put_stream_hdr_len(buf, id, seq, offset, true, 9000);
        assert_true(end - buf <= FRAME_STREAM_HDR_MAX);
        end = frame_put_fec_source_hdr(buf, seq, 5, 0);
        assert_int_equal(end - buf, frame_fec_source_hdr_size(seq));
        assert_true(end - buf <= FRAME_FEC_HDR_MAX);
        end = frame_put_fec_repair_hdr(buf, seq, 1, 1, 0);
        assert_true(end - buf <= FRAME_FEC_HDR_MAX);
        end = frame_put_rlc_source_hdr(buf, seq, 0);
        assert_int_equal(end - buf, frame_rlc_source_hdr_size(seq));
        end = frame_put_rlc_repair_hdr(buf, seq, 1, 0);
        assert_true(end - buf <= FRAME_FEC_HDR_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(padding_and_ping),
        cmocka_unit_test(stream_bytes),
        cmocka_unit_test(stream_limits),
        cmocka_unit_test(datagrams),
        cmocka_unit_test(acks),
        cmocka_unit_test(ack_refusals),
        cmocka_unit_test(closes_and_paths),
        cmocka_unit_test(fec_sources),
        cmocka_unit_test(fec_repairs),
        cmocka_unit_test(stream_flags),
        cmocka_unit_test(acks_with_ecn),
        cmocka_unit_test(controls),
        cmocka_unit_test(rlc_sources),
        cmocka_unit_test(rlc_repairs),
        cmocka_unit_test(reports_of_recovery),
        cmocka_unit_test(tickets),
        cmocka_unit_test(types),
        cmocka_unit_test(random_packets),
        cmocka_unit_test(every_truncation),
        cmocka_unit_test(header_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
