#include "command.h"

#include <errno.h>
#include <string.h>

#include <sodium.h>

#include "egress/egress.h"
#include "session.h"

/* Slots are scattered over memory: a LIST looks at this many before it answers with what it has. */
enum { COMMANDS_A_TURN = 4, LIST_SLOTS = 512 };

struct event *event_new(struct lcore *lc, uint16_t type)
{
    struct event *e;

    /* anybody can send these: what sessions have to say needs its share */
    if (type == JP_IPC_UNKNOWN_SPI &&
        rte_mempool_avail_count(lc->event_pool) <= lc->event_pool->size / 2)
        return NULL;
    if (rte_mempool_get(lc->event_pool, (void **)&e) != 0)
        return NULL;
    memset(e, 0, sizeof(*e));
    e->type = type;
    return e;
}

void event_send(struct lcore *lc, struct event *e)
{
    if (rte_ring_enqueue(lc->events, e) != 0)
        rte_mempool_put(lc->event_pool, e);
}

static void run_install(struct lcore *lc, struct command *c)
{
    int result = session_install(lc, &c->u.install);
    struct event *e = event_new(lc, JP_IPC_INSTALLED);

    if (e) {
        e->u.installed.server_spi = c->u.install.server_spi;
        e->u.installed.result = result;
        event_send(lc, e);
    }
    sodium_memzero(&c->u.install, sizeof(c->u.install));
}

/* A session's end says RETIRED itself. */
static void run_retire(struct lcore *lc, const struct jp_ipc_retire *in)
{
    struct session *s = session_find(lc->sessions, in->server_spi);
    struct event *e;

    if (s) {
        session_doom(lc, s, JP_RETIRED_OPERATOR, in->code);
        return;
    }
    e = event_new(lc, JP_IPC_RETIRED);
    if (!e)
        return;
    e->u.retired.server_spi = in->server_spi;
    e->u.retired.reason = JP_RETIRED_UNKNOWN;
    event_send(lc, e);
}

/* False when no event is left. */
static bool say_session(struct lcore *lc, const struct session *s, uint64_t request)
{
    struct event *e = event_new(lc, JP_IPC_SESSION);

    if (!e)
        return false;
    session_describe(lc, s, &e->u.session);
    e->u.session.request = request;
    event_send(lc, e);
    return true;
}

static void say_list_end(struct lcore *lc, uint64_t request, uint64_t cursor)
{
    struct event *e = event_new(lc, JP_IPC_LIST_END);

    if (!e)
        return;
    e->u.list_end.request = request;
    e->u.list_end.cursor = cursor;
    event_send(lc, e);
}

static void run_list(struct lcore *lc, const struct jp_ipc_list *in)
{
    uint32_t slots = session_table_slots(lc->sessions), said = 0;
    uint32_t max = RTE_MIN(in->max, (uint32_t)JP_IPC_LIST_MAX);
    uint64_t slot = in->cursor, end = RTE_MIN(in->cursor + LIST_SLOTS, (uint64_t)slots);

    for (; slot < end && said < max; slot++) {
        struct session *s = session_at(lc->sessions, (uint32_t)slot);

        if (!s)
            continue;
        if (!say_session(lc, s, in->request))
            break;
        said++;
    }
    say_list_end(lc, in->request, slot < slots ? slot : 0);
}

static void run_query(struct lcore *lc, const struct jp_ipc_query *in)
{
    struct session *s = session_find(lc->sessions, in->server_spi);

    if (s)
        say_session(lc, s, in->request);
    say_list_end(lc, in->request, LIST_END_ALL);
}

static void run(struct lcore *lc, struct command *c)
{
    switch (c->type) {
    case JP_IPC_INSTALL:
        run_install(lc, c);
        break;
    case JP_IPC_RETIRE:
        run_retire(lc, &c->u.retire);
        break;
    case JP_IPC_SEND:
        egress_datagram(lc, &c->u.send.path, c->u.send.bytes, c->u.send.len);
        break;
    case JP_IPC_LIST:
        run_list(lc, &c->u.list);
        break;
    case JP_IPC_QUERY:
        run_query(lc, &c->u.query);
        break;
    default: /* the main lcore sends no other */
        break;
    }
}

unsigned commands_run(struct lcore *lc)
{
    void *c[COMMANDS_A_TURN];
    unsigned n = rte_ring_dequeue_burst(lc->commands, c, COMMANDS_A_TURN, NULL);

    for (unsigned i = 0; i < n; i++) {
        run(lc, c[i]);
        rte_mempool_put(lc->command_pool, c[i]);
    }
    return n;
}

void commands_wipe(struct lcore *lc)
{
    struct command *c;

    while (rte_ring_dequeue(lc->commands, (void **)&c) == 0) {
        sodium_memzero(c, sizeof(*c));
        rte_mempool_put(lc->command_pool, c);
    }
}
