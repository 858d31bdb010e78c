/* What sessions share: callbacks and settings, checked and complete. Const once it is made. */
#ifndef CLIENT_CONTEXT_H
#define CLIENT_CONTEXT_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <jetplane/session.h>

#include "congestion.h"
#include "handshake.h"
#include "tickets.h"

enum { CONTEXT_HEARTBEAT_MIN = 100000 };

struct jp_context {
    atomic_uint users; /* listeners, groups and sessions */
    jp_callbacks callbacks;
    jp_settings settings;    /* nothing is "default" any more */
    struct hs_params params; /* that we announce */
    struct hs_server server; /* if there is an identity */
    struct tickets *tickets;
    const struct congestion_ops *congestion;
    FILE *keylog; /* NULL: none */
    alignas(max_align_t) unsigned char extension[];
};

static inline struct jp_context *context_hold(struct jp_context *context)
{
    atomic_fetch_add(&context->users, 1);
    return context;
}

static inline void context_release(struct jp_context *context)
{
    atomic_fetch_sub(&context->users, 1);
}

#endif
