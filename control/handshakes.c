#include "handshakes.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "clock.h"
#include "identity.h"
#include "log.h"

enum { COOKIE_ROTATION_US = 120 * CLOCK_SECOND };
static_assert(COOKIE_ROTATION_US > HS_COOKIE_LIFETIME_S * CLOCK_SECOND,
              "a cookie outlives at most one rotation");
static_assert((int)JP_IPC_PACKET_MAX >= (int)WIRE_HS_MAX, "a handshake packet fits a message");

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

static int open_tickets(struct handshakes *h)
{
    h->tickets = sodium_malloc(sizeof(*h->tickets));
    if (!h->tickets)
        return -ENOMEM;
    resume_tickets_init(h->tickets, &hs_random_system, clock_us() / CLOCK_SECOND);
    return 0;
}

int handshakes_init(struct handshakes *h, const struct config *config, struct dp *dp,
                    struct sessions *sessions, struct tcp *tcp)
{
    int rc;

    *h = (struct handshakes){.config = config, .dp = dp, .sessions = sessions, .tcp = tcp};
    rc = open_keys(h);
    if (rc == 0)
        rc = open_tickets(h);
    if (rc < 0)
        return rc;
    h->rotate_at = clock_us() + COOKIE_ROTATION_US;
    h->aead = aead_new(aead_best());
    h->recent = recent_new();
    prefix_limit_init(&h->proven_by_prefix, config->prefix);
    prefix_limit_init(&h->unproven_by_prefix, config->prefix);
    prefix_limit_init(&h->resets_by_prefix, config->prefix_resets);
    h->install = calloc(INSTALLS_MAX, sizeof(*h->install));
    if (!h->aead || !h->recent || !h->install) {
        log_error("no memory for handshakes");
        return -ENOMEM;
    }
    return 0;
}

void handshakes_free(struct handshakes *h)
{
    free(h->install);
    recent_free(h->recent);
    if (h->aead)
        aead_free(h->aead);
    sodium_free(h->tickets); /* wipes them, as the keys */
    sodium_free(h->keys);
}

void handshakes_up(struct handshakes *h)
{
    const struct jp_ipc_data_hello *dp = &h->dp->hello;
    struct hs_params *params = &h->keys->server.params;
    uint32_t idle = h->config->idle_timeout_ms;
    uint16_t max_streams = h->config->max_streams;

    *params = hs_params_default;
    params->idle_timeout_ms = idle < dp->idle_timeout_max_ms ? idle : dp->idle_timeout_max_ms;
    params->max_streams = max_streams < dp->max_streams ? max_streams : dp->max_streams;
    params->max_packet = dp->max_packet;
    params->fec_k = dp->fec_k;
    params->fec_r = dp->fec_r;
    params->max_data = dp->credit.max_data;
    params->max_stream_data = dp->credit.max_stream_data;
    params->max_message = dp->credit.max_message;
}

void handshakes_down(struct handshakes *h)
{
    install_forget_all(h);
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

    if (path->tcp) {
        tcp_send(h->tcp, path, bytes, len);
        return;
    }
    memcpy(packet.bytes, bytes, len);
    dp_send(h->dp, &packet, sizeof(packet));
}

static void send_retry(struct handshakes *h, const struct arrival *a)
{
    uint8_t retry[WIRE_HS_MAX];
    size_t len = hs_server_retry(&h->keys->server, a->hello, a->addr, a->now / CLOCK_SECOND, retry);

    send_packet(h, a->path, retry, len);
    handshakes_count(h, HANDSHAKE_retries);
}

void handshakes_refuse(struct handshakes *h, const struct arrival *a)
{
    uint8_t refuse[RESUME_REFUSE_LEN];

    resume_server_refuse(a->hello, refuse);
    send_packet(h, a->path, refuse, sizeof(refuse));
}

/* ---- hellos ---- */

static enum hs_server_error check_with(const struct hs_server *server, const struct arrival *a)
{
    uint64_t now_s = a->now / CLOCK_SECOND;

    return a->len > WIRE_HS_HDR && arrival_resumes(a)
               ? resume_server_check(server, a->hello, a->len, a->addr, now_s, true)
               : hs_server_check(server, a->hello, a->len, a->addr, now_s, true);
}

/* HS_OK: well-formed, and its cookie proves the address. HS_BAD_COOKIE: well-formed. */
static enum hs_server_error check(struct handshakes *h, const struct arrival *a)
{
    enum hs_server_error error = check_with(&h->keys->server, a);

    return error == HS_BAD_COOKIE ? check_with(&h->keys->previous, a) : error;
}

static struct rate half(struct rate rate)
{
    return (struct rate){(rate.per_second + 1) / 2, (rate.burst + 1) / 2};
}

static uint64_t sessions_there(const struct handshakes *h)
{
    return dp_counter_sum(h->dp, JP_sessions) + h->installs;
}

/* Must this hello, which may come from anywhere, be repeated with a cookie? Yes when those without
 * come too often or have led to many sessions, so that they leave room for those with. */
static bool cookie_needed(struct handshakes *h, const struct arrival *a)
{
    if (h->config->cookie == COOKIE_ALWAYS)
        return true;
    if (hs_hello_has_cookie(a->hello)) { /* which is not good */
        handshakes_count(h, HANDSHAKE_bad_cookie);
        return true;
    }
    return h->installs > INSTALLS_MAX / 2 || sessions_there(h) > h->dp->hello.max_sessions / 2 ||
           !prefix_limit_pass(&h->unproven_by_prefix, a->path->peer_ip, a->now) ||
           !bucket_pass(&h->unproven, half(h->config->handshakes), a->now);
}

/* Spoofed hellos must not use up the rate of the prefix they pretend to come from, so only proven
 * ones count there. */
static bool within_rate(struct handshakes *h, const struct arrival *a, bool proven)
{
    return (!proven || prefix_limit_pass(&h->proven_by_prefix, a->path->peer_ip, a->now)) &&
           bucket_pass(&h->all, h->config->handshakes, a->now);
}

static void repeat(struct handshakes *h, const struct arrival *a, const struct recent_reply *reply)
{
    handshakes_count(h, HANDSHAKE_repeated);
    if (reply->installed)
        send_packet(h, a->path, reply->bytes, reply->len);
}

static void handle_hello(struct handshakes *h, const struct arrival *a)
{
    enum hs_server_error error = check(h, a);
    bool proven = error == HS_OK || a->path->tcp || h->config->cookie == COOKIE_NEVER;
    const struct recent_reply *reply;

    if (error == HS_MALFORMED)
        handshakes_count(h, HANDSHAKE_malformed);
    else if ((reply = recent_find(h->recent, a->hello, a->addr, a->now)))
        repeat(h, a, reply);
    else if (!proven && cookie_needed(h, a))
        send_retry(h, a);
    else if (!within_rate(h, a, proven))
        handshakes_count(h, HANDSHAKE_limited);
    else if (h->installs == INSTALLS_MAX)
        handshakes_count(h, HANDSHAKE_busy);
    else if (sessions_there(h) >= h->dp->hello.max_sessions)
        handshakes_count(h, HANDSHAKE_full);
    else
        install_start(h, a);
}

void handshakes_punt(struct handshakes *h, const struct jp_ipc_packet *packet)
{
    if (packet->len > JP_IPC_PACKET_MAX)
        handshakes_count(h, HANDSHAKE_malformed);
    else
        handshakes_hello(h, &packet->path, packet->bytes, packet->len);
}

void handshakes_hello(struct handshakes *h, const struct jp_path *path, const uint8_t *hello,
                      size_t len)
{
    struct arrival a = {.hello = hello, .len = len, .path = path, .now = clock_us()};

    path_address(path, a.addr);
    handle_hello(h, &a);
}

void handshakes_unknown_spi(struct handshakes *h, const struct jp_ipc_unknown *unknown)
{
    uint64_t now = clock_us();
    uint8_t reset[HS_RESET_LEN];

    if (!prefix_limit_pass(&h->resets_by_prefix, unknown->path.peer_ip, now) ||
        !bucket_pass(&h->resets, h->config->resets, now)) {
        handshakes_count(h, HANDSHAKE_resets_limited);
        return;
    }
    hs_reset_make(&h->keys->server, unknown->quote, reset);
    send_packet(h, &unknown->path, reset, sizeof(reset));
    handshakes_count(h, HANDSHAKE_resets);
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
    resume_tickets_tick(h->tickets, &hs_random_system, now / CLOCK_SECOND);
    install_tick(h, now);
}
