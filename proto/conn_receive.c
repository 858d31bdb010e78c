/* A packet comes in: its frames, one after the other. */
#include <string.h>

#include "conn_state.h"

enum { REPORTS_MAX = 16 }; /* of a packet: each is a walk over what is in flight */
static const char too_many[] = "too many frames in a packet";

struct reading {
    struct conn *c;
    struct conn_path *path;
    uint64_t now;
    unsigned data_frames, controls, reports;
    bool eliciting;
    bool probing; /* nothing but frames about paths so far */
    bool challenged;
    bool protected; /* a source or repair of FEC came */
    bool late;      /* what is read may have been read before */
};

bool conn_can_receive(struct conn *c)
{
    const struct conn_pools *pools = c->pools;
    const struct reassembly_pools *in = &pools->reassembly;

    if (!holding_room(c, CONN_HELD_STREAMS, &pools->streams, CONN_RESERVE_STREAMS) ||
        !holding_room(c, CONN_HELD_CLOSED, &pools->closed, CONN_CLOSED_PAGES)) {
        if (c->n_streams > 0 || c->n_closed_pages > 0) /* by waiting it gets none back */
            conn_close(c, CLOSE_LIMIT, "no memory for streams", c->last_rx);
        return false;
    }
    if (holding_room(c, CONN_HELD_MESSAGES, &in->messages, CONN_RESERVE_MESSAGES) &&
        holding_room(c, CONN_HELD_MESSAGES, &in->blocks, CONN_RESERVE_BLOCKS))
        return true;
    if (c->rx.counted - c->rx.consumed > c->config.local.max_data)
        conn_close(c, CLOSE_LIMIT, "no memory for messages", c->last_rx);
    return false;
}

/* One packet never becomes more work than this. */
static bool is_one_more(struct reading *r, unsigned *frames, unsigned max, const char *what)
{
    if (++*frames <= max)
        return true;
    conn_violation(r->c, what, r->now);
    return false;
}

static void read_data(struct reading *r, const struct frame *f)
{
    if (!is_one_more(r, &r->data_frames, FRAME_DATA_MAX, "too many data frames in a packet"))
        return;
    if (f->type == FRAME_STREAM)
        stream_read(r->c, f, r->now);
    else if (!r->late)
        r->c->ops->datagram(r->c, f->u.datagram.data, f->u.datagram.len);
}

static void read_frames(struct reading *r, const uint8_t *p, const uint8_t *end, bool inner);

static void read_source(struct reading *r, const struct frame *f, const uint8_t *inside)
{
    const uint8_t *symbol =
        f->type == FRAME_FEC_SOURCE ? f->u.fec_source.symbol : f->u.rlc_source.symbol;
    uint32_t len =
        f->type == FRAME_FEC_SOURCE ? f->u.fec_source.symbol_len : f->u.rlc_source.symbol_len;

    if (!is_one_more(r, &r->controls, CONN_CONTROLS_MAX, too_many))
        return;
    enum fec_reading reading = fec_read_source(r->c, f, r->now);

    r->protected = true;
    r->late = reading == FEC_READ_STREAMS;
    if (reading != FEC_SKIP)
        read_frames(r, inside, symbol + len, true);
    r->late = false;
}

static const uint8_t *behind_source(const struct frame *f)
{
    return f->type == FRAME_FEC_SOURCE ? f->u.fec_source.symbol + f->u.fec_source.symbol_len
                                       : f->u.rlc_source.symbol + f->u.rlc_source.symbol_len;
}

static void read_challenge(struct reading *r, const struct frame *f)
{
    if (r->challenged) {
        conn_violation(r->c, "two PATH_CHALLENGEs in a packet", r->now);
        return;
    }
    r->challenged = true;
    path_read(r->c, r->path, f, r->now);
}

static void read_close(struct reading *r, const struct frame *f)
{
    char reason[UINT8_MAX + 1];

    memcpy(reason, f->u.close.reason, f->u.close.reason_len);
    reason[f->u.close.reason_len] = '\0';
    conn_over(r->c, f->u.close.code, reason, false);
}

static void read_ticket(struct reading *r, const struct frame *f)
{
    if (r->c->config.server)
        conn_violation(r->c, "a client sends no tickets", r->now);
    else
        r->c->ops->ticket(r->c, f->u.ticket.bytes, f->u.ticket.len);
}

/* What became of packets of ours. More than any honest peer says in a packet is not worth reading.
 */
static void read_report(struct reading *r, const struct frame *f)
{
    if (r->reports++ >= REPORTS_MAX)
        return;
    if (f->type == FRAME_ACK)
        ack_read(r->c, f, r->now);
    else if (f->type == FRAME_NACK)
        nack_read(r->c, f->u.control.value, r->now);
    else
        fec_read_recovered(r->c, f, r->now);
}

/* What may stand anywhere in a packet but inside a source. */
static void read_outer(struct reading *r, const struct frame *f)
{
    struct conn *c = r->c;

    if (!is_one_more(r, &r->controls, CONN_CONTROLS_MAX, too_many))
        return;
    switch (f->type) {
    case FRAME_CLOSE:
        read_close(r, f);
        break;
    case FRAME_PATH_CHALLENGE:
        read_challenge(r, f);
        break;
    case FRAME_PATH_RESPONSE:
    case FRAME_PATH_USE:
        path_read(c, r->path, f, r->now);
        break;
    case FRAME_FEC_REPAIR:
    case FRAME_RLC_REPAIR:
        r->protected = true;
        fec_read_repair(c, f, r->now);
        break;
    case FRAME_TICKET:
        read_ticket(r, f);
        break;
    default:
        control_read(c, f, r->now);
    }
}

static bool is_probing(uint8_t type)
{
    return type == FRAME_PATH_CHALLENGE || type == FRAME_PATH_RESPONSE || type == FRAME_PATH_USE;
}

/* ACK, CLOSE, PATH_RESPONSE, and reports that are not repeated. */
static bool is_eliciting(uint8_t type)
{
    return type != FRAME_ACK && type != FRAME_CLOSE && type != FRAME_PATH_RESPONSE &&
           type != FRAME_FEC_RECOVERED && type != FRAME_NACK;
}

static void read_frames(struct reading *r, const uint8_t *p, const uint8_t *end, bool inner)
{
    struct frame f;
    int more;

    while (!r->c->closed && (more = frame_next(&p, end, inner, &f)) != 0) {
        if (more < 0) {
            conn_violation(r->c, "malformed frame", r->now);
            return;
        }
        r->eliciting |= is_eliciting(f.type);
        r->probing &= is_probing(f.type);
        switch (f.type) {
        case FRAME_PING:
            break;
        case FRAME_STREAM:
        case FRAME_DATAGRAM:
            read_data(r, &f);
            break;
        case FRAME_FEC_SOURCE:
        case FRAME_RLC_SOURCE:
            read_source(r, &f, p);
            p = behind_source(&f);
            break;
        case FRAME_ACK:
        case FRAME_NACK:
        case FRAME_FEC_RECOVERED:
            read_report(r, &f);
            break;
        default:
            read_outer(r, &f);
        }
    }
}

static void read_rebuilt(struct conn *c, const uint8_t *frames, uint32_t len, uint64_t now)
{
    struct reading r = {.c = c, .now = now};

    read_frames(&r, frames, frames + len, true);
}

void conn_receive(struct conn *c, uint64_t now, const struct conn_received *p)
{
    struct reading r = {.c = c, .now = now, .probing = true};
    bool newest = p->pn >= c->newest;

    if (c->closed)
        return;
    r.path = path_arrived(c, p, now);
    c->last_rx = now;
    c->misses = 0;
    c->stats.packets_received++;
    c->stats.bytes_received += p->bytes;
    c->stats.ce_received += p->ecn == ECN_CE;
    read_frames(&r, p->frames, p->frames + p->len, false);
    if (r.protected && !c->closed)
        fec_rebuild(c, now, read_rebuilt);
    if (c->closed)
        return;
    ack_arrived(c, p, r.eliciting, now);
    messages_note(c);
    if (newest)
        c->newest = p->pn + 1;
    path_settled(c, r.path, newest, r.probing, now);
    streams_wake(c, now);
}
