/* Every reason to drop a packet is provoked, by name, exactly once; and every fate. What was
 * received must always be accounted for: plane_teardown checks the sum after each. */
#include "drops.h"

#include <rte_ip.h>

#include "bytes.h"
#include "handshake.h"
#include "transport/state.h"

static void port_closed(struct plane *plane)
{
    struct good g = good_data(plane);

    be16_store(g.bytes + UDP + 2, 9);
    inject(plane, &g);
}

static void payload_of(struct plane *plane, const uint8_t *payload, uint32_t len)
{
    struct client c = client_new(plane, CLIENT, 0);
    struct good g = good_frame(&c, payload, len);

    inject(plane, &g);
}

static void too_short(struct plane *plane)
{
    payload_of(plane, (const uint8_t[33]){1}, 33);
}

static void too_short_hello(struct plane *plane)
{
    struct client c = client_new(plane, CLIENT, 0);
    struct good g = good_hello(&c, WIRE_CLIENT_HELLO, WIRE_VERSION, HS_CLIENT_HELLO_LEN - 1);

    inject(plane, &g);
}

static void empty_payload(struct plane *plane)
{
    payload_of(plane, (const uint8_t[1]){0}, 0);
}

static void spi_reserved(struct plane *plane)
{
    payload_of(plane, (const uint8_t[64]){[3] = 255}, 64);
}

static void pn_mismatch(struct plane *plane)
{
    struct good g = good_data(plane);

    g.bytes[PAYLOAD + 15] ^= 1;
    inject(plane, &g);
}

static void hs_version(struct plane *plane)
{
    struct client c = client_new(plane, CLIENT, 0);
    struct good g = good_hello(&c, WIRE_CLIENT_HELLO, WIRE_VERSION + 1, HS_CLIENT_HELLO_LEN);

    inject(plane, &g);
}

static void hs_type(struct plane *plane)
{
    struct client c = client_new(plane, CLIENT, 0);
    struct good g = good_hello(&c, WIRE_SERVER_HELLO, WIRE_VERSION, HS_CLIENT_HELLO_LEN);

    inject(plane, &g);
}

static void hellos(struct plane *plane, unsigned from, unsigned n)
{
    struct client c = client_new(plane, CLIENT, 0);

    for (unsigned i = 0; i < n; i++) {
        c.path = plane_path(from == 0 ? CLIENT : from + i, PLANE_ECHO, 6);
        struct good g = good_hello(&c, WIRE_CLIENT_HELLO, WIRE_VERSION, HS_CLIENT_HELLO_LEN);

        inject(plane, &g);
    }
}

static void punt_limited(struct plane *plane)
{
    hellos(plane, 0, plane->dp.config.punt_burst + 1);
}

static void punt_full(struct plane *plane)
{
    hellos(plane, 1000, rte_ring_get_capacity(plane->dp.lcore[0]->punts) + 1);
}

static void punt_nobody(struct plane *plane)
{
    plane->dp.control_up = false;
    hellos(plane, 0, 1);
    plane_settle(plane);
    plane->dp.control_up = true;
}

/* The control plane goes away before the main lcore has told it. */
static void punt_lost(struct plane *plane)
{
    hellos(plane, 0, 1);
    plane_settle(plane);
    control_turn(&plane->dp);
}

/* ---- what is refused of sessions' packets ---- */

/* The second worker's ring is full when one more than it holds is handed over. */
static void steer_full(struct plane *plane)
{
    plane_workers(plane, 2);
    struct client c = client_new(plane, CLIENT, 1);
    uint8_t payload[100] = {0};

    wire_data_hdr_put(payload, c.server_spi, 1);
    for (unsigned i = 0; i <= rte_ring_get_capacity(plane->dp.lcore[1]->steered); i++)
        client_send_payload(&c, payload, sizeof(payload));
    plane->dp.lcore[0]->now = plane->now;
    while (worker_turn(plane->dp.lcore[0]) > 0)
        ;
    assert_int_equal(plane_count(plane, JP_misdirected), plane_count(plane, JP_rx_packets));
}

static void unknown_spi(struct plane *plane)
{
    struct good g = good_data(plane);

    inject(plane, &g);
}

static void epoch_far(struct plane *plane)
{
    struct client c = client_start(plane, CLIENT, PLANE_ECHO);
    uint8_t payload[PLANE_FRAME_MAX];
    uint32_t len =
        client_seal(&c, UINT64_C(2) << EPOCH_SHIFT, (const uint8_t[]){FRAME_PING}, 1, payload);

    client_send_payload(&c, payload, len);
}

static void auth_failed(struct plane *plane)
{
    struct client c = client_start(plane, CLIENT, PLANE_ECHO);
    uint8_t payload[PLANE_FRAME_MAX];
    uint32_t len = client_seal(&c, 0, (const uint8_t[]){FRAME_PING}, 1, payload);

    payload[WIRE_DATA_HDR] ^= 0x80;
    client_send_payload(&c, payload, len);
}

/* Sealed under the right key, but of the next epoch. */
static void auth_failed_next(struct plane *plane)
{
    struct client c = client_start(plane, CLIENT, PLANE_ECHO);
    uint8_t payload[PLANE_FRAME_MAX];

    client_session(&c)->epoch_acked = true;
    uint32_t len =
        client_seal(&c, UINT64_C(1) << EPOCH_SHIFT, (const uint8_t[]){FRAME_PING}, 1, payload);

    client_send_payload(&c, payload, len);
}

static void replay(struct plane *plane, bool same_burst)
{
    struct client c = client_start(plane, CLIENT, PLANE_ECHO);
    uint8_t payload[PLANE_FRAME_MAX];
    uint32_t len = client_seal(&c, 5, (const uint8_t[]){FRAME_PING}, 1, payload);

    client_send_payload(&c, payload, len);
    if (!same_burst)
        plane_turn(plane);
    client_send_payload(&c, payload, len);
}

static void replay_seen(struct plane *plane)
{
    replay(plane, false);
}

static void replay_seen_in_burst(struct plane *plane)
{
    replay(plane, true);
}

/* A replay is known by its number alone: nothing is spent on opening it. */
static void replay_seen_unopened(struct plane *plane)
{
    struct client c = client_start(plane, CLIENT, PLANE_ECHO);
    uint8_t payload[PLANE_FRAME_MAX];
    uint32_t len = client_seal(&c, 5, (const uint8_t[]){FRAME_PING}, 1, payload);

    client_send_payload(&c, payload, len);
    plane_turn(plane);
    payload[len - 1] ^= 1;
    client_send_payload(&c, payload, len);
}

static void replay_old(struct plane *plane)
{
    struct client c = client_start(plane, CLIENT, PLANE_ECHO);
    const uint8_t ping[] = {FRAME_PING};

    c.tx.next_pn = REPLAY_WINDOW;
    client_send(&c, ping, 1);
    plane_turn(plane);
    c.tx.next_pn = 0;
    client_send(&c, ping, 1);
}

static void bad_trailer(struct plane *plane)
{
    struct client c = client_start(plane, CLIENT, PLANE_ECHO);
    uint8_t payload[PLANE_FRAME_MAX];
    uint32_t len = client_seal_text(&c, 0, (const uint8_t[]){FRAME_PING, 1, 1, 59}, 4, payload);

    client_send_payload(&c, payload, len);
}

static void bad_frame(struct plane *plane)
{
    struct client c = client_start(plane, CLIENT, PLANE_ECHO);

    client_send(&c, (const uint8_t[]){0x3f, 1, 2}, 3);
}

/* Frames of the full transport in a light session. */
static void bad_frame_full(struct plane *plane)
{
    struct client c = client_start(plane, CLIENT, PLANE_ECHO);

    client_send(&c, (const uint8_t[]){FRAME_MAX_DATA, 1}, 2);
}

static void bad_frame_unordered(struct plane *plane)
{
    struct client c = client_start(plane, CLIENT, PLANE_ECHO);

    client_send(&c, (const uint8_t[]){FRAME_STREAM | FRAME_STREAM_UNORDERED, 0, 0}, 3);
}

/* An acknowledgement for a packet that was never sent. */
static void bad_ack(struct plane *plane)
{
    struct client c = client_start(plane, CLIENT, PLANE_ECHO);
    uint8_t frame[ACK_FRAME_MAX];
    uint8_t *end = frame_put_ack(frame, 0, &(struct frame_ack_range){.first = 9, .last = 9}, 1);

    client_send(&c, frame, (uint32_t)(end - frame));
}

/* A datagram in a FEC_SOURCE of block, index. */
static void send_source(struct client *c, uint64_t block, uint8_t index)
{
    uint8_t frames[64];
    uint8_t *p = frame_put_fec_source_hdr(frames, block, index, 11);

    p = frame_put_datagram_hdr(p);
    memset(p, index, 10);
    client_send(c, frames, (uint32_t)(p + 10 - frames));
}

static void fec_duplicate(struct plane *plane)
{
    struct client c = client_start(plane, CLIENT, PLANE_DISCARD);

    send_source(&c, 0, 0);
    send_source(&c, 0, 0);
}

static void fec_late(struct plane *plane)
{
    struct client c = client_start(plane, CLIENT, PLANE_DISCARD);

    for (unsigned block = 0; block < 2 * (FEC_BLOCKS + FEC_HISTORY); block++)
        send_source(&c, block, 0);
    plane_settle(plane);
    send_source(&c, 0, 1);
}

static void fec_bad(struct plane *plane)
{
    struct client c = client_start(plane, CLIENT, PLANE_DISCARD);
    uint8_t frames[64] = {0};
    uint8_t *p = frame_put_fec_repair_hdr(frames, 0, 2, 1, 0);

    client_send(&c, frames, (uint32_t)(p + 20 - frames));
    send_source(&c, 0, 5);
}

static void reorder_duplicate(struct plane *plane)
{
    struct client c = client_start(plane, CLIENT, PLANE_DISCARD);

    client_send_stream(&c, 1, 0, 0, true, 10, 0);
    client_send_stream(&c, 1, 0, 0, true, 10, 0);
}

static void gap_broken(struct plane *plane)
{
    struct client c = client_start(plane, CLIENT, PLANE_DISCARD);

    client_send_stream(&c, 1, 0, 0, false, 10, 0);
    client_send_stream(&c, 1, 0, 20, true, 10, 0);
    plane_settle(plane);
    plane_pass(plane, plane->dp.config.reorder_timeout_us + 2 * TIMER_TICK_US);
}

static void stream_limit(struct plane *plane)
{
    struct client c = client_start(plane, CLIENT, PLANE_DISCARD);

    client_send_stream(&c, plane->dp.config.max_streams, 0, 0, true, 10, 0);
}

/* Held behind a gap when the session is retired. */
static void session_gone(struct plane *plane)
{
    struct client c = client_start(plane, CLIENT, PLANE_DISCARD);
    struct command retire = {.type = JP_IPC_RETIRE, .u.retire.server_spi = c.server_spi};

    client_send_stream(&c, 1, 1, 0, true, 10, 0);
    plane_settle(plane);
    assert_int_equal(plane_count(plane, JP_held), 1);
    plane_command(plane, 0, &retire);
}

/* Behind a CLOSE in one burst. */
static void session_gone_closed(struct plane *plane)
{
    struct client c = client_start(plane, CLIENT, PLANE_DISCARD);
    uint8_t frame[16];
    uint8_t *end = frame_put_close(frame, CLOSE_NONE, "");

    client_send(&c, frame, (uint32_t)(end - frame));
    client_send_datagram(&c, 10, 0);
}

/* The second datagram of a packet needs a buffer of its own when there is none. */
static void no_mbuf(struct plane *plane)
{
    struct client c = client_start(plane, CLIENT, PLANE_DISCARD);
    const uint8_t two[] = {FRAME_DATAGRAM | FRAME_DATAGRAM_LEN, 1, 'a', FRAME_DATAGRAM, 'b'};
    struct rte_mbuf **all = calloc(plane->mbufs->size, sizeof(*all));
    unsigned n = 0;

    client_send(&c, two, sizeof(two));
    while ((all[n] = rte_pktmbuf_alloc(plane->mbufs)))
        n++;
    plane_turn(plane);
    rte_pktmbuf_free_bulk(all, n);
    free(all);
}

/* A full session's packet while fewer messages are free than it may bring. */
static void transport_full(struct plane *plane)
{
    struct client c = client_new(plane, CLIENT, 0);
    struct pool *pool = &plane->dp.lcore[0]->transports->pools.reassembly.messages;
    uint32_t capacity = pool->capacity;

    c.credit = (struct jp_ipc_credit){1 << 20, 1 << 20, 1 << 16};
    assert_int_equal(client_install(&c), 0);
    client_send_stream(&c, 1, 0, 0, true, 10, 0);
    pool->capacity = pool->used;
    plane_turn(plane);
    pool->capacity = capacity;
}

static const struct reason {
    const char *name;
    enum jp_counter counter;
    void (*provoke)(struct plane *plane);
} reasons[] = {
#define DROP(counter, provoke)                                                                     \
    {                                                                                              \
#provoke, JP_##counter, provoke                                                            \
    }
    DROP(eth_other, eth_other),
    DROP(eth_other, eth_other_vlan),
    DROP(eth_other, eth_short),
    DROP(arp_other, arp_other),
    DROP(ip_malformed, ip_longer_than_frame),
    DROP(ip_malformed, ip_short_header),
    DROP(ip_malformed, ip_shorter_than_its_header),
    DROP(ip_malformed, ip_cut),
    DROP(ip_malformed, ip6_longer_than_frame),
    DROP(ip_checksum, ip_checksum),
    DROP(ip_other_mac, ip_other_mac),
    DROP(ip_other_mac, ip_broadcast_mac),
    DROP(ip_other_mac, ip6_other_mac),
    DROP(ip_source, ip_source_none),
    DROP(ip_source, ip_source_loopback),
    DROP(ip_source, ip_source_multicast),
    DROP(ip_source, ip_source_broadcast),
    DROP(ip_source, ip6_source_none),
    DROP(ip_source, ip6_source_mapped),
    DROP(ip_source, ip6_source_multicast),
    DROP(udp_checksum, udp_checksum_hello),
    DROP(udp_checksum, udp_checksum_none6),
    DROP(udp_checksum, udp_checksum_moved),
    DROP(ip_fragment, ip_fragment),
    DROP(ip_fragment, ip_last_fragment),
    DROP(ip_fragment, ip6_fragment),
    DROP(ip_not_ours, ip_not_ours),
    DROP(ip_not_ours, ip6_not_ours),
    DROP(ip_other, ip_other),
    DROP(udp_malformed, udp_malformed_long),
    DROP(udp_malformed, udp_malformed_short),
    DROP(udp_malformed, udp_cut),
    DROP(udp_checksum, udp_checksum),
    DROP(port_closed, port_closed),
    DROP(too_short, too_short),
    DROP(too_short, too_short_hello),
    DROP(too_short, empty_payload),
    DROP(spi_reserved, spi_reserved),
    DROP(pn_mismatch, pn_mismatch),
    DROP(hs_version, hs_version),
    DROP(hs_type, hs_type),
    DROP(steer_full, steer_full),
    DROP(relay_long, relay_long),
    DROP(relay_full, relay_full),
    DROP(unknown_spi, unknown_spi),
    DROP(epoch_far, epoch_far),
    DROP(auth_failed, auth_failed),
    DROP(auth_failed, auth_failed_next),
    DROP(replay_seen, replay_seen),
    DROP(replay_seen, replay_seen_in_burst),
    DROP(replay_seen, replay_seen_unopened),
    DROP(replay_old, replay_old),
    DROP(bad_trailer, bad_trailer),
    DROP(bad_frame, bad_frame),
    DROP(bad_frame, bad_frame_full),
    DROP(bad_frame, bad_frame_unordered),
    DROP(bad_frame, bad_ack),
    DROP(fec_duplicate, fec_duplicate),
    DROP(fec_late, fec_late),
    DROP(fec_bad, fec_bad),
    DROP(reorder_duplicate, reorder_duplicate),
    DROP(gap_broken, gap_broken),
    DROP(stream_limit, stream_limit),
    DROP(session_gone, session_gone),
    DROP(session_gone, session_gone_closed),
    DROP(punt_limited, punt_limited),
    DROP(punt_full, punt_full),
    DROP(punt_full, punt_nobody),
    DROP(punt_lost, punt_lost),
    DROP(no_mbuf, no_mbuf),
    DROP(transport_full, transport_full),
#undef DROP
};

static const enum jp_counter all_drops[] = {
#define COUNTER(name, text) JP_##name,
    JP_DROPS(COUNTER)
#undef COUNTER
};

static uint64_t count_drops(const struct plane *plane)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < RTE_DIM(all_drops); i++)
        sum += plane_count(plane, all_drops[i]);
    return sum;
}

static const struct reason *current;

static int setup(void **state)
{
    current = *state;
    return plane_setup(state);
}

static void drops_exactly_one(void **state)
{
    struct plane *plane = *state;

    current->provoke(plane);
    if (current->counter != JP_steer_full && current->counter != JP_relay_full) {
        plane_settle(plane); /* of those, the ring is full of packets nobody knows */
        assert_int_equal(count_drops(plane), 1);
    }
    assert_int_equal(plane_count(plane, current->counter), 1);
}

static void every_reason_is_provoked(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RTE_DIM(all_drops); i++) {
        bool found = false;

        for (unsigned j = 0; j < RTE_DIM(reasons); j++)
            found |= reasons[j].counter == all_drops[i];
        if (!found)
            fail_msg("nobody provokes drop %u of the list", i);
    }
}

int main(void)
{
    struct CMUnitTest tests[RTE_DIM(reasons) + 1] = {cmocka_unit_test(every_reason_is_provoked)};

    for (unsigned i = 0; i < RTE_DIM(reasons); i++)
        tests[i + 1] = (struct CMUnitTest){.name = reasons[i].name,
                                           .test_func = drops_exactly_one,
                                           .setup_func = setup,
                                           .teardown_func = plane_teardown,
                                           .initial_state = (void *)(uintptr_t)&reasons[i]};
    return cmocka_run_group_tests_name("drops", tests, NULL, NULL);
}
