/* Where a session's packets come from and go to: addresses, migration, more paths, figures. */
#include <errno.h>

#include "endpoint.h"
#include "route.h"

/* The path in use. */
static struct jp_path active_path(const jp_session *s)
{
    struct conn_stats stats;

    if (!s)
        return (struct jp_path){0};
    if (!s->was_open)
        return s->path;
    conn_stats(s->conn, &stats);
    for (unsigned i = 0; i < CONN_PATHS; i++)
        if (stats.path[i].active)
            return stats.path[i].path;
    return s->path;
}

jp_address jp_session_peer(const jp_session *session)
{
    struct jp_path path = active_path(session);

    return route_peer(&path);
}

jp_address jp_session_local(const jp_session *session)
{
    struct jp_path path = active_path(session);

    return route_local(&path);
}

/* ---- more sockets of a client ---- */

static bool in_use(const struct conn_stats *stats, const struct socket *socket)
{
    for (unsigned i = 0; i < CONN_PATHS; i++)
        if (stats->path[i].path.ip_version && route_socket(&stats->path[i].path) == socket->place)
            return true;
    return false;
}

/* Room for one more socket: the first place, or that of one that no path uses any longer. */
static struct socket **find_room(jp_session *s)
{
    struct conn_stats stats;

    for (int i = 0; i < SESSION_TCP; i++)
        if (!s->sockets[i])
            return &s->sockets[i];
    conn_stats(s->conn, &stats);
    for (int i = 0; i < SESSION_TCP; i++)
        if (!in_use(&stats, s->sockets[i])) {
            socket_release(s->sockets[i]);
            return &s->sockets[i];
        }
    return NULL;
}

/* A socket of its own, bound to local or anything of the peer's family; and the path by it. */
static int open_path(jp_session *s, const jp_address *local, const jp_address *peer,
                     struct jp_path *path, struct socket ***place)
{
    jp_address any = {.family = peer->family};
    int error;

    if (local && local->family != peer->family)
        return failure(JP_INVALID, NULL, "addresses of two families");
    *place = find_room(s);
    if (!*place)
        return failure(JP_NO_DESCRIPTORS, NULL, "the session has %d sockets already", SESSION_TCP);
    **place = NULL;
    error = socket_open(*place, s->endpoint, local ? local : &any, NULL);
    if (!error)
        *path = route_make(&(**place)->udp.local, peer, (**place)->place);
    return error;
}

static int check_client(const jp_session *s, const char *what)
{
    int error = session_check(s, what);

    if (error)
        return error;
    if (s->server || s->state != SESSION_OPEN)
        return failure(JP_INVALID, what, s->server ? "only clients move" : "it is not open");
    return 0;
}

/* The protocol core's answer; the socket goes again if it refused. */
static int finish_path(jp_session *s, int e, struct socket **place, const char *what)
{
    session_touch(s);
    if (e >= 0)
        return e;
    socket_release(*place);
    *place = NULL;
    if (e == -ENOSPC)
        return failure(JP_NO_DESCRIPTORS, what, "there are %d paths already", CONN_PATHS);
    return failure(JP_INVALID, what, "not a path");
}

int jp_session_migrate(jp_session *session, const jp_address *local)
{
    int error = check_client(session, __func__);
    struct socket **place;
    struct jp_path path;
    jp_address peer;

    if (error)
        return error;
    peer = jp_session_peer(session);
    error = open_path(session, local, &peer, &path, &place);
    if (error)
        return error;
    return finish_path(session, conn_migrate(session->conn, &path, session_now(session)), place,
                       __func__);
}

int jp_session_add_path(jp_session *session, const jp_address *local, const jp_address *peer,
                        enum jp_path_use use)
{
    int error = check_client(session, __func__);
    struct socket **place;
    struct jp_path path;
    jp_address to;

    if (error)
        return error;
    if ((unsigned)use > JP_PATH_DUPLICATE)
        return failure(JP_INVALID, __func__, "no such use: %d", use);
    to = peer ? *peer : jp_session_peer(session);
    error = open_path(session, local, &to, &path, &place);
    if (error)
        return error;
    return finish_path(
        session, conn_path_add(session->conn, &path, (enum path_use)use, session_now(session)),
        place, __func__);
}

int jp_session_use_path(jp_session *session, unsigned path, enum jp_path_use use)
{
    int error = session_check(session, __func__);

    if (error)
        return error;
    if ((unsigned)use > JP_PATH_DUPLICATE || session->state != SESSION_OPEN ||
        conn_path_set(session->conn, path, (enum path_use)use, session_now(session)) < 0)
        return failure(JP_INVALID, __func__, "no such path or use");
    session_touch(session);
    return 0;
}

/* ---- figures ---- */

static jp_path_figures figures_of_path(const struct conn_path_stats *p)
{
    return (jp_path_figures){
        .peer = route_peer(&p->path),
        .local = route_local(&p->path),
        .rtt = p->rtt_us,
        .rtt_min = p->rtt_min_us,
        .rate = p->rate,
        .sent = p->sent,
        .received = p->received,
        .lost = p->lost,
        .window = p->cwnd,
        .in_flight = p->in_flight,
        .packet = p->mtu,
        .use = p->use,
        .validated = p->validated,
        .active = p->active,
        .tcp = p->path.tcp,
    };
}

int jp_session_figures(const jp_session *session, jp_figures *figures, size_t size)
{
    int error = session_check(session, __func__);
    struct conn_stats c;
    jp_figures f;

    if (error)
        return error;
    if (!session->was_open)
        return failure(JP_INVALID, __func__, "it was never open");
    if (!figures || size > sizeof(f))
        return failure(JP_INVALID, __func__, "figures, or their size, are wrong");
    conn_stats(session->conn, &c);
    f = (jp_figures){
        .packets_sent = c.packets_sent,
        .packets_received = c.packets_received,
        .bytes_sent = c.bytes_sent,
        .bytes_received = c.bytes_received,
        .packets_lost = c.packets_lost,
        .packets_late = c.packets_late,
        .stream_bytes_sent = c.stream_bytes_sent,
        .stream_bytes_received = c.stream_bytes_received,
        .stream_bytes_again = c.stream_bytes_again,
        .fec_sources = c.fec_sources,
        .fec_repairs = c.fec_repairs,
        .fec_recovered = c.fec_recovered,
        .fec_peer_recovered = c.peer_recovered,
        .congestion_marks = c.ce_received,
        .congestion_marks_peer = c.ce_reported,
        .probe_timeouts = c.probe_timeouts,
        .streams = c.streams,
        .paths = c.paths,
    };
    for (unsigned i = 0; i < CONN_PATHS; i++)
        f.path[i] = figures_of_path(&c.path[i]);
    memcpy(figures, &f, size);
    return 0;
}
