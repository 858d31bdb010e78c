#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_bus_pci.h>
#include <rte_eal.h>
#include <rte_errno.h>

#include "config.h"
#include "eal.h"
#include "memory.h"
#include "unix_socket.h"

enum { ARGS_MAX = 24 + JP_PORTS_MAX, ARG_LEN = 1024, MIB = 1 << 20 };

struct args {
    int n;
    char *argv[ARGS_MAX + 1];
    char text[ARGS_MAX][ARG_LEN];
};

__attribute__((format(printf, 2, 3))) static void arg(struct args *a, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(a->text[a->n], ARG_LEN, format, args);
    va_end(args);
    a->argv[a->n] = a->text[a->n];
    a->n++;
}

/* The first CPU this process may use for the main lcore, the others in turn for the workers; when
 * there are not enough, workers share. */
static int choose_cpus(struct config *config)
{
    uint32_t cpu[CPU_SETSIZE];
    unsigned n = 0;
    cpu_set_t may;

    if (sched_getaffinity(0, sizeof(may), &may) != 0)
        return -errno;
    for (unsigned i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &may))
            cpu[n++] = i;
    for (unsigned i = 0; i < config->cpus; i++)
        if (!CPU_ISSET(config->cpu[i], &may)) {
            fprintf(stderr, "jetplane-dp: cpus[%u]: this process may not use CPU %u\n", i,
                    config->cpu[i]);
            return -EINVAL;
        }
    if (config->cpus == 0)
        for (unsigned i = 0; i <= config->lcores; i++)
            config->cpu[i] = cpu[i % n];
    config->cpus = (uint8_t)(config->lcores + 1);
    return 0;
}

static void arg_lcores(struct args *a, const struct config *config)
{
    char map[ARG_LEN];
    size_t len = 0;

    for (unsigned i = 0; i <= config->lcores; i++)
        len += (size_t)snprintf(map + len, sizeof(map) - len, "%s%u@%u", i ? "," : "", i,
                                config->cpu[i]);
    arg(a, "--lcores=%s", map);
    arg(a, "--main-lcore=0");
}

/* memif refuses to start where a server left its socket file; what nobody listens at is in nobody's
 * way. */
static void reclaim_memif(const char *device)
{
    const char *socket = strstr(device, ",socket=");
    char path[ARG_LEN];

    if (strncmp(device, "net_memif", 9) != 0 || !socket || !strstr(device, ",role=server") ||
        !strstr(device, ",socket-abstract=no"))
        return;
    socket += strlen(",socket=");
    snprintf(path, sizeof(path), "%.*s", (int)strcspn(socket, ","), socket);
    unix_socket_reclaim(path, SOCK_SEQPACKET);
}

static bool is_pci(const struct config_port *port)
{
    char name[sizeof(port->device)];
    struct rte_pci_addr address;

    memcpy(name, port->device, sizeof(name));
    name[strcspn(name, ",")] = 0;
    return rte_pci_addr_parse(name, &address) == 0;
}

static void arg_devices(struct args *a, const struct config *config)
{
    bool any_pci = false;

    for (unsigned i = 0; i < config->ports; i++) {
        const struct config_port *port = &config->port[i];

        arg(a, "--%s=%s", is_pci(port) ? "allow" : "vdev", port->device);
        any_pci |= is_pci(port);
        reclaim_memif(port->device);
    }
    if (!any_pci)
        arg(a, "--no-pci");
}

/* Free hugepage memory, over all sizes. */
static size_t hugepages_free(void)
{
    static const struct {
        const char *file;
        size_t size;
    } kinds[] = {
        {"/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", (size_t)2 * MIB},
        {"/sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", (size_t)1024 * MIB},
    };
    size_t total = 0;

    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        FILE *f = fopen(kinds[i].file, "r");
        size_t n;

        if (f && fscanf(f, "%zu", &n) == 1)
            total += n * kinds[i].size;
        if (f)
            fclose(f);
    }
    return total;
}

/* Memory of its own for this process: no file, no second process. */
static int arg_memory(struct args *a, const struct config *config)
{
    size_t need = (memory_needed(config) + MIB - 1) / MIB, have = hugepages_free() / MIB;

    if (config->memory_mb && config->memory_mb < need) {
        fprintf(
            stderr,
            "jetplane-dp: memory_mb: %u is too little for this configuration, which needs %zu\n",
            config->memory_mb, need);
        return -ENOMEM;
    }
    if (config->memory_mb)
        need = config->memory_mb;
    if (!config->hugepages) {
        arg(a, "--no-huge");
        arg(a, "--no-shconf"); /* with --no-huge DPDK has no --in-memory */
        arg(a, "-m%zu", need);
        return 0;
    }
    if (have < need) {
        fprintf(stderr,
                "jetplane-dp: hugepages: this configuration needs %zu MiB of them, %zu are free. "
                "Reserve some (sysctl vm.nr_hugepages=%zu), or say hugepages: false\n",
                need, have, need / 2 + 1);
        return -ENOMEM;
    }
    arg(a, "--in-memory");
    arg(a, "--single-file-segments"); /* a descriptor a segment, not a page; zero-copy memif needs
                                         it */
    if (config->memory_mb)
        arg(a, "-m%u", config->memory_mb);
    return 0;
}

int eal_start(struct config *config, bool verbose)
{
    static struct args args;
    struct args *a = &args;
    int ret = choose_cpus(config);

    if (ret != 0)
        return ret;
    arg(a, "jetplane-dp");
    arg(a, "--file-prefix=%s", config->name);
    arg(a, "--no-telemetry");
    arg(a, "--log-level=*:%s", verbose ? "debug" : "error");
    arg_lcores(a, config);
    arg_devices(a, config);
    ret = arg_memory(a, config);
    if (ret != 0)
        return ret;
    if (rte_eal_init(a->n, a->argv) < 0) {
        fprintf(stderr, "jetplane-dp: DPDK does not start: %s\n", rte_strerror(rte_errno));
        return -rte_errno;
    }
    rmdir(rte_eal_get_runtime_dir()); /* empty, and this process will not use it */
    return 0;
}
