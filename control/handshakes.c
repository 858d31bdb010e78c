#include "handshakes.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "clock.h"
#include "identity.h"
#include "log.h"

enum {
    SPI_TRIES_MAX = 4,
    INSTALL_PATIENCE_US = 2 * CLOCK_SECOND,
    COOKIE_ROTATION_US = 120 * CLOCK_SECOND,
};
static_assert(COOKIE_ROTATION_US > HS_COOKIE_LIFETIME_S * CLOCK_SECOND,
              "a cookie outlives at most one rotation");
static_assert((int)JP_IPC_PACKET_MAX >= (int)WIRE_HS_MAX, "a handshake packet fits a message");
static_assert((int)JP_IPC_SECRET == (int)KDF_HASH_LEN, "a secret fits a message");

/* What is known of a hello while it is handled. */
struct arrival {
    const uint8_t *hello;
    size_t len;
    const struct jp_path *path;
    uint8_t addr[HS_ADDR_LEN];
    uint64_t now; /* us */
};

static void count(struct handshakes *h, enum handshake_counter counter)
{
    h->counter[counter]++;
}

static void address_of(const struct jp_path *path, uint8_t addr[HS_ADDR_LEN])
{
    memcpy(addr, path->peer_ip, 16);
    be16_store(addr + 16, path->peer_port);
}

/* ---- life ---- */

static int open_keys(struct handshakes *h)
{
    struct hs_server *server;

    h->keys = sodium_malloc(sizeof(*h->keys));
    if (!h->keys)
        return -ENOMEM;
    if (sodium_mlock(h->keys, sizeof(*h->keys)) < 0)
        log_warning("cannot lock keys in memory: %s; raise the limit (ulimit -l)", strerror(errno));
    memset(h->keys, 0, sizeof(*h->keys));
    server = &h->keys->server;
    memcpy(server->suites, h->config->suites, sizeof(server->suites));
    server->params = hs_params_default;
    randombytes_buf(server->cookie_key, sizeof(server->cookie_key));
    randombytes_buf(h->keys->previous.cookie_key, sizeof(server->cookie_key));
    return identity_load(h->config->identity_file, server->identity, server->identity_secret);
}

int handshakes_init(struct handshakes *h, const struct config *config, struct dp *dp,
                    struct sessions *sessions)
{
    int rc;

    *h = (struct handshakes){.config = config, .dp = dp, .sessions = sessions};
    rc = open_keys(h);
    if (rc < 0)
        return rc;
    h->rotate_at = clock_us() + COOKIE_ROTATION_US;
    h->aead = aead_new(aead_best());
    h->recent = recent_new();
    h->proven_by_prefix = limit_new(config->prefix);
    h->unproven_by_prefix = limit_new(config->prefix);
    h->resets_by_prefix = limit_new(config->prefix_resets);
    h->install = calloc(INSTALLS_MAX, sizeof(*h->install));
    if (!h->aead || !h->recent || !h->proven_by_prefix || !h->unproven_by_prefix ||
        !h->resets_by_prefix || !h->install) {
        log_error("no memory for handshakes");
        return -ENOMEM;
    }
    return 0;
}

void handshakes_free(struct handshakes *h)
{
    free(h->install);
    limit_free(h->resets_by_prefix);
    limit_free(h->unproven_by_prefix);
    limit_free(h->proven_by_prefix);
    recent_free(h->recent);
    if (h->aead)
        aead_free(h->aead);
    sodium_free(h->keys); /* wipes them */
}

void handshakes_up(struct handshakes *h)
{
    const struct jp_ipc_data_hello *dp = &h->dp->hello;
    uint16_t max_streams = h->config->max_streams;

    h->keys->server.params = (struct hs_params){
        .idle_timeout_ms = h->config->idle_timeout_ms,
        .max_streams = max_streams < dp->max_streams ? max_streams : dp->max_streams,
        .max_packet = dp->max_packet,
        .fec_k = dp->fec_k,
        .fec_r = dp->fec_r,
    };
}

void handshakes_down(struct handshakes *h)
{
    for (unsigned i = 0; i < INSTALLS_MAX; i++)
        if (h->install[i].spi != 0)
            count(h, HANDSHAKE_lost);
    memset(h->install, 0, INSTALLS_MAX * sizeof(*h->install));
    h->installs = 0;
    recent_clear(h->recent);
}

/* ---- sending ---- */

static void send_packet(struct handshakes *h, const struct jp_path *path, const uint8_t *bytes,
                        size_t len)
{
    struct jp_ipc_packet packet = {
        .h = {JP_IPC_MAGIC, JP_IPC_VERSION, JP_IPC_SEND},
        .path = *path,
        .len = (uint16_t)len,
    };

    memcpy(packet.bytes, bytes, len);
    dp_send(h->dp, &packet, sizeof(packet));
}

static void send_retry(struct handshakes *h, const struct arrival *a)
{
    uint8_t retry[WIRE_HS_MAX];
    size_t len = hs_server_retry(&h->keys->server, a->hello, a->addr, a->now / CLOCK_SECOND, retry);

    send_packet(h, a->path, retry, len);
    count(h, HANDSHAKE_retries);
}

static int send_install(struct handshakes *h, const struct jp_path *path,
                        const struct hs_result *result, const struct recent_reply *reply)
{
    uint32_t idle = h->config->idle_timeout_ms;
    struct jp_ipc_install install = {
        .h = {JP_IPC_MAGIC, JP_IPC_VERSION, JP_IPC_INSTALL},
        .path = *path,
        .server_spi = result->server_spi,
        .client_spi = result->client_spi,
        .idle_timeout_ms =
            idle < result->peer.idle_timeout_ms ? idle : result->peer.idle_timeout_ms,
        .max_streams = result->peer.max_streams,
        .max_packet = result->peer.max_packet,
        .alg = (uint8_t)result->alg,
        .fec_k = result->peer.fec_k,
        .fec_r = result->peer.fec_r,
        .reply_len = reply->len,
    };
    int rc;

    memcpy(install.c2s_secret, result->c2s_secret, JP_IPC_SECRET);
    memcpy(install.s2c_secret, result->s2c_secret, JP_IPC_SECRET);
    memcpy(install.reply, reply->bytes, reply->len);
    rc = dp_send(h->dp, &install, sizeof(install));
    sodium_memzero(&install, sizeof(install));
    return rc;
}

/* ---- installing ---- */

static struct install *find_install(struct handshakes *h, uint32_t spi)
{
    for (unsigned i = 0; i < INSTALLS_MAX; i++)
        if (h->install[i].spi == spi)
            return &h->install[i];
    return NULL;
}

static void forget_install(struct handshakes *h, struct install *install)
{
    install->spi = 0;
    h->installs--;
}

/* The expensive part, timed. */
static enum hs_server_error answer(struct handshakes *h, const uint8_t *hello, uint32_t spi,
                                   struct hs_result *result, struct recent_reply *reply)
{
    struct timespec begin, end;
    enum hs_server_error error;
    uint64_t ns;
    size_t len = 0;

    clock_gettime(CLOCK_MONOTONIC, &begin);
    error = hs_server_answer(&h->keys->server, h->aead, hello, spi, &hs_random_system, result,
                             reply->bytes, &len);
    clock_gettime(CLOCK_MONOTONIC, &end);
    reply->len = (uint16_t)len;
    ns = (uint64_t)(end.tv_sec - begin.tv_sec) * 1000000000u + (uint64_t)end.tv_nsec -
         (uint64_t)begin.tv_nsec;
    h->answers++;
    h->answers_ns += ns;
    if (ns > h->answer_max_ns)
        h->answer_max_ns = ns;
    return error;
}

static void count_error(struct handshakes *h, enum hs_server_error error)
{
    static const enum handshake_counter counters[] = {
        [-HS_MALFORMED] = HANDSHAKE_malformed,
        [-HS_NO_SUITE] = HANDSHAKE_no_suite,
        [-HS_BAD_COOKIE] = HANDSHAKE_bad_cookie,
        [-HS_BAD_SHARE] = HANDSHAKE_bad_share,
    };

    count(h, counters[-(int)error]);
}

/* Make the session's keys and ServerHello and hand both to the data plane. False after counting why
 * not. */
static bool make_session(struct handshakes *h, const struct arrival *a, uint32_t spi,
                         struct recent_reply *reply)
{
    struct hs_result result;
    enum hs_server_error error = answer(h, a->hello, spi, &result, reply);
    bool sent = error == HS_OK && send_install(h, a->path, &result, reply) == 0;

    sodium_memzero(&result, sizeof(result));
    if (error != HS_OK)
        count_error(h, error);
    else if (!sent)
        count(h, HANDSHAKE_lost);
    return sent;
}

/* Answer a hello that passed all checks; place is free. */
static void start_install(struct handshakes *h, struct install *place, const struct arrival *a,
                          unsigned tries)
{
    uint32_t spi = sessions_reserve(h->sessions);
    struct recent_reply *reply;

    if (spi == 0) {
        count(h, HANDSHAKE_full);
        return;
    }
    reply = recent_put(h->recent, a->hello, a->addr, a->now);
    if (!make_session(h, a, spi, reply)) {
        recent_drop(h->recent, reply);
        sessions_remove(h->sessions, spi);
        return;
    }
    place->spi = spi;
    place->tries = tries;
    place->deadline = a->now + INSTALL_PATIENCE_US;
    place->path = *a->path;
    memcpy(place->hello, a->hello, HS_CLIENT_HELLO_LEN);
    h->installs++;
}

/* The install failed: a repeated hello starts afresh. */
static void undo_install(struct handshakes *h, struct install *install, uint64_t now)
{
    struct recent_reply *reply;
    uint8_t addr[HS_ADDR_LEN];

    address_of(&install->path, addr);
    reply = recent_find(h->recent, install->hello, addr, now);
    if (reply)
        recent_drop(h->recent, reply);
    forget_install(h, install);
}

static void retry_install(struct handshakes *h, struct install *install, uint64_t now)
{
    struct install failed = *install;
    struct arrival a = {
        .hello = failed.hello, .len = HS_CLIENT_HELLO_LEN, .path = &failed.path, .now = now};

    address_of(&failed.path, a.addr);
    undo_install(h, install, now);
    if (failed.tries + 1 == SPI_TRIES_MAX) {
        count(h, HANDSHAKE_refused);
        return;
    }
    count(h, HANDSHAKE_spi_taken);
    start_install(h, install, &a, failed.tries + 1);
}

static void finish_install(struct handshakes *h, struct install *install, uint64_t now)
{
    struct recent_reply *reply;
    uint8_t addr[HS_ADDR_LEN];

    address_of(&install->path, addr);
    reply = recent_find(h->recent, install->hello, addr, now);
    if (reply)
        reply->installed = true;
    forget_install(h, install);
    count(h, HANDSHAKE_ok);
}

void handshakes_installed(struct handshakes *h, const struct jp_ipc_installed *installed)
{
    struct install *install = installed->server_spi ? find_install(h, installed->server_spi) : NULL;
    uint64_t now = clock_us();

    if (!install)
        return;
    if (installed->result == 0) {
        finish_install(h, install, now);
    } else if (installed->result == -EEXIST) {
        retry_install(h, install, now); /* the SPI stays known */
    } else {
        sessions_remove(h->sessions, install->spi);
        undo_install(h, install, now);
        count(h, HANDSHAKE_refused);
    }
}

/* ---- hellos ---- */

/* HS_OK: well-formed, and its cookie proves the address. HS_BAD_COOKIE: well-formed. */
static enum hs_server_error check(struct handshakes *h, const struct arrival *a)
{
    uint64_t now_s = a->now / CLOCK_SECOND;
    enum hs_server_error error =
        hs_server_check(&h->keys->server, a->hello, a->len, a->addr, now_s, true);

    if (error == HS_BAD_COOKIE)
        error = hs_server_check(&h->keys->previous, a->hello, a->len, a->addr, now_s, true);
    return error;
}

static struct rate half(struct rate rate)
{
    return (struct rate){(rate.per_second + 1) / 2, (rate.burst + 1) / 2};
}

/* Must this hello, which may come from anywhere, be repeated with a cookie? Yes when those without
 * come too often, so that they leave room for those with. */
static bool cookie_needed(struct handshakes *h, const struct arrival *a)
{
    if (h->config->cookie == COOKIE_ALWAYS)
        return true;
    if (hs_server_check(&h->keys->server, a->hello, a->len, a->addr, 0, false) == HS_BAD_COOKIE) {
        count(h, HANDSHAKE_bad_cookie);
        return true;
    }
    return h->installs > INSTALLS_MAX / 2 ||
           !limit_pass(h->unproven_by_prefix, a->path->peer_ip, a->now) ||
           !bucket_pass(&h->unproven, half(h->config->handshakes), a->now);
}

/* Spoofed hellos must not use up the rate of the prefix they pretend to come from, so only proven
 * ones count there. */
static bool within_rate(struct handshakes *h, const struct arrival *a, bool proven)
{
    return (!proven || limit_pass(h->proven_by_prefix, a->path->peer_ip, a->now)) &&
           bucket_pass(&h->all, h->config->handshakes, a->now);
}

static void repeat(struct handshakes *h, const struct arrival *a, const struct recent_reply *reply)
{
    count(h, HANDSHAKE_repeated);
    if (reply->installed)
        send_packet(h, a->path, reply->bytes, reply->len);
}

static bool data_plane_full(const struct handshakes *h)
{
    return dp_counter_sum(h->dp, JP_sessions) + h->installs >= h->dp->hello.max_sessions;
}

static void handle_hello(struct handshakes *h, const struct arrival *a)
{
    enum hs_server_error error = check(h, a);
    bool proven = error == HS_OK || h->config->cookie == COOKIE_NEVER;
    const struct recent_reply *reply;

    if (error == HS_MALFORMED)
        count(h, HANDSHAKE_malformed);
    else if ((reply = recent_find(h->recent, a->hello, a->addr, a->now)))
        repeat(h, a, reply);
    else if (!proven && cookie_needed(h, a))
        send_retry(h, a);
    else if (!within_rate(h, a, proven))
        count(h, HANDSHAKE_limited);
    else if (h->installs == INSTALLS_MAX)
        count(h, HANDSHAKE_busy);
    else if (data_plane_full(h))
        count(h, HANDSHAKE_full);
    else
        start_install(h, find_install(h, 0), a, 0);
}

void handshakes_punt(struct handshakes *h, const struct jp_ipc_packet *packet)
{
    struct arrival a = {
        .hello = packet->bytes, .len = packet->len, .path = &packet->path, .now = clock_us()};

    if (packet->len > JP_IPC_PACKET_MAX) {
        count(h, HANDSHAKE_malformed);
        return;
    }
    address_of(&packet->path, a.addr);
    handle_hello(h, &a);
}

void handshakes_unknown_spi(struct handshakes *h, const struct jp_ipc_unknown *unknown)
{
    uint64_t now = clock_us();
    uint8_t reset[HS_RESET_LEN];

    if (!limit_pass(h->resets_by_prefix, unknown->path.peer_ip, now) ||
        !bucket_pass(&h->resets, h->config->resets, now)) {
        count(h, HANDSHAKE_resets_limited);
        return;
    }
    hs_reset_make(&h->keys->server, unknown->quote, reset);
    send_packet(h, &unknown->path, reset, sizeof(reset));
    count(h, HANDSHAKE_resets);
}

/* ---- time ---- */

static void rotate_cookie_key(struct handshake_keys *keys)
{
    memcpy(keys->previous.cookie_key, keys->server.cookie_key, sizeof(keys->server.cookie_key));
    randombytes_buf(keys->server.cookie_key, sizeof(keys->server.cookie_key));
}

void handshakes_tick(struct handshakes *h, uint64_t now)
{
    if (now >= h->rotate_at) {
        rotate_cookie_key(h->keys);
        h->rotate_at = now + COOKIE_ROTATION_US;
    }
    for (unsigned i = 0; h->installs > 0 && i < INSTALLS_MAX; i++)
        if (h->install[i].spi != 0 && now >= h->install[i].deadline) {
            undo_install(h, &h->install[i], now); /* its SPI may be in use: it stays known */
            count(h, HANDSHAKE_lost);
        }
}
