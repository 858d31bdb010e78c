/* What a jetperf asks of another. What holds: a plan that is taken is within its limits, its
 * messages have room for their headers, somebody sends, and it says the same when it is told on;
 * one that is not is refused for a reason. */
#include <string.h>

#include "fuzz.h"
#include "jetperf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *json = json_loadb((const char *)data, size, 0, NULL), *told;
    struct plan plan = {0}, again = {0};
    char why[128] = "";

    if (!json)
        return 0;
    if (!plan_from_json(&plan, json, why, sizeof(why))) {
        FUZZ_CHECK(why[0] != '\0');
        json_decref(json);
        return 0;
    }
    FUZZ_CHECK(plan.streams >= 1 && plan.streams <= STREAMS_MAX);
    FUZZ_CHECK(plan.size >= 1 && plan.size <= JP_MESSAGE_MAX);
    FUZZ_CHECK(plan.size >= ECHO_HEADER || !plan.echo);
    FUZZ_CHECK(!plan.echo || (uint64_t)plan.streams * plan.size <= HELD_MAX);
    FUZZ_CHECK(plan.size >= NUMBER_HEADER || plan.echo || !plan.options.ttl);
    FUZZ_CHECK(plan.echo ? !plan.up && !plan.down : plan.up || plan.down);
    FUZZ_CHECK(!plan.bytes != !plan.time);
    told = plan_to_json(&plan);
    FUZZ_CHECK(told && plan_from_json(&again, told, why, sizeof(why)));
    FUZZ_CHECK(memcmp(&plan, &again, sizeof(plan)) == 0);
    json_decref(told);
    json_decref(json);
    return 0;
}

size_t fuzz_seed(unsigned index, uint8_t *out)
{
    struct plan plan = {.up = index % 2,
                        .down = index == 2,
                        .echo = index == 0,
                        .streams = index + 1,
                        .size = 16,
                        .time = 1000000};
    json_t *json = plan_to_json(&plan);
    char *text = json_dumps(json, JSON_COMPACT);
    size_t n = strlen(text);

    memcpy(out, text, n);
    free(text);
    json_decref(json);
    return index < 4 ? n : 0;
}
