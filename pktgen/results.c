#include "results.h"

#include <string.h>

#define NAME(name, text) [C_##name] = #name,
#define TEXT(name, text) [C_##name] = text,
const char *const counter_name[COUNTERS] = {JETGEN_COUNTERS(NAME)};
const char *const counter_text[COUNTERS] = {JETGEN_COUNTERS(TEXT)};

static double microseconds(const struct results *r, uint64_t cycles)
{
    return r->tsc_per_us > 0 ? (double)cycles / r->tsc_per_us : 0;
}

static double quantile(const struct results *r, const struct histogram *h, double q)
{
    return microseconds(r, histogram_quantile(h, q));
}

static double rate(const struct results *r, double n)
{
    return r->traffic.seconds > 0 ? n / r->traffic.seconds : 0;
}

static double per_packet(const struct results *r, enum counter cycles, enum counter packets)
{
    return r->counter[packets] ? (double)r->counter[cycles] / (double)r->counter[packets] : 0;
}

static double seconds(const struct results *r)
{
    return r->traffic.seconds;
}

static double mpps(const struct results *r)
{
    return rate(r, (double)r->traffic.rx_packets / 1e6);
}

static double gbps(const struct results *r)
{
    return rate(r, (double)r->traffic.rx_bytes * 8 / 1e9);
}

static double tx_mpps(const struct results *r)
{
    return rate(r, (double)r->traffic.tx_packets / 1e6);
}

static double tx_gbps(const struct results *r)
{
    return rate(r, (double)r->traffic.tx_bytes * 8 / 1e9);
}

static double p50(const struct results *r)
{
    return quantile(r, &r->latency, 0.5);
}

static double p90(const struct results *r)
{
    return quantile(r, &r->latency, 0.9);
}

static double p99(const struct results *r)
{
    return quantile(r, &r->latency, 0.99);
}

static double p999(const struct results *r)
{
    return quantile(r, &r->latency, 0.999);
}

static double max(const struct results *r)
{
    return microseconds(r, r->latency.max);
}

static double handshake_p50(const struct results *r)
{
    return quantile(r, &r->handshake, 0.5) / 1000;
}

static double handshake_p99(const struct results *r)
{
    return quantile(r, &r->handshake, 0.99) / 1000;
}

static double handshake_max(const struct results *r)
{
    return microseconds(r, r->handshake.max) / 1000;
}

static double tx_cycles(const struct results *r)
{
    return per_packet(r, C_tx_cycles, C_tx_packets);
}

static double rx_cycles(const struct results *r)
{
    return per_packet(r, C_rx_cycles, C_rx_packets);
}

static double sessions(const struct results *r)
{
    return r->sessions;
}

static double handshakes_per_second(const struct results *r)
{
    double s = r->traffic.open_seconds;

    return s > 0 ? (double)r->counter[C_handshakes_ok] / s : 0;
}

const struct derived derived[] = {
    {"sessions", "sessions that are up", sessions},
    {"seconds", "seconds of traffic", seconds},
    {"mpps", "million packets received a second", mpps},
    {"gbps", "Gbit of them a second, Ethernet frames", gbps},
    {"tx_mpps", "million packets sent a second", tx_mpps},
    {"tx_gbps", "Gbit of them a second, Ethernet frames", tx_gbps},
    {"p50_us", "microseconds of round trip, half of the messages", p50},
    {"p90_us", "90 %", p90},
    {"p99_us", "99 %", p99},
    {"p999_us", "99.9 %", p999},
    {"max_us", "all", max},
    {"handshakes_per_s", "handshakes completed a second", handshakes_per_second},
    {"handshake_p50_ms", "milliseconds a handshake took, half of them", handshake_p50},
    {"handshake_p99_ms", "99 %", handshake_p99},
    {"handshake_max_ms", "all", handshake_max},
    {"tx_cycles_per_packet", "TSC cycles a packet sent", tx_cycles},
    {"rx_cycles_per_packet", "TSC cycles a packet received", rx_cycles},
};
const unsigned derived_count = sizeof(derived) / sizeof(derived[0]);

void results_close(struct results *r, double duration)
{
    r->traffic = (struct traffic){
        .seconds = duration,
        .tx_packets = r->counter[C_tx_packets],
        .tx_bytes = r->counter[C_tx_bytes],
        .rx_packets = r->counter[C_rx_packets],
        .rx_bytes = r->counter[C_rx_bytes],
        .open_seconds = strcmp(r->phase, "open") == 0 ? duration : 0,
    };
}

void results_add(struct results *total, const struct results *r)
{
    for (unsigned i = 0; i < COUNTERS; i++)
        total->counter[i] += r->counter[i];
    histogram_merge(&total->latency, &r->latency);
    histogram_merge(&total->handshake, &r->handshake);
    total->tsc_per_us = r->tsc_per_us;
    total->traffic.open_seconds += r->traffic.open_seconds;
    if (strcmp(r->phase, "run") != 0)
        return;
    total->sessions = r->sessions;
    total->traffic.seconds += r->traffic.seconds;
    total->traffic.tx_packets += r->traffic.tx_packets;
    total->traffic.tx_bytes += r->traffic.tx_bytes;
    total->traffic.rx_packets += r->traffic.rx_packets;
    total->traffic.rx_bytes += r->traffic.rx_bytes;
}

bool results_find(const struct results *r, const char *name, double *value)
{
    for (unsigned i = 0; i < COUNTERS; i++)
        if (strcmp(counter_name[i], name) == 0) {
            *value = (double)r->counter[i];
            return true;
        }
    for (unsigned i = 0; i < derived_count; i++)
        if (strcmp(derived[i].name, name) == 0) {
            *value = derived[i].of(r);
            return true;
        }
    return false;
}
