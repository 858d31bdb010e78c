/* Looks a fixed number of SPIs up in a worker's session table, in random order, in bursts as the
 * receive path does, and reads the session found. */
#include "burst.h"
#include "report.h"
#include "session.h"
#include "stopwatch.h"

static const char usage[] = "usage: bench_lookup [--json] SESSIONS COUNT\n"
                            "  SESSIONS  in the table, 1 to 1000000\n"
                            "  COUNT     lookups, in bursts of 64\n";

enum { SPI_FIRST = 0x1000000, ROUND = 64 * BURST_MAX };

static struct session_table *table;
static uint32_t n_sessions;
static uint64_t random_state = 0x9e3779b97f4a7c15;

static uint32_t random_spi(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return SPI_FIRST + (uint32_t)((random_state >> 32) * n_sessions >> 32);
}

/* As the parse stage: all of a burst, then each session. */
static uint64_t find_bulk(const uint32_t *spi)
{
    struct session *found[BURST_MAX];
    uint64_t sum = 0;

    for (unsigned i = 0; i < BURST_MAX; i++)
        session_expect(table, spi[i]);
    session_find_bulk(table, spi, found, BURST_MAX);
    for (unsigned i = 0; i < BURST_MAX; i++)
        sum += found[i]->server_spi == spi[i];
    return sum;
}

static uint64_t find_each(const uint32_t *spi)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < BURST_MAX; i++)
        sum += session_find(table, spi[i])->server_spi == spi[i];
    return sum;
}

static void measure(const char *name, uint64_t (*find)(const uint32_t *spi), unsigned long rounds)
{
    uint64_t *ns = calloc(rounds, sizeof(*ns));
    uint32_t spi[ROUND];
    char result[32];

    if (!ns)
        report_fail("out of memory");
    for (unsigned long r = 0; r < rounds; r++) {
        uint64_t found = 0;

        for (unsigned i = 0; i < ROUND; i++)
            spi[i] = random_spi();
        struct stopwatch watch = stopwatch_now();

        for (unsigned i = 0; i < ROUND; i += BURST_MAX)
            found += find(spi + i);
        ns[r] = stopwatch_since(watch).ns;
        if (found != ROUND)
            report_fail("a session was not found");
    }
    snprintf(result, sizeof(result), "%s.ns", name);
    report(result, (double)report_median(ns, rounds) / ROUND, "ns");
    free(ns);
}

int main(int argc, char **argv)
{
    report_begin(&argc, argv, usage);
    if (argc != 3)
        report_usage("wrong number of arguments");
    n_sessions = (uint32_t)report_number(argv[1], 1, 1000000);
    unsigned long rounds = (report_number(argv[2], 1, 1000000000) + ROUND - 1) / ROUND;

    table = session_table_new(n_sessions);
    if (!table)
        report_fail("no memory for the table");
    for (uint32_t i = 0; i < n_sessions; i++)
        session_table_add(table, SPI_FIRST + i);
    measure("burst", find_bulk, rounds);
    measure("single", find_each, rounds);
    report_end();
    session_table_free(table);
    return 0;
}
