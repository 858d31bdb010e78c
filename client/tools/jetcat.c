/* jetcat: the command line, and one session. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jetcat.h"

static const char help[] =
    "Usage: jetcat HOST[:PORT] (--key KEY | --trust FILE) [OPTION...]\n"
    "       jetcat -l [ADDRESS...] [OPTION...]\n"
    "\n"
    "Carries standard input and output, or files, over a Jetplane session.\n"
    "\n"
    "  -l, --listen            wait for one session, at these addresses; default\n"
    "                          0.0.0.0:4500 and [::]:4500\n"
    "      --send FILE         send a file instead of standard input; may be repeated\n"
    "      --receive DIRECTORY receive files, and go on with those that came in part\n"
    "      --key KEY           believe the server with this key (64 hexadecimal digits)\n"
    "      --trust FILE        believe the servers listed in FILE\n"
    "      --learn             and add this one if it is not listed\n"
    "      --identity FILE     the listener's key, made if missing; default: a new key\n"
    "      --bind ADDRESS      send from there\n"
    "      --keylog FILE       append sessions' secrets to FILE, for debugging\n"
    "  -w, --timeout SECONDS   of connecting, and of a silent other end; default 15\n"
    "  -q, --quiet             no progress\n"
    "      --json              JSON objects, one a line, on standard output; not for pipes\n"
    "      --version, --help\n"
    "\n"
    "Exit codes: 0 all is there, 1 no connection or it broke, 2 wrong usage,\n"
    "3 a file came damaged.\n";

enum long_option {
    OPT_SEND = 256,
    OPT_RECEIVE,
    OPT_KEY,
    OPT_TRUST,
    OPT_LEARN,
    OPT_IDENTITY,
    OPT_BIND,
    OPT_KEYLOG,
    OPT_JSON,
    OPT_VERSION,
};

static const struct option long_options[] = {
    {"listen", no_argument, NULL, 'l'},
    {"send", required_argument, NULL, OPT_SEND},
    {"receive", required_argument, NULL, OPT_RECEIVE},
    {"key", required_argument, NULL, OPT_KEY},
    {"trust", required_argument, NULL, OPT_TRUST},
    {"learn", no_argument, NULL, OPT_LEARN},
    {"identity", required_argument, NULL, OPT_IDENTITY},
    {"bind", required_argument, NULL, OPT_BIND},
    {"timeout", required_argument, NULL, 'w'},
    {"quiet", no_argument, NULL, 'q'},
    {"keylog", required_argument, NULL, OPT_KEYLOG},
    {"json", no_argument, NULL, OPT_JSON},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static struct jetcat jetcat = {
    .tool = {.name = "jetcat"}, .settings = {.size = sizeof(jp_settings)}, .timeout = 15000000};

static void __attribute__((noreturn)) print_and_exit(const char *text)
{
    fputs(text, stdout);
    tool_exit(&jetcat.tool, TOOL_OK);
}

/* What to do; false: the option is another. */
static bool parse_job(struct jetcat *j, int option, char *text)
{
    switch (option) {
    case OPT_SEND:
        j->files[j->n_files++] = text;
        return true;
    case OPT_RECEIVE:
        j->tool.inbox = text;
        return true;
    case 'w':
        j->timeout = tool_seconds(&j->tool, "--timeout", text, 0.5, 86400);
        return true;
    case 'q':
        j->quiet = true;
        return true;
    default:
        return false;
    }
}

static void parse_option(struct jetcat *j, int option, char **argv)
{
    struct tool *t = &j->tool;

    switch (option) {
    case 'l':
        t->server = true;
        break;
    case OPT_KEY:
        t->key = optarg;
        break;
    case OPT_TRUST:
        t->trust = optarg;
        break;
    case OPT_LEARN:
        t->learn = true;
        break;
    case OPT_IDENTITY:
        t->identity = optarg;
        break;
    case OPT_BIND:
        tool_add_address(t, optarg, 0);
        break;
    case OPT_KEYLOG:
        t->keylog = optarg;
        break;
    case OPT_JSON:
        break;
    case OPT_VERSION:
        print_and_exit("jetcat " JP_VERSION "\n");
    case 'h':
        print_and_exit(help);
    case ':':
        tool_fail(t, TOOL_USAGE, "%s needs a value", argv[optind - 1]);
    default:
        tool_fail(t, TOOL_USAGE, "unknown option: %s", argv[optind - 1]);
    }
}

static void parse_rest(struct jetcat *j, char **left)
{
    struct tool *t = &j->tool;

    if (t->server && t->n_addresses)
        tool_fail(t, TOOL_USAGE, "--bind is for clients");
    if (t->server)
        for (; *left; left++)
            tool_add_address(t, *left, JP_PORT);
    else if (*left)
        t->peer = *left++;
    if (*left)
        tool_fail(t, TOOL_USAGE, "unexpected argument '%s'", *left);
    if (j->n_files && j->tool.inbox)
        tool_fail(t, TOOL_USAGE, "either --send or --receive");
    j->role = j->n_files ? ROLE_SEND : j->tool.inbox ? ROLE_RECEIVE : ROLE_PIPE;
    if (t->json && j->role == ROLE_PIPE)
        tool_fail(t, TOOL_USAGE, "--json is for --send and --receive");
}

static void parse(struct jetcat *j, int argc, char **argv)
{
    int option;

    j->files = calloc((size_t)argc, sizeof(*j->files));
    for (int i = 1; i < argc; i++) /* first of all, since it says how mistakes are told */
        j->tool.json |= strcmp(argv[i], "--json") == 0;
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":lw:qh", long_options, NULL)) != -1)
        if (!parse_job(j, option, optarg))
            parse_option(j, option, argv);
    parse_rest(j, argv + optind);
    j->settings.heartbeat = j->timeout / 4; /* three unanswered are the end */
    tool_prepare(&j->tool, &j->settings);
}

static void accept_one(struct jetcat *j)
{
    struct tool *t = &j->tool;
    jp_address bound[TOOL_ADDRESSES];
    jp_server *server;
    int error = jp_server_create(&server, &j->settings);

    if (!error)
        error = jp_server_listen(server, t->addresses, t->n_addresses);
    if (error)
        tool_fail_error(t, "listening", error);
    for (unsigned i = 0; i < t->n_addresses; i++)
        bound[i] = jp_server_address(server, i);
    tool_announce(t, &j->settings, bound, t->n_addresses);
    error = jp_server_accept(server, &j->socket, -1);
    if (error)
        tool_fail_error(t, "accepting", error);
    jp_server_free(server);
}

static void connect_to_server(struct jetcat *j)
{
    struct tool *t = &j->tool;
    int error = jp_socket_create(&j->socket, &j->settings);

    if (!error && t->n_addresses)
        error = jp_socket_bind(j->socket, t->addresses, t->n_addresses);
    if (!error)
        error = jp_socket_connect(j->socket, t->peer, (int64_t)j->timeout);
    if (error)
        tool_fail_error(t, t->peer, error);
}

int main(int argc, char **argv)
{
    static void (*const jobs[])(struct jetcat *) = {pipe_run, send_run, receive_run};

    signal(SIGPIPE, SIG_IGN);
    parse(&jetcat, argc, argv);
    send_check(&jetcat);
    if (jetcat.tool.server)
        accept_one(&jetcat);
    else
        connect_to_server(&jetcat);
    wire_greet(&jetcat);
    jobs[jetcat.role](&jetcat);
    wire_end(&jetcat);
    tool_exit(&jetcat.tool, TOOL_OK);
}
