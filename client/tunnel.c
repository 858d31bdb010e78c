#include "tunnel.h"

#include <sodium.h>

#include "bytes.h"

enum { QUOTE_AGE = 4096 };

void tunnel_init(struct tunnel *t, struct aead *aead, const struct hs_result *keys, bool server)
{
    epoch_rx_init(&t->rx, aead, keys->alg, server ? keys->c2s_secret : keys->s2c_secret);
    epoch_tx_init(&t->tx, aead, keys->alg, server ? keys->s2c_secret : keys->c2s_secret);
    t->replay = (struct replay){0};
    t->tx_spi = server ? keys->client_spi : keys->server_spi;
}

void tunnel_wipe(struct tunnel *t)
{
    epoch_rx_wipe(&t->rx);
    epoch_tx_wipe(&t->tx);
}

/* ---- received ---- */

int tunnel_receive(struct opening *o, struct tunnel *t, struct aead *aead, uint8_t *data,
                   const struct wire_info *info)
{
    struct aead_key *scratch = &o->scratch[o->scratched];
    const struct aead_key *key;

    if (replay_check(&t->replay, info->pn) != REPLAY_FRESH)
        return -1;
    key = epoch_rx_key(&t->rx, aead, info->pn, scratch);
    if (!key)
        return -1;
    o->scratched += key == scratch;
    o->ops[o->count] = (struct aead_op){
        .key = key,
        .text = data + WIRE_DATA_HDR,
        .pn = info->pn,
        .spi = info->spi,
        .len = info->text_len,
    };
    return (int)o->count++;
}

void tunnel_open(struct opening *o, struct aead *aead)
{
    aead_open(aead, o->ops, o->count);
    if (o->scratched)
        sodium_memzero(o->scratch, o->scratched * sizeof(*o->scratch));
    o->count = o->scratched = 0;
}

int tunnel_take(struct tunnel *t, struct aead *aead, const struct aead_op *op)
{
    if (replay_commit(&t->replay, op->pn) != REPLAY_FRESH)
        return -1;
    epoch_rx_commit(&t->rx, aead, op->pn);
    return wire_trailer_strip(op->text, op->len);
}

/* ---- to send ---- */

enum tunnel_next tunnel_next(const struct tunnel *t)
{
    if (epoch_of(t->tx.next_pn) == t->tx.epoch)
        return TUNNEL_READY;
    return t->tx.acked ? TUNNEL_REKEY : TUNNEL_BLOCKED;
}

void tunnel_rekey(struct tunnel *t, struct aead *aead)
{
    epoch_tx_rotate(&t->tx, aead);
}

uint32_t tunnel_wrap(struct tunnel *t, uint8_t *packet, uint32_t frames_len, struct aead_op *op)
{
    uint64_t pn = t->tx.next_pn;
    uint32_t len;

    epoch_tx_next(&t->tx, &pn);
    wire_data_hdr_put(packet, t->tx_spi, pn);
    len = frames_len + (uint32_t)wire_trailer_put(packet + WIRE_DATA_HDR + frames_len, frames_len);
    *op = (struct aead_op){
        .key = &t->tx.current,
        .text = packet + WIRE_DATA_HDR,
        .pn = pn,
        .spi = t->tx_spi,
        .len = len,
    };
    return WIRE_DATA_HDR + len + WIRE_TAG;
}

bool tunnel_sent(const struct tunnel *t, const uint8_t *quote)
{
    uint64_t pn = be64_load(quote + 8);

    return be32_load(quote) == t->tx_spi && be32_load(quote + 4) == (uint32_t)pn &&
           pn < t->tx.next_pn && t->tx.next_pn - pn <= QUOTE_AGE;
}
