/* Reasons to drop a packet that lie in its Ethernet, IP and UDP headers. */
#include "drops.h"

#include <rte_ip.h>

#include "bytes.h"
#include "handshake.h"

struct good good_frame(const struct client *c, const uint8_t *payload, uint32_t len)
{
    struct good g;

    g.len = client_frame(c, payload, len, g.bytes);
    return g;
}

/* A data packet of nobody's session. */
struct good good_data(struct plane *plane)
{
    struct client c = client_new(plane, CLIENT, 0);
    uint8_t payload[100] = {0};

    wire_data_hdr_put(payload, c.server_spi, 1);
    return good_frame(&c, payload, sizeof(payload));
}

void fix_checksum(struct good *g)
{
    memset(g->bytes + IP + 10, 0, 2);
    uint16_t checksum = (uint16_t)~rte_raw_cksum(g->bytes + IP, 20);

    memcpy(g->bytes + IP + 10, &checksum, 2);
}

void inject(struct plane *plane, const struct good *g)
{
    plane_inject(plane, PLANE_UNTAGGED, 0, g->bytes, g->len);
}

struct good good_hello(const struct client *c, uint8_t type, uint8_t version, uint32_t len)
{
    uint8_t payload[PLANE_FRAME_MAX] = {[4] = type, [5] = version};

    return good_frame(c, payload, len);
}

/* ---- what parse refuses ---- */

void eth_other(struct plane *plane)
{
    struct good g = good_data(plane);

    be16_store(g.bytes + ETH + 12, 0x88cc);
    inject(plane, &g);
}

void eth_other_vlan(struct plane *plane)
{
    struct client c = client_new(plane, CLIENT, 0);
    uint8_t payload[100] = {0}, frame[PLANE_FRAME_MAX];

    c.path.vlan = PLANE_VLAN + 1;
    uint32_t len = client_frame(&c, payload, sizeof(payload), frame);

    plane_inject(plane, PLANE_TAGGED, 0, frame, len);
}

void eth_short(struct plane *plane)
{
    struct good g = good_data(plane);

    g.len = 13;
    inject(plane, &g);
}

void arp_other(struct plane *plane)
{
    struct good g = {.len = 60};

    be16_store(g.bytes + ETH + 12, 0x0806);
    inject(plane, &g);
}

void ip_longer_than_frame(struct plane *plane)
{
    struct good g = good_data(plane);

    be16_store(g.bytes + IP + 2, (uint16_t)(g.len - IP + 1));
    fix_checksum(&g);
    inject(plane, &g);
}

void ip_short_header(struct plane *plane)
{
    struct good g = good_data(plane);

    g.bytes[IP] = 0x44;
    fix_checksum(&g);
    inject(plane, &g);
}

void ip_shorter_than_its_header(struct plane *plane)
{
    struct good g = good_data(plane);

    be16_store(g.bytes + IP + 2, 19);
    fix_checksum(&g);
    inject(plane, &g);
}

void ip_cut(struct plane *plane)
{
    struct good g = good_data(plane);

    g.len = IP + 19;
    inject(plane, &g);
}

void ip6_longer_than_frame(struct plane *plane)
{
    struct client c = client_new(plane, CLIENT, 0);
    uint8_t payload[100] = {0};

    c.path = plane_path(CLIENT, PLANE_ECHO, 6);
    struct good g = good_frame(&c, payload, sizeof(payload));

    g.len--;
    inject(plane, &g);
}

void ip_checksum(struct plane *plane)
{
    struct good g = good_data(plane);

    g.bytes[IP + 10] ^= 0x40;
    inject(plane, &g);
}

void ip_fragment(struct plane *plane)
{
    struct good g = good_data(plane);

    be16_store(g.bytes + IP + 6, 0x2000);
    fix_checksum(&g);
    inject(plane, &g);
}

void ip_last_fragment(struct plane *plane)
{
    struct good g = good_data(plane);

    be16_store(g.bytes + IP + 6, 0x0010);
    fix_checksum(&g);
    inject(plane, &g);
}

void ip6_fragment(struct plane *plane)
{
    struct client c = client_new(plane, CLIENT, 0);
    uint8_t payload[100] = {0};

    c.path = plane_path(CLIENT, PLANE_ECHO, 6);
    struct good g = good_frame(&c, payload, sizeof(payload));

    g.bytes[IP + 6] = 44;
    inject(plane, &g);
}

void ip_not_ours(struct plane *plane)
{
    struct good g = good_data(plane);

    g.bytes[IP + 19] = 99;
    fix_checksum(&g);
    inject(plane, &g);
}

void ip6_not_ours(struct plane *plane)
{
    struct client c = client_new(plane, CLIENT, 0);
    uint8_t payload[100] = {0};

    c.path = plane_path(CLIENT, PLANE_ECHO, 6);
    c.path.our_ip[15] = 99;
    struct good g = good_frame(&c, payload, sizeof(payload));

    inject(plane, &g);
}

void ip_other(struct plane *plane)
{
    struct good g = good_data(plane);

    g.bytes[IP + 9] = IPPROTO_TCP;
    fix_checksum(&g);
    inject(plane, &g);
}

void udp_malformed_long(struct plane *plane)
{
    struct good g = good_data(plane);

    be16_store(g.bytes + UDP + 4, (uint16_t)(g.len - UDP + 1));
    inject(plane, &g);
}

void udp_malformed_short(struct plane *plane)
{
    struct good g = good_data(plane);

    be16_store(g.bytes + UDP + 4, 7);
    inject(plane, &g);
}

void udp_cut(struct plane *plane)
{
    struct good g = good_data(plane);

    be16_store(g.bytes + IP + 2, 27);
    fix_checksum(&g);
    inject(plane, &g);
}

/* Only a port that checks can tell. */
void udp_checksum(struct plane *plane)
{
    struct good g = good_data(plane);
    struct rte_mbuf *m = rte_pktmbuf_alloc(plane->mbufs);

    memcpy(rte_pktmbuf_append(m, (uint16_t)g.len), g.bytes, g.len);
    m->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_BAD;
    assert_int_equal(rte_ring_enqueue(plane->in[PLANE_UNTAGGED][0], m), 0);
}

void put_udp_checksum(struct good *g, uint16_t delta)
{
    uint16_t sum =
        rte_ipv4_udptcp_cksum((const struct rte_ipv4_hdr *)(g->bytes + IP), g->bytes + UDP);

    memcpy(g->bytes + UDP + 6, &sum, 2);
    be16_store(g->bytes + UDP + 6, (uint16_t)(be16_load(g->bytes + UDP + 6) + delta));
}

void udp_checksum_hello(struct plane *plane)
{
    struct client c = client_new(plane, CLIENT, 0);
    struct good g = good_hello(&c, WIRE_CLIENT_HELLO, WIRE_VERSION, HS_CLIENT_HELLO_LEN);

    put_udp_checksum(&g, 1);
    inject(plane, &g);
}

/* IPv6 must have one (RFC 8200 section 8.1). */
void udp_checksum_none6(struct plane *plane)
{
    struct client c = client_new(plane, CLIENT, 0);

    c.path = plane_path(CLIENT, PLANE_ECHO, 6);
    struct good g = good_hello(&c, WIRE_CLIENT_HELLO, WIRE_VERSION, HS_CLIENT_HELLO_LEN);

    be16_store(g.bytes + IP + 40 + 6, 0);
    inject(plane, &g);
}

/* An authentic packet, but its source port was damaged on the way. */
void udp_checksum_moved(struct plane *plane)
{
    struct client c = client_start(plane, CLIENT, PLANE_ECHO);
    uint8_t payload[PLANE_FRAME_MAX];
    uint32_t len = client_seal(&c, 5, (const uint8_t[]){FRAME_PING}, 1, payload);
    struct good g = good_frame(&c, payload, len);

    put_udp_checksum(&g, 0);
    g.bytes[UDP] ^= 1;
    inject(plane, &g);
    plane_settle(plane);
    assert_int_equal(plane_count(plane, JP_paths_changed), 0);
}

/* Frames to others, as a switch floods them, and to everybody. */
void ip_other_mac(struct plane *plane)
{
    struct good g = good_data(plane);

    g.bytes[ETH + 5] ^= 1;
    inject(plane, &g);
}

void ip_broadcast_mac(struct plane *plane)
{
    struct good g = good_data(plane);

    memset(g.bytes + ETH, 0xff, 6);
    inject(plane, &g);
}

void ip6_other_mac(struct plane *plane)
{
    struct client c = client_new(plane, CLIENT, 0);
    uint8_t payload[100] = {0};

    c.path = plane_path(CLIENT, PLANE_ECHO, 6);
    c.path.our_mac[5] ^= 1;
    struct good g = good_frame(&c, payload, sizeof(payload));

    inject(plane, &g);
}

void from4(struct plane *plane, uint8_t first)
{
    struct good g = good_data(plane);

    g.bytes[IP + 12] = first;
    fix_checksum(&g);
    inject(plane, &g);
}

void ip_source_none(struct plane *plane)
{
    from4(plane, 0);
}

void ip_source_loopback(struct plane *plane)
{
    from4(plane, 127);
}

void ip_source_multicast(struct plane *plane)
{
    from4(plane, 224);
}

void ip_source_broadcast(struct plane *plane)
{
    from4(plane, 255);
}

void from6(struct plane *plane, const uint8_t ip[16])
{
    struct client c = client_new(plane, CLIENT, 0);
    uint8_t payload[100] = {0};

    c.path = plane_path(CLIENT, PLANE_ECHO, 6);
    memcpy(c.path.peer_ip, ip, 16);
    struct good g = good_frame(&c, payload, sizeof(payload));

    inject(plane, &g);
}

void ip6_source_none(struct plane *plane)
{
    from6(plane, (const uint8_t[16]){0});
}

void ip6_source_mapped(struct plane *plane)
{
    from6(plane, (const uint8_t[16]){[10] = 0xff, 0xff, 198, 18, 0, 2});
}

void ip6_source_multicast(struct plane *plane)
{
    from6(plane, (const uint8_t[16]){0xff, 2, [15] = 1});
}
