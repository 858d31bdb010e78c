/* status, version, stop */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "jetplane/ctl.h"
#include "print.h"

struct answer status_fetch(struct arguments *arguments)
{
    return ask(arguments, "status");
}

static void print_self(const json_t *self)
{
    char uptime[PRINT_MAX];

    printf("jetplaned   up %s, version %s, pid %.0f, cookies %s\n",
           print_duration(uptime, num(self, "uptime_s") * 1000), str(self, "version"),
           num(self, "pid"), str(self, "cookie"));
    printf("identity    %s\n", str(self, "identity"));
}

static void print_listeners(const json_t *list)
{
    const json_t *listener;
    size_t i;

    fputs("  listeners ", stdout);
    json_array_foreach (list, i, listener)
        printf("%s%s on UDP port %.0f", i == 0 ? "" : ", ", str(listener, "sink"),
               num(listener, "udp_port"));
    fputs("\n", stdout);
}

static void print_data_plane(const json_t *dp)
{
    char a[PRINT_MAX], b[PRINT_MAX];

    if (strcmp(str(dp, "state"), "up") != 0) {
        printf("data plane  %s (socket %s)\n", str(dp, "state"), str(dp, "socket"));
        return;
    }
    printf("data plane  up %s, version %s, pid %.0f, heartbeat %s ago\n",
           print_duration(a, num(dp, "uptime_s") * 1000), str(dp, "version"), num(dp, "pid"),
           print_duration(b, num(dp, "heartbeat_age_ms")));
    printf("  workers   %.0f lcores, steered by %s, crypto %s, %s of memory, %s\n",
           num(dp, "lcores"), str(dp, "tier"), str(dp, "crypto"),
           print_bytes(a, num(dp, "memory_bytes")),
           json_is_true(json_object_get(dp, "hugepages")) ? "hugepages" : "no hugepages");
    printf("  sessions  %s of %s\n", print_count(a, whole(dp, "sessions")),
           print_count(b, whole(dp, "sessions_max")));
    printf("  buffers   %s of %s packet buffers free\n", print_count(a, whole(dp, "mbufs_free")),
           print_count(b, whole(dp, "mbufs")));
    print_listeners(json_object_get(dp, "listeners"));
}

/* The counters of those that happened. */
static void print_rows(const json_t *counters, const char *const rows[][2], size_t n)
{
    struct table table = table_new("lrl");
    char count[PRINT_MAX];

    for (size_t i = 0; i < n; i++) {
        if (num(counters, rows[i][0]) == 0)
            continue;
        table_cell(&table, "  %s", rows[i][0]);
        table_cell(&table, "%s", print_count(count, whole(counters, rows[i][0])));
        table_cell(&table, "%s", rows[i][1]);
    }
    table_print(&table);
}

static void print_tcp(const json_t *tcp)
{
#define ROW(name, text) {#name, text},
    static const char *const rows[][2] = {JP_TCP(ROW)};
#undef ROW
    const json_t *listen = json_object_get(tcp, "listen"), *address;
    size_t i;

    if (json_array_size(listen) == 0)
        return;
    printf("tcp         %.0f connections, on", num(tcp, "connections"));
    json_array_foreach (listen, i, address)
        printf(" %s", json_string_value(address));
    puts("");
    print_rows(tcp, rows, sizeof(rows) / sizeof(rows[0]));
}

static void print_handshakes(const json_t *handshakes)
{
#define ROW(name, text) {#name, text},
    static const char *const rows[][2] = {JP_HANDSHAKES(ROW)};
#undef ROW

    printf("handshakes  %.0f being installed, answers take %.0f us (at most %.0f us)\n",
           num(handshakes, "installing"), num(handshakes, "answer_mean_us"),
           num(handshakes, "answer_max_us"));
    print_rows(handshakes, rows, sizeof(rows) / sizeof(rows[0]));
}

void status_print(const json_t *result, const struct arguments *arguments)
{
    (void)arguments;
    print_self(json_object_get(result, "jetplaned"));
    print_data_plane(json_object_get(result, "data_plane"));
    print_handshakes(json_object_get(result, "handshakes"));
    print_tcp(json_object_get(result, "tcp"));
}

/* Works without jetplaned, too: then there is only its own. */
struct answer version_fetch(struct arguments *arguments)
{
    struct answer answer = ask(arguments, "version");

    if (!answer.result)
        answer = (struct answer){.result = json_pack("{s:n, s:n}", "jetplaned", "data_plane")};
    json_object_set_new(answer.result, "jetctl", json_string(JP_VERSION));
    return answer;
}

void version_print(const json_t *result, const struct arguments *arguments)
{
    static const char *const programs[][2] = {
        {"jetctl", "jetctl"}, {"jetplaned", "jetplaned"}, {"data_plane", "jetplane-dp"}};

    (void)arguments;
    for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
        const char *version = str(result, programs[i][0]);

        printf("%-12s %s\n", programs[i][1], version[0] ? version : "away");
    }
}

struct answer stop_fetch(struct arguments *arguments)
{
    return ask(arguments, "stop");
}

void stop_print(const json_t *result, const struct arguments *arguments)
{
    (void)arguments;
    puts(json_is_true(json_object_get(result, "data_plane_stopped"))
             ? "stopping jetplane-dp and jetplaned"
             : "stopping jetplaned; the data plane is away");
}
