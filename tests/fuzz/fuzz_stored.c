/* Files that clients keep: the servers they know, a server's key, what a session is resumed with.
 * The first byte says which. What holds: nothing is believed that was not written as we write it;
 * of servers, what a search of our own finds in the file's lines, before and after one was added.
 */
#include <string.h>
#include <strings.h>

#include <jetplane/identity.h>

#include "fuzz.h"
#include "fuzz_file.h"
#include "identity.h"
#include "resume.h"
#include "trust.h"

enum kind { SERVERS, SERVERS_LEARN, KEY, KEY_TEXT, RESUMPTION, KINDS };

static const char name[] = "a.example";

/* Would the server be believed? */
static bool ask(const char *path, int add_unknown, uint8_t first)
{
    jp_key key = {.bytes = {first, 2, 3}};
    jp_trust *trust;
    bool yes;

    FUZZ_CHECK(jp_trust_file(&trust, path, add_unknown) == 0);
    yes = trust_decide(trust, name, &key);
    jp_trust_free(trust);
    return yes;
}

/* Of a line, and of a file, whose highest counts. */
enum says { NOTHING, NAMED, LISTED };

static const char *skip(const char *at, const char *end, const char *blanks)
{
    while (at < end && *at && strchr(blanks, *at))
        at++;
    return at;
}

static enum says line_says(const char *at, const char *end, const char *key)
{
    size_t n = strlen(name), digits = strlen(key);

    if ((size_t)(end - at) < n || memcmp(at, name, n) != 0)
        return NOTHING;
    at += n;
    if (at < end && *at && !strchr(" \t\r", *at)) /* the name goes on */
        return NOTHING;
    at = skip(at, end, " \t");
    if ((size_t)(end - at) < digits || strncasecmp(at, key, digits) != 0)
        return NAMED;
    return skip(at + digits, end, " \t\r") == end ? LISTED : NAMED;
}

static enum says file_says(const uint8_t *data, size_t size, uint8_t first)
{
    const char *at = (const char *)data, *end = at + size;
    jp_key key = {.bytes = {first, 2, 3}};
    enum says found = NOTHING;
    char text[JP_KEY_TEXT];

    jp_key_format(&key, text);
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        enum says says = line_says(at, newline ? newline : end, text);

        found = says > found ? says : found;
        at = newline ? newline + 1 : end;
    }
    return found;
}

/* A server that is learnt is known from then on; another key of its is not learnt. */
static void servers(const uint8_t *data, size_t size, bool learn)
{
    const char *path = fuzz_file(data, size);
    enum says says = file_says(data, size, 1);

    FUZZ_CHECK(ask(path, 0, 1) == (says == LISTED));
    if (!learn)
        return;
    FUZZ_CHECK(ask(path, 1, 1) == (says != NAMED));
    FUZZ_CHECK(ask(path, 0, 1) == (says != NAMED));
    FUZZ_CHECK(ask(path, 1, 7) == (file_says(data, size, 7) == LISTED));
}

static void key_file(const uint8_t *data, size_t size)
{
    jp_identity *identity;
    int error = jp_identity_open(&identity, fuzz_file(data, size), 0);

    FUZZ_CHECK((error == 0) == (size == 32) && (error == 0) == (identity != NULL));
    jp_identity_free(identity);
}

static void key_text(const uint8_t *data, size_t size)
{
    char *text = strndup((const char *)data, size), again[JP_KEY_TEXT];
    jp_key key, same;

    if (jp_key_parse(&key, text) == 0) {
        jp_key_format(&key, again);
        FUZZ_CHECK(strcasestr(text, again) && jp_key_parse(&same, again) == 0);
        FUZZ_CHECK(memcmp(&key, &same, sizeof(key)) == 0);
    }
    free(text);
}

static void resumption(const uint8_t *data, size_t size)
{
    uint8_t out[RESUMPTION_MAX];
    struct resumption kept, again;
    size_t n;

    if (resumption_read(&kept, data, size) != 0)
        return;
    n = resumption_write(&kept, out);
    FUZZ_CHECK(n <= sizeof(out) && resumption_read(&again, out, n) == 0);
    FUZZ_CHECK(kept.alg == again.alg && memcmp(kept.secret, again.secret, KDF_HASH_LEN) == 0);
    FUZZ_CHECK(resumption_room(&kept) <= WIRE_HS_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum kind kind = size > 0 ? data[0] % KINDS : SERVERS;

    if (size == 0)
        return 0;
    data++;
    size--;
    if (kind == KEY)
        key_file(data, size);
    else if (kind == KEY_TEXT)
        key_text(data, size);
    else if (kind == RESUMPTION)
        resumption(data, size);
    else
        servers(data, size, kind == SERVERS_LEARN);
    return 0;
}

static size_t seed_servers(unsigned n, uint8_t *out)
{
    char *at = (char *)out + 1, *text = at;

    for (unsigned i = 0; i < n; i++) {
        char key_as_text[JP_KEY_TEXT];
        jp_key key = {.bytes = {(uint8_t)(i + 1), 2, 3}};

        jp_key_format(&key, key_as_text);
        at += sprintf(at, "%s%s %s%s", i % 3 == 1 ? "b" : "", name, key_as_text,
                      i % 4 == 3  ? "\r\n"
                      : i + 1 < n ? "\n"
                                  : "");
    }
    return 1 + (size_t)(at - text);
}

static size_t seed_resumption(uint8_t *out)
{
    struct resumption kept = {.alg = 1, .ticket_len = 16, .server = hs_params_default};

    kept.server.max_data = kept.server.max_stream_data = 65536;
    return 1 + resumption_write(&kept, out + 1);
}

size_t fuzz_seed(unsigned index, uint8_t *out)
{
    if (index >= 3 * KINDS)
        return 0;
    out[0] = (uint8_t)(index % KINDS);
    switch ((enum kind)out[0]) {
    case KEY:
        memset(out + 1, (int)index, 33);
        return 33 + index / KINDS % 2;
    case KEY_TEXT:
        memset(out + 1, index < KINDS ? 'a' : '0', 64);
        return 65;
    case RESUMPTION:
        return seed_resumption(out);
    default:
        return seed_servers(1 + index, out);
    }
}
