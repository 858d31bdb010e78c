/* Sessions begin and end: the open and close phases. */
#include "frame.h"
#include "handshakes.h"
#include "kinds.h"
#include "send.h"

enum { CONFIRM_US = 1000000 };

static int nothing_begins(struct worker *w)
{
    (void)w;
    return 0;
}

static unsigned nothing_made(struct worker *w)
{
    (void)w;
    return 0;
}

static void nothing_ends(struct worker *w)
{
    (void)w;
}

/* All handshakes have come to an end, and the server has answered under the new keys or had the
 * time to. */
static bool open_over(struct worker *w)
{
    if (is_stopped(w))
        return true;
    if (handshakes_busy(w)) {
        w->ends_at = 0;
        return false;
    }
    if (w->ends_at == 0)
        w->ends_at = w->now + CONFIRM_US;
    return w->unconfirmed == 0 || w->now >= w->ends_at;
}

const struct kind kind_open = {nothing_begins, nothing_made, open_over, nothing_ends};

static int close_begin(struct worker *w)
{
    w->cursor = 0;
    session_queue_init(&w->waiting);
    return 0;
}

static unsigned close_make(struct worker *w)
{
    uint8_t frame[8];
    uint32_t len = (uint32_t)(frame_put_close(frame, CLOSE_NONE, "") - frame);
    unsigned n = 0;

    while (n < BURST && w->cursor < w->n_sessions && send_room(w)) {
        struct session *s = &w->sessions[w->cursor++];

        if (s->state == SESSION_UP)
            send_control(w, s, frame, len);
        if (s->state != SESSION_DOWN)
            session_down(w, s);
        n++;
    }
    return n;
}

static bool close_over(struct worker *w)
{
    return w->cursor == w->n_sessions;
}

const struct kind kind_close = {close_begin, close_make, close_over, nothing_ends};
