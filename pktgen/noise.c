/* Packets that do not belong: replays, forgeries and garbage. None takes a packet number from the
 * session it goes beside. */
#include <rte_ether.h>

#include "bytes.h"
#include "handshake.h"
#include "mbuf.h"
#include "send.h"
#include "wire.h"

enum { FORGED_MAX = 1400, RANDOM_MAX = 1400, HEADERS_DAMAGED = 4, SPOOFED_PREFIXES = 512 };

/* An old frame, its first len bytes. */
static struct rte_mbuf *copy_of(struct worker *w, const struct recalled *old, uint16_t len)
{
    struct rte_mbuf *m = old ? rte_pktmbuf_alloc(w->g->mbufs) : NULL;

    if (m)
        memcpy(mbuf_append(m, len), old->frame, len);
    return m;
}

static void replay(struct worker *w)
{
    const struct recalled *old = recall_any(w->recall, &w->prng);
    struct rte_mbuf *m = copy_of(w, old, old ? old->len : 0);

    if (!m)
        return;
    count(w, C_replays_injected, 1);
    send_raw(w, old->queue, m);
}

/* Length and checksum of an old frame's IP and UDP headers, which begin at l3, are those of its new
 * length. */
static void shorten(struct session *s, struct rte_mbuf *m)
{
    uint16_t payload = (uint16_t)(m->data_len - s->header_len);

    rte_pktmbuf_adj(m, s->header_len);
    m->data_len = payload;
    send_address(m, s->header, s->header_len, s->path.ip_version);
}

/* An old packet cut anywhere, under this session's headers. */
static void truncated(struct worker *w, struct session *s)
{
    const struct recalled *old = recall_any(w->recall, &w->prng);
    uint32_t payload = old ? old->len - (uint32_t)s->header_len : 0;
    struct rte_mbuf *m =
        copy_of(w, old, (uint16_t)(s->header_len + (old ? prng_below(&w->prng, payload) : 0)));

    if (!m)
        return;
    shorten(s, m);
    count(w, C_garbage_truncated, 1);
    send_raw(w, old->queue, m);
}

/* An old frame with random bytes in its Ethernet, IP or UDP header; it still comes to the target.
 */
static void headers(struct worker *w, struct session *s)
{
    const struct recalled *old = recall_any(w->recall, &w->prng);
    struct rte_mbuf *m = copy_of(w, old, old ? old->len : 0);

    if (!m)
        return;
    for (unsigned i = 0; i < HEADERS_DAMAGED; i++) {
        uint32_t at =
            RTE_ETHER_ADDR_LEN + prng_below(&w->prng, (uint32_t)s->header_len - RTE_ETHER_ADDR_LEN);

        rte_pktmbuf_mtod(m, uint8_t *)[at] = (uint8_t)prng_next(&w->prng);
    }
    count(w, C_garbage_headers, 1);
    send_raw(w, old->queue, m);
}

/* A packet with a UDP payload of len random bytes from the session's address. */
static struct rte_mbuf *random_payload(struct worker *w, uint32_t len)
{
    struct rte_mbuf *m = send_new(w);

    if (m)
        prng_fill(&w->prng, mbuf_append(m, len), len);
    return m;
}

static void send_payload(struct worker *w, struct session *s, struct rte_mbuf *m, enum counter c)
{
    count(w, c, 1);
    send_address(m, s->header, s->header_len, s->path.ip_version);
    send_raw(w, s->queue, m);
}

/* A length that passes for a data packet's. */
static uint32_t random_data_len(struct worker *w)
{
    return WIRE_DATA_HDR + 4 * (1 + prng_below(&w->prng, FORGED_MAX / 4)) + WIRE_TAG;
}

/* The session's SPI and next packet number, and a random body. */
static void forge(struct worker *w, struct session *s)
{
    struct rte_mbuf *m = random_payload(w, random_data_len(w));

    if (!m)
        return;
    wire_data_hdr_put(rte_pktmbuf_mtod(m, uint8_t *), s->server_spi, s->tx.next_pn);
    send_payload(w, s, m, C_forgeries_injected);
}

static void wrong_spi(struct worker *w, struct session *s)
{
    struct rte_mbuf *m = random_payload(w, random_data_len(w));
    uint32_t spi = WIRE_SPI_MIN + prng_below(&w->prng, UINT32_MAX - WIRE_SPI_MIN);

    if (!m)
        return;
    wire_data_hdr_put(rte_pktmbuf_mtod(m, uint8_t *), spi, prng_next(&w->prng) >> 30);
    send_payload(w, s, m, C_garbage_wrong_spi);
}

/* Random bytes, sometimes with a beginning that leads somewhere. */
static void random_bytes(struct worker *w, struct session *s)
{
    struct rte_mbuf *m = random_payload(w, prng_below(&w->prng, RANDOM_MAX));
    uint32_t begin = prng_below(&w->prng, 4);
    uint8_t *p;

    if (!m)
        return;
    p = rte_pktmbuf_mtod(m, uint8_t *);
    if (m->data_len >= WIRE_HS_HDR && begin < 2) {
        memset(p, 0, WIRE_HS_HDR);
        if (begin == 0) { /* a handshake packet of some type and version */
            p[4] = (uint8_t)prng_below(&w->prng, 6);
            p[5] = (uint8_t)prng_below(&w->prng, 3);
        } else { /* a reserved SPI */
            p[3] = (uint8_t)prng_next(&w->prng);
        }
    }
    send_payload(w, s, m, C_garbage_random);
}

/* A hello of random bytes from an address that is not ours. */
static void spoofed_hello(struct worker *w, struct session *s)
{
    struct rte_mbuf *m = random_payload(w, HS_CLIENT_HELLO_LEN);
    uint8_t header[PATH_HEADER_MAX];
    struct jp_path path = s->path;

    if (!m)
        return;
    wire_hs_hdr_put(rte_pktmbuf_mtod(m, uint8_t *), WIRE_CLIENT_HELLO);
    path_spoof(&path, &w->g->options.source, SPOOFED_PREFIXES, &w->prng);
    count(w, C_garbage_hellos, 1);
    send_address(m, header, path_header(header, &path), path.ip_version);
    send_raw(w, s->queue, m);
}

void noise_add(struct worker *w, struct session *s)
{
    unsigned extras = impair_extras(&w->g->impair, &w->prng);

    if (likely(extras == 0))
        return;
    if (extras & EXTRA_REPLAY)
        replay(w);
    if (extras & EXTRA_FORGE)
        forge(w, s);
    if (extras & EXTRA_RANDOM)
        random_bytes(w, s);
    if (extras & EXTRA_TRUNCATED)
        truncated(w, s);
    if (extras & EXTRA_WRONG_SPI)
        wrong_spi(w, s);
    if (extras & EXTRA_HELLO)
        spoofed_hello(w, s);
    if (extras & EXTRA_HEADERS)
        headers(w, s);
}
