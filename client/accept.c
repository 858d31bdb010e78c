/* The server's side of the handshake. A hello without a cookie is answered as long as few come:
 * then it must bring one, and so prove its address, and is held to the rate of its network. */
#include <sodium.h>
#include <string.h>

#include "bytes.h"
#include "endpoint.h"
#include "listen.h"
#include "route.h"

enum { UNCONFIRMED_MAX = 10000, UNCONFIRMED_EASY = 256 };

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
    enum hs_server_error error =
        hs_server_check(&l->context->server, h->packet->data, h->packet->length, h->addr,
                        h->now / 1000000, crowded);

    if (error == HS_BAD_COOKIE)
        retry(h);
    return error == HS_OK && l->unconfirmed < UNCONFIRMED_MAX &&
           l->sessions < l->context->settings.sessions_max &&
           (!proven || prefix_limit_pass(&l->proven, h->path.peer_ip, h->now));
}

/* The session that a ServerHello promises: it waits for the client's first packet. */
static bool promise(const struct hello *h, uint32_t spi, const struct hs_result *keys)
{
    jp_listener *l = h->socket->listener;
    jp_session *s;

    if (session_new(&s, l->endpoint->loop, l->context, spi, __func__))
        return false;
    s->server = true;
    s->listener = l;
    l->users++;
    l->sessions++;
    l->unconfirmed++;
    s->state = SESSION_UNCONFIRMED;
    s->confirm_by = h->now + CONFIRM_US;
    session_install(s, keys, &h->path);
    session_touch(s);
    return true;
}

static void answer(const struct hello *h, struct answer *a)
{
    jp_listener *l = h->socket->listener;
    struct endpoint *e = l->endpoint;
    uint32_t spi = endpoint_new_spi(e, l->members, l->index);
    struct hs_result keys;
    size_t length;

    a->at = 0;
    if (hs_server_answer(&l->context->server, e->aead, h->packet->data, spi, &hs_random_system,
                         &keys, a->bytes, &length) != HS_OK)
        return;
    /* Clients of the simple transport, without streams' flow control, are not for us: silence. */
    if (hs_params_full(&l->context->params, &keys.peer) && promise(h, spi, &keys)) {
        a->at = h->now;
        a->length = (uint16_t)length;
        endpoint_send_one(h->socket, &h->path, a->bytes, length);
    }
    sodium_memzero(&keys, sizeof(keys));
}

void accept_hello(struct socket *socket, const struct udp_packet *p)
{
    struct hello h = {socket, p, socket_path(socket, p), {0}, loop_clock(socket->endpoint->loop)};
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
        answer(&h, given);
    }
}
