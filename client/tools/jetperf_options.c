#include "jetperf_options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const char help[] =
    "Usage: jetperf -s [OPTION...]\n"
    "       jetperf -c HOST[:PORT] (--key KEY | --trust FILE) [OPTION...]\n"
    "\n"
    "Measures Jetplane sessions, and checks every byte of them.\n"
    "\n"
    "  -s, --server            serve tests\n"
    "  -c, --client HOST[:PORT]  run a test with a server (port 4500)\n"
    "\n"
    "Server:\n"
    "  -l, --listen ADDRESS    instead of 0.0.0.0:4500 and [::]:4500; may be repeated\n"
    "      --identity FILE     the server's key, made if missing; default: a new key\n"
    "  -1, --one-off           leave after one test\n"
    "\n"
    "Client:\n"
    "      --key KEY           believe the server with this key (64 hexadecimal digits)\n"
    "      --trust FILE        believe the servers listed in FILE\n"
    "      --learn             and add this one if it is not listed\n"
    "      --bind ADDRESS      send from there; with --migrate it may be repeated\n"
    "      --migrate SECONDS   move to another port, and the next --bind address, that often\n"
    "  -t, --time SECONDS      how long to send; default 10\n"
    "  -n, --bytes N[KMG]      how much to send, instead\n"
    "  -P, --streams N         streams in a direction, 1 to 1000; default 1\n"
    "      --size N[KM]        bytes of a message; default 64K, of echoes 1000\n"
    "      --rate N            send N messages a second, over all streams, by the clock\n"
    "  -R, --reverse           the server sends\n"
    "      --bidir             both send\n"
    "      --echo              the server sends everything back\n"
    "      --service           the server is a data plane's service: discard, with -R source,\n"
    "                          with --echo echo\n"
    "      --priority system|media|chat|bulk\n"
    "      --reliability reliable|best-effort|N  N: retransmissions at most\n"
    "      --ttl SECONDS       give up messages that are older\n"
    "      --unordered         messages do not wait for each other\n"
    "      --protection plain|latency|efficient  redundancy against loss\n"
    "  -i, --interval SECONDS  between reports; 0: none; default 1\n"
    "\n"
    "Both:\n"
    "      --congestion cubic|bbr|newreno\n"
    "      --no-fec            send no redundancy\n"
    "      --keylog FILE       append sessions' secrets to FILE, for debugging\n"
    "      --json              JSON objects on standard output, one a line\n"
    "      --version, --help\n"
    "\n"
    "Exit codes: 0 all came as it was sent, 1 no connection or it broke, 2 wrong usage,\n"
    "3 data was lost or damaged.\n";

enum long_option {
    OPT_IDENTITY = 256,
    OPT_KEY,
    OPT_TRUST,
    OPT_LEARN,
    OPT_BIND,
    OPT_MIGRATE,
    OPT_SIZE,
    OPT_RATE,
    OPT_BIDIR,
    OPT_ECHO,
    OPT_SERVICE,
    OPT_PRIORITY,
    OPT_RELIABILITY,
    OPT_TTL,
    OPT_UNORDERED,
    OPT_PROTECTION,
    OPT_CONGESTION,
    OPT_NO_FEC,
    OPT_KEYLOG,
    OPT_JSON,
    OPT_VERSION,
};

static const struct option long_options[] = {
    {"server", no_argument, NULL, 's'},
    {"client", required_argument, NULL, 'c'},
    {"listen", required_argument, NULL, 'l'},
    {"identity", required_argument, NULL, OPT_IDENTITY},
    {"one-off", no_argument, NULL, '1'},
    {"key", required_argument, NULL, OPT_KEY},
    {"trust", required_argument, NULL, OPT_TRUST},
    {"learn", no_argument, NULL, OPT_LEARN},
    {"bind", required_argument, NULL, OPT_BIND},
    {"migrate", required_argument, NULL, OPT_MIGRATE},
    {"time", required_argument, NULL, 't'},
    {"bytes", required_argument, NULL, 'n'},
    {"streams", required_argument, NULL, 'P'},
    {"size", required_argument, NULL, OPT_SIZE},
    {"rate", required_argument, NULL, OPT_RATE},
    {"reverse", no_argument, NULL, 'R'},
    {"bidir", no_argument, NULL, OPT_BIDIR},
    {"echo", no_argument, NULL, OPT_ECHO},
    {"service", no_argument, NULL, OPT_SERVICE},
    {"priority", required_argument, NULL, OPT_PRIORITY},
    {"reliability", required_argument, NULL, OPT_RELIABILITY},
    {"ttl", required_argument, NULL, OPT_TTL},
    {"unordered", no_argument, NULL, OPT_UNORDERED},
    {"protection", required_argument, NULL, OPT_PROTECTION},
    {"congestion", required_argument, NULL, OPT_CONGESTION},
    {"no-fec", no_argument, NULL, OPT_NO_FEC},
    {"interval", required_argument, NULL, 'i'},
    {"keylog", required_argument, NULL, OPT_KEYLOG},
    {"json", no_argument, NULL, OPT_JSON},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static void parse_reliability(struct options *o, const char *text)
{
    jp_stream_options *s = &o->plan.options;

    if (text[0] >= '0' && text[0] <= '9') {
        s->reliability = JP_LIMITED;
        s->max_retransmissions = (uint8_t)tool_number(&o->tool, "--reliability", text, 1, 254);
    } else {
        s->reliability = (uint8_t)tool_choice(&o->tool, "--reliability", text,
                                              (const char *[]){"reliable", "best-effort", NULL});
    }
}

static void parse_congestion(struct options *o, const char *text)
{
    static const char *const names[] = {"cubic", "bbr", "newreno", NULL};

    o->settings.congestion = names[tool_choice(&o->tool, "--congestion", text, names)];
}

/* How messages are sent; false: the option is another. */
static bool parse_sending(struct options *o, int option, const char *text)
{
    static const char *const priorities[] = {"system", "media", "chat", "bulk", NULL};
    static const char *const protections[] = {"plain", "latency", "efficient", NULL};
    jp_stream_options *s = &o->plan.options;

    switch (option) {
    case OPT_PRIORITY:
        s->priority = (uint8_t)(tool_choice(&o->tool, "--priority", text, priorities) + 1);
        return true;
    case OPT_RELIABILITY:
        parse_reliability(o, text);
        return true;
    case OPT_TTL:
        s->ttl = tool_seconds(&o->tool, "--ttl", text, 0.001, 86400);
        return true;
    case OPT_UNORDERED:
        s->unordered = 1;
        return true;
    case OPT_PROTECTION:
        s->protection = (uint8_t)tool_choice(&o->tool, "--protection", text, protections);
        return true;
    case OPT_CONGESTION:
        parse_congestion(o, text);
        return true;
    case OPT_NO_FEC:
        o->settings.without_fec = 1;
        return true;
    default:
        return false;
    }
}

/* What to send, in which direction; false: the option is another. */
static bool parse_plan(struct options *o, int option, const char *text)
{
    struct plan *p = &o->plan;

    switch (option) {
    case 't':
        p->time = tool_seconds(&o->tool, "--time", text, 0.1, 86400);
        return true;
    case 'n':
        p->bytes = tool_number(&o->tool, "--bytes", text, 1, INT64_MAX);
        return true;
    case 'P':
        p->streams = (unsigned)tool_number(&o->tool, "--streams", text, 1, STREAMS_MAX);
        return true;
    case OPT_SIZE:
        p->size = (uint32_t)tool_number(&o->tool, "--size", text, 1, JP_MESSAGE_MAX);
        return true;
    case OPT_RATE:
        p->rate = tool_number(&o->tool, "--rate", text, 1, 10000000);
        return true;
    case 'R':
        p->down = true;
        return true;
    case OPT_BIDIR:
        p->up = p->down = true;
        return true;
    case OPT_ECHO:
        p->echo = true;
        return true;
    case OPT_SERVICE:
        p->service = true;
        return true;
    default:
        return false;
    }
}

/* Who we are and whom we talk to; false: the option is another. */
static bool parse_role(struct options *o, int option, const char *text)
{
    struct tool *t = &o->tool;

    switch (option) {
    case 's':
        t->server = true;
        return true;
    case 'c':
        t->peer = text;
        return true;
    case 'l':
        tool_add_address(t, text, JP_PORT);
        return true;
    case OPT_BIND:
        tool_add_address(t, text, 0);
        return true;
    case OPT_IDENTITY:
        t->identity = text;
        return true;
    case OPT_KEY:
        t->key = text;
        return true;
    case OPT_TRUST:
        t->trust = text;
        return true;
    case OPT_LEARN:
        t->learn = true;
        return true;
    default:
        return false;
    }
}

static void parse_other(struct options *o, int option, char **argv)
{
    switch (option) {
    case '1':
        o->once = true;
        break;
    case 'i':
        o->interval = tool_seconds(&o->tool, "--interval", optarg, 0, 3600);
        break;
    case OPT_MIGRATE:
        o->migrate = tool_seconds(&o->tool, "--migrate", optarg, 0.01, 3600);
        break;
    case OPT_KEYLOG:
        o->tool.keylog = optarg;
        break;
    case OPT_JSON:
        break;
    case OPT_VERSION:
        printf("jetperf %s\n", jp_version());
        tool_exit(&o->tool, TOOL_OK);
    case 'h':
        fputs(help, stdout);
        tool_exit(&o->tool, TOOL_OK);
    case ':':
        tool_fail(&o->tool, TOOL_USAGE, "%s needs a value", argv[optind - 1]);
    default:
        tool_fail(&o->tool, TOOL_USAGE, "unknown option: %s", argv[optind - 1]);
    }
}

/* What is not said, and what does not go together. */
static void complete(struct options *o)
{
    struct plan *p = &o->plan;
    const struct tool *t = &o->tool;
    const char *flaw;

    if (!t->server && t->n_addresses > 1 && !o->migrate)
        tool_fail(t, TOOL_USAGE, "more than one address to send from");
    if (!p->echo && !p->down)
        p->up = true;
    if (!p->size)
        p->size = p->echo ? 1000 : 65536;
    if (!p->time && !p->bytes)
        p->time = 10000000;
    flaw = plan_flaw(p);
    if (flaw)
        tool_fail(t, TOOL_USAGE, "%s", flaw);
}

void options_parse(struct options *o, int argc, char **argv)
{
    int option;

    *o = (struct options){.tool = {.name = "jetperf"},
                          .plan = {.streams = 1},
                          .interval = 1000000,
                          .settings = {.size = sizeof(jp_settings)}};
    for (int i = 1; i < argc; i++) /* first of all, since it says how mistakes are told */
        o->tool.json |= strcmp(argv[i], "--json") == 0;
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":sc:l:1t:n:P:Ri:h", long_options, NULL)) != -1)
        if (!parse_role(o, option, optarg) && !parse_plan(o, option, optarg) &&
            !parse_sending(o, option, optarg))
            parse_other(o, option, argv);
    if (argv[optind])
        tool_fail(&o->tool, TOOL_USAGE, "unexpected argument '%s'", argv[optind]);
    complete(o);
    o->settings.streams = 2 * STREAMS_MAX + 16;
    tool_prepare(&o->tool, &o->settings);
}
