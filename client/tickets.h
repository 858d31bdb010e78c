/* The tickets of a server's context, by which its clients resume sessions. All loops share them, so
 * a ticket is good once whichever loop gets it; they are made with the context, so none of an
 * earlier one is good. From any thread. */
#ifndef CLIENT_TICKETS_H
#define CLIENT_TICKETS_H

#include "resume.h"

struct tickets;

/* NULL: no memory. */
struct tickets *tickets_new(void);
void tickets_free(struct tickets *t);
/* As resume_ticket_make and resume_server_open; now in us. */
void tickets_make(struct tickets *t, const struct hs_server *server,
                  const uint8_t resumption[KDF_HASH_LEN], uint64_t now,
                  uint8_t out[RESUME_TICKET_LEN]);
enum hs_server_error tickets_open(struct tickets *t, const struct hs_server *server,
                                  struct aead *aead, const uint8_t *hello, uint64_t now,
                                  struct resume_early *early);

#endif
