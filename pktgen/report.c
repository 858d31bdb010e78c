#include "report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

int report_add(struct report *report, const struct results *r)
{
    struct results **phase = realloc(report->phase, (report->phases + 1) * sizeof(*phase));

    if (!phase)
        return -ENOMEM;
    report->phase = phase;
    phase[report->phases] = malloc(sizeof(*r));
    if (!phase[report->phases])
        return -ENOMEM;
    *phase[report->phases++] = *r;
    results_add(&report->total, r);
    return 0;
}

void report_free(struct report *report)
{
    for (unsigned i = 0; i < report->phases; i++)
        free(report->phase[i]);
    free(report->phase);
}

int report_finish(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    fputs("jetgen: cannot write the output\n", stderr);
    return code ? code : EXIT_FAILURE;
}

/* ---- table ---- */

static double value_of(const struct results *r, const char *name)
{
    double value = 0;

    results_find(r, name, &value);
    return value;
}

static void row(FILE *out, const struct results *r, const char *label)
{
    fprintf(out, "%-8s %8.2f %9.3f %8.3f %12.0f %12.0f %9.0f %9.0f %8.0f %8.0f %8.0f\n", label,
            r->traffic.seconds, value_of(r, "mpps"), value_of(r, "gbps"),
            value_of(r, "sent_messages"), value_of(r, "delivered"), value_of(r, "messages_lost"),
            value_of(r, "fec_recovered"), value_of(r, "p50_us"), value_of(r, "p99_us"),
            value_of(r, "max_us"));
}

void report_table(const struct report *report, FILE *out)
{
    const struct results *total = &report->total;

    fprintf(out, "\n%-8s %8s %9s %8s %12s %12s %9s %9s %8s %8s %8s\n", "phase", "seconds", "Mpps",
            "Gbit/s", "sent", "delivered", "lost", "recovered", "p50 us", "p99 us", "max us");
    for (unsigned i = 0; i < report->phases; i++)
        row(out, report->phase[i], report->phase[i]->phase);
    row(out, total, "total");
    fputc('\n', out);
    for (unsigned i = 0; i < derived_count; i++)
        if (derived[i].of(total) != 0)
            fprintf(out, "%-22s %14.3f  %s\n", derived[i].name, derived[i].of(total),
                    derived[i].text);
    for (unsigned i = 0; i < COUNTERS; i++)
        if (total->counter[i] != 0)
            fprintf(out, "%-22s %14llu  %s\n", counter_name[i],
                    (unsigned long long)total->counter[i], counter_text[i]);
}

/* ---- JSON ---- */

static json_t *json_of(const struct results *r)
{
    json_t *object = json_object();

    for (unsigned i = 0; i < derived_count; i++)
        json_object_set_new(object, derived[i].name, json_real(derived[i].of(r)));
    for (unsigned i = 0; i < COUNTERS; i++)
        json_object_set_new(object, counter_name[i], json_integer((json_int_t)r->counter[i]));
    return object;
}

void report_json(const struct report *report, const char *error, FILE *out)
{
    json_t *object = json_of(&report->total), *phases = json_array();

    for (unsigned i = 0; i < report->phases; i++) {
        json_t *phase = json_of(report->phase[i]);

        json_object_set_new(phase, "phase", json_string(report->phase[i]->phase));
        json_array_append_new(phases, phase);
    }
    json_object_set_new(object, "phases", phases);
    json_object_set_new(object, "error", error[0] ? json_string(error) : json_null());
    json_dumpf(object, out, JSON_COMPACT | JSON_REAL_PRECISION(9));
    fputc('\n', out);
    json_decref(object);
}
