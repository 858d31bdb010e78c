/* Slots of paths, for conn_path.c and conn_migrate.c alone.
 *
 *   conn_path.c     slots, the choice of a path, what is due on it, its timers
 *   conn_migrate.c  validation, migration, additional paths */
#ifndef PROTO_CONN_PATH_H
#define PROTO_CONN_PATH_H

#include "conn_state.h"

enum { CHALLENGES = 3 }; /* sent before a path failed, and probe timeouts to wait */

/* ---- conn_path.c ---- */
static inline unsigned path_index(const struct conn *c, const struct conn_path *path)
{
    return (unsigned)(path - c->path);
}
void path_open(struct conn *c, struct conn_path *path, const struct jp_path *address, uint64_t now);
/* Nothing more leaves along it; what is in flight may still be acknowledged. */
void path_retire(struct conn_path *path, uint64_t now);
void path_close(struct conn *c, struct conn_path *path, uint64_t now);
/* NULL: there is none. */
struct conn_path *path_find(struct conn *c, const struct jp_path *address);
/* A slot for a path to be opened: a free one, or a spare path's; NULL: none. */
struct conn_path *path_slot(struct conn *c, uint64_t now);

/* ---- conn_migrate.c ---- */
/* No challenge was answered, or its connection is gone: another one goes on, if there is any. */
void path_failed(struct conn *c, struct conn_path *path, uint64_t now);

#endif
