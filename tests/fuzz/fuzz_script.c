/* A script of jetgen's, with a host that notes phases and runs none. What holds: every phase that
 * is asked for is within the limits that are said, and what is wrong is said with a place. */
#include <string.h>

#include "aead.h"
#include "fec.h"
#include "fuzz.h"
#include "fuzz_file.h"
#include "fuzz_quiet.h"
#include "payload.h"
#include "script.h"

enum { PHASES_MAX = 64, TURNS = 2 /* of 100,000 instructions */ };

struct host {
    unsigned phases, asked;
};

static bool is_share(double v)
{
    return v >= 0 && v <= 1;
}

static void check_impair(const struct impair_config *im)
{
    FUZZ_CHECK(is_share(im->loss) && is_share(im->loss_rx) && is_share(im->duplicate));
    FUZZ_CHECK(is_share(im->corrupt) && is_share(im->replay) && is_share(im->forge));
    FUZZ_CHECK(is_share(im->gilbert.enter) && is_share(im->gilbert.exit));
    FUZZ_CHECK(is_share(im->reorder.p) && im->reorder.distance >= 1);
    FUZZ_CHECK(im->burst.length <= im->burst.every);
}

static void check_phase(const struct phase *p)
{
    if (p->kind != PHASE_CLOSE)
        check_impair(&p->impair);
    if (p->kind == PHASE_OPEN) {
        FUZZ_CHECK(p->open.sessions >= 1 && p->open.sessions <= PHASE_SESSIONS_MAX);
        FUZZ_CHECK(p->open.fec_k <= FEC_K_MAX && p->open.fec_r <= FEC_R_MAX);
        FUZZ_CHECK((p->open.fec_k == 0) == (p->open.fec_r == 0));
        FUZZ_CHECK(p->open.streams >= 1 && p->open.inflight >= 1);
    }
    if (p->kind != PHASE_RUN)
        return;
    FUZZ_CHECK(p->run.seconds > 0 || p->run.messages > 0);
    for (unsigned i = 0; i < sizeof(p->run.size) / sizeof(p->run.size[0]); i++)
        FUZZ_CHECK(p->run.size[i] >= PAYLOAD_MIN && p->run.size[i] <= PAYLOAD_MAX);
}

static int run(void *arg, const struct phase *phase, struct results *results,
               char error[SCRIPT_ERROR_MAX])
{
    struct host *h = arg;

    check_phase(phase);
    memset(results, 0, sizeof(*results));
    results->counter[C_delivered] = h->phases;
    snprintf(error, SCRIPT_ERROR_MAX, "%s", "enough");
    return ++h->phases > PHASES_MAX ? -1 : 0;
}

static bool interrupted(void *arg)
{
    return ++((struct host *)arg)->asked > TURNS + PHASES_MAX;
}

/* Does it join strings? A run of one or three dots does something else. */
static bool joins(const uint8_t *data, size_t size)
{
    for (size_t i = 0, n; i < size; i += n + 1) {
        for (n = 0; i + n < size && data[i + n] == '.'; n++)
            ;
        if (n == 2 || n > 3)
            return true;
    }
    return false;
}

/* Lua's own functions can take memory and time without end: that is no fault of ours. */
static bool is_greedy(const uint8_t *data, size_t size)
{
    static const char *const how[] = {"rep(",  "rep'",   "rep\"",  "rep[",  "rep {",
                                      "gsub",  "concat", "pack",   "move",  "find",
                                      "match", "__len",  "insert", "remove"};

    for (unsigned i = 0; i < sizeof(how) / sizeof(how[0]); i++)
        if (memmem(data, size, how[i], strlen(how[i])))
            return true;
    return joins(data, size);
}

static void run_script(struct script *script, char message[SCRIPT_ERROR_MAX])
{
    static FILE *nowhere;
    FILE *screen = stdout;
    struct host h = {0};
    const struct script_host host = {&h, run, interrupted};
    enum script_status status;

    if (!nowhere)
        nowhere = fopen("/dev/null", "w");
    stdout = nowhere;
    status = script_run(script, &host, message);
    stdout = screen;
    FUZZ_CHECK((status == SCRIPT_OK) == (message[0] == '\0'));
    FUZZ_CHECK(strnlen(message, SCRIPT_ERROR_MAX) < SCRIPT_ERROR_MAX);
    script_free(script);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char *args[] = {"rate=1000", "name=x", "fast=true"};
    char message[SCRIPT_ERROR_MAX];
    struct script *script;
    struct quiet q;

    if (is_greedy(data, size))
        return 0;
    script = script_load(fuzz_file(data, size), args, 3, message);
    FUZZ_CHECK(script || message[0] != '\0');
    if (!script)
        return 0;
    quiet_begin(&q);
    run_script(script, message);
    quiet_end(&q);
    free(q.text);
    return 0;
}

size_t fuzz_seed(unsigned index, uint8_t *out)
{
    static const char text[] = "jetgen.open{sessions=2}\njetgen.run{seconds=1}\njetgen.close()\n";

    memcpy(out, text, sizeof(text) - 1);
    return index == 0 ? sizeof(text) - 1 : 0;
}
