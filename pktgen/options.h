/* The command line. */
#ifndef PKTGEN_OPTIONS_H
#define PKTGEN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum { OPTIONS_WORKERS_MAX = 32 };

/* An address, v4-mapped when IPv4. */
struct address {
    uint8_t ip[16];
    uint8_t version; /* 4 or 6 */
};

struct options {
    const char *device; /* PCI address, or vdev with its arguments */
    const char *name;   /* DPDK's file prefix */
    const char *script;
    char **args; /* key=value, for the script */
    int n_args;
    uint32_t workers, queues, memory_mb, sources, idle_sleep_us;
    uint32_t cpu[OPTIONS_WORKERS_MAX + 1]; /* of the main lcore, then of each worker */
    uint32_t cpus;                         /* 0: chosen by jetgen */
    uint16_t port, mtu;
    uint64_t seed;
    struct address target, source;
    uint8_t identity[32];
    bool pinned; /* identity is set */
    bool no_huge, json, quiet, verbose;
};

/* Exits with 2 after saying what is wrong, and with 0 after --help and --version. */
void options_parse(struct options *o, int argc, char **argv);
/* Print an address as text; out has room for 46 bytes. */
const char *address_print(const uint8_t ip[16], char *out);

#endif
