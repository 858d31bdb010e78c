#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <rte_bus_pci.h>
#include <rte_ethdev.h>

#include "setup.h"

int port_error(const struct dataplane *dp, unsigned i, int ret, const char *format, ...)
{
    va_list args;

    fprintf(stderr, "jetplane-dp: ports[%u] (%.*s): ", i,
            (int)strcspn(dp->config.port[i].device, ","), dp->config.port[i].device);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return ret;
}

/* The DPDK port of a device string: its name up to the first comma, a PCI address in full. */
static int find_port(const char *device, uint16_t *id)
{
    char name[RTE_ETH_NAME_MAX_LEN];
    struct rte_pci_addr pci;
    struct rte_eth_dev_info info;

    snprintf(name, sizeof(name), "%.*s", (int)strcspn(device, ","), device);
    if (rte_pci_addr_parse(name, &pci) == 0)
        rte_pci_device_name(&pci, name, sizeof(name));
    RTE_ETH_FOREACH_DEV (*id)
        if (rte_eth_dev_info_get(*id, &info) == 0 && strcmp(rte_dev_name(info.device), name) == 0)
            return 0;
    return -ENODEV;
}

/* Every worker sends on a queue of its own: sharing one would take a lock on the hot path. */
static int check_queues(const struct dataplane *dp, unsigned i, const struct rte_eth_dev_info *info)
{
    unsigned max = RTE_MIN(info->max_rx_queues, info->max_tx_queues);
    bool packet = strcmp(info->driver_name, "net_af_packet") == 0;
    const char *option = packet                                         ? "qpairs"
                         : strcmp(info->driver_name, "net_af_xdp") == 0 ? "queue_count"
                                                                        : NULL;

    if (info->max_tx_queues < dp->lcores) {
        if (option)
            return port_error(dp, i, -EINVAL,
                              "has %u queues for %u workers: add ,%s=%u to its device "
                              "string, or use fewer lcores",
                              max, dp->lcores, option, dp->lcores);
        return port_error(dp, i, -EINVAL, "has %u transmit queues for %u workers: use fewer lcores",
                          info->max_tx_queues, dp->lcores);
    }
    /* its kernel side spreads packets over all queues from the start, polled or not */
    if (packet && max > dp->lcores)
        return port_error(dp, i, -EINVAL,
                          "has %u queues but %u workers to poll them: say qpairs=%u", max,
                          dp->lcores, dp->lcores);
    return 0;
}

static struct rte_eth_conf port_conf(const struct dataplane *dp, const struct port *port,
                                     uint16_t mtu, const struct rte_eth_dev_info *info)
{
    struct rte_eth_conf conf = {
        .rxmode =
            {
                .mtu = mtu,
                .offloads = info->rx_offload_capa &
                            (RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM),
            },
        .txmode.offloads = info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_UDP_CKSUM,
        .intr_conf.rxq = dp->config.idle == IDLE_INTERRUPT,
    };
    uint64_t types = info->flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP);

    /* until steering finds better, any spread over the workers is better than none */
    if (port->rx_queues > 1 && types && dp->lcores > 1) {
        conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        conf.rx_adv_conf.rss_conf.rss_hf = types;
    }
    return conf;
}

static int setup_queues(const struct dataplane *dp, unsigned i, const struct port *port,
                        struct rte_mempool *mbufs)
{
    uint16_t rx = dp->config.port[i].rx_descriptors, tx = dp->config.port[i].tx_descriptors;
    int socket = rte_eth_dev_socket_id(port->id);
    int ret = rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &rx, &tx);

    for (uint16_t q = 0; ret == 0 && q < port->rx_queues; q++)
        ret = rte_eth_rx_queue_setup(port->id, q, rx, (unsigned)socket, NULL, mbufs);
    for (uint16_t q = 0; ret == 0 && q < dp->lcores; q++)
        ret = rte_eth_tx_queue_setup(port->id, q, tx, (unsigned)socket, NULL);
    if (ret != 0)
        return port_error(dp, i, ret, "queues of %u and %u descriptors: %s", rx, tx,
                          rte_strerror(-ret));
    return 0;
}

/* Neighbour solicitations come to multicast addresses. */
static void listen_multicast(const struct dataplane *dp, unsigned i, const struct port *port)
{
    int ret = rte_eth_allmulticast_enable(port->id);

    if (ret != 0 && ret != -ENOTSUP)
        port_error(dp, i, ret, "cannot receive multicast, so nobody finds its IPv6 addresses: %s",
                   rte_strerror(-ret));
}

static int configure(struct dataplane *dp, unsigned i, struct rte_mempool *mbufs,
                     const struct rte_eth_dev_info *info)
{
    struct port *port = &dp->port[i];
    struct rte_eth_conf conf;
    int ret = check_queues(dp, i, info);

    if (ret != 0)
        return ret;
    port->rx_queues = RTE_MIN(info->max_rx_queues, dp->lcores);
    conf = port_conf(dp, port, port->mtu, info);
    if (port->mtu > info->max_mtu || port->mtu < info->min_mtu)
        return port_error(dp, i, -EINVAL, "mtu %u: the device takes %u to %u", port->mtu,
                          info->min_mtu, info->max_mtu);
    ret = rte_eth_dev_configure(port->id, port->rx_queues, dp->lcores, &conf);
    if (ret != 0)
        return port_error(dp, i, ret, "%u queues, mtu %u: %s", dp->lcores, port->mtu,
                          rte_strerror(-ret));
    port->tx_udp_checksum = conf.txmode.offloads & RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
    ret = setup_queues(dp, i, port, mbufs);
    if (ret != 0)
        return ret;
    ret = rte_eth_dev_start(port->id);
    if (ret != 0)
        return port_error(dp, i, ret, "cannot be started: %s", rte_strerror(-ret));
    listen_multicast(dp, i, port);
    return 0;
}

static int port_start(struct dataplane *dp, unsigned i, struct rte_mempool *mbufs)
{
    const struct config_port *config = &dp->config.port[i];
    struct jp_stats_port *shared = &dp->stats->port[i];
    struct port *port = &dp->port[i];
    struct rte_eth_dev_info info;
    int ret = find_port(config->device, &port->id);

    if (ret != 0 || rte_eth_dev_info_get(port->id, &info) != 0)
        return port_error(dp, i, -ENODEV, "DPDK has no such device; what it said is above");
    port->vlan = config->vlan;
    port->mtu = config->mtu;
    port->addresses = config->addresses;
    memcpy(port->address, config->address, sizeof(port->address));
    ret = configure(dp, i, mbufs, &info);
    if (ret != 0)
        return ret;
    rte_eth_macaddr_get(port->id, (struct rte_ether_addr *)port->mac);

    snprintf(shared->name, sizeof(shared->name), "%s", rte_dev_name(info.device));
    snprintf(shared->driver, sizeof(shared->driver), "%s", info.driver_name);
    memcpy(shared->mac, port->mac, sizeof(shared->mac));
    shared->mtu = port->mtu;
    shared->queues = port->rx_queues;
    return 0;
}

int ports_start(struct dataplane *dp, struct rte_mempool *mbufs)
{
    link_open();
    for (unsigned i = 0; i < dp->config.ports; i++) {
        int ret = port_start(dp, i, mbufs);

        if (ret != 0)
            return ret;
        dp->ports++;
    }
    ports_sample(dp);
    return 0;
}

void ports_stop(struct dataplane *dp)
{
    for (unsigned i = 0; i < dp->ports; i++) {
        rte_eth_dev_stop(dp->port[i].id);
        rte_eth_dev_close(dp->port[i].id);
    }
    dp->ports = 0;
}

void ports_sample(struct dataplane *dp)
{
    for (unsigned i = 0; i < dp->ports; i++) {
        struct jp_stats_port *shared = &dp->stats->port[i];
        struct rte_eth_stats stats;
        struct rte_eth_link link;

        if (rte_eth_stats_get(dp->port[i].id, &stats) == 0) {
            shared->rx_packets = stats.ipackets;
            shared->tx_packets = stats.opackets;
            shared->rx_bytes = stats.ibytes;
            shared->tx_bytes = stats.obytes;
            shared->rx_missed = stats.imissed;
            shared->rx_errors = stats.ierrors;
            shared->tx_errors = stats.oerrors;
            shared->rx_nombuf = stats.rx_nombuf;
        }
        if (rte_eth_link_get_nowait(dp->port[i].id, &link) == 0)
            shared->speed_mbps = link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed;
        shared->link_up = link_sample(dp, i);
    }
}

uint16_t ports_max_packet(const struct dataplane *dp)
{
    enum { IPV6_UDP_LEN = 48 };
    uint16_t mtu = UINT16_MAX;

    for (unsigned i = 0; i < dp->ports; i++)
        mtu = RTE_MIN(mtu, dp->port[i].mtu);
    return (uint16_t)(mtu - IPV6_UDP_LEN);
}
