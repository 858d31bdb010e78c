/* Packets in: told apart, opened in bursts, and read by their sessions. */
#include <string.h>

#include "endpoint.h"
#include "tcp.h"

static bool same_way(const struct udp_packet *a, const struct udp_packet *b)
{
    return !memcmp(&a->peer, &b->peer, sizeof(a->peer)) &&
           !memcmp(&a->local, &b->local, sizeof(a->local));
}

/* The frames of an authentic packet. */
static void read_packet(struct endpoint *e, unsigned i, const struct jp_path *path, uint64_t now)
{
    const struct aead_op *op = &e->opening.ops[i];
    const struct udp_packet *p = e->arrivals[i];
    jp_session *s = e->owners[i];
    int len;

    if (s->state == SESSION_UNCONFIRMED && session_begin(s, now))
        return;
    if (s->state == SESSION_OPEN && !session_is_confirmed(s))
        session_confirm(s);
    if (s->state != SESSION_OPEN || !conn_can_receive(s->conn))
        return;
    len = tunnel_take(&s->tunnel, e->aead, op);
    if (len < 0)
        return;
    session_touch(s);
    if (e->arrived_at->tcp && s->server)
        e->arrived_at->tcp->spi = s->spi;
    conn_receive(s->conn, now,
                 &(struct conn_received){
                     .frames = op->text,
                     .path = path,
                     .pn = op->pn,
                     .len = (uint32_t)len,
                     .bytes = p->length,
                     .ecn = p->ecn,
                 });
}

/* Open what was collected. */
static void flush(struct endpoint *e)
{
    unsigned n = e->opening.count;
    uint64_t now = loop_clock(e->loop);
    struct jp_path path;

    tunnel_open(&e->opening, e->aead);
    for (unsigned i = 0; i < n; i++) {
        if (i == 0 || !same_way(e->arrivals[i], e->arrivals[i - 1]))
            path = socket_path(e->arrived_at, e->arrivals[i]);
        if (e->opening.ops[i].ok)
            read_packet(e, i, &path, now);
    }
    endpoint_deliver(e);
}

static void take_data(struct socket *socket, const struct udp_packet *p,
                      const struct wire_info *info)
{
    struct endpoint *e = socket->endpoint;
    jp_session *s = endpoint_find(e, info->spi);
    int place;

    if (!s) {
        if (!group_forward(socket, p, info->spi))
            reset_answer(socket, p);
        return;
    }
    if (s->state != SESSION_OPEN && s->state != SESSION_UNCONFIRMED)
        return;
    place = tunnel_receive(&e->opening, &s->tunnel, e->aead, p->data, info);
    if (place < 0)
        return;
    e->owners[place] = s;
    e->arrivals[place] = p;
    if (e->opening.count == AEAD_BURST_MAX)
        flush(e);
}

static void take_handshake(struct socket *socket, const struct udp_packet *p,
                           const struct wire_info *info)
{
    switch (info->hs_type) {
    case WIRE_CLIENT_HELLO:
    case WIRE_RESUME_HELLO:
        if (socket->listener)
            accept_hello(socket, p, info->hs_type == WIRE_RESUME_HELLO);
        break;
    case WIRE_RESET:
        reset_believe(socket->endpoint, p);
        break;
    default:
        connect_answer(socket, p);
    }
}

void endpoint_take(struct socket *socket, struct udp_packet *packets, unsigned n)
{
    struct endpoint *e = socket->endpoint;
    struct wire_info info;

    e->arrived_at = socket;
    for (unsigned i = 0; i < n; i++) {
        enum wire_kind kind = wire_classify(packets[i].data, packets[i].length, &info);

        if (kind == WIRE_DATA)
            take_data(socket, &packets[i], &info);
        else if (kind == WIRE_HANDSHAKE)
            take_handshake(socket, &packets[i], &info);
    }
    if (e->opening.count)
        flush(e);
}

void endpoint_receive(struct socket *socket)
{
    struct endpoint *e = socket->endpoint;
    int n = udp_receive(&socket->udp, &e->rx);

    if (n > 0)
        endpoint_take(socket, e->rx.packets, (unsigned)n);
}
