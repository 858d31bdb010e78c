/* Installs many sessions on one worker and prints what they take: memory, time to install, time of
 * a packet that hits one of them at random, and time of the worker's turns while nothing comes in.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ingress.h"
#include "pipeline.h"
#include "plane.h"
#include "report.h"
#include "stopwatch.h"

static const char usage[] = "usage: bench_sessions [--json] COUNT [full]    1 to 1000000\n";

enum { PACKETS = 200000, TURNS = 1000, SIZE = 64, SPI_FIRST = 0x1000000 };

static double resident_mib(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    if (f && fscanf(f, "%*s %ld", &pages) != 1)
        pages = 0;
    if (f)
        fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

/* All sessions have the same secrets, so that one client can speak for each. SPIs count up: the
 * table mixes them. */
static void install(struct plane *plane, const struct client *c, uint32_t spi, bool full)
{
    const struct jp_ipc_credit credit = {1 << 18, 1 << 15, 1 << 14};
    struct jp_ipc_install in = {
        .path = c->path,
        .server_spi = spi,
        .client_spi = c->client_spi,
        .idle_timeout_ms = 60000,
        .max_streams = 100,
        .max_packet = 1472,
        .alg = (uint8_t)c->alg,
    };

    if (full) {
        in.our_max_streams = 100;
        in.ours = in.theirs = credit;
    }

    if (session_install(plane->dp.lcore[0], &in) != 0) {
        report_fail("a session was refused");
    }
}

/* The median burst's share. */
static double time_packets(struct plane *plane, struct client *c, uint32_t count)
{
    const uint8_t datagram[SIZE] = {FRAME_DATAGRAM};
    static uint64_t spent[PACKETS / BURST_MAX];

    for (unsigned n = 0; n < RTE_DIM(spent); n++) {
        struct burst b;

        for (unsigned i = 0; i < BURST_MAX; i++) {
            c->server_spi = SPI_FIRST + (uint32_t)(random() % count);
            client_send(c, datagram, sizeof(datagram));
        }
        b.n = (uint16_t)rte_ring_dequeue_burst(plane->in[0][0], (void **)b.m, BURST_MAX, NULL);
        b.port = 0;
        struct stopwatch watch = stopwatch_now();

        pipeline_rx(plane->dp.lcore[0], &b);
        spent[n] = stopwatch_since(watch).ns;
    }
    return (double)report_median(spent, RTE_DIM(spent)) / BURST_MAX;
}

static void time_turns(struct plane *plane)
{
    uint64_t sum = 0, worst = 0;
    uint64_t acks;

    do { /* what the packets left to be acknowledged */
        acks = plane_count(plane, JP_acks_sent);
        plane_pass(plane, ACK_DELAY_US + TIMER_TICK_US);
        plane_ignore_sent(plane);
    } while (plane_count(plane, JP_acks_sent) > acks);

    for (unsigned i = 0; i < TURNS; i++) {
        plane->dp.lcore[0]->now = plane->now += TIMER_TICK_US;
        struct stopwatch watch = stopwatch_now();

        worker_turn(plane->dp.lcore[0]);
        uint64_t ns = stopwatch_since(watch).ns;

        sum += ns;
        worst = RTE_MAX(worst, ns);
        plane_ignore_sent(plane);
    }
    report("turn.mean", (double)sum / TURNS / 1000, "us"); /* one a millisecond */
    report("turn.worst", (double)worst / 1000, "us");
}

int main(int argc, char **argv)
{
    report_begin(&argc, argv, usage);
    bool full = argc == 3 && strcmp(argv[2], "full") == 0;

    if (argc != 2 + full)
        report_usage("wrong arguments");
    uint32_t count = (uint32_t)report_number(argv[1], 1, 1000000);
    void *state;

    plane_setup(&state);
    struct plane *plane = state;
    struct client c = client_new(plane, 0, 0);
    const uint8_t secret[KDF_HASH_LEN] = {0};
    double before = resident_mib();
    struct stopwatch watch = stopwatch_now();

    c.path.our_port = PLANE_DISCARD;
    epoch_tx_init(&c.tx, plane->aead, c.alg, secret);
    for (uint32_t i = 0; i < count; i++)
        install(plane, &c, SPI_FIRST + i, full);
    watch = stopwatch_since(watch);
    double mib = resident_mib() - before;

    report("memory", mib, "MiB");
    report("memory.each", mib * (1 << 20) / count, "bytes/session");
    report("install.us", (double)watch.ns / count / 1000, "us");
    report("packet.ns", time_packets(plane, &c, count), "ns/packet");
    time_turns(plane);
    if (plane_count(plane, JP_auth_failed) + plane_count(plane, JP_unknown_spi) > 0)
        report_fail("packets were refused");
    report_end();
    return 0;
}
