/* Ethernet frames of anybody to the parse stage, in buffers that end where they do. What holds:
 * what is kept is a data packet that lies in its frame, and every frame has one fate. */
#include "burst.h"
#include "fuzz.h"
#include "fuzz_input.h"
#include "fuzz_plane.h"
#include "handshake.h"
#include "ingress.h"

enum { FRAMES_MAX = 8 };
#define HOUR_US (3600 * UINT64_C(1000000))

/* In front of a frame's bytes is what counts its users. */
static void frame_free(void *bytes, void *arg)
{
    (void)arg;
    free((uint8_t *)bytes - sizeof(struct rte_mbuf_ext_shared_info));
}

/* An mbuf whose data are these bytes in memory of their own. */
static struct rte_mbuf *frame_of(struct plane *plane, const uint8_t *bytes, size_t len)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(plane->mbufs);
    struct rte_mbuf_ext_shared_info *shared = malloc(sizeof(*shared) + len);

    FUZZ_CHECK(m && shared);
    *shared = (struct rte_mbuf_ext_shared_info){.free_cb = frame_free};
    rte_mbuf_ext_refcnt_set(shared, 1);
    memcpy(shared + 1, bytes, len);
    rte_pktmbuf_attach_extbuf(m, shared + 1, 0, (uint16_t)len, shared);
    rte_pktmbuf_append(m, (uint16_t)len);
    return m;
}

static void check_kept(const struct rte_mbuf *m, const struct packet *p)
{
    FUZZ_CHECK(p->udp == p->l2_len + p->l3_len + 8 && p->spi >= WIRE_SPI_MIN);
    FUZZ_CHECK((uint32_t)p->udp + WIRE_DATA_HDR + p->text_len + WIRE_TAG <= m->data_len);
}

static void parse(struct plane *plane, struct burst *b)
{
    struct lcore *lc = plane->dp.lcore[0];
    uint16_t n = b->n;

    count(lc, JP_rx_packets, n);
    FUZZ_CHECK(ingress_parse(lc, b) == b->n && b->n <= n);
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

/* Frames, each with its length in front; the first byte says on which port they come. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct plane *plane = begin();
    struct input in = {data, data + size};
    unsigned port = take8(&in) % PLANE_PORTS;
    struct burst b = {0};
    const uint8_t *bytes;

    while (in.p < in.end && b.n < FRAMES_MAX) {
        size_t len = take_bytes(&in, take16(&in), &bytes);

        b.m[b.n] = frame_of(plane, bytes, len);
        packet_of(b.m[b.n++])->port = (uint8_t)port;
    }
    parse(plane, &b);
    end(plane);
    return 0;
}

static size_t put_frame(uint8_t *out, unsigned index)
{
    struct client c = {.path = plane_path(index, PLANE_ECHO, index % 2 ? 6 : 4)};
    uint8_t payload[HS_CLIENT_HELLO_LEN] = {0};
    uint32_t len = index % 5 == 4 ? HS_CLIENT_HELLO_LEN : 40 + index;

    if (index % 5 == 4)
        memcpy(payload + 4, (uint8_t[]){WIRE_CLIENT_HELLO, WIRE_VERSION}, 2);
    else
        wire_data_hdr_put(payload, 256 + index, index);
    c.path.vlan = index % 7 == 6 ? PLANE_VLAN : 0;
    len = client_frame(&c, payload, len, out + 2);
    if (index % 6 == 5) { /* as ICMP */
        out[2 + (index % 2 ? 20 : 23)] = index % 2 ? 58 : 1;
        out[2 + (index % 2 ? 54 : 34)] = index % 2 ? 128 : 8;
    }
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
    out[0] = index % 7 == 6;
    n += put_frame(out + n, index);
    return index % 3 ? n : n + put_arp(out + n);
}
