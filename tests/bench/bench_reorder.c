/* Pushes a fixed number of fragments through one stream's reordering. */
#include "calls.h"
#include "reorder.h"

static const char usage[] = "usage: bench_reorder [--json] COUNT    packets, in batches of 1024\n";

enum { DATA = 64 };

static const struct reorder_limits limits = {.max_held = CALLS, .timeout_us = 20000};

static struct reorder_node node_of(uint64_t seq)
{
    return (struct reorder_node){.seq = seq, .len = DATA, .fin = true};
}

static uint64_t in_order(void)
{
    static struct reorder_stream stream;
    struct reorder_node node, *out;
    uint32_t held = 0;
    uint64_t sum = 0;

    for (unsigned i = 0; i < CALLS; i++) {
        node = node_of(stream.next_seq);
        sum += reorder_push(&stream, &held, &limits, &node, i, &out);
    }
    return sum;
}

/* Push messages 0 to 1023 in the order that seq_of gives; all have left at the end. */
static uint64_t push_all(uint64_t (*seq_of)(unsigned i))
{
    static struct reorder_node nodes[CALLS];
    struct reorder_stream stream = {0};
    struct reorder_node *out;
    uint32_t held = 0;
    uint64_t sum = 0;

    for (unsigned i = 0; i < CALLS; i++) {
        nodes[i] = node_of(seq_of(i));
        sum += reorder_push(&stream, &held, &limits, &nodes[i], i, &out);
    }
    if (held != 0)
        report_fail("packets are held that lack nothing");
    return sum;
}

static uint64_t seq_swapped(unsigned i)
{
    return i ^ 1;
}

static uint64_t swapped(void)
{
    return push_all(seq_swapped);
}

static uint64_t seq_first_last(unsigned i)
{
    return (i + 1) % CALLS;
}

/* All are held behind one gap, come in order, and leave when it fills. */
static uint64_t behind_gap(void)
{
    return push_all(seq_first_last);
}

static uint64_t seq_worst(unsigned i)
{
    if (i == CALLS - 1)
        return 0;
    return 1 + (i < CALLS / 2 ? 2 * i : 2 * (i - CALLS / 2) + 1);
}

/* Every other, then those between, first to last, then the first: each walks from the tail. */
static uint64_t worst(void)
{
    return push_all(seq_worst);
}

int main(int argc, char **argv)
{
    report_begin(&argc, argv, usage);
    if (argc != 2)
        report_usage("wrong number of arguments");
    unsigned long batches = (report_number(argv[1], 1, 1000000000) + CALLS - 1) / CALLS;

    calls_report("in_order", in_order, batches);
    calls_report("swapped", swapped, batches);
    calls_report("behind_gap", behind_gap, batches);
    calls_report("worst", worst, batches < 100 ? batches : 100);
    report_end();
    return 0;
}
