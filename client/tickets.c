#include "tickets.h"

#include <pthread.h>
#include <sodium.h>

enum { US_PER_S = 1000000 };

struct tickets {
    pthread_mutex_t lock;
    uint64_t now_s; /* of whichever loop's clock was latest */
    struct resume_tickets keys;
};

struct tickets *tickets_new(void)
{
    struct tickets *t = sodium_malloc(sizeof(*t)); /* locked, where it may be */

    if (!t)
        return NULL;
    t->now_s = 0;
    pthread_mutex_init(&t->lock, NULL);
    resume_tickets_init(&t->keys, &hs_random_system, 0);
    return t;
}

void tickets_free(struct tickets *t)
{
    if (!t)
        return;
    pthread_mutex_destroy(&t->lock);
    sodium_free(t); /* wipes them */
}

/* The keys as they are to be now. */
static struct resume_tickets *enter(struct tickets *t, uint64_t now)
{
    pthread_mutex_lock(&t->lock);
    if (t->now_s < now / US_PER_S)
        t->now_s = now / US_PER_S;
    resume_tickets_tick(&t->keys, &hs_random_system, t->now_s);
    return &t->keys;
}

void tickets_make(struct tickets *t, const struct hs_server *server,
                  const uint8_t resumption[KDF_HASH_LEN], uint64_t now,
                  uint8_t out[RESUME_TICKET_LEN])
{
    resume_ticket_make(enter(t, now), server, resumption, &hs_random_system, out);
    pthread_mutex_unlock(&t->lock);
}

enum hs_server_error tickets_open(struct tickets *t, const struct hs_server *server,
                                  struct aead *aead, const uint8_t *hello, uint64_t now,
                                  struct resume_early *early)
{
    enum hs_server_error error = resume_server_open(server, enter(t, now), aead, hello, early);

    pthread_mutex_unlock(&t->lock);
    return error;
}
