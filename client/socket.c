/* The sockets of an endpoint. */
#include <stdlib.h>

#include "endpoint.h"
#include "route.h"

static void ready(jp_watch *watch, unsigned events)
{
    struct socket *socket = *(struct socket **)jp_watch_extension(watch);
    struct endpoint *e = socket->endpoint;

    endpoint_enter(e);
    socket->users++; /* callbacks may end its last session */
    if (socket->tcp)
        tcp_ready(socket, events);
    else if (events & JP_WRITABLE)
        endpoint_resume(socket);
    if (!socket->tcp && events & (JP_READABLE | JP_HANGUP))
        endpoint_receive(socket);
    socket_release(socket);
    endpoint_leave(e);
}

/* A place for one more. */
static int find_place(struct endpoint *e)
{
    struct socket **more;
    uint16_t place = 0;

    while (place < e->n_sockets && e->sockets[place])
        place++;
    if (place < e->n_sockets)
        return place;
    more = place < UINT16_MAX ? realloc(e->sockets, (place + 1) * sizeof(*more)) : NULL;
    if (!more)
        return failure(JP_NO_DESCRIPTORS, NULL, "no room for one more socket");
    e->sockets = more;
    e->sockets[e->n_sockets++] = NULL;
    return place;
}

static int watch(struct socket *socket)
{
    struct jp_loop *loop = socket->endpoint->loop;
    int error =
        jp_watch_create(&socket->watch, loop, socket->udp.fd, JP_READABLE, ready, sizeof(socket));

    if (error)
        return error;
    *(struct socket **)jp_watch_extension(socket->watch) = socket;
    loop->alive[OBJECT_WATCH]--;
    return 0;
}

int socket_open(struct socket **socket, struct endpoint *e, const jp_address *address,
                const struct udp *opened)
{
    struct socket *s = calloc(1, sizeof(*s));
    int place, error = 0;

    if (!s)
        return failure(JP_NO_MEMORY, NULL, "no memory for a socket");
    s->endpoint = e;
    s->users = 1;
    s->borrowed = opened != NULL;
    if (opened)
        s->udp = *opened;
    else
        error = udp_open(&s->udp, address, 0);
    if (error) {
        free(s);
        return error;
    }
    place = find_place(e);
    error = place < 0 ? place : watch(s);
    if (error) {
        if (!opened)
            udp_close(&s->udp);
        free(s);
        return error;
    }
    s->place = (uint16_t)place;
    e->sockets[place] = s;
    *socket = s;
    return 0;
}

int socket_of_clients(struct socket **socket, struct endpoint *e, enum jp_family family)
{
    jp_address any = {.family = (uint8_t)family};
    struct socket **shared = &e->client[family == JP_IPV6];
    int error = 0;

    if (*shared)
        (*shared)->users++;
    else
        error = socket_open(shared, e, &any, NULL);
    *socket = *shared;
    return error;
}

/* What waits to leave by it never will. */
static void forget(struct endpoint *e, const struct socket *socket)
{
    for (unsigned i = e->out.sent; i < e->out.count; i++)
        if (e->out.sockets[i] == socket)
            e->out.sockets[i] = NULL;
}

void socket_release(struct socket *socket)
{
    struct endpoint *e = socket->endpoint;

    if (--socket->users)
        return;
    forget(e, socket);
    endpoint_resume(socket);
    for (int i = 0; i < 2; i++)
        if (e->client[i] == socket)
            e->client[i] = NULL;
    e->loop->alive[OBJECT_WATCH]++;
    jp_watch_free(socket->watch);
    if (socket->tcp)
        tcp_free(socket);
    if (!socket->borrowed)
        udp_close(&socket->udp);
    e->sockets[socket->place] = NULL;
    free(socket);
}

struct socket *socket_at(const struct endpoint *e, const struct jp_path *path)
{
    uint16_t place = route_socket(path);
    struct socket *socket = place < e->n_sockets ? e->sockets[place] : NULL;

    /* The place of a connection that was closed may be another's. */
    return socket && path->tcp == (socket->tcp != NULL) ? socket : NULL;
}

struct jp_path socket_path(const struct socket *socket, const struct udp_packet *p)
{
    /* A client on the wildcard address lets the kernel choose for every packet: then a change of
     * the host's addresses does not end its sessions. A server answers from where it was asked. */
    const jp_address *local = &socket->udp.local;
    struct jp_path path;

    if (socket->serves && jp_address_is_wildcard(local))
        local = &p->local;
    path = route_make(local, &p->peer, socket->place);
    path.tcp = socket->tcp != NULL;
    return path;
}
