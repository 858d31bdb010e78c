/* A sliding window whose sources and repairs arrive, are lost, come late or twice, and a peer that
 * makes up others, while memory is short. What holds: what is recovered is what was sent unless
 * somebody lied, each source is delivered once, and all memory goes back. */
#include <string.h>

#include "fuzz.h"
#include "fuzz_input.h"
#include "rlc.h"

enum { SYMBOL = 128, KEPT = 256 /* sources, and repairs, of the sender */, POOL_MAX = 256 };
enum { LIE_MAX = 160 };
enum op { SEND, LOSE, REPAIR, OLD_REPAIR, AGAIN, LIE_SOURCE, LIE_REPAIR, SET, FORGET, OPS };

struct kept_repair {
    struct rlc_repair r;
    _Alignas(64) uint8_t symbol[SYMBOL];
};

static struct {
    struct fec_pools send, receive;
    struct rlc_enc enc;
    _Alignas(64) struct rlc_dec dec;
    struct kept_repair repair[KEPT];
    unsigned repairs;
    uint8_t len[KEPT], source[KEPT][SYMBOL];
    bool delivered[KEPT];
    bool lied;
} fz;

static void start(struct input *in)
{
    static _Alignas(64) uint8_t send_mem[SYMBOL * RLC_WINDOW_MAX], receive_mem[SYMBOL * POOL_MAX];

    fec_init();
    memset(&fz, 0, sizeof(fz));
    fz.send.symbol_max = fz.receive.symbol_max = SYMBOL;
    pool_init(&fz.send.symbols, send_mem, SYMBOL, RLC_WINDOW_MAX);
    pool_init(&fz.receive.symbols, receive_mem, SYMBOL, take8(in));
    rlc_enc_init(&fz.enc);
    rlc_dec_init(&fz.dec);
    FUZZ_CHECK(rlc_enc_set(&fz.enc, 1 + take8(in) % RLC_WINDOW_MAX, take16(in) % 257) == 0);
}

static void mark_delivered(uint64_t id)
{
    if (fz.lied)
        return;
    FUZZ_CHECK(id < fz.enc.next && !fz.delivered[id % KEPT]);
    fz.delivered[id % KEPT] = true;
}

static void check_recovered(const struct rlc_recovered *r)
{
    uint32_t sum = 0;

    FUZZ_CHECK(r->frames || r->len == 0);
    for (uint32_t i = 0; i < r->len; i++)
        sum += r->frames[i]; /* it can be read */
    FUZZ_CHECK(sum <= r->len * 255);
    mark_delivered(r->id);
    if (fz.lied)
        return;
    FUZZ_CHECK(r->frames && r->len == fz.len[r->id % KEPT] - 2u);
    FUZZ_CHECK(memcmp(r->frames, fz.source[r->id % KEPT] + 2, r->len) == 0);
}

static void recover(void)
{
    struct rlc_recovered out[RLC_ROWS];
    unsigned n = rlc_dec_recover(&fz.dec, out);

    FUZZ_CHECK(n <= RLC_ROWS && fz.dec.rows <= RLC_ROWS);
    for (unsigned i = 0; i < n; i++) {
        FUZZ_CHECK(i == 0 || out[i].id > out[i - 1].id);
        check_recovered(&out[i]);
    }
}

static void source_arrives(uint64_t id, const uint8_t *symbol, uint32_t len)
{
    if (rlc_dec_source(&fz.dec, &fz.receive, id, symbol, len) != RLC_DELIVER)
        return;
    mark_delivered(id);
    recover();
}

static void repair_arrives(const struct rlc_repair *r)
{
    enum rlc_verdict v = rlc_dec_repair(&fz.dec, &fz.receive, r);

    FUZZ_CHECK(v == RLC_HELD || v == RLC_USELESS || (v == RLC_BAD && fz.lied));
    if (v == RLC_HELD)
        recover();
}

static void send_source(struct input *in, bool arrives)
{
    uint64_t id = fz.enc.next;
    unsigned slot = id % KEPT, len = 2 + take8(in) % (SYMBOL - 1);

    memset(fz.source[slot], 0, SYMBOL);
    fz.source[slot][1] = (uint8_t)(len - 2);
    for (unsigned i = 2; i < len; i++)
        fz.source[slot][i] = (uint8_t)(id * 31 + i * i);
    fz.len[slot] = (uint8_t)len;
    fz.delivered[slot] = false;
    FUZZ_CHECK(rlc_enc_add(&fz.enc, &fz.send, fz.source[slot], len) >= 0);
    if (arrives)
        source_arrives(id, fz.source[slot], len);
}

static void send_repair(bool arrives)
{
    struct kept_repair *kept = &fz.repair[fz.repairs % KEPT];

    if (fz.enc.first == fz.enc.next)
        return;
    rlc_enc_repair(&fz.enc, kept->symbol, &kept->r);
    fz.repairs++;
    if (arrives)
        repair_arrives(&kept->r);
}

/* A repair of before: it says no more than is known, or comes too late. */
static void arrive_old_repair(struct input *in)
{
    unsigned back = 1 + take8(in);

    if (back <= fz.repairs)
        repair_arrives(&fz.repair[(fz.repairs - back) % KEPT].r);
}

static void arrive_again(struct input *in)
{
    uint64_t back = 1 + take8(in) % KEPT, id = fz.enc.next - back;

    if (back <= fz.enc.next && fz.len[id % KEPT] > 0)
        source_arrives(id, fz.source[id % KEPT], fz.len[id % KEPT]);
}

/* Near the sender's, or anywhere. */
static uint64_t lie_about(struct input *in)
{
    unsigned how = take8(in);

    return how < 0xe0 ? fz.enc.next + how - 112 : (uint64_t)take16(in) << (how & 0x1f) * 2;
}

static void lie(struct input *in, bool source)
{
    uint64_t id = lie_about(in);
    struct rlc_repair r = {.first = id, .n = (uint8_t)take8(in), .seed = (uint16_t)take16(in)};
    const uint8_t *at;
    size_t len = take_bytes(in, take8(in) % LIE_MAX, &at);
    uint8_t *symbol = malloc(len);

    memcpy(symbol, at, len);
    r.symbol = symbol;
    r.len = (uint32_t)len;
    fz.lied = true;
    if (source)
        source_arrives(id, symbol, r.len);
    else
        repair_arrives(&r);
    free(symbol);
}

static void step(struct input *in)
{
    switch ((enum op)(take8(in) % OPS)) {
    case SEND:
        send_source(in, true);
        break;
    case LOSE:
        send_source(in, false);
        break;
    case REPAIR:
        send_repair(take8(in) % 4 > 0);
        break;
    case OLD_REPAIR:
        arrive_old_repair(in);
        break;
    case AGAIN:
        arrive_again(in);
        break;
    case LIE_SOURCE:
        lie(in, true);
        break;
    case LIE_REPAIR:
        lie(in, false);
        break;
    case SET:
        rlc_enc_set(&fz.enc, 1 + take8(in) % RLC_WINDOW_MAX, take8(in));
        break;
    default:
        rlc_enc_forget(&fz.enc, &fz.send, fz.enc.first + take8(in) % 16);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, data + size};

    start(&in);
    while (in.p < in.end)
        step(&in);
    rlc_enc_fini(&fz.enc, &fz.send);
    rlc_dec_release(&fz.dec, &fz.receive);
    FUZZ_CHECK(fz.send.symbols.used == 0 && fz.receive.symbols.used == 0);
    return 0;
}

/* Sources of which some are lost, a repair after every few, and lies in every second seed. */
size_t fuzz_seed(unsigned index, uint8_t *out)
{
    size_t n = 0;

    if (index >= 24)
        return 0;
    out[n++] = (uint8_t)(255 - index * 8); /* symbols */
    out[n++] = (uint8_t)(index * 5 + 3);   /* window */
    out[n++] = 0;
    out[n++] = 64;
    for (unsigned i = 0; i < 200; i++) {
        out[n++] = i % 7 < index % 4 ? LOSE : SEND;
        out[n++] = (uint8_t)(i * 37 + index);
        if (i % (index % 5 + 2) == 0)
            memcpy(out + n, (uint8_t[]){REPAIR, (uint8_t)i}, 2), n += 2;
        if (i % 31 == 30)
            memcpy(out + n, (uint8_t[]){AGAIN, 5, OLD_REPAIR, 2, SET, 20, 99, FORGET, 3}, 9),
                n += 9;
        if (index % 2 == 1 && i % 41 == 40) {
            const uint8_t told[] = {LIE_REPAIR, 112, 20, 0, 7, 6, 0, 4, 1, 2, 3, 4,
                                    LIE_SOURCE, 114, 0,  0, 0, 6, 0, 4, 9, 9, 9, 9};

            memcpy(out + n, told, sizeof(told));
            n += sizeof(told);
        }
    }
    return n;
}
