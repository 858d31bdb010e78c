/* Listeners of several loops on the same addresses. The kernel steers packets by SPI to the socket
 * of their loop; what it merged from one client port and several SPIs goes to the first one's
 * owner, who hands the others on. */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "endpoint.h"
#include "listen.h"
#include "tcp.h"

enum { HANDED_MAX = 1024 /* packets waiting for one loop */, PORT_TRIES = 16 };

struct member {
    jp_listener *listener;
    unsigned waiting;
    bool joined; /* once is for ever */
};

struct jp_listener_group {
    pthread_mutex_t lock; /* for users and members */
    unsigned users;       /* the program, listeners, packets handed on */
    jp_context *context;
    unsigned loops;
    size_t addresses;
    struct udp *sockets; /* of each address one per loop */
    int *tcp; /* of each address one that nobody listens on: it keeps the port; -1: none */
    struct member members[];
};

struct handed {
    jp_listener_group *group;
    unsigned owner;
    size_t address;
    int fd; /* a TCP connection that begins with the bytes; -1: they are a packet */
    struct udp_packet packet;
    uint8_t bytes[];
};

/* Takes the lock, and one user. */
static void release(jp_listener_group *g)
{
    unsigned users;

    pthread_mutex_lock(&g->lock);
    users = --g->users;
    pthread_mutex_unlock(&g->lock);
    if (users)
        return;
    for (size_t i = 0; i < g->addresses * g->loops; i++)
        udp_close(&g->sockets[i]);
    for (size_t i = 0; i < g->addresses; i++)
        if (g->tcp[i] >= 0)
            close(g->tcp[i]);
    context_release(g->context);
    pthread_mutex_destroy(&g->lock);
    free(g->sockets);
    free(g->tcp);
    free(g);
}

static int open_address(jp_listener_group *g, const jp_address *address, size_t i)
{
    struct udp *sockets = &g->sockets[i * g->loops];
    int error = udp_open_group(sockets, g->loops, address, 0);

    g->tcp[i] = -1;
    if (error || g->context->settings.without_tcp)
        return error;
    g->tcp[i] = tcp_bind(&sockets[0].local, true);
    if (g->tcp[i] >= 0)
        return 0;
    for (unsigned k = 0; k < g->loops; k++)
        udp_close(&sockets[k]);
    return g->tcp[i];
}

static int open_sockets(jp_listener_group *g, const jp_address *addresses, size_t n)
{
    int error = 0;

    for (size_t i = 0; i < n && !error; i++) {
        unsigned tries = 0;

        do
            error = open_address(g, &addresses[i], i);
        while (error == JP_BIND_IN_USE && addresses[i].port == 0 && ++tries < PORT_TRIES);
        g->addresses += !error;
    }
    return error;
}

int jp_listener_group_create(jp_listener_group **group, unsigned loops, jp_context *context,
                             const jp_address *addresses, size_t n)
{
    jp_listener_group *g;
    int error;

    if (!group || !loops || !context || !addresses || !n)
        return failure(JP_INVALID, __func__, "no loops, context or addresses");
    *group = NULL;
    g = calloc(1, sizeof(*g) + loops * sizeof(*g->members));
    if (!g)
        return failure(JP_NO_MEMORY, __func__, "no memory for %u loops", loops);
    pthread_mutex_init(&g->lock, NULL);
    g->users = 1;
    g->context = context_hold(context);
    g->loops = loops;
    g->sockets = calloc(n * loops, sizeof(*g->sockets));
    g->tcp = calloc(n, sizeof(*g->tcp));
    error = g->sockets && g->tcp ? open_sockets(g, addresses, n)
                                 : failure(JP_NO_MEMORY, __func__, "no memory for sockets");
    if (error)
        release(g);
    else
        *group = g;
    return error;
}

int jp_listener_group_free(jp_listener_group *group)
{
    if (group)
        release(group);
    return 0;
}

jp_address jp_listener_group_address(const jp_listener_group *group, size_t index)
{
    return group && index < group->addresses ? group->sockets[index * group->loops].local
                                             : (jp_address){0};
}

/* ---- members ---- */

/* The place is taken for good: false when it was. */
static bool take_place(jp_listener_group *g, unsigned index)
{
    bool free;

    pthread_mutex_lock(&g->lock);
    free = !g->members[index].joined;
    g->members[index].joined = true;
    g->users += free;
    pthread_mutex_unlock(&g->lock);
    return free;
}

int jp_listener_join(jp_listener **listener, jp_listener_group *group, unsigned index,
                     jp_loop *loop, size_t extension)
{
    jp_listener *l;
    int error;

    if (!listener || !group || !loop || index >= group->loops)
        return failure(JP_INVALID, __func__, "NULL argument, or no such place");
    *listener = NULL;
    error = listener_new(&l, loop, group->context, group->addresses, extension, __func__);
    if (error)
        return error;
    if (!take_place(group, index)) {
        jp_listener_free(l);
        return failure(JP_INVALID, __func__, "place %u is taken", index);
    }
    l->group = group;
    l->index = index;
    l->members = group->loops;
    for (size_t i = 0; i < group->addresses && !error; i++) {
        const struct udp *udp = &group->sockets[i * group->loops + index];

        error = listener_add(l, &udp->local, udp);
    }
    if (error) {
        jp_listener_free(l);
        return error;
    }
    pthread_mutex_lock(&group->lock);
    group->members[index].listener = l;
    pthread_mutex_unlock(&group->lock);
    *listener = l;
    return 0;
}

void group_leave(jp_listener *l)
{
    pthread_mutex_lock(&l->group->lock);
    l->group->members[l->index].listener = NULL;
    pthread_mutex_unlock(&l->group->lock);
    release(l->group);
}

/* ---- packets of another's ---- */

static void drop_handed(void *argument)
{
    struct handed *h = argument;
    jp_listener_group *g = h->group;

    pthread_mutex_lock(&g->lock);
    g->members[h->owner].waiting--;
    pthread_mutex_unlock(&g->lock);
    if (h->fd >= 0)
        close(h->fd);
    free(h);
    release(g);
}

/* In the owner's thread, where its listener comes and goes. */
static void take_handed(void *argument)
{
    struct handed *h = argument;
    jp_listener *l = h->group->members[h->owner].listener;

    if (l && h->fd >= 0) {
        endpoint_enter(l->endpoint);
        tcp_accept(l, h->fd, h->bytes, h->packet.length, true);
        endpoint_leave(l->endpoint);
        h->fd = -1;
    } else if (l) {
        struct socket *socket = l->sockets[h->address];
        struct endpoint *e = socket->endpoint;

        endpoint_enter(e);
        socket->users++;
        endpoint_take(socket, &h->packet, 1);
        socket_release(socket);
        endpoint_leave(e);
    }
    drop_handed(h);
}

static struct handed *copy(jp_listener_group *g, unsigned owner, size_t address,
                           const struct udp_packet *p)
{
    struct handed *h = malloc(sizeof(*h) + p->length);

    if (!h)
        return NULL;
    *h = (struct handed){.group = g, .owner = owner, .address = address, .fd = -1, .packet = *p};
    h->packet.data = h->bytes;
    memcpy(h->bytes, p->data, p->length);
    return h;
}

/* With the lock held: the owner's loop lives as long as it is a member. */
static bool hand(struct handed *h)
{
    struct member *m = &h->group->members[h->owner];

    if (!m->listener || m->waiting == HANDED_MAX ||
        jp_defer(m->listener->endpoint->loop, take_handed, h, drop_handed))
        return false;
    m->waiting++;
    h->group->users++;
    return true;
}

bool group_forward(struct socket *socket, const struct udp_packet *p, uint32_t spi)
{
    jp_listener *l = socket->listener;
    size_t address = 0;
    struct handed *h;
    bool handed;

    if (!l || !l->group || socket->tcp || udp_owner(spi, l->members) == l->index)
        return false;
    while (l->sockets[address] != socket)
        address++;
    h = copy(l->group, udp_owner(spi, l->members), address, p);
    if (!h)
        return true;
    pthread_mutex_lock(&l->group->lock);
    handed = hand(h);
    pthread_mutex_unlock(&l->group->lock);
    if (!handed)
        free(h);
    return true;
}

bool group_move(jp_listener *l, uint32_t spi, int fd, uint8_t *bytes, size_t n)
{
    struct udp_packet p = {.data = bytes, .length = (uint16_t)n};
    struct handed *h = copy(l->group, udp_owner(spi, l->members), 0, &p);
    bool handed;

    if (!h)
        return false;
    h->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0); /* ours is closed as any other */
    if (h->fd < 0) {
        free(h);
        return false;
    }
    pthread_mutex_lock(&l->group->lock);
    handed = hand(h);
    pthread_mutex_unlock(&l->group->lock);
    if (!handed) {
        close(h->fd);
        free(h);
    }
    return handed;
}
