/* Paths: which there are, and which one the next packet takes. How they come and go:
 * conn_migrate.c. */
#include <stddef.h>
#include <string.h>

#include "conn_path.h"
#include "wire.h"

enum {
    PROBES_FAILING = 2, /* probe timeouts in a row: the path fails */
    ROOM_MIN = 256,     /* less is not worth a packet of data */
    CONTROL_ROOM = WIRE_OVERHEAD_MAX + 32,
    RECORDS = 1 << 16, /* packets in flight */
    ADDRESS_LEN = offsetof(struct jp_path, peer_mac),
};
static_assert(ADDRESS_LEN == 36, "addresses and ports");
static const uint64_t never = UINT64_MAX, us_per_s = 1000000, ns_per_s = 1000000000;

/* ---- slots ---- */

void path_open(struct conn *c, struct conn_path *path, const struct jp_path *address, uint64_t now)
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

void path_retire(struct conn_path *path, uint64_t now)
{
    path->quiet = true;
    path->challenging = false;
    path->close_at = now + rtt_pto(&path->rtt);
}

void path_close(struct conn *c, struct conn_path *path, uint64_t now)
{
    if (path->settling) {
        path_retire(path, now);
        return;
    }
    ack_give_up(c, path, now);
    path->open = false;
    for (unsigned i = 0; i < CONN_PATHS; i++)
        if (c->path[i].replaces == path_index(c, path))
            c->path[i].replaces = CONN_PATHS;
}

struct conn_path *path_find(struct conn *c, const struct jp_path *address)
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

struct conn_path *path_slot(struct conn *c, uint64_t now)
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

/* ---- packets in ---- */

struct conn_path *path_arrived(struct conn *c, const struct conn_received *p, uint64_t now)
{
    struct conn_path *path = path_find(c, p->path);

    if (!path) {
        path = c->config.server ? path_slot(c, now) : NULL; /* servers do not move */
        if (!path)
            return NULL;
        path_open(c, path, p->path, now);
    }
    if (p->pn >= c->newest)
        path->address = *p->path; /* the next hop may have changed */
    path->arrived_at = now;
    path->read_pn = p->pn;
    path->read_bytes = (uint16_t)p->bytes;
    path->packets_received++;
    if (p->bytes > CONN_PACKET_SURE)
        path->large_at = now;
    if (path->limited)
        path->bytes_in += p->bytes;
    return path;
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

static bool is_broken(const struct conn_path *path)
{
    return path->loss.probe_count >= PROBES_FAILING || path->narrow;
}

enum { RANK_FAILING = 4 };

/* Paths of the lowest rank are used. */
static unsigned rank_of(const struct conn_path *path)
{
    unsigned rank = path->use == PATH_SHARE ? 0 : path->use == PATH_DUPLICATE ? 1 : 2;

    return is_broken(path) ? rank + RANK_FAILING : rank;
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
    return is_broken(path) && best_rank(c) < RANK_FAILING;
}

/* Whether congestion control lets a packet leave; *at: no later than when its pacer will. */
static bool has_turn(struct conn_path *path, uint64_t now, uint64_t *at)
{
    uint64_t pace;

    if (!congestion_has_room(&path->congestion))
        return false;
    pace = pacer_deadline(&path->pacer, path->congestion.pacing_rate);
    if (pace <= now)
        return true;
    congestion_paced(&path->congestion);
    *at = smaller(*at, pace);
    return false;
}

struct conn_path *path_choose(struct conn *c, uint64_t now, uint64_t *at)
{
    struct conn_path *best = NULL;
    unsigned rank = best_rank(c);

    for (unsigned i = 0; i < CONN_PATHS; i++) {
        struct conn_path *path = &c->path[i];

        if (is_usable(c, path) && rank_of(path) == rank && has_turn(path, now, at) &&
            (!best || path->share < best->share))
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
    uint64_t at = UINT64_MAX;

    for (unsigned i = after ? path_index(c, after) + 1 : 0; i < CONN_PATHS; i++) {
        struct conn_path *copy = &c->path[i];

        if (copy != path && copy->use == PATH_DUPLICATE && is_usable(c, copy) &&
            path_room(copy) >= bytes && has_turn(copy, now, &at))
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
 * and no probe for them may look like a migration. Only who chooses paths fills packets on its own
 * account: a response costs no more than its challenge. */
uint32_t path_put(struct build *b)
{
    struct conn_path *path = b->path;
    bool shows = !b->c->config.server && !path->address.tcp;
    uint32_t size = 0;

    if (path->response_due && (size_t)(b->end - b->p) >= 9) {
        b->p = frame_put_path(b->p, FRAME_PATH_RESPONSE, path->response);
        path->response_due = false;
        size = path->response_bytes;
    }
    if (challenge_due(path, b->now) && (size_t)(b->end - b->p) >= 9) {
        b->p = frame_put_path(b->p, FRAME_PATH_CHALLENGE, path->challenge);
        path->challenges++;
        path->challenge_at = b->now + rtt_pto(&path->rtt);
        size = shows ? CONN_PACKET_MIN : size;
    }
    if (path->validated && use_due(path) && build_fits(b, 2)) {
        b->p = frame_put_control(b->p, FRAME_PATH_USE, 0, path->use, 0);
        build_item(b, (struct sent_item){.type = FRAME_PATH_USE, .seq = path->use});
        path->use_state = USE_FLYING;
        size = shows ? CONN_PACKET_MIN : size;
    }
    return size;
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
            path_failed(c, path, now);
        else
            rescue(c, path, now);
    }
}
