/* What a test consists of, as one jetperf tells it to the other. */
#include <assert.h>
#include <stdio.h>

#include "jetperf.h"

static_assert(ECHO_HEADER == 16 && NUMBER_HEADER == 8 && HELD_MAX == 128 << 20,
              "as plan_flaw says");

enum { VERSION = 1 };

json_t *plan_to_json(const struct plan *p)
{
    const jp_stream_options *o = &p->options;

    return json_pack(
        "{s:i,s:b,s:b,s:b,s:I,s:I,s:I,s:I,s:i,s:i,s:i,s:b,s:i,s:I}", "jetperf", VERSION, "up",
        p->up, "down", p->down, "echo", p->echo, "streams", (json_int_t)p->streams, "size",
        (json_int_t)p->size, "time", (json_int_t)p->time, "bytes", (json_int_t)p->bytes, "priority",
        o->priority, "reliability", o->reliability, "max_retransmissions", o->max_retransmissions,
        "unordered", o->unordered, "protection", o->protection, "ttl", (json_int_t)o->ttl);
}

/* An integer of these bounds, or false. */
static bool get(json_t *json, const char *name, uint64_t min, uint64_t max, uint64_t *value)
{
    json_t *member = json_object_get(json, name);

    *value = (uint64_t)json_integer_value(member);
    return json_is_integer(member) && json_integer_value(member) >= 0 && *value >= min &&
           *value <= max;
}

const char *plan_flaw(const struct plan *p)
{
    if (p->echo && (p->up || p->down))
        return "echoes go both ways already";
    if (!p->echo && !p->up && !p->down)
        return "neither end is to send";
    if (p->service && p->up && p->down)
        return "no service goes both ways but echo";
    if (p->rate && p->down)
        return "a rate is for what the client sends";
    if (p->time && p->bytes)
        return "either a time or a number of bytes";
    if (!p->time && !p->bytes)
        return "neither time nor bytes";
    if (p->echo && p->size < ECHO_HEADER)
        return "echoes have at least 16 bytes";
    if (p->echo && !p->service && (uint64_t)p->streams * p->size > HELD_MAX)
        return "echoes of all streams together have at most 128 MiB";
    if (is_numbered(p) && p->size < NUMBER_HEADER)
        return "messages with a ttl have at least 8 bytes";
    return NULL;
}

bool plan_from_json(struct plan *p, json_t *json, char *text, size_t size)
{
    static const struct {
        const char *name;
        uint64_t min, max;
    } numbers[] = {
        {"streams", 1, STREAMS_MAX},
        {"size", 1, JP_MESSAGE_MAX},
        {"time", 0, 86400000000},
        {"bytes", 0, INT64_MAX},
        {"priority", 0, JP_PRIORITY_BULK},
        {"reliability", 0, JP_LIMITED},
        {"max_retransmissions", 0, 254},
        {"protection", 0, JP_EFFICIENT},
        {"ttl", 0, INT64_MAX},
    };
    enum { N = sizeof(numbers) / sizeof(numbers[0]) };
    json_int_t version = json_integer_value(json_object_get(json, "jetperf"));
    const char *flaw;
    uint64_t v[N];

    if (version != VERSION) {
        snprintf(text, size, "plans of version %lld are not known here, but %d is",
                 (long long)version, VERSION);
        return false;
    }
    for (unsigned i = 0; i < N; i++)
        if (!get(json, numbers[i].name, numbers[i].min, numbers[i].max, &v[i])) {
            snprintf(text, size, "%s is missing or out of range", numbers[i].name);
            return false;
        }
    *p = (struct plan){
        .up = json_is_true(json_object_get(json, "up")),
        .down = json_is_true(json_object_get(json, "down")),
        .echo = json_is_true(json_object_get(json, "echo")),
        .streams = (unsigned)v[0],
        .size = (uint32_t)v[1],
        .time = v[2],
        .bytes = v[3],
        .options = {.priority = (uint8_t)v[4],
                    .reliability = (uint8_t)v[5],
                    .max_retransmissions = (uint8_t)v[6],
                    .unordered = json_is_true(json_object_get(json, "unordered")),
                    .protection = (uint8_t)v[7],
                    .ttl = v[8]},
    };
    flaw = plan_flaw(p);
    if (flaw)
        snprintf(text, size, "%s", flaw);
    return !flaw;
}
