/* A client that comes again, for tests in Python, one line in, one line out:
 *
 *   hello         -> hello HEX            a ClientHello that gives credit
 *   input HEX     -> ignore | done SERVER_SPI
 *   ticket HEX    -> kept                 the session gave one
 *   resume [HEX]  -> hello HEX | error    a ResumeHello with this early data
 *   answer HEX    -> ignore | send HEX | refused | done SERVER_SPI */
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "resume.h"

enum { LINE_MAX_LEN = 4096 };

static struct hs_client_config config = {
    .client_spi = WIRE_SPI_MIN,
    .suites = {AEAD_AES256_GCM, AEAD_CHACHA20_POLY1305},
};
static struct aead *aead;
static struct hs_client client;
static struct resumption kept;
static struct resume_client resuming;

static void print_hex(const char *before, const uint8_t *bytes, size_t n)
{
    char text[2 * WIRE_HS_MAX + 1];

    printf("%s %s\n", before, sodium_bin2hex(text, sizeof(text), bytes, n));
}

static size_t read_hex(const char *text, uint8_t *out, size_t size)
{
    size_t n = 0;

    sodium_hex2bin(out, size, text, strlen(text), "\n", &n, NULL);
    return n;
}

static void hello(void)
{
    if (hs_client_start(&client, &config, &hs_random_system) == 0)
        print_hex("hello", client.hello, sizeof(client.hello));
    else
        puts("error");
}

static void input(const char *text)
{
    uint8_t msg[WIRE_HS_MAX];
    struct hs_result result;

    if (hs_client_input(&client, aead, msg, read_hex(text, msg, sizeof(msg)), &result) != HS_DONE) {
        puts("ignore");
        return;
    }
    resumption_keep(&kept, &result);
    printf("done %" PRIu32 "\n", result.server_spi);
}

static void ticket(const char *text)
{
    uint8_t bytes[FRAME_TICKET_MAX];

    resumption_ticket(&kept, bytes, (uint32_t)read_hex(text, bytes, sizeof(bytes)));
    puts("kept");
}

static void resume(const char *text)
{
    struct resumption copy = kept; /* a test may use it again */
    uint8_t frames[RESUME_EARLY_MAX];
    size_t len = read_hex(text, frames, sizeof(frames));

    if (resume_client_start(&resuming, aead, &config, &copy, frames, len, &hs_random_system) == 0)
        print_hex("hello", resuming.hello, sizeof(resuming.hello));
    else
        puts("error");
}

static void answer(const char *text)
{
    uint8_t msg[WIRE_HS_MAX];
    struct hs_result result;

    switch (resume_client_input(&resuming, aead, msg, read_hex(text, msg, sizeof(msg)), &result)) {
    case RESUME_IGNORE:
        puts("ignore");
        break;
    case RESUME_SEND:
        print_hex("send", resuming.hello, sizeof(resuming.hello));
        break;
    case RESUME_REFUSED:
        puts("refused");
        break;
    case RESUME_DONE:
        resumption_keep(&kept, &result);
        printf("done %" PRIu32 "\n", result.server_spi);
        break;
    }
}

int main(void)
{
    static char line[LINE_MAX_LEN];

    if (sodium_init() < 0 || !(aead = aead_new(AEAD_SODIUM)))
        return 1;
    config.params = hs_params_default;
    config.params.max_data = config.params.max_stream_data = 65536;
    while (fgets(line, sizeof(line), stdin)) {
        if (strncmp(line, "hello", 5) == 0)
            hello();
        else if (strncmp(line, "input ", 6) == 0)
            input(line + 6);
        else if (strncmp(line, "ticket ", 7) == 0)
            ticket(line + 7);
        else if (strncmp(line, "resume", 6) == 0)
            resume(line + 6 + (line[6] == ' '));
        else if (strncmp(line, "answer ", 7) == 0)
            answer(line + 7);
        else
            return 1;
        fflush(stdout);
    }
    return 0;
}
