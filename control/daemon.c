#include "daemon.h"

#include <errno.h>
#include <libgen.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "clock.h"
#include "commands.h"
#include "confine.h"
#include "log.h"

enum { TICK_NS = 100000000 };

/* ---- the data plane ---- */

static int on_up(void *arg)
{
    struct daemon *d = arg;
    int rc = sessions_init(&d->sessions, &d->dp.hello);

    if (rc < 0)
        return rc;
    handshakes_up(&d->handshakes);
    resync_start(&d->resync);
    return 0;
}

static void on_down(void *arg)
{
    struct daemon *d = arg;

    queries_down(&d->queries); /* ends resynchronising too */
    handshakes_down(&d->handshakes);
    sessions_free(&d->sessions);
}

static int on_relay(void *arg)
{
    struct daemon *d = arg;

    return d->config->tcp.listens > 0 ? relay_open(&d->tcp.relay) : -1;
}

static void on_retired(struct daemon *d, const struct jp_ipc_retired *retired)
{
    log_debug("session 0x%08x: ended, reason %u", retired->server_spi, retired->reason);
    sessions_remove(&d->sessions, retired->server_spi);
}

static void on_message(void *arg, const struct jp_ipc_header *msg)
{
    struct daemon *d = arg;

    switch (msg->type) {
    case JP_IPC_PUNT:
        handshakes_punt(&d->handshakes, (const struct jp_ipc_packet *)msg);
        break;
    case JP_IPC_UNKNOWN_SPI:
        handshakes_unknown_spi(&d->handshakes, (const struct jp_ipc_unknown *)msg);
        break;
    case JP_IPC_INSTALLED:
        install_answered(&d->handshakes, (const struct jp_ipc_installed *)msg);
        break;
    case JP_IPC_RETIRED:
        on_retired(d, (const struct jp_ipc_retired *)msg);
        break;
    case JP_IPC_SESSION:
        queries_session(&d->queries, (const struct jp_ipc_session *)msg);
        break;
    case JP_IPC_LIST_END:
        queries_list_end(&d->queries, (const struct jp_ipc_list_end *)msg);
        break;
    }
}

/* ---- TCP ---- */

static void on_hello(void *arg, const struct jp_path *path, const uint8_t *hello, size_t len)
{
    struct daemon *d = arg;

    if (d->dp.state == DP_UP)
        handshakes_hello(&d->handshakes, path, hello, len);
}

/* Who cannot tell says yes. */
static bool on_has_session(void *arg, uint32_t spi)
{
    const struct daemon *d = arg;

    return d->dp.state != DP_UP || !d->resync.done || sessions_has(&d->sessions, spi);
}

/* ---- time and signals ---- */

static void on_tick(void *arg, uint32_t events)
{
    struct daemon *d = arg;
    uint64_t now = clock_us(), expirations;

    (void)events;
    if (read(d->ticks.fd, &expirations, sizeof(expirations)) < 0)
        return;
    dp_tick(&d->dp, now);
    queries_tick(&d->queries, now);
    handshakes_tick(&d->handshakes, now);
    resync_tick(&d->resync, now);
    api_tick(&d->api, now);
    tcp_tick(&d->tcp, now);
}

static void on_signal(void *arg, uint32_t events)
{
    struct daemon *d = arg;
    struct signalfd_siginfo info;

    (void)events;
    if (read(d->signals.fd, &info, sizeof(info)) != sizeof(info))
        return;
    log_info("stopping: %s", strsignal((int)info.ssi_signo));
    loop_stop(&d->loop);
}

static int watch_ticks(struct daemon *d)
{
    struct itimerspec every = {.it_interval.tv_nsec = TICK_NS, .it_value.tv_nsec = 1};
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

    d->ticks = (struct loop_watch){.fd = fd, .ready = on_tick, .arg = d};
    if (fd < 0 || timerfd_settime(fd, 0, &every, NULL) < 0)
        return -errno;
    return loop_add(&d->loop, &d->ticks, EPOLLIN);
}

/* From the start, so that who sees our sockets can stop us in order. */
static void hold_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigprocmask(SIG_BLOCK, set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static int watch_signals(struct daemon *d, const sigset_t *set)
{
    d->signals = (struct loop_watch){
        .fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK), .ready = on_signal, .arg = d};
    if (d->signals.fd < 0)
        return -errno;
    return loop_add(&d->loop, &d->signals, EPOLLIN);
}

/* ---- the whole ---- */

static int serve(struct daemon *d)
{
    int rc;

    log_info("jetplaned " JP_VERSION ": control socket %s, data plane %s",
             d->config->control_socket, d->config->data_plane_socket);
    rc = loop_run(&d->loop);
    dp_flush(&d->dp);
    return rc;
}

/* What is not there yet can be closed. */
static void prepare(struct daemon *d, const struct config *config)
{
    *d = (struct daemon){
        .config = config,
        .started = clock_us(),
        .ticks = {.fd = -1},
        .signals = {.fd = -1},
        .dp_user =
            {.up = on_up, .down = on_down, .message = on_message, .relay = on_relay, .arg = d},
        .tcp_user = {.hello = on_hello, .has_session = on_has_session, .arg = d},
        .api_user = {.request = commands_request, .gone = commands_gone, .arg = d},
        .api = {.listener = {.fd = -1}},
    };
}

int daemon_open(struct daemon *d, const struct config *config)
{
    int rc, listening;

    prepare(d, config);
    rc = loop_open(&d->loop);
    if (rc < 0) {
        log_error("cannot start: %s", strerror(-rc));
        return rc;
    }
    rc = dp_init(&d->dp, &d->loop, config->data_plane_socket, &d->dp_user);
    listening = tcp_init(&d->tcp, &d->loop, &config->tcp, &d->tcp_user);
    if (rc == 0)
        rc = listening;
    queries_init(&d->queries, &d->dp);
    resync_init(&d->resync, &d->dp, &d->queries, &d->sessions);
    if (rc == 0)
        rc = handshakes_init(&d->handshakes, config, &d->dp, &d->sessions, &d->tcp);
    if (rc == 0)
        rc = api_open(&d->api, &d->loop, config->control_socket, config->control_group,
                      &d->api_user);
    if (rc == 0 && (rc = watch_ticks(d)) < 0)
        log_error("cannot start: %s", strerror(-rc));
    return rc;
}

void daemon_close(struct daemon *d)
{
    if (d->loop.epoll < 0)
        return;
    api_close(&d->api);
    tcp_free(&d->tcp);
    dp_free(&d->dp);
    handshakes_free(&d->handshakes);
    sessions_free(&d->sessions);
    if (d->ticks.fd >= 0)
        close(d->ticks.fd);
    loop_close(&d->loop);
}

/* All is open: nothing more is needed than what that takes. */
static int confine_daemon(const struct config *config)
{
    char path[CONFIG_SOCKET_MAX]; /* is removed in the end */
    const char *const writes[] = {dirname(strcpy(path, config->control_socket)), NULL};
    const struct confine wanted = {
        .program = "jetplaned",
        .user = config->becomes ? &config->user : NULL,
        .filter = CONFINE_DAEMON,
        .writes = writes,
    };

    if (!confine_lock_memory())
        log_info("only long-term keys are locked in memory, as its limit (ulimit -l) is finite");
    return confine(&wanted);
}

int daemon_run(const struct config *config)
{
    static struct daemon d;
    sigset_t signals;
    int rc;

    hold_signals(&signals);
    rc = daemon_open(&d, config);
    if (rc == 0 && (rc = watch_signals(&d, &signals)) < 0)
        log_error("cannot start: %s", strerror(-rc));
    if (rc == 0)
        rc = confine_daemon(config);
    if (rc == 0)
        rc = serve(&d);
    daemon_close(&d);
    return rc;
}
