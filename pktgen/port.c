#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_bus_pci.h>
#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#include "frame.h"
#include "interrupt.h"
#include "path.h"
#include "receive.h"
#include "wire.h"
#include "worker.h"

enum { DESCRIPTORS = 1024, CACHE = 256, MBUF_SPARE = 128, RSIZE_MAX = 14 };
enum { ASK_MS = 100, ASK_TIMES = 100, ASKED_BURST = 32 };
enum { RECONNECT_MS = 100, START_TIMES = 100 };

/* Say what is wrong with the port; returns ret. */
__attribute__((format(printf, 3, 4))) static int port_error(const struct jetgen *g, int ret,
                                                            const char *format, ...)
{
    const char *device = g->options.device;
    va_list args;

    fprintf(stderr, "jetgen: --device %.*s: ", (int)strcspn(device, ","), device);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return ret;
}

/* A memif client that does not copy fills its rings, of 2^rsize slots, with packet buffers. */
static uint32_t ring_size(const char *device)
{
    const char *rsize = strstr(device, ",rsize=");

    if (!strstr(device, ",zero-copy=yes") || !rsize)
        return DESCRIPTORS;
    return 1u << RTE_MIN((unsigned)atoi(rsize + strlen(",rsize=")), RSIZE_MAX + 0u);
}

/* Queues full of packets both ways, as many again on their way through drivers, and every worker's
 * own. */
static uint32_t mbufs_count(const struct options *o)
{
    return o->queues * 4 * ring_size(o->device) + o->workers * (2 * TX_BACKLOG + 2 * CACHE) +
           ASKED_BURST;
}

/* Many ports want their buffers in steps of 1 KiB. */
static uint16_t mbufs_room(const struct options *o)
{
    return (uint16_t)(RTE_PKTMBUF_HEADROOM + RTE_ALIGN_CEIL(o->mtu + MBUF_SPARE, 1024));
}

size_t port_memory(const struct options *o)
{
    uint32_t object =
        rte_mempool_calc_obj_size((uint32_t)sizeof(struct rte_mbuf) + mbufs_room(o), 0, NULL);

    if (o->no_huge) /* none lies across two pages */
        object = RTE_ALIGN_CEIL(object, 4096);
    return (size_t)object * mbufs_count(o) + o->queues * sizeof(struct tx_queue);
}

static int find_port(struct jetgen *g)
{
    const char *device = g->options.device;
    char name[RTE_ETH_NAME_MAX_LEN];
    struct rte_pci_addr pci;
    struct rte_eth_dev_info info;

    snprintf(name, sizeof(name), "%.*s", (int)strcspn(device, ","), device);
    if (rte_pci_addr_parse(name, &pci) == 0)
        rte_pci_device_name(&pci, name, sizeof(name));
    RTE_ETH_FOREACH_DEV (g->port)
        if (rte_eth_dev_info_get(g->port, &info) == 0 &&
            strcmp(rte_dev_name(info.device), name) == 0)
            return 0;
    return port_error(g, -ENODEV, "DPDK has no such device; what it said is above");
}

/* A memif client cannot be started before its server is there: wait for that. */
static int start(struct jetgen *g)
{
    int ret = rte_eth_dev_start(g->port);

    for (unsigned i = 0; ret != 0 && g->reconnects && i < START_TIMES && !interrupted; i++) {
        rte_log_set_level_pattern("pmd.net.memif", RTE_LOG_EMERG); /* it says why, once */
        rte_delay_us_sleep(RECONNECT_MS * 1000);
        ret = rte_eth_dev_start(g->port);
    }
    if (ret != 0 && interrupted)
        return -EINTR;
    if (ret != 0 && g->reconnects)
        return port_error(g, ret, "no data plane is there");
    if (ret != 0)
        return port_error(g, ret, "cannot be started: %s", rte_strerror(-ret));
    return 0;
}

bool port_reconnect(struct jetgen *g)
{
    rte_log_set_level_pattern("pmd.net.memif", RTE_LOG_EMERG);
    rte_eth_dev_stop(g->port);
    return rte_eth_dev_start(g->port) == 0;
}

static int configure(struct jetgen *g)
{
    struct rte_eth_conf conf = {.rxmode.mtu = g->options.mtu};
    uint16_t queues = (uint16_t)g->options.queues, rx = DESCRIPTORS, tx = DESCRIPTORS;
    struct rte_eth_dev_info info;
    int ret;

    rte_eth_dev_info_get(g->port, &info);
    if (queues > info.max_rx_queues || queues > info.max_tx_queues)
        return port_error(g, -EINVAL, "has %u receive and %u transmit queues, not %u",
                          info.max_rx_queues, info.max_tx_queues, queues);
    if (queues > 1 && info.flow_type_rss_offloads & RTE_ETH_RSS_UDP) {
        conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        conf.rx_adv_conf.rss_conf.rss_hf =
            info.flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP);
    }
    ret = rte_eth_dev_configure(g->port, queues, queues, &conf);
    if (ret == 0)
        ret = rte_eth_dev_adjust_nb_rx_tx_desc(g->port, &rx, &tx);
    for (uint16_t q = 0; ret == 0 && q < queues; q++)
        ret = rte_eth_rx_queue_setup(g->port, q, rx, (unsigned)SOCKET_ID_ANY, NULL, g->mbufs);
    for (uint16_t q = 0; ret == 0 && q < queues; q++)
        ret = rte_eth_tx_queue_setup(g->port, q, tx, (unsigned)SOCKET_ID_ANY, NULL);
    if (ret != 0)
        return port_error(g, ret, "cannot be set up: %s", rte_strerror(-ret));
    g->reconnects = strcmp(info.driver_name, "net_memif") == 0;
    ret = start(g);
    if (ret != 0)
        return ret;
    rte_eth_allmulticast_enable(g->port); /* neighbour solicitations; what cannot does without */
    return 0;
}

static void ask(struct jetgen *g)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(g->mbufs);

    if (!m)
        return;
    neighbour_ask(g, m);
    uint16_t len = m->data_len;

    if (rte_eth_tx_burst(g->port, 0, &m, 1) == 0) {
        rte_pktmbuf_free(m);
        return;
    }
    g->asked[0]++;
    g->asked[1] += len;
}

static bool hear(struct jetgen *g)
{
    struct rte_mbuf *m[ASKED_BURST];
    bool learned = false;

    for (unsigned q = 0; q < g->options.queues; q++) {
        uint16_t n = rte_eth_rx_burst(g->port, (uint16_t)q, m, ASKED_BURST);

        for (uint16_t i = 0; i < n; i++) {
            g->heard[0]++;
            g->heard[1] += m[i]->pkt_len;
            learned |= neighbour_learn(g, m[i]);
        }
        rte_pktmbuf_free_bulk(m, n);
    }
    return learned;
}

/* Find the target's Ethernet address. */
static int find_target(struct jetgen *g)
{
    struct rte_eth_link link = {0};
    char text[64];

    for (unsigned i = 0; i < ASK_TIMES && !interrupted; i++) {
        rte_eth_link_get_nowait(g->port, &link);
        ask(g);
        for (unsigned j = 0; j < ASK_MS; j++) {
            rte_delay_us_sleep(1000);
            if (hear(g))
                return 0;
        }
    }
    if (interrupted)
        return -EINTR;
    if (!link.link_status)
        return port_error(g, -ENETDOWN, "its link does not come up%s",
                          g->reconnects ? "; --queues must be the data plane's workers" : "");
    return port_error(g, -EHOSTUNREACH, "nobody answers for %s",
                      address_print(g->options.target.ip, text));
}

int port_start(struct jetgen *g)
{
    uint32_t n = mbufs_count(&g->options);
    int ret;

    g->mbufs = rte_pktmbuf_pool_create("mbufs", n, CACHE, 0, mbufs_room(&g->options),
                                       (int)rte_socket_id());
    if (!g->mbufs) {
        fprintf(stderr, "jetgen: no memory for %u packet buffers: %s\n", n,
                rte_strerror(rte_errno));
        return -ENOMEM;
    }
    ret = find_port(g);
    if (ret == 0)
        ret = configure(g);
    if (ret != 0)
        return ret;
    rte_eth_macaddr_get(g->port, (struct rte_ether_addr *)g->our_mac);
    ret = find_target(g);
    if (ret != 0)
        port_stop(g);
    return ret;
}

/* What lies in a memif when it goes is lost: its other end gets the time to take it. */
enum { LINGER_US = 300000 };

void port_stop(struct jetgen *g)
{
    rte_delay_us_sleep(LINGER_US);
    rte_eth_dev_stop(g->port);
    rte_eth_dev_close(g->port);
}
