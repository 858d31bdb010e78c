/* Paths: which there are, which of them is proven, and which one the next packet takes.
 *
 * A path is joined when the session uses it: the handshake's, those the peer migrated to or we did,
 * and those that PATH_USE added. A migration's old path is quiet until the new one is proven, and
 * then closed; or it takes over again. */
#include <errno.h>
#include <sodium.h>
#include <stddef.h>
#include <string.h>

#include "conn_state.h"
#include "wire.h"

enum {
    CHALLENGES = 3,     /* sent before a path failed, and probe timeouts to wait */
    PROBES_FAILING = 2, /* probe timeouts in a row: the path fails */
    ROOM_MIN = 256,     /* less is not worth a packet of data */
    CONTROL_ROOM = WIRE_OVERHEAD_MAX + 32,
    RECORDS = 1 << 16, /* packets in flight */
    ADDRESS_LEN = offsetof(struct jp_path, peer_mac),
};
static_assert(ADDRESS_LEN == 36, "addresses and ports");
static const uint64_t never = UINT64_MAX, us_per_s = 1000000, ns_per_s = 1000000000;

static unsigned index_of(const struct conn *c, const struct conn_path *path)
{
    return (unsigned)(path - c->path);
}

/* ---- slots ---- */

static void path_open(struct conn *c, struct conn_path *path, const struct jp_path *address,
                      uint64_t now)
{
    *path = (struct conn_path){
        .address = *address,
        .arrived_at = now,
        .close_at = never,
        .use = PATH_SHARE,
        .replaces = CONN_PATHS,
        .mtu = CONN_PACKET_MIN,
        .open = true,
        .limited = c->config.server,
        .ecn = c->config.ecn && !address->tcp,
    };
    rtt_init(&path->rtt);
    sent_init(&path->sent, RECORDS);
    path->sent.next_pn = c->next_pn;
    loss_init(&path->loss);
    congestion_init(&path->congestion, c->config.congestion, path->mtu, now);
}

/* Nothing more leaves along it; what is in flight may still be acknowledged. */
static void retire(struct conn_path *path, uint64_t now)
{
    path->quiet = true;
    path->challenging = false;
    path->close_at = now + rtt_pto(&path->rtt);
}

static void path_close(struct conn *c, struct conn_path *path, uint64_t now)
{
    if (path->settling) {
        retire(path, now);
        return;
    }
    ack_give_up(c, path, now);
    path->open = false;
    for (unsigned i = 0; i < CONN_PATHS; i++)
        if (c->path[i].replaces == index_of(c, path))
            c->path[i].replaces = CONN_PATHS;
}

static struct conn_path *path_find(struct conn *c, const struct jp_path *address)
{
    for (unsigned i = 0; i < CONN_PATHS; i++)
        if (c->path[i].open && c->path[i].address.tcp == address->tcp &&
            memcmp(&c->path[i].address, address, ADDRESS_LEN) == 0)
            return &c->path[i];
    return NULL;
}

/* Only an address that packets came from, long ago; or one that is closed anyway. */
static bool is_spare(const struct conn *c, const struct conn_path *path, uint64_t now)
{
    uint64_t idle = CHALLENGES * rtt_pto(&c->path[c->active].rtt);

    if (path == &c->path[c->active] || path->challenging || path->settling)
        return false;
    return path->close_at != never ||
           (!path->joined && !path->validated && now >= path->arrived_at + idle);
}

static struct conn_path *slot_get(struct conn *c, uint64_t now)
{
    for (unsigned i = 0; i < CONN_PATHS; i++)
        if (!c->path[i].open)
            return &c->path[i];
    for (unsigned i = 0; i < CONN_PATHS; i++)
        if (is_spare(c, &c->path[i], now)) {
            path_close(c, &c->path[i], now);
            return &c->path[i];
        }
    return NULL;
}

void paths_init(struct conn *c, uint64_t now)
{
    struct conn_path *path = &c->path[0];

    c->active = 0;
    path_open(c, path, &c->config.path, now);
    path->limited = false;
    path->validated = path->joined = true;
    mtu_start(c, path, now);
    congestion_init(&path->congestion, c->config.congestion, path->mtu, now);
}

void paths_fini(struct conn *c)
{
    for (unsigned i = 0; i < CONN_PATHS; i++)
        if (c->path[i].open)
            sent_fini(&c->path[i].sent, &c->pools->sent);
}

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
    path->share = c->share;
    if (path->use_state == USE_KNOWN && !path->joined)
        path->use_state = USE_DUE;
    if (path->mtu_low == 0)
        mtu_start(c, path, now);
    if (path->replaces != CONN_PATHS && c->path[path->replaces].quiet)
        retire(&c->path[path->replaces], now);
    path->replaces = CONN_PATHS;
    c->ops->path(c, index_of(c, path), CONN_PATH_VALIDATED);
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

    if (path == &c->path[c->active] && !other)
        return false;
    if (path->replaces != CONN_PATHS)
        other->quiet = false;
    path->replaces = CONN_PATHS;
    if (path == &c->path[c->active])
        c->active = (uint8_t)index_of(c, other);
    return true;
}

static void failed(struct conn *c, struct conn_path *path, uint64_t now)
{
    if (!leave(c, path)) {
        challenge(path, now);
        return;
    }
    path_close(c, path, now);
    c->ping_due |= !c->config.server; /* the server follows what we send */
    c->ops->path(c, index_of(c, path), CONN_PATH_FAILED);
}

void conn_path_lost(struct conn *c, const struct jp_path *address, uint64_t now)
{
    struct conn_path *path = path_find(c, address);

    if (path)
        failed(c, path, now);
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
    to->close_at = never;
    to->use = from->use;
    from->quiet = true;
    c->active = (uint8_t)index_of(c, to);
    if (to->validated) {
        from->replaces = CONN_PATHS;
        retire(from, now);
        return;
    }
    c->migrated_at = now;
    to->replaces = from->validated ? (uint8_t)index_of(c, from) : from->replaces;
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

struct conn_path *path_arrived(struct conn *c, const struct conn_received *p, uint64_t now)
{
    struct conn_path *path = path_find(c, p->path);

    if (!path) {
        path = c->config.server ? slot_get(c, now) : NULL; /* servers do not move */
        if (!path)
            return NULL;
        path_open(c, path, p->path, now);
    }
    if (p->pn >= c->newest)
        path->address = *p->path; /* the next hop may have changed */
    path->arrived_at = now;
    path->read_pn = p->pn;
    path->packets_received++;
    if (path->limited)
        path->bytes_in += p->bytes;
    return path;
}

void path_settled(struct conn *c, struct conn_path *path, bool newest, bool probing, uint64_t now)
{
    if (!path || !newest || probing || path == &c->path[c->active])
        return;
    if (path->joined && !path->quiet) {
        if (path->validated)
            c->active = (uint8_t)index_of(c, path);
    } else if (c->config.server) {
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
            retire(path, now);
        return;
    }
    path->use = (uint8_t)use;
    path->use_state = USE_KNOWN;
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
        path->response_due = true;
    } else if (f->type == FRAME_PATH_USE) {
        read_use(c, path, (enum path_use)f->u.control.value, now);
    } else if (path->challenging && path->challenges > 0 &&
               memcmp(path->challenge, f->u.path_data, sizeof(path->challenge)) == 0) {
        validated(c, path, now);
    }
}

/* ---- packets out ---- */

uint32_t path_room(const struct conn_path *path)
{
    uint64_t most = CONN_AMPLIFICATION * path->bytes_in;

    if (path->quiet && !path->response_due && path->use_state != USE_DUE)
        return 0;
    if (!path->limited)
        return path->mtu;
    return most > path->bytes_out ? (uint32_t)smaller(most - path->bytes_out, path->mtu) : 0;
}

static bool is_usable(const struct conn *c, const struct conn_path *path)
{
    return path->open && path->joined && !path->quiet &&
           (path->validated || (path == &c->path[c->active] && path_room(path) >= ROOM_MIN));
}

enum { RANK_FAILING = 4 };

/* Paths of the lowest rank are used. */
static unsigned rank_of(const struct conn_path *path)
{
    unsigned rank = path->use == PATH_SHARE ? 0 : path->use == PATH_DUPLICATE ? 1 : 2;

    return path->loss.probe_count >= PROBES_FAILING ? rank + RANK_FAILING : rank;
}

static unsigned best_rank(const struct conn *c)
{
    unsigned best = UINT32_MAX;

    for (unsigned i = 0; i < CONN_PATHS; i++)
        if (is_usable(c, &c->path[i]) && rank_of(&c->path[i]) < best)
            best = rank_of(&c->path[i]);
    return best;
}

bool conn_is_failing(const struct conn *c)
{
    unsigned rank = best_rank(c);

    return rank >= RANK_FAILING && rank != UINT32_MAX;
}

bool path_failing(const struct conn *c, const struct conn_path *path)
{
    return path->loss.probe_count >= PROBES_FAILING && best_rank(c) < RANK_FAILING;
}

struct conn_path *path_choose(struct conn *c, uint64_t now, uint64_t *at)
{
    struct conn_path *best = NULL;
    unsigned rank = best_rank(c);

    for (unsigned i = 0; i < CONN_PATHS; i++) {
        struct conn_path *path = &c->path[i];
        uint64_t pace;

        if (!is_usable(c, path) || rank_of(path) != rank || !congestion_has_room(&path->congestion))
            continue;
        pace = pacer_deadline(&path->pacer, path->congestion.pacing_rate);
        if (pace > now)
            *at = smaller(*at, pace);
        else if (!best || path->share < best->share)
            best = path;
    }
    if (best) { /* what it could not use before is not saved up */
        best->share = best->share > c->share ? best->share : c->share;
        c->share = best->share;
    }
    return best;
}

struct conn_path *path_next_copy(struct conn *c, const struct conn_path *path,
                                 const struct conn_path *after, uint32_t bytes, uint64_t now)
{
    for (unsigned i = after ? index_of(c, after) + 1 : 0; i < CONN_PATHS; i++) {
        struct conn_path *copy = &c->path[i];

        if (copy != path && copy->use == PATH_DUPLICATE && is_usable(c, copy) &&
            path_room(copy) >= bytes && congestion_has_room(&copy->congestion) &&
            pacer_deadline(&copy->pacer, copy->congestion.pacing_rate) <= now)
            return copy;
    }
    return NULL;
}

static bool challenge_due(const struct conn_path *path, uint64_t now)
{
    return path->challenging && path->challenges < CHALLENGES && path->challenge_at <= now;
}

/* PATH_USE goes with every probe until it is known: a PING would be a migration. */
static bool use_due(const struct conn_path *path)
{
    return path->use_state == USE_DUE || (path->use_state == USE_FLYING && path->probes > 0);
}

struct conn_path *path_control_due(struct conn *c, uint64_t now)
{
    for (unsigned i = 0; i < CONN_PATHS; i++) {
        struct conn_path *path = &c->path[i];

        if (path->open && path_room(path) >= CONTROL_ROOM &&
            (challenge_due(path, now) || path->response_due || (path->validated && use_due(path))))
            return path;
    }
    return NULL;
}

/* Challenges and responses are not recorded: they are repeated by their own timer or not at all,
 * and no probe for them may look like a migration. */
void path_put(struct build *b)
{
    struct conn_path *path = b->path;

    if (path->response_due && (size_t)(b->end - b->p) >= 9) {
        b->p = frame_put_path(b->p, FRAME_PATH_RESPONSE, path->response);
        path->response_due = false;
    }
    if (challenge_due(path, b->now) && (size_t)(b->end - b->p) >= 9) {
        b->p = frame_put_path(b->p, FRAME_PATH_CHALLENGE, path->challenge);
        path->challenges++;
        path->challenge_at = b->now + rtt_pto(&path->rtt);
    }
    if (path->validated && use_due(path) && build_fits(b, 2)) {
        b->p = frame_put_control(b->p, FRAME_PATH_USE, 0, path->use, 0);
        build_item(b, (struct sent_item){.type = FRAME_PATH_USE, .seq = path->use});
        path->use_state = USE_FLYING;
    }
}

void path_sent(struct conn *c, struct conn_path *path, uint32_t bytes, uint64_t now)
{
    const struct congestion *congestion = &path->congestion;
    uint64_t rate = congestion->pacing_rate ? congestion->pacing_rate
                                            : congestion->cwnd * us_per_s / path->rtt.smoothed;

    (void)c;
    (void)now;
    path->packets_sent++;
    path->share += bytes * ns_per_s / (rate > 0 ? rate : 1);
    if (path->limited)
        path->bytes_out += bytes;
}

void path_item_acked(struct conn *c, struct conn_path *path, const struct sent_item *i)
{
    (void)c;
    if (i->seq != path->use)
        return;
    path->use_state = USE_KNOWN;
    path->joined = true;
}

void path_item_lost(struct conn *c, struct conn_path *path, const struct sent_item *i)
{
    (void)c;
    if (path->use_state == USE_FLYING && i->seq == path->use)
        path->use_state = USE_DUE;
}

/* ---- timers ---- */

uint64_t paths_deadline(const struct conn *c)
{
    uint64_t at = never;

    for (unsigned i = 0; i < CONN_PATHS; i++) {
        const struct conn_path *path = &c->path[i];

        if (!path->open)
            continue;
        at = smaller(at, smaller(mtu_deadline(path), path->close_at));
        if (path->challenging)
            at = smaller(at, path->validate_by);
        if (path->challenging && path->challenges < CHALLENGES && path_room(path) >= CONTROL_ROOM)
            at = smaller(at, path->challenge_at);
    }
    return at;
}

/* What is in flight along a path that fails is sent again along one that works. */
static void rescue(struct conn *c, struct conn_path *path, uint64_t now)
{
    if (path->loss.probe_count < path->gave_up)
        path->gave_up = 0;
    if (path->loss.probe_count == path->gave_up || !path_failing(c, path))
        return;
    path->gave_up = path->loss.probe_count;
    ack_give_up(c, path, now);
}

void paths_timeout(struct conn *c, uint64_t now)
{
    for (unsigned i = 0; i < CONN_PATHS; i++) {
        struct conn_path *path = &c->path[i];

        if (!path->open)
            continue;
        if (now >= path->close_at)
            path_close(c, path, now);
        else if (path->challenging && now >= path->validate_by)
            failed(c, path, now);
        else
            rescue(c, path, now);
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
        to = slot_get(c, now);
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
    path = slot_get(c, now);
    if (!path)
        return -ENOSPC;
    path_open(c, path, address, now);
    path->use = (uint8_t)use;
    challenge(path, now);
    return (int)index_of(c, path);
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
        retire(path, now);
    return 0;
}
