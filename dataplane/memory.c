#include <stdio.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_ether.h>
#include <rte_lcore.h>

#include "burst.h"
#include "memory.h"
#include "setup.h"

/* Packets that one worker may have under way besides what its ports and rings hold: bursts, what
 * egress was given, and buffers in the pool's cache, which takes in half as much again. */
enum { CACHE = 512, UNDER_WAY = 2048 + CACHE * 3 / 2 };
/* Headers in front of the IP packet, and what echoing a packet may add behind it. */
enum { L2_MAX = RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN, GROWTH = 64 };
/* What DPDK and its drivers take for themselves, on top of a twentieth of everything. */
enum { OVERHEAD = 16 << 20 };

static uint32_t mbufs_count(const struct config *config)
{
    uint32_t n = config->lcores * (config->steer_ring + UNDER_WAY);

    if (config->mbufs)
        return config->mbufs;
    for (unsigned i = 0; i < config->ports; i++)
        n += config->lcores *
             ((uint32_t)config->port[i].rx_descriptors + config->port[i].tx_descriptors);
    return 2 * n; /* reorder queues may hold half */
}

/* Many NICs want their buffers in steps of 1 KiB. */
static uint16_t mbufs_room(const struct config *config)
{
    uint32_t mtu = 0;

    for (unsigned i = 0; i < config->ports; i++)
        mtu = RTE_MAX(mtu, (uint32_t)config->port[i].mtu);
    return (uint16_t)(RTE_PKTMBUF_HEADROOM + RTE_ALIGN_CEIL(mtu + L2_MAX + GROWTH, 1024u));
}

static uint16_t private_size(void)
{
    return RTE_ALIGN_CEIL(sizeof(struct packet), RTE_MBUF_PRIV_ALIGN);
}

struct rte_mempool *mbufs_new(const struct config *config)
{
    uint32_t n = mbufs_count(config);
    struct rte_mempool *mbufs = rte_pktmbuf_pool_create("mbufs", n, CACHE, private_size(),
                                                        mbufs_room(config), (int)rte_socket_id());

    if (!mbufs)
        fprintf(stderr, "jetplane-dp: no memory for %u packet buffers: %s\n", n,
                rte_strerror(rte_errno));
    return mbufs;
}

/* DPDK lets no packet buffer cross a page boundary, which only matters while pages are small. */
static size_t mbufs_bytes(const struct config *config)
{
    size_t mbuf = sizeof(struct rte_mbuf) + private_size() + mbufs_room(config);
    size_t object = rte_mempool_calc_obj_size((uint32_t)mbuf, 0, NULL);
    size_t page = config->hugepages ? (size_t)2 << 20 : 4096;
    size_t a_page = page / object;

    if (a_page == 0)
        return mbufs_count(config) * RTE_ALIGN_CEIL(object, page);
    return (mbufs_count(config) / a_page + 1) * page;
}

size_t memory_needed(const struct config *config)
{
    size_t n = mbufs_bytes(config) + config->lcores * lcore_footprint(config);

    return n + n / 20 + OVERHEAD;
}
