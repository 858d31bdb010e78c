/* Answers to ARP, neighbour solicitations and pings, byte for byte. The frames were made by scapy,
 * which shares no code with us: 198.18.0.1 and fd00::1201 at 02:00:00:00:00:01 answer 198.18.0.2
 * and fd00::fe02 at 02:00:00:00:00:02. */
#include "rig.h"

#include "bytes.h"
#include "ingress.h"

enum { FRAME_ROOM = 256 };

struct exchange {
    const char *what;
    enum jp_counter fate;
    const char *question, *answer; /* hexadecimal */
};

static uint32_t unhex(uint8_t *out, const char *hex)
{
    uint32_t n = 0;

    for (; hex[2 * n]; n++)
        assert_int_equal(sscanf(hex + 2 * n, "%2hhx", &out[n]), 1);
    return n;
}

/* Hand the first len bytes of a frame over as parse does. The rest lies behind them, so that
 * reading on would work. */
static void ask(struct rig *rig, const uint8_t frame[FRAME_ROOM], uint32_t len)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(rig->lc.mbufs);
    struct packet *p = packet_of(m);
    uint16_t type = be16_load(frame + 12);

    assert_non_null(m);
    memcpy(rte_pktmbuf_append(m, (uint16_t)len), frame, FRAME_ROOM);
    *p = (struct packet){.port = 0, .layers.l2_len = 14};
    if (type == 0x8100) {
        type = be16_load(frame + 16);
        p->layers.l2_len = 18;
    }
    m->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD;
    if (type == 0x0806) {
        answer_arp(&rig->lc, m);
    } else if (type == 0x0800) {
        p->ip_version = 4;
        p->layers.l3_len = (frame[p->layers.l2_len] & 15) * 4;
        answer_icmp4(&rig->lc, m);
    } else {
        p->ip_version = 6;
        p->layers.l3_len = 40;
        answer_icmp6(&rig->lc, m);
    }
    egress_run(&rig->lc);
}

static const struct exchange exchanges[] = {
    {"arp padded", JP_arp,
     "ffffffffffff02000000000208060001080006040001020000000002c6120002000000000000c612"
     "0001000000000000000000000000000000000000",
     "02000000000202000000000108060001080006040002020000000001c6120001020000000002c612"
     "0002"},
    {"arp vlan", JP_arp,
     "ffffffffffff0200000000028100a12308060001080006040001020000000002c612000200000000"
     "0000c6120001",
     "0200000000020200000000018100a12308060001080006040002020000000001c612000102000000"
     "0002c6120002"},
    {"arp probe", JP_arp,
     "ffffffffffff0200000000020806000108000604000102000000000200000000000000000000c612"
     "0001",
     "02000000000202000000000108060001080006040002020000000001c61200010200000000020000"
     "0000"},
    {"ns multicast", JP_ndp,
     "3333ff00120102000000000286dd6000000000203afffd00000000000000000000000000fe02ff02"
     "00000000000000000001ff00120187005b9600000000fd0000000000000000000000000012010101"
     "020000000002",
     "02000000000202000000000186dd6000000000203afffd000000000000000000000000001201fd00"
     "000000000000000000000000fe028800fa9a60000000fd0000000000000000000000000012010201"
     "020000000001"},
    {"ns unicast bare vlan", JP_ndp,
     "0200000000010200000000028100a12386dd6000000000183afffd00000000000000000000000000"
     "fe02fd00000000000000000000000000120187005fa500000000fd00000000000000000000000000"
     "1201",
     "0200000000020200000000018100a12386dd6000000000203afffd00000000000000000000000000"
     "1201fd00000000000000000000000000fe028800fa9a60000000fd00000000000000000000000000"
     "12010201020000000001"},
    {"ns duplicate detection", JP_ndp,
     "3333ff00120102000000000286dd6000000000183aff00000000000000000000000000000000ff02"
     "00000000000000000001ff001201870059a500000000fd000000000000000000000000001201",
     "33330000000102000000000186dd6000000000203afffd000000000000000000000000001201ff02"
     "00000000000000000000000000018800369b20000000fd0000000000000000000000000012010201"
     "020000000001"},
    {"ping4", JP_icmp,
     "02000000000102000000000208004500003d1234000003011965c6120002c61200010800e6ee0007"
     "0009000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20",
     "02000000000202000000000108004500003d000040004001ae98c6120001c61200020000eeee0007"
     "0009000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20"},
    {"ping4 short padded", JP_icmp,
     "020000000001020000000002080045b8001c000100004001ee00c6120002c612000108000000f7ff"
     "0000aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
     "020000000002020000000001080045b8001c000040004001ae01c6120001c612000200000800f7ff"
     "0000"},
    {"ping6", JP_icmp,
     "02000000000102000000000286dd6000000000293a05fd00000000000000000000000000fe02fd00"
     "00000000000000000000000012018000649200010002000102030405060708090a0b0c0d0e0f1011"
     "12131415161718191a1b1c1d1e1f20",
     "02000000000202000000000186dd6000000000293a40fd000000000000000000000000001201fd00"
     "000000000000000000000000fe028100639200010002000102030405060708090a0b0c0d0e0f1011"
     "12131415161718191a1b1c1d1e1f20"},
};

static void questions_are_answered(void **state)
{
    struct rig *rig = *state;

    for (size_t i = 0; i < RTE_DIM(exchanges); i++) {
        const struct exchange *x = &exchanges[i];
        uint8_t question[FRAME_ROOM], answer[FRAME_ROOM];
        uint32_t answer_len = unhex(answer, x->answer);
        uint64_t before = rig->counter[x->fate];

        print_message("  %s\n", x->what);
        ask(rig, question, unhex(question, x->question));
        struct rte_mbuf *m = rig_one();

        assert_int_equal(m->ol_flags, 0);
        assert_int_equal(m->pkt_len, answer_len);
        assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), answer, answer_len);
        assert_int_equal(rig->counter[x->fate], before + 1);
        rte_pktmbuf_free(m);
    }
}

/* A question of `exchanges`, by its name. */
static uint32_t question(uint8_t *frame, const char *what)
{
    for (size_t i = 0; i < RTE_DIM(exchanges); i++)
        if (strcmp(exchanges[i].what, what) == 0)
            return unhex(frame, exchanges[i].question);
    fail_msg("no such question");
    return 0;
}

static void assert_silent(struct rig *rig, const uint8_t frame[FRAME_ROOM], uint32_t len,
                          enum jp_counter why)
{
    uint64_t before = rig->counter[why];
    struct rte_mbuf *m;

    ask(rig, frame, len);
    assert_int_equal(rig_sent(&m, 1), 0);
    assert_int_equal(rig->counter[why], before + 1);
}

/* One change each to a question that would be answered: at offset `at`, this byte instead. */
struct change {
    uint32_t at;
    uint8_t byte;
};

static void arp_that_asks_nothing(void **state)
{
    static const struct change changes[] = {
        {15, 6},                       /* hardware type */
        {16, 0x86},                    /* protocol type */
        {18, 8},    {19, 16},          /* lengths */
        {21, 2},    {21, 3},  {20, 1}, /* a reply, reverse ARP, an unknown operation */
        {22, 3},                       /* from a group */
        {31, 1},                       /* announcing our address as his */
        {41, 3},                       /* for somebody else */
    };
    struct rig *rig = *state;
    uint8_t frame[FRAME_ROOM];

    for (size_t i = 0; i < RTE_DIM(changes); i++) {
        uint32_t len = question(frame, "arp padded");

        frame[changes[i].at] = changes[i].byte;
        assert_silent(rig, frame, len, JP_arp_other);
    }
    question(frame, "arp padded");
    for (uint32_t len = 14; len < 14 + 28; len++)
        assert_silent(rig, frame, len, JP_arp_other);
}

/* Set the ICMP checksum of the IPv4 or IPv6 packet behind 14 bytes of Ethernet, summed plainly. */
static void fix_icmp(uint8_t *frame)
{
    bool v4 = frame[14] >> 4 == 4;
    uint8_t *ip = frame + 14, *icmp = ip + (v4 ? 20 : 40);
    uint32_t len = v4 ? be16_load(ip + 2) - 20u : be16_load(ip + 4);
    uint64_t sum = v4 ? 0 : 58 + len;

    be16_store(icmp + 2, 0);
    for (uint32_t i = 0; !v4 && i < 32; i += 2)
        sum += be16_load(ip + 8 + i);
    for (uint32_t i = 0; i < len; i++)
        sum += i % 2 == 0 ? icmp[i] * 256u : icmp[i];
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    be16_store(icmp + 2, (uint16_t)~sum);
}

/* Each change alone silences the question. With `sealed` the checksum is made right again, so that
 * it is not what does. */
static void silenced_by(struct rig *rig, const char *what, const struct change *changes, size_t n,
                        bool sealed)
{
    uint8_t frame[FRAME_ROOM];

    for (size_t i = 0; i < n; i++) {
        uint32_t len = question(frame, what);

        frame[changes[i].at] = changes[i].byte;
        if (sealed)
            fix_icmp(frame);
        print_message("  %s, byte %u\n", what, changes[i].at);
        assert_silent(rig, frame, len, JP_ip_other);
    }
}

static void solicitations_that_rfc_4861_forbids(void **state)
{
    static const struct change any[] = {
        {21, 254},           /* hop limit: from beyond a router */
        {54, 136},  {55, 1}, /* type, code */
        {62, 0xff},          /* a target that is a group */
        {77, 2},             /* somebody else's address */
        {22, 0xff},          /* from a group */
    };
    static const struct change option[] = {{79, 0}, {79, 2}}; /* lengths: none, beyond the end */
    static const struct change damaged[] = {{56, 1}, {85, 1}, {58, 1}};
    struct rig *rig = *state;
    uint8_t frame[FRAME_ROOM];

    silenced_by(rig, "ns multicast", any, RTE_DIM(any), true);
    silenced_by(rig, "ns duplicate detection", any, 5, true);
    silenced_by(rig, "ns multicast", option, RTE_DIM(option), true);
    silenced_by(rig, "ns multicast", damaged, RTE_DIM(damaged), false);

    uint32_t len = question(frame, "ns multicast"); /* a link address of nobody's */
    memset(frame + 22, 0, 16);
    fix_icmp(frame);
    assert_silent(rig, frame, len, JP_ip_other);
    len = question(frame, "ns duplicate detection"); /* a test for duplicates sent to us alone */
    memcpy(frame + 38, frame + 62, 16);
    fix_icmp(frame);
    assert_silent(rig, frame, len, JP_ip_other);
    question(frame, "ns duplicate detection"); /* cut short */
    for (uint8_t icmp_len = 0; icmp_len < 24; icmp_len++) {
        frame[19] = icmp_len;
        if (icmp_len >= 4)
            fix_icmp(frame);
        assert_silent(rig, frame, 54u + icmp_len, JP_ip_other);
    }
}

static void pings_that_are_none(void **state)
{
    static const struct change four[] = {
        {34, 0},   {34, 13},  {35, 1},   /* an answer, a time stamp request, a code */
        {26, 0},   {26, 224}, {26, 255}, /* from nobody, a group, everybody */
        {33, 255}, {30, 224},            /* to a broadcast address or a group */
    };
    static const struct change six[] = {{54, 129},  {54, 1}, {55, 1},
                                        {22, 0xff}, {53, 9}, {38, 0xff}};
    static const struct change damaged4[] = {{36, 0}, {70, 0}}, damaged6[] = {{56, 1}, {94, 0}};
    struct rig *rig = *state;
    uint8_t frame[FRAME_ROOM];

    silenced_by(rig, "ping4", four, RTE_DIM(four), true);
    silenced_by(rig, "ping6", six, RTE_DIM(six), true);
    silenced_by(rig, "ping4", damaged4, RTE_DIM(damaged4), false);
    silenced_by(rig, "ping6", damaged6, RTE_DIM(damaged6), false);
    uint32_t len = question(frame, "ping6");

    memset(frame + 22, 0, 16);
    fix_icmp(frame);
    assert_silent(rig, frame, len, JP_ip_other);
    for (uint8_t icmp_len = 0; icmp_len < 8; icmp_len++) {
        question(frame, "ping4");
        frame[17] = 20 + icmp_len;
        fix_icmp(frame);
        assert_silent(rig, frame, 14u + 20 + icmp_len, JP_ip_other);
        question(frame, "ping6");
        frame[19] = icmp_len;
        fix_icmp(frame);
        assert_silent(rig, frame, 14u + 40 + icmp_len, JP_ip_other);
    }
    len = question(frame, "ping4"); /* with an option, of type "no operation" */
    memmove(frame + 38, frame + 34, len - 34);
    memset(frame + 34, 1, 4);
    frame[14] = 0x46;
    be16_store(frame + 16, (uint16_t)(len + 4 - 14));
    assert_silent(rig, frame, len + 4, JP_ip_other);
}

/* Of every value, and of a message of nothing but zeros. */
static void ping_checksums_never_go_wrong(void **state)
{
    struct rig *rig = *state;
    uint8_t frame[FRAME_ROOM], reply[FRAME_ROOM];

    for (uint32_t i = 0; i < 2 * 65536; i++) {
        uint32_t ip_len = i % 2 ? 20 : 40;
        uint32_t len = question(frame, i % 2 ? "ping4 short padded" : "ping6");

        be16_store(frame + 14 + ip_len + 4, (uint16_t)(i / 2));
        fix_icmp(frame);
        ask(rig, frame, len);
        struct rte_mbuf *m = rig_one();
        uint8_t *sent = rte_pktmbuf_mtod(m, uint8_t *);

        memcpy(reply, sent, m->data_len);
        fix_icmp(reply);
        assert_memory_equal(reply, sent, m->data_len);
        rte_pktmbuf_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(questions_are_answered, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(arp_that_asks_nothing, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(solicitations_that_rfc_4861_forbids, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(pings_that_are_none, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(ping_checksums_never_go_wrong, rig_setup, rig_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
