#include "options.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "report.h"
#include "wire.h"

static const char usage[] =
    "usage: jetgen [OPTION...] SCRIPT.lua [KEY=VALUE...]\n"
    "\n"
    "Drives sessions with a Jetplane data plane as the script says; KEY=VALUE become its args.\n"
    "\n"
    "  -d, --device DEVICE   PCI address or DPDK virtual device\n"
    "                        (default net_memif0,role=client,id=0,\n"
    "                        socket=/run/jetplane/memif.sock,socket-abstract=no,rsize=12)\n"
    "  -t, --target IP       the data plane's address (default 198.18.0.1)\n"
    "  -s, --source IP       ours (default: the one after the target's)\n"
    "      --sources K       addresses to spread sessions over, each in a /24 or /56 of its own\n"
    "                        (default 1)\n"
    "  -p, --port PORT       the data plane's UDP port (default 4500)\n"
    "      --identity HEX    the server must prove this identity (64 hex digits)\n"
    "  -l, --lcores N        workers (default 1)\n"
    "      --queues N        queues of the device (default: as many as workers); over memif, the\n"
    "                        number of the data plane's workers\n"
    "      --cpus LIST       CPU of the main lcore and of each worker, for example 1,0\n"
    "      --idle-sleep US   a worker that finds nothing to do sleeps (default 0: never)\n"
    "      --mtu BYTES       of an IP packet (default 1500)\n"
    "      --no-huge         ordinary memory instead of huge pages, slower\n"
    "      --memory MB       for DPDK (default: what it needs)\n"
    "      --name PREFIX     of DPDK's files (default jetgen)\n"
    "      --seed N          of everything random that is not a key (default 1)\n"
    "  -j, --json            one JSON object as the last line on stdout, instead of the table\n"
    "  -q, --quiet           no progress on stderr\n"
    "  -v, --verbose         let DPDK say all it has to say\n"
    "      --version         show the version and exit\n"
    "  -h, --help            show this and exit\n";

__attribute__((format(printf, 1, 2), noreturn)) static void fail(const char *format, ...)
{
    va_list args;

    fputs("jetgen: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputs(" (see jetgen --help)\n", stderr);
    exit(2);
}

static uint64_t number(const char *option, const char *text, uint64_t min, uint64_t max)
{
    char *end;

    errno = 0;
    unsigned long long v = strtoull(text, &end, 0);

    if (errno != 0 || !isdigit((unsigned char)*text) || *end != '\0' || v < min || v > max)
        fail("--%s: '%s' is not a number between %llu and %llu", option, text,
             (unsigned long long)min, (unsigned long long)max);
    return v;
}

static struct address address(const char *option, const char *text)
{
    struct address a = {.ip = {[10] = 0xff, [11] = 0xff}, .version = 4};

    if (inet_pton(AF_INET, text, a.ip + 12) == 1)
        return a;
    a.version = 6;
    if (inet_pton(AF_INET6, text, a.ip) != 1)
        fail("--%s: '%s' is not an IP address", option, text);
    return a;
}

static void cpus(struct options *o, const char *text)
{
    char *copy = strdup(text), *rest = copy, *item;

    o->cpus = 0;
    while ((item = strsep(&rest, ",")) != NULL) {
        if (o->cpus > OPTIONS_WORKERS_MAX)
            fail("--cpus: more than %u", OPTIONS_WORKERS_MAX + 1);
        o->cpu[o->cpus++] = (uint32_t)number("cpus", item, 0, 1023);
    }
    free(copy);
}

static void identity(struct options *o, const char *hex)
{
    size_t len;

    if (sodium_hex2bin(o->identity, sizeof(o->identity), hex, strlen(hex), NULL, &len, NULL) != 0 ||
        len != sizeof(o->identity) || strlen(hex) != 2 * len)
        fail("--identity: '%s' is not 64 hex digits", hex);
    o->pinned = true;
}

const char *address_print(const uint8_t ip[16], char *out)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

    if (memcmp(ip, mapped, 12) == 0)
        return inet_ntop(AF_INET, ip + 12, out, INET6_ADDRSTRLEN);
    return inet_ntop(AF_INET6, ip, out, INET6_ADDRSTRLEN);
}

enum {
    OPT_SOURCES = 256,
    OPT_IDENTITY,
    OPT_QUEUES,
    OPT_CPUS,
    OPT_IDLE_SLEEP,
    OPT_MTU,
    OPT_NO_HUGE,
    OPT_MEMORY,
    OPT_NAME,
    OPT_SEED,
    OPT_VERSION,
};

static const struct option longs[] = {
    {"device", required_argument, NULL, 'd'},
    {"target", required_argument, NULL, 't'},
    {"source", required_argument, NULL, 's'},
    {"sources", required_argument, NULL, OPT_SOURCES},
    {"port", required_argument, NULL, 'p'},
    {"identity", required_argument, NULL, OPT_IDENTITY},
    {"lcores", required_argument, NULL, 'l'},
    {"queues", required_argument, NULL, OPT_QUEUES},
    {"cpus", required_argument, NULL, OPT_CPUS},
    {"idle-sleep", required_argument, NULL, OPT_IDLE_SLEEP},
    {"mtu", required_argument, NULL, OPT_MTU},
    {"no-huge", no_argument, NULL, OPT_NO_HUGE},
    {"memory", required_argument, NULL, OPT_MEMORY},
    {"name", required_argument, NULL, OPT_NAME},
    {"seed", required_argument, NULL, OPT_SEED},
    {"json", no_argument, NULL, 'j'},
    {"quiet", no_argument, NULL, 'q'},
    {"verbose", no_argument, NULL, 'v'},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static void take_number(struct options *o, int opt, const char *text)
{
    switch (opt) {
    case OPT_SOURCES:
        o->sources = (uint32_t)number("sources", text, 1, 65536);
        break;
    case 'p':
        o->port = (uint16_t)number("port", text, 1, 65535);
        break;
    case 'l':
        o->workers = (uint32_t)number("lcores", text, 1, OPTIONS_WORKERS_MAX);
        break;
    case OPT_QUEUES:
        o->queues = (uint32_t)number("queues", text, 1, 256);
        break;
    case OPT_IDLE_SLEEP:
        o->idle_sleep_us = (uint32_t)number("idle-sleep", text, 0, 1000000);
        break;
    case OPT_MTU:
        o->mtu = (uint16_t)number("mtu", text, 1500, 9000);
        break;
    case OPT_MEMORY:
        o->memory_mb = (uint32_t)number("memory", text, 16, 1 << 20);
        break;
    case OPT_SEED:
        o->seed = number("seed", text, 0, UINT64_MAX);
        break;
    default:
        fputs(usage, stderr);
        exit(2);
    }
}

static void take(struct options *o, int opt, char *text)
{
    switch (opt) {
    case 'd':
        o->device = text;
        break;
    case 't':
        o->target = address("target", text);
        break;
    case 's':
        o->source = address("source", text);
        break;
    case OPT_IDENTITY:
        identity(o, text);
        break;
    case OPT_CPUS:
        cpus(o, text);
        break;
    case OPT_NO_HUGE:
        o->no_huge = true;
        break;
    case OPT_NAME:
        o->name = text;
        break;
    case 'j':
        o->json = true;
        break;
    case 'q':
        o->quiet = true;
        break;
    case 'v':
        o->verbose = true;
        break;
    case OPT_VERSION:
        printf("jetgen %s\n", JP_VERSION);
        exit(report_finish(EXIT_SUCCESS));
    case 'h':
        fputs(usage, stdout);
        exit(report_finish(EXIT_SUCCESS));
    default:
        take_number(o, opt, text);
    }
}

/* What has to agree, and what follows from the rest. */
static void settle(struct options *o)
{
    if (o->source.version == 0) {
        o->source = o->target;
        o->source.ip[15]++;
    }
    if (o->source.version != o->target.version)
        fail("--source and --target: one is IPv4, the other IPv6");
    if (o->queues == 0)
        o->queues = o->workers;
    if (o->queues < o->workers)
        fail("--queues: %u are too few for %u workers", o->queues, o->workers);
    if (o->cpus != 0 && o->cpus != o->workers + 1)
        fail("--cpus: one for the main lcore and one a worker, so %u", o->workers + 1);
    if (!*o->name || strlen(o->name) > 32 ||
        o->name[strspn(o->name, "abcdefghijklmnopqrstuvwxyz0123456789"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_")] != '\0')
        fail("--name: '%s' is not 1 to 32 letters, digits, - and _", o->name);
}

void options_parse(struct options *o, int argc, char **argv)
{
    int opt;

    *o = (struct options){
        .device = "net_memif0,role=client,id=0,socket=/run/jetplane/"
                  "memif.sock,socket-abstract=no,rsize=12",
        .name = "jetgen",
        .workers = 1,
        .sources = 1,
        .port = WIRE_UDP_PORT,
        .mtu = 1500,
        .seed = 1,
        .target = {.ip = {[10] = 0xff, 0xff, 198, 18, 0, 1}, .version = 4},
    };
    /* + : what follows the script is its own */
    while ((opt = getopt_long(argc, argv, "+d:t:s:p:l:jqvh", longs, NULL)) != -1)
        take(o, opt, optarg);
    if (optind == argc)
        fail("no script given");
    o->script = argv[optind];
    o->args = argv + optind + 1;
    o->n_args = argc - optind - 1;
    settle(o);
}
