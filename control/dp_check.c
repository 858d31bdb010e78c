/* Checks of what a data plane says of itself. */
#include "dp.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "handshake.h"

enum {
    SESSIONS_MAX = 1 << 24
}; /* 16 times the largest data plane we know; sizes a table of ours */

size_t dp_message_size(uint16_t type)
{
    switch (type) {
    case JP_IPC_DATA_HELLO:
        return sizeof(struct jp_ipc_data_hello);
    case JP_IPC_PUNT:
        return sizeof(struct jp_ipc_packet);
    case JP_IPC_UNKNOWN_SPI:
        return sizeof(struct jp_ipc_unknown);
    case JP_IPC_INSTALLED:
        return sizeof(struct jp_ipc_installed);
    case JP_IPC_RETIRED:
        return sizeof(struct jp_ipc_retired);
    case JP_IPC_SESSION:
        return sizeof(struct jp_ipc_session);
    case JP_IPC_LIST_END:
        return sizeof(struct jp_ipc_list_end);
    default:
        return 0;
    }
}

static bool reta_valid(const struct jp_ipc_data_hello *h)
{
    if (h->reta_size == 0 || h->reta_size > JP_RETA_MAX || (h->reta_size & (h->reta_size - 1)))
        return false;
    for (unsigned i = 0; i < h->reta_size; i++)
        if (h->reta[i] >= h->lcores)
            return false;
    return true;
}

/* It is announced as it is. */
static bool credit_valid(const struct jp_ipc_credit *credit)
{
    struct hs_params params = hs_params_default;

    params.max_data = credit->max_data;
    params.max_stream_data = credit->max_stream_data;
    params.max_message = credit->max_message;
    return hs_params_valid(&params);
}

const char *dp_hello_wrong(const struct jp_ipc_data_hello *h)
{
    if (h->lcores == 0 || h->lcores > JP_LCORES_MAX)
        return "its hello has a wrong number of lcores";
    if (!reta_valid(h))
        return "its hello has a wrong RETA";
    if (h->tier < JP_TIER_RSS || h->tier > JP_TIER_SOFTWARE)
        return "its hello has a wrong tier";
    if (h->max_sessions == 0 || h->max_sessions > SESSIONS_MAX)
        return "its hello has a wrong max_sessions";
    if (h->max_packet < 1280 || h->max_packet > 9000)
        return "its hello has a wrong max_packet";
    if (h->max_streams == 0)
        return "its hello has a wrong max_streams";
    if (h->idle_timeout_max_ms < 1000)
        return "its hello has a wrong idle_timeout_max_ms";
    if (h->fec_k > 64 || h->fec_r > 16 || (h->fec_k == 0) != (h->fec_r == 0))
        return "its hello has a wrong FEC";
    if (!credit_valid(&h->credit))
        return "its hello has a wrong credit";
    if (h->stats_size != sizeof(struct jp_stats))
        return "its hello has a wrong size of statistics";
    return NULL;
}

const struct jp_stats *dp_stats_map(int fd, const struct jp_ipc_data_hello *hello,
                                    const char **wrong)
{
    struct jp_stats head; /* read, not mapped: a short file is an error, not a SIGBUS */
    struct stat s;
    const struct jp_stats *stats;
    int seals = fcntl(fd, F_GET_SEALS);

    *wrong = NULL;
    if (seals < 0 || !(seals & F_SEAL_SHRINK))
        *wrong = "statistics are not a memory file sealed against shrinking";
    else if (fstat(fd, &s) < 0 || s.st_size < (off_t)sizeof(head) ||
             pread(fd, &head, sizeof(head), 0) != sizeof(head))
        *wrong = "statistics are cut short";
    else if (head.magic != JP_STATS_MAGIC || head.version != JP_STATS_VERSION)
        *wrong = "statistics have another magic or version";
    else if (memcmp(head.boot_id, hello->boot_id, sizeof(head.boot_id)) != 0 ||
             head.lcores != hello->lcores || head.ports > JP_PORTS_MAX ||
             head.listeners > JP_LISTENERS_MAX)
        *wrong = "statistics contradict the hello";
    if (*wrong)
        return NULL;
    stats = mmap(NULL, sizeof(*stats), PROT_READ, MAP_SHARED, fd, 0);
    if (stats == MAP_FAILED) {
        *wrong = "statistics cannot be mapped";
        return NULL;
    }
    return stats;
}
