/* Which servers are believed: the program's word, and that of files. */
#include <sys/mman.h>
#include <unistd.h>

#include "sessions.h"
#include "trust.h"

/* ---- the program decides ---- */

struct decision {
    int answer;
    unsigned asked;
    char name[JP_ADDRESS_TEXT];
    jp_key key;
};

static int decide(void *argument, const char *name, const jp_key *key)
{
    struct decision *d = argument;

    d->asked++;
    snprintf(d->name, sizeof(d->name), "%s", name);
    d->key = *key;
    return d->answer;
}

static void world_decide(struct world *w, struct decision *d)
{
    jp_trust *trust;

    world_init(w, "127.0.0.1:0", NULL);
    assert_int_equal(jp_trust_callback(&trust, decide, d), 0);
    world_believe(w, trust);
}

/* The program was asked about the server that was meant, and the key it has. */
static void expect_asked(const struct world *w, const struct decision *d)
{
    jp_key key = jp_identity_key(w->identity);
    char name[JP_ADDRESS_TEXT];

    jp_address_format(&w->address, name, sizeof(name));
    assert_true(d->asked > 0);
    assert_string_equal(d->name, name);
    assert_memory_equal(d->key.bytes, key.bytes, JP_KEY_BYTES);
}

static void believes_whom_the_program_believes(void **state)
{
    struct decision d = {.answer = 256}; /* whatever is not 0 */
    struct world w;

    (void)state;
    world_decide(&w, &d);
    world_connect(&w);
    expect_asked(&w, &d);
    world_free(&w);
}

static void says_whom_the_program_refused(void **state)
{
    struct decision d = {.answer = 0};
    char key[JP_KEY_TEXT], why[256];
    struct world w;

    (void)state;
    world_decide(&w, &d);
    world_ask(&w, NULL, 10000000);
    run_until(&w, &w.client.failed, 1);
    expect_asked(&w, &d);
    assert_int_equal(w.client.error, JP_CONNECT_IDENTITY);
    jp_key_format(&d.key, key);
    snprintf(why, sizeof(why), "jp_connect: %s: its key is %s: refused", d.name, key);
    assert_string_equal(w.client.detail, why);
    assert_int_equal(w.client.opened, 0);
    assert_int_equal(w.server.opened, 0);
    world_free(&w);
}

/* Every session is decided on anew. */
static void may_change_its_mind(void **state)
{
    struct decision d = {.answer = 1};
    struct world w;

    (void)state;
    world_decide(&w, &d);
    world_connect(&w);
    assert_int_equal(jp_session_close(w.client.session, 0, NULL), 0);
    run_until(&w, &w.client.closed, 1);
    d.answer = 0;
    world_ask(&w, NULL, 10000000);
    run_until(&w, &w.client.failed, 1);
    assert_int_equal(w.client.error, JP_CONNECT_IDENTITY);
    assert_int_equal(w.client.opened, 1);
    world_free(&w);
}

/* ---- a file ---- */

#define KEY "00000000000000000000000000000000000000000000000000000000000000"

/* "" when a file of these bytes has the server a:1 believed, with the key 00...01, or why not. */
static const char *file_says(const char *bytes, size_t n, bool learn)
{
    static const jp_key key = {.bytes = {[JP_KEY_BYTES - 1] = 1}};
    int fd = memfd_create("known", MFD_CLOEXEC);
    jp_trust *trust;
    char path[32];
    bool yes;

    assert_int_equal(write(fd, bytes, n), n);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    assert_int_equal(jp_trust_file(&trust, path, learn), 0);
    yes = trust_decide(trust, "a:1", &key);
    jp_trust_free(trust);
    close(fd);
    return yes ? "" : jp_error_detail();
}

static void believes_whole_lines(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *why;
    } cases[] = {
#define CASE(bytes, why) {bytes, sizeof(bytes) - 1, why}
        CASE("a:1 " KEY "01", NULL),
        CASE("# known\n\na:1\t" KEY "02\na:1 " KEY "01 \r\n", NULL),
        CASE("", "it is not listed"),
        CASE("a:12 " KEY "01\n", "it is not listed"),
        CASE("\0a:1 " KEY "01\n", "it is not listed"),
        CASE("a:1 " KEY "02\n", "another one is listed"),
        CASE("a:1 " KEY "0\n", "has no key"),
        CASE("a:1\n" KEY "01\n", "has no key"),
        CASE("a:1\r\n", "has no key"),
        CASE("a:1 " KEY "01\0b:1 " KEY "01\n", "has no key"),
#undef CASE
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *says = file_says(cases[i].bytes, cases[i].n, false);

        if (cases[i].why ? !strstr(says, cases[i].why) : *says != '\0')
            fail_msg("case %u: \"%s\"", i, says);
        if (cases[i].why && !strstr(cases[i].why, "not listed")) /* nor is it learnt anew */
            assert_non_null(strstr(file_says(cases[i].bytes, cases[i].n, true), cases[i].why));
    }
}

/* No end of a line counts as a line, however long what stands before it. */
static void believes_no_end_of_a_line(void **state)
{
    static const char end[] = "a:1 " KEY "01\n";
    char line[5000 + sizeof(end)];

    (void)state;
    for (unsigned n = 1; n <= 5000; n++) {
        memset(line, 'x', n);
        memcpy(line + n, end, sizeof(end));
        if (!strstr(file_says(line, strlen(line), false), "it is not listed"))
            fail_msg("believed behind %u bytes", n);
    }
}

static void says_that_a_file_cannot_be_read(void **state)
{
    static const jp_key key;
    jp_trust *trust;

    (void)state;
    assert_int_equal(jp_trust_file(&trust, "/", 0), 0);
    assert_false(trust_decide(trust, "a:1", &key));
    assert_non_null(strstr(jp_error_detail(), "cannot be read"));
    jp_trust_free(trust);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(believes_whom_the_program_believes),
        cmocka_unit_test(says_whom_the_program_refused),
        cmocka_unit_test(may_change_its_mind),
        cmocka_unit_test(believes_whole_lines),
        cmocka_unit_test(believes_no_end_of_a_line),
        cmocka_unit_test(says_that_a_file_cannot_be_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
