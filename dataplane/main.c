/* jetplane-dp: set everything up, let the workers run, serve the control socket until told to stop.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/capability.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_version.h>
#include <sodium.h>

#include "confine.h"
#include "eal.h"
#include "fec.h"
#include "memory.h"
#include "relay.h"
#include "reset.h"
#include "rest.h"
#include "session.h"
#include "setup.h"
#include "transport/transport.h"

enum { STOP_S = 3 }; /* longer than workers take */

static struct dataplane dp;
static bool stop_workers; /* atomic */
static volatile sig_atomic_t stop_asked;

static const char usage[] =
    "usage: jetplane-dp --config FILE [--check] [--verbose]\n"
    "\n"
    "  -c, --config FILE  the configuration, YAML; everything else is in it\n"
    "      --check        check the configuration and exit\n"
    "  -v, --verbose      let DPDK say all it has to say\n"
    "      --version      show the version and exit\n"
    "  -h, --help         show this and exit\n";

struct options {
    const char *config;
    bool check, verbose;
};

/* Exits when there is nothing to run. */
static struct options options_parse(int argc, char **argv)
{
    enum { OPT_CHECK = 256, OPT_VERSION };
    static const struct option longs[] = {
        {"config", required_argument, NULL, 'c'}, {"check", no_argument, NULL, OPT_CHECK},
        {"verbose", no_argument, NULL, 'v'},      {"version", no_argument, NULL, OPT_VERSION},
        {"help", no_argument, NULL, 'h'},         {0},
    };
    struct options o = {0};
    int opt;

    while ((opt = getopt_long(argc, argv, "c:vh", longs, NULL)) != -1) {
        switch (opt) {
        case 'c':
            o.config = optarg;
            break;
        case OPT_CHECK:
            o.check = true;
            break;
        case 'v':
            o.verbose = true;
            break;
        case OPT_VERSION:
            printf("jetplane-dp %s, %s\n", JP_VERSION, rte_version());
            exit(EXIT_SUCCESS);
        case 'h':
            fputs(usage, stdout);
            exit(EXIT_SUCCESS);
        default:
            fputs(usage, stderr);
            exit(2);
        }
    }
    if (!o.config || optind != argc) {
        fputs(usage, stderr);
        exit(2);
    }
    return o;
}

static void on_signal(int signal)
{
    (void)signal;
    stop_asked = 1;
}

/* Stopping in order takes a few seconds at most, so there is no second signal to stop faster. Who
 * reads our messages may go. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void read_clock(void)
{
    dp.tsc_per_us = (double)rte_get_tsc_hz() / 1e6;
    dp.tsc_start = rte_rdtsc();
    for (unsigned i = 0; i < dp.config.listeners; i++)
        dp.listener_of[dp.config.listener[i].udp_port] = (uint8_t)(i + 1);
}

static int setup(void)
{
    struct rte_mempool *mbufs = mbufs_new(&dp.config);
    int ret;

    dp.lcores = dp.config.lcores;
    if (!mbufs)
        return -1;
    ret = stats_create(&dp);
    if (ret == 0) /* first, so that a second data plane by mistake touches no port */
        ret = control_open(&dp);
    if (ret == 0)
        ret = ports_start(&dp, mbufs);
    if (ret != 0)
        return ret;
    relay_setup(&dp);
    dp.stats->memory_bytes = memory_needed(&dp.config) +
                             session_table_footprint(dp.config.max_sessions) +
                             dp.lcores * transports_footprint(&dp.config);
    steering_setup(&dp);
    if (!(dp.turns = turns_new()))
        return -ENOMEM;
    for (unsigned i = 0; i < dp.lcores; i++)
        if (!lcore_new(&dp, i, mbufs, &stop_workers))
            return -1;
    for (unsigned i = 0; ret == 0 && i < dp.lcores; i++)
        ret = rest_open(dp.lcore[i]);
    unmap_guard(dp.turns);
    return ret;
}

/* What drivers need until their ports are closed: AF_XDP takes its program off the interface, mlx5
 * its steering rules out of the NIC. */
static void add_needs(struct confine *wanted, const char *driver)
{
    if (strcmp(driver, "net_af_xdp") == 0) {
        wanted->keep |= UINT64_C(1) << CAP_NET_ADMIN | UINT64_C(1) << CAP_BPF;
        wanted->bpf = true;
    } else if (strncmp(driver, "mlx5", 4) == 0) {
        wanted->keep |= UINT64_C(1) << CAP_NET_RAW;
    }
}

/* All that needs privileges is open. */
static int drop_privileges(void)
{
    struct confine wanted = {
        .program = "jetplane-dp",
        .user = dp.config.becomes ? &dp.config.user : NULL,
        .filter = CONFINE_DATA_PLANE,
    };

    for (unsigned i = 0; i < dp.ports; i++)
        add_needs(&wanted, dp.stats->port[i].driver);
    return confine(&wanted);
}

static void say_ready(void)
{
    static const char *const tiers[] = {
        [JP_TIER_RSS] = "the NIC's hash of the SPI",
        [JP_TIER_FLOW] = "rules of the NIC",
        [JP_TIER_SOFTWARE] = "software",
    };

    fprintf(stderr, "jetplane-dp: ready: %u %s, %u %s, %s, steering by %s\n", dp.lcores,
            dp.lcores == 1 ? "worker" : "workers", dp.ports, dp.ports == 1 ? "port" : "ports",
            dp.config.hugepages ? "hugepages" : "no hugepages", tiers[dp.tier]);
}

/* Nobody works any more, and all that was said was relayed. */
static bool has_ended(void)
{
    for (unsigned i = 0; i < dp.lcores; i++)
        if (rte_eal_get_lcore_state(i + 1) == RUNNING || !rte_ring_empty(dp.lcore[i]->events) ||
            !rte_ring_empty(dp.lcore[i]->punts) || !rte_ring_empty(dp.lcore[i]->relay_out))
            return false;
    return true;
}

/* The workers close their sessions, and the control plane hears of it if it still listens. */
static void stop(void)
{
    uint64_t deadline = rte_rdtsc() + STOP_S * rte_get_tsc_hz();

    __atomic_store_n(&stop_workers, true, __ATOMIC_RELAXED);
    while (!has_ended() && rte_rdtsc() < deadline) {
        control_turn(&dp);
        stats_heartbeat(&dp);
    }
    rte_eal_mp_wait_lcore();
}

static void run(void)
{
    uint64_t hz = rte_get_tsc_hz(), next_sample = rte_rdtsc();

    for (unsigned i = 0; i < dp.lcores; i++)
        rte_eal_remote_launch(worker_run, dp.lcore[i], i + 1);
    say_ready();
    while (!stop_asked && control_turn(&dp)) {
        stats_heartbeat(&dp);
        resets_turn(&dp, rte_rdtsc());
        if (rte_rdtsc() > next_sample) {
            ports_sample(&dp);
            stats_sample(&dp);
            next_sample += hz;
        }
    }
    stop();
}

int main(int argc, char **argv)
{
    struct options options = options_parse(argc, argv);
    int ret;

    confine_no_dumps();
    if (sodium_init() < 0 || config_load(options.config, &dp.config) != 0)
        return EXIT_FAILURE;
    if (options.check) {
        printf("%s: good\n", options.config);
        return EXIT_SUCCESS;
    }
    fec_init();
    catch_signals();
    if (eal_start(&dp.config, options.verbose) != 0)
        return EXIT_FAILURE;
    read_clock();
    ret = setup();
    if (ret == 0)
        ret = drop_privileges();
    if (ret == 0)
        run();
    control_close(&dp);
    ports_stop(&dp);
    for (unsigned i = 0; i < dp.lcores && dp.lcore[i]; i++)
        lcore_free(dp.lcore[i]);
    unmap_guard(NULL); /* its memory goes now */
    rte_eal_cleanup();
    return ret == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
