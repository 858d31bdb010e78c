/* The configuration file: defaults, every kind of value, and complaints that name line and key. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"
#include "congestion.h"

#define PORT "ports: [{device: net_null0, addresses: [198.18.0.1/24]}]\n"

static char complaints[4096];

/* Load text as a file; what it printed is then in `complaints`. */
static int load(const char *text, struct config *config)
{
    char path[] = "/tmp/jetplane-config-XXXXXX";
    int file = mkstemp(path), err = dup(STDERR_FILENO), ret;
    FILE *capture = tmpfile();
    size_t n;

    assert_true(file >= 0 && err >= 0 && capture);
    assert_int_equal(write(file, text, strlen(text)), strlen(text));
    close(file);
    fflush(stderr);
    dup2(fileno(capture), STDERR_FILENO);
    ret = config_load(path, config);
    fflush(stderr);
    dup2(err, STDERR_FILENO);
    close(err);
    rewind(capture);
    n = fread(complaints, 1, sizeof(complaints) - 1, capture);
    complaints[n] = 0;
    fclose(capture);
    unlink(path);
    return ret;
}

static void defaults(void **state)
{
    struct config c;

    (void)state;
    assert_int_equal(load(PORT, &c), 0);
    assert_string_equal(complaints, "");
    assert_string_equal(c.name, "jetplane");
    assert_string_equal(c.control_socket, "/run/jetplane/dp.sock");
    assert_int_equal(c.ports, 1);
    assert_int_equal(c.port[0].mtu, 1500);
    assert_int_equal(c.listeners, 2);
    assert_int_equal(c.listener[0].udp_port, 4500);
    assert_int_equal(c.listener[0].sink, JP_SINK_ECHO);
    assert_int_equal(c.listener[1].sink, JP_SINK_DISCARD);
    assert_int_equal(c.lcores, 1);
    assert_int_equal(c.cpus, 0);
    assert_true(c.hugepages);
    assert_int_equal(c.max_sessions, 65536);
    assert_int_equal(c.full.sessions, 4096);
    assert_int_equal(c.full.max_message, 65536);
    assert_string_equal(c.full.congestion->name, "cubic");
    assert_true(c.full.fec && c.full.ecn && c.full.mtu_discovery);
    assert_true(c.stream_chunks >= c.max_sessions);
}

/* The reference says what the defaults are: it must be right. */
static void reference(void **state)
{
    struct config documented, built_in;

    (void)state;
    assert_int_equal(load(PORT, &built_in), 0);
    assert_int_equal(config_load(JP_SOURCE_ROOT "/docs/jetplane-dp.yaml", &documented), 0);
    assert_int_equal(documented.ports, 1);
    assert_int_equal(documented.port[0].addresses, 2);
    assert_int_equal(documented.port[0].mtu, built_in.port[0].mtu);
    assert_int_equal(documented.port[0].rx_descriptors, built_in.port[0].rx_descriptors);
    assert_int_equal(documented.port[0].tx_descriptors, built_in.port[0].tx_descriptors);
    documented.listener[0].source_rate = documented.listener[1].source_rate = 0;
    documented.listener[0].source_size = documented.listener[1].source_size = 0;
    documented.port[0] = built_in.port[0];
    assert_memory_equal(&documented, &built_in, sizeof(built_in));
}

static void everything(void **state)
{
    static const uint8_t v4[16] = {[10] = 0xff, [11] = 0xff, 198, 18, 0, 9};
    static const uint8_t v6[16] = {0xfd, [15] = 2};
    struct config c;

    (void)state;
    assert_int_equal(
        load("name: two-2\n"
             "control_socket: /tmp/x.sock\n"
             "hugepages: no\n"
             "lcores: 2\n"
             "cpus: [0, 1, 1]\n"
             "fec_k: 20\n"
             "fec_r: 4\n"
             "punt_rate: 0\n"
             "ports:\n"
             "  - device: 0000:01:00.0\n"
             "    addresses: [198.18.0.9/25, 'fd00::2/64']\n"
             "    vlan: 7\n"
             "    mtu: 9000\n"
             "  - device: net_null1,copy=1\n"
             "    addresses: ['fd00::3/64']\n"
             "listeners:\n"
             "  - {udp_port: 65535, sink: source, source_rate: 0, source_size: 64}\n"
             "full: {sessions: 2, max_message: 4096, congestion: bbr, fec: no, echo_mb: 1}\n",
             &c),
        0);
    assert_string_equal(c.name, "two-2");
    assert_false(c.hugepages);
    assert_int_equal(c.cpus, 3);
    assert_int_equal(c.cpu[2], 1);
    assert_int_equal(c.fec_k, 20);
    assert_int_equal(c.punt_rate, 0);
    assert_int_equal(c.ports, 2);
    assert_string_equal(c.port[0].device, "0000:01:00.0");
    assert_memory_equal(c.port[0].address[0].ip, v4, 16);
    assert_int_equal(c.port[0].address[0].prefix_len, 96 + 25);
    assert_memory_equal(c.port[0].address[1].ip, v6, 16);
    assert_int_equal(c.port[0].address[1].prefix_len, 64);
    assert_int_equal(c.port[0].vlan, 7);
    assert_string_equal(c.port[1].device, "net_null1,copy=1");
    assert_int_equal(c.listeners, 1);
    assert_int_equal(c.listener[0].udp_port, 65535);
    assert_int_equal(c.listener[0].source_rate, 0);
    assert_int_equal(c.full.sessions, 2);
    assert_int_equal(c.full.max_message, 4096);
    assert_string_equal(c.full.congestion->name, "bbr");
    assert_false(c.full.fec);
    assert_true(c.full.ecn);
}

static const struct {
    const char *text, *complaint;
} bad[] = {
    {"", "is empty"},
    {"lcores: 1\n", "ports: is missing"},
    {PORT "lcore: 1\n", ":2: lcore: there is no such key"},
    {"ports:\n  - device: a\n    adresses: [198.18.0.1/24]\n",
     ":3: ports[0].adresses: there is no such key"},
    {"ports: [\n", ":1: ports: libyaml: did not find"},
    {"ports: 5\n", ":1: ports: Expecting SEQUENCE"},
    {PORT "---\nlcores: 2\n", ":2: a second document begins here"},
    {PORT "? [a]\n: 1\n", ": a key must be a word, not a list or mapping"},
    {PORT PORT, "ports: Mapping field already seen"},
    {PORT "lcores: four\n", ":2: lcores: 'four' is not a number"},
    {PORT "lcores: 4x\n", ":2: lcores: '4x' is not a number"},
    {PORT "lcores: 010\n", ":2: lcores: '010' is not a number"},
    {PORT "lcores: '0x2'\n", ":2: lcores: '0x2' is not a number"},
    {PORT "lcores: ' 2'\n", ":2: lcores: ' 2' is not a number"},
    {PORT "lcores: +2\n", ":2: lcores: '+2' is not a number"},
    {PORT "lcores:\n", ":2: lcores: '' is not a number"},
    {PORT "lcores: -1\n", ":2: lcores: -1 is not between 1 and 32"},
    {PORT "lcores: 33\n", ":2: lcores: 33 is not between 1 and 32"},
    {PORT "max_sessions: 99999999999999999999\n", "max_sessions: '99999999999999999999' is not"},
    {PORT "hugepages: maybe\n", ":2: hugepages: 'maybe' is none of true, false, yes and no"},
    {PORT "name: a/b\n", ":2: name: 'a/b' may have"},
    {PORT "name: ''\n", ":2: name: is empty"},
    {PORT "name: abcdefghijabcdefghijabcdefghijab\n", ":2: name: is longer than 31 bytes"},
    {PORT "steer_ring: 1000\n", ":2: steer_ring: 1000 is not a power of two"},
    {PORT "idle: nap\n", ":2: idle: 'nap' is none of poll, pause, sleep, interrupt and"},
    {PORT "idle: ''\n", ":2: idle: '' is none of"},
    {PORT "idle: sleep\n", ":2: idle: sleep: idle_sleep_us must say how long"},
    {PORT "idle: sleep\nidle_sleep_us: 0\n", ":2: idle: sleep: idle_sleep_us must say"},
    {PORT "idle: poll\nidle_sleep_us: 5\n", ":3: idle_sleep_us: 5: only idle: sleep"},
    {PORT "idle: pause\nidle_sleep_us: 5\n", ":3: idle_sleep_us: 5: only idle: sleep"},
    {PORT "idle: interrupt\nidle_sleep_us: 5\n", ":3: idle_sleep_us: 5: only idle: sleep"},
    {PORT "idle: monitor\nidle_sleep_us: 5\n", ":3: idle_sleep_us: 5: only idle: sleep"},
    {PORT "idle_sleep_us: 1000001\n", ":2: idle_sleep_us: 1000001 is not between 0 and"},
    {PORT "fec_k: 20\n", ":2: fec_k: 20 with fec_r 0"},
    {PORT "fec_k: 3\nfec_r: 4\n", ":3: fec_r: 4 is more than fec_k, 3"},
    {PORT "reorder_max: 1025\n", ":2: reorder_max: 1025 is not between 1 and 1024"},
    {PORT "listeners: [{udp_port: 4500, sink: source}]\nmax_streams: 1\n",
     ":3: max_streams: 1 is too few for a source"},
    {PORT "lcores: 4\nmax_sessions: 3\n", ":3: max_sessions: 3 is less than"},
    {PORT "lcores: 2\ncpus: [0, 1]\n", ":3: cpus: has 2 entries"},
    {PORT "cpus: [0, x]\n", ":2: cpus[1]: 'x' is not a number"},
    {"ports: [{addresses: [198.18.0.1/24]}]\n", ":1: ports[0].device: is missing"},
    {"ports:\n  - device: a\n", ":2: ports[0].addresses: is missing"},
    {"ports:\n  - device: a\n    addresses: [198.18.0.1/24, 300.1.1.1/24]\n",
     ":3: ports[0].addresses[1]: '300.1.1.1/24' is not a host address"},
    {"ports: [{device: a, addresses: [198.18.0.1]}]\n", "addresses[0]: '198.18.0.1' is not"},
    {"ports: [{device: a, addresses: [198.18.0.1/33]}]\n", "addresses[0]: '198.18.0.1/33' is not"},
    {"ports: [{device: a, addresses: [198.18.0.1/2x]}]\n", "addresses[0]: '198.18.0.1/2x' is not"},
    {"ports: [{device: a, addresses: [198.18.0.1/-1]}]\n", "addresses[0]: '198.18.0.1/-1' is not"},
    {"ports: [{device: a, addresses: [198.18.0.1/288]}]\n", "'198.18.0.1/288' is not"},
    {"ports: [{device: a, addresses: [239.0.0.1/24]}]\n", "addresses[0]: '239.0.0.1/24' is not"},
    {"ports: [{device: a, addresses: ['ff02::1/64']}]\n", "addresses[0]: 'ff02::1/64' is not"},
    {"ports: [{device: a, addresses: ['::1/128']}]\n", "addresses[0]: '::1/128' is not"},
    {"ports: [{device: a, addresses: [198.18.0.1/24, 198.18.0.1/25]}]\n",
     "[1]: '198.18.0.1/25' is here twice"},
    {"ports:\n"
     "  - {device: 'a,x=1', addresses: [198.18.0.1/24]}\n"
     "  - {device: 'a,x=2', addresses: [198.18.0.2/24]}\n",
     ":3: ports[1].device: is the device of ports[0]"},
    {"ports: [{device: a, addresses: [198.18.0.1/24], mtu: 1391}]\n",
     ":1: ports[0].mtu: 1391 is not between 1392"},
    {PORT "mbufs: 8959\n", ":2: mbufs: 8959 is too few"},
    {PORT "lcores: 2\nmbufs: 8960\n", ":3: mbufs: 8960 is too few"},
    {PORT "listeners: [{udp_port: 4500}]\n", ":2: listeners[0].sink: is missing"},
    {PORT "listeners: [{sink: echo}]\n", ":2: listeners[0].udp_port: is missing"},
    {PORT "listeners: [{udp_port: 4500, sink: drain}]\n",
     ":2: listeners[0].sink: 'drain' is none of"},
    {PORT "listeners:\n  - {udp_port: 1, sink: echo}\n  - {udp_port: 1, sink: echo}\n",
     ":4: listeners[1].udp_port: 1 is listeners[0]'s already"},
    {PORT "full:\n  session: 1\n", ":3: full.session: there is no such key"},
    {PORT "full:\n  ecn: perhaps\n", ":3: full.ecn: 'perhaps' is none of"},
    {PORT "full:\n  congestion: vegas\n", ":3: full.congestion: 'vegas' is none of"},
    {PORT "full: {window: 20000000}\n", ":2: full.window: 20000000 is more than window_max"},
    {PORT "full:\n  stream_window: 9000000\n", ":3: full.stream_window: 9000000 is more than"},
    {PORT "full: {max_message: 8388608}\n", "full.stream_window_max: 8388608 is too little"},
    {PORT "full: {max_message: 65536, window: 1, window_max: 328703}\n",
     "full.window_max: 328703 is too little for max_message, which takes 328704"},
    {PORT "full: {receive_mb: 47}\n", "full.receive_mb: 47 is too little for one"},
    {PORT "full: {max_message: 1048576, echo_mb: 15}\n", "full.echo_mb: 15 is too little"},
    {PORT "lcores: 4\nfull: {sessions: 3}\n", ":3: full.sessions: 3 is less than"},
};

static void errors(void **state)
{
    struct config c;

    (void)state;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int ret = load(bad[i].text, &c);

        if (ret != -EINVAL || !strstr(complaints, bad[i].complaint))
            fail_msg("case %u, %d: wanted \"%s\", got \"%s\"", i, ret, bad[i].complaint,
                     complaints);
    }
}

/* As YAML's core schema spells them, and yes and no. */
static void switches(void **state)
{
    static const char *const words[] = {"false", "False", "FALSE", "no",
                                        "true",  "True",  "TRUE",  "yes"};
    char text[128];
    struct config c;

    (void)state;
    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        snprintf(text, sizeof(text), PORT "hugepages: %s\n", words[i]);
        assert_int_equal(load(text, &c), 0);
        assert_int_equal(c.hugepages, i / 4);
    }
}

static void idle(void **state)
{
    static const struct {
        const char *text;
        enum idle idle;
    } good[] = {
        {PORT, IDLE_PAUSE},
        {PORT "idle_sleep_us: 20\n", IDLE_SLEEP},
        {PORT "idle: poll\n", IDLE_POLL},
        {PORT "idle: pause\nidle_sleep_us: 0\n", IDLE_PAUSE},
        {PORT "idle: sleep\nidle_sleep_us: 20\n", IDLE_SLEEP},
        {PORT "idle: interrupt\n", IDLE_INTERRUPT},
        {PORT "idle: monitor\n", IDLE_MONITOR},
    };
    struct config c;

    (void)state;
    for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(load(good[i].text, &c), 0);
        assert_int_equal(c.idle, good[i].idle);
        assert_int_equal(c.idle_sleep_us, c.idle == IDLE_SLEEP ? 20 : 0);
    }
}

/* What ports (2 x 1024), the ring (4096) and the worker (2816) hold is enough. */
static void least(void **state)
{
    struct config c;

    (void)state;
    assert_int_equal(load(PORT "mbufs: 8960\n", &c), 0);
    assert_int_equal(c.mbufs, 8960);
    assert_int_equal(load("ports: [{device: a, addresses: [198.18.0.1/24], mtu: 1392}]\n", &c), 0);
}

static void too_many(void **state)
{
    char text[8192] = "ports:\n";
    struct config c;

    (void)state;
    for (unsigned i = 0; i <= JP_PORTS_MAX; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text),
                 "  - {device: p%u, addresses: [198.18.0.1/24]}\n", i);
    assert_int_equal(load(text, &c), -EINVAL);
    assert_non_null(strstr(complaints, "ports: has more than 16 entries"));
}

static void absent(void **state)
{
    struct config c;

    (void)state;
    assert_int_equal(config_load("/nonexistent/jetplane.yaml", &c), -ENOENT);
    assert_int_not_equal(config_load("/tmp", &c), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults), cmocka_unit_test(reference), cmocka_unit_test(everything),
        cmocka_unit_test(errors),   cmocka_unit_test(too_many),  cmocka_unit_test(least),
        cmocka_unit_test(absent),   cmocka_unit_test(switches),  cmocka_unit_test(idle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
