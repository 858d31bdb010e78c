/* stats, drops */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "command.h"
#include "jetplane/counters.h"
#include "print.h"

#define ROW(name, text) {#name, text},
static const char *const counters[][2] = {JP_COUNTERS(ROW)};
static const char *const sources[][2] = {JP_SOURCES(ROW)};
static const char *const fates[][2] = {JP_FATES(ROW)};
static const char *const drops[][2] = {JP_DROPS(ROW)};
static const char *const gauges[][2] = {JP_GAUGES(ROW)};
static const char *const rx_stages[][2] = {JP_RX_STAGES(ROW)};
static const char *const owner_stages[][2] = {JP_OWNER_STAGES(ROW)};
static const char *const tx_stages[][2] = {JP_TX_STAGES(ROW)};
static const char *const stages[][2] = {JP_STAGES(ROW)};
#undef ROW
#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

/* ---- rates ---- */

static bool is_gauge(const char *name)
{
    for (size_t i = 0; i < COUNT(gauges); i++)
        if (strcmp(name, gauges[i][0]) == 0)
            return true;
    return false;
}

/* What happened a second; gauges as they are now. */
static json_t *rates(const json_t *before, const json_t *after, double seconds)
{
    json_t *json = json_object();

    for (size_t i = 0; i < COUNT(counters); i++) {
        const char *name = counters[i][0];
        double value = num(after, name);

        if (!is_gauge(name))
            value = (value - num(before, name)) / seconds;
        json_object_set_new(json, name, json_real(value));
    }
    return json;
}

/* Two samples of one run of the data plane, as a sample of rates. */
static struct answer rate_between(const json_t *before, const json_t *after)
{
    double seconds = (num(after, "time_us") - num(before, "time_us")) / 1e6;
    const json_t *lcores = json_object_get(after, "lcores"), *lcore;
    json_t *list = json_array();
    size_t i;

    if (strcmp(str(before, "boot_id"), str(after, "boot_id")) != 0 || seconds <= 0) {
        json_decref(list);
        return answer_error(CTL_REFUSED, "the data plane restarted between the samples");
    }
    json_array_foreach (lcores, i, lcore) {
        const json_t *old = json_array_get(json_object_get(before, "lcores"), i);

        json_array_append_new(list,
                              json_pack("{s:O, s:O, s:o}", "lcore", json_object_get(lcore, "lcore"),
                                        "cpu", json_object_get(lcore, "cpu"), "counters",
                                        rates(json_object_get(old, "counters"),
                                              json_object_get(lcore, "counters"), seconds)));
    }
    return (struct answer){.result = json_pack("{s:f, s:O, s:o, s:o}", "seconds", seconds, "tsc_hz",
                                               json_object_get(after, "tsc_hz"), "total",
                                               rates(json_object_get(before, "total"),
                                                     json_object_get(after, "total"), seconds),
                                               "lcores", list)};
}

/* Sample, wait for a second unless a sample was kept, sample again. */
static struct answer fetch_rates(struct arguments *arguments)
{
    struct timespec second = {.tv_sec = 1};
    struct answer now = ask(arguments, "stats"), answer;

    if (!now.result)
        return now;
    if (!arguments->before) {
        arguments->before = now.result;
        nanosleep(&second, NULL);
        now = ask(arguments, "stats");
        if (!now.result)
            return now;
    }
    answer = rate_between(arguments->before, now.result);
    json_decref(arguments->before);
    arguments->before = now.result;
    return answer;
}

/* ---- stages ---- */

enum { STAGE_MAX = 32 };

/* decrypt_cycles is the stage decrypt's. */
static const char *stage_name(char out[STAGE_MAX], const char *counter)
{
    snprintf(out, STAGE_MAX, "%.*s", (int)(strlen(counter) - strlen("_cycles")), counter);
    return out;
}

static void add_stages(json_t *to, const json_t *from, const char *const (*names)[2], size_t n,
                       double packets)
{
    char name[STAGE_MAX];

    for (size_t i = 0; i < n; i++)
        json_object_set_new(to, stage_name(name, names[i][0]),
                            json_real(packets > 0 ? num(from, names[i][0]) / packets : 0));
}

/* What an lcore's counters, or their rates, say of its time: the busy part, and cycles a packet in
 * each stage. */
static void add_time(json_t *lcore)
{
    const json_t *c = json_object_get(lcore, "counters");
    double received = num(c, "rx_packets"), busy = num(c, "cycles_busy");
    double owned = received - num(c, "misdirected") + num(c, "handed_in");
    double all = busy + num(c, "cycles_idle");
    json_t *cycles = json_object();

    add_stages(cycles, c, rx_stages, COUNT(rx_stages), received);
    add_stages(cycles, c, owner_stages, COUNT(owner_stages), owned);
    add_stages(cycles, c, tx_stages, COUNT(tx_stages), num(c, "tx_packets"));
    json_object_set_new(lcore, "busy", json_real(all > 0 ? busy / all : 0));
    json_object_set_new(lcore, "cycles_per_packet", cycles);
}

/* ---- stats ---- */

/* Leave only this lcore. */
static struct answer only_lcore(struct answer answer, int lcore)
{
    json_t *lcores = json_object_get(answer.result, "lcores");
    json_t *one = json_array_get(lcores, (size_t)lcore);

    if (!one) {
        size_t n = json_array_size(lcores);

        json_decref(answer.result);
        return answer_error(CTL_REFUSED, "no lcore %d: there are %zu, from 0", lcore, n);
    }
    json_object_set_new(answer.result, "lcores", json_pack("[O]", one));
    json_object_del(answer.result, "total");
    return answer;
}

struct answer stats_fetch(struct arguments *arguments)
{
    struct answer answer = arguments->rate ? fetch_rates(arguments) : ask(arguments, "stats");
    json_t *lcore;
    size_t i;

    json_array_foreach (json_object_get(answer.result, "lcores"), i, lcore)
        add_time(lcore);
    if (answer.result && arguments->lcore >= 0)
        answer = only_lcore(answer, arguments->lcore);
    return answer;
}

static void value_cell(struct table *table, const json_t *from, const char *name, bool rate)
{
    char text[PRINT_MAX];

    table_cell(table, "%s",
               rate && !is_gauge(name) ? print_rate(text, num(from, name))
                                       : print_count(text, whole(from, name)));
}

/* How much of its time each lcore was busy, and where that went. */
static void print_time(const json_t *result)
{
    const json_t *lcores = json_object_get(result, "lcores"), *lcore;
    char align[64 + 2] = "l", name[STAGE_MAX];
    size_t n = json_array_size(lcores), i;
    struct table table;

    memset(align + 1, 'r', n > 64 ? 64 : n);
    table = table_new(align);
    table_cell(&table, "cycles/packet");
    json_array_foreach (lcores, i, lcore)
        table_cell(&table, "lcore %.0f", num(lcore, "lcore"));
    for (size_t row = 0; row < COUNT(stages); row++) {
        table_cell(&table, "%s", stage_name(name, stages[row][0]));
        json_array_foreach (lcores, i, lcore)
            table_cell(&table, "%.1f", num(json_object_get(lcore, "cycles_per_packet"), name));
    }
    table_cell(&table, "busy");
    json_array_foreach (lcores, i, lcore)
        table_cell(&table, "%.1f %%", 100 * num(lcore, "busy"));
    fputs("\n", stdout);
    table_print(&table);
}

void stats_print(const json_t *result, const struct arguments *arguments)
{
    const json_t *total = json_object_get(result, "total");
    const json_t *lcores = json_object_get(result, "lcores"), *lcore;
    char align[64 + 4] = "l";
    struct table table;
    size_t n = json_array_size(lcores), i;

    if (n > 64)
        n = 64;
    memset(align + 1, 'r', n + (total ? 1 : 0));
    strcat(align, "l");
    table = table_new(align);
    table_cell(&table, "%s", arguments->rate ? "per second" : "counter");
    if (total)
        table_cell(&table, "total");
    json_array_foreach (lcores, i, lcore)
        table_cell(&table, "lcore %.0f", num(lcore, "lcore"));
    table_cell(&table, "description");
    for (size_t row = 0; row < COUNT(counters); row++) {
        const char *name = counters[row][0];

        table_cell(&table, "%s", name);
        if (total)
            value_cell(&table, total, name, arguments->rate);
        json_array_foreach (lcores, i, lcore)
            value_cell(&table, json_object_get(lcore, "counters"), name, arguments->rate);
        table_cell(&table, "%s", counters[row][1]);
    }
    table_print(&table);
    print_time(result);
}

/* ---- drops ---- */

static json_int_t sum(const json_t *total, const char *const (*rows)[2], size_t n)
{
    json_int_t all = 0;

    for (size_t i = 0; i < n; i++)
        all += whole(total, rows[i][0]);
    return all;
}

struct answer drops_fetch(struct arguments *arguments)
{
    struct answer answer = ask(arguments, "stats");
    const json_t *total = json_object_get(answer.result, "total");
    json_int_t in = sum(total, sources, COUNT(sources)), done = sum(total, fates, COUNT(fates));
    json_int_t dropped = sum(total, drops, COUNT(drops)), held = whole(total, "held");
    json_t *list;

    if (!answer.result)
        return answer;
    list = json_object();
    for (size_t i = 0; i < COUNT(drops); i++)
        json_object_set(list, drops[i][0], json_object_get(total, drops[i][0]));
    json_decref(answer.result);
    answer.result =
        json_pack("{s:o, s:I, s:I, s:I, s:I, s:I}", "drops", list, "sources", in, "fates", done,
                  "dropped", dropped, "held", held, "difference", in - done - dropped - held);
    return answer;
}

void drops_print(const json_t *result, const struct arguments *arguments)
{
    const json_t *list = json_object_get(result, "drops");
    struct table table = table_new("lrl");
    char a[PRINT_MAX], b[PRINT_MAX], c[PRINT_MAX], d[PRINT_MAX], e[PRINT_MAX];

    (void)arguments;
    table_cell(&table, "drop");
    table_cell(&table, "packets");
    table_cell(&table, "description");
    for (size_t i = 0; i < COUNT(drops); i++) {
        if (num(list, drops[i][0]) == 0)
            continue;
        table_cell(&table, "%s", drops[i][0]);
        table_cell(&table, "%s", print_count(a, whole(list, drops[i][0])));
        table_cell(&table, "%s", drops[i][1]);
    }
    table_print(&table);
    printf("sources %s = fates %s + drops %s + held %s, difference %s%s\n",
           print_count(a, whole(result, "sources")), print_count(b, whole(result, "fates")),
           print_count(c, whole(result, "dropped")), print_count(d, whole(result, "held")),
           print_count(e, whole(result, "difference")),
           num(result, "difference") != 0 ? " (packets under way while counting)" : "");
}
