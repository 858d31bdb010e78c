/* The server's side of the handshake. A hello without a cookie is answered as long as few come:
 * then it must bring one, and so prove its address, and is held to the rate of its network. */
#include <sodium.h>
#include <string.h>

#include "bytes.h"
#include "endpoint.h"
#include "keylog.h"
#include "listen.h"
#include "route.h"

enum {
    UNCONFIRMED_MAX = 10000,
    UNCONFIRMED_EASY = 256,
    UNPROVEN_BYTES = CONN_AMPLIFICATION * RESUME_HELLO_LEN - RESUME_ACCEPT_LEN,
};

static const struct rate unproven_rate = {.per_second = 100, .burst = 100};
static const struct rate resets_rate = {.per_second = 1000, .burst = 100};
static const struct rate network_resets_rate = {.per_second = 50, .burst = 10};

void accept_init(jp_listener *l)
{
    uint32_t rate = l->context->settings.accept_rate;

    prefix_limit_init(&l->proven, (struct rate){.per_second = rate, .burst = rate});
    prefix_limit_init(&l->resets, network_resets_rate);
    randombytes_buf(l->answers_key, sizeof(l->answers_key));
}

bool accept_may_reset(jp_listener *l, const struct jp_path *path)
{
    uint64_t now = loop_clock(l->endpoint->loop);

    return prefix_limit_pass(&l->resets, path->peer_ip, now) &&
           bucket_pass(&l->all_resets, resets_rate, now);
}

/* ---- answers given ---- */

/* The set of answers that a hello's is in, and its id. */
static struct answer *set_of(jp_listener *l, const struct udp_packet *p,
                             const uint8_t addr[HS_ADDR_LEN], uint8_t id[HELLO_ID])
{
    crypto_generichash_state state;

    crypto_generichash_init(&state, l->answers_key, sizeof(l->answers_key), HELLO_ID);
    crypto_generichash_update(&state, addr, HS_ADDR_LEN);
    crypto_generichash_update(&state, p->data, p->length);
    crypto_generichash_final(&state, id, HELLO_ID);
    return l->answers[be32_load(id) % ANSWER_SETS];
}

static struct answer *find_answer(struct answer *set, const uint8_t id[HELLO_ID], uint64_t now)
{
    for (unsigned i = 0; i < ANSWER_WAYS; i++)
        if (set[i].at && now - set[i].at < CONFIRM_US && memcmp(set[i].hello, id, HELLO_ID) == 0)
            return &set[i];
    return NULL;
}

/* The oldest makes room. */
static struct answer *oldest_answer(struct answer *set)
{
    struct answer *oldest = set;

    for (unsigned i = 1; i < ANSWER_WAYS; i++)
        if (set[i].at < oldest->at)
            oldest = &set[i];
    return oldest;
}

/* ---- hellos ---- */

struct hello {
    struct socket *socket;
    const struct udp_packet *packet;
    struct jp_path path;
    uint8_t addr[HS_ADDR_LEN];
    uint64_t now;
    bool resumes;
};

static void retry(const struct hello *h)
{
    const jp_listener *l = h->socket->listener;
    uint8_t out[WIRE_HS_MAX];
    size_t length =
        hs_server_retry(&l->context->server, h->packet->data, h->addr, h->now / 1000000, out);

    endpoint_send_one(h->socket, &h->path, out, length);
}

/* Well-formed, proven where that is asked, within the rates: else it is answered here, or not. */
static bool admit(const struct hello *h)
{
    jp_listener *l = h->socket->listener;
    bool proven = hs_hello_has_cookie(h->packet->data);
    bool crowded = !proven && (l->unconfirmed >= UNCONFIRMED_EASY ||
                               !bucket_pass(&l->unproven, unproven_rate, h->now));
    enum hs_server_error error = (h->resumes ? resume_server_check : hs_server_check)(
        &l->context->server, h->packet->data, h->packet->length, h->addr, h->now / 1000000,
        crowded);

    if (error == HS_BAD_COOKIE)
        retry(h);
    return error == HS_OK && l->unconfirmed < UNCONFIRMED_MAX &&
           l->sessions < l->context->settings.sessions_max &&
           (!proven || prefix_limit_pass(&l->proven, h->path.peer_ip, h->now));
}

/* The session that an answer promises: it waits for the client's first packet. NULL: no memory. */
static jp_session *promise(const struct hello *h, uint32_t spi, const struct hs_result *keys)
{
    jp_listener *l = h->socket->listener;
    jp_session *s;

    if (session_new(&s, l->endpoint->loop, l->context, spi, __func__))
        return NULL;
    s->server = true;
    s->listener = l;
    l->users++;
    l->sessions++;
    l->unconfirmed++;
    s->state = SESSION_UNCONFIRMED;
    s->confirm_by = h->now + CONFIRM_US;
    s->resumed = h->resumes;
    session_install(s, keys, &h->path);
    keylog_write(l->context->keylog, h->packet->data, keys);
    session_touch(s);
    return s;
}

static void give(const struct hello *h, struct answer *a, size_t length)
{
    a->at = h->now;
    a->length = (uint16_t)length;
    endpoint_send_one(h->socket, &h->path, a->bytes, length);
}

static void answer(const struct hello *h, struct answer *a)
{
    jp_listener *l = h->socket->listener;
    struct endpoint *e = l->endpoint;
    uint32_t spi = endpoint_new_spi(e, l->members, l->index);
    struct hs_result keys;
    size_t length;

    if (hs_server_answer(&l->context->server, e->aead, h->packet->data, spi, &hs_random_system,
                         &keys, a->bytes, &length) != HS_OK)
        return;
    /* Clients of the simple transport, without streams' flow control, are not for us: silence. */
    if (hs_params_full(&l->context->params, &keys.peer) && promise(h, spi, &keys))
        give(h, a, length);
    sodium_memzero(&keys, sizeof(keys));
}

/* ---- resumed ---- */

/* The client proved that it is who got the ticket, but not its address. */
static void take_early(const struct hello *h, jp_session *s, const struct resume_early *early)
{
    struct conn_received received = {
        .frames = early->frames,
        .path = &h->path,
        .len = early->len,
        .bytes = h->packet->length,
        .ecn = h->packet->ecn,
    };

    if (early->len == 0 || session_begin(s, h->now) || !conn_can_receive(s->conn))
        return; /* it comes again */
    replay_commit(&s->tunnel.replay, 0);
    conn_receive(s->conn, h->now, &received);
}

static void answer_resumed(const struct hello *h, struct answer *a,
                           const struct resume_early *early)
{
    jp_listener *l = h->socket->listener;
    struct endpoint *e = l->endpoint;
    uint32_t spi = endpoint_new_spi(e, l->members, l->index);
    bool proven = h->socket->tcp || hs_hello_has_cookie(h->packet->data);
    jp_session *s = NULL;
    struct hs_result keys;

    if (resume_server_answer(&l->context->server, e->aead, h->packet->data, early, spi,
                             &hs_random_system, &keys, a->bytes) == HS_OK)
        s = promise(h, spi, &keys);
    sodium_memzero(&keys, sizeof(keys));
    if (!s)
        return;
    give(h, a, RESUME_ACCEPT_LEN);
    s->unproven = proven ? UINT32_MAX : UNPROVEN_BYTES;
    take_early(h, s, early);
}

static void resume(const struct hello *h, struct answer *a)
{
    const jp_context *context = h->socket->listener->context;
    struct resume_early early;
    uint8_t refuse[RESUME_REFUSE_LEN];

    if (tickets_open(context->tickets, &context->server, h->socket->endpoint->aead, h->packet->data,
                     h->now, &early) == HS_OK) {
        answer_resumed(h, a, &early);
    } else {
        resume_server_refuse(h->packet->data, refuse);
        endpoint_send_one(h->socket, &h->path, refuse, sizeof(refuse));
    }
    sodium_memzero(&early, sizeof(early));
}

void accept_hello(struct socket *socket, const struct udp_packet *p, bool resumes)
{
    struct hello h = {.socket = socket,
                      .packet = p,
                      .path = socket_path(socket, p),
                      .now = loop_clock(socket->endpoint->loop),
                      .resumes = resumes};
    jp_listener *l = socket->listener;
    uint8_t id[HELLO_ID];
    struct answer *set, *given;

    if (p->length != HS_CLIENT_HELLO_LEN)
        return;
    memcpy(h.addr, h.path.peer_ip, sizeof(h.path.peer_ip));
    be16_store(h.addr + sizeof(h.path.peer_ip), h.path.peer_port);
    set = set_of(l, p, h.addr, id);
    given = find_answer(set, id, h.now);
    if (given) {
        endpoint_send_one(socket, &h.path, given->bytes, given->length);
    } else if (admit(&h)) {
        given = oldest_answer(set);
        memcpy(given->hello, id, HELLO_ID);
        given->at = 0;
        (resumes ? resume(&h, given) : answer(&h, given));
    }
}
