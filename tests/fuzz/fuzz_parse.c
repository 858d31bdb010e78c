/* Ethernet frames of anybody to the parse stage, in buffers that end where they do, their checksums
 * right if the input says so. What holds: what is kept is a data packet that lies in its frame, and
 * every frame has one fate. */
#include "burst.h"
#include "fuzz.h"
#include "fuzz_ethernet.h"
#include "fuzz_input.h"
#include "fuzz_plane.h"
#include "handshake.h"
#include "ingress.h"

enum { FRAMES_MAX = 8, MEND = 128 };
#define HOUR_US (3600 * UINT64_C(1000000))

static void check_kept(const struct rte_mbuf *m, const struct packet *p)
{
    FUZZ_CHECK(p->layers.udp == p->layers.l2_len + p->layers.l3_len + 8 && p->spi >= WIRE_SPI_MIN);
    FUZZ_CHECK((uint32_t)p->layers.udp + WIRE_DATA_HDR + p->text_len + WIRE_TAG <= m->data_len);
}

/* What parse took for good data at a glance is that also header by header. */
static void parse_slowly(struct lcore *lc, struct burst *b)
{
    struct outlines outlines = lc->outlines[b->port];
    struct packet quick[FRAMES_MAX];
    uint16_t n = b->n;

    for (uint16_t i = 0; i < n; i++)
        quick[i] = *packet_of(b->m[i]);
    lc->outlines[b->port].v4.min_len = lc->outlines[b->port].v6.min_len = UINT32_MAX;
    FUZZ_CHECK(ingress_parse(lc, b) == n);
    lc->outlines[b->port] = outlines;
    for (uint16_t i = 0; i < n; i++) {
        const struct packet *p = packet_of(b->m[i]);

        FUZZ_CHECK(memcmp(&quick[i].layers, &p->layers, sizeof(p->layers)) == 0);
        FUZZ_CHECK(quick[i].ip_version == p->ip_version && quick[i].text_len == p->text_len);
        FUZZ_CHECK(quick[i].spi == p->spi && quick[i].pn == p->pn);
    }
}

static void parse(struct plane *plane, struct burst *b)
{
    struct lcore *lc = plane->dp.lcore[0];
    uint16_t n = b->n;

    count(lc, JP_rx_packets, n);
    FUZZ_CHECK(ingress_parse(lc, b) == b->n && b->n <= n);
    parse_slowly(lc, b);
    for (uint16_t i = 0; i < b->n; i++) {
        check_kept(b->m[i], packet_of(b->m[i]));
        drop(lc, b->m[i], JP_unknown_spi);
    }
}

/* Rate limits forget what came before. */
static struct plane *begin(void)
{
    static struct plane *plane;

    if (!plane)
        plane = fuzz_plane_begin();
    plane->now += HOUR_US;
    plane_turn(plane);
    return plane;
}

/* Answers leave, hellos find no control plane. */
static void end(struct plane *plane)
{
    struct lcore *lc = plane->dp.lcore[0];
    void *m;

    plane_turn(plane);
    plane_ignore_sent(plane);
    for (; rte_ring_dequeue(lc->punts, &m) == 0; rte_pktmbuf_free(m))
        count(lc, JP_punt_lost, 1);
    plane_check_sum(plane);
    FUZZ_CHECK(rte_mempool_in_use_count(plane->mbufs) == plane->in_use);
}

/* Frames, each with its length in front; the first byte says on which port they come, and whether
 * they are mended. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct plane *plane = begin();
    struct input in = {data, data + size};
    unsigned how = take8(&in);
    struct burst b = {0};
    const uint8_t *bytes;

    while (in.p < in.end && b.n < FRAMES_MAX) {
        size_t len = take_bytes(&in, take16(&in), &bytes);

        b.m[b.n] = frame_of(plane->mbufs, bytes, len, how & MEND);
        b.n++;
    }
    b.port = (uint8_t)(how % PLANE_PORTS);
    parse(plane, &b);
    end(plane);
    return 0;
}

/* An echo request, or a neighbour solicitation, in place of 32 bytes of UDP. */
static void put_icmp(uint8_t *ip, unsigned index)
{
    static const uint8_t solicitation[32] = {135, [8] = 0xfd, [23] = 1, 1, 1, 2, 0, 0, 0, 0, 9};
    bool v6 = ip[0] >> 4 == 6;

    ip[v6 ? 6 : 9] = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
    ip += v6 ? IP6 : IP4;
    memset(ip, 0, sizeof(solicitation));
    ip[0] = v6 ? 128 : 8;
    if (v6 && index % 4 == 1) {
        memcpy(ip, solicitation, sizeof(solicitation));
        ip[-IP6 + 7] = 255;
    }
}

static size_t put_frame(uint8_t *out, unsigned index)
{
    struct client c = {.path = plane_path(index, PLANE_ECHO, index % 2 ? 6 : 4)};
    uint8_t payload[HS_CLIENT_HELLO_LEN] = {0};
    uint32_t len = index % 6 > 3 ? 24 : index % 5 == 4 ? HS_CLIENT_HELLO_LEN : 40 + index;

    if (len == HS_CLIENT_HELLO_LEN)
        memcpy(payload + 4, (uint8_t[]){WIRE_CLIENT_HELLO, WIRE_VERSION}, 2);
    else
        wire_data_hdr_put(payload, 256 + index, index);
    c.path.vlan = index % 7 == 6 ? PLANE_VLAN : 0;
    len = client_frame(&c, payload, len, out + 2);
    if (index % 6 > 3)
        put_icmp(out + 2 + ETH, index);
    be16_store(out, (uint16_t)len);
    return 2 + len;
}

static size_t put_arp(uint8_t *out)
{
    static const uint8_t head[] = {0,   42, 255, 255, 255, 255, 255, 255, 2, 0, 0,   0,  0, 9, 8,
                                   6,   0,  1,   8,   0,   6,   4,   0,   1, 2, 0,   0,  0, 0, 9,
                                   198, 18, 0,   2,   0,   0,   0,   0,   0, 0, 198, 18, 0, 1};

    memcpy(out, head, sizeof(head));
    return sizeof(head);
}

size_t fuzz_seed(unsigned index, uint8_t *out)
{
    size_t n = 1;

    if (index >= 48)
        return 0;
    out[0] = (uint8_t)((index % 7 == 6) + (index % 8 ? MEND : 0));
    n += put_frame(out + n, index);
    return index % 3 ? n : n + put_arp(out + n);
}
