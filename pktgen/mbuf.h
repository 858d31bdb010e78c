/* Bytes of a packet buffer that the caller knows to have room for them. */
#ifndef PKTGEN_MBUF_H
#define PKTGEN_MBUF_H

#include <assert.h>
#include <rte_mbuf.h>

/* len more bytes behind m's data. */
static inline uint8_t *mbuf_append(struct rte_mbuf *m, uint32_t len)
{
    char *bytes = rte_pktmbuf_append(m, (uint16_t)len);

    assert(bytes);
    return (uint8_t *)bytes;
}

/* len more bytes in front of it. */
static inline uint8_t *mbuf_prepend(struct rte_mbuf *m, uint32_t len)
{
    char *bytes = rte_pktmbuf_prepend(m, (uint16_t)len);

    assert(bytes);
    return (uint8_t *)bytes;
}

#endif
