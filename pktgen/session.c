#include "session.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>

#include <rte_cycles.h>

#include "send.h"

enum { GENERATION_MIN = 1 }; /* so that no SPI is below WIRE_SPI_MIN */
enum { STREAM_HDR_MAX = 1 + 4 + 8, FEC_HDR_MAX = 2 + 12 };
enum { SYMBOLS_MAX = 1 << 17, DECODER_BLOCKS = 2 }; /* each worker; each session, mostly */
enum { PING_US = 250000 };

/* Memory of the worker's sessions, n objects; it comes, zeroed, when it is touched. */
static void *map(struct worker *w, size_t size, size_t n)
{
    struct mapping *m = &w->mapping[w->mappings];

    m->size = size * n + 1;
    m->memory = mmap(NULL, m->size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (m->memory == MAP_FAILED)
        return NULL;
    w->mappings++;
    return m->memory;
}

static bool pool_new(struct worker *w, struct pool *pool, size_t size, uint32_t n)
{
    void *mem = map(w, pool_footprint((uint32_t)size, n), 1);

    if (mem)
        pool_init(pool, mem, (uint32_t)size, n);
    return mem;
}

static bool fec_new(struct worker *w, const struct open_params *o, uint32_t n)
{
    uint32_t blocks = n * DECODER_BLOCKS + FEC_BLOCKS;
    uint64_t symbols = (uint64_t)n * (o->fec_r + DECODER_BLOCKS * (o->fec_k + o->fec_r));

    if (o->fec_k == 0)
        return true;
    w->fec.symbol_max = jetgen_payload_max(&w->g->options);
    symbols = symbols < SYMBOLS_MAX ? symbols : SYMBOLS_MAX;
    return pool_new(w, &w->fec.symbols, w->fec.symbol_max, (uint32_t)symbols) &&
           pool_new(w, &w->fec.blocks, fec_block_size(), blocks) &&
           pool_new(w, &w->encoders, sizeof(struct fec_enc), n) &&
           pool_new(w, &w->decoders, sizeof(struct fec_dec), n);
}

static void path_of(const struct worker *w, uint32_t index, struct jp_path *path)
{
    const struct options *o = &w->g->options;

    *path = (struct jp_path){
        .peer_port = o->port,
        .our_port = (uint16_t)(SOURCE_PORT_MIN + index / o->sources),
        .port = (uint8_t)w->g->port,
        .ip_version = o->target.version,
    };
    source_address(&o->source, index % o->sources, path->our_ip);
    memcpy(path->peer_ip, o->target.ip, 16);
    memcpy(path->our_mac, w->g->our_mac, 6);
    memcpy(path->peer_mac, &w->peer_mac, 6);
}

static int worker_sessions(struct worker *w)
{
    const struct jetgen *g = w->g;
    uint32_t workers = g->options.workers, streams = g->open.streams + 1;
    uint32_t inflight = (g->open.inflight + workers - 1) / workers;
    struct stream_state *stream;
    uint32_t n;

    n = (g->sessions + workers - 1 - w->index) / workers;
    w->sessions = map(w, sizeof(struct session), n);
    stream = map(w, sizeof(*stream), (size_t)n * streams);
    if (!w->sessions || !stream || !fec_new(w, &g->open, n) ||
        !pool_new(w, &w->handshakes, sizeof(struct handshake), inflight))
        return -ENOMEM;
    wheel_init(&w->wheel, jetgen_us(g, rte_rdtsc()) / TIMER_TICK_US);
    w->up = w->unconfirmed = w->cursor = 0;
    w->max_frames = UINT16_MAX;
    w->peer_mac = __atomic_load_n(&g->peer_mac, __ATOMIC_RELAXED);
    w->n_sessions = n;
    for (uint32_t i = 0; i < n; i++) {
        struct session *s = &w->sessions[i];

        s->index = i * workers + w->index;
        s->queue = (uint16_t)(i % w->queues);
        s->streams = stream + (size_t)i * streams;
        path_of(w, s->index, &s->path);
        s->header_len = path_header(s->header, &s->path);
        session_begin(w, s);
    }
    return 0;
}

void sessions_redirect(struct worker *w)
{
    w->peer_mac = __atomic_load_n(&w->g->peer_mac, __ATOMIC_RELAXED);
    for (uint32_t i = 0; i < w->n_sessions; i++) {
        struct session *s = &w->sessions[i];

        memcpy(s->path.peer_mac, &w->peer_mac, 6);
        path_header(s->header, &s->path);
    }
}

int sessions_new(struct jetgen *g)
{
    int ret = 0;

    for (unsigned i = 0; ret == 0 && i < g->options.workers; i++)
        ret = worker_sessions(g->worker[i]);
    if (ret != 0)
        sessions_free(g);
    return ret;
}

void sessions_free(struct jetgen *g)
{
    for (unsigned i = 0; i < g->options.workers; i++) {
        struct worker *w = g->worker[i];

        for (uint32_t j = 0; j < w->n_sessions; j++)
            session_down(w, &w->sessions[j]);
        while (w->mappings > 0) {
            struct mapping *m = &w->mapping[--w->mappings];

            munmap(m->memory, m->size);
        }
        w->n_sessions = 0;
        session_queue_init(&w->waiting);
    }
    g->sessions = 0;
}

void session_begin(struct worker *w, struct session *s)
{
    if (s->generation < GENERATION_MIN)
        s->generation = (uint8_t)(GENERATION_MIN + prng_below(&w->prng, 255));
    s->client_spi = (uint32_t)s->generation << SESSION_BITS | s->index;
    s->generation++;
    s->state = SESSION_WAITING;
    session_queue_push(&w->waiting, s);
}

static int limits(struct worker *w, struct session *s, const struct hs_params *peer)
{
    uint32_t payload = jetgen_payload_max(&w->g->options);

    if (w->g->open.streams >= peer->max_streams) {
        snprintf(w->error, sizeof(w->error), "streams=%u: the data plane takes ids below %u",
                 w->g->open.streams, peer->max_streams);
        return -EPROTO;
    }
    if (payload > peer->max_packet)
        payload = peer->max_packet;
    s->max_frames = (uint16_t)(((payload - WIRE_DATA_HDR - WIRE_TAG) & ~3u) - WIRE_TRAILER_MIN);
    if (s->max_frames < w->max_frames)
        w->max_frames = s->max_frames;
    return 0;
}

void session_ping(struct worker *w, struct session *s)
{
    uint8_t frame;

    send_control(w, s, &frame, (uint32_t)(frame_put_ping(&frame) - &frame));
    s->ping_at = w->now + PING_US;
    session_wake(w, s, s->ping_at);
}

int session_up(struct worker *w, struct session *s, const struct hs_result *r)
{
    if (limits(w, s, &r->peer) != 0)
        return -EPROTO;
    s->server_spi = r->server_spi;
    memcpy(s->server_identity, r->server_identity, HS_IDENTITY_LEN);
    epoch_tx_init(&s->tx, w->aead, r->alg, r->c2s_secret);
    epoch_rx_init(&s->rx, w->aead, r->alg, r->s2c_secret);
    memset(&s->replay, 0, sizeof(s->replay));
    s->ack = (struct ack){0};
    for (uint32_t i = 0; i <= w->g->open.streams; i++)
        s->streams[i].next_seq = 0;
    if (w->g->open.fec_k > 0) {
        s->enc = pool_get(&w->encoders);
        s->dec = pool_get(&w->decoders);
        fec_enc_init(s->enc, w->g->open.fec_k, w->g->open.fec_r);
        fec_dec_init(s->dec);
    }
    s->state = SESSION_UP;
    s->confirmed = false;
    count_up(w, 1);
    w->unconfirmed++;
    session_ping(w, s);
    return 0;
}

static void fec_free(struct worker *w, struct session *s)
{
    if (!s->enc)
        return;
    fec_enc_fini(s->enc, &w->fec);
    fec_dec_fini(s->dec, &w->fec);
    pool_put(&w->encoders, s->enc);
    pool_put(&w->decoders, s->dec);
    s->enc = NULL;
    s->dec = NULL;
}

void session_down(struct worker *w, struct session *s)
{
    send_seal(w); /* some of it may need the keys */
    if (s->state == SESSION_UP) {
        count_up(w, -1);
        w->unconfirmed -= !s->confirmed;
    }
    if (s->handshake) {
        hs_client_wipe(&s->handshake->client);
        pool_put(&w->handshakes, s->handshake);
        s->handshake = NULL;
    }
    rte_pktmbuf_free(s->held);
    s->held = NULL;
    fec_free(w, s);
    epoch_tx_wipe(&s->tx);
    epoch_rx_wipe(&s->rx);
    if (wheel_armed(&s->timer))
        wheel_cancel(&s->timer);
    s->state = SESSION_DOWN;
    s->client_spi = 0;
}

uint32_t sessions_message_max(const struct jetgen *g)
{
    uint32_t frames = UINT16_MAX;

    for (unsigned i = 0; i < g->options.workers; i++)
        frames = RTE_MIN(frames, g->worker[i]->max_frames);
    return frames - STREAM_HDR_MAX - (g->open.fec_k > 0 ? FEC_HDR_MAX : 0);
}
