/* Hellos from addresses that are not ours: the flood phase. */
#include <errno.h>

#include <rte_cycles.h>
#include <rte_malloc.h>

#include "bytes.h"
#include "handshake.h"
#include "kinds.h"
#include "mbuf.h"
#include "send.h"

enum { AT_SPI = 8, AT_RANDOM = 12 };

struct flood {
    struct hs_client
        client; /* its hello is the template: the keys in it are real and the same in all */
    struct jp_path path;
    uint8_t header[PATH_HEADER_MAX];
};

static int flood_begin(struct worker *w)
{
    const struct options *o = &w->g->options;
    struct hs_client_config config = {
        .client_spi = WIRE_SPI_MIN,
        .suites = {AEAD_AES256_GCM, AEAD_CHACHA20_POLY1305},
        .params = hs_params_default,
    };
    struct flood *f = rte_zmalloc("flood", sizeof(*f), 0);

    if (!f || hs_client_start(&f->client, &config, &hs_random_system) != 0) {
        rte_free(f);
        return -ENOMEM;
    }
    f->path = (struct jp_path){.peer_port = o->port, .ip_version = o->target.version};
    memcpy(f->path.peer_ip, o->target.ip, 16);
    memcpy(f->path.our_mac, w->g->our_mac, 6);
    w->flood = f;
    return 0;
}

static bool send_spoofed(struct worker *w, struct flood *f)
{
    const struct flood_params *params = &w->g->phase->flood;
    struct rte_mbuf *m = send_new(w);
    uint8_t *hello;

    if (!m)
        return false;
    hello = mbuf_append(m, HS_CLIENT_HELLO_LEN);
    memcpy(hello, f->client.hello, HS_CLIENT_HELLO_LEN);
    be32_store(hello + AT_SPI, (uint32_t)prng_next(&w->prng) | WIRE_SPI_MIN);
    prng_fill(&w->prng, hello + AT_RANDOM,
              params->valid ? HS_RANDOM_LEN : HS_CLIENT_HELLO_LEN - AT_RANDOM);
    memcpy(f->path.peer_mac, &w->peer_mac, 6);
    path_spoof(&f->path, &w->g->options.source, params->sources, &w->prng);
    send_address(m, f->header, path_header(f->header, &f->path), f->path.ip_version);
    send_raw(w, w->results.counter[C_hellos_sent] % w->queues, m);
    count(w, C_hellos_sent, 1);
    return true;
}

static unsigned flood_make(struct worker *w)
{
    unsigned n = w->ends_at == 0 && send_room(w) ? allowance(w, w->g->phase->flood.rate, BURST) : 0;
    unsigned made = 0;

    while (made < n && send_spoofed(w, w->flood))
        made++;
    w->allowance_used += made;
    return made;
}

enum { ANSWERS_US = 200000 };

/* Answers to the last hellos are waited for. */
static bool flood_over(struct worker *w)
{
    if (w->ends_at == 0 && (double)(w->now - w->began) >= w->g->phase->flood.seconds * 1e6)
        w->ends_at = w->now + ANSWERS_US;
    return is_stopped(w) || (w->ends_at != 0 && w->now >= w->ends_at);
}

static void flood_end(struct worker *w)
{
    rte_free(w->flood);
    w->flood = NULL;
}

const struct kind kind_flood = {flood_begin, flood_make, flood_over, flood_end};
