#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_bus_pci.h>
#include <rte_eal.h>
#include <rte_errno.h>

#include "jetgen.h"

enum { ARGS_MAX = 24, ARG_LEN = 1024, MIB = 1 << 20 };
enum { OVERHEAD_MB = 48 }; /* what DPDK and its drivers take for themselves */

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

/* The CPUs this process may use, from the last to the first, the first worker on the first of them:
 * a data plane on the same machine counts the other way. */
static int choose_cpus(struct options *o)
{
    uint32_t cpu[CPU_SETSIZE], n = 0;
    cpu_set_t may;

    if (sched_getaffinity(0, sizeof(may), &may) != 0)
        return -errno;
    for (uint32_t i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &may))
            cpu[n++] = i;
    for (uint32_t i = 0; i < o->cpus; i++)
        if (!CPU_ISSET(o->cpu[i], &may)) {
            fprintf(stderr, "jetgen: --cpus: this process may not use CPU %u\n", o->cpu[i]);
            return -EINVAL;
        }
    for (uint32_t i = 0; o->cpus == 0 && i <= o->workers; i++)
        o->cpu[i] = i == 0 ? cpu[n - 1] : cpu[(i - 1) % n];
    o->cpus = o->workers + 1;
    return 0;
}

static void arg_lcores(struct args *a, const struct options *o)
{
    char map[ARG_LEN];
    size_t len = 0;

    for (unsigned i = 0; i <= o->workers; i++)
        len +=
            (size_t)snprintf(map + len, sizeof(map) - len, "%s%u@%u", i ? "," : "", i, o->cpu[i]);
    arg(a, "--lcores=%s", map);
    arg(a, "--main-lcore=0");
}

static void arg_device(struct args *a, const char *device)
{
    char name[ARG_LEN];
    struct rte_pci_addr pci;

    snprintf(name, sizeof(name), "%.*s", (int)strcspn(device, ","), device);
    if (rte_pci_addr_parse(name, &pci) == 0) {
        arg(a, "--allow=%s", device);
        return;
    }
    arg(a, "--vdev=%s", device);
    arg(a, "--no-pci");
}

/* Memory of its own for this process: no file that outlives it, no second process. */
static void arg_memory(struct args *a, const struct options *o)
{
    size_t mb = port_memory(o) / MIB + OVERHEAD_MB;

    if (o->memory_mb != 0)
        mb = o->memory_mb;
    if (o->no_huge) {
        arg(a, "--no-huge");
        arg(a, "--no-shconf"); /* with --no-huge DPDK has no --in-memory */
        arg(a, "-m%zu", mb);
        return;
    }
    arg(a, "--in-memory");
    arg(a, "--single-file-segments"); /* zero-copy memif needs it */
    if (o->memory_mb != 0)
        arg(a, "-m%u", o->memory_mb);
}

int eal_start(struct options *o)
{
    static struct args args;
    struct args *a = &args;
    int ret = choose_cpus(o);

    if (ret != 0)
        return ret;
    arg(a, "jetgen");
    arg(a, "--file-prefix=%s", o->name);
    arg(a, "--no-telemetry");
    arg(a, "--log-level=*:%s", o->verbose ? "debug" : "warning");
    arg_lcores(a, o);
    arg_device(a, o->device);
    arg_memory(a, o);
    if (rte_eal_init(a->n, a->argv) < 0) {
        if (rte_errno == ENODEV)
            fprintf(stderr, "jetgen: --device %s: DPDK has no such device\n", o->device);
        else
            fprintf(stderr, "jetgen: DPDK does not start: %s\n", rte_strerror(rte_errno));
        return -rte_errno;
    }
    rmdir(rte_eal_get_runtime_dir()); /* empty, and this process will not use it */
    return 0;
}
