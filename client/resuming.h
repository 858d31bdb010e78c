/* Sessions that are resumed: what a client keeps of one, and how the next begins with it. */
#ifndef CLIENT_RESUMING_H
#define CLIENT_RESUMING_H

#include "session.h"

/* The attempt to resume a session that is connecting. */
struct resuming {
    struct resumption kept; /* until the hello is made */
    struct resume_client client;
};

/* With the bytes that a callback got once: from now on s takes early messages. JP_INVALID. */
int resuming_new(struct resuming **resuming, jp_session *s, const void *data, size_t size);
/* Make the hello, with what early messages there are, for the server of that name at the end of
 * path. False: the program does not trust the key of the resumption, or it cannot be used. */
bool resuming_start(struct resuming *r, jp_session *s, const char *name, const struct jp_path *path,
                    uint64_t now);
void resuming_free(struct resuming *r);

/* Keep what a ticket needs; a ticket came; forget it all. */
void resuming_keep(jp_session *s, const struct hs_result *keys);
void resuming_ticket(jp_session *s, const uint8_t *ticket, uint32_t len);
void resuming_forget(jp_session *s);

#endif
