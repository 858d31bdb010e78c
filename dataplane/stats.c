#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <sodium.h>

#include "aead.h"
#include "setup.h"

static int fd = -1;

/* A memory file of fixed size that nobody but this mapping can write. */
static void *shared_memory(size_t size)
{
    void *memory;

    fd = memfd_create("jetplane-stats", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || ftruncate(fd, (off_t)size) != 0)
        return NULL;
    memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (memory == MAP_FAILED ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) !=
            0)
        return NULL;
    return memory;
}

static uint64_t monotonic_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void stats_describe(const struct dataplane *dp, struct jp_stats *s)
{
    const struct config *config = &dp->config;

    s->magic = JP_STATS_MAGIC;
    s->version = JP_STATS_VERSION;
    s->lcores = dp->lcores;
    s->ports = config->ports;
    s->listeners = config->listeners;
    s->hugepages = config->hugepages;
    s->pid = (uint32_t)getpid();
    randombytes_buf(s->boot_id, sizeof(s->boot_id));
    s->tsc_hz = rte_get_tsc_hz();
    s->started_at = monotonic_ns();
    s->max_sessions = config->max_sessions;
    snprintf(s->program_version, sizeof(s->program_version), "%s", JP_VERSION);
    snprintf(s->crypto, sizeof(s->crypto), "%s", aead_backend_name(aead_best()));
    for (unsigned i = 0; i < config->listeners; i++)
        s->listener[i] = (struct jp_stats_listener){
            .udp_port = config->listener[i].udp_port,
            .sink = config->listener[i].sink,
        };
    for (unsigned i = 0; i < dp->lcores; i++)
        s->cpu[i] = config->cpu[i + 1];
}

int stats_create(struct dataplane *dp)
{
    dp->stats = shared_memory(sizeof(*dp->stats));
    if (!dp->stats) {
        int err = errno;

        fprintf(stderr, "jetplane-dp: shared statistics: %s\n", strerror(err));
        return -err;
    }
    stats_describe(dp, dp->stats);
    return 0;
}

int stats_fd(void)
{
    return fd;
}

void stats_sample(struct dataplane *dp)
{
    const struct rte_mempool *mbufs = dp->lcore[0]->mbufs;

    dp->stats->mbufs = mbufs->size;
    dp->stats->mbufs_free = rte_mempool_avail_count(mbufs);
}

void stats_heartbeat(struct dataplane *dp)
{
    __atomic_store_n(&dp->stats->heartbeat, monotonic_ns(), __ATOMIC_RELAXED);
}
