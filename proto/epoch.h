/* The key ratchet of one direction. epoch = packet number >> 22; the AEAD material of an epoch and
 * the secret of the next come from its secret by HKDF, so neither side ever signals a rekey:
 *
 *   material(e) = kdf_derive(secret(e), "key", 36 bytes)      key (32) || salt (4)
 *   secret(e+1) = kdf_derive(secret(e), "epoch", 32 bytes)
 *
 * A receiver holds the previous, current and next epoch and commits to the next only after one of
 * its packets authenticates. A sender enters an epoch only after a packet of the one before was
 * acknowledged, so the two sides are never more than one apart. Owned by one thread. */
#ifndef PROTO_EPOCH_H
#define PROTO_EPOCH_H

#include <stdbool.h>
#include <stdint.h>

#include "aead.h"
#include "kdf.h"

enum { EPOCH_SHIFT = 22 };

static inline uint64_t epoch_of(uint64_t pn)
{
    return pn >> EPOCH_SHIFT;
}

struct epoch_rx {
    struct aead_key current;
    uint8_t prev[AEAD_MATERIAL_LEN];     /* valid when the epoch is > 0 */
    uint8_t material[AEAD_MATERIAL_LEN]; /* current, unexpanded: the next prev */
    uint8_t next[AEAD_MATERIAL_LEN];
    uint8_t next_secret[KDF_HASH_LEN]; /* secret(current.epoch + 1) */
};

struct epoch_tx {
    struct aead_key current;
    uint64_t next_pn;  /* the next packet number to send */
    uint64_t epoch;    /* of current */
    uint64_t prev_end; /* behind the last number of the epoch before that was sent */
    bool acked;        /* a packet of this epoch has been acknowledged */
    uint8_t next_secret[KDF_HASH_LEN];
};

/* Start at epoch 0 with secret(0). 0, or -EINVAL for an unknown algorithm. */
int epoch_rx_init(struct epoch_rx *rx, struct aead *aead, enum aead_alg alg,
                  const uint8_t secret[KDF_HASH_LEN]);
int epoch_tx_init(struct epoch_tx *tx, struct aead *aead, enum aead_alg alg,
                  const uint8_t secret[KDF_HASH_LEN]);
void epoch_rx_wipe(struct epoch_rx *rx);
void epoch_tx_wipe(struct epoch_tx *tx);

/* The key that opens packet pn: the current one, or the previous or next expanded into *scratch
 * (valid while the caller keeps scratch; wipe it after use), or NULL when pn's epoch is further
 * away. Changes nothing: the packet is not authenticated yet. */
const struct aead_key *epoch_rx_key(const struct epoch_rx *rx, struct aead *aead, uint64_t pn,
                                    struct aead_key *scratch);

/* Packet pn authenticated: when it is of the next epoch make that the current one, wiping what
 * retires. Keys returned by epoch_rx_key before this call for other packets of the same burst may
 * point into rx: commit only after the whole burst has been opened. */
void epoch_rx_commit(struct epoch_rx *rx, struct aead *aead, uint64_t pn);

enum epoch_next {
    EPOCH_OK,      /* *pn taken; seal with tx->current */
    EPOCH_ROTATE,  /* the next number starts an epoch: seal what is pending, call epoch_tx_rotate,
                      retry */
    EPOCH_BLOCKED, /* the next epoch may not start before an acknowledgement: do not send */
};
enum epoch_next epoch_tx_next(struct epoch_tx *tx, uint64_t *pn);
/* Jump to the first number of the next epoch and rekey: after EPOCH_ROTATE, or to force a rekey by
 * time. 0, or -EAGAIN when nothing of the current epoch was acknowledged yet. No packet sealed with
 * the old key may be pending. */
int epoch_tx_rotate(struct epoch_tx *tx, struct aead *aead);
/* The peer acknowledged pn. 0, or -EPROTO when pn was never sent (as far as this and the previous
 * epoch tell: in older ones, numbers skipped by a rekey by time pass and change nothing). */
int epoch_tx_acked(struct epoch_tx *tx, uint64_t pn);

#endif
