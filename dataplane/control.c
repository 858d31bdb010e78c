/* The main lcore's work while the data plane runs: messages of the control plane become commands to
 * the workers, their events and the handshakes they punt become messages to the control plane.
 * Nothing here waits for either side. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "bytes.h"
#include "command.h"
#include "control.h"
#include "ingress/ingress.h"
#include "ingress/origin.h"
#include "relay.h"
#include "setup.h"

enum { INBOX_MAX = 32, UDP_HDR = 8, POLLED = 4 };
/* The workers' rings are looked at this often: while something happens, and when it has been quiet
 * for a while. */
enum { BUSY_WAIT_US = 100, QUIET_WAIT_US = 1000, QUIET_TURNS = 100 };

union request {
    struct jp_ipc_header h;
    struct jp_ipc_install install;
    struct jp_ipc_retire retire;
    struct jp_ipc_packet packet;
    struct jp_ipc_list list;
    struct jp_ipc_query query;
};

static struct {
    int listener, candidate, peer; /* -1: none. A candidate has not said hello yet */
    bool stop;
    unsigned quiet_turns;
    unsigned first; /* worker of this turn: each comes first in turn */
    union request inbox[INBOX_MAX];
} control = {.listener = -1, .candidate = -1, .peer = -1};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void set_control_up(struct dataplane *dp, bool up)
{
    __atomic_store_n(&dp->control_up, up, __ATOMIC_RELAXED);
}

static void disconnect(struct dataplane *dp, const char *why)
{
    fprintf(stderr, "jetplane-dp: control plane gone: %s\n", why);
    set_control_up(dp, false);
    close_fd(&control.peer);
    outbox_clear();
    relay_attach(-1);
}

/* ---- messages down ---- */

/* workers_ready has seen that there is room. */
static void command_send(struct lcore *lc, const union request *in, size_t size)
{
    struct command *c;

    if (rte_mempool_get(lc->command_pool, (void **)&c) != 0)
        rte_panic("command pool of worker %u ran dry\n", lc->index);
    c->type = in->h.type;
    memcpy(&c->u, in, size);
    rte_ring_enqueue(lc->commands, c);
}

/* Every handler returns NULL, or what is wrong with the message: the connection is closed then. */

static const char *take_install(struct dataplane *dp, union request *in)
{
    if (in->install.reply_len + in->install.early_len > sizeof(in->install.reply) ||
        in->install.ticket_len > sizeof(in->install.ticket))
        return "INSTALL with a reply, early data or ticket longer than the message";
    command_send(dp->lcore[owner_of(dp, in->install.server_spi)], in, sizeof(in->install));
    return NULL;
}

static const char *take_retire(struct dataplane *dp, union request *in)
{
    command_send(dp->lcore[owner_of(dp, in->retire.server_spi)], in, sizeof(in->retire));
    return NULL;
}

static const char *take_send(struct dataplane *dp, union request *in)
{
    if (in->packet.len > sizeof(in->packet.bytes))
        return "SEND longer than the message";
    command_send(dp->lcore[control.first], in, sizeof(in->packet));
    return NULL;
}

/* A cursor is worker << 32 | slot of its table. */
static const char *take_list(struct dataplane *dp, union request *in)
{
    uint64_t worker = in->list.cursor >> 32;

    if (worker >= dp->lcores)
        return "LIST with a cursor that was never given";
    if (in->list.max == 0 || in->list.max > JP_IPC_LIST_MAX)
        return "LIST of no or too many sessions";
    in->list.cursor = (uint32_t)in->list.cursor;
    command_send(dp->lcore[worker], in, sizeof(in->list));
    return NULL;
}

static const char *take_query(struct dataplane *dp, union request *in)
{
    command_send(dp->lcore[owner_of(dp, in->query.server_spi)], in, sizeof(in->query));
    return NULL;
}

static const char *take_stop(struct dataplane *dp, union request *in)
{
    (void)dp;
    (void)in;
    control.stop = true;
    return NULL;
}

static const struct {
    uint16_t type;
    size_t size;
    const char *(*take)(struct dataplane *dp, union request *in);
} handlers[] = {
    {JP_IPC_INSTALL, sizeof(struct jp_ipc_install), take_install},
    {JP_IPC_RETIRE, sizeof(struct jp_ipc_retire), take_retire},
    {JP_IPC_SEND, sizeof(struct jp_ipc_packet), take_send},
    {JP_IPC_LIST, sizeof(struct jp_ipc_list), take_list},
    {JP_IPC_QUERY, sizeof(struct jp_ipc_query), take_query},
    {JP_IPC_STOP, sizeof(struct jp_ipc_header), take_stop},
};

static const char *take_request(struct dataplane *dp, union request *in, size_t len)
{
    if (len < sizeof(in->h) || in->h.magic != JP_IPC_MAGIC || in->h.version != JP_IPC_VERSION)
        return "message without header of this version";
    for (unsigned i = 0; i < RTE_DIM(handlers); i++)
        if (handlers[i].type == in->h.type)
            return len == handlers[i].size ? handlers[i].take(dp, in) : "message of the wrong size";
    return "message of unknown type";
}

/* Whether every worker can take a whole batch: if not, messages wait in the socket, and the control
 * plane with them. */
static bool workers_ready(const struct dataplane *dp)
{
    for (unsigned i = 0; i < dp->lcores; i++)
        if (rte_mempool_avail_count(dp->lcore[i]->command_pool) < INBOX_MAX)
            return false;
    return true;
}

/* Returns how many came. Nothing here is answered at once, so a peer that sends before it receives
 * is no trouble. */
static unsigned receive_requests(struct dataplane *dp)
{
    struct mmsghdr header[INBOX_MAX];
    struct iovec part[INBOX_MAX];
    const char *wrong = NULL;
    int n;

    for (unsigned i = 0; i < INBOX_MAX; i++) {
        part[i] =
            (struct iovec){.iov_base = &control.inbox[i], .iov_len = sizeof(control.inbox[i])};
        header[i].msg_hdr = (struct msghdr){.msg_iov = &part[i], .msg_iovlen = 1};
    }
    n = recvmmsg(control.peer, header, INBOX_MAX, MSG_DONTWAIT | MSG_TRUNC, NULL);
    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR)
            disconnect(dp, strerror(errno));
        return 0;
    }
    for (int i = 0; i < n && !wrong; i++)
        wrong = header[i].msg_len == 0 ? "closed the connection"
                                       : take_request(dp, &control.inbox[i], header[i].msg_len);
    sodium_memzero(control.inbox, (size_t)n * sizeof(control.inbox[0])); /* keys of INSTALLs */
    if (wrong)
        disconnect(dp, wrong);
    return (unsigned)n;
}

/* ---- events and handshakes up ---- */

static size_t event_size(uint16_t type)
{
    switch (type) {
    case JP_IPC_INSTALLED:
        return sizeof(struct jp_ipc_installed);
    case JP_IPC_RETIRED:
        return sizeof(struct jp_ipc_retired);
    case JP_IPC_UNKNOWN_SPI:
        return sizeof(struct jp_ipc_unknown);
    case JP_IPC_SESSION:
        return sizeof(struct jp_ipc_session);
    default:
        return sizeof(struct jp_ipc_list_end);
    }
}

/* From where a worker's table ends on to the next worker's. */
static uint64_t next_cursor(const struct dataplane *dp, unsigned worker, uint64_t slot)
{
    if (slot == LIST_END_ALL)
        return 0;
    if (slot != 0)
        return (uint64_t)worker << 32 | slot;
    return worker + 1u < dp->lcores ? (uint64_t)(worker + 1) << 32 : 0;
}

static void relay_event(const struct dataplane *dp, unsigned worker, struct event *e)
{
    size_t size = event_size(e->type), header = sizeof(struct jp_ipc_header);
    uint8_t *out = outbox_add(e->type, size, NULL);

    if (e->type == JP_IPC_LIST_END)
        e->u.list_end.cursor = next_cursor(dp, worker, e->u.list_end.cursor);
    memcpy(out + header, (const uint8_t *)&e->u + header, size - header);
}

static void relay_punt(struct lcore *lc, struct rte_mbuf *m)
{
    const uint8_t *payload = rte_pktmbuf_mtod_offset(m, const uint8_t *, packet_of(m)->layers.udp);
    struct jp_ipc_packet *out = outbox_add(JP_IPC_PUNT, sizeof(*out), lc);

    /* parse let it pass: its UDP length is right, and it is a ClientHello */
    packet_path(lc->dp, m, &out->path);
    out->len = (uint16_t)(be16_load(payload - UDP_HDR + 4) - UDP_HDR);
    memset(out->pad, 0, sizeof(out->pad));
    memcpy(out->bytes, payload, out->len);
    memset(out->bytes + out->len, 0, sizeof(out->bytes) - out->len);
}

/* Without a control plane what the workers say is dropped: it resynchronises when it comes. */

static unsigned drain_punts(struct dataplane *dp, unsigned worker, unsigned max)
{
    struct lcore *lc = dp->lcore[worker];
    bool up = control.peer >= 0;
    void *got[OUTBOX_MAX];
    unsigned n = rte_ring_dequeue_burst(lc->punts, got, up ? max : OUTBOX_MAX, NULL);

    for (unsigned i = 0; i < n; i++) {
        if (up)
            relay_punt(lc, got[i]);
        else
            count(lc, JP_punt_lost, 1);
        rte_pktmbuf_free(got[i]);
    }
    return n;
}

static unsigned drain_events(struct dataplane *dp, unsigned worker, unsigned max)
{
    struct lcore *lc = dp->lcore[worker];
    bool up = control.peer >= 0;
    void *got[OUTBOX_MAX];
    unsigned n = rte_ring_dequeue_burst(lc->events, got, up ? max : OUTBOX_MAX, NULL);

    for (unsigned i = 0; i < n; i++) {
        if (up)
            relay_event(dp, worker, got[i]);
        rte_mempool_put(lc->event_pool, got[i]);
    }
    return n;
}

/* Neither keeps the other waiting: half of the outbox, which is empty, is for handshakes, and what
 * they leave for events. */
static unsigned drain_workers(struct dataplane *dp)
{
    unsigned n = 0;

    for (unsigned i = 0; i < dp->lcores; i++)
        n += drain_punts(dp, (control.first + i) % dp->lcores, outbox_room() - OUTBOX_MAX / 2);
    for (unsigned i = 0; i < dp->lcores; i++)
        n += drain_events(dp, (control.first + i) % dp->lcores, outbox_room());
    return n;
}

/* ---- the connection ---- */

static void accept_candidate(void)
{
    int fd = control_accept(control.listener);

    if (fd < 0)
        return;
    close_fd(&control.candidate);
    control.candidate = fd;
}

static void greet_candidate(struct dataplane *dp)
{
    int relay, ret = control_greeted(control.candidate, &relay);

    if (ret == -EAGAIN)
        return;
    if (ret == 0)
        ret = control_welcome(control.candidate, dp);
    if (ret != 0) {
        close_fd(&control.candidate);
        close_fd(&relay);
        return;
    }
    if (control.peer >= 0)
        disconnect(dp, "a newer one replaces it");
    fprintf(stderr, "jetplane-dp: control plane connected\n");
    control.peer = control.candidate;
    control.candidate = -1;
    relay_attach(relay);
    set_control_up(dp, true);
}

static void flush(struct dataplane *dp)
{
    int ret = control.peer >= 0 ? outbox_send(control.peer) : 0;

    if (ret != 0)
        disconnect(dp, strerror(-ret));
}

int control_open(struct dataplane *dp)
{
    control.listener = control_listen(&dp->config);
    return control.listener < 0 ? control.listener : 0;
}

/* Sleep until a socket has something or the workers' rings are due to be looked at. Negative
 * descriptors, and those of requests that no worker can take now, are left out. */
static void wait_for_work(const struct dataplane *dp, struct pollfd fds[POLLED])
{
    long us = control.quiet_turns == 0            ? 0
              : control.quiet_turns < QUIET_TURNS ? BUSY_WAIT_US
                                                  : QUIET_WAIT_US;
    struct timespec timeout = {.tv_nsec = us * 1000};

    fds[0] = (struct pollfd){.fd = control.listener, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = control.candidate, .events = POLLIN};
    fds[2] = (struct pollfd){.fd = workers_ready(dp) ? control.peer : -1, .events = POLLIN};
    fds[3] = (struct pollfd){.fd = relay_fd(), .events = POLLIN};
    if (ppoll(fds, POLLED, &timeout, NULL) < 0)
        for (unsigned i = 0; i < POLLED; i++)
            fds[i].revents = 0;
}

bool control_turn(struct dataplane *dp)
{
    struct pollfd fds[POLLED];
    unsigned work = 0;

    wait_for_work(dp, fds);
    if (fds[2].revents)
        work += receive_requests(dp);
    if (fds[1].revents)
        greet_candidate(dp);
    if (fds[0].revents)
        accept_candidate();
    flush(dp);
    control.first = (control.first + 1) % dp->lcores;
    if (outbox_empty())
        work += drain_workers(dp);
    flush(dp);
    work += relay_turn(dp, fds[3].revents != 0); /* behind all that must not wait for it */
    control.quiet_turns = work > 0 ? 0 : control.quiet_turns + 1;
    return !control.stop;
}

void control_close(struct dataplane *dp)
{
    set_control_up(dp, false);
    outbox_clear();
    relay_attach(-1);
    close_fd(&control.candidate);
    close_fd(&control.peer);
    if (control.listener >= 0)
        unlink(dp->config.control_socket);
    close_fd(&control.listener);
}
