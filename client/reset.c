/* "I know no session for this packet", given and received: docs/protocol.md section 2.7. */
#include "bytes.h"
#include "endpoint.h"
#include "listen.h"
#include "route.h"

enum { ANSWERABLE = 40 }; /* bytes: the answer is not much larger */

static const struct rate believe_rate = {.per_second = 100, .burst = 100};

void reset_answer(struct socket *socket, const struct udp_packet *p)
{
    uint8_t reset[HS_RESET_LEN];
    struct jp_path path;

    if (!socket->listener || p->length < ANSWERABLE)
        return;
    path = socket_path(socket, p);
    if (!accept_may_reset(socket->listener, &path))
        return;
    hs_reset_make(&socket->listener->context->server, p->data, reset);
    endpoint_send_one(socket, &path, reset, sizeof(reset));
}

/* The client's session that lately sent the packet quoted. */
static jp_session *find_sender(struct endpoint *e, const uint8_t *quote)
{
    for (unsigned i = 0; i < ENDPOINT_HEADS; i++)
        for (jp_session *s = e->sessions[i]; s; s = s->next_by_spi)
            if (!s->server && s->state == SESSION_OPEN && tunnel_sent(&s->tunnel, quote))
                return s;
    return NULL;
}

void reset_believe(struct endpoint *e, const struct udp_packet *p)
{
    jp_session *s;

    if (p->length != HS_RESET_LEN || !bucket_pass(&e->resets, believe_rate, loop_clock(e->loop)))
        return;
    s = find_sender(e, p->data + WIRE_HS_HDR);
    if (!s || !hs_reset_check(p->data, p->length, s->key.bytes))
        return;
    s->mute = true;
    drr_remove(&e->drr, &s->turn);
    session_over(s, JP_CLOSED_RESET, JP_CODE_NONE, "the server has forgotten the session");
}
