/* What people and programs get to read. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "jetperf.h"

/* ---- numbers for people ---- */

static const char *amount(char text[16], double value, double unit, const char *const names[])
{
    unsigned i = 0;

    while (value >= unit && names[i + 1]) {
        value /= unit;
        i++;
    }
    snprintf(text, 16,
             value < 10    ? "%.2f %s"
             : value < 100 ? "%.1f %s"
                           : "%.0f %s",
             value, names[i]);
    return text;
}

static const char *bytes(char text[16], uint64_t n)
{
    static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB", NULL};

    return amount(text, (double)n, 1024, names);
}

static const char *rate(char text[16], uint64_t n, uint64_t us)
{
    static const char *const names[] = {"bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s", NULL};

    return amount(text, us ? (double)n * 8e6 / (double)us : 0, 1000, names);
}

static double bits_per_second(uint64_t n, uint64_t us)
{
    return us ? (double)n * 8e6 / (double)us : 0;
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

/* ---- intervals ---- */

static struct {
    struct tally tally;
    jp_figures figures;
    uint64_t at;
    json_t *list;
} last;

static const jp_path_figures *active_path(const jp_figures *f)
{
    for (unsigned i = 0; i < JP_PATHS_MAX; i++)
        if (f->path[i].active)
            return &f->path[i];
    return &f->path[0];
}

static void interval_json(const struct test *t, const jp_figures *f, uint64_t now)
{
    const jp_figures *b = &last.figures;
    uint64_t up = t->tally.acked - last.tally.acked;
    uint64_t down = t->tally.received - last.tally.received;

    json_array_append_new(
        last.list,
        json_pack("{s:f,s:f,s:I,s:I,s:f,s:f,s:I,s:I,s:I,s:I,s:I}", "start",
                  (double)(last.at - t->began) / 1e6, "end", (double)(now - t->began) / 1e6,
                  "acknowledged", (json_int_t)up, "received", (json_int_t)down,
                  "up_bits_per_second", bits_per_second(up, now - last.at), "down_bits_per_second",
                  bits_per_second(down, now - last.at), "rtt_us", (json_int_t)active_path(f)->rtt,
                  "packets_lost", (json_int_t)(f->packets_lost - b->packets_lost), "retransmitted",
                  (json_int_t)(f->stream_bytes_again - b->stream_bytes_again), "fec_repairs",
                  (json_int_t)(f->fec_repairs - b->fec_repairs), "fec_recovered",
                  (json_int_t)(f->fec_recovered - b->fec_recovered)));
}

static void interval_line(const struct test *t, const jp_figures *f, uint64_t now)
{
    const jp_figures *b = &last.figures;
    char amount_text[16], rate_text[16];

    printf("[%6.1f-%6.1f s]", (double)(last.at - t->began) / 1e6, (double)(now - t->began) / 1e6);
    if (t->sends)
        printf("  up %10s %12s", bytes(amount_text, t->tally.acked - last.tally.acked),
               rate(rate_text, t->tally.acked - last.tally.acked, now - last.at));
    if (t->receives)
        printf("  down %10s %12s", bytes(amount_text, t->tally.received - last.tally.received),
               rate(rate_text, t->tally.received - last.tally.received, now - last.at));
    printf("  rtt %.2f ms  lost %" PRIu64 "  resent %s  fec %.1f %%\n",
           (double)active_path(f)->rtt / 1e3, f->packets_lost - b->packets_lost,
           bytes(amount_text, f->stream_bytes_again - b->stream_bytes_again),
           percent(f->fec_repairs - b->fec_repairs, f->packets_sent - b->packets_sent));
    fflush(stdout);
}

void report_interval(const struct test *t, uint64_t now, bool final)
{
    jp_figures f = last.figures;

    if (!last.list)
        last.list = json_array();
    if (last.at < t->began)
        last.at = t->began;
    jp_session_figures(t->session, &f, sizeof(f));
    if (final && now - last.at < 100000)
        return; /* the table says it */
    if (t->tool->json)
        interval_json(t, &f, now);
    else
        interval_line(t, &f, now);
    last.tally = t->tally;
    last.figures = f;
    last.at = now;
}

/* ---- the whole ---- */

void report_begin(const struct test *t)
{
    jp_address peer = jp_session_peer(t->session);
    char text[JP_ADDRESS_TEXT];

    jp_address_format(&peer, text, sizeof(text));
    if (t->tool->json)
        return;
    fprintf(stderr, "%s %s: %s%s%s, %u stream%s of %" PRIu32 "-byte messages\n",
            t->client ? "server" : "test from", text, t->plan.echo ? "echo" : "",
            t->plan.up ? "up" : "", t->plan.down ? (t->plan.up ? " and down" : "down") : "",
            t->plan.streams, t->plan.streams > 1 ? "s" : "", t->plan.size);
}

static double mean_rtt(const struct tally *n)
{
    return n->echoes ? (double)n->rtt_sum / (double)n->echoes : 0;
}

json_t *report_result(const struct test *t)
{
    const struct tally *n = &t->tally;
    jp_figures f = {.paths = 0};
    json_t *json;

    jp_session_figures(t->session, &f, sizeof(f));
    json = json_pack(
        "{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:f,s:f,s:f}", "sent", (json_int_t)n->acked, "sent_messages",
        (json_int_t)n->acked_messages, "given_up", (json_int_t)n->given_up, "received",
        (json_int_t)n->received, "received_messages", (json_int_t)n->received_messages, "missing",
        (json_int_t)n->missing, "wrong", (json_int_t)n->wrong, "seconds",
        (double)(jp_loop_now(jp_session_loop(t->session)) - t->began) / 1e6, "sent_bits_per_second",
        bits_per_second(n->acked, t->sent_at - t->began), "received_bits_per_second",
        bits_per_second(n->received, t->last_at - t->began));
    if (n->echoes)
        json_object_set_new(json, "echo_rtt_us",
                            json_pack("{s:I,s:f,s:I}", "min", (json_int_t)n->rtt_min, "mean",
                                      mean_rtt(n), "max", (json_int_t)n->rtt_max));
    json_object_set_new(
        json, "path",
        json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "rtt_us",
                  (json_int_t)active_path(&f)->rtt, "packet", (json_int_t)active_path(&f)->packet,
                  "packets_sent", (json_int_t)f.packets_sent, "packets_received",
                  (json_int_t)f.packets_received, "packets_lost", (json_int_t)f.packets_lost,
                  "retransmitted", (json_int_t)f.stream_bytes_again, "fec_repairs",
                  (json_int_t)f.fec_repairs, "fec_recovered", (json_int_t)f.fec_recovered,
                  "fec_peer_recovered", (json_int_t)f.fec_peer_recovered, "probe_timeouts",
                  (json_int_t)f.probe_timeouts));
    return json;
}

static uint64_t count(const json_t *json, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(json, name));
}

/* One direction: what its sender counted, and its receiver; either may be unknown. */
static void row(const char *name, const json_t *sender, const json_t *receiver)
{
    const json_t *path = json_object_get(sender, "path");
    char sent[16] = "?", received[16] = "?", goodput[16] = "?";
    double bits = json_real_value(
        json_object_get(receiver ? receiver : sender,
                        receiver ? "received_bits_per_second" : "sent_bits_per_second"));

    if (sender)
        bytes(sent, count(sender, "sent"));
    if (receiver)
        bytes(received, count(receiver, "received"));
    rate(goodput, (uint64_t)(bits / 8), 1000000);
    printf("%-5s %11s %11s %13s", name, sent, received, goodput);
    if (sender)
        printf(" %7" PRIu64 " %11s %6.1f %%", count(path, "packets_lost"),
               bytes(sent, count(path, "retransmitted")),
               percent(count(path, "fec_repairs"), count(path, "packets_sent")));
    putchar('\n');
}

static void print_table(const struct test *t, const json_t *ours)
{
    const struct tally *n = &t->tally;

    printf("\n%-5s %11s %11s %13s %7s %11s %8s\n", "", "acknowledged", "received", "goodput",
           "lost", "resent", "fec");
    if (t->sends)
        row(t->plan.echo ? "echo" : "up", ours, t->plan.echo ? ours : t->result);
    if (t->receives)
        row("down", t->result, ours);
    if (n->echoes)
        printf("%" PRIu64 " echoes, round trip min %.3f, mean %.3f, max %.3f ms\n", n->echoes,
               (double)n->rtt_min / 1e3, mean_rtt(n) / 1e3, (double)n->rtt_max / 1e3);
    if (n->given_up || n->missing || count(t->result, "missing"))
        printf("messages given up %" PRIu64 ", missing here %" PRIu64 ", there %" PRIu64 "\n",
               n->given_up, n->missing, count(t->result, "missing"));
}

void report_end(const struct test *t, const char *verdict)
{
    json_t *ours = report_result(t), *all;

    if (t->tool->json) {
        all = json_pack("{s:o,s:O,s:o?,s:O?,s:b}", "test", plan_to_json(&t->plan), "local", ours,
                        "intervals", last.list, "peer", t->result, "intact", verdict == NULL);
        last.list = NULL;
        if (verdict)
            json_object_set_new(all, "error", json_string(verdict));
        tool_print_json(all);
    } else {
        print_table(t, ours);
        fflush(stdout);
        if (verdict)
            fprintf(stderr, "%s: %s\n", t->tool->name, verdict);
    }
    json_decref(ours);
}
