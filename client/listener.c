#include <stdlib.h>

#include "endpoint.h"
#include "listen.h"
#include "tcp.h"

enum { PORT_TRIES = 16 };

static void discard(jp_listener *l)
{
    free(l->answers);
    free(l->sockets);
    free(l);
}

/* NULL: no memory. */
static jp_listener *allocate(size_t n, size_t extension)
{
    jp_listener *l = extension < SIZE_MAX - sizeof(*l) ? calloc(1, sizeof(*l) + extension) : NULL;

    if (!l)
        return NULL;
    l->sockets = calloc(n, sizeof(*l->sockets));
    l->answers = calloc(ANSWER_SETS, sizeof(*l->answers));
    if (l->sockets && l->answers)
        return l;
    discard(l);
    return NULL;
}

/* The last user is gone. */
static void listener_end(jp_listener *l)
{
    struct endpoint *e = l->endpoint;

    tcp_close_all(l);
    for (size_t i = 0; i < l->n_sockets; i++)
        socket_release(l->sockets[i]);
    if (l->group)
        group_leave(l);
    context_release(l->context);
    discard(l);
    endpoint_release(e);
}

void listener_release(jp_listener *listener)
{
    if (--listener->users == 0)
        listener_end(listener);
}

static int check_context(const jp_context *context, const char *what)
{
    if (!context)
        return failure(JP_INVALID, what, "no context");
    if (!context->settings.identity)
        return failure(JP_INVALID, what, "a server's context needs an identity");
    return 0;
}

int listener_new(jp_listener **listener, jp_loop *loop, jp_context *context, size_t n,
                 size_t extension, const char *what)
{
    struct endpoint *e;
    jp_listener *l;
    int error = check_context(context, what);

    if (!error)
        error = loop_check(loop, what);
    if (!error)
        error = endpoint_hold(&e, loop);
    if (error)
        return error;
    l = allocate(n, extension);
    if (!l) {
        endpoint_release(e);
        return failure(JP_NO_MEMORY, what, "no memory for a listener");
    }
    l->endpoint = e;
    l->context = context_hold(context);
    l->users = l->members = 1;
    loop->alive[OBJECT_LISTENER]++;
    accept_init(l);
    *listener = l;
    return 0;
}

int listener_add(jp_listener *l, const jp_address *address, const struct udp *opened)
{
    struct socket **socket = &l->sockets[l->n_sockets];
    int error = socket_open(socket, l->endpoint, address, opened);

    if (error)
        return error;
    if (!l->context->settings.without_tcp)
        error = tcp_listen(l, &(*socket)->udp.local);
    if (error) {
        socket_release(*socket);
        return error;
    }
    (*socket)->serves = true;
    (*socket)->listener = l;
    l->n_sockets++;
    return 0;
}

/* A port of the kernel's choice must be free for TCP too. */
static int add_any(jp_listener *l, const jp_address *address)
{
    int error = listener_add(l, address, NULL);

    for (int i = 1; i < PORT_TRIES && error == JP_BIND_IN_USE && address->port == 0; i++)
        error = listener_add(l, address, NULL);
    return error;
}

int jp_listener_create(jp_listener **listener, jp_loop *loop, jp_context *context,
                       const jp_address *addresses, size_t n, size_t extension)
{
    jp_listener *l;
    int error;

    if (!listener || !loop || !addresses || !n)
        return failure(JP_INVALID, __func__, n ? "NULL argument" : "no address");
    *listener = NULL;
    error = listener_new(&l, loop, context, n, extension, __func__);
    if (error)
        return error;
    for (size_t i = 0; i < n && !error; i++)
        error = add_any(l, &addresses[i]);
    if (error)
        jp_listener_free(l);
    else
        *listener = l;
    return error;
}

/* Those that nobody knows yet never will be. */
static void forget_unconfirmed(jp_listener *l)
{
    for (unsigned i = 0; i < ENDPOINT_HEADS && l->unconfirmed; i++)
        for (jp_session *s = l->endpoint->sessions[i]; s; s = s->next_by_spi)
            if (s->listener == l && s->state == SESSION_UNCONFIRMED)
                session_over(s, JP_CLOSED_HERE, JP_CODE_NONE, "");
}

int jp_listener_free(jp_listener *listener)
{
    int error = listener ? loop_check(listener->endpoint->loop, __func__) : 0;

    if (!listener || error)
        return error;
    for (size_t i = 0; i < listener->n_sockets; i++)
        listener->sockets[i]->listener = NULL;
    tcp_stop(listener);
    listener->freed = true;
    forget_unconfirmed(listener);
    listener->endpoint->loop->alive[OBJECT_LISTENER]--;
    listener_release(listener);
    return 0;
}

jp_address jp_listener_address(const jp_listener *listener, size_t index)
{
    return listener && index < listener->n_sockets ? listener->sockets[index]->udp.local
                                                   : (jp_address){0};
}

void *jp_listener_extension(jp_listener *listener)
{
    return listener ? listener->extension : NULL;
}

jp_loop *jp_listener_loop(const jp_listener *listener)
{
    return listener ? listener->endpoint->loop : NULL;
}

jp_context *jp_listener_context(const jp_listener *listener)
{
    return listener ? listener->context : NULL;
}
