/* Packets out: the sessions take turns, bursts are sealed at once, and leave in trains. */
#include <string.h>

#include "endpoint.h"
#include "route.h"

enum {
    BURSTS = 8, /* a turn: then whoever else waits on the loop is served */
    UNPROVEN_FRAMES = CONN_PACKET_MIN - WIRE_OVERHEAD_MAX,
};

/* How many of n packets, from the first, leave by the same socket. */
static unsigned run(struct socket *const *sockets, unsigned n)
{
    unsigned i = 1;

    while (i < n && sockets[i] == sockets[0])
        i++;
    return i;
}

static int send_by(struct socket *socket, const struct udp_packet *packets, unsigned n)
{
    if (!socket->tcp)
        return udp_send(&socket->udp, packets, n);
    tcp_send(socket, packets, n);
    return (int)n;
}

/* Send what is sealed; false when a socket is full. A packet that cannot be sent is lost. */
static bool send_sealed(struct endpoint *e)
{
    struct burst *b = &e->out;

    while (b->sent < b->count) {
        struct socket *socket = b->sockets[b->sent];
        unsigned n = run(b->sockets + b->sent, b->count - b->sent);
        int sent;

        if (!socket) {
            b->sent += n;
            continue;
        }
        sent = send_by(socket, b->packets + b->sent, n);
        if (sent == JP_SEND_WOULD_BLOCK) {
            jp_watch_set(socket->watch, JP_READABLE | JP_WRITABLE);
            e->full = socket;
            return false;
        }
        b->sent += sent > 0 ? (unsigned)sent : 1;
    }
    b->count = b->sent = b->used = 0;
    return true;
}

static bool flush(struct endpoint *e)
{
    aead_seal(e->aead, e->out.ops, e->out.count);
    return send_sealed(e);
}

void endpoint_resume(struct socket *socket)
{
    if (socket->endpoint->full != socket)
        return;
    socket->endpoint->full = NULL;
    jp_watch_set(socket->watch, JP_READABLE);
}

/* Where it goes, as the socket takes it. */
static bool address(struct endpoint *e, struct udp_packet *p, struct socket **socket,
                    const struct jp_path *path)
{
    *socket = socket_at(e, path);
    if (!*socket)
        return false;
    p->peer = route_peer(path);
    p->local = (jp_address){0};
    if (jp_address_is_wildcard(&(*socket)->udp.local)) {
        p->local = route_local(path);
        p->local.port = 0;
        if (jp_address_is_wildcard(&p->local))
            p->local = (jp_address){0};
    }
    return true;
}

/* The next packet of the burst goes along this path, most likely that of the one before. */
static void address_next(struct endpoint *e, const struct jp_path *path)
{
    struct burst *b = &e->out;
    struct udp_packet *p = &b->packets[b->count];

    if (b->count > 0 && memcmp(path, &b->path, sizeof(*path)) == 0) {
        p->peer = p[-1].peer;
        p->local = p[-1].local;
        b->sockets[b->count] = b->sockets[b->count - 1];
        return;
    }
    b->path = *path;
    if (!address(e, p, &b->sockets[b->count], path))
        b->sockets[b->count] = NULL;
}

/* The session's next packet joins the burst: its length, or 0: there is none. */
static uint32_t add_packet(struct endpoint *e, jp_session *s, uint64_t now)
{
    struct burst *b = &e->out;
    uint8_t *data = b->buffer + b->used;
    struct conn_packet packet = {.frames = data + WIRE_DATA_HDR,
                                 .room = session_is_confirmed(s) ? 0 : UNPROVEN_FRAMES};
    struct udp_packet *p = &b->packets[b->count];
    uint32_t length;

    if (!conn_send(s->conn, now, s->tunnel.tx.next_pn, &packet))
        return 0;
    length = tunnel_wrap(&s->tunnel, data, packet.len, &b->ops[b->count]);
    *p = (struct udp_packet){.data = data, .length = (uint16_t)length, .ecn = packet.ecn};
    address_next(e, packet.path);
    if (b->sockets[b->count] && b->sockets[b->count]->tcp)
        s->held = !tcp_reserve(b->sockets[b->count], length);
    b->count++;
    s->unproven -= session_is_confirmed(s) ? 0 : length;
    b->used += (length + 63) & ~UINT32_C(63);
    return length;
}

/* s, whose turn it is, sends a packet, or leaves the line. What it has next may be of another
 * priority; none is known for what is due by time alone. */
static void serve(struct endpoint *e, jp_session *s, uint64_t now)
{
    struct drr_node *node = &s->turn;
    uint32_t length = 0;
    unsigned priority;

    if (tunnel_next(&s->tunnel) != TUNNEL_BLOCKED && !session_waits(s))
        length = add_packet(e, s, now);
    if (length == 0 || s->held) {
        drr_remove(&e->drr, node);
        session_touch(s); /* to be settled */
        return;
    }
    drr_charge(&e->drr, node, length);
    priority = conn_priority(s->conn);
    if (priority == DRR_PRIORITIES || priority == node->priority)
        return;
    drr_remove(&e->drr, node);
    drr_add(&e->drr, node, (enum drr_priority)priority);
}

static jp_session *next_session(struct endpoint *e)
{
    struct drr_node *node = drr_next(&e->drr);

    return node ? (jp_session *)((uint8_t *)node - offsetof(jp_session, turn)) : NULL;
}

void endpoint_send(struct endpoint *e, uint64_t now)
{
    unsigned bursts = 0;
    jp_session *s;

    if (e->full || !send_sealed(e))
        return;
    while (bursts < BURSTS && (s = next_session(e))) {
        bool rekey = tunnel_next(&s->tunnel) == TUNNEL_REKEY;

        if (e->out.count == AEAD_BURST_MAX || rekey) {
            bursts++;
            if (!flush(e))
                return;
        }
        if (rekey)
            tunnel_rekey(&s->tunnel, e->aead);
        serve(e, s, now);
    }
    flush(e);
}

int endpoint_send_one(struct socket *socket, const struct jp_path *path, uint8_t *data,
                      size_t length)
{
    struct udp_packet p = {.data = data, .length = (uint16_t)length};
    struct socket *same;
    int sent;

    address(socket->endpoint, &p, &same, path);
    sent = send_by(socket, &p, 1);
    return sent < 0 ? sent : 0;
}
