/* Feeds DPDK's ipsec-secgw example from memory, and times it. Preloaded into the example, which is
 * not changed: it hands the packets in by a callback on port 0, a net_null port that receives
 * nothing of its own. As in bench_ingress, a round of packets is made while the clock stands still,
 * and the clock runs from there until the example asks for the first packet of the next round.
 * What is handed in is ESP in tunnel mode, AES-256-GCM with one SA, sequence numbers counting up,
 * and the same again in every round: the example must run with its replay window off.
 *
 *   FEED_SIZE    bytes of the inner IPv4 packet
 *   FEED_ROUND   packets in a round
 *   FEED_ROUNDS  rounds, after which the program ends
 *   FEED_OUT     the file that the result goes to, as report.h has it */
#include <dlfcn.h>
#include <openssl/evp.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <unistd.h>

#include "bytes.h"
#include "report.h"
#include "stopwatch.h"

enum {
    ROUND_MAX = 4096,
    SIZE_MAX_INNER = 1400,
    WARM_UP = 20, /* rounds */
    SPI = 5,
    IV_LEN = 8,
    TAG_LEN = 16,
    ESP_LEN = 8,
    ETHER_AND_IP = RTE_ETHER_HDR_LEN + sizeof(struct rte_ipv4_hdr),
    PACKET_MAX = ETHER_AND_IP + ESP_LEN + IV_LEN + SIZE_MAX_INNER + 8 + TAG_LEN,
};

/* Key and salt count up from 0: tests/bench/peer_secgw configures the same. */
enum { KEY_LEN = 32, SALT_LEN = 4 };

static unsigned size, round_packets, rounds, round_now;
static uint8_t packets[ROUND_MAX][PACKET_MAX];
static uint16_t packet_len;
static struct rte_mempool *pool;
static struct rte_mbuf *ready[ROUND_MAX];
static unsigned next; /* of ready */
static uint64_t *spent_ns;
static uint64_t sent;
static uint64_t started; /* CPU time: other programs on the core do not count */

static unsigned setting(const char *name, unsigned min, unsigned max)
{
    const char *text = getenv(name);

    return (unsigned)report_number(text ? text : "", min, max);
}

static void ipv4(uint8_t *p, uint16_t total, uint8_t protocol, uint32_t from, uint32_t to)
{
    struct rte_ipv4_hdr ip = {
        .version_ihl = RTE_IPV4_VHL_DEF,
        .total_length = rte_cpu_to_be_16(total),
        .time_to_live = 64,
        .next_proto_id = protocol,
        .src_addr = rte_cpu_to_be_32(from),
        .dst_addr = rte_cpu_to_be_32(to),
    };

    ip.hdr_checksum = rte_ipv4_cksum(&ip);
    memcpy(p, &ip, sizeof(ip));
}

/* RFC 4303 and RFC 4106: nonce = salt || IV, AAD = SPI || sequence number. */
static void seal(uint8_t *esp, uint32_t len)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    uint8_t key[KEY_LEN], nonce[SALT_LEN + IV_LEN];
    uint8_t *text = esp + ESP_LEN + IV_LEN;
    int done;

    for (unsigned i = 0; i < KEY_LEN; i++)
        key[i] = (uint8_t)i;
    for (unsigned i = 0; i < SALT_LEN; i++)
        nonce[i] = (uint8_t)(KEY_LEN + i);
    memcpy(nonce + SALT_LEN, esp + ESP_LEN, IV_LEN);
    if (!ctx || EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce) != 1 ||
        EVP_EncryptUpdate(ctx, NULL, &done, esp, ESP_LEN) != 1 ||
        EVP_EncryptUpdate(ctx, text, &done, text, (int)len) != 1 ||
        EVP_EncryptFinal_ex(ctx, text + len, &done) != 1 ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_LEN, text + len) != 1)
        report_fail("libcrypto did not seal");
    EVP_CIPHER_CTX_free(ctx);
}

static void make_packet(uint8_t *p, uint32_t seq)
{
    const uint32_t us = RTE_IPV4(198, 18, 1, 1), peer = RTE_IPV4(198, 18, 1, 2);
    const uint32_t from = RTE_IPV4(198, 18, 3, 1), to = RTE_IPV4(198, 18, 2, 1);
    unsigned padding = (4 - (size + 2) % 4) % 4, text_len = size + padding + 2;
    uint8_t *esp = p + ETHER_AND_IP, *inner = esp + ESP_LEN + IV_LEN;

    packet_len = (uint16_t)(ETHER_AND_IP + ESP_LEN + IV_LEN + text_len + TAG_LEN);
    p[RTE_ETHER_HDR_LEN - 2] = 8; /* IPv4 */
    ipv4(p + RTE_ETHER_HDR_LEN, (uint16_t)(packet_len - RTE_ETHER_HDR_LEN), IPPROTO_ESP, peer, us);
    be32_store(esp, SPI);
    be32_store(esp + 4, seq);
    be64_store(esp + ESP_LEN, seq);
    ipv4(inner, (uint16_t)size, IPPROTO_UDP, from, to);
    be16_store(inner + sizeof(struct rte_ipv4_hdr) + 4,
               (uint16_t)(size - sizeof(struct rte_ipv4_hdr)));
    for (unsigned i = 0; i < padding; i++)
        inner[size + i] = (uint8_t)(i + 1);
    inner[text_len - 2] = (uint8_t)padding;
    inner[text_len - 1] = IPPROTO_IPIP;
    seal(esp, text_len);
}

static void fill_round(void)
{
    if (rte_pktmbuf_alloc_bulk(pool, ready, round_packets) != 0)
        report_fail("ipsec-secgw's pool has no packets left for a round");
    for (unsigned i = 0; i < round_packets; i++) {
        memcpy(rte_pktmbuf_append(ready[i], packet_len), packets[i], packet_len);
        ready[i]->ol_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    }
    next = 0;
}

/* What it was given it must also send on, but for what is on its way. */
static _Noreturn void finish(void)
{
    const char *path = getenv("FEED_OUT");

    if (!path || !freopen(path, "w", stdout))
        report_fail("FEED_OUT cannot be written");
    if (sent < (uint64_t)rounds * round_packets - 512)
        report_fail("packets were dropped");
    double ns = (double)report_median(spent_ns, rounds) / round_packets;

    report_state.json = true;
    report("secgw", ns, "ns/packet");
    report("secgw.rate", 1e9 / ns, "packets/s");
    report_end();
    fflush(stdout);
    _exit(0);
}

static void end_round(void)
{
    uint64_t ns = stopwatch_cpu() - started;

    if (round_now++ < WARM_UP) {
        sent = 0;
        return;
    }
    spent_ns[round_now - 1 - WARM_UP] = ns;
    if (round_now == WARM_UP + rounds)
        finish();
}

static uint16_t feed(uint16_t port, uint16_t queue, struct rte_mbuf **m, uint16_t n, uint16_t max,
                     void *arg)
{
    (void)port, (void)queue, (void)arg;
    if (next == round_packets) {
        if (started != 0)
            end_round();
        fill_round();
        started = stopwatch_cpu();
    }
    for (; n < max && next < round_packets; n++)
        m[n] = ready[next++];
    return n;
}

static uint16_t count_sent(uint16_t port, uint16_t queue, struct rte_mbuf **m, uint16_t n,
                           void *arg)
{
    (void)port, (void)queue, (void)m, (void)arg;
    sent += n;
    return n;
}

static void prepare(void)
{
    report_state.usage = "see tests/bench/secgw_feed.c\n";
    size = setting("FEED_SIZE", 64, SIZE_MAX_INNER);
    round_packets = setting("FEED_ROUND", 32, ROUND_MAX);
    rounds = setting("FEED_ROUNDS", 1, 1000000);
    spent_ns = calloc(rounds, sizeof(*spent_ns));
    for (unsigned i = 0; i < round_packets; i++)
        make_packet(packets[i], i + 1);
    next = round_packets;
}

/* ---- put before DPDK's functions of the same name ---- */

/* Ports in memory have no checksum offload, which the example demands of a NIC. It is not needed
 * here: packets are handed in marked as good. */
int rte_eth_dev_info_get(uint16_t port, struct rte_eth_dev_info *info)
{
    int (*next_one)(uint16_t, struct rte_eth_dev_info *) = dlsym(RTLD_NEXT, "rte_eth_dev_info_get");
    int rc = next_one(port, info);

    info->rx_offload_capa |= RTE_ETH_RX_OFFLOAD_CHECKSUM;
    info->tx_offload_capa |= RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;
    return rc;
}

int rte_eth_dev_configure(uint16_t port, uint16_t n_rx, uint16_t n_tx,
                          const struct rte_eth_conf *conf)
{
    int (*next_one)(uint16_t, uint16_t, uint16_t, const struct rte_eth_conf *) =
        dlsym(RTLD_NEXT, "rte_eth_dev_configure");
    struct rte_eth_conf ours = *conf;

    ours.rxmode.offloads = 0;
    ours.txmode.offloads = 0;
    return next_one(port, n_rx, n_tx, &ours);
}

int rte_eth_rx_queue_setup(uint16_t port, uint16_t queue, uint16_t descriptors, unsigned socket,
                           const struct rte_eth_rxconf *conf, struct rte_mempool *mp)
{
    int (*next_one)(uint16_t, uint16_t, uint16_t, unsigned, const struct rte_eth_rxconf *,
                    struct rte_mempool *) = dlsym(RTLD_NEXT, "rte_eth_rx_queue_setup");
    struct rte_eth_rxconf ours = *conf;

    ours.offloads = 0;
    int rc = next_one(port, queue, descriptors, socket, &ours, mp);

    if (rc == 0 && port == 0) { /* before the example's own callback, which looks at the headers */
        pool = mp;
        prepare();
        rte_eth_add_rx_callback(0, queue, feed, NULL);
    }
    return rc;
}

int rte_eth_tx_queue_setup(uint16_t port, uint16_t queue, uint16_t descriptors, unsigned socket,
                           const struct rte_eth_txconf *conf)
{
    int (*next_one)(uint16_t, uint16_t, uint16_t, unsigned, const struct rte_eth_txconf *) =
        dlsym(RTLD_NEXT, "rte_eth_tx_queue_setup");
    struct rte_eth_txconf ours = *conf;

    ours.offloads = 0;
    int rc = next_one(port, queue, descriptors, socket, &ours);

    if (rc == 0 && port == 1)
        rte_eth_add_tx_callback(port, queue, count_sent, NULL);
    return rc;
}
