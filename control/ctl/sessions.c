/* sessions, session */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "jetplane/ipc.h"
#include "print.h"

static struct answer fetch_page(const struct arguments *arguments, const char *cursor, uint64_t max)
{
    json_t *request = json_pack("{s:s, s:I}", "command", "sessions", "max", (json_int_t)max);

    if (cursor[0])
        json_object_set_new(request, "cursor", json_string(cursor));
    return client_ask(arguments->socket, request);
}

/* Page by page, so neither side ever holds up the other for long. */
struct answer sessions_fetch(struct arguments *arguments)
{
    uint64_t left = arguments->limit ? arguments->limit : UINT64_MAX;
    json_t *sessions = json_array();
    char cursor[24] = "";
    struct answer page;

    do {
        page = fetch_page(arguments, cursor, left < JP_IPC_LIST_MAX ? left : JP_IPC_LIST_MAX);
        if (!page.result) {
            json_decref(sessions);
            return page;
        }
        json_array_extend(sessions, json_object_get(page.result, "sessions"));
        left -= json_array_size(json_object_get(page.result, "sessions"));
        snprintf(cursor, sizeof(cursor), "%s", str(page.result, "cursor"));
        json_decref(page.result);
    } while (cursor[0] && left > 0);
    return (struct answer){
        .result = json_pack("{s:o, s:b}", "sessions", sessions, "more", cursor[0] != '\0')};
}

static void print_peer(char *text, size_t size, const json_t *session)
{
    const char *ip = str(session, "peer_ip");

    snprintf(text, size, strchr(ip, ':') ? "[%s]:%.0f" : "%s:%.0f", ip, num(session, "peer_port"));
}

static void session_cells(struct table *table, const json_t *session)
{
    static const char *const numbers[] = {"rx_packets", "tx_packets", "fec_recovered", "held"};
    char peer[64], text[PRINT_MAX];

    print_peer(peer, sizeof(peer), session);
    table_cell(table, "0x%08x", (uint32_t)num(session, "spi"));
    table_cell(table, "%s", peer);
    table_cell(table, "%.0f", num(session, "lcore"));
    table_cell(table, "%s", str(session, "sink"));
    table_cell(table, "%s", str(session, "mode"));
    table_cell(table, "%s", str(session, "suite"));
    table_cell(table, "%s", print_duration(text, num(session, "age_ms")));
    table_cell(table, "%s", print_duration(text, num(session, "idle_ms")));
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        table_cell(table, "%s", print_count(text, whole(session, numbers[i])));
}

void sessions_print(const json_t *result, const struct arguments *arguments)
{
    static const char *const heads[] = {"SPI",        "peer",       "lcore",     "sink",
                                        "mode",       "suite",      "age",       "idle",
                                        "rx packets", "tx packets", "recovered", "held"};
    const json_t *sessions = json_object_get(result, "sessions"), *session;
    struct table table = table_new("llrlllrrrrrr");
    size_t i;

    (void)arguments;
    for (i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
        table_cell(&table, "%s", heads[i]);
    json_array_foreach (sessions, i, session)
        session_cells(&table, session);
    table_print(&table);
    if (json_is_true(json_object_get(result, "more")))
        printf("and more: see --limit\n");
}

struct answer session_fetch(struct arguments *arguments)
{
    return client_ask(arguments->socket, json_pack("{s:s, s:I}", "command", "session", "spi",
                                                   (json_int_t)arguments->spi));
}

static void path_print(const json_t *p)
{
    char peer[64], rate[PRINT_MAX], cwnd[PRINT_MAX], flight[PRINT_MAX], lost[PRINT_MAX];

    print_peer(peer, sizeof(peer), p);
    printf("path       %s%s, %s%s%s: RTT %.1f ms (least %.1f), MTU %.0f, window %s, in flight %s, "
           "%sB/s, %s lost\n",
           peer, json_is_true(json_object_get(p, "tcp")) ? " by TCP" : "", str(p, "use"),
           json_is_true(json_object_get(p, "active")) ? ", active" : "",
           json_is_true(json_object_get(p, "validated")) ? "" : ", not validated",
           num(p, "rtt_us") / 1000, num(p, "rtt_min_us") / 1000, num(p, "mtu"),
           print_bytes(cwnd, num(p, "cwnd")), print_bytes(flight, num(p, "in_flight")),
           print_rate(rate, num(p, "rate")), print_count(lost, whole(p, "lost")));
}

static void transport_print(const json_t *t)
{
    const json_t *path;
    char a[PRINT_MAX], b[PRINT_MAX], c[PRINT_MAX];
    size_t i;

    printf("streams    %s sent, %s of it again, %s received\n",
           print_bytes(a, num(t, "stream_bytes_sent")),
           print_bytes(b, num(t, "stream_bytes_again")),
           print_bytes(c, num(t, "stream_bytes_received")));
    printf("losses     %s packets, %s of them late, %s probe timeouts\n",
           print_count(a, whole(t, "packets_lost")), print_count(b, whole(t, "packets_late")),
           print_count(c, whole(t, "probe_timeouts")));
    printf("FEC sent   %s sources, %s repairs, %s recovered\n",
           print_count(a, whole(t, "fec_sources")), print_count(b, whole(t, "fec_repairs")),
           print_count(c, whole(t, "peer_recovered")));
    json_array_foreach (json_object_get(t, "paths"), i, path)
        path_print(path);
}

void session_print(const json_t *s, const struct arguments *arguments)
{
    char peer[64], a[PRINT_MAX], b[PRINT_MAX], c[PRINT_MAX];

    (void)arguments;
    print_peer(peer, sizeof(peer), s);
    printf("SPI        0x%08x (its packets to the client: 0x%08x)\n", (uint32_t)num(s, "spi"),
           (uint32_t)num(s, "client_spi"));
    printf("peer       %s, to %s UDP port %.0f, port %.0f, VLAN %.0f\n", peer, str(s, "our_ip"),
           num(s, "our_port"), num(s, "port"), num(s, "vlan"));
    printf("owner      lcore %.0f, sink %s, %s, %.0f streams\n", num(s, "lcore"), str(s, "sink"),
           str(s, "mode"), num(s, "streams"));
    printf("keys       %s, epochs rx %.0f tx %.0f, %s\n", str(s, "suite"), num(s, "rx_epoch"),
           num(s, "tx_epoch"),
           json_is_true(json_object_get(s, "confirmed")) ? "confirmed" : "not yet confirmed");
    printf("age        %s, idle %s of %s\n", print_duration(a, num(s, "age_ms")),
           print_duration(b, num(s, "idle_ms")), print_duration(c, num(s, "idle_timeout_ms")));
    printf("received   %s packets, %s, highest number %s\n", print_count(a, whole(s, "rx_packets")),
           print_bytes(b, num(s, "rx_bytes")), print_count(c, whole(s, "rx_pn")));
    printf("sent       %s packets, %s, next number %s\n", print_count(a, whole(s, "tx_packets")),
           print_bytes(b, num(s, "tx_bytes")), print_count(c, whole(s, "tx_pn")));
    printf("FEC        %.0f+%.0f asked, %s recovered, %s held\n", num(s, "fec_k"), num(s, "fec_r"),
           print_count(a, whole(s, "fec_recovered")), print_count(b, whole(s, "held")));
    if (json_object_get(s, "transport"))
        transport_print(json_object_get(s, "transport"));
}
