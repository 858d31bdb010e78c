/* Scripts: what they ask for arrives, and whatever is wrong with one is said with its name and
 * line. The host runs no traffic: it notes what it is asked to run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "aead.h"
#include "script.h"

enum { PHASES = 8 };

struct host {
    unsigned phases;
    struct phase phase[PHASES];
    const char *refuse; /* error of the next phase, NULL: it runs */
    bool interrupted;
    uint64_t delivered; /* in the results */
};

static struct host host;
static char message[SCRIPT_ERROR_MAX], path[] = "/tmp/jetgen-script-XXXXXX";

static int run(void *arg, const struct phase *phase, struct results *results, char *error)
{
    struct host *h = arg;

    assert_in_range(h->phases, 0, PHASES - 1);
    h->phase[h->phases++] = *phase;
    memset(results, 0, sizeof(*results));
    results->counter[C_delivered] = h->delivered;
    results->traffic.seconds = 2;
    results->traffic.rx_packets = 3000000;
    snprintf(error, SCRIPT_ERROR_MAX, "%s", h->refuse ? h->refuse : "");
    return h->refuse ? -1 : 0;
}

static bool interrupted(void *arg)
{
    return ((struct host *)arg)->interrupted;
}

static int reset(void **state)
{
    (void)state;
    memset(&host, 0, sizeof(host));
    return 0;
}

/* Run this text as a script. */
static enum script_status script(const char *text, char **args, int n_args)
{
    const struct script_host h = {&host, run, interrupted};
    enum script_status status;
    FILE *f = fopen(path, "w");
    struct script *s;

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    s = script_load(path, args, n_args, message);
    if (!s)
        return SCRIPT_ERROR;
    assert_string_equal(message, "");
    status = script_run(s, &h, message);
    script_free(s);
    return status;
}

static void passes(const char *text)
{
    assert_int_equal(script(text, NULL, 0), SCRIPT_OK);
    assert_string_equal(message, "");
}

/* The script fails with "PATH:line: text" (text may be its beginning). */
static void fails(const char *text, enum script_status status, int line, const char *expected)
{
    char whole[512];

    assert_int_equal(script(text, NULL, 0), status);
    snprintf(whole, sizeof(whole), "%s:%d: %s", path, line, expected);
    if (strncmp(message, whole, strlen(whole)) != 0)
        fail_msg("'%s' is not '%s'", message, whole);
}

static void parameters_arrive(void **state)
{
    const struct phase *p = host.phase;

    (void)state;
    passes("jetgen.open{sessions=1000, suite='chacha20-poly1305', fec={20, 4}, streams=9,\n"
           "  inflight=7, rate=2.5, idle_timeout=60, fec_flush_us=9000, loss=0.25}\n"
           "jetgen.run{seconds=1.5, messages=1e6, rate=0, window=100, train=20, datagrams=0.5,\n"
           "  rekey_every=500, drain=2, loss=0.1, loss_rx=0.2, duplicate=0.3, corrupt=0.4,\n"
           "  replay=0.5, forge=0.6, gilbert={enter=0.01, exit=0.2, loss=0.9},\n"
           "  burst={every=50, length=4}, reorder={p=0.1, distance=5, timeout_ms=9},\n"
           "  garbage={random=0.1, truncated=0.2, wrong_spi=0.3, hello=0.4, headers=0.5}}\n"
           "jetgen.flood{rate=1e5, seconds=3, sources=12, valid=true, cookies='good'}\n"
           "jetgen.close()\n");
    assert_int_equal(host.phases, 4);
    assert_int_equal(p[0].kind, PHASE_OPEN);
    assert_int_equal(p[0].open.sessions, 1000);
    assert_int_equal(p[0].open.suite, AEAD_CHACHA20_POLY1305);
    assert_int_equal(p[0].open.fec_k, 20);
    assert_int_equal(p[0].open.fec_r, 4);
    assert_int_equal(p[0].open.streams, 9);
    assert_int_equal(p[0].open.inflight, 7);
    assert_true(p[0].open.rate == 2.5 && p[0].open.idle_timeout == 60 && p[0].impair.loss == 0.25);
    assert_int_equal(p[0].open.fec_flush_us, 9000);
    assert_int_equal(p[1].kind, PHASE_RUN);
    assert_true(p[1].run.seconds == 1.5 && p[1].run.rate == 0 && p[1].run.datagrams == 0.5);
    assert_int_equal(p[1].run.messages, 1000000);
    assert_int_equal(p[1].run.window, 100);
    assert_int_equal(p[1].run.train, 20);
    assert_int_equal(p[1].run.rekey_every, 500);
    assert_true(p[1].run.drain == 2);
    assert_true(p[1].impair.loss == 0.1 && p[1].impair.loss_rx == 0.2);
    assert_true(p[1].impair.duplicate == 0.3 && p[1].impair.corrupt == 0.4);
    assert_true(p[1].impair.replay == 0.5 && p[1].impair.forge == 0.6);
    assert_true(p[1].impair.gilbert.enter == 0.01 && p[1].impair.gilbert.exit == 0.2 &&
                p[1].impair.gilbert.loss == 0.9);
    assert_int_equal(p[1].impair.burst.every, 50);
    assert_int_equal(p[1].impair.burst.length, 4);
    assert_true(p[1].impair.reorder.p == 0.1);
    assert_int_equal(p[1].impair.reorder.distance, 5);
    assert_int_equal(p[1].impair.reorder.timeout_ms, 9);
    assert_true(p[1].impair.garbage.random == 0.1 && p[1].impair.garbage.truncated == 0.2 &&
                p[1].impair.garbage.wrong_spi == 0.3 && p[1].impair.garbage.hello == 0.4 &&
                p[1].impair.garbage.headers == 0.5);
    assert_int_equal(p[2].kind, PHASE_FLOOD);
    assert_true(p[2].flood.rate == 1e5 && p[2].flood.seconds == 3 && p[2].flood.valid);
    assert_int_equal(p[2].flood.sources, 12);
    assert_int_equal(p[2].flood.cookies, FLOOD_GOOD);
    assert_int_equal(p[3].kind, PHASE_CLOSE);
}

static void what_is_left_out_has_its_default(void **state)
{
    (void)state;
    passes("jetgen.open()\njetgen.run{seconds=1}\n");
    assert_int_equal(host.phase[0].open.sessions, 1);
    assert_int_equal(host.phase[0].open.suite, 0);
    assert_int_equal(host.phase[0].open.fec_k, 0);
    assert_int_equal(host.phase[1].run.size[0], 512);
    assert_int_equal(host.phase[1].run.size_max, 512);
    assert_true(host.phase[1].impair.loss == 0 && host.phase[1].impair.reorder.p == 0);
}

static void sizes_are_mixed_by_weight(void **state)
{
    unsigned n[3] = {0};

    (void)state;
    passes("jetgen.run{seconds=1, sizes={{64, 7}, {576, 4}, {1400, 1}}}");
    for (unsigned i = 0; i < PHASE_SIZES; i++)
        switch (host.phase[0].run.size[i]) {
        case 64:
            n[0]++;
            break;
        case 576:
            n[1]++;
            break;
        default:
            assert_int_equal(host.phase[0].run.size[i], 1400);
            n[2]++;
        }
    assert_in_range(n[0], PHASE_SIZES * 7 / 12, PHASE_SIZES * 7 / 12 + 1);
    assert_in_range(n[1], PHASE_SIZES * 4 / 12, PHASE_SIZES * 4 / 12 + 1);
    assert_in_range(n[2], PHASE_SIZES / 12, PHASE_SIZES / 12 + 1);
    assert_int_equal(host.phase[0].run.size_max, 1400);
}

static void results_come_back(void **state)
{
    (void)state;
    host.delivered = 12345;
    passes("local r = jetgen.run{seconds=1}\n"
           "assert(r.delivered == 12345 and r.corrupt_delivered == 0)\n"
           "assert(r.seconds == 2 and r.mpps == 1.5 and r.p50_us == 0 and r.max_us == 0)\n");
}

static void wrong_parameters_are_named_with_line(void **state)
{
    (void)state;
    fails("\njetgen.run{seconds=1, raet=5}", SCRIPT_ERROR, 2,
          "jetgen.run: there is no 'raet'; there are seconds, ");
    fails("jetgen.run{5}", SCRIPT_ERROR, 1, "jetgen.run: there is no '1'; ");
    fails("\n\njetgen.open{sessions='many'}", SCRIPT_ERROR, 3,
          "jetgen.open: sessions: a number is wanted, not a string");
    fails("jetgen.open{sessions='5'}", SCRIPT_ERROR, 1,
          "jetgen.open: sessions: a number is wanted, not a string");
    fails("jetgen.open{sessions=1.5}", SCRIPT_ERROR, 1,
          "jetgen.open: sessions: 1.5 is not a whole number");
    fails("jetgen.open{sessions=0}", SCRIPT_ERROR, 1,
          "jetgen.open: sessions: 0 is not between 1 and 16777216");
    fails("jetgen.run{seconds=1, loss=1.01}", SCRIPT_ERROR, 1,
          "jetgen.run: loss: 1.01 is not between 0 and 1");
    fails("jetgen.run{seconds=0/0}", SCRIPT_ERROR, 1, "jetgen.run: seconds: not a number");
    fails("jetgen.run{messages=-1}", SCRIPT_ERROR, 1,
          "jetgen.run: messages: -1 is not between 1 and 1000000000000000");
    fails("jetgen.open{sessions=1e300}", SCRIPT_ERROR, 1,
          "jetgen.open: sessions: 1e+300 is not between 1 and 16777216");
    fails("jetgen.open{sessions=math.huge}", SCRIPT_ERROR, 1,
          "jetgen.open: sessions: inf is not between 1 and 16777216");
    fails("jetgen.run{seconds=1,\ngarbage={rnd=0.1}}", SCRIPT_ERROR, 1,
          "jetgen.run: garbage: there is no 'rnd'; there are random, truncated, wrong_spi, hello, "
          "headers");
    fails("jetgen.run{seconds=1, reorder=0.1}", SCRIPT_ERROR, 1,
          "jetgen.run: reorder: a table is wanted, not a number");
    fails("jetgen.run{seconds=1, gilbert={enter=0.1}}", SCRIPT_ERROR, 1,
          "jetgen.run: gilbert: with enter comes exit");
    fails("jetgen.run{seconds=1, burst={every=3, length=4}}", SCRIPT_ERROR, 1,
          "jetgen.run: burst: length is more than every");
    fails("jetgen.run{rate=5}", SCRIPT_ERROR, 1, "jetgen.run: seconds or messages is wanted");
    fails("jetgen.run{seconds=1, size=47}", SCRIPT_ERROR, 1,
          "jetgen.run: size: 47 is not between 48 and ");
    fails("jetgen.run{seconds=1, sizes={}}", SCRIPT_ERROR, 1,
          "jetgen.run: sizes: {{size, weight}, ...} is wanted");
    fails("jetgen.run{seconds=1, sizes={{64, 1}, 65}}", SCRIPT_ERROR, 1,
          "jetgen.run: sizes: number 2 is not {size, weight}");
    fails("jetgen.open{fec={20}}", SCRIPT_ERROR, 1, "jetgen.open: fec: {k, r} is wanted, or false");
    fails("jetgen.open{fec={65, 4}}", SCRIPT_ERROR, 1,
          "jetgen.open: fec: 65 is not between 1 and 64");
    fails("jetgen.open{suite='rot13'}", SCRIPT_ERROR, 1, "jetgen.open: suite: 'rot13' is neither ");
    fails("jetgen.flood{valid=1}", SCRIPT_ERROR, 1,
          "jetgen.flood: valid: true or false is wanted, not a number");
    fails("jetgen.flood{cookies=1}", SCRIPT_ERROR, 1,
          "jetgen.flood: cookies: a string is wanted, not a number");
    fails("jetgen.flood{cookies='stale'}", SCRIPT_ERROR, 1,
          "jetgen.flood: cookies: 'stale' is none of none, forged and good");
    fails("jetgen.flood{cookies='good'}", SCRIPT_ERROR, 1,
          "jetgen.flood: good cookies are for valid hellos alone");
    fails("jetgen.run(5)", SCRIPT_ERROR, 1, "jetgen.run: a table is wanted, not a number");
    fails("jetgen.run({seconds=1}, 5)", SCRIPT_ERROR, 1, "jetgen.run: one table is wanted");
    assert_int_equal(host.phases, 0);
}

static void wrong_scripts_are_named_with_line(void **state)
{
    (void)state;
    fails("\n\nnothing.at = 5", SCRIPT_ERROR, 3, "attempt to index a nil value");
    fails("\nerror('so')", SCRIPT_ERROR, 2, "so");
}

/* Wherever it was thrown, and whatever that is. */
static void every_error_has_script_and_line(void **state)
{
    (void)state;
    fails("\njetgen.print('%d', 'five')", SCRIPT_ERROR, 2, "bad argument #2 to 'string.format'");
    fails("\njetgen.print({})", SCRIPT_ERROR, 2, "bad argument #1 to 'print'");
    fails("\n\nerror({})", SCRIPT_ERROR, 3, "table: ");
    fails("\nerror()", SCRIPT_ERROR, 2, "nil");
    fails("\nerror('so', 0)", SCRIPT_ERROR, 2, "so");
    fails("local t = setmetatable({}, {__tostring = function() return 'so' end})\nerror(t)",
          SCRIPT_ERROR, 2, "so");
    fails("local t = setmetatable({}, {__tostring = function() error('so') end})\nerror(t)",
          SCRIPT_ERROR, 1, "so");
    fails("local ok, e = pcall(jetgen.run, {raet=5})\nerror(e, 0)", SCRIPT_ERROR, 2,
          "jetgen.run: there is no 'raet'");
    fails("\nerror('elsewhere.lua:7: so', 0)", SCRIPT_ERROR, 2, "elsewhere.lua:7: so");
    fails("local function f() error('so') end\nf()", SCRIPT_ERROR, 1, "so");
    fails("local function f() error('so', 2) end\nf()", SCRIPT_ERROR, 2, "so");
    fails("\nstring.rep('x', -1, {})", SCRIPT_ERROR, 2, "bad argument #3 to 'rep'");
    fails("\n\ntable.sort({3, 1, 'x'})", SCRIPT_ERROR, 3, "attempt to compare");
}

static void what_a_phase_says_is_named_with_line(void **state)
{
    (void)state;
    host.refuse = "no sessions are open";
    fails("\n\n\njetgen.run{seconds=1}", SCRIPT_ERROR, 4, "jetgen.run: no sessions are open");
}

static void expectations_have_a_status_of_their_own(void **state)
{
    (void)state;
    passes("assert(jetgen.expect(5 > 4, 'no') == true)");
    fails("\njetgen.expect(4 > 5, 'four is not more')", SCRIPT_EXPECTATION, 2, "four is not more");
    fails("jetgen.expect(nil)", SCRIPT_EXPECTATION, 1, "what was expected does not hold");
    /* it cannot be swallowed, for the run would look good */
    fails("local function f()\n\njetgen.expect(false, 'so')\nend\npcall(f)\nx.y = 1",
          SCRIPT_EXPECTATION, 3, "so");
    fails("pcall(function() jetgen.expect(false, 'so') end)", SCRIPT_EXPECTATION, 1, "so");
    fails("\npcall(jetgen.expect, false, 'so')", SCRIPT_EXPECTATION, 2, "so");
}

static void arguments_have_the_type_of_their_default(void **state)
{
    char *args[] = {"sessions=5", "fast=true", "name=a=b", "hex=0x10", "bad=five"};

    (void)state;
    assert_int_equal(script("assert(jetgen.arg('sessions', 1) == 5)\n"
                            "assert(jetgen.arg('fast', false) == true)\n"
                            "assert(jetgen.arg('name', '') == 'a=b')\n"
                            "assert(jetgen.arg('hex', 0) == 16)\n"
                            "assert(jetgen.arg('other', 7) == 7)\n"
                            "assert(args.sessions == '5')\n",
                            args, 4),
                     SCRIPT_OK);
    assert_int_equal(script("\njetgen.arg('bad', 1)", args, 5), SCRIPT_ERROR);
    assert_non_null(strstr(message, ":2: bad=five: a number is wanted"));
    assert_int_equal(script("jetgen.arg('sessions', true)", args, 5), SCRIPT_ERROR);
    assert_non_null(strstr(message, ":1: sessions=5: true or false is wanted"));
    args[0] = "sessions";
    assert_int_equal(script("", args, 1), SCRIPT_ERROR);
    assert_non_null(strstr(message, "argument 'sessions' is not KEY=VALUE"));
}

static void nothing_reaches_beyond_the_script(void **state)
{
    (void)state;
    passes(
        "for _, name in ipairs{'io', 'os', 'package', 'debug', 'require', 'dofile', 'loadfile',\n"
        "  'load'} do assert(_G[name] == nil, name) end\n"
        "assert(string.format and table.concat and math.floor)");
}

static void an_interrupt_ends_it(void **state)
{
    (void)state;
    host.interrupted = true;
    assert_int_equal(script("jetgen.run{seconds=1}\njetgen.run{seconds=1}", NULL, 0),
                     SCRIPT_INTERRUPTED);
    assert_int_equal(host.phases, 1);
    assert_int_equal(script("while true do end", NULL, 0), SCRIPT_INTERRUPTED);
}

/* Before anything is set up for it to run. */
static void what_cannot_be_read_is_named(void **state)
{
    char *args[] = {"=5"};

    (void)state;
    assert_null(script_load("/nonexistent.lua", NULL, 0, message));
    assert_non_null(strstr(message, "/nonexistent.lua"));
    fails("\nx = = 3", SCRIPT_ERROR, 2, "unexpected symbol near '='");
    assert_null(script_load(path, NULL, 0, message));
    assert_null(script_load(path, args, 1, message));
    assert_string_equal(message, "jetgen: argument '=5' is not KEY=VALUE");
}

static void everything_is_documented(void **state)
{
    static char text[1 << 16];
    FILE *f = fopen(JP_SOURCE_ROOT "/docs/jetgen-scripts.md", "r");
    char row[256];

    (void)state;
    assert_non_null(f);
    text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
    fclose(f);
    for (unsigned i = 0; i < COUNTERS; i++) {
        snprintf(row, sizeof(row), "\n| `%s` | %s |\n", counter_name[i], counter_text[i]);
        if (!strstr(text, row))
            fail_msg("not documented:%s", row);
    }
    for (unsigned i = 0; i < derived_count; i++) {
        snprintf(row, sizeof(row), "\n| `%s` | %s |\n", derived[i].name, derived[i].text);
        if (!strstr(text, row))
            fail_msg("not documented:%s", row);
    }
}

static int make_path(void **state)
{
    (void)state;
    return close(mkstemp(path));
}

static int remove_path(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(parameters_arrive, reset),
        cmocka_unit_test_setup(what_is_left_out_has_its_default, reset),
        cmocka_unit_test_setup(sizes_are_mixed_by_weight, reset),
        cmocka_unit_test_setup(results_come_back, reset),
        cmocka_unit_test_setup(wrong_parameters_are_named_with_line, reset),
        cmocka_unit_test_setup(wrong_scripts_are_named_with_line, reset),
        cmocka_unit_test_setup(every_error_has_script_and_line, reset),
        cmocka_unit_test_setup(what_a_phase_says_is_named_with_line, reset),
        cmocka_unit_test_setup(expectations_have_a_status_of_their_own, reset),
        cmocka_unit_test_setup(arguments_have_the_type_of_their_default, reset),
        cmocka_unit_test_setup(nothing_reaches_beyond_the_script, reset),
        cmocka_unit_test_setup(an_interrupt_ends_it, reset),
        cmocka_unit_test_setup(what_cannot_be_read_is_named, reset),
        cmocka_unit_test(everything_is_documented),
    };

    return cmocka_run_group_tests(tests, make_path, remove_path);
}
