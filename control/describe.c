#include "describe.h"

#include <arpa/inet.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

/* Strings and numbers of the data plane may change while they are read, and are not trusted to be
 * terminated. */
static json_t *shared_text(const char *text, size_t size)
{
    char copy[JP_NAME_MAX];
    json_t *json;

    memcpy(copy, text, size);
    json = json_stringn(copy, strnlen(copy, size));
    return json ? json : json_string("?");
}
#define TEXT(array) shared_text(array, sizeof(array))

static json_t *number(uint64_t n)
{
    return json_integer((json_int_t)n);
}

static json_t *hex(const uint8_t *bytes, size_t n)
{
    char text[2 * HS_IDENTITY_LEN + 1];

    return json_string(sodium_bin2hex(text, sizeof(text), bytes, n));
}

static const char *tier_name(uint8_t tier)
{
    static const char *const names[] = {"?", "rss", "flow", "software"};

    return names[tier <= JP_TIER_SOFTWARE ? tier : 0];
}

static const char *sink_name(uint8_t sink)
{
    static const char *const names[] = {"?", "echo", "discard", "source"};

    return names[sink <= JP_SINK_SOURCE ? sink : 0];
}

/* ---- status ---- */

static json_t *describe_handshakes(const struct handshakes *h)
{
    static const char *const names[] = {
#define NAME(name, text) #name,
        JP_HANDSHAKES(NAME)
#undef NAME
    };
    json_t *json = json_object();
    double mean = h->answers ? (double)h->answers_ns / (double)h->answers / 1000 : 0;

    for (unsigned i = 0; i < HANDSHAKE_COUNTERS; i++)
        json_object_set_new(json, names[i], number(h->counter[i]));
    json_object_set_new(json, "installing", number(h->installs));
    json_object_set_new(json, "answer_mean_us", json_real(mean));
    json_object_set_new(json, "answer_max_us", json_real((double)h->answer_max_ns / 1000));
    return json;
}

static json_t *describe_tcp(const struct tcp *tcp)
{
    static const char *const names[] = {
#define NAME(name, text) #name,
        JP_TCP(NAME)
#undef NAME
    };
    json_t *json = json_object(), *listen = json_array();

    for (unsigned i = 0; i < tcp->config->listens; i++)
        json_array_append_new(listen, json_string(tcp->config->listen[i].text));
    json_object_set_new(json, "listen", listen);
    json_object_set_new(json, "connections", number(tcp_connections(tcp)));
    for (unsigned i = 0; i < TCP_COUNTERS; i++)
        json_object_set_new(json, names[i], number(tcp->counter[i]));
    json_object_set_new(json, "relay_dropped", number(tcp->relay.dropped));
    return json;
}

static json_t *describe_listeners(const struct jp_stats *stats)
{
    json_t *list = json_array();
    unsigned n = stats->listeners;

    for (unsigned i = 0; i < n && i < JP_LISTENERS_MAX; i++)
        json_array_append_new(list, json_pack("{s:i, s:s}", "udp_port", stats->listener[i].udp_port,
                                              "sink", sink_name(stats->listener[i].sink)));
    return list;
}

/* Of a time the data plane shares, in ns. */
static uint64_t age_ms(const uint64_t *shared)
{
    uint64_t then = __atomic_load_n(shared, __ATOMIC_RELAXED) / 1000;
    uint64_t now = clock_us();

    return now > then ? (now - then) / 1000 : 0;
}

/* What is known only while it is there. */
static void add_data_plane(json_t *json, const struct daemon *d)
{
    const struct dp *dp = &d->dp;
    const struct jp_stats *stats = dp->stats;

    json_object_set_new(json, "version", TEXT(stats->program_version));
    json_object_set_new(json, "pid", number(dp->hello.pid));
    json_object_set_new(json, "boot_id", hex(dp->hello.boot_id, sizeof(dp->hello.boot_id)));
    json_object_set_new(json, "uptime_s", number(age_ms(&stats->started_at) / 1000));
    json_object_set_new(json, "heartbeat_age_ms", number(age_ms(&stats->heartbeat)));
    json_object_set_new(json, "lcores", number(dp->hello.lcores));
    json_object_set_new(json, "tier", json_string(tier_name(dp->hello.tier)));
    json_object_set_new(json, "hugepages", json_boolean(stats->hugepages));
    json_object_set_new(json, "crypto", TEXT(stats->crypto));
    json_object_set_new(json, "memory_bytes", number(stats->memory_bytes));
    json_object_set_new(json, "mbufs", number(stats->mbufs));
    json_object_set_new(json, "mbufs_free", number(stats->mbufs_free));
    json_object_set_new(json, "sessions", number(dp_counter_sum(dp, JP_sessions)));
    json_object_set_new(json, "sessions_max", number(dp->hello.max_sessions));
    json_object_set_new(json, "sessions_known", number(d->sessions.known.count));
    json_object_set_new(json, "resyncs", number(d->resync.completed));
    json_object_set_new(json, "listeners", describe_listeners(stats));
}

static json_t *describe_data_plane(const struct daemon *d)
{
    static const char *const states[] = {
        [DP_AWAY] = "away", [DP_GREETING] = "greeting", [DP_UP] = "up"};
    const struct dp *dp = &d->dp;
    json_t *json = json_pack("{s:s, s:s, s:o, s:o, s:o}", "state", states[dp->state], "socket",
                             dp->path, "connects", number(dp->connects), "violations",
                             number(dp->violations), "sends_dropped", number(dp->sends_dropped));

    if (dp->state == DP_UP)
        add_data_plane(json, d);
    return json;
}

json_t *describe_status(const struct daemon *d)
{
    static const char *const policies[] = {
        [COOKIE_AUTO] = "auto", [COOKIE_ALWAYS] = "always", [COOKIE_NEVER] = "never"};
    const struct handshakes *h = &d->handshakes;
    json_t *self = json_pack(
        "{s:s, s:i, s:o, s:o, s:s, s:i, s:o, s:o}", "version", JP_VERSION, "pid", (int)getpid(),
        "uptime_s", number((clock_us() - d->started) / CLOCK_SECOND), "identity",
        hex(h->keys->server.identity, HS_IDENTITY_LEN), "cookie", policies[d->config->cookie],
        "clients", (int)api_clients(&d->api), "clients_refused", number(d->api.clients_refused),
        "clients_slow", number(d->api.clients_slow));

    return json_pack("{s:o, s:o, s:o, s:o}", "jetplaned", self, "handshakes",
                     describe_handshakes(h), "tcp", describe_tcp(&d->tcp), "data_plane",
                     describe_data_plane(d));
}

json_t *describe_version(const struct daemon *d)
{
    json_t *data_plane = d->dp.state == DP_UP ? TEXT(d->dp.stats->program_version) : json_null();

    return json_pack("{s:s, s:o, s:i, s:i}", "jetplaned", JP_VERSION, "data_plane", data_plane,
                     "protocol", WIRE_VERSION, "ipc", JP_IPC_VERSION);
}

/* ---- stats ---- */

static const char *const counter_names[] = {
#define NAME(name, text) #name,
    JP_COUNTERS(NAME)
#undef NAME
};

static json_t *describe_lcore(const struct dp *dp, unsigned lcore, uint64_t *total)
{
    json_t *counters = json_object();

    for (unsigned i = 0; i < JP_COUNTER_COUNT; i++) {
        uint64_t value = dp_counter(dp, lcore, i);

        total[i] += value;
        json_object_set_new(counters, counter_names[i], number(value));
    }
    return json_pack("{s:i, s:o, s:o}", "lcore", (int)lcore, "cpu", number(dp->stats->cpu[lcore]),
                     "counters", counters);
}

json_t *describe_stats(const struct dp *dp)
{
    uint64_t total[JP_COUNTER_COUNT] = {0};
    uint64_t now = clock_us();
    json_t *lcores = json_array();
    json_t *sum = json_object();

    for (unsigned i = 0; i < dp->hello.lcores; i++)
        json_array_append_new(lcores, describe_lcore(dp, i, total));
    for (unsigned i = 0; i < JP_COUNTER_COUNT; i++)
        json_object_set_new(sum, counter_names[i], number(total[i]));
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "time_us", number(now), "boot_id",
                     hex(dp->hello.boot_id, sizeof(dp->hello.boot_id)), "tsc_hz",
                     number(dp->stats->tsc_hz), "total", sum, "lcores", lcores);
}

/* ---- ports ---- */

static json_t *describe_port(const struct jp_stats_port *port, unsigned index)
{
    char mac[18];
    json_t *json;

    snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", port->mac[0], port->mac[1],
             port->mac[2], port->mac[3], port->mac[4], port->mac[5]);
    json =
        json_pack("{s:i, s:o, s:o, s:s, s:b, s:o, s:i, s:i, s:s, s:o}", "port", (int)index, "name",
                  TEXT(port->name), "driver", TEXT(port->driver), "mac", mac, "link_up",
                  port->link_up, "speed_mbps", number(port->speed_mbps), "mtu", port->mtu, "queues",
                  port->queues, "tier", tier_name(port->tier), "tier_why", TEXT(port->tier_why));
#define COUNT(field) json_object_set_new(json, #field, number(port->field))
    COUNT(rx_packets);
    COUNT(rx_bytes);
    COUNT(rx_missed);
    COUNT(rx_errors);
    COUNT(rx_nombuf);
    COUNT(tx_packets);
    COUNT(tx_bytes);
    COUNT(tx_errors);
#undef COUNT
    return json;
}

json_t *describe_ports(const struct dp *dp)
{
    json_t *ports = json_array();
    unsigned n = dp->stats->ports;

    for (unsigned i = 0; i < n && i < JP_PORTS_MAX; i++)
        json_array_append_new(ports, describe_port(&dp->stats->port[i], i));
    return json_pack("{s:o, s:o}", "time_us", number(clock_us()), "ports", ports);
}

/* ---- sessions ---- */

static json_t *address(const struct jp_path *path, const uint8_t ip[16])
{
    char text[INET6_ADDRSTRLEN];
    bool v4 = path->ip_version == 4;

    return json_string(inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? ip + 12 : ip, text, sizeof(text)));
}

static const char *path_use_name(uint8_t use)
{
    static const char *const names[] = {"abandoned", "standby", "share", "duplicate"};

    return use < sizeof(names) / sizeof(names[0]) ? names[use] : "?";
}

static json_t *describe_path(const struct jp_ipc_path *p)
{
    json_t *json = json_pack("{s:o, s:i, s:o, s:i, s:b, s:s, s:b, s:b, s:i}", "peer_ip",
                             address(&p->path, p->path.peer_ip), "peer_port", p->path.peer_port,
                             "our_ip", address(&p->path, p->path.our_ip), "our_port",
                             p->path.our_port, "tcp", p->path.tcp, "use", path_use_name(p->use),
                             "validated", p->validated, "active", p->active, "mtu", p->mtu);

#define FIELD(field) json_object_set_new(json, #field, number(p->field))
    FIELD(rtt_us);
    FIELD(rtt_min_us);
    FIELD(rate);
    FIELD(sent);
    FIELD(received);
    FIELD(lost);
    FIELD(cwnd);
    FIELD(in_flight);
#undef FIELD
    return json;
}

static json_t *describe_transport(const struct jp_ipc_session *s)
{
    json_t *json = json_object(), *paths = json_array();

#define FIELD(field) json_object_set_new(json, #field, number(s->field))
    FIELD(packets_lost);
    FIELD(packets_late);
    FIELD(stream_bytes_sent);
    FIELD(stream_bytes_again);
    FIELD(stream_bytes_received);
    FIELD(fec_sources);
    FIELD(fec_repairs);
    FIELD(peer_recovered);
    FIELD(ce_received);
    FIELD(ce_reported);
    FIELD(probe_timeouts);
#undef FIELD
    for (unsigned i = 0; i < s->paths && i < JP_IPC_PATHS; i++)
        json_array_append_new(paths, describe_path(&s->path_of[i]));
    json_object_set_new(json, "paths", paths);
    return json;
}

json_t *describe_session(const struct jp_ipc_session *s)
{
    json_t *json = json_pack(
        "{s:o, s:o, s:o, s:i, s:o, s:i, s:b, s:i, s:i, s:i, s:s, s:s, s:b}", "spi",
        number(s->server_spi), "client_spi", number(s->client_spi), "peer_ip",
        address(&s->path, s->path.peer_ip), "peer_port", s->path.peer_port, "our_ip",
        address(&s->path, s->path.our_ip), "our_port", s->path.our_port, "tcp", s->path.tcp, "port",
        s->path.port, "vlan", s->path.vlan, "lcore", s->lcore, "suite", aead_alg_name(s->alg),
        "sink", sink_name(s->sink), "confirmed", s->confirmed);

#define FIELD(field) json_object_set_new(json, #field, number(s->field))
    FIELD(age_ms);
    FIELD(idle_ms);
    FIELD(idle_timeout_ms);
    FIELD(rx_packets);
    FIELD(rx_bytes);
    FIELD(rx_pn);
    FIELD(rx_epoch);
    FIELD(tx_packets);
    FIELD(tx_bytes);
    FIELD(tx_pn);
    FIELD(tx_epoch);
    FIELD(fec_k);
    FIELD(fec_r);
    FIELD(fec_recovered);
    FIELD(held);
    FIELD(streams);
#undef FIELD
    json_object_set_new(json, "mode", json_string(s->full ? "full" : "light"));
    if (s->full)
        json_object_set_new(json, "transport", describe_transport(s));
    return json;
}
