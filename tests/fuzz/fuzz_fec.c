/* Blocks of a sender whose symbols arrive, are lost, come late or twice, and a peer that makes up
 * others, while memory is short. What holds: what is recovered is what was sent and each source is
 * delivered once, until somebody lies, and all memory goes back. */
#include <string.h>

#include "fec.h"
#include "fuzz.h"
#include "fuzz_input.h"

enum { SYMBOL = 128, BLOCKS = 4 /* of the sender, remembered */, POOL_MAX = 256, LIE_MAX = 160 };
enum op { SEND, LOSE, FLUSH, AGAIN, REPAIR, LIE_SOURCE, LIE_REPAIR, WAIT, OPS };

/* One block as it was sent. */
struct sent {
    uint64_t id;
    uint64_t delivered;
    uint8_t n, k; /* sources so far; k: in the end, 0: it is open */
    uint16_t longest;
    uint8_t len[FEC_K_MAX], source[FEC_K_MAX][SYMBOL], repair[FEC_R_MAX][SYMBOL];
};

static struct {
    struct fec_pools send, receive;
    struct fec_enc enc;
    struct fec_dec dec;
    struct sent block[BLOCKS];
    uint64_t now;
    bool lied;
} fz;

static struct sent *sent_block(uint64_t id)
{
    struct sent *b = &fz.block[id % BLOCKS];

    return b->id == id && b->n > 0 ? b : NULL;
}

static void start(struct input *in)
{
    static _Alignas(64) uint8_t send_mem[SYMBOL * FEC_R_MAX], receive_mem[SYMBOL * POOL_MAX];
    static _Alignas(64) uint8_t blocks_mem[4096 * FEC_BLOCKS * 2];

    fec_init();
    memset(&fz, 0, sizeof(fz));
    fz.now = 1000000;
    fz.send.symbol_max = fz.receive.symbol_max = SYMBOL;
    pool_init(&fz.send.symbols, send_mem, SYMBOL, FEC_R_MAX);
    pool_init(&fz.receive.symbols, receive_mem, SYMBOL, take8(in));
    FUZZ_CHECK(pool_footprint((uint32_t)fec_block_size(), 1) <= 4096 * 2);
    pool_init(&fz.receive.blocks, blocks_mem, (uint32_t)fec_block_size(), take8(in) % FEC_BLOCKS);
    FUZZ_CHECK(fec_enc_init(&fz.enc, 1 + take8(in) % FEC_K_MAX, 1 + take8(in) % FEC_R_MAX) == 0);
    fec_dec_init(&fz.dec);
}

static void mark_delivered(uint64_t id, unsigned index)
{
    struct sent *b = sent_block(id);

    if (!b || fz.lied || index >= b->n)
        return;
    FUZZ_CHECK(!(b->delivered >> index & 1));
    b->delivered |= UINT64_C(1) << index;
}

static void check_recovered(uint64_t id, const struct fec_recovered *r)
{
    const struct sent *b = sent_block(id);
    uint32_t sum = 0;

    FUZZ_CHECK(r->index < FEC_K_MAX && (r->frames || r->len == 0));
    for (uint32_t i = 0; i < r->len; i++)
        sum += r->frames[i]; /* it can be read */
    FUZZ_CHECK(sum <= r->len * 255);
    if (!b || fz.lied)
        return;
    FUZZ_CHECK(r->index < b->n && r->frames && r->len == b->len[r->index] - 2u);
    FUZZ_CHECK(memcmp(r->frames, b->source[r->index] + 2, r->len) == 0);
    mark_delivered(id, r->index);
}

static void recover(uint64_t id)
{
    struct fec_recovered out[FEC_R_MAX];
    unsigned n = fec_dec_recover(&fz.dec, &fz.receive, id, out);

    FUZZ_CHECK(n <= FEC_R_MAX);
    for (unsigned i = 0; i < n; i++)
        check_recovered(id, &out[i]);
}

static void source_arrives(uint64_t id, unsigned index, const uint8_t *symbol, uint32_t len)
{
    if (fec_dec_source(&fz.dec, &fz.receive, fz.now, id, index, symbol, len) != FEC_DELIVER)
        return;
    mark_delivered(id, index);
    recover(id);
}

static void repair_arrives(uint64_t id, unsigned k, unsigned r, unsigned index,
                           const uint8_t *symbol, uint32_t len)
{
    if (fec_dec_repair(&fz.dec, &fz.receive, fz.now, id, k, r, index, symbol, len) == FEC_HELD)
        recover(id);
}

static void close_block(void)
{
    struct sent *b = &fz.block[fz.enc.block % BLOCKS];

    b->k = fz.enc.count;
    b->longest = fz.enc.longest;
    for (unsigned i = 0; i < fz.enc.r; i++)
        memcpy(b->repair[i], fec_enc_repair(&fz.enc, i), b->longest);
    fec_enc_close(&fz.enc, &fz.send);
}

static void send_source(struct input *in, bool arrives)
{
    uint64_t id = fz.enc.block;
    struct sent *b = &fz.block[id % BLOCKS];
    unsigned index = fz.enc.count, len = 2 + take8(in) % (SYMBOL - 1);
    int rc;

    if (index == 0)
        *b = (struct sent){.id = id};
    b->source[index][1] = (uint8_t)(len - 2);
    for (unsigned i = 2; i < len; i++)
        b->source[index][i] = (uint8_t)(id * 31 + index * 7 + i * i);
    b->len[index] = (uint8_t)len;
    b->n++;
    rc = fec_enc_add(&fz.enc, &fz.send, fz.now, b->source[index], len);
    FUZZ_CHECK(rc == (fz.enc.count == fz.enc.k));
    if (arrives)
        source_arrives(id, index, b->source[index], len);
    if (rc == 1)
        close_block();
}

static void arrive_again(struct input *in)
{
    const struct sent *b = &fz.block[take8(in) % BLOCKS];
    unsigned index = take8(in) % FEC_K_MAX;

    if (index < b->n)
        source_arrives(b->id, index, b->source[index], b->len[index]);
}

static void arrive_repair(struct input *in)
{
    const struct sent *b = &fz.block[take8(in) % BLOCKS];
    unsigned index = take8(in) % FEC_R_MAX;

    if (b->k > 0 && index < fz.enc.r)
        repair_arrives(b->id, b->k, fz.enc.r, index, b->repair[index], b->longest);
}

/* A block near those of the sender, or anywhere. */
static uint64_t lie_about(struct input *in)
{
    unsigned how = take8(in);

    return how < 0xf0 ? fz.enc.block + how % 32 - 16 : (uint64_t)take16(in) << (how & 0xf) * 3;
}

static void lie(struct input *in, bool source)
{
    uint64_t id = lie_about(in);
    unsigned k = take8(in), r = take8(in) % 32, index = take8(in);
    const uint8_t *at;
    size_t len = take_bytes(in, take8(in) % LIE_MAX, &at);
    uint8_t *symbol = malloc(len);

    memcpy(symbol, at, len);
    fz.lied = true;
    if (source)
        source_arrives(id, index, symbol, (uint32_t)len);
    else
        repair_arrives(id, k, r, index, symbol, (uint32_t)len);
    free(symbol);
}

static void wait(struct input *in)
{
    uint64_t age = take8(in) * UINT64_C(100), oldest = fec_dec_oldest(&fz.dec);

    fz.now += take8(in) * UINT64_C(100);
    FUZZ_CHECK(oldest == UINT64_MAX || oldest <= fz.now);
    fec_dec_expire(&fz.dec, &fz.receive, fz.now, age);
    FUZZ_CHECK(fec_dec_oldest(&fz.dec) >= (age < fz.now ? fz.now - age : 0));
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
    case FLUSH:
        if (fz.enc.count > 0)
            close_block();
        break;
    case AGAIN:
        arrive_again(in);
        break;
    case REPAIR:
        arrive_repair(in);
        break;
    case LIE_SOURCE:
        lie(in, true);
        break;
    case LIE_REPAIR:
        lie(in, false);
        break;
    default:
        wait(in);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, data + size};

    start(&in);
    while (in.p < in.end)
        step(&in);
    fec_enc_fini(&fz.enc, &fz.send);
    fec_dec_fini(&fz.dec, &fz.receive);
    FUZZ_CHECK(fz.send.symbols.used == 0);
    FUZZ_CHECK(fz.receive.symbols.used == 0 && fz.receive.blocks.used == 0);
    return 0;
}

/* Blocks of index + 2 sources of which every third is lost, then all their repairs, and lies among
 * them in every second seed. */
size_t fuzz_seed(unsigned index, uint8_t *out)
{
    unsigned k = index + 2, r = index % 8 + 1;
    size_t n = 0;

    if (index >= 24)
        return 0;
    out[n++] = (uint8_t)(255 - index * 8); /* symbols */
    out[n++] = 7;
    out[n++] = (uint8_t)(k - 1);
    out[n++] = (uint8_t)(r - 1);
    for (unsigned block = 0; block < 6; block++) {
        for (unsigned i = 0; i < k; i++) {
            out[n++] = i % 3 == 1 ? LOSE : SEND;
            out[n++] = (uint8_t)(i * 37 + block);
        }
        for (unsigned i = 0; i < r; i++, n += 3)
            memcpy(out + n, (uint8_t[]){REPAIR, (uint8_t)(block % BLOCKS), (uint8_t)i}, 3);
        if (index % 2 == 1) {
            const uint8_t told[] = {(uint8_t)(block % 2 ? LIE_SOURCE : LIE_REPAIR),
                                    17,
                                    (uint8_t)k,
                                    (uint8_t)r,
                                    (uint8_t)block,
                                    6,
                                    0,
                                    4,
                                    1,
                                    2,
                                    3,
                                    4};

            memcpy(out + n, told, sizeof(told));
            n += sizeof(told);
        }
        memcpy(out + n, (uint8_t[]){AGAIN, (uint8_t)(block % BLOCKS), 0, WAIT, 50, 9}, 6);
        n += 6;
    }
    return n;
}
