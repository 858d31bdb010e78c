/* Calls what the receive path runs per packet a fixed number of times. */
#include "ack.h"
#include "calls.h"
#include "frame.h"
#include "replay.h"
#include "streams.h"
#include "toeplitz.h"
#include "wire.h"

static const char usage[] =
    "usage: bench_parse [--json] COUNT    calls of each, in batches of 1024\n";

enum { PACKETS = 64, DATA = 64 };

static struct {
    uint8_t bytes[WIRE_DATA_HDR + FRAME_STREAM_HDR_MAX + DATA + WIRE_OVERHEAD_MAX];
    size_t frames_len;
} packets[PACKETS];

static void make_packets(void)
{
    for (unsigned i = 0; i < PACKETS; i++) {
        uint8_t *p = packets[i].bytes + WIRE_DATA_HDR;

        wire_data_hdr_put(packets[i].bytes, 0x12345678 + i, 1000000 + i);
        p = frame_put_stream_hdr(p, i % 4, 5000 + i, i % 2 ? 40000 : 0, i % 2);
        packets[i].frames_len = (size_t)(p + DATA - packets[i].bytes - WIRE_DATA_HDR);
    }
}

static uint64_t classify(void)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < CALLS; i++) {
        struct wire_info info;

        sum += wire_classify(packets[i % PACKETS].bytes, 1400, &info);
        sum += info.pn;
    }
    return sum;
}

static uint64_t parse_stream(void)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < CALLS; i++) {
        const uint8_t *p = packets[i % PACKETS].bytes + WIRE_DATA_HDR;
        struct frame f;

        sum += (uint64_t)frame_next(&p, p + packets[i % PACKETS].frames_len, false, &f);
        sum += f.u.stream.seq;
    }
    return sum;
}

static uint64_t hash_spi(void)
{
    static uint8_t key[TOEPLITZ_KEY_LEN] = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2};
    uint64_t sum = 0;

    for (unsigned i = 0; i < CALLS; i++)
        sum += toeplitz_spi(key, 0x01000000 + i);
    return sum;
}

static uint64_t ack_ranges_of_lossy(void)
{
    struct frame_ack_range ranges[FRAME_ACK_RANGES_MAX];
    struct replay lossy = {0};
    uint64_t sum = 0;

    for (uint64_t pn = 0; pn < REPLAY_WINDOW; pn++)
        if (pn % 20)
            replay_commit(&lossy, pn);
    for (unsigned i = 0; i < CALLS; i++)
        sum += ack_ranges(&lossy, ranges, FRAME_ACK_RANGES_MAX) + ranges[0].last;
    return sum;
}

int main(int argc, char **argv)
{
    report_begin(&argc, argv, usage);
    if (argc != 2)
        report_usage("wrong number of arguments");
    unsigned long batches = (report_number(argv[1], 1, 1000000000) + CALLS - 1) / CALLS;

    make_packets();
    calls_report("classify", classify, batches);
    calls_report("parse_stream", parse_stream, batches);
    calls_report("toeplitz_spi", hash_spi, batches);
    calls_report("ack_ranges", ack_ranges_of_lossy, batches);
    report_end();
    return 0;
}
