/* parse: from Ethernet to the fields of a data packet. Everything received passes here: every
 * header's length is checked against what is there before a byte of it is read. */
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "answers.h"
#include "bytes.h"
#include "handshake.h"
#include "headers.h"
#include "ingress.h"
#include "origin.h"
#include "wire.h"

/* What becomes of a packet: a fate or drop (enum jp_counter), or one of these. */
enum {
    KEEP = JP_COUNTER_COUNT,
    TAKEN, /* somebody else has it and counts it */
};

enum {
    IP6_NEXT_FRAGMENT = 44,
    AHEAD = 8, /* headers are fetched so many packets before they are parsed, buffers twice that */
};

static const uint8_t solicited_node[13] = {0xff, 0x02, [11] = 1, [12] = 0xff};

/* The groups that every IPv6 node listens to (RFC 4291 section 2.8). */
static bool is_our_group(const struct port *port, const uint8_t ip[16])
{
    if (memcmp(ip, ip6_all_nodes, 16) == 0)
        return true;
    if (memcmp(ip, solicited_node, 13) != 0)
        return false;
    for (unsigned i = 0; i < port->addresses; i++)
        if (memcmp(port->address[i].ip + 13, ip + 13, 3) == 0)
            return true;
    return false;
}

/* A prefix's hellos with cookie, forged ones included, do not count against those without, nor the
 * other way round: who spoofs first hellos leaves the second ones alone. */
static int parse_hello(struct lcore *lc, struct rte_mbuf *m, const uint8_t *hello, uint32_t len)
{
    struct prefix_limit *limit;
    struct jp_path path;

    if (len != HS_CLIENT_HELLO_LEN)
        return JP_too_short;
    if (!udp_checksum_ok(m))
        return JP_udp_checksum;
    packet_path(lc->dp, m, &path);
    limit = hs_hello_has_cookie(hello) ? lc->punt_cookie_limit : lc->punt_limit;
    if (!prefix_limit_pass(limit, path.peer_ip, lc->now))
        return JP_punt_limited;
    if (!__atomic_load_n(&lc->dp->control_up, __ATOMIC_RELAXED) ||
        rte_ring_enqueue(lc->punts, m) != 0)
        return JP_punt_full;
    return TAKEN; /* the main lcore counts what becomes of it */
}

static int parse_payload(struct lcore *lc, struct rte_mbuf *m, const uint8_t *payload, uint32_t len)
{
    struct packet *p = packet_of(m);
    struct wire_info info;

    switch (wire_classify(payload, len, &info)) {
    case WIRE_DATA:
        p->spi = info.spi;
        p->pn = info.pn;
        p->text_len = info.text_len;
        return KEEP;
    case WIRE_HANDSHAKE:
        return info.hs_type == WIRE_CLIENT_HELLO || info.hs_type == WIRE_RESUME_HELLO
                   ? parse_hello(lc, m, payload, len)
                   : JP_hs_type;
    case WIRE_KEEPALIVE:
        return JP_keepalive;
    case WIRE_RESERVED:
        return JP_spi_reserved;
    case WIRE_MISMATCH:
        return JP_pn_mismatch;
    case WIRE_VERSION_UNKNOWN:
        return JP_hs_version;
    case WIRE_SHORT:
        break;
    }
    return JP_too_short;
}

/* `len` bytes of IP payload. The UDP checksum is computed only where something depends on it that
 * the AEAD tag does not prove: hellos, and packets that would move their session. */
static int parse_udp(struct lcore *lc, struct rte_mbuf *m, uint32_t len)
{
    struct packet *p = packet_of(m);
    const uint8_t *udp =
        rte_pktmbuf_mtod_offset(m, const uint8_t *, p->layers.l2_len + p->layers.l3_len);

    if (len < UDP_HDR || be16_load(udp + 4) < UDP_HDR || be16_load(udp + 4) > len)
        return JP_udp_malformed;
    if ((m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_BAD)
        return JP_udp_checksum;
    if (lc->dp->listener_of[be16_load(udp + 2)] == 0)
        return JP_port_closed;
    p->layers.udp = (uint16_t)(p->layers.l2_len + p->layers.l3_len + UDP_HDR);
    return parse_payload(lc, m, udp + UDP_HDR, be16_load(udp + 4) - UDP_HDR);
}

/* Is the checksum of this IPv4 header right? Ones' complement sums are sums modulo 65535, and no
 * header is all zeroes. */
static inline bool header_sum_ok(const uint8_t *ip, uint32_t len)
{
    uint64_t sum = 0;
    uint32_t word;

    for (uint32_t i = 0; i < len; i += 4) {
        memcpy(&word, ip + i, sizeof(word));
        sum += word;
    }
    return sum % 65535 == 0;
}

/* Of a header of len bytes. */
static inline bool ip4_checksum_bad(const struct rte_mbuf *m, const uint8_t *ip, uint32_t len)
{
    switch (m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) {
    case RTE_MBUF_F_RX_IP_CKSUM_GOOD:
        return false;
    case RTE_MBUF_F_RX_IP_CKSUM_BAD:
        return true;
    default:
        return !header_sum_ok(ip, len);
    }
}

/* Is the frame for this port alone? An answer's source is the port's address whatever it was. */
static bool is_to_port(const struct port *port, struct rte_mbuf *m)
{
    return memcmp(rte_pktmbuf_mtod(m, uint8_t *), port->mac, RTE_ETHER_ADDR_LEN) == 0;
}

/* `len` bytes from the IP header to the end of the frame. */
static int parse_ip4(struct lcore *lc, struct rte_mbuf *m, const uint8_t *ip, uint32_t len)
{
    struct packet *p = packet_of(m);
    const struct port *port = &lc->dp->port[p->port];

    if (len < IP4_MIN)
        return JP_ip_malformed;
    uint32_t header = (ip[0] & 0xf) * 4u, total = be16_load(ip + 2);

    if (ip[0] >> 4 != 4 || header < IP4_MIN || total < header || total > len)
        return JP_ip_malformed;
    if (ip4_checksum_bad(m, ip, header))
        return JP_ip_checksum;
    if (!address4_is_ours(port, ip + 16))
        return JP_ip_not_ours;
    if (!is_to_port(port, m))
        return JP_ip_other_mac;
    if (be16_load(ip + 6) & IP4_FRAGMENT_MASK)
        return JP_ip_fragment;
    p->ip_version = 4;
    p->layers.l3_len = (uint8_t)header;
    if (ip[9] == IPPROTO_UDP)
        return ip4_is_host(ip + 12) ? parse_udp(lc, m, total - header) : JP_ip_source;
    if (ip[9] != IPPROTO_ICMP)
        return JP_ip_other;
    answer_icmp4(lc, m);
    return TAKEN;
}

static int parse_ip6(struct lcore *lc, struct rte_mbuf *m, const uint8_t *ip, uint32_t len)
{
    struct packet *p = packet_of(m);
    const struct port *port = &lc->dp->port[p->port];

    if (len < IP6_HDR)
        return JP_ip_malformed;
    uint32_t payload = be16_load(ip + 4);
    uint8_t next = ip[6];

    if (ip[0] >> 4 != 6 || payload > len - IP6_HDR)
        return JP_ip_malformed;
    bool to_group = next == IPPROTO_ICMPV6 && is_our_group(port, ip + 24);

    if (!to_group && !address6_is_ours(port, ip + 24))
        return JP_ip_not_ours;
    if (!to_group && !is_to_port(port, m))
        return JP_ip_other_mac;
    p->ip_version = 6;
    p->layers.l3_len = IP6_HDR; /* no peer of ours has a reason for extension headers */
    if (next == IPPROTO_UDP)
        return ip6_is_host(ip + 8) ? parse_udp(lc, m, payload) : JP_ip_source;
    if (next != IPPROTO_ICMPV6)
        return next == IP6_NEXT_FRAGMENT ? JP_ip_fragment : JP_ip_other;
    answer_icmp6(lc, m);
    return TAKEN;
}

/* The type behind the Ethernet header and the port's VLAN tag, 0 when the frame is not of the
 * port's VLAN. */
static uint16_t parse_ethernet(const struct lcore *lc, struct packet *p, const uint8_t *eth,
                               uint32_t len)
{
    uint16_t type, vlan = 0;

    if (len < RTE_ETHER_HDR_LEN)
        return 0;
    p->layers.l2_len = RTE_ETHER_HDR_LEN;
    type = be16_load(eth + RTE_ETHER_HDR_LEN - 2);
    if (type == RTE_ETHER_TYPE_VLAN) {
        if (len < RTE_ETHER_HDR_LEN + VLAN_TAG)
            return 0;
        p->layers.l2_len += VLAN_TAG;
        vlan = be16_load(eth + RTE_ETHER_HDR_LEN) & VLAN_ID_MASK; /* 0: priority only */
        type = be16_load(eth + RTE_ETHER_HDR_LEN + 2);
    }
    return vlan == lc->dp->port[p->port].vlan ? type : 0;
}

static int parse_frame(struct lcore *lc, struct rte_mbuf *m)
{
    struct packet *p = packet_of(m);

    if (m->nb_segs > 1 && rte_pktmbuf_linearize(m) != 0)
        return JP_no_mbuf;
    const uint8_t *eth = rte_pktmbuf_mtod(m, const uint8_t *);

    switch (parse_ethernet(lc, p, eth, m->data_len)) {
    case RTE_ETHER_TYPE_IPV4:
        return parse_ip4(lc, m, eth + p->layers.l2_len, m->data_len - (uint32_t)p->layers.l2_len);
    case RTE_ETHER_TYPE_IPV6:
        return parse_ip6(lc, m, eth + p->layers.l2_len, m->data_len - (uint32_t)p->layers.l2_len);
    case RTE_ETHER_TYPE_ARP:
        answer_arp(lc, m);
        return TAKEN;
    default:
        return JP_eth_other;
    }
}

/* ---- the quick way ---- */

static inline bool fits(const struct outline *o, const uint8_t *frame)
{
    outline_vector differences = {0}, part;

    for (unsigned i = 0; i < OUTLINE_LEN / sizeof(part); i++) {
        memcpy(&part, frame + i * sizeof(part), sizeof(part));
        differences |= (part ^ o->want[i]) & o->mask[i];
    }
    return (differences[0] | differences[1]) == 0;
}

/* Nearly every packet looks as its port's outline says, which is compared at once, and its lengths
 * are those of its frame. True: it is one of those, and good data. False: nothing is known yet,
 * parse it header by header. */
static inline bool parse_quick(const struct lcore *lc, const struct outlines *outlines,
                               struct rte_mbuf *m)
{
    const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
    uint32_t len = m->data_len;

    if (m->nb_segs > 1 || len < OUTLINE_LEN)
        return false;
    bool is_v4 = frame[outlines->v4.front] >> 4 == 4;
    const struct outline *o = is_v4 ? &outlines->v4 : &outlines->v6;

    if (len < o->min_len || !fits(o, frame))
        return false;
    struct packet *p = packet_of(m);
    const uint8_t *ip = frame + o->layers.l2_len, *payload = frame + o->layers.udp;
    const uint8_t *udp = payload - UDP_HDR;

    p->layers = o->layers;
    p->ip_version = is_v4 ? 4 : 6;
    p->spi = be32_load(payload);
    p->pn = be64_load(payload + 8);
    p->text_len = len - o->layers.udp - WIRE_DATA_HDR - WIRE_TAG;
    return be16_load(frame + o->length_at) == len - o->front &&
           be16_load(udp + 4) == len - o->layers.udp + UDP_HDR &&
           lc->dp->listener_of[be16_load(udp + 2)] != 0 && p->spi >= WIRE_SPI_MIN &&
           be32_load(payload + 4) == (uint32_t)p->pn &&
           (m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) != RTE_MBUF_F_RX_L4_CKSUM_BAD &&
           (is_v4 ? ip4_is_host(ip + 12) && !ip4_checksum_bad(m, ip, IP4_MIN)
                  : ip6_is_host(ip + 8));
}

static inline void fetch_buffer(struct rte_mbuf *m)
{
    rte_mbuf_prefetch_part1(m);
    rte_prefetch0(packet_of(m));
}

static inline void fetch_headers(const struct rte_mbuf *m)
{
    rte_prefetch0(rte_pktmbuf_mtod(m, void *));
}

/* Whoever wrote a packet may have been another core or the NIC: what is read of it is fetched while
 * others are parsed, buffer and metadata first, then the headers to which the buffer points. */
uint16_t ingress_parse(struct lcore *lc, struct burst *b)
{
    const struct outlines *outlines = &lc->outlines[b->port];
    unsigned n = b->n, kept = 0;
    uint64_t bytes = 0;

    for (unsigned i = 0; i < RTE_MIN(n, 2u * AHEAD); i++)
        fetch_buffer(b->m[i]);
    for (unsigned i = 0; i < RTE_MIN(n, (unsigned)AHEAD); i++)
        fetch_headers(b->m[i]);
    for (unsigned i = 0; i < n; i++) {
        struct rte_mbuf *m = b->m[i];

        if (i + 2 * AHEAD < n)
            fetch_buffer(b->m[i + 2 * AHEAD]);
        if (i + AHEAD < n)
            fetch_headers(b->m[i + AHEAD]);
        bytes += m->pkt_len;
        packet_of(m)->port = b->port;
        int fate = likely(parse_quick(lc, outlines, m)) ? KEEP : parse_frame(lc, m);

        if (fate == KEEP) {
            session_expect(lc->sessions, packet_of(m)->spi);
            b->m[kept++] = m;
        } else if (fate != TAKEN) {
            drop(lc, m, (enum jp_counter)fate);
        }
    }
    count(lc, JP_rx_bytes, bytes);
    return b->n = (uint16_t)kept;
}
