/* jetctl: asks jetplaned and shows the answer to a person or, as JSON, to a program. */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "jetplane/ctl.h"

static const struct command commands[] = {
    {"status", "", "the processes, their sessions and handshakes", TAKES_WATCH, status_fetch,
     status_print},
    {"stats", "[--lcore N] [--rate]", "all counters of the data plane",
     TAKES_WATCH | TAKES_LCORE | TAKES_RATE, stats_fetch, stats_print},
    {"drops", "", "packets dropped, by reason, and whether all are accounted for", TAKES_WATCH,
     drops_fetch, drops_print},
    {"sessions", "[--limit N]", "sessions, 100 of them unless --limit says otherwise (0: all)",
     TAKES_WATCH | TAKES_LIMIT, sessions_fetch, sessions_print},
    {"session", "SPI", "one session, by its server SPI (decimal, or hex with 0x)",
     TAKES_WATCH | TAKES_SPI, session_fetch, session_print},
    {"ports", "", "network ports", TAKES_WATCH, ports_fetch, ports_print},
    {"version", "", "versions of all programs", 0, version_fetch, version_print},
    {"stop", "", "close all sessions and stop jetplane-dp and jetplaned", 0, stop_fetch,
     stop_print},
};
enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

/* Print an error where its reader looks for it. */
static void say_error(const struct arguments *arguments, const char *text)
{
    if (arguments->json) {
        json_t *json = json_pack("{s:s}", "error", text);

        if (!json) /* it quotes an argument that is not UTF-8 */
            json = json_pack("{s:s}", "error", "invalid argument");
        json_dumpf(json, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(json);
    } else {
        fprintf(stderr, "jetctl: %s\n", text);
    }
}

/* The exit code, once what was printed has really been written. */
static int finish(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    fputs("jetctl: cannot write the output\n", stderr);
    return code == CTL_OK ? CTL_FAILED : code;
}

static void __attribute__((noreturn, format(printf, 2, 3)))
mistake(const struct arguments *arguments, const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    say_error(arguments, text);
    if (!arguments->json)
        fputs("Try 'jetctl --help'.\n", stderr);
    exit(finish(CTL_USAGE));
}

static void print_help(void)
{
    fputs("Usage: jetctl [OPTION...] COMMAND [ARGUMENT...]\n"
          "\n"
          "Shows what Jetplane's data plane and control process do.\n"
          "\n"
          "Commands:\n",
          stdout);
    for (unsigned i = 0; i < COMMANDS; i++) {
        char line[64];

        snprintf(line, sizeof(line), "%s %s", commands[i].name, commands[i].usage);
        printf("  %-27s %s\n", line, commands[i].help);
    }
    fputs("\n"
          "Options:\n"
          "  --json            one JSON object a line; errors too: {\"error\": ...}\n"
          "  --watch SECONDS   again and again, until interrupted\n"
          "  --lcore N         stats: of this worker only\n"
          "  --rate            stats: per second, over a second or the time of --watch\n"
          "  --limit N         sessions: how many at most\n"
          "  --socket PATH     jetplaned's socket; default $JETPLANE_SOCKET or\n"
          "                    " JP_CTL_SOCKET "\n"
          "  --help            this text\n"
          "\n"
          "Exit codes: 0 done, 1 jetplaned cannot be reached, 2 wrong usage, 3 it answered with\n"
          "an error (no such session, the data plane is away, ...).\n",
          stdout);
}

/* ---- arguments ---- */

static uint64_t parse_number(const struct arguments *arguments, const char *what, const char *text,
                             uint64_t min, uint64_t max)
{
    char *end;
    uint64_t n;

    errno = 0;
    n = strtoull(text, &end, 0);
    if (errno != 0 || text[0] < '0' || text[0] > '9' || *end != '\0' || n < min || n > max)
        mistake(arguments, "%s: '%s' is not a number from %llu to %llu", what, text,
                (unsigned long long)min, (unsigned long long)max);
    return n;
}

static double parse_seconds(const struct arguments *arguments, const char *text)
{
    char *end;
    double seconds = strtod(text, &end);

    if (end == text || *end != '\0' || !(seconds >= 0.1 && seconds <= 86400))
        mistake(arguments, "--watch: '%s' is not a number of seconds from 0.1 to 86400", text);
    return seconds;
}

/* Fill *arguments from the options; returns which of them only some commands take. */
static unsigned parse_options(int argc, char **argv, struct arguments *a)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'},        {"watch", required_argument, NULL, 'w'},
        {"lcore", required_argument, NULL, 'l'}, {"rate", no_argument, NULL, 'r'},
        {"limit", required_argument, NULL, 'n'}, {"socket", required_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},        {0},
    };
    unsigned given = 0;
    int option;

    /* first of all, since it says how mistakes are told */
    for (int i = 1; i < argc; i++)
        a->json |= strcmp(argv[i], "--json") == 0;
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        switch (option) {
        case 'j':
            break;
        case 'w':
            a->watch = parse_seconds(a, optarg);
            given |= TAKES_WATCH;
            break;
        case 'l':
            a->lcore = (int)parse_number(a, "--lcore", optarg, 0, 1023);
            given |= TAKES_LCORE;
            break;
        case 'r':
            a->rate = true;
            given |= TAKES_RATE;
            break;
        case 'n':
            a->limit = parse_number(a, "--limit", optarg, 0, UINT32_MAX);
            given |= TAKES_LIMIT;
            break;
        case 's':
            a->socket = optarg;
            break;
        case 'h':
            print_help();
            exit(finish(CTL_OK));
        case ':':
            mistake(a, "%s needs a value", argv[optind - 1]);
        default:
            mistake(a, "unknown option: %s", argv[optind - 1]);
        }
    }
    return given;
}

static const struct command *find_command(const struct arguments *arguments, const char *name)
{
    if (!name)
        mistake(arguments, "no command");
    for (unsigned i = 0; i < COMMANDS; i++)
        if (strcmp(name, commands[i].name) == 0)
            return &commands[i];
    mistake(arguments, "unknown command '%s'", name);
}

/* What is left of the command line: the command and, if it takes one, its argument. */
static const struct command *parse_command(char **left, struct arguments *a, unsigned given)
{
    const struct command *command = find_command(a, left[0]);

    if (given & ~command->takes && command->takes == 0)
        mistake(a, "%s takes no options of its own", command->name);
    if (given & ~command->takes)
        mistake(a, "%s does not take this option; it takes: %s%s", command->name,
                command->takes & TAKES_WATCH ? "[--watch SECONDS] " : "", command->usage);
    left++;
    if (command->takes & TAKES_SPI) {
        if (!left[0])
            mistake(a, "%s: no SPI given", command->name);
        a->spi = (uint32_t)parse_number(a, "SPI", *left++, 1, UINT32_MAX);
    }
    if (left[0])
        mistake(a, "%s: unexpected argument '%s'", command->name, left[0]);
    return command;
}

/* ---- running ---- */

static int run_once(const struct command *command, struct arguments *arguments)
{
    struct answer answer = command->fetch(arguments);

    if (!answer.result) {
        say_error(arguments, answer.error);
    } else if (arguments->json) {
        json_dumpf(answer.result, stdout, JSON_COMPACT | JSON_REAL_PRECISION(12));
        putchar('\n');
    } else {
        command->print(answer.result, arguments);
    }
    json_decref(answer.result);
    return answer.code;
}

/* On a terminal each view takes the place of the one before; elsewhere they follow each other. */
static int run_watching(const struct command *command, struct arguments *arguments)
{
    struct timespec pause = {
        .tv_sec = (time_t)arguments->watch,
        .tv_nsec = (long)(fmod(arguments->watch, 1) * 1e9),
    };
    bool redraw = !arguments->json && isatty(STDOUT_FILENO);

    setvbuf(stdout, NULL, _IOFBF, BUFSIZ); /* a view appears at once */
    for (;;) {
        if (redraw)
            fputs("\033[H\033[J", stdout);
        run_once(command, arguments);
        if (!redraw && !arguments->json)
            putchar('\n');
        if (fflush(stdout) != 0)
            return CTL_OK; /* finish says it */
        nanosleep(&pause, NULL);
    }
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.socket = getenv("JETPLANE_SOCKET"), .lcore = -1, .limit = 100};
    const struct command *command;
    unsigned given;
    int code;

    if (!arguments.socket || !arguments.socket[0])
        arguments.socket = JP_CTL_SOCKET;
    given = parse_options(argc, argv, &arguments);
    command = parse_command(argv + optind, &arguments, given);
    code = arguments.watch > 0 ? run_watching(command, &arguments) : run_once(command, &arguments);
    json_decref(arguments.before);
    return finish(code);
}
