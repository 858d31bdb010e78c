#include "load.h"

#include <stdlib.h>

#include <rte_cycles.h>

#include "bytes.h"
#include "egress.h"
#include "pages.h"
#include "report.h"

enum { MBUFS = 3 * LOAD_ROUND_MAX, HEADROOM = 128 };

#define STAGE(name, text) {#name, JP_##name},
static const struct {
    const char *name;
    enum jp_counter counter;
} stages[LOAD_STAGES] = {JP_STAGES(STAGE)};
#undef STAGE

struct load_session {
    struct session *s;
    uint64_t pn, seq;
    struct jp_path path;
    struct fec_enc enc;
    unsigned repairs; /* of the full block, to be sent */
};

struct plane *load_plane(unsigned lcores, unsigned sessions, bool fec)
{
    struct plane *plane;
    void *state;

    plane_size.hugepages = true;
    plane_size.memory_mb = lcores * (256 + sessions / 1024);
    plane_size.lcores = lcores;
    plane_size.sessions = lcores * RTE_MAX(sessions, 65536u);
    plane_size.mbufs = lcores * MBUFS;
    plane_size.mbuf_cache = 256;
    plane_size.stream_chunks = sessions + 64;
    if (fec) {
        plane_size.fec_blocks = 16 * LOAD_FEC_SESSIONS_MAX;
        plane_size.fec_symbols = 256 * LOAD_FEC_SESSIONS_MAX;
    }
    plane_setup(&state);
    plane = state;
    plane_workers(plane, lcores);
    return plane;
}

/* All over the table. */
static uint32_t server_spi(uint32_t i)
{
    return (i + 256) * 2654435761u | 1u << 31;
}

static void install(struct load *l, unsigned i)
{
    static uint32_t installed;

    while (owner_of(&l->plane->dp, server_spi(installed)) != l->o.lcore)
        installed++;
    const struct config *config = &l->plane->dp.config;
    struct jp_ipc_install in = {
        .path = plane_path(installed, l->o.listener, 4),
        .server_spi = server_spi(installed),
        .client_spi = 0xc0000000,
        .idle_timeout_ms = 60000,
        .max_streams = 100,
        .max_packet = 1472,
        .alg = (uint8_t)l->o.alg,
        .fec_k = l->o.fec_k,
        .fec_r = l->o.fec_r,
        .our_max_streams = config->max_streams,
    };
    struct load_session *ls = &l->session[i];

    in.path.port = (uint8_t)l->plane->dp.port[PLANE_UNTAGGED].id;
    memcpy(in.c2s_secret, &installed, sizeof(installed));
    memcpy(in.s2c_secret, &in.server_spi, sizeof(in.server_spi));
    installed++;
    int error = session_install(l->lc, &in);

    if (error != 0 && error != -EEXIST)
        report_fail("a session was refused");
    if (error == -EEXIST) {
        install(l, i);
        return;
    }
    *ls = (struct load_session){.s = session_find(l->lc->sessions, in.server_spi), .path = in.path};
    l->seal_key[i] = l->open_key[i] = ls->s->rx.current;
    l->send_key[i] = ls->s->tx.current;
    if (l->o.fec_k > 0)
        fec_enc_init(&ls->enc, l->o.fec_k, l->o.fec_r);
}

struct load *load_new(struct plane *plane, const struct load_options *o)
{
    struct load *l = calloc(1, sizeof(*l));

    *l = (struct load){.o = *o, .plane = plane, .lc = plane->dp.lcore[o->lcore], .random = 1};
    l->session = calloc(o->sessions, sizeof(*l->session));
    l->seal_key = pages_map(o->sessions * sizeof(*l->seal_key));
    l->open_key = pages_map(o->sessions * sizeof(*l->open_key));
    l->send_key = pages_map(o->sessions * sizeof(*l->send_key));
    if (!l->session || !l->seal_key || !l->open_key || !l->send_key)
        report_fail("no memory");
    l->lc->now = plane->now;
    if (o->fec_k > 0) {
        unsigned symbols = o->sessions * o->fec_r;

        l->fec.symbol_max = 1536;
        pool_init(&l->fec.symbols, aligned_alloc(64, pool_footprint(1536, symbols)), 1536, symbols);
    }
    for (unsigned i = 0; i < o->sessions; i++)
        install(l, i);
    return l;
}

/* xorshift64*; the same in every run. */
static uint32_t random32(struct load *l)
{
    l->random ^= l->random >> 12;
    l->random ^= l->random << 25;
    l->random ^= l->random >> 27;
    return (uint32_t)(l->random * UINT64_C(0x2545f4914f6cdd1d) >> 32);
}

static uint32_t next_size(struct load *l)
{
    uint32_t draw = random32(l) % 12; /* IMIX: 7 small, 4 middle, 1 large */

    if (l->o.size > 0)
        return l->o.size;
    return draw < 7 ? 64 : draw < 11 ? 576 : LOAD_SIZE_MAX;
}

/* The frames of the session's next packet; returns their end. */
static uint8_t *next_frames(struct load *l, struct load_session *ls, uint8_t *p)
{
    struct fec_enc *enc = &ls->enc;

    if (ls->repairs > 0) {
        ls->repairs--;
        p = frame_put_fec_repair_hdr(p, enc->block, enc->count, enc->r, (uint8_t)ls->repairs);
        memcpy(p, fec_enc_repair(enc, ls->repairs), enc->longest);
        p += enc->longest;
        if (ls->repairs == 0)
            fec_enc_close(enc, &l->fec);
        return p;
    }
    uint32_t size = next_size(l);
    uint8_t *source = p;

    if (l->o.fec_k > 0)
        p += frame_fec_source_hdr_size(enc->block);
    uint8_t *frames = p;

    p = frame_put_stream_hdr(p, 1, ls->seq++, 0, true);
    memset(p, (int)size, size);
    p += size;
    if (l->o.fec_k > 0) {
        frame_put_fec_source_hdr(source, enc->block, enc->count, (uint16_t)(p - frames));
        if (fec_enc_add(enc, &l->fec, 0, frames - 2, (uint32_t)(p - frames) + 2) == 1)
            ls->repairs = enc->r;
    }
    return p;
}

/* What the AEAD is given for packet i, of len bytes of text. */
static void set_text(struct load *l, unsigned i, const struct aead_key *key, uint32_t spi,
                     uint64_t pn, uint8_t *text, uint32_t len)
{
    be32_store(l->aad[i], spi);
    be64_store(l->aad[i] + 4, pn);
    l->text[i] = (struct aead_text){
        .key = key, .text = text, .aad = l->aad[i], .len = len, .aad_len = AEAD_AAD_LEN};
    memcpy(l->text[i].nonce, key->salt, AEAD_SALT_LEN);
    be64_store(l->text[i].nonce + AEAD_SALT_LEN, pn);
}

/* Returns its bytes of data. */
static uint32_t fill_one(struct load *l, unsigned i)
{
    uint32_t which = random32(l) % l->o.sessions;
    struct load_session *ls = &l->session[which];
    uint8_t payload[PLANE_FRAME_MAX], *frames = payload + WIRE_DATA_HDR;
    struct client c = {.path = ls->path};
    uint8_t *end = next_frames(l, ls, frames);

    end += wire_trailer_put(end, (size_t)(end - frames));
    wire_data_hdr_put(payload, ls->s->server_spi, ls->pn);
    uint32_t text_len = (uint32_t)(end - frames);
    struct rte_mbuf *m = l->m[i];
    uint32_t len = client_frame(&c, payload, WIRE_DATA_HDR + text_len + WIRE_TAG,
                                rte_pktmbuf_mtod(m, uint8_t *));

    m->data_len = (uint16_t)len;
    m->pkt_len = len;
    l->of[i] = which;
    set_text(l, i, &l->seal_key[which], ls->s->server_spi, ls->pn++,
             rte_pktmbuf_mtod(m, uint8_t *) + len - WIRE_TAG - text_len, text_len);
    return frames[0] == FRAME_FEC_REPAIR ? 0 : text_len; /* the few bytes of headers count too */
}

static bool is_lost(struct load *l)
{
    return l->o.loss > 0 && random32(l) < l->o.loss * 4294967296.0;
}

typedef void aead_bulk(struct aead *aead, struct aead_text *texts, unsigned n);

static void slice_by(struct load *l, aead_bulk *bulk, unsigned first)
{
    for (unsigned i = first; i < first + LOAD_SLICE; i += BURST_MAX)
        bulk(l->lc->aead, l->text + i, BURST_MAX);
}

static void seal_burst(struct aead *aead, struct aead_text *texts, unsigned n)
{
    aead->vtable->seal(aead, texts, n);
}

static void seal_all(struct load *l)
{
    for (unsigned i = 0; i < l->o.round; i += LOAD_SLICE)
        slice_by(l, seal_burst, i);
}

/* To memory, with all that the data plane knows of the packets. */
static void cool(struct load *l)
{
#ifdef __x86_64__
    for (unsigned i = 0; l->o.cold && i < l->o.round; i++)
        for (uint32_t at = 0; at < HEADROOM + sizeof(*l->m[i]) + 1600; at += 64)
            __builtin_ia32_clflush((uint8_t *)l->m[i] + at);
    __builtin_ia32_mfence();
#else
    (void)l; /* no way to do so from user space is portable: cold=1 does nothing */
#endif
}

void load_fill(struct load *l)
{
    if (rte_pktmbuf_alloc_bulk(l->plane->mbufs, l->m, l->o.round) != 0)
        report_fail("no packet buffers");
    l->bytes = 0;
    for (unsigned i = 0; i < l->o.round;) {
        uint32_t data = fill_one(l, i);

        if (is_lost(l)) /* its number, and its part of the block, are gone */
            continue;
        l->bytes += data;
        i++;
    }
    seal_all(l);
}

/* What the stages took in the one turn of the slice whose stages were measured, if there was one.
 */
static void sample_stages(struct load_samples *samples, const struct load *l)
{
    uint64_t any = 0;

    for (unsigned i = 0; i < LOAD_STAGES; i++) {
        uint64_t *counter = &l->lc->counter[stages[i].counter];

        any |= samples->stage[i][samples->n_stages] = *counter / TURNS_A_LAP;
        *counter = 0;
    }
    samples->n_stages += any != 0;
}

/* The slice that began at `start` is over. */
static void sample(struct load_samples *samples, const struct load *l, uint64_t start)
{
    static_assert(LOAD_SLICE / BURST_MAX <= TURNS_A_LAP, "at most one turn is measured");

    samples->total[samples->n++] = rte_rdtsc() - start;
    sample_stages(samples, l);
}

static void measure_aead(struct load *l, struct load_samples *samples, aead_bulk *bulk)
{
    cool(l);
    for (unsigned i = 0; i < l->o.round; i += LOAD_SLICE) {
        uint64_t start = rte_rdtsc();

        slice_by(l, bulk, i);
        sample(samples, l, start);
    }
}

void load_open(struct load *l, struct load_samples *samples)
{
    for (unsigned i = 0; i < l->o.round; i++)
        l->text[i].key = &l->open_key[l->of[i]];
    measure_aead(l, samples, l->lc->aead->vtable->open);
    for (unsigned i = 0; i < l->o.round; i++) {
        if (!l->text[i].ok)
            report_fail("a packet did not open");
        l->text[i].key = &l->seal_key[l->of[i]];
    }
}

void load_seal(struct load *l, struct load_samples *samples)
{
    measure_aead(l, samples, seal_burst);
}

void load_run(struct load *l, struct load_samples *samples)
{
    struct rte_ring *in = l->plane->in[PLANE_UNTAGGED][l->o.lcore];

    if (rte_ring_enqueue_bulk(in, (void *const *)l->m, l->o.round, NULL) != l->o.round)
        report_fail("the port took no more");
    cool(l);
    while (!rte_ring_empty(in)) {
        uint64_t start = rte_rdtsc();

        for (unsigned i = 0; i < LOAD_SLICE; i += BURST_MAX)
            worker_turn(l->lc);
        sample(samples, l, start);
    }
    plane_ignore_sent(l->plane);
}

void load_warm(struct load *l)
{
    struct load_samples samples = load_samples(&l->o);

    for (uint64_t sent = 0; sent < 4 * (uint64_t)l->o.sessions; sent += l->o.round) {
        load_fill(l);
        load_run(l, &samples);
        samples.n = samples.n_stages = 0;
    }
}

/* ---- the transmit path ---- */

void load_fill_egress(struct load *l)
{
    if (rte_pktmbuf_alloc_bulk(l->plane->mbufs, l->m, l->o.round) != 0)
        report_fail("no packet buffers");
    l->bytes = 0;
    for (unsigned i = 0; i < l->o.round; i++) {
        uint32_t which = random32(l) % l->o.sessions;
        struct load_session *ls = &l->session[which];
        struct packet *p = packet_of(l->m[i]);
        uint32_t size = next_size(l);

        *p = (struct packet){.session = ls->s,
                             .data_len = (uint16_t)size,
                             .stream_id = 1,
                             .node = {.seq = ls->seq++, .fin = true}};
        uint8_t *data = rte_pktmbuf_mtod(l->m[i], uint8_t *);

        memset(data, (int)size, size);
        l->bytes += size;
        set_text(l, i, &l->send_key[which], ls->s->client_spi, ls->pn++, data, (size + 7) & ~3u);
    }
}

/* As a sink would. */
static void submit(struct load *l, unsigned first)
{
    lap_start(l->lc);
    for (unsigned i = first; i < first + BURST_MAX; i++)
        egress_data(l->lc, packet_of(l->m[i])->session, l->m[i]);
    lap(l->lc, JP_deliver_cycles);
}

void load_run_egress(struct load *l, struct load_samples *samples)
{
    cool(l);
    for (unsigned i = 0; i < l->o.round; i += LOAD_SLICE) {
        uint64_t start = rte_rdtsc();

        for (unsigned j = i; j < i + LOAD_SLICE; j += BURST_MAX) {
            submit(l, j);
            egress_run(l->lc);
        }
        sample(samples, l, start);
    }
    plane_ignore_sent(l->plane);
}

/* ---- figures ---- */

struct load_samples load_samples(const struct load_options *o)
{
    size_t n = (size_t)o->rounds * o->round / LOAD_SLICE;
    struct load_samples samples = {.total = calloc(n, sizeof(uint64_t))};

    for (unsigned i = 0; i < LOAD_STAGES; i++)
        samples.stage[i] = calloc(n, sizeof(uint64_t));
    return samples;
}

void load_report_stages(struct load_samples *samples)
{
    for (unsigned i = 0; i < LOAD_STAGES; i++) {
        uint64_t median = report_median(samples->stage[i], samples->n_stages);
        char name[32];

        snprintf(name, sizeof(name), "%s", stages[i].name);
        *strrchr(name, '_') = '.'; /* decrypt.cycles */
        if (median > 0)
            report(name, (double)median / BURST_MAX, "cycles/packet");
    }
}

double load_ns(struct load_samples *samples, const struct load *l)
{
    return (double)report_median(samples->total, samples->n) / LOAD_SLICE /
           l->plane->dp.tsc_per_us * 1000;
}

/* ---- arguments ---- */

static enum aead_alg parse_alg(const char *name)
{
    for (enum aead_alg a = AEAD_AES256_GCM; a <= AEAD_CHACHA20_POLY1305; a++)
        if (strcmp(name, aead_alg_name(a)) == 0)
            return a;
    report_usage("unknown algorithm");
}

static void parse_option(struct load_options *o, const char *name, const char *value)
{
    unsigned k, r;

    if (strcmp(name, "sessions") == 0)
        o->sessions = (unsigned)report_number(value, 1, 2000000);
    else if (strcmp(name, "size") == 0)
        o->size = strcmp(value, "imix") == 0 ? 0 : (unsigned)report_number(value, 1, LOAD_SIZE_MAX);
    else if (strcmp(name, "alg") == 0)
        o->alg = parse_alg(value);
    else if (strcmp(name, "round") == 0)
        o->round =
            (unsigned)report_number(value, LOAD_SLICE, LOAD_ROUND_MAX) / LOAD_SLICE * LOAD_SLICE;
    else if (strcmp(name, "rounds") == 0)
        o->rounds = (unsigned)report_number(value, 1, 1000000);
    else if (strcmp(name, "cold") == 0)
        o->cold = report_number(value, 0, 1);
    else if (strcmp(name, "loss") == 0)
        o->loss = (double)report_number(value, 0, 50) / 100;
    else if (strcmp(name, "fec") == 0 && sscanf(value, "%u+%u", &k, &r) == 2 && k <= FEC_K_MAX &&
             r <= FEC_R_MAX)
        o->fec_k = (uint8_t)k, o->fec_r = (uint8_t)r;
    else
        report_usage("unknown option");
}

struct load_options load_options(int argc, char **argv)
{
    struct load_options o = {.sessions = 1000,
                             .size = LOAD_SIZE_MAX,
                             .alg = AEAD_AES256_GCM,
                             .round = 1024,
                             .rounds = 300};

    for (int i = 1; i < argc; i++) {
        char *value = strchr(argv[i], '=');

        if (!value)
            report_usage("options are name=value");
        *value = '\0';
        parse_option(&o, argv[i], value + 1);
    }
    if (o.fec_k > 0 && o.sessions > LOAD_FEC_SESSIONS_MAX)
        o.sessions = LOAD_FEC_SESSIONS_MAX;
    if (o.fec_k > 0 && o.size > 1380) /* the wrapping must fit too */
        o.size = 1380;
    if (o.loss > 0 && o.fec_k == 0)
        report_usage("loss needs fec");
    if ((uint64_t)o.round * o.rounds / o.sessions > 1 << 21)
        report_usage("too many rounds for so few sessions: their keys would change");
    return o;
}
