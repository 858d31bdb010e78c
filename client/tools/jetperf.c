/* jetperf: a loop, a context, and what the library tells them. */
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "jetperf_options.h"

static struct options options;
static jp_timer *ticker, *waker; /* of a client: intervals; lost echoes, and a rate */
static jp_timer *mover;          /* its migrations */
static int exit_code;

struct lane *lane_of(jp_stream *stream)
{
    return jp_stream_extension(stream);
}

struct test *test_of(jp_session *session)
{
    return jp_session_extension(session);
}

/* ---- callbacks ---- */

static void tick(jp_timer *timer)
{
    struct test *t = *(struct test **)jp_timer_extension(timer);

    report_interval(t, jp_loop_now(jp_timer_loop(timer)), false);
}

/* Only lets the loop turn: what waits for echoes that are lost, or for its time, looks again. */
static void wake(jp_timer *timer)
{
    (void)timer;
}

/* The client goes on from another port; of the next address it may send from, if it has any. */
static void move(jp_timer *timer)
{
    static unsigned moves;
    struct test *t = *(struct test **)jp_timer_extension(timer);
    const struct tool *tool = &options.tool;
    jp_address *local =
        tool->n_addresses ? &options.tool.addresses[++moves % tool->n_addresses] : NULL;
    int error = jp_session_migrate(t->session, local);

    if (error && error != JP_NO_DESCRIPTORS) /* paths that it left are not over yet: another time */
        tool_fail_error(tool, "migrating", error);
}

static void begin_client(struct test *t)
{
    int error = 0;

    t->plan = options.plan;
    t->sends = t->plan.up || t->plan.echo;
    t->receives = t->plan.down;
    report_begin(t);
    if (t->plan.service)
        error = test_run(t);
    else
        control_ask(t);
    if (error)
        tool_fail_error(t->tool, "streams", error);
    if (options.interval)
        jp_timer_start(ticker, options.interval, options.interval);
    if (options.migrate)
        jp_timer_start(mover, options.migrate, options.migrate);
    if (t->plan.echo || t->plan.rate)
        jp_timer_start(waker, 10000, 10000);
}

static void on_open(jp_session *session)
{
    struct test *t = test_of(session);

    t->tool = &options.tool;
    t->session = session;
    t->client = !options.tool.server;
    if (t->client) {
        *(struct test **)jp_timer_extension(ticker) = t;
        *(struct test **)jp_timer_extension(mover) = t;
        begin_client(t);
    }
}

static void on_connect_error(jp_session *session, int error)
{
    (void)session;
    tool_fail_error(&options.tool, options.tool.peer, error);
}

static void on_timeout(jp_session *session)
{
    test_drain(test_of(session));
}

void test_refused(struct test *t, int error)
{
    if (error == JP_SEND_WOULD_BLOCK || !jp_session_is_open(t->session))
        return;
    jp_session_close(t->session, CODE_REFUSED, jp_error_detail());
}

/* What the process says in the end; a server that goes on after a test says nothing about it. */
static void exits_with(const struct test *t, int code)
{
    if (t->client || options.once)
        exit_code = code;
}

void test_done(struct test *t)
{
    const char *verdict = control_verdict(t);

    t->phase = PHASE_DONE;
    exits_with(t, verdict ? TOOL_WRONG : TOOL_OK);
    jp_timer_stop(ticker);
    jp_timer_stop(mover);
    jp_timer_stop(waker);
    if (options.interval)
        report_interval(t, jp_loop_now(jp_session_loop(t->session)), true);
    report_end(t, verdict);
    jp_session_close(t->session, CODE_DONE, "done");
}

static void close_client(const struct test *t, const jp_close *close)
{
    static const char *const who[] = {[JP_CLOSED_HERE] = "closed",
                                      [JP_CLOSED_BY_PEER] = "the server closed the session",
                                      [JP_CLOSED_SILENT] = "the server is silent",
                                      [JP_CLOSED_RESET] = "the server was restarted"};

    if (t->tally.wrong) /* worse than what broke */
        tool_fail(&options.tool, TOOL_WRONG, "%s", control_verdict(t));
    tool_fail(&options.tool, TOOL_FAILED, "%s: code %llu%s%s", who[close->by],
              (unsigned long long)close->code, *close->reason ? " " : "", close->reason);
}

static void on_close(jp_session *session, const jp_close *close)
{
    struct test *t = test_of(session);
    jp_loop *loop = jp_session_loop(session);

    if (t->client && t->phase != PHASE_DONE)
        close_client(t, close);
    if (!t->client && close->code != CODE_DONE)
        tool_warn(t->tool, "a test broke: code %llu%s%s", (unsigned long long)close->code,
                  *close->reason ? " " : "", close->reason);
    if (!t->client)
        exits_with(t, close->code == CODE_DONE ? TOOL_OK : TOOL_FAILED);
    test_end(t);
    if (t->client || options.once)
        jp_loop_stop(loop);
}

/* ---- running ---- */

static void serve(jp_loop *loop, jp_context *context, jp_listener **listener)
{
    jp_address bound[TOOL_ADDRESSES];
    struct tool *t = &options.tool;
    int error = jp_listener_create(listener, loop, context, t->addresses, t->n_addresses, 0);

    if (error)
        tool_fail_error(t, "listening", error);
    for (unsigned i = 0; i < t->n_addresses; i++)
        bound[i] = jp_listener_address(*listener, i);
    tool_announce(t, &options.settings, bound, t->n_addresses);
}

static void connect_to_server(jp_loop *loop, jp_context *context)
{
    struct tool *t = &options.tool;
    jp_session *session;
    int error =
        jp_connect(&session, loop, context, t->peer, t->n_addresses ? t->addresses : NULL, 0);

    if (error)
        tool_fail_error(t, t->peer, error);
}

static void interrupted(jp_watch *watch, unsigned events)
{
    (void)events;
    if (!options.tool.server)
        exit_code = TOOL_FAILED;
    jp_loop_stop(jp_watch_loop(watch));
}

static void watch_signals(jp_loop *loop)
{
    static jp_watch *watch; /* until the end */
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    jp_watch_create(&watch, loop, signalfd(-1, &set, SFD_CLOEXEC), JP_READABLE, interrupted, 0);
}

int main(int argc, char **argv)
{
    static const jp_callbacks callbacks = {
        .size = sizeof(callbacks),
        .open = on_open,
        .connect_error = on_connect_error,
        .close = on_close,
        .timeout = on_timeout,
        .stream_open = flow_stream_open,
        .message = flow_message,
        .writable = flow_writable,
        .stream_close = flow_stream_close,
    };
    jp_listener *listener = NULL;
    jp_context *context;
    jp_loop *loop;
    int error;

    options_parse(&options, argc, argv);
    options.settings.session_extension = sizeof(struct test);
    options.settings.stream_extension = sizeof(struct lane);
    error = jp_loop_create(&loop, 0);
    if (!error)
        error = jp_context_create(&context, &callbacks, &options.settings, 0);
    if (!error)
        error = jp_timer_create(&ticker, loop, tick, sizeof(struct test *));
    if (!error)
        error = jp_timer_create(&mover, loop, move, sizeof(struct test *));
    if (!error)
        error = jp_timer_create(&waker, loop, wake, 0);
    if (error)
        tool_fail_error(&options.tool, "starting", error);
    watch_signals(loop);
    jp_loop_set_hooks(loop, test_advance_all, NULL);
    if (options.tool.server)
        serve(loop, context, &listener);
    else
        connect_to_server(loop, context);
    jp_loop_run(loop);
    tool_exit(&options.tool, exit_code);
}
