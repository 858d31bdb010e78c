/* How two jetperfs agree on a test, and compare what came of it: JSON objects on stream 1. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jetperf.h"

static void tell(struct test *t, json_t *object)
{
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

    if (!text || jp_stream_send(t->control, text, strlen(text)) < 0)
        jp_session_close(t->session, JP_CODE_LIMIT, "no room on the control stream");
    free(text);
    json_decref(object);
}

void control_ask(struct test *t)
{
    static const jp_stream_options urgent = {.priority = JP_PRIORITY_SYSTEM};
    int error = jp_stream_open(&t->control, t->session, 1, &urgent);

    if (error)
        tool_fail_error(t->tool, "control stream", error);
    tell(t, plan_to_json(&t->plan));
}

void control_tell_result(struct test *t)
{
    t->result_told = true;
    tell(t, json_pack("{s:o}", "result", report_result(t)));
}

/* ---- the server's side ---- */

static void refuse(struct test *t, const char *why)
{
    tell(t, json_pack("{s:s}", "error", why));
    jp_session_finish(t->session);
}

static void answer(struct test *t, json_t *json)
{
    char why[128];

    if (!plan_from_json(&t->plan, json, why, sizeof(why))) {
        refuse(t, why);
        return;
    }
    if (test_count() == TESTS_MAX) {
        snprintf(why, sizeof(why), "%d tests are under way, and no more at once", TESTS_MAX);
        refuse(t, why);
        return;
    }
    t->sends = t->plan.down;
    t->receives = t->plan.up;
    report_begin(t);
    if (test_run(t) < 0)
        refuse(t, jp_error_detail());
    else
        tell(t, json_pack("{s:b}", "ready", 1));
}

/* ---- the client's side ---- */

static void start(struct test *t, json_t *json)
{
    const char *why = json_string_value(json_object_get(json, "error"));
    int error;

    if (why)
        tool_fail(t->tool, TOOL_FAILED, "the server refuses: %s", why);
    if (!json_is_true(json_object_get(json, "ready")))
        tool_fail(t->tool, TOOL_FAILED,
                  "the server is no jetperf (if it is a service of a data plane, say --service)");
    error = test_run(t);
    if (error)
        tool_fail_error(t->tool, "streams", error);
}

void control_message(jp_stream *stream, const void *data, size_t size)
{
    struct test *t = test_of(jp_stream_session(stream));
    json_t *json = size <= CONTROL_MAX ? json_loadb(data, size, 0, NULL) : NULL;
    json_t *result = json_object_get(json, "result");

    if (json_is_object(result) && t->phase != PHASE_AGREE && !t->result)
        t->result = json_incref(result);
    else if (t->phase == PHASE_AGREE && t->client)
        start(t, json);
    else if (t->phase == PHASE_AGREE)
        answer(t, json);
    else
        jp_session_close(t->session, CODE_REFUSED, "unexpected message on the control stream");
    json_decref(json);
}

/* ---- the verdict ---- */

static uint64_t peer_count(const struct test *t, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(t->result, name));
}

const char *control_verdict(const struct test *t)
{
    static char text[160];
    bool reliable = t->plan.options.reliability == JP_RELIABLE && !t->plan.options.ttl;
    uint64_t theirs = peer_count(t, "wrong");

    if (t->tally.wrong || theirs) {
        snprintf(text, sizeof(text), "%" PRIu64 " messages came damaged, twice or out of order",
                 t->tally.wrong + theirs);
        return text;
    }
    if (!reliable || t->plan.service || t->plan.echo)
        return NULL;
    if (peer_count(t, "received") != t->tally.acked || t->tally.given_up ||
        peer_count(t, "sent") != t->tally.received || t->tally.missing) {
        snprintf(text, sizeof(text), "not everything that was sent came");
        return text;
    }
    return NULL;
}
