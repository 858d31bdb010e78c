/* Where threads wait for the background loop: a lock, a condition, and a descriptor to poll. */
#ifndef CLIENT_GATE_H
#define CLIENT_GATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int fd; /* an eventfd: readable while `ready` */
    bool ready;
};

/* 0 or an error, with detail. */
int gate_init(struct gate *g, const char *what);
void gate_fini(struct gate *g);

/* The moment `timeout` from now, for gate_wait; < 0: never. */
uint64_t gate_until(int64_t timeout);
/* With the lock held: wait for gate_changed; false once that moment has passed. */
bool gate_wait(struct gate *g, uint64_t until);
/* With the lock held: what is waited for may have come. `ready`: there is something to take. */
void gate_changed(struct gate *g, bool ready);

static inline void gate_lock(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
}

static inline void gate_unlock(struct gate *g)
{
    pthread_mutex_unlock(&g->lock);
}

#endif
