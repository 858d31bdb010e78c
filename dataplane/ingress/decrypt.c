/* decrypt: find each packet's session, refuse replays before they cost anything, and open the
 * burst. Nothing of a session changes here: what a packet says is believed from the next stage on.
 */
#include "bytes.h"
#include "command.h"
#include "ingress.h"
#include "origin.h"
#include "session.h"
#include "wire.h"

enum { RESET_PACKET_MIN = 40, SCRATCH_KEYS = 4 };

/* Keys of the epochs before or after the current one, expanded for this burst only. */
struct scratch {
    unsigned n;
    struct {
        const struct session *session;
        uint64_t epoch;
    } of[SCRATCH_KEYS];
    struct aead_key key[SCRATCH_KEYS];
};

/* Packets on their way through aead_open. */
struct opening {
    unsigned n;
    struct rte_mbuf *m[BURST_MAX];
    struct aead_text text[BURST_MAX];
    struct scratch scratch;
};

/* Tell the control plane, which alone can sign a reset. */
static void report_unknown(struct lcore *lc, struct rte_mbuf *m)
{
    const struct packet *p = packet_of(m);
    const struct rate total = {lc->dp->config.reset_total, lc->dp->config.reset_total};
    struct jp_path path;
    struct event *e;

    if (WIRE_DATA_HDR + p->text_len + WIRE_TAG < RESET_PACKET_MIN)
        return;
    packet_path(lc->dp, m, &path);
    if (!prefix_limit_pass(lc->reset_limit, path.peer_ip, lc->now) ||
        !bucket_pass(&lc->reset_total, total, lc->now) ||
        !(e = event_new(lc, JP_IPC_UNKNOWN_SPI))) {
        count(lc, JP_resets_limited, 1);
        return;
    }
    e->u.unknown.path = path;
    memcpy(e->u.unknown.quote, rte_pktmbuf_mtod_offset(m, uint8_t *, p->layers.udp), JP_IPC_QUOTE);
    event_send(lc, e);
    count(lc, JP_resets_asked, 1);
}

/* A key from the scratch space for an epoch that is not the current one; NULL when it is too far
 * away. There is room for one. */
static const struct aead_key *scratch_key(struct lcore *lc, struct scratch *x,
                                          const struct session *s, uint64_t pn)
{
    const struct aead_key *key;

    for (unsigned i = 0; i < x->n; i++)
        if (x->of[i].session == s && x->of[i].epoch == epoch_of(pn))
            return &x->key[i];
    key = epoch_rx_key(&s->rx, lc->aead, pn, &x->key[x->n]);
    if (key) {
        x->of[x->n].session = s;
        x->of[x->n].epoch = epoch_of(pn);
        x->n++;
    }
    return key;
}

/* Open what was gathered; the good go behind the kept packets of b. */
static void open_gathered(struct lcore *lc, struct opening *o, struct burst *b, uint16_t *kept)
{
    aead_open_texts(lc->aead, o->text, o->n);
    for (unsigned i = 0; i < o->n; i++) {
        if (unlikely(!o->text[i].ok)) { /* its text is nobody's */
            drop(lc, o->m[i], JP_auth_failed);
            continue;
        }
        int len = wire_trailer_strip(o->text[i].text, o->text[i].len);

        if (unlikely(len < 0)) {
            drop(lc, o->m[i], JP_bad_trailer);
        } else {
            packet_of(o->m[i])->text_len = (uint32_t)len;
            b->m[(*kept)++] = o->m[i];
        }
    }
    for (unsigned i = 0; i < o->scratch.n; i++)
        aead_key_wipe(&o->scratch.key[i]);
    o->n = o->scratch.n = 0;
}

/* A peer enters an epoch only when a packet of the one before was acknowledged: without that every
 * packet could cost us a new key. */
static bool is_early(const struct session *s, uint64_t pn)
{
    return epoch_of(pn) > s->rx.current.epoch && !s->epoch_acked;
}

/* The AAD is SPI and packet number, which lie in the header but for the number's low half between
 * them: parse has seen that it repeats what follows, so the SPI may take its place. The nonce is
 * salt and number (RFC 4106 sections 4 and 5). */
static inline void set_text(struct aead_text *t, const struct aead_key *key, uint8_t *header,
                            uint32_t len)
{
    memcpy(header + 4, header, 4);
    t->key = key;
    t->text = header + WIRE_DATA_HDR;
    t->aad = header + 4;
    t->len = len;
    t->aad_len = AEAD_AAD_LEN;
    memcpy(t->nonce, key->salt, AEAD_SALT_LEN);
    memcpy(t->nonce + AEAD_SALT_LEN, header + 8, 8);
}

/* Add a packet to those to be opened, unless it is a replay or of an epoch too far. */
static void gather(struct lcore *lc, struct opening *o, struct rte_mbuf *m, struct session *s)
{
    struct packet *p = packet_of(m);
    enum replay_verdict verdict = replay_check(&s->replay, p->pn);
    const struct aead_key *key = &s->rx.current;

    if (verdict != REPLAY_FRESH) {
        drop(lc, m, verdict == REPLAY_SEEN ? JP_replay_seen : JP_replay_old);
        return;
    }
    p->is_unusual = false;
    if (unlikely(epoch_of(p->pn) != s->rx.current.epoch)) {
        p->is_unusual = true;
        if (is_early(s, p->pn) || !(key = scratch_key(lc, &o->scratch, s, p->pn))) {
            drop(lc, m, JP_epoch_far);
            return;
        }
    }
    if (unlikely(!packet_is_along(m, s))) {
        p->is_unusual = true;
        if (!udp_checksum_ok(m)) { /* it covers what the tag does not: where m came from */
            drop(lc, m, JP_udp_checksum);
            return;
        }
    }
    p->session = s;
    if (o->n == 0 || packet_of(o->m[o->n - 1])->session != s) {
        if (key->alg == AEAD_CHACHA20_POLY1305) /* ipsec-mb's AES key comes later */
            rte_prefetch0(key->expanded);
        replay_prefetch(&s->replay, p->pn); /* both are for the stages behind */
        if (s->streams.last && s->streams.last != &s->streams.first)
            rte_prefetch0(s->streams.last);
    }
    o->m[o->n] = m;
    set_text(&o->text[o->n++], key, rte_pktmbuf_mtod_offset(m, uint8_t *, p->layers.udp),
             p->text_len);
}

uint16_t ingress_decrypt(struct lcore *lc, struct burst *b)
{
    struct session *session[BURST_MAX];
    uint32_t spi[BURST_MAX];
    struct opening o;
    uint16_t kept = 0;

    o.n = o.scratch.n = 0;
    lc->moved = false;
    for (uint16_t i = 0; i < b->n; i++)
        spi[i] = packet_of(b->m[i])->spi;
    session_find_bulk(lc->sessions, spi, session, b->n);
    for (uint16_t i = 0; i < b->n; i++) {
        if (!session[i]) {
            report_unknown(lc, b->m[i]);
            drop(lc, b->m[i], JP_unknown_spi);
            continue;
        }
        gather(lc, &o, b->m[i], session[i]);
        if (o.scratch.n == SCRATCH_KEYS)
            open_gathered(lc, &o, b, &kept);
    }
    open_gathered(lc, &o, b, &kept);
    return b->n = kept;
}
