#include "epoch.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

static void derive_material(uint8_t material[AEAD_MATERIAL_LEN], const uint8_t secret[KDF_HASH_LEN])
{
    kdf_derive(material, AEAD_MATERIAL_LEN, secret, "key", NULL, 0);
}

/* secret(e) becomes secret(e + 1). */
static void ratchet(uint8_t secret[KDF_HASH_LEN])
{
    uint8_t next[KDF_HASH_LEN];

    kdf_derive(next, sizeof(next), secret, "epoch", NULL, 0);
    memcpy(secret, next, sizeof(next));
    sodium_memzero(next, sizeof(next));
}

/* ---- receiver ---- */

int epoch_rx_init(struct epoch_rx *rx, struct aead *aead, enum aead_alg alg,
                  const uint8_t secret[KDF_HASH_LEN])
{
    int rc;

    memset(rx, 0, sizeof(*rx));
    derive_material(rx->material, secret);
    memcpy(rx->next_secret, secret, KDF_HASH_LEN);
    ratchet(rx->next_secret);
    derive_material(rx->next, rx->next_secret);
    rc = aead_key_init(aead, &rx->current, alg, rx->material);
    if (rc < 0)
        epoch_rx_wipe(rx);
    return rc;
}

void epoch_rx_wipe(struct epoch_rx *rx)
{
    sodium_memzero(rx, sizeof(*rx));
}

const struct aead_key *epoch_rx_key(const struct epoch_rx *rx, struct aead *aead, uint64_t pn,
                                    struct aead_key *scratch)
{
    uint64_t epoch = epoch_of(pn);
    const uint8_t *material;

    if (epoch == rx->current.epoch)
        return &rx->current;
    if (epoch == rx->current.epoch + 1)
        material = rx->next;
    else if (epoch + 1 == rx->current.epoch)
        material = rx->prev;
    else
        return NULL;
    aead_key_init(aead, scratch, rx->current.alg, material);
    return scratch;
}

void epoch_rx_commit(struct epoch_rx *rx, struct aead *aead, uint64_t pn)
{
    if (epoch_of(pn) != rx->current.epoch + 1)
        return;
    memcpy(rx->prev, rx->material, AEAD_MATERIAL_LEN);
    memcpy(rx->material, rx->next, AEAD_MATERIAL_LEN);
    aead_key_init(aead, &rx->current, rx->current.alg, rx->material);
    rx->current.epoch = epoch_of(pn);
    ratchet(rx->next_secret);
    derive_material(rx->next, rx->next_secret);
}

/* ---- sender ---- */

/* Make current the key of `secret` and keep the secret after it. */
static int tx_enter(struct epoch_tx *tx, struct aead *aead, enum aead_alg alg)
{
    uint8_t material[AEAD_MATERIAL_LEN];
    int rc;

    derive_material(material, tx->next_secret);
    rc = aead_key_init(aead, &tx->current, alg, material);
    sodium_memzero(material, sizeof(material));
    ratchet(tx->next_secret);
    return rc;
}

int epoch_tx_init(struct epoch_tx *tx, struct aead *aead, enum aead_alg alg,
                  const uint8_t secret[KDF_HASH_LEN])
{
    memset(tx, 0, sizeof(*tx));
    memcpy(tx->next_secret, secret, KDF_HASH_LEN);
    return tx_enter(tx, aead, alg);
}

void epoch_tx_wipe(struct epoch_tx *tx)
{
    sodium_memzero(tx, sizeof(*tx));
}

enum epoch_next epoch_tx_next(struct epoch_tx *tx, uint64_t *pn)
{
    if (epoch_of(tx->next_pn) != tx->epoch)
        return tx->acked ? EPOCH_ROTATE : EPOCH_BLOCKED;
    *pn = tx->next_pn++;
    return EPOCH_OK;
}

int epoch_tx_rotate(struct epoch_tx *tx, struct aead *aead)
{
    if (!tx->acked)
        return -EAGAIN;
    tx->prev_end = tx->next_pn;
    tx->epoch++;
    tx->next_pn = tx->epoch << EPOCH_SHIFT;
    tx->acked = false;
    return tx_enter(tx, aead, tx->current.alg);
}

int epoch_tx_acked(struct epoch_tx *tx, uint64_t pn)
{
    uint64_t epoch = epoch_of(pn);

    if (pn >= tx->next_pn || (epoch + 1 == tx->epoch && pn >= tx->prev_end))
        return -EPROTO;
    if (epoch == tx->epoch)
        tx->acked = true;
    return 0;
}
