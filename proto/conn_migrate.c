/* How paths come and go: validation, migration, additional ones.
 *
 * A path is joined when the session uses it: the handshake's, those the peer migrated to or we did,
 * and those that PATH_USE added. A migration's old path is quiet until the new one is proven, and
 * then closed; or it takes over again. */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "conn_path.h"

/* ---- validation ---- */

static void challenge(struct conn_path *path, uint64_t now)
{
    randombytes_buf(path->challenge, sizeof(path->challenge));
    path->challenging = true;
    path->challenges = 0;
    path->challenge_at = now;
    path->validate_by = now + CHALLENGES * rtt_pto(&path->rtt);
}

static void validated(struct conn *c, struct conn_path *path, uint64_t now)
{
    if (path->challenges == 1 && !rtt_known(&path->rtt)) /* of a second one we cannot tell which */
        rtt_update(&path->rtt, now + rtt_pto(&path->rtt) - path->challenge_at, 0);
    path->validated = true;
    path->challenging = path->limited = false;
    path->answered_at = now;
    path->share = c->share;
    if (path->use_state == USE_KNOWN && !path->joined)
        path->use_state = USE_DUE;
    if (path->mtu_low == 0)
        mtu_start(c, path, now);
    if (path->replaces != CONN_PATHS && c->path[path->replaces].quiet)
        path_retire(&c->path[path->replaces], now);
    path->replaces = CONN_PATHS;
    c->ops->path(c, path_index(c, path), CONN_PATH_VALIDATED);
}

/* Who goes on when path does not: the one it replaces, or any other that is proven. */
static struct conn_path *fallback(struct conn *c, const struct conn_path *path)
{
    if (path->replaces != CONN_PATHS)
        return &c->path[path->replaces];
    for (unsigned i = 0; i < CONN_PATHS; i++) {
        struct conn_path *other = &c->path[i];

        if (other != path && other->open && other->joined && other->validated && !other->quiet)
            return other;
    }
    return NULL;
}

/* Path is not used any more. False: there is no other. */
static bool leave(struct conn *c, struct conn_path *path)
{
    struct conn_path *other = fallback(c, path);

    if (path == &c->path[c->active]) {
        if (!other)
            return false;
        c->active = (uint8_t)path_index(c, other);
    }
    if (path->replaces != CONN_PATHS)
        c->path[path->replaces].quiet = false;
    path->replaces = CONN_PATHS;
    return true;
}

void path_failed(struct conn *c, struct conn_path *path, uint64_t now)
{
    if (!leave(c, path)) {
        challenge(path, now);
        return;
    }
    path_close(c, path, now);
    c->ping_due |= !c->config.server; /* the server follows what we send */
    c->ops->path(c, path_index(c, path), CONN_PATH_FAILED);
}

void conn_path_lost(struct conn *c, const struct jp_path *address, uint64_t now)
{
    struct conn_path *path = path_find(c, address);

    if (path)
        path_failed(c, path, now);
}

/* ---- migration ---- */

static bool is_rebinding(const struct conn_path *a, const struct conn_path *b)
{
    return memcmp(a->address.peer_ip, b->address.peer_ip, 16) == 0 &&
           memcmp(a->address.our_ip, b->address.our_ip, 16) == 0 &&
           a->address.our_port == b->address.our_port && a->address.tcp == b->address.tcp;
}

/* The path whose peer moved to a new one. */
static struct conn_path *moved_from(struct conn *c, const struct conn_path *to)
{
    for (unsigned i = 0; i < CONN_PATHS; i++) {
        struct conn_path *path = &c->path[i];

        if (path != to && path->open && path->joined && !path->quiet && is_rebinding(path, to))
            return path;
    }
    return &c->path[c->active];
}

/* Only a port changed: it is the same way through the network. The order of packets goes on, as
 * congestion control compares with it. */
static void inherit(struct conn_path *to, const struct conn_path *from)
{
    to->rtt = from->rtt;
    to->congestion = from->congestion;
    to->congestion.in_flight = 0;
    to->sent.next_order = to->settled = from->sent.next_order;
    to->mtu = from->mtu;
    to->mtu_low = from->mtu_low;
    to->mtu_high = from->mtu_high;
    to->mtu_probe = from->mtu_probe;
    to->mtu_state = from->mtu_state == MTU_FLYING ? MTU_PROBING : from->mtu_state;
    to->mtu_at = from->mtu_at;
}

static void migrate(struct conn *c, struct conn_path *from, struct conn_path *to, uint64_t now)
{
    to->joined = true;
    to->quiet = false;
    to->close_at = UINT64_MAX;
    to->use = from->use;
    from->quiet = true;
    c->active = (uint8_t)path_index(c, to);
    if (to->validated) {
        from->replaces = CONN_PATHS;
        path_retire(from, now);
        return;
    }
    c->migrated_at = now;
    to->replaces = from->validated ? (uint8_t)path_index(c, from) : from->replaces;
    if (!from->validated)
        path_close(c, from, now);
    challenge(to, now);
}

/* The peer's newest packet came from elsewhere. Before the last move was proven, another is
 * believed only after a while: challenges cost. */
static void peer_moved(struct conn *c, struct conn_path *to, uint64_t now)
{
    struct conn_path *from = moved_from(c, to);

    if (!to->validated && !from->validated && now < c->migrated_at + rtt_pto(&from->rtt))
        return;
    if (!to->joined && is_rebinding(from, to))
        inherit(to, from);
    migrate(c, from, to, now);
    c->ops->path(c, c->active, CONN_PATH_CHANGED);
}

/* ---- packets in ---- */

void path_settled(struct conn *c, struct conn_path *path, bool newest, bool probing, uint64_t now)
{
    if (!path || !newest || path == &c->path[c->active])
        return;
    if (path->joined && !path->quiet) {
        if (path->validated && !path_failing(c, path)) /* or answers would not arrive */
            c->active = (uint8_t)path_index(c, path);
    } else if (c->config.server && !probing) {
        peer_moved(c, path, now);
    }
}

static void read_use(struct conn *c, struct conn_path *path, enum path_use use, uint64_t now)
{
    if (path->read_pn < path->use_pn || path->quiet)
        return;
    path->use_pn = path->read_pn;
    if (use == PATH_ABANDONED) {
        if (leave(c, path))
            path_retire(path, now);
        return;
    }
    path->use = (uint8_t)use;
    path->use_state = USE_KNOWN;
    path->narrow = false;
    path->loss.probe_count = 0; /* it works again, as far as the peer can tell */
    if (path->joined || !c->config.server)
        return;
    path->joined = true;
    if (!path->validated)
        challenge(path, now);
}

void path_read(struct conn *c, struct conn_path *path, const struct frame *f, uint64_t now)
{
    if (!path)
        return;
    if (f->type == FRAME_PATH_CHALLENGE) {
        memcpy(path->response, f->u.path_data, sizeof(path->response));
        path->response_bytes =
            path->read_bytes < CONN_PACKET_MIN ? path->read_bytes : CONN_PACKET_MIN;
        path->response_due = true;
    } else if (f->type == FRAME_PATH_USE) {
        read_use(c, path, (enum path_use)f->u.control.value, now);
    } else if (path->challenging && path->challenges > 0 &&
               sodium_memcmp(path->challenge, f->u.path_data, sizeof(path->challenge)) == 0) {
        validated(c, path, now);
    }
}

/* ---- what the client decides ---- */

int conn_migrate(struct conn *c, const struct jp_path *address, uint64_t now)
{
    struct conn_path *from = &c->path[c->active], *to = path_find(c, address);

    if (c->closed || c->config.server)
        return -EINVAL;
    if (to == from)
        return 0;
    if (!to) {
        to = path_slot(c, now);
        if (!to)
            return -ENOSPC;
        path_open(c, to, address, now);
    }
    migrate(c, from, to, now);
    c->ping_due = true; /* only more than a challenge takes the server along */
    return 0;
}

int conn_path_add(struct conn *c, const struct jp_path *address, enum path_use use, uint64_t now)
{
    struct conn_path *path;

    if (c->closed || c->config.server || use == PATH_ABANDONED || use > PATH_DUPLICATE ||
        path_find(c, address))
        return -EINVAL;
    path = path_slot(c, now);
    if (!path)
        return -ENOSPC;
    path_open(c, path, address, now);
    path->use = (uint8_t)use;
    challenge(path, now);
    return (int)path_index(c, path);
}

int conn_path_set(struct conn *c, unsigned path_index, enum path_use use, uint64_t now)
{
    struct conn_path *path = &c->path[path_index < CONN_PATHS ? path_index : 0];

    if (path_index >= CONN_PATHS || !path->open || path->quiet)
        return -ENOENT;
    if (use > PATH_DUPLICATE || (use == PATH_ABANDONED && !leave(c, path)))
        return -EINVAL;
    path->use = (uint8_t)use;
    if (path->validated)
        path->use_state = USE_DUE;
    if (use == PATH_ABANDONED)
        path_retire(path, now);
    return 0;
}
