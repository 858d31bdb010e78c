#include <stdio.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_ether.h>
#include <rte_lcore.h>

#include "burst.h"
#include "memory.h"
#include "setup.h"

/* Headers in front of the IP packet, and what echoing a packet may add behind it. */
enum { L2_MAX = RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN, GROWTH = 64 };
/* What DPDK and its drivers take for themselves, on top of a twentieth of everything. */
enum { OVERHEAD = 16 << 20 };

/* Many NICs want their buffers in steps of 1 KiB. */
static uint16_t mbufs_room(const struct config *config)
{
    uint32_t mtu = 0;

    for (unsigned i = 0; i < config->ports; i++)
        mtu = RTE_MAX(mtu, (uint32_t)config->port[i].mtu);
    return (uint16_t)(RTE_PKTMBUF_HEADROOM + RTE_ALIGN_CEIL(mtu + L2_MAX + GROWTH, 1024u));
}

struct rte_mempool *mbufs_new(const struct config *config)
{
    uint32_t n = config->mbufs;
    struct rte_mempool *mbufs = rte_pktmbuf_pool_create("mbufs", n, MBUFS_CACHE, PACKET_SIZE,
                                                        mbufs_room(config), (int)rte_socket_id());

    if (!mbufs)
        fprintf(stderr, "jetplane-dp: no memory for %u packet buffers: %s\n", n,
                rte_strerror(rte_errno));
    return mbufs;
}

/* DPDK lets no packet buffer cross a page boundary, which only matters while pages are small. */
static size_t mbufs_bytes(const struct config *config)
{
    size_t mbuf = sizeof(struct rte_mbuf) + PACKET_SIZE + mbufs_room(config);
    size_t object = rte_mempool_calc_obj_size((uint32_t)mbuf, 0, NULL);
    size_t page = config->hugepages ? (size_t)2 << 20 : 4096;
    size_t a_page = page / object;

    if (a_page == 0)
        return config->mbufs * RTE_ALIGN_CEIL(object, page);
    return (config->mbufs / a_page + 1) * page;
}

size_t memory_needed(const struct config *config)
{
    size_t n = mbufs_bytes(config) + config->lcores * lcore_footprint(config);

    return n + n / 20 + OVERHEAD;
}
