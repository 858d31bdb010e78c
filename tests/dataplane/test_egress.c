/* The transmit path, from submission to the wire: every packet it sends is taken apart by code of
 * its own and opened with the client's keys. */
#include "rig.h"

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "bytes.h"
#include "rng.h"
#include "stages.h"

static struct frame only_frame(const struct seen *d, bool inner)
{
    const uint8_t *p = d->frames, *end = d->frames + d->frames_len;
    struct frame f, none;

    assert_int_equal(frame_next(&p, end, inner, &f), 1);
    assert_int_equal(frame_next(&p, end, inner, &none), 0);
    return f;
}

static void assert_counts_up(const uint8_t *p, uint32_t len, uint8_t first)
{
    for (uint32_t i = 0; i < len; i++)
        assert_int_equal(p[i], (uint8_t)(first + i));
}

static struct rte_mbuf *fragment(struct rig *rig, uint32_t len, uint8_t first, uint32_t id,
                                 uint64_t seq, uint32_t offset, bool fin)
{
    struct rte_mbuf *m = rig_data(rig, 70, len, first);
    struct packet *p = packet_of(m);

    p->stream_id = id;
    p->node = (struct reorder_node){.seq = seq, .offset = offset, .fin = fin};
    return m;
}

static void stream_round_trip(struct rig *rig, const struct jp_path *path, enum aead_alg alg)
{
    struct rig_session *rs = rig_session(rig, path, alg);

    for (uint32_t len = 0; len < 1300; len += len < 8 ? 1 : 61) {
        struct rte_mbuf *m = fragment(rig, len, (uint8_t)len, 7, 300 + len, 5000, true);

        egress_data(&rig->lc, &rs->s, m);
        egress_run(&rig->lc);
        struct rte_mbuf *sent = rig_one();
        uint32_t wire_len = sent->pkt_len;
        struct seen d = rig_open(rig, rs, sent);
        struct frame f = only_frame(&d, false);

        assert_ptr_equal(sent, m); /* not a copy */
        assert_int_equal(f.type, FRAME_STREAM);
        assert_int_equal(f.u.stream.id, 7);
        assert_int_equal(f.u.stream.seq, 300 + len);
        assert_int_equal(f.u.stream.offset, 5000);
        assert_true(f.u.stream.fin);
        assert_int_equal(f.u.stream.len, len);
        assert_counts_up(f.u.stream.data, len, (uint8_t)len);
        assert_int_equal(rig->counter[JP_tx_packets], d.pn + 1);
        rig->counter[JP_tx_bytes] -= wire_len;
        rte_pktmbuf_free(sent);
    }
    assert_int_equal(rig->counter[JP_tx_bytes], 0);
    assert_int_equal(rs->s.tx_packets, rig->counter[JP_tx_packets]);
    rig_session_free(rig, rs);
}

static void streams_over_ipv4(void **state)
{
    struct rig *rig = *state;

    stream_round_trip(rig, &rig->path4, AEAD_AES256_GCM);
}

static void streams_over_ipv6_and_vlan(void **state)
{
    struct rig *rig = *state;

    stream_round_trip(rig, &rig->path6, AEAD_CHACHA20_POLY1305);
}

static void all_four_headers(void **state)
{
    struct rig *rig = *state;

    for (unsigned i = 0; i < 4; i++) {
        struct jp_path path = i & 1 ? rig->path6 : rig->path4;

        path.vlan = i & 2 ? 4094 : 0;
        struct rig_session *rs = rig_session(rig, &path, AEAD_AES256_GCM);
        struct rte_mbuf *m = rig_data(rig, 0, 10, 1);

        packet_of(m)->is_datagram = 1;
        egress_data(&rig->lc, &rs->s, m);
        egress_run(&rig->lc);
        struct rte_mbuf *sent = rig_one();
        struct seen d = rig_open(rig, rs, sent);
        struct frame f = only_frame(&d, false);

        assert_int_equal(f.type, FRAME_DATAGRAM);
        assert_int_equal(f.u.datagram.len, 10);
        assert_counts_up(f.u.datagram.data, 10, 1);
        if (path.ip_version == 4)
            assert_int_equal(rte_ipv4_cksum((const struct rte_ipv4_hdr *)d.ip), 0xffff & ~0xffff);
        rte_pktmbuf_free(sent);
        rig_session_free(rig, rs);
    }
}

/* The port is told where the headers are and finds the pseudo header's sum in the field, as
 * rte_ethdev wants it. */
static void udp_checksum_is_left_to_the_port(void **state)
{
    struct rig *rig = *state;
    struct rig_session *rs = rig_session(rig, &rig->path6, AEAD_AES256_GCM);
    struct rte_mbuf *m = rig_data(rig, 70, 500, 1);

    m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_IP_CKSUM_GOOD;
    rig->dp.port[0].tx_udp_checksum = true;
    egress_data(&rig->lc, &rs->s, m);
    egress_run(&rig->lc);
    rig->dp.port[0].tx_udp_checksum = false;
    struct rte_mbuf *sent = rig_one();
    const struct rte_ipv6_hdr *ip =
        rte_pktmbuf_mtod_offset(sent, struct rte_ipv6_hdr *, sent->l2_len);
    const struct rte_udp_hdr *udp = (const struct rte_udp_hdr *)(ip + 1);

    assert_int_equal(sent->ol_flags, RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_UDP_CKSUM);
    assert_int_equal(sent->l2_len, 18);
    assert_int_equal(sent->l3_len, 40);
    assert_int_equal(udp->dgram_cksum, rte_ipv6_phdr_cksum(ip, sent->ol_flags));
    rte_pktmbuf_free(sent);
    rig_session_free(rig, rs);
}

static void what_the_client_does_not_take_is_refused(void **state)
{
    struct rig *rig = *state;
    struct rig_session *rs = rig_session(rig, &rig->path4, AEAD_AES256_GCM);
    struct rte_mbuf *m;

    egress_data(&rig->lc, &rs->s, fragment(rig, 10, 0, 100, 0, 0, true));
    m = rig_data(rig, 70, 1472 - 32 - 2, 0); /* with its type one byte too long */
    packet_of(m)->is_datagram = 1;
    egress_data(&rig->lc, &rs->s, m);
    egress_run(&rig->lc);
    assert_int_equal(rig->counter[JP_tx_refused], 2);
    assert_int_equal(rig->counter[JP_tx_packets], 0);

    m = rig_data(rig, 70, 1472 - 32 - 3, 0);
    packet_of(m)->is_datagram = 1;
    egress_data(&rig->lc, &rs->s, m);
    egress_run(&rig->lc);
    m = rig_one();
    assert_int_equal(rig_open(rig, rs, m).payload_len, 1472);
    rte_pktmbuf_free(m);
    rig_session_free(rig, rs);
}

/* Without room for the headers or the trailer a packet is dropped, not written around. */
static void no_room_no_packet(void **state)
{
    struct rig *rig = *state;
    struct rig_session *rs = rig_session(rig, &rig->path4, AEAD_AES256_GCM);
    struct rte_mbuf *m = rig_data(rig, 0, 10, 0);

    m->data_off = 100;
    egress_data(&rig->lc, &rs->s, m);
    m = rig_data(rig, RIG_MBUF_ROOM - RTE_PKTMBUF_HEADROOM - 30, 10, 0);
    egress_data(&rig->lc, &rs->s, m);
    egress_run(&rig->lc);
    assert_int_equal(rig->counter[JP_tx_no_mbuf], 2);
    assert_int_equal(rig->counter[JP_tx_packets], 0);
    rig_session_free(rig, rs);
}

static void long_fragments_are_cut(void **state)
{
    struct rig *rig = *state;
    struct rig_session *rs = rig_session(rig, &rig->path4, AEAD_AES256_GCM);

    for (uint32_t len = 1400; len < 3600; len += 7) {
        struct rte_mbuf *sent[8];
        uint32_t at = 0;

        egress_data(&rig->lc, &rs->s, fragment(rig, len, 5, 3, 9, 20000, true));
        egress_run(&rig->lc);
        unsigned n = rig_sent(sent, 8);

        assert_int_equal(n, (len + 1429) / 1430); /* 1472 - 32 - 2, less 8 of header */
        for (unsigned i = 0; i < n; i++) {
            struct seen d = rig_open(rig, rs, sent[i]);
            struct frame f = only_frame(&d, false);

            assert_int_equal(f.u.stream.seq, 9);
            assert_int_equal(f.u.stream.offset, 20000 + at);
            assert_int_equal(f.u.stream.fin, i + 1 == n);
            assert_counts_up(f.u.stream.data, f.u.stream.len, (uint8_t)(5 + at));
            at += f.u.stream.len;
            rte_pktmbuf_free(sent[i]);
        }
        assert_int_equal(at, len);
    }
    rig_session_free(rig, rs);
}

/* The port's MTU counts as well, and leaves less to IPv6. */
static void packets_fit_the_path(void **state)
{
    struct rig *rig = *state;

    for (unsigned i = 0; i < 2; i++) {
        struct rig_session *rs = rig_session(rig, &rig->path4, AEAD_AES256_GCM);
        struct rte_mbuf *sent[8];

        rs->s.max_packet = 4000;
        egress_session_path(&rig->lc, &rs->s, i == 0 ? &rig->path4 : &rig->path6);
        egress_data(&rig->lc, &rs->s, fragment(rig, 3000, 0, 3, 9, 0, true));
        egress_run(&rig->lc);
        assert_int_equal(rig_sent(sent, 8), 3);
        for (unsigned j = 0; j < 3; j++) {
            struct seen d = rig_open(rig, rs, sent[j]);
            uint32_t ip_len = sent[j]->pkt_len - (uint32_t)(d.ip - d.eth);

            assert_in_range(ip_len, j < 2 ? 1497 : 1, 1500);
            rte_pktmbuf_free(sent[j]);
        }
        rig_session_free(rig, rs);
    }
}

/* A client with an open block moves from IPv4 to IPv6, where a repair of what it sent does not fit.
 */
static void repairs_fit_the_new_path(void **state)
{
    struct rig *rig = *state;
    struct rig_session *rs = rig_session(rig, &rig->path4, AEAD_AES256_GCM);
    struct rte_mbuf *sent[8];

    rs->s.max_packet = 4000;
    egress_session_path(&rig->lc, &rs->s, &rig->path4);
    assert_int_equal(egress_session_start(&rig->lc, &rs->s, 4, 2), 0);
    egress_data(&rig->lc, &rs->s, fragment(rig, egress_data_max(&rs->s), 0, 3, 9, 0, true));
    egress_session_path(&rig->lc, &rs->s, &rig->path6);
    egress_fec_flush(&rig->lc, &rs->s);
    egress_run(&rig->lc);
    assert_int_equal(rig_sent(sent, 8), 1); /* the data, on the path it was cut for */
    assert_int_equal(be16_load(rte_pktmbuf_mtod_offset(sent[0], uint8_t *, 12)), 0x0800);
    rte_pktmbuf_free(sent[0]);
    rig_session_free(rig, rs);
}

static void handshake_datagrams(void **state)
{
    struct rig *rig = *state;
    uint8_t bytes[1400];

    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7);
    for (unsigned i = 0; i < 2; i++) {
        const struct jp_path *path = i == 0 ? &rig->path4 : &rig->path6;

        for (uint32_t len = 1; len <= sizeof(bytes); len += 100 - i) {
            egress_datagram(&rig->lc, path, bytes, len);
            egress_run(&rig->lc);
            struct rte_mbuf *m = rig_one();
            struct seen d = rig_dissect(m, path);

            assert_int_equal(d.payload_len, len);
            assert_memory_equal(d.payload, bytes, len);
            rte_pktmbuf_free(m);
        }
    }
    struct jp_path elsewhere = rig->path4;

    elsewhere.port = 3;
    egress_datagram(&rig->lc, &elsewhere, bytes, 100);
    egress_run(&rig->lc);
    assert_int_equal(rig->counter[JP_tx_refused], 1);
}

/* Send bytes along path; returns the UDP checksum, which rig_dissect finds right. */
static uint16_t udp_checksum_of(struct rig *rig, const struct jp_path *path, const uint8_t *bytes,
                                uint32_t len)
{
    egress_datagram(&rig->lc, path, bytes, len);
    egress_run(&rig->lc);
    struct rte_mbuf *m = rig_one();
    uint16_t checksum = be16_load(rig_dissect(m, path).udp + 6);

    rte_pktmbuf_free(m);
    return checksum;
}

/* Any addresses, ports and lengths; over IPv6 also those whose checksum comes out as 0, which means
 * none. */
static void checksums_are_right_whatever_they_sum(void **state)
{
    struct rig *rig = *state;
    struct rng rng = rng_new(20220811);
    uint8_t bytes[64];

    for (unsigned i = 0; i < 4000; i++) {
        struct jp_path path = i % 2 ? rig->path6 : rig->path4;
        uint32_t len = 2 + (uint32_t)rng_below(&rng, sizeof(bytes) - 1);

        rng_fill(&rng, path.our_ip, 16);
        rng_fill(&rng, path.peer_ip, 16);
        rng_fill(&rng, bytes, sizeof(bytes));
        path.peer_port = (uint16_t)rng_next(&rng);
        uint16_t checksum = udp_checksum_of(rig, &path, bytes, len);

        if (path.ip_version == 4)
            continue;
        uint32_t sum = be16_load(bytes) + checksum; /* the sum of all becomes 0xffff */

        be16_store(bytes, (uint16_t)(sum + (sum >> 16)));
        assert_int_equal(udp_checksum_of(rig, &path, bytes, len), 0xffff);
    }
}

/* ---- FEC ---- */

static void take_symbol(struct rig *rig, struct fec_dec *dec, const struct frame *f)
{
    if (f->type == FRAME_FEC_SOURCE)
        assert_int_equal(fec_dec_source(dec, &rig->lc.fec, rig->lc.now, f->u.fec_source.block,
                                        f->u.fec_source.index, f->u.fec_source.symbol,
                                        f->u.fec_source.symbol_len),
                         FEC_DELIVER);
    else
        assert_int_equal(fec_dec_repair(dec, &rig->lc.fec, rig->lc.now, f->u.fec_repair.block,
                                        f->u.fec_repair.k, f->u.fec_repair.r, f->u.fec_repair.index,
                                        f->u.fec_repair.symbol, f->u.fec_repair.symbol_len),
                         FEC_HELD);
}

/* The first frame of an opened packet, which must be of FEC. */
static struct frame fec_frame(const struct seen *d)
{
    const uint8_t *p = d->frames;
    struct frame f;

    assert_int_equal(frame_next(&p, d->frames + d->frames_len, false, &f), 1);
    assert_true(f.type == FRAME_FEC_SOURCE || f.type == FRAME_FEC_REPAIR);
    return f;
}

/* Send blocks of k sources of these lengths, lose all sources that the repairs can make up for,
 * recover them. */
static void protect_and_recover(struct rig *rig, unsigned k, unsigned r, unsigned sources,
                                uint32_t (*length)(unsigned i))
{
    struct rig_session *rs = rig_session(rig, &rig->path4, AEAD_AES256_GCM);
    struct fec_recovered lost[FEC_R_MAX];
    struct rte_mbuf *sent[FEC_K_MAX + FEC_R_MAX];
    struct fec_dec dec;

    fec_dec_init(&dec);
    assert_int_equal(egress_session_start(&rig->lc, &rs->s, k, r), 0);
    for (uint64_t block = 0; block < 3; block++) {
        uint64_t repairs = rig->counter[JP_repairs_sent];

        for (unsigned i = 0; i < sources; i++)
            egress_data(&rig->lc, &rs->s, fragment(rig, length(i), (uint8_t)i, 1, i, 0, true));
        egress_run(&rig->lc);
        if (sources < k)
            egress_fec_flush(&rig->lc, &rs->s);
        egress_run(&rig->lc);
        egress_fec_flush(&rig->lc, &rs->s); /* nothing is open */
        assert_int_equal(rig->counter[JP_repairs_sent] - repairs, r);
        assert_int_equal(rig_sent(sent, RTE_DIM(sent)), sources + r);
        for (unsigned i = 0; i < sources + r; i++) {
            struct seen d = rig_open(rig, rs, sent[i]);
            struct frame f = fec_frame(&d);

            assert_int_equal(f.type, i < sources ? FRAME_FEC_SOURCE : FRAME_FEC_REPAIR);
            if (f.type == FRAME_FEC_SOURCE) {
                assert_int_equal(f.u.fec_source.block, block);
                assert_int_equal(f.u.fec_source.index, i);
                assert_int_equal(f.u.fec_source.symbol_len, 2 + 3 + length(i));
            } else {
                assert_int_equal(f.u.fec_repair.k, sources);
            }
            if (i >= r)
                take_symbol(rig, &dec, &f);
            rte_pktmbuf_free(sent[i]);
        }
        unsigned n = fec_dec_recover(&dec, &rig->lc.fec, block, lost);

        assert_int_equal(n, r < sources ? r : sources);
        for (unsigned i = 0; i < n; i++) {
            struct seen inside = {.frames = (uint8_t *)(uintptr_t)lost[i].frames,
                                  .frames_len = lost[i].len};
            struct frame f = only_frame(&inside, true);

            assert_int_equal(f.u.stream.seq, i);
            assert_int_equal(f.u.stream.len, length(i));
            assert_counts_up(f.u.stream.data, f.u.stream.len, (uint8_t)i);
        }
    }
    fec_dec_fini(&dec, &rig->lc.fec);
    rig_session_free(rig, rs);
}

static uint32_t growing(unsigned i)
{
    return 100 + 37 * i;
}

static uint32_t shrinking(unsigned i)
{
    return 1000 - 30 * i;
}

static void full_blocks_are_recovered(void **state)
{
    protect_and_recover(*state, 20, 4, 20, growing);
    protect_and_recover(*state, 20, 4, 20, shrinking);
    protect_and_recover(*state, 1, 1, 1, growing);
}

static void flushed_blocks_are_recovered(void **state)
{
    protect_and_recover(*state, 20, 4, 7, growing);
    protect_and_recover(*state, 64, 16, 3, shrinking);
}

/* Whatever a fragment's length, no packet is longer than the client takes, repairs included. */
static void fec_packets_fit(void **state)
{
    struct rig *rig = *state;
    struct rig_session *rs = rig_session(rig, &rig->path4, AEAD_AES256_GCM);

    rs->s.max_packet = 1281;
    egress_session_path(&rig->lc, &rs->s, &rig->path4);
    assert_int_equal(egress_session_start(&rig->lc, &rs->s, 1, 1), 0);
    for (uint32_t len = 1200; len < 1300; len++) {
        struct rte_mbuf *sent[8];
        uint32_t at = 0;

        rs->s.enc->block = len % 2 == 0 ? 60 : (UINT64_C(1) << 30) - 3;
        egress_data(&rig->lc, &rs->s, fragment(rig, len, 0, 3, 9, 0, true));
        egress_run(&rig->lc);
        unsigned n = rig_sent(sent, 8);

        assert_int_equal(n, 2 * (len > egress_data_max(&rs->s) ? n / 2 : 1));
        for (unsigned i = 0; i < n; i++) {
            struct seen d = rig_open(rig, rs, sent[i]); /* says that it fits */
            struct frame f = fec_frame(&d);

            if (f.type == FRAME_FEC_SOURCE)
                at += f.u.fec_source.symbol_len;
            else
                at -= f.u.fec_repair.symbol_len;
            rte_pktmbuf_free(sent[i]);
        }
        assert_int_equal(at, 0);
    }
    rig_session_free(rig, rs);
}

/* Block ids that become longer while packets wait: what was cut before still fits. */
static void fec_packets_fit_when_blocks_move_on(void **state)
{
    struct rig *rig = *state;
    struct rig_session *rs = rig_session(rig, &rig->path4, AEAD_AES256_GCM);
    struct rte_mbuf *sent[80];

    assert_int_equal(egress_session_start(&rig->lc, &rs->s, 1, 1), 0);
    rs->s.enc->block = 60;
    for (unsigned i = 0; i < 20; i++) /* a whole packet, if block ids stayed below 64 */
        egress_data(&rig->lc, &rs->s, fragment(rig, 1472 - 32 - 2 - 7 - 3, 0, 3, i, 0, true));
    egress_run(&rig->lc);
    unsigned n = rig_sent(sent, 80);

    assert_true(n == 80);
    for (unsigned i = 0; i < n; i++) {
        struct seen d = rig_open(rig, rs, sent[i]);

        fec_frame(&d);
        rte_pktmbuf_free(sent[i]);
    }
    rig_session_free(rig, rs);
}

/* An open block wakes the session when it is time to flush it. */
static void open_blocks_set_the_timer(void **state)
{
    struct rig *rig = *state;
    struct rig_session *rs = rig_session(rig, &rig->path4, AEAD_AES256_GCM);
    struct rte_mbuf *sent[3];

    rig->dp.config.fec_flush_us = 5000;
    assert_int_equal(egress_session_start(&rig->lc, &rs->s, 4, 1), 0);
    egress_frames(&rig->lc, &rs->s, (const uint8_t[]){FRAME_PING}, 1);
    egress_run(&rig->lc);
    assert_false(wheel_armed(&rs->s.timer));
    egress_data(&rig->lc, &rs->s, fragment(rig, 10, 0, 3, 0, 0, true));
    egress_run(&rig->lc);
    assert_true(wheel_armed(&rs->s.timer));
    assert_int_equal(rs->s.timer.deadline, (rig->lc.now + 5000) / TIMER_TICK_US);
    assert_int_equal(rig_sent(sent, 3), 2);
    rte_pktmbuf_free_bulk(sent, 2);
    rig_session_free(rig, rs);
}

/* A datagram that only fits without FEC goes without; so does everything when symbol buffers have
 * run out. */
static void better_unprotected_than_not_at_all(void **state)
{
    struct rig *rig = *state;
    struct rig_session *rs = rig_session(rig, &rig->path4, AEAD_AES256_GCM);
    void *symbol[64];

    assert_int_equal(egress_session_start(&rig->lc, &rs->s, 4, 2), 0);
    for (uint32_t len = 1472 - 32 - 3 - 20; len <= 1472 - 32 - 3; len++) {
        struct rte_mbuf *m = rig_data(rig, 70, len, 3), *sent[3];

        packet_of(m)->is_datagram = 1;
        egress_data(&rig->lc, &rs->s, m);
        egress_run(&rig->lc);
        egress_fec_flush(&rig->lc, &rs->s);
        egress_run(&rig->lc);
        unsigned n = rig_sent(sent, 3);

        assert_int_equal(n, 1 + 1 + 3 + 2 + (1 + len) <= 1472 - 34 ? 3 : 1);
        for (unsigned i = 0; i < n; i++) {
            rig_open(rig, rs, sent[i]);
            rte_pktmbuf_free(sent[i]);
        }
    }
    for (unsigned i = 0; i < 64; i++)
        symbol[i] = pool_get(&rig->lc.fec.symbols);
    egress_data(&rig->lc, &rs->s, fragment(rig, 100, 0, 3, 9, 0, true));
    egress_run(&rig->lc);
    for (unsigned i = 0; i < 64; i++)
        pool_put(&rig->lc.fec.symbols, symbol[i]);
    struct rte_mbuf *m = rig_one();
    struct seen d = rig_open(rig, rs, m);

    assert_int_equal(only_frame(&d, false).type, FRAME_STREAM);
    rte_pktmbuf_free(m);
    rig_session_free(rig, rs);
}

/* ---- limits ---- */

/* More than the port takes: the rest is freed and counted, and nothing waits. */
static void full_port_drops(void **state)
{
    static struct rte_mbuf *sent[RIG_OUT_MAX];
    struct rig *rig = *state;
    struct rig_session *rs = rig_session(rig, &rig->path4, AEAD_AES256_GCM);

    for (unsigned i = 0; i < RIG_RING + 500; i++)
        egress_data(&rig->lc, &rs->s, fragment(rig, 64, 0, 1, i, 0, true));
    egress_run(&rig->lc);
    unsigned n = rig_sent(sent, RIG_OUT_MAX);

    assert_int_equal(n, RIG_RING);
    assert_int_equal(rig->counter[JP_tx_packets], n);
    assert_int_equal(rig->counter[JP_tx_full], 500);
    uint64_t bytes = 0;

    for (unsigned i = 0; i < n; i++) {
        bytes += sent[i]->pkt_len;
        assert_int_equal(rig_open(rig, rs, sent[i]).pn, i);
        rte_pktmbuf_free(sent[i]);
    }
    assert_int_equal(rig->counter[JP_tx_bytes], bytes);
    rig_session_free(rig, rs);
}

/* A full queue is sent, not dropped: whoever submits need not count. */
static void full_queue_is_run(void **state)
{
    struct rig *rig = *state;
    struct rig_session *rs = rig_session(rig, &rig->path4, AEAD_AES256_GCM);

    rs->s.tx.next_pn = UINT64_C(1) << EPOCH_SHIFT; /* blocked, so that the port does not count */
    for (unsigned i = 0; i <= EGRESS_QUEUE; i++) {
        assert_int_equal(rig->counter[JP_tx_blocked], 0);
        egress_data(&rig->lc, &rs->s, fragment(rig, 64, 0, 1, i, 0, true));
    }
    assert_int_equal(rig->counter[JP_tx_blocked], EGRESS_QUEUE);
    rig_session_free(rig, rs);
    assert_int_equal(rig->counter[JP_tx_blocked], EGRESS_QUEUE + 1);
}

static void no_mbufs_no_packet(void **state)
{
    static struct rte_mbuf *all[4095];
    static const uint8_t ping[1] = {FRAME_PING};
    struct rig *rig = *state;
    struct rig_session *rs = rig_session(rig, &rig->path4, AEAD_AES256_GCM);
    struct rte_mbuf *m = fragment(rig, 2000, 0, 1, 0, 0, true);
    unsigned n = 0;

    assert_int_equal(egress_session_start(&rig->lc, &rs->s, 4, 2), 0);
    egress_data(&rig->lc, &rs->s, fragment(rig, 20, 0, 1, 0, 0, true));
    egress_run(&rig->lc);
    while ((all[n] = rte_pktmbuf_alloc(rig->lc.mbufs)))
        n++;
    egress_frames(&rig->lc, &rs->s, ping, 1);
    egress_datagram(&rig->lc, &rig->path4, ping, 1);
    egress_fec_flush(&rig->lc, &rs->s); /* two repairs */
    egress_data(&rig->lc, &rs->s, m);   /* would have to be cut */
    egress_run(&rig->lc);
    assert_int_equal(rig->counter[JP_tx_no_mbuf], 5);
    rte_pktmbuf_free_bulk(all, n);
    rte_pktmbuf_free(rig_one());
    rig_session_free(rig, rs);
}

/* A burst across the end of an epoch: some sealed with the old key, some with the next, all
 * readable. */
static void epochs_turn_within_a_burst(void **state)
{
    struct rig *rig = *state;
    struct rig_session *rs = rig_session(rig, &rig->path4, AEAD_AES256_GCM);
    uint64_t end = UINT64_C(1) << EPOCH_SHIFT;
    struct rte_mbuf *sent[40];

    rs->s.tx.next_pn = end - 20;
    rs->s.tx.acked = true;
    for (unsigned i = 0; i < 40; i++)
        egress_data(&rig->lc, &rs->s, fragment(rig, 100, (uint8_t)i, 1, i, 0, true));
    egress_run(&rig->lc);
    assert_int_equal(rig_sent(sent, 40), 40);
    assert_int_equal(rig->counter[JP_rekeys], 1);
    for (unsigned i = 0; i < 40; i++) {
        struct seen d = rig_open(rig, rs, sent[i]);

        assert_int_equal(d.pn, end - 20 + i);
        assert_int_equal(only_frame(&d, false).u.stream.seq, i);
        rte_pktmbuf_free(sent[i]);
    }
    assert_int_equal(rs->peer.current.epoch, 1);
    rig_session_free(rig, rs);
}

static void next_epoch_waits_for_an_ack(void **state)
{
    struct rig *rig = *state;
    struct rig_session *rs = rig_session(rig, &rig->path4, AEAD_AES256_GCM);
    struct rig_session *other = rig_session(rig, &rig->path6, AEAD_CHACHA20_POLY1305);
    struct rte_mbuf *sent[40];

    rs->s.tx.next_pn = (UINT64_C(1) << EPOCH_SHIFT) - 3;
    for (unsigned i = 0; i < 10; i++) {
        egress_data(&rig->lc, &rs->s, fragment(rig, 100, 0, 1, i, 0, true));
        egress_data(&rig->lc, &other->s, fragment(rig, 100, 0, 1, i, 0, true));
    }
    egress_run(&rig->lc);
    assert_int_equal(rig_sent(sent, 40), 13); /* nobody else is held up */
    assert_int_equal(rig->counter[JP_tx_blocked], 7);
    for (unsigned i = 0; i < 13; i++) {
        rig_open(rig, i < 6 && i % 2 == 0 ? rs : other, sent[i]);
        rte_pktmbuf_free(sent[i]);
    }
    rs->s.tx.acked = true;
    egress_data(&rig->lc, &rs->s, fragment(rig, 100, 0, 1, 0, 0, true));
    egress_run(&rig->lc);
    sent[0] = rig_one();
    assert_int_equal(rig_open(rig, rs, sent[0]).pn, UINT64_C(1) << EPOCH_SHIFT);
    rte_pktmbuf_free(sent[0]);
    rig_session_free(rig, rs);
    rig_session_free(rig, other);
}

/* What was submitted last still leaves under the session's keys; its encoder and open block are
 * given back. */
static void a_session_ends_with_its_close(void **state)
{
    struct rig *rig = *state;
    struct rig_session *rs = rig_session(rig, &rig->path4, AEAD_AES256_GCM);
    struct rte_mbuf *sent[3];
    uint8_t bytes[64];

    assert_int_equal(egress_session_start(&rig->lc, &rs->s, 0, 0), 0);
    assert_null(rs->s.enc);
    assert_int_equal(egress_session_start(&rig->lc, &rs->s, 65, 1), -EINVAL);
    assert_int_equal(rig->lc.fec_encoders.used, 0);
    assert_int_equal(egress_session_start(&rig->lc, &rs->s, 4, 2), 0);
    egress_data(&rig->lc, &rs->s, fragment(rig, 100, 0, 1, 0, 0, true));
    egress_frames(&rig->lc, &rs->s, bytes,
                  (uint32_t)(frame_put_close(bytes, CLOSE_ADMIN, "bye") - bytes));
    egress_session_end(&rig->lc, &rs->s);
    assert_null(rs->s.enc);
    assert_int_equal(rig->lc.fec_encoders.used + rig->lc.fec.symbols.used, 0);
    assert_int_equal(rig_sent(sent, 3), 2);
    struct seen d = rig_open(rig, rs, sent[1]);

    assert_int_equal(only_frame(&d, false).u.close.code, CLOSE_ADMIN);
    rte_pktmbuf_free_bulk(sent, 2);
    rig_session_free(rig, rs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(streams_over_ipv4, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(streams_over_ipv6_and_vlan, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(all_four_headers, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(udp_checksum_is_left_to_the_port, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(what_the_client_does_not_take_is_refused, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(no_room_no_packet, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(long_fragments_are_cut, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(packets_fit_the_path, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(repairs_fit_the_new_path, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(handshake_datagrams, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(checksums_are_right_whatever_they_sum, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(full_blocks_are_recovered, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(flushed_blocks_are_recovered, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(fec_packets_fit, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(fec_packets_fit_when_blocks_move_on, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(open_blocks_set_the_timer, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(better_unprotected_than_not_at_all, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(full_port_drops, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(full_queue_is_run, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(no_mbufs_no_packet, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(epochs_turn_within_a_burst, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(next_epoch_waits_for_an_ack, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(a_session_ends_with_its_close, rig_setup, rig_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
