/* A session's keys and packet numbers in both directions: frames become packets, packets frames,
 * in bursts over the sessions of a loop. */
#ifndef CLIENT_TUNNEL_H
#define CLIENT_TUNNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "epoch.h"
#include "handshake.h"
#include "replay.h"
#include "wire.h"

struct tunnel {
    struct epoch_rx rx;
    struct epoch_tx tx;
    struct replay replay;
    uint32_t tx_spi; /* that the peer chose */
};

/* Begin with the keys that a handshake left; wipe the result afterwards. */
void tunnel_init(struct tunnel *t, struct aead *aead, const struct hs_result *keys, bool server);
void tunnel_wipe(struct tunnel *t);

/* A burst to open, of up to AEAD_BURST_MAX packets. */
struct opening {
    struct aead_op ops[AEAD_BURST_MAX];
    struct aead_key scratch[AEAD_BURST_MAX];
    unsigned count, scratched;
};

/* Add a packet of t's, len bytes at data that wire_classify found to be `info`. Its place in the
 * burst, or -1: it is old, a repetition, or of an epoch far away. */
int tunnel_receive(struct opening *o, struct tunnel *t, struct aead *aead, uint8_t *data,
                   const struct wire_info *info);
/* Decrypt the burst; o->ops[place].ok says which are authentic. */
void tunnel_open(struct opening *o, struct aead *aead);
/* Take an authentic packet of an opened burst, after which its number will not come again. Returns
 * the length of its frames, at op->text, or < 0: it came twice, or is not a packet of ours. */
int tunnel_take(struct tunnel *t, struct aead *aead, const struct aead_op *op);

enum tunnel_next {
    TUNNEL_READY,
    TUNNEL_REKEY,   /* seal what is pending, then tunnel_rekey */
    TUNNEL_BLOCKED, /* the peer has to acknowledge something first */
};
/* May the packet t->tx.next_pn be sent? */
enum tunnel_next tunnel_next(const struct tunnel *t);
void tunnel_rekey(struct tunnel *t, struct aead *aead);
/* Wrap frames_len bytes of frames that begin WIRE_DATA_HDR bytes behind packet, with
 * WIRE_TRAILER_MAX
 * + WIRE_TAG bytes of room behind them: fills op for aead_seal, returns the packet's length. */
uint32_t tunnel_wrap(struct tunnel *t, uint8_t *packet, uint32_t frames_len, struct aead_op *op);

/* Did we send, lately, the packet that begins with these WIRE_QUOTE bytes? */
bool tunnel_sent(const struct tunnel *t, const uint8_t *quote);

#endif
