#include "path.h"

#include <string.h>

#include "bytes.h"

enum {
    IPV4_LEN = 20,
    IPV6_LEN = 40,
    UDP_LEN = 8,
    HOP_LIMIT = 64,
    IPV4_DF = 0x4000,
    PROTO_UDP = 17
};
enum { TYPE_IPV4 = 0x0800, TYPE_IPV6 = 0x86dd, TYPE_VLAN = 0x8100 };

static uint64_t add_carry(uint64_t sum, uint64_t word)
{
    sum += word;
    return sum + (sum < word);
}

/* One's complement sum of n bytes, in words as wide as the machine's: that and their byte order
 * make no difference to it (RFC 1071 section 2). */
static uint16_t sum_of(const uint8_t *p, uint32_t n)
{
    uint64_t sum[2] = {0, 0}, word[2];

    for (; n >= sizeof(word); p += sizeof(word), n -= (uint32_t)sizeof(word)) {
        memcpy(word, p, sizeof(word));
        sum[0] = add_carry(sum[0], word[0]);
        sum[1] = add_carry(sum[1], word[1]);
    }
    memset(word, 0, sizeof(word));
    memcpy(word, p, n);
    sum[0] = add_carry(add_carry(sum[0], sum[1]), add_carry(word[0], word[1]));
    while (sum[0] >> 16 != 0)
        sum[0] = (sum[0] >> 16) + (sum[0] & 0xffff);
    uint16_t folded = (uint16_t)sum[0];

    return be16_load((const uint8_t *)&folded);
}

/* Add v to the one's complement sum in p. */
static void sum_add(uint8_t *p, uint16_t v)
{
    uint32_t sum = (uint32_t)be16_load(p) + v;

    be16_store(p, (uint16_t)(sum + (sum >> 16)));
}

static uint8_t *put_l2(uint8_t *p, const struct jp_path *path)
{
    memcpy(p, path->peer_mac, 6);
    memcpy(p + 6, path->our_mac, 6);
    p += 12;
    if (path->vlan != 0) {
        be16_store(p, TYPE_VLAN);
        be16_store(p + 2, path->vlan);
        p += 4;
    }
    be16_store(p, path->ip_version == 4 ? TYPE_IPV4 : TYPE_IPV6);
    return p + 2;
}

static uint8_t *put_ipv4(uint8_t *ip, const struct jp_path *path)
{
    memset(ip, 0, IPV4_LEN);
    ip[0] = 0x45;
    be16_store(ip + 6, IPV4_DF);
    ip[8] = HOP_LIMIT;
    ip[9] = PROTO_UDP;
    memcpy(ip + 12, path->our_ip + 12, 4);
    memcpy(ip + 16, path->peer_ip + 12, 4);
    be16_store(ip + 10, (uint16_t)~sum_of(ip, IPV4_LEN));
    return ip + IPV4_LEN;
}

static uint8_t *put_ipv6(uint8_t *ip, const struct jp_path *path)
{
    memset(ip, 0, 8);
    ip[0] = 0x60;
    ip[6] = PROTO_UDP;
    ip[7] = HOP_LIMIT;
    memcpy(ip + 8, path->our_ip, 16);
    memcpy(ip + 24, path->peer_ip, 16);
    return ip + IPV6_LEN;
}

uint16_t path_header(uint8_t header[PATH_HEADER_MAX], const struct jp_path *path)
{
    uint8_t *ip = put_l2(header, path);
    uint8_t *udp = path->ip_version == 4 ? put_ipv4(ip, path) : put_ipv6(ip, path);

    be16_store(udp, path->our_port);
    be16_store(udp + 2, path->peer_port);
    memset(udp + 4, 0, 4);
    if (path->ip_version == 6) { /* addresses and protocol; the length is still to come */
        be16_store(udp + 6, sum_of(ip + 8, 32));
        sum_add(udp + 6, PROTO_UDP);
    }
    return (uint16_t)(udp + UDP_LEN - header);
}

void path_header_fill(uint8_t *udp, unsigned ip_version, uint16_t udp_len)
{
    be16_store(udp + 4, udp_len);
    if (ip_version == 4) {
        uint8_t *ip = udp - IPV4_LEN;
        uint16_t len = IPV4_LEN + udp_len;

        be16_store(ip + 2, len);
        be16_store(ip + 10, (uint16_t)~be16_load(ip + 10));
        sum_add(ip + 10, len);
        be16_store(ip + 10, (uint16_t)~be16_load(ip + 10));
    } else {
        be16_store(udp - IPV6_LEN + 4, udp_len);
        sum_add(udp + 6, udp_len);
    }
}

void path_checksum(uint8_t *udp, uint16_t udp_len)
{
    uint16_t checksum = (uint16_t)~sum_of(udp, udp_len);

    be16_store(udp + 6, checksum != 0 ? checksum : 0xffff);
}
