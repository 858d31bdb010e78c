/* Ethernet frames of anybody as packet buffers: any read beyond one's bytes is seen. */
#ifndef TESTS_FUZZ_ETHERNET_H
#define TESTS_FUZZ_ETHERNET_H

#include <stdbool.h>
#include <stdlib.h>

#include <rte_ip.h>
#include <rte_mbuf.h>

#include "bytes.h"
#include "fuzz.h"

enum { ETH = 14, IP4 = 20, IP6 = 40 };

/* In front of a frame's bytes is what counts its users. */
static inline void frame_free(void *bytes, void *arg)
{
    (void)arg;
    free((uint8_t *)bytes - sizeof(struct rte_mbuf_ext_shared_info));
}

static inline void put_checksum(uint8_t *at, uint16_t sum)
{
    memcpy(at, &sum, sizeof(sum)); /* in the order of what was summed */
}

/* Make the checksums of an IP header and of ICMP behind it right. */
static inline void mend(uint8_t *eth, size_t len)
{
    uint8_t *ip = eth + ETH;

    if (len >= ETH + IP4 + 4 && be16_load(eth + 12) == 0x0800 && ip[0] == 0x45) {
        size_t total = be16_load(ip + 2);

        put_checksum(ip + 10, 0);
        put_checksum(ip + 10, (uint16_t)~rte_raw_cksum(ip, IP4));
        if (ip[9] != IPPROTO_ICMP || total < IP4 + 4 || total > len - ETH)
            return;
        put_checksum(ip + IP4 + 2, 0);
        put_checksum(ip + IP4 + 2, (uint16_t)~rte_raw_cksum(ip + IP4, total - IP4));
    } else if (len >= ETH + IP6 + 4 && be16_load(eth + 12) == 0x86dd) {
        size_t payload = be16_load(ip + 4);

        if (ip[6] != IPPROTO_ICMPV6 || payload < 4 || payload > len - ETH - IP6)
            return;
        put_checksum(ip + IP6 + 2, 0);
        put_checksum(ip + IP6 + 2,
                     rte_ipv6_udptcp_cksum((const struct rte_ipv6_hdr *)ip, ip + IP6));
    }
}

/* An mbuf whose data are these bytes in memory of their own. */
static inline struct rte_mbuf *frame_of(struct rte_mempool *mbufs, const uint8_t *bytes, size_t len,
                                        bool right)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(mbufs);
    struct rte_mbuf_ext_shared_info *shared = malloc(sizeof(*shared) + len);

    FUZZ_CHECK(m && shared);
    *shared = (struct rte_mbuf_ext_shared_info){.free_cb = frame_free};
    rte_mbuf_ext_refcnt_set(shared, 1);
    memcpy(shared + 1, bytes, len);
    if (right)
        mend((uint8_t *)(shared + 1), len);
    rte_pktmbuf_attach_extbuf(m, shared + 1, 0, (uint16_t)len, shared);
    rte_pktmbuf_append(m, (uint16_t)len);
    return m;
}

#endif
