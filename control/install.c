/* Sessions on their way into the data plane: keys and ServerHello made, INSTALL sent, answer
 * awaited. */
#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "handshakes.h"
#include "keylog.h"
#include "log.h"

enum { SPI_TRIES_MAX = 4, INSTALL_PATIENCE_US = 2 * CLOCK_SECOND };
static_assert((int)JP_IPC_SECRET == (int)KDF_HASH_LEN, "a secret fits a message");

/* ---- making ---- */

static struct jp_ipc_credit credit_of(const struct hs_params *params)
{
    return (struct jp_ipc_credit){params->max_data, params->max_stream_data, params->max_message};
}

/* What a handshake made; secret. */
struct made {
    struct hs_result result;
    struct resume_early early; /* of len 0 when nothing was resumed */
};

static int send_install(struct handshakes *h, const struct jp_path *path, const struct made *made,
                        const struct recent_reply *reply)
{
    const struct hs_result *result = &made->result;
    const struct hs_params *ours = &h->keys->server.params; /* as announced */
    uint32_t idle = ours->idle_timeout_ms;
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
        .our_max_streams = ours->max_streams,
        .ours = credit_of(ours),
        .theirs = credit_of(&result->peer),
        .reply_len = reply->len,
        .early_len = made->early.len,
    };
    int rc;

    memcpy(install.c2s_secret, result->c2s_secret, JP_IPC_SECRET);
    memcpy(install.s2c_secret, result->s2c_secret, JP_IPC_SECRET);
    memcpy(install.reply, reply->bytes, reply->len);
    memcpy(install.reply + reply->len, made->early.frames, made->early.len);
    if (hs_params_full(ours, &result->peer)) {
        install.ticket_len = RESUME_TICKET_LEN;
        resume_ticket_make(h->tickets, &h->keys->server, result->resumption, &hs_random_system,
                           install.ticket);
    }
    rc = dp_send(h->dp, &install, sizeof(install));
    sodium_memzero(&install, sizeof(install));
    return rc;
}

static enum hs_server_error answer_resume(struct handshakes *h, const uint8_t *hello, uint32_t spi,
                                          struct made *made, struct recent_reply *reply)
{
    const struct hs_server *server = &h->keys->server;
    enum hs_server_error error =
        resume_server_open(server, h->tickets, h->aead, hello, &made->early);

    if (error != HS_OK)
        return error;
    reply->len = RESUME_ACCEPT_LEN;
    return resume_server_answer(server, h->aead, hello, &made->early, spi, &hs_random_system,
                                &made->result, reply->bytes);
}

static enum hs_server_error answer_hello(struct handshakes *h, const uint8_t *hello, uint32_t spi,
                                         struct made *made, struct recent_reply *reply)
{
    size_t len = 0;
    enum hs_server_error error =
        hs_server_answer(&h->keys->server, h->aead, hello, spi, &hs_random_system, &made->result,
                         reply->bytes, &len);

    made->early.len = 0;
    reply->len = (uint16_t)len;
    return error;
}

/* The expensive part, timed. */
static enum hs_server_error answer(struct handshakes *h, const struct arrival *a, uint32_t spi,
                                   struct made *made, struct recent_reply *reply)
{
    struct timespec begin, end;
    enum hs_server_error error;
    uint64_t ns;

    clock_gettime(CLOCK_MONOTONIC, &begin);
    error = arrival_resumes(a) ? answer_resume(h, a->hello, spi, made, reply)
                               : answer_hello(h, a->hello, spi, made, reply);
    clock_gettime(CLOCK_MONOTONIC, &end);
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
        [-HS_MALFORMED] = HANDSHAKE_malformed,   [-HS_NO_SUITE] = HANDSHAKE_no_suite,
        [-HS_BAD_COOKIE] = HANDSHAKE_bad_cookie, [-HS_BAD_SHARE] = HANDSHAKE_bad_share,
        [-HS_BAD_TICKET] = HANDSHAKE_bad_ticket,
    };

    handshakes_count(h, counters[-(int)error]);
}

/* Make the session's keys and ServerHello and hand both to the data plane. False after counting why
 * not. */
static bool make_session(struct handshakes *h, const struct arrival *a, uint32_t spi,
                         struct recent_reply *reply)
{
    struct made made;
    enum hs_server_error error = answer(h, a, spi, &made, reply);
    if (error == HS_OK) /* first: a packet of a session must not be there before its keys */
        keylog_write(h->config->keylog, a->hello, &made.result);
    bool sent = error == HS_OK && send_install(h, a->path, &made, reply) == 0;

    sodium_memzero(&made, sizeof(made));
    if (error != HS_OK)
        count_error(h, error);
    else if (!sent)
        handshakes_count(h, HANDSHAKE_lost);
    else if (arrival_resumes(a))
        handshakes_count(h, HANDSHAKE_resumed);
    if (error != HS_OK && arrival_resumes(a))
        handshakes_refuse(h, a);
    return sent;
}

/* ---- starting ---- */

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

/* Answer a hello that passed all checks; place is free. */
static void start(struct handshakes *h, struct install *place, const struct arrival *a,
                  unsigned tries)
{
    uint32_t spi = sessions_reserve(h->sessions);
    struct recent_reply *reply;

    if (spi == 0) {
        handshakes_count(h, HANDSHAKE_full);
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

void install_start(struct handshakes *h, const struct arrival *a)
{
    struct install *place = find_install(h, 0);

    assert(place); /* h->installs < INSTALLS_MAX */
    start(h, place, a, 0);
}

/* ---- answers ---- */

static struct recent_reply *reply_of(const struct handshakes *h, const struct install *install,
                                     uint64_t now)
{
    uint8_t addr[HS_ADDR_LEN];

    path_address(&install->path, addr);
    return recent_find(h->recent, install->hello, addr, now);
}

/* The install failed: a repeated hello starts afresh. */
static void undo_install(struct handshakes *h, struct install *install, uint64_t now)
{
    struct recent_reply *reply = reply_of(h, install, now);

    if (reply)
        recent_drop(h->recent, reply);
    forget_install(h, install);
}

static void retry_install(struct handshakes *h, struct install *install, uint64_t now)
{
    struct install failed = *install;
    struct arrival a = {
        .hello = failed.hello, .len = HS_CLIENT_HELLO_LEN, .path = &failed.path, .now = now};

    path_address(&failed.path, a.addr);
    undo_install(h, install, now);
    if (failed.tries + 1 == SPI_TRIES_MAX) {
        handshakes_count(h, HANDSHAKE_refused);
        return;
    }
    handshakes_count(h, HANDSHAKE_spi_taken);
    start(h, install, &a, failed.tries + 1);
}

static void finish_install(struct handshakes *h, struct install *install, uint64_t now)
{
    struct recent_reply *reply = reply_of(h, install, now);

    if (reply)
        reply->installed = true;
    log_debug("session 0x%08x: installed", install->spi);
    forget_install(h, install);
    handshakes_count(h, HANDSHAKE_ok);
}

void install_answered(struct handshakes *h, const struct jp_ipc_installed *installed)
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
        handshakes_count(h, HANDSHAKE_refused);
    }
}

/* ---- time ---- */

void install_tick(struct handshakes *h, uint64_t now)
{
    for (unsigned i = 0; h->installs > 0 && i < INSTALLS_MAX; i++)
        if (h->install[i].spi != 0 && now >= h->install[i].deadline) {
            undo_install(h, &h->install[i], now); /* its SPI may be in use: it stays known */
            handshakes_count(h, HANDSHAKE_lost);
        }
}

void install_forget_all(struct handshakes *h)
{
    h->counter[HANDSHAKE_lost] += h->installs;
    memset(h->install, 0, INSTALLS_MAX * sizeof(*h->install));
    h->installs = 0;
}
