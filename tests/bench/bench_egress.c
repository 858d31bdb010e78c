/* Takes a fixed number of packets through the transmit path, stage by stage, to a port that keeps
 * them in a ring, and prints what a packet costs in each: the median over stretches of 1024
 * packets, which other work on the machine hardly moves. */
#include <stdio.h>
#include <stdlib.h>

#include "rig.h"
#include "stages.h"
#include "stopwatch.h"

static const char usage[] = "usage: bench_egress IP SIZE COUNT [SESSIONS [K R]]\n"
                            "  IP        4, or 6 with a UDP checksum computed\n"
                            "  SIZE      bytes of data a packet, 1 to 1400, as one STREAM message\n"
                            "  COUNT     packets, in bursts of 64, at least 1024\n"
                            "  SESSIONS  to go round, one a packet (default 1, at most 50000)\n"
                            "  K R       FEC, for at most 4 sessions: sources a block and repairs; "
                            "their cost is counted too\n";

enum { SESSIONS_MAX = 50000, STRETCH = 1024 };

enum stage { SUBMIT, SCHEDULE, FRAME, FEC, ENCRYPT, TX, STAGES };
static const char *const names[STAGES] = {"submit", "schedule", "frame", "fec", "encrypt", "tx"};
static struct stopwatch cost[STAGES]; /* of this stretch */

static unsigned long number(const char *text, unsigned long max)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    if (*end != '\0' || n > max) {
        fprintf(stderr, "bench_egress: %s is out of range\n%s", text, usage);
        exit(2);
    }
    return n;
}

static struct stopwatch lap(enum stage stage, struct stopwatch start)
{
    struct stopwatch took = stopwatch_since(start);

    cost[stage].ns += took.ns;
    cost[stage].cycles += took.cycles;
    return stopwatch_now();
}

/* What egress_run does, timed. */
static void run(struct lcore *lc)
{
    struct egress *e = lc->egress;

    e->running = true;
    while (e->head != e->tail) {
        struct stopwatch t = stopwatch_now();

        schedule_burst(e);
        t = lap(SCHEDULE, t);
        frame_burst(&e->burst);
        t = lap(FRAME, t);
        fec_burst(lc, &e->burst);
        t = lap(FEC, t);
        encrypt_burst(lc, &e->burst);
        t = lap(ENCRYPT, t);
        tx_burst(lc, &e->burst);
        lap(TX, t);
    }
    e->head = e->tail = 0;
    e->running = false;
}

static void burst(struct rig *rig, struct rig_session **rs, unsigned sessions, unsigned long first,
                  uint32_t size)
{
    static struct rte_mbuf *sent[RIG_OUT_MAX];
    struct rte_mbuf *m[BURST_MAX];

    for (unsigned i = 0; i < BURST_MAX; i++) {
        m[i] = rig_data(rig, 70, size, 0);
        packet_of(m[i])->stream_id = 1;
        packet_of(m[i])->node = (struct reorder_node){.seq = first / sessions, .fin = true};
    }
    rs[first % sessions]->s.tx.acked = true; /* as if the client answered */
    struct stopwatch t = stopwatch_now();

    for (unsigned i = 0; i < BURST_MAX; i++)
        egress_data(&rig->lc, &rs[(first + i) % sessions]->s, m[i]);
    lap(SUBMIT, t);
    run(&rig->lc);
    rte_pktmbuf_free_bulk(sent, rig_sent(sent, RIG_OUT_MAX));
}

static int compare_ns(const void *a, const void *b)
{
    uint64_t x = ((const struct stopwatch *)a)->ns, y = ((const struct stopwatch *)b)->ns;

    return (x > y) - (x < y);
}

static void print_line(const char *name, const struct stopwatch *median)
{
    printf("%-8s %7.1f ns  %7.1f cycles\n", name, (double)median->ns / STRETCH,
           (double)median->cycles / STRETCH);
}

/* stretches[stage * n + i]: the cost of stretch i. */
static void print(struct stopwatch *stretches, unsigned long n)
{
    struct stopwatch all = {0, 0};

    for (unsigned stage = 0; stage < STAGES; stage++) {
        struct stopwatch *of_stage = stretches + stage * n, *median = of_stage + n / 2;

        qsort(of_stage, n, sizeof(*of_stage), compare_ns);
        print_line(names[stage], median);
        all.ns += median->ns;
        all.cycles += median->cycles;
    }
    print_line("all", &all);
}

int main(int argc, char **argv)
{
    static struct rig_session *rs[SESSIONS_MAX];

    if (argc < 4 || argc > 7 || argc == 6 || atol(argv[3]) < STRETCH) {
        fputs(usage, stderr);
        return 2;
    }
    bool v6 = number(argv[1], 6) == 6;
    uint32_t size = (uint32_t)number(argv[2], 1400);
    unsigned long n = number(argv[3], 1000000000) / STRETCH;
    unsigned sessions = argc > 4 ? (unsigned)number(argv[4], SESSIONS_MAX) : 1;
    unsigned k = argc > 5 ? (unsigned)number(argv[5], FEC_K_MAX) : 0;
    unsigned r = argc > 5 ? (unsigned)number(argv[6], FEC_R_MAX) : 0;
    struct stopwatch *stretches = calloc(n * STAGES, sizeof(*stretches));
    struct rig *rig = rig_start();

    for (unsigned i = 0; i < sessions; i++) {
        rs[i] = rig_session(rig, v6 ? &rig->path6 : &rig->path4, AEAD_AES256_GCM);
        if (egress_session_start(&rig->lc, &rs[i]->s, k, r) != 0) {
            fputs(usage, stderr);
            return 2;
        }
    }
    for (unsigned long i = 0; i < n; i++) {
        memset(cost, 0, sizeof(cost));
        for (unsigned j = 0; j < STRETCH; j += BURST_MAX)
            burst(rig, rs, sessions, i * STRETCH + j, size);
        for (unsigned stage = 0; stage < STAGES; stage++)
            stretches[stage * n + i] = cost[stage];
    }
    print(stretches, n);
    return 0;
}
