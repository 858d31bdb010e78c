/* From the text of the configuration file to struct config: defaults, ranges, and what must fit
 * together. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_file.h"
#include "config_raw.h"
#include "congestion.h"
#include "flow.h"
#include "memory.h"
#include "reassembly.h"

/* "ports[1]" + "mtu" -> "ports[1].mtu"; an empty prefix is the top level. */
struct key {
    char text[96];
};

static struct key key_in(const char *prefix, const char *name)
{
    struct key k;

    snprintf(k.text, sizeof(k.text), "%.40s%s%.40s", prefix, *prefix ? "." : "", name);
    return k;
}

static struct key key_at(const char *list, unsigned i)
{
    struct key k;

    snprintf(k.text, sizeof(k.text), "%.80s[%u]", list, i);
    return k;
}

static uint32_t number(struct complaints *c, const char *prefix, const char *name, const char *text,
                       uint32_t fallback, uint32_t least, uint32_t most)
{
    config_number(c, key_in(prefix, name).text, text, least, most, &fallback);
    return fallback;
}

/* As YAML's core schema spells them, and yes and no. */
static bool boolean(struct complaints *c, const char *name, const char *text, bool fallback)
{
    enum { WORDS = 4 };
    static const char *const words[2][WORDS] = {{"false", "False", "FALSE", "no"},
                                                {"true", "True", "TRUE", "yes"}};

    if (!text)
        return fallback;
    for (unsigned i = 0; i < 2 * WORDS; i++)
        if (!strcmp(text, words[i / WORDS][i % WORDS]))
            return i / WORDS;
    complain(c, name, "'%s' is none of true, false, yes and no", text);
    return fallback;
}

static void string(struct complaints *c, const char *key, const char *text, const char *fallback,
                   char *out, size_t size)
{
    if (!text)
        text = fallback;
    if (!text)
        complain(c, key, "is missing");
    else if (!*text)
        complain(c, key, "is empty");
    else if (strlen(text) >= size)
        complain(c, key, "is longer than %zu bytes", size - 1);
    else
        snprintf(out, size, "%s", text);
}

/* "198.18.0.1/24" or "fd00::1/64"; false when it is no address a host can have. */
static bool address_parse(const char *text, struct config_address *out)
{
    static const uint8_t v4_mapped[12] = {[10] = 0xff, [11] = 0xff};
    const char *slash = strchr(text, '/');
    char ip[INET6_ADDRSTRLEN];
    char *end;
    struct in6_addr ip6; /* aligned, which out->ip is not */
    unsigned long prefix;

    if (!slash || (size_t)(slash - text) >= sizeof(ip) || !isdigit((unsigned char)slash[1]))
        return false;
    memcpy(ip, text, (size_t)(slash - text));
    ip[slash - text] = 0;
    prefix = strtoul(slash + 1, &end, 10);
    if (*end)
        return false;
    if (inet_pton(AF_INET, ip, out->ip + 12) == 1) {
        memcpy(out->ip, v4_mapped, sizeof(v4_mapped));
        out->prefix_len = (uint8_t)(96 + prefix);
        /* not 0.0.0.0/8, loopback, multicast or above */
        return prefix <= 32 && out->ip[12] && out->ip[12] != 127 && out->ip[12] < 224;
    }
    if (inet_pton(AF_INET6, ip, &ip6) != 1 || prefix > 128)
        return false;
    memcpy(out->ip, &ip6, sizeof(out->ip));
    out->prefix_len = (uint8_t)prefix;
    return !IN6_IS_ADDR_MULTICAST(&ip6) && !IN6_IS_ADDR_UNSPECIFIED(&ip6) &&
           !IN6_IS_ADDR_LOOPBACK(&ip6) && !IN6_IS_ADDR_V4MAPPED(&ip6);
}

static void check_addresses(struct complaints *c, const char *port_key, const struct raw_port *raw,
                            struct config_port *port)
{
    struct key list = key_in(port_key, "addresses");

    if (!raw->addresses_count)
        complain(c, list.text, "is missing: a port needs an address");
    if (raw->addresses_count > CONFIG_ADDRESSES_MAX) {
        complain(c, list.text, "has more than %d entries", CONFIG_ADDRESSES_MAX);
        return;
    }
    for (unsigned i = 0; i < raw->addresses_count; i++) {
        struct config_address *address = &port->address[port->addresses++];
        struct key key = key_at(list.text, i);

        if (!address_parse(raw->addresses[i], address))
            complain(c, key.text, "'%s' is not a host address with its prefix length (a.b.c.d/n)",
                     raw->addresses[i]);
        for (unsigned j = 0; j < i; j++)
            if (!memcmp(port->address[j].ip, address->ip, sizeof(address->ip)))
                complain(c, key.text, "'%s' is here twice", raw->addresses[i]);
    }
}

static void check_ports(struct complaints *c, const struct raw_config *raw, struct config *config)
{
    if (!raw->ports_count)
        complain(c, "ports", "is missing: at least one port is needed");
    if (raw->ports_count > JP_PORTS_MAX) {
        complain(c, "ports", "has more than %d entries", JP_PORTS_MAX);
        return;
    }
    for (unsigned i = 0; i < raw->ports_count; i++) {
        struct config_port *port = &config->port[config->ports++];
        struct key key = key_at("ports", i), device = key_in(key.text, "device");

        string(c, device.text, raw->ports[i].device, NULL, port->device, sizeof(port->device));
        for (unsigned j = 0; j < i; j++)
            if (strcspn(port->device, ",") == strcspn(config->port[j].device, ",") &&
                !strncmp(port->device, config->port[j].device, strcspn(port->device, ",")))
                complain(c, device.text, "is the device of ports[%u] already", j);
        check_addresses(c, key.text, &raw->ports[i], port);
#define NUMBER(field, ...)                                                                         \
    port->field =                                                                                  \
        (typeof(port->field))number(c, key.text, #field, raw->ports[i].field, __VA_ARGS__);
        CONFIG_PORT_NUMBERS(NUMBER)
#undef NUMBER
    }
}

static uint8_t sink_parse(struct complaints *c, const char *key, const char *text)
{
    static const char *const names[] = {
        [JP_SINK_ECHO] = "echo",
        [JP_SINK_DISCARD] = "discard",
        [JP_SINK_SOURCE] = "source",
    };

    for (uint8_t i = JP_SINK_ECHO; text && i <= JP_SINK_SOURCE; i++)
        if (!strcmp(text, names[i]))
            return i;
    if (text)
        complain(c, key, "'%s' is none of echo, discard and source", text);
    else
        complain(c, key, "is missing: echo, discard or source");
    return 0;
}

static void check_listeners(struct complaints *c, const struct raw_config *raw,
                            struct config *config)
{
    if (!raw->listeners_count) {
        config->listener[0] = (struct config_listener){.udp_port = 4500, .sink = JP_SINK_ECHO};
        config->listener[1] = (struct config_listener){.udp_port = 4501, .sink = JP_SINK_DISCARD};
        config->listeners = 2;
    }
    if (raw->listeners_count > JP_LISTENERS_MAX) {
        complain(c, "listeners", "has more than %d entries", JP_LISTENERS_MAX);
        return;
    }
    for (unsigned i = 0; i < raw->listeners_count; i++) {
        struct config_listener *listener = &config->listener[config->listeners++];
        const struct raw_listener *in = &raw->listeners[i];
        struct key key = key_at("listeners", i), sink = key_in(key.text, "sink");
        struct key udp_port = key_in(key.text, "udp_port");

        listener->sink = sink_parse(c, sink.text, in->sink);
#define NUMBER(field, ...)                                                                         \
    listener->field = (typeof(listener->field))number(c, key.text, #field, in->field, __VA_ARGS__);
        CONFIG_LISTENER_NUMBERS(NUMBER)
#undef NUMBER
        if (!in->udp_port)
            complain(c, udp_port.text, "is missing");
        for (unsigned j = 0; j < i; j++)
            if (listener->udp_port && config->listener[j].udp_port == listener->udp_port)
                complain(c, udp_port.text, "%u is listeners[%u]'s already", listener->udp_port, j);
    }
}

/* Left out, it is what idle_sleep_us alone says. */
static void check_idle(struct complaints *c, const char *text, struct config *config)
{
    static const char *const names[] = {
        [IDLE_POLL] = "poll",           [IDLE_PAUSE] = "pause",     [IDLE_SLEEP] = "sleep",
        [IDLE_INTERRUPT] = "interrupt", [IDLE_MONITOR] = "monitor",
    };
    unsigned i = 0;

    config->idle = config->idle_sleep_us > 0 ? IDLE_SLEEP : IDLE_PAUSE;
    if (!text)
        return;
    while (i <= IDLE_MONITOR && strcmp(text, names[i]) != 0)
        i++;
    config->idle = (enum idle)i;
    if (i > IDLE_MONITOR)
        complain(c, "idle", "'%s' is none of poll, pause, sleep, interrupt and monitor", text);
    else if (i == IDLE_SLEEP && config->idle_sleep_us == 0)
        complain(c, "idle", "sleep: idle_sleep_us must say how long");
    else if (i != IDLE_SLEEP && config->idle_sleep_us > 0)
        complain(c, "idle_sleep_us", "%u: only idle: sleep sleeps so long, not %s",
                 config->idle_sleep_us, text);
}

static void check_cpus(struct complaints *c, const struct raw_config *raw, struct config *config)
{
    if (raw->cpus_count && raw->cpus_count != config->lcores + 1u) {
        complain(c, "cpus",
                 "has %u entries: give one for the main lcore and one for each of %u workers",
                 raw->cpus_count, config->lcores);
        return;
    }
    for (unsigned i = 0; i < raw->cpus_count; i++)
        config->cpu[i] = number(c, "", key_at("cpus", i).text, raw->cpus[i], 0, 0, 1023);
    config->cpus = (uint8_t)raw->cpus_count;
}

/* What ports and rings hold when they are full, and workers besides: with less, receiving stops. */
static uint32_t mbufs_least(const struct config *config)
{
    uint32_t n = config->lcores * (config->steer_ring + MBUFS_UNDER_WAY);

    for (unsigned i = 0; i < config->ports; i++)
        n += config->lcores *
             ((uint32_t)config->port[i].rx_descriptors + config->port[i].tx_descriptors);
    return n;
}

static void check_mbufs(struct complaints *c, struct config *config)
{
    uint32_t least = mbufs_least(config);

    if (!config->mbufs)
        config->mbufs = 2 * least; /* reorder queues may hold half */
    else if (config->mbufs < least)
        complain(c, "mbufs",
                 "%u is too few for these descriptors, steer_ring and lcores, which take %u",
                 config->mbufs, least);
}

/* What one full session may take must fit what all share, and its windows the longest message
 * (docs/protocol.md section 7.3). */
static void check_credit(struct complaints *c, const struct config_full *full)
{
    uint64_t receive = (uint64_t)full->receive_mb << 20, echo = (uint64_t)full->echo_mb << 20;
    uint32_t least = full->max_message + FLOW_MESSAGE_COST;

    if (full->window > full->window_max)
        complain(c, "full.window", "%u is more than window_max, %u", full->window,
                 full->window_max);
    if (full->stream_window > full->stream_window_max)
        complain(c, "full.stream_window", "%u is more than stream_window_max, %u",
                 full->stream_window, full->stream_window_max);
    if (full->stream_window_max < least)
        complain(c, "full.stream_window_max", "%u is too little for max_message, which takes %u",
                 full->stream_window_max, least);
    if (full->window_max < least + FLOW_RESERVE)
        complain(c, "full.window_max", "%u is too little for max_message, which takes %u",
                 full->window_max, least + FLOW_RESERVE);
    if (receive < (uint64_t)REASSEMBLY_OVERHEAD * full->window_max)
        complain(c, "full.receive_mb", "%u is too little for one session's window_max, %u bytes",
                 full->receive_mb, full->window_max);
    if (echo < UINT64_C(16) * full->max_message)
        complain(c, "full.echo_mb", "%u is too little for 16 messages of max_message, %u bytes",
                 full->echo_mb, full->max_message);
}

static void check_full(struct complaints *c, const struct raw_full *given, struct config *config)
{
    static const struct raw_full none;
    const struct raw_full *raw = given ? given : &none;
    struct config_full *full = &config->full;
    const char *congestion = raw->congestion ? raw->congestion : "cubic";

#define NUMBER(field, ...) full->field = number(c, "full", #field, raw->field, __VA_ARGS__);
    CONFIG_FULL_NUMBERS(NUMBER)
#undef NUMBER
#define SWITCH(field, fallback) full->field = boolean(c, "full." #field, raw->field, fallback);
    CONFIG_FULL_SWITCHES(SWITCH)
#undef SWITCH
    full->congestion = congestion_find(congestion);
    if (!full->congestion)
        complain(c, "full.congestion", "'%s' is none of newreno, cubic and bbr", congestion);
    if (full->sessions > 0)
        check_credit(c, full);
    if (full->sessions > 0 && full->sessions < config->lcores)
        complain(c, "full.sessions", "%u is less than one for each worker", full->sessions);
}

static void check_name(struct complaints *c, const char *name)
{
    for (const char *p = name; *p; p++)
        if (!isalnum((unsigned char)*p) && *p != '-' && *p != '_') {
            complain(c, "name", "'%s' may have letters, digits, - and _ only", name);
            return;
        }
}

/* What no single key can tell. */
static void check_together(struct complaints *c, struct config *config)
{
    if (config->steer_ring & (config->steer_ring - 1))
        complain(c, "steer_ring", "%u is not a power of two", config->steer_ring);
    if (!config->fec_k != !config->fec_r)
        complain(c, "fec_k", "%u with fec_r %u: give both or none", config->fec_k, config->fec_r);
    else if (config->fec_r > config->fec_k)
        complain(c, "fec_r", "%u is more than fec_k, %u", config->fec_r, config->fec_k);
    for (unsigned i = 0; i < config->listeners; i++)
        if (config->listener[i].sink == JP_SINK_SOURCE && config->max_streams < 2)
            complain(c, "max_streams", "1 is too few for a source, which sends on stream 1");
    if (config->max_sessions < config->lcores)
        complain(c, "max_sessions", "%u is less than one for each worker", config->max_sessions);
    check_mbufs(c, config);
}

int config_check(const char *path, const struct raw_config *raw, struct config *config)
{
    struct complaints c = {.path = path};

    *config = (struct config){0};
    string(&c, "name", raw->name, "jetplane", config->name, sizeof(config->name));
    check_name(&c, config->name);
    string(&c, "control_socket", raw->control_socket, "/run/jetplane/dp.sock",
           config->control_socket, sizeof(config->control_socket));
    config->becomes = config_user(&c, raw->user, raw->group, &config->user);
    config->hugepages = boolean(&c, "hugepages", raw->hugepages, true);
#define NUMBER(field, ...)                                                                         \
    config->field = (typeof(config->field))number(&c, "", #field, raw->field, __VA_ARGS__);
    CONFIG_NUMBERS(NUMBER)
#undef NUMBER
    check_idle(&c, raw->idle, config);
    check_ports(&c, raw, config);
    check_listeners(&c, raw, config);
    check_cpus(&c, raw, config);
    check_full(&c, raw->full, config);
    check_together(&c, config);
    if (!config->stream_chunks) /* one for each session, and some: SPIs do not fall evenly */
        config->stream_chunks = config->max_sessions / config->lcores * 9 / 8 + 64;
    return c.n ? -EINVAL : 0;
}
