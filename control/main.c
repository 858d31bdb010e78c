/* jetplaned: the control process of Jetplane. */
#include <errno.h>
#include <getopt.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "daemon.h"
#include "identity.h"
#include "log.h"

enum { EXIT_USAGE = 2 };

static const char usage[] =
    "Usage: jetplaned [--config FILE] [--check | --print-identity]\n"
    "\n"
    "The control process of Jetplane: answers handshakes for jetplane-dp and serves jetctl.\n"
    "\n"
    "  -c, --config FILE     read the configuration from FILE; without it, the defaults hold\n"
    "      --check           check the configuration and exit\n"
    "      --print-identity  print the public key clients pin, in hex (made now if there is none)\n"
    "      --version         print the version and exit\n"
    "  -h, --help            print this text and exit\n";

enum action { RUN, CHECK, PRINT_IDENTITY };

struct arguments {
    const char *config;
    enum action action;
};

/* Exits by itself for --help, --version and mistakes. */
static void parse(int argc, char **argv, struct arguments *arguments)
{
    enum { OPT_CHECK = 256, OPT_IDENTITY, OPT_VERSION };
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"check", no_argument, NULL, OPT_CHECK},
        {"print-identity", no_argument, NULL, OPT_IDENTITY},
        {"version", no_argument, NULL, OPT_VERSION},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            arguments->config = optarg;
            break;
        case OPT_CHECK:
            arguments->action = CHECK;
            break;
        case OPT_IDENTITY:
            arguments->action = PRINT_IDENTITY;
            break;
        case OPT_VERSION:
            puts("jetplaned " JP_VERSION);
            exit(0);
        case 'h':
            fputs(usage, stdout);
            exit(0);
        default:
            fputs(usage, stderr);
            exit(EXIT_USAGE);
        }
    }
    if (optind < argc) {
        fprintf(stderr, "jetplaned: unexpected argument '%s'\n%s", argv[optind], usage);
        exit(EXIT_USAGE);
    }
}

static int print_identity(const char *path)
{
    uint8_t identity[HS_IDENTITY_LEN], secret[64];
    char text[2 * HS_IDENTITY_LEN + 1];
    int rc;

    sodium_mlock(secret, sizeof(secret));
    rc = identity_load(path, identity, secret);
    sodium_munlock(secret, sizeof(secret));
    if (rc == 0)
        puts(sodium_bin2hex(text, sizeof(text), identity, sizeof(identity)));
    return rc;
}

/* Keys must not reach a core file, nor another process of this user through ptrace. */
static void forbid_dumps(void)
{
    struct rlimit none = {0, 0};

    prctl(PR_SET_DUMPABLE, 0);
    setrlimit(RLIMIT_CORE, &none);
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.action = RUN};
    struct config config;
    int rc;

    parse(argc, argv, &arguments);
    forbid_dumps();
    if (sodium_init() < 0) {
        log_error("libsodium does not work here");
        return EXIT_FAILURE;
    }
    rc = config_load(arguments.config, &config);
    if (rc < 0)
        return EXIT_FAILURE;
    log_set_level(config.log_level);
    switch (arguments.action) {
    case CHECK:
        puts("configuration is valid");
        break;
    case PRINT_IDENTITY:
        rc = print_identity(config.identity_file);
        break;
    case RUN:
        rc = daemon_run(&config);
        break;
    }
    return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
