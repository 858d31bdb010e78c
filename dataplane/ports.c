#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <rte_bus_pci.h>
#include <rte_ethdev.h>

#include "reset.h"
#include "setup.h"

static struct rte_eth_stats before[JP_PORTS_MAX]; /* what ports counted until they were reset */

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

static int check_mtu(const struct dataplane *dp, unsigned i, const struct rte_eth_dev_info *info)
{
    unsigned mtu = dp->port[i].mtu;

    if (mtu > info->max_mtu || mtu < info->min_mtu)
        return port_error(dp, i, -EINVAL, "mtu %u: the device takes %u to %u", mtu, info->min_mtu,
                          info->max_mtu);
    return 0;
}

static struct rte_eth_conf port_conf(const struct dataplane *dp, const struct port *port,
                                     const struct rte_eth_dev_info *info)
{
    struct rte_eth_conf conf = {
        .rxmode =
            {
                .mtu = port->mtu,
                .offloads = info->rx_offload_capa &
                            (RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM),
            },
        .txmode.offloads = port->tx_udp_checksum ? RTE_ETH_TX_OFFLOAD_UDP_CKSUM : 0,
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

/* Sessions go on sending from the address it had; a VF may come back with another one. */
static int keep_mac(const struct dataplane *dp, unsigned i, const struct port *port)
{
    struct rte_ether_addr mac, now;
    int ret;

    memcpy(&mac, port->mac, sizeof(mac));
    if (rte_is_zero_ether_addr(&mac)) /* not known yet */
        return 0;
    ret = rte_eth_macaddr_get(port->id, &now);
    if (ret == 0 && !rte_is_same_ether_addr(&mac, &now))
        ret = rte_eth_dev_default_mac_addr_set(port->id, &mac);
    if (ret != 0)
        return port_error(dp, i, ret, "does not take back its Ethernet address: %s",
                          rte_strerror(-ret));
    return 0;
}

int port_open(const struct dataplane *dp, unsigned i, struct rte_mempool *mbufs)
{
    const struct port *port = &dp->port[i];
    struct rte_eth_dev_info info;
    struct rte_eth_conf conf;
    int ret = rte_eth_dev_info_get(port->id, &info);

    if (ret != 0)
        return port_error(dp, i, ret, "does not say what it can: %s", rte_strerror(-ret));
    conf = port_conf(dp, port, &info);
    ret = rte_eth_dev_configure(port->id, port->rx_queues, dp->lcores, &conf);
    if (ret != 0)
        return port_error(dp, i, ret, "%u queues, mtu %u: %s", dp->lcores, port->mtu,
                          rte_strerror(-ret));
    ret = setup_queues(dp, i, port, mbufs);
    if (ret == 0)
        ret = keep_mac(dp, i, port);
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
    port->rx_queues = RTE_MIN(info.max_rx_queues, dp->lcores);
    port->tx_udp_checksum = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
    port->has_peer = strcmp(info.driver_name, "net_memif") == 0;
    ret = check_queues(dp, i, &info);
    if (ret == 0)
        ret = check_mtu(dp, i, &info);
    if (ret == 0)
        ret = port_open(dp, i, mbufs);
    if (ret != 0)
        return ret;
    rte_eth_macaddr_get(port->id, (struct rte_ether_addr *)port->mac);
    reset_watch(dp, i);

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
    for (unsigned i = dp->ports; i < dp->config.ports; i++) {
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

void port_count(const struct dataplane *dp, unsigned i)
{
    struct jp_stats_port *shared = &dp->stats->port[i];
    const struct rte_eth_stats *old = &before[i];
    struct rte_eth_stats new;

    if (rte_eth_stats_get(dp->port[i].id, &new) != 0)
        return;
    shared->rx_packets = old->ipackets + new.ipackets;
    shared->tx_packets = old->opackets + new.opackets;
    shared->rx_bytes = old->ibytes + new.ibytes;
    shared->tx_bytes = old->obytes + new.obytes;
    shared->rx_missed = old->imissed + new.imissed;
    shared->rx_errors = old->ierrors + new.ierrors;
    shared->tx_errors = old->oerrors + new.oerrors;
    shared->rx_nombuf = old->rx_nombuf + new.rx_nombuf;
}

void port_recount(const struct dataplane *dp, unsigned i)
{
    const struct jp_stats_port *shared = &dp->stats->port[i];
    struct rte_eth_stats new = {0};

    rte_eth_stats_get(dp->port[i].id, &new);
    before[i] = (struct rte_eth_stats){
        .ipackets = shared->rx_packets - new.ipackets,
        .opackets = shared->tx_packets - new.opackets,
        .ibytes = shared->rx_bytes - new.ibytes,
        .obytes = shared->tx_bytes - new.obytes,
        .imissed = shared->rx_missed - new.imissed,
        .ierrors = shared->rx_errors - new.ierrors,
        .oerrors = shared->tx_errors - new.oerrors,
        .rx_nombuf = shared->rx_nombuf - new.rx_nombuf,
    };
}

void port_sample(const struct dataplane *dp, unsigned i)
{
    struct jp_stats_port *shared = &dp->stats->port[i];
    struct rte_eth_link link;

    if (dp->port[i].off) { /* some drivers have nothing to look at then */
        shared->link_up = false;
        return;
    }
    port_count(dp, i);
    if (rte_eth_link_get_nowait(dp->port[i].id, &link) == 0)
        shared->speed_mbps = link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed;
    shared->link_up = link_sample(dp, i);
}

void ports_sample(struct dataplane *dp)
{
    for (unsigned i = 0; i < dp->ports; i++)
        port_sample(dp, i);
}

uint16_t ports_max_packet(const struct dataplane *dp)
{
    enum { IPV6_UDP_LEN = 48 };
    uint16_t mtu = UINT16_MAX;

    for (unsigned i = 0; i < dp->ports; i++)
        mtu = RTE_MIN(mtu, dp->port[i].mtu);
    return (uint16_t)(mtu - IPV6_UDP_LEN);
}
