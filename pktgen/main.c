/* jetgen: read the script, set everything up, run it, show the results. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <sodium.h>

#include "fec.h"
#include "interrupt.h"
#include "jetgen.h"
#include "options.h"
#include "run.h"
#include "script.h"
#include "worker.h"

static struct jetgen g;
static struct run run = {.g = &g};

static int host_run(void *arg, const struct phase *phase, struct results *results, char *error)
{
    return run_phase(arg, phase, results, error);
}

static bool host_interrupted(void *arg)
{
    (void)arg;
    return interrupted != 0;
}

static bool setup(void)
{
    g.tsc_per_us = (double)rte_get_tsc_hz() / 1e6;
    g.tsc_start = rte_rdtsc();
    payload_pattern_init(&g.pattern, g.options.seed);
    for (unsigned i = 0; i < g.options.workers; i++)
        if (!(g.worker[i] = worker_new(&g, i)))
            return false;
    unmap_guard(&g);
    return port_start(&g) == 0;
}

/* What finding the target took belongs to the totals too: they agree with the data plane's. */
static void add_neighbour(void)
{
    uint64_t *c = run.report.total.counter;

    c[C_tx_packets] += g.asked[0];
    c[C_tx_bytes] += g.asked[1];
    c[C_rx_packets] += g.heard[0];
    c[C_rx_bytes] += g.heard[1];
}

/* Take leave of the data plane, whatever became of the script. */
static void close_sessions(void)
{
    static struct results results;
    static const struct phase phase = {.kind = PHASE_CLOSE};
    char error[SCRIPT_ERROR_MAX];

    if (g.sessions > 0)
        run_phase(&run, &phase, &results, error);
}

/* Somebody answered, and was not believed: that looks like silence. */
static void explain_failures(const struct results *total)
{
    if (total->counter[C_handshakes_failed] > 0 && total->counter[C_hellos_rejected] > 0)
        fprintf(stderr, "jetgen: %llu ServerHellos are forged or not of the server in --identity\n",
                (unsigned long long)total->counter[C_hellos_rejected]);
}

/* Set everything up, run the script and show the results. */
static enum script_status run_script(struct script *script)
{
    static const struct script_host host = {&run, host_run, host_interrupted};
    enum script_status status = SCRIPT_ERROR;
    char message[SCRIPT_ERROR_MAX];

    if (eal_start(&g.options) != 0)
        return SCRIPT_ERROR;
    if (setup()) {
        status = script_run(script, &host, message);
        if (message[0] != '\0')
            fprintf(stderr, "%s\n", message);
        close_sessions();
        add_neighbour();
        explain_failures(&run.report.total);
        if (g.options.json)
            report_json(&run.report, message, stdout);
        else
            report_table(&run.report, stdout);
        port_stop(&g);
    } else if (interrupted) {
        status = SCRIPT_INTERRUPTED;
        fputs("jetgen: interrupted\n", stderr);
    }
    unmap_guard(NULL);
    for (unsigned i = 0; i < g.options.workers && g.worker[i]; i++)
        worker_free(g.worker[i]);
    report_free(&run.report);
    rte_eal_cleanup();
    return status;
}

int main(int argc, char **argv)
{
    enum script_status status;
    struct script *script;
    char message[SCRIPT_ERROR_MAX];

    if (sodium_init() < 0)
        return SCRIPT_ERROR;
    options_parse(&g.options, argc, argv);
    script = script_load(g.options.script, g.options.args, g.options.n_args, message);
    if (!script) {
        fprintf(stderr, "%s\n", message);
        return SCRIPT_ERROR;
    }
    fec_init();
    interrupt_catch();
    status = run_script(script);
    script_free(script);
    return report_finish((int)status);
}
