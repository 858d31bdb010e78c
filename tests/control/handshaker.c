/* A client's side of handshakes for tests in Python, one line in, one line out:
 *
 *   hello          -> hello ID HEX       a new client and its ClientHello
 *   input ID HEX   -> ignore | send HEX | done SERVER_SPI ALG IDLE_TIMEOUT_MS IDENTITY
 *   reset IDENTITY HEX -> quote HEX | ignore     check a Reset
 *
 * IDs count from 0; at most CLIENTS_MAX clients. */
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handshake.h"

enum { CLIENTS_MAX = 20000, LINE_MAX_LEN = 4096 };

static struct hs_client *clients[CLIENTS_MAX];
static unsigned count;
static struct aead *aead;

static void print_hex(const char *before, const uint8_t *bytes, size_t n)
{
    char text[2 * WIRE_HS_MAX + 1];

    printf("%s%s\n", before, sodium_bin2hex(text, sizeof(text), bytes, n));
}

static size_t read_hex(const char *text, uint8_t *out, size_t size)
{
    size_t n = 0;

    sodium_hex2bin(out, size, text, strlen(text), "\n", &n, NULL);
    return n;
}

static void hello(void)
{
    struct hs_client_config config = {
        .client_spi = WIRE_SPI_MIN + count,
        .suites = {AEAD_AES256_GCM, AEAD_CHACHA20_POLY1305},
        .params = hs_params_default,
    };
    struct hs_client *c;
    char before[32];

    config.params.max_data = 1000000;
    config.params.max_stream_data = 100000;
    if (count == CLIENTS_MAX || !(c = malloc(sizeof(*c))) ||
        hs_client_start(c, &config, &hs_random_system) < 0)
        exit(1);
    snprintf(before, sizeof(before), "hello %u ", count);
    clients[count++] = c;
    print_hex(before, c->hello, sizeof(c->hello));
}

static void input(char *arguments)
{
    unsigned id = (unsigned)strtoul(arguments, &arguments, 10);
    uint8_t msg[WIRE_HS_MAX];
    struct hs_result result;
    char before[64];

    if (id >= count)
        exit(1);
    switch (hs_client_input(clients[id], aead, msg, read_hex(arguments + 1, msg, sizeof(msg)),
                            &result)) {
    case HS_IGNORE:
        puts("ignore");
        break;
    case HS_SEND:
        print_hex("send ", clients[id]->hello, HS_CLIENT_HELLO_LEN);
        break;
    case HS_DONE:
        snprintf(before, sizeof(before), "done %" PRIu32 " %d %" PRIu32 " ", result.server_spi,
                 result.alg, result.peer.idle_timeout_ms);
        print_hex(before, result.server_identity, HS_IDENTITY_LEN);
        break;
    }
}

static void reset(char *arguments)
{
    uint8_t identity[HS_IDENTITY_LEN], msg[HS_RESET_LEN];
    char *packet = strchr(arguments, ' ');
    const uint8_t *quote;

    if (!packet)
        exit(1);
    *packet++ = '\0';
    read_hex(arguments, identity, sizeof(identity));
    quote = hs_reset_check(msg, read_hex(packet, msg, sizeof(msg)), identity);
    if (quote)
        print_hex("quote ", quote, WIRE_QUOTE);
    else
        puts("ignore");
}

int main(void)
{
    static char line[LINE_MAX_LEN];

    if (sodium_init() < 0 || !(aead = aead_new(AEAD_SODIUM)))
        return 1;
    while (fgets(line, sizeof(line), stdin)) {
        if (strncmp(line, "hello", 5) == 0)
            hello();
        else if (strncmp(line, "input ", 6) == 0)
            input(line + 6);
        else if (strncmp(line, "reset ", 6) == 0)
            reset(line + 6);
        else
            return 1;
        fflush(stdout);
    }
    return 0;
}
