/* Calls what the receive path runs per packet a fixed number of times and prints what one call
 * costs: the median batch's share, with everything in the caches. */
#include <stdio.h>
#include <stdlib.h>

#include "ack.h"
#include "frame.h"
#include "reorder.h"
#include "replay.h"
#include "stopwatch.h"
#include "streams.h"
#include "toeplitz.h"
#include "wire.h"

enum { CALLS = 1024, PACKETS = 64, BATCHES = 2001, DATA = 64 };

static struct {
    uint8_t bytes[WIRE_DATA_HDR + FRAME_STREAM_HDR_MAX + DATA + WIRE_OVERHEAD_MAX];
    size_t frames_len;
} packets[PACKETS];
static struct replay window;
static uint64_t next_pn;

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

static uint64_t replay_in_order(void)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < CALLS; i++) {
        sum += replay_check(&window, next_pn);
        sum += replay_commit(&window, next_pn++);
    }
    return sum;
}

/* Pairs change places: half the numbers are behind the highest. */
static uint64_t replay_swapped(void)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < CALLS; i++, next_pn++) {
        sum += replay_check(&window, next_pn ^ 1);
        sum += replay_commit(&window, next_pn ^ 1);
    }
    return sum;
}

static uint64_t hash_spi(void)
{
    static uint8_t key[TOEPLITZ_KEY_LEN] = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2};
    uint64_t sum = 0;

    for (unsigned i = 0; i < CALLS; i++)
        sum += toeplitz_spi(key, (uint32_t)next_pn + i);
    return sum;
}

static const struct reorder_limits limits = {.max_held = 1024, .timeout_us = 20000};

static uint64_t reorder_in_order(void)
{
    static struct reorder_stream stream;
    struct reorder_node node = {.len = DATA, .fin = true}, *out;
    uint32_t held = 0;
    uint64_t sum = 0;

    for (unsigned i = 0; i < CALLS; i++) {
        node.seq = stream.next_seq;
        sum += reorder_push(&stream, &held, &limits, &node, i, &out);
    }
    return sum;
}

/* All are held behind one gap, come in order, and leave when it fills. */
static uint64_t reorder_behind_gap(void)
{
    static struct reorder_node nodes[CALLS];
    struct reorder_stream stream = {0};
    struct reorder_node *out;
    uint32_t held = 0;
    uint64_t sum = 0;

    for (unsigned i = 1; i <= CALLS; i++) {
        struct reorder_node *node = &nodes[i % CALLS];

        *node = (struct reorder_node){.seq = i % CALLS, .len = DATA, .fin = true};
        sum += reorder_push(&stream, &held, &limits, node, i, &out);
    }
    return sum;
}

/* Every other, then those between, first to last: each walks from the tail. */
static uint64_t reorder_worst(void)
{
    static struct reorder_node nodes[CALLS];
    struct reorder_stream stream = {0};
    struct reorder_node *out;
    uint32_t held = 0;
    uint64_t sum = 0;

    for (unsigned i = 0; i < CALLS; i++) {
        uint64_t seq = 1 + (i < CALLS / 2 ? 2 * i + 1 : 2 * (i - CALLS / 2));

        nodes[i] = (struct reorder_node){.seq = seq, .len = DATA, .fin = true};
        sum += reorder_push(&stream, &held, &limits, &nodes[i], i, &out);
    }
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

static int compare_cycles(const void *a, const void *b)
{
    const struct stopwatch *x = a, *y = b;

    return (x->ns > y->ns) - (x->ns < y->ns);
}

static uint64_t run(const char *name, uint64_t (*batch)(void))
{
    static struct stopwatch times[BATCHES];
    uint64_t sum = 0;

    for (unsigned i = 0; i < BATCHES; i++) {
        struct stopwatch start = stopwatch_now();

        sum += batch();
        times[i] = stopwatch_since(start);
    }
    qsort(times, BATCHES, sizeof(*times), compare_cycles);
    printf("%-34s %8.1f cycles %8.2f ns\n", name, (double)times[BATCHES / 2].cycles / CALLS,
           (double)times[BATCHES / 2].ns / CALLS);
    return sum;
}

int main(void)
{
    uint64_t sum = 0;

    make_packets();
    sum += run("wire_classify", classify);
    sum += run("frame_next, STREAM", parse_stream);
    sum += run("replay check + commit, in order", replay_in_order);
    sum += run("replay check + commit, swapped", replay_swapped);
    sum += run("toeplitz_spi", hash_spi);
    sum += run("reorder_push, in order", reorder_in_order);
    sum += run("reorder_push, 1023 behind a gap", reorder_behind_gap);
    sum += run("reorder_push, worst order of 1024", reorder_worst);
    sum += run("ack_ranges, every 20th lost", ack_ranges_of_lossy);
    return sum == 0;
}
