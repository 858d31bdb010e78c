/* Control frames of streams and flow control: state that both sides share, said again until it is
 * acknowledged or no longer true. */
#include <stddef.h>

#include "conn_state.h"

/* ---- read ---- */

static void read_blocked(struct conn *c, struct conn_stream *s, uint64_t want, uint64_t now)
{
    flow_rx_want(&s->rx, want);
    streams_credit(c, s, now);
}

static void read_of_stream(struct conn *c, struct conn_stream *s, const struct frame *f,
                           uint64_t now)
{
    uint64_t value = f->u.control.value, total = f->u.control.total;

    switch (f->type) {
    case FRAME_MAX_STREAM_DATA:
        if (flow_tx_raise(&s->tx, value)) {
            s->blocked = false;
            stream_settle(s, now);
        }
        break;
    case FRAME_STREAM_BLOCKED:
        read_blocked(c, s, value, now);
        break;
    case FRAME_FORWARD:
        forward_read(c, s, value, total, now);
        break;
    case FRAME_STREAM_END:
        stream_judge(c, s, reassembly_end(&s->in, value), "impossible STREAM_END", now);
        break;
    default:
        stream_judge(c, s, reassembly_reset(&s->in, total), "impossible STREAM_RESET", now);
    }
}

void control_read(struct conn *c, const struct frame *f, uint64_t now)
{
    uint64_t value = f->u.control.value;
    struct conn_stream *s;

    switch (f->type) {
    case FRAME_MAX_DATA:
        if (flow_tx_raise(&c->tx, value))
            c->to_wake = c->waiting.n;
        break;
    case FRAME_MAX_STREAMS:
        if (value > FRAME_STREAM_IDS)
            conn_violation(c, "impossible MAX_STREAMS", now);
        else if (value > c->ids_limit)
            c->ids_limit = value;
        break;
    case FRAME_DATA_BLOCKED:
        flow_rx_want(&c->rx, value);
        session_credit(c, now);
        break;
    default:
        s = stream_of_peer(c, f->u.control.stream, now);
        if (s)
            read_of_stream(c, s, f, now);
    }
}

/* ---- written ---- */

bool control_due(const struct conn *c)
{
    return c->due.head || c->max_data_due || c->max_streams_due || c->data_blocked_due ||
           c->ticket_state == TICKET_DUE;
}

static bool put(struct build *b, enum frame_type type, uint32_t stream, uint64_t value,
                uint64_t total)
{
    if (!build_fits(b, FRAME_CONTROL_MAX))
        return false;
    b->p = frame_put_control(b->p, type, stream, value, total);
    build_item(b,
               (struct sent_item){.type = (uint8_t)type, .stream = (uint16_t)stream, .seq = value});
    return true;
}

static bool put_once(struct build *b, enum frame_type type, uint32_t stream, uint64_t *value)
{
    if (*value == 0)
        return true;
    if (!put(b, type, stream, *value, 0))
        return false;
    *value = 0;
    return true;
}

static enum frame_type frame_of(enum sendq_control_type type)
{
    static const uint8_t frames[SENDQ_CONTROLS] = {
        [SENDQ_FORWARD] = FRAME_FORWARD,
        [SENDQ_END] = FRAME_STREAM_END,
        [SENDQ_RESET] = FRAME_STREAM_RESET,
    };

    return (enum frame_type)frames[type];
}

/* All that s has to say; false: there was no room for it all. */
static bool put_stream(struct build *b, struct conn_stream *s)
{
    struct sendq_control control;

    if (!put_once(b, FRAME_MAX_STREAM_DATA, s->id, &s->max_due) ||
        !put_once(b, FRAME_STREAM_BLOCKED, s->id, &s->blocked_due))
        return false;
    while (sendq_control_next(&s->queue, &control)) {
        if (!put(b, frame_of(control.type), s->id, control.seq, control.total))
            return false;
        sendq_control_sent(&s->queue, &control);
    }
    return true;
}

static struct conn_stream *stream_of_due(struct list_node *n)
{
    return (struct conn_stream *)((uint8_t *)n - offsetof(struct conn_stream, due));
}

static void put_ticket(struct build *b)
{
    struct conn *c = b->c;

    if (c->ticket_state != TICKET_DUE || !build_fits(b, 2 + (size_t)c->ticket_len))
        return;
    b->p = frame_put_ticket(b->p, c->ticket, c->ticket_len);
    build_item(b, (struct sent_item){.type = FRAME_TICKET, .seq = c->tickets});
    c->ticket_state = TICKET_FLYING;
}

void control_put(struct build *b)
{
    struct conn *c = b->c;

    if (!put_once(b, FRAME_MAX_DATA, 0, &c->max_data_due) ||
        !put_once(b, FRAME_MAX_STREAMS, 0, &c->max_streams_due) ||
        !put_once(b, FRAME_DATA_BLOCKED, 0, &c->data_blocked_due))
        return;
    put_ticket(b);
    while (c->due.head && put_stream(b, stream_of_due(c->due.head)))
        list_remove(&c->due, c->due.head);
}

/* ---- what became of them ---- */

/* The queue's name of a frame; SENDQ_CONTROLS: it is none of its. */
static enum sendq_control_type control_of(uint8_t type)
{
    switch (type) {
    case FRAME_FORWARD:
        return SENDQ_FORWARD;
    case FRAME_STREAM_END:
        return SENDQ_END;
    case FRAME_STREAM_RESET:
        return SENDQ_RESET;
    default:
        return SENDQ_CONTROLS;
    }
}

void item_acked(struct conn *c, const struct sent_item *i, uint64_t now)
{
    enum sendq_control_type control = control_of(i->type);
    struct conn_stream *s;

    if (i->type == FRAME_TICKET && i->seq == c->tickets)
        c->ticket_state = TICKET_NONE;
    if (!is_fragment(i) && control == SENDQ_CONTROLS)
        return;
    s = stream_find(c, i->stream);
    if (!s)
        return;
    if (is_fragment(i))
        sendq_acked(&s->queue, i->seq, i->offset, i->len, i->type & FRAME_STREAM_FIN);
    else
        sendq_control_acked(&s->queue, control, i->seq);
    s->blocked = false;
    stream_settle(s, now);
}

static void stream_item_lost(struct conn_stream *s, const struct sent_item *i, uint64_t now)
{
    enum sendq_control_type control = control_of(i->type);

    if (is_fragment(i)) {
        sendq_lost(&s->queue, i->seq, i->offset, i->len, i->type & FRAME_STREAM_FIN);
    } else if (control != SENDQ_CONTROLS) {
        sendq_control_lost(&s->queue, control, i->seq);
    } else if (i->type == FRAME_MAX_STREAM_DATA) {
        if (flow_rx_lost(&s->rx, i->seq))
            s->max_due = i->seq;
    } else if (s->tx.limit < i->seq && s->blocked_at == i->seq) { /* STREAM_BLOCKED */
        s->blocked_due = i->seq;
    }
    stream_settle(s, now);
}

void item_lost(struct conn *c, const struct sent_item *i, uint64_t now)
{
    struct conn_stream *s;

    switch (i->type) {
    case FRAME_MAX_DATA:
        if (flow_rx_lost(&c->rx, i->seq))
            c->max_data_due = i->seq;
        return;
    case FRAME_MAX_STREAMS:
        if (c->max_streams_due == 0)
            c->max_streams_due = c->ids_told;
        return;
    case FRAME_DATA_BLOCKED:
        if (c->tx.limit < i->seq && c->data_blocked_at == i->seq)
            c->data_blocked_due = i->seq;
        return;
    case FRAME_TICKET:
        if (c->ticket_state == TICKET_FLYING && i->seq == c->tickets)
            c->ticket_state = TICKET_DUE;
        return;
    case FRAME_MAX_STREAM_DATA:
    case FRAME_STREAM_BLOCKED:
    case FRAME_FORWARD:
    case FRAME_STREAM_END:
    case FRAME_STREAM_RESET:
        break;
    default:
        if (!is_fragment(i))
            return;
    }
    s = stream_find(c, i->stream);
    if (s)
        stream_item_lost(s, i, now);
}

void item_again(struct conn *c, const struct sent_item *i, uint64_t now)
{
    struct conn_stream *s = is_fragment(i) ? stream_find(c, i->stream) : NULL;

    if (!is_fragment(i) || (s && sendq_is_reliable(&s->queue, i->seq)))
        item_lost(c, i, now);
}
