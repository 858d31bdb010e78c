#include "flood.h"

#include <errno.h>
#include <stdlib.h>

#include <rte_cycles.h>

#include "bytes.h"
#include "handshake.h"
#include "kinds.h"
#include "mbuf.h"
#include "send.h"

/* where things lie in a ClientHello; in a Retry, the cookie lies behind what it quotes */
enum {
    AT_SPI = 8,
    AT_RANDOM = 12,
    AT_COOKIE_LEN = AT_RANDOM + HS_RANDOM_LEN + 2,
    AT_COOKIE = AT_COOKIE_LEN + 2,
    QUOTED = 4 + HS_RANDOM_LEN,
    RETRY_COOKIE = AT_SPI + QUOTED,
    RETRY_LEN = RETRY_COOKIE + HS_COOKIE_LEN,
};

enum { PROOFS = 256, ASKING = 8 }; /* one in so many hellos asks for another cookie */

/* A cookie is good for one sender, SPI and random. */
struct proof {
    uint8_t ip[16];
    uint16_t port;
    uint8_t quoted[QUOTED];
    uint8_t cookie[HS_COOKIE_LEN];
};

struct flood {
    struct hs_client
        client; /* its hello is the template: the keys in it are real and the same in all */
    struct jp_path path;
    uint8_t header[PATH_HEADER_MAX];
    uint64_t proven;            /* cookies got so far */
    struct proof proof[PROOFS]; /* the last of them */
};

void flood_retry(struct flood *f, const struct datagram *d)
{
    struct proof *p = &f->proof[f->proven % PROOFS];

    if (d->len != RETRY_LEN)
        return;
    memcpy(p->ip, d->our_ip, sizeof(p->ip));
    p->port = d->port;
    memcpy(p->quoted, d->payload + AT_SPI, QUOTED);
    memcpy(p->cookie, d->payload + RETRY_COOKIE, HS_COOKIE_LEN);
    f->proven++;
}

static int flood_begin(struct worker *w)
{
    const struct options *o = &w->g->options;
    struct hs_client_config config = {
        .client_spi = WIRE_SPI_MIN,
        .suites = {AEAD_AES256_GCM, AEAD_CHACHA20_POLY1305},
        .params = hs_params_default,
    };
    struct flood *f = calloc(1, sizeof(*f));

    if (!f || hs_client_start(&f->client, &config, &hs_random_system) != 0) {
        free(f);
        return -ENOMEM;
    }
    f->path = (struct jp_path){.peer_port = o->port, .ip_version = o->target.version};
    memcpy(f->path.peer_ip, o->target.ip, 16);
    memcpy(f->path.our_mac, w->g->our_mac, 6);
    w->flood = f;
    return 0;
}

static void put_cookie(uint8_t *hello, const uint8_t *cookie)
{
    hello[AT_COOKIE_LEN] = HS_COOKIE_LEN;
    memcpy(hello + AT_COOKIE, cookie, HS_COOKIE_LEN);
}

/* Another hello, from another address. */
static void make_new(struct worker *w, struct flood *f, uint8_t *hello)
{
    const struct flood_params *params = &w->g->phase->flood;
    uint8_t cookie[HS_COOKIE_LEN];

    be32_store(hello + AT_SPI, (uint32_t)prng_next(&w->prng) | WIRE_SPI_MIN);
    prng_fill(&w->prng, hello + AT_RANDOM,
              params->valid ? HS_RANDOM_LEN : HS_CLIENT_HELLO_LEN - AT_RANDOM);
    if (params->cookies == FLOOD_FORGED) {
        prng_fill(&w->prng, cookie, sizeof(cookie));
        put_cookie(hello, cookie);
    }
    path_spoof(&f->path, &w->g->options.source, params->sources, &w->prng);
}

/* One that was answered by a Retry, with the cookie. */
static void make_proven(struct worker *w, struct flood *f, uint8_t *hello)
{
    const struct proof *p =
        &f->proof[prng_below(&w->prng, (uint32_t)RTE_MIN(f->proven, (uint64_t)PROOFS))];

    memcpy(hello + AT_SPI, p->quoted, QUOTED);
    put_cookie(hello, p->cookie);
    memcpy(f->path.our_ip, p->ip, sizeof(p->ip));
    f->path.our_port = p->port;
}

static bool send_hello(struct worker *w, struct flood *f)
{
    bool good = w->g->phase->flood.cookies == FLOOD_GOOD && f->proven > 0;
    struct rte_mbuf *m = send_new(w);
    uint8_t *hello;

    if (!m)
        return false;
    hello = mbuf_append(m, HS_CLIENT_HELLO_LEN);
    memcpy(hello, f->client.hello, HS_CLIENT_HELLO_LEN);
    if (good && prng_below(&w->prng, ASKING) > 0)
        make_proven(w, f, hello);
    else
        make_new(w, f, hello);
    memcpy(f->path.peer_mac, &w->peer_mac, 6);
    send_address(m, f->header, path_header(f->header, &f->path), f->path.ip_version);
    send_raw(w, w->results.counter[C_hellos_sent] % w->queues, m);
    count(w, C_hellos_sent, 1);
    return true;
}

static unsigned flood_make(struct worker *w)
{
    unsigned n = w->ends_at == 0 && send_room(w) ? allowance(w, w->g->phase->flood.rate, BURST) : 0;
    unsigned made = 0;

    while (made < n && send_hello(w, w->flood))
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
    free(w->flood);
    w->flood = NULL;
}

const struct kind kind_flood = {flood_begin, flood_make, flood_over, flood_end};
