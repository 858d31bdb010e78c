/* jetplaned: the control process of Jetplane. */
#include <errno.h>
#include <getopt.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "confine.h"
#include "daemon.h"
#include "identity.h"
#include "keylog.h"
#include "log.h"
#include "mlkem.h"

enum { EXIT_USAGE = 2 };

static const char usage[] =
    "Usage: jetplaned [--config FILE] [--keylog FILE] [--check | --print-identity]\n"
    "\n"
    "The control process of Jetplane: answers handshakes for jetplane-dp and serves jetctl.\n"
    "\n"
    "  -c, --config FILE     read the configuration from FILE; without it, the defaults hold\n"
    "      --keylog FILE     append every session's secrets to FILE, for debugging\n"
    "      --check           check the configuration and exit\n"
    "      --print-identity  print the public key clients pin, in hex (made now if there is none)\n"
    "      --version         print the version and exit\n"
    "  -h, --help            print this text and exit\n";

enum action { RUN, CHECK, PRINT_IDENTITY };

struct arguments {
    const char *config, *keylog;
    enum action action;
};

/* Exits by itself for --help, --version and mistakes. */
static void parse(int argc, char **argv, struct arguments *arguments)
{
    enum { OPT_CHECK = 256, OPT_KEYLOG, OPT_IDENTITY, OPT_VERSION };
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"keylog", required_argument, NULL, OPT_KEYLOG},
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
        case OPT_KEYLOG:
            arguments->keylog = optarg;
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

/* Libraries read files when they are first used, which is forbidden later: libcrypto its
 * configuration, jansson a seed against collisions. */
static void warm_up(void)
{
    uint8_t seed[MLKEM_SEED_LEN] = {0}, ek[MLKEM_EK_LEN], dk[MLKEM_DK_LEN];

    mlkem768_keygen(ek, dk, seed);
    json_object_seed(0);
}

static int open_keylog(const char *path, struct config *config)
{
    if (!path)
        return 0;
    config->keylog = keylog_open(path);
    if (!config->keylog) {
        log_error("key log %s: %s", path, keylog_error(errno));
        return -1;
    }
    log_warning("key log %s: who reads it can read every session from now on", path);
    return 0;
}

static int run(const struct arguments *arguments, struct config *config)
{
    if (open_keylog(arguments->keylog, config) < 0)
        return -1;
    warm_up();
    return daemon_run(config);
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.action = RUN};
    struct config config;
    int rc;

    parse(argc, argv, &arguments);
    confine_no_dumps();
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
        rc = run(&arguments, &config);
        break;
    }
    return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
