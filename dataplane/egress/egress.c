#include "egress.h"

#include <errno.h>

#include <rte_malloc.h>

#include "ingress/origin.h"
#include "stages.h"

struct egress *egress_new(int socket)
{
    struct egress *e =
        rte_zmalloc_socket("egress", sizeof(struct egress), RTE_CACHE_LINE_SIZE, socket);

    for (unsigned port = 0; e && port < JP_PORTS_MAX; port++)
        e->tx[port].room = BURST_MAX;
    return e;
}

int egress_session_start(struct lcore *lc, struct session *s, unsigned k, unsigned r)
{
    s->enc = NULL;
    if (k == 0)
        return 0;
    struct fec_enc *enc = pool_get(&lc->fec_encoders);

    if (!enc)
        return -ENOBUFS;
    int rc = fec_enc_init(enc, k, r);

    if (rc != 0) {
        pool_put(&lc->fec_encoders, enc);
        return rc;
    }
    s->enc = enc;
    return 0;
}

void egress_session_path(struct lcore *lc, struct session *s, const struct jp_path *path)
{
    const struct port *port = &lc->dp->port[port_index(lc->dp, path->port)];
    uint32_t payload = port->mtu - (path->ip_version == 4 ? 20u : 40u) - 8;

    if (payload > s->max_packet)
        payload = s->max_packet;
    uint32_t max_frames = ((payload - WIRE_DATA_HDR - WIRE_TAG) & ~3u) - WIRE_TRAILER_MIN;

    if (unlikely(max_frames < s->max_frames)) { /* what was made for the roomier path */
        egress_run(lc);
        if (s->enc)
            fec_enc_fini(s->enc, &lc->fec);
    }
    s->path = *path;
    s->flow = flow_of(path, port_index(lc->dp, path->port));
    lc->moved = true;
    s->header_len = path_header(s->header, path);
    s->max_frames = (uint16_t)max_frames;
}

void egress_session_end(struct lcore *lc, struct session *s)
{
    egress_run(lc);
    if (!s->enc)
        return;
    fec_enc_fini(s->enc, &lc->fec);
    pool_put(&lc->fec_encoders, s->enc);
    s->enc = NULL;
}

/* The order of the stages. fec submits its repairs behind what is queued, so they leave in a later
 * burst. */
void egress_run(struct lcore *lc)
{
    struct egress *e = lc->egress;

    e->running = true;
    tx_flush(lc);
    while (e->head != e->tail) {
        schedule_burst(e);
        lap(lc, JP_schedule_cycles);
        frame_burst(&e->burst);
        lap(lc, JP_frame_cycles);
        fec_burst(lc, &e->burst);
        lap(lc, JP_protect_cycles);
        encrypt_burst(lc, &e->burst);
        lap(lc, JP_encrypt_cycles);
        tx_burst(lc, &e->burst);
        lap(lc, JP_tx_cycles);
    }
    e->head = e->tail = 0; /* the front of the queue stays in the cache */
    e->running = false;
}
