/* What the headers of nearly every data packet that a port gets look like, for parse to compare at
 * once: to its MAC and VLAN, to its first IPv4 or IPv6 address, UDP, no options, no fragment. */
#ifndef DATAPLANE_OUTLINE_H
#define DATAPLANE_OUTLINE_H

#include <stdint.h>

#include "burst.h"

struct port;

enum { OUTLINE_LEN = 64 }; /* a data packet is longer, whatever is inside */

typedef uint64_t outline_vector __attribute__((vector_size(16)));

struct outline {
    /* the frame's first bytes: what they must be where a bit of mask is set */
    outline_vector want[OUTLINE_LEN / 16], mask[OUTLINE_LEN / 16];
    struct layers layers;
    uint16_t length_at; /* offset in the frame of IP's length, ... */
    uint16_t front;     /* ... which does not count so many of its bytes */
    uint32_t min_len;   /* of a frame with a data packet; UINT32_MAX: there is no such address */
};

/* Of IPv4 and of IPv6. */
struct outlines {
    struct outline v4, v6;
};

void outlines_init(struct outlines *o, const struct port *port);

#endif
