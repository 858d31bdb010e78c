/* The worked example's FEC block. */
#include "example.h"

#include "fec.h"

static uint8_t gf_mul(uint8_t a, uint8_t b)
{
    unsigned product = 0;

    for (int bit = 7; bit >= 0; bit--) {
        product <<= 1;
        if (product & 0x100)
            product ^= 0x11d;
        if (b >> bit & 1)
            product ^= a;
    }
    return (uint8_t)product;
}

static uint8_t gf_inverse(uint8_t a)
{
    unsigned b = 1;

    while (gf_mul(a, (uint8_t)b) != 1)
        b++;
    return (uint8_t)b;
}

/* The symbol of a source that holds one DATAGRAM. */
static size_t make_source(uint8_t *frame, uint8_t index, const char *data, const uint8_t **symbol)
{
    size_t len = strlen(data);
    uint8_t *p = frame_put_fec_source_hdr(frame, 0, index, (uint16_t)(1 + len));

    *symbol = p - 2;
    p = frame_put_datagram_hdr(p);
    memcpy(p, data, len);
    return (size_t)(p + len - frame);
}

void put_fec(struct example *e)
{
    static alignas(64) uint8_t memory[4096];
    struct fec_pools pools = {.symbol_max = 128};
    struct listing l = {.f = e->f};
    const uint8_t *symbols[2], *repair;
    uint8_t frames[2][64], repair_frame[64], *p, c[2];
    size_t lens[2], symbol_lens[2];
    struct fec_enc enc;

    fec_init();
    assert_true(pool_footprint(pools.symbol_max, 1) <= sizeof(memory));
    pool_init(&pools.symbols, memory, pools.symbol_max, 1);
    assert_int_equal(fec_enc_init(&enc, 2, 1), 0);
    for (uint8_t j = 0; j < 2; j++) {
        lens[j] = make_source(frames[j], j, j ? "ef" : "abcd", &symbols[j]);
        symbol_lens[j] = lens[j] - (size_t)(symbols[j] - frames[j]);
        assert_int_equal(fec_enc_add(&enc, &pools, 0, symbols[j], (uint32_t)symbol_lens[j]), j);
        c[j] = gf_inverse((uint8_t)(64 ^ j));
    }
    repair = fec_enc_repair(&enc, 0);
    for (size_t i = 0; i < enc.longest; i++) {
        uint8_t s1 = i < symbol_lens[1] ? symbols[1][i] : 0;

        assert_int_equal(repair[i], gf_mul(c[0], symbols[0][i]) ^ gf_mul(c[1], s1));
    }
    p = frame_put_fec_repair_hdr(repair_frame, 0, 2, 1, 0);
    memcpy(p, repair, enc.longest);

    fprintf(e->f,
            "\n### A FEC block\n\n"
            "k = 2 sources, each a DATAGRAM, \"abcd\" and \"ef\", and r = 1 repair. The frames "
            "of the first\nsource's packet:\n\n");
    for (uint8_t j = 0; j < 2; j++) {
        const uint8_t *at = frames[j];

        put_field(&l, at, 1, "FEC_SOURCE");
        put_field(&l, at + 1, 1, "block 0");
        put_field(&l, at + 2, 1, j ? "index 1" : "index 0");
        put_field(&l, at + 3, 2, "length of the frames; the symbol begins here");
        put_field(&l, at + 5, 1, "DATAGRAM, no length");
        put_field(&l, at + 6, lens[j] - 6, "data");
        end_listing(&l, at, lens[j]);
        fprintf(
            e->f,
            j ? "The coefficients, the symbols (the second is two bytes shorter: zeros), and the "
                "repair symbol:\n\n"
              : "of the second's:\n\n");
    }
    put_value(e->f, "c(0, 0)", &c[0], 1);
    put_value(e->f, "c(0, 1)", &c[1], 1);
    put_value(e->f, "S_0", symbols[0], symbol_lens[0]);
    put_value(e->f, "S_1", symbols[1], symbol_lens[1]);
    put_value(e->f, "R_0", repair, enc.longest);
    fprintf(e->f, "\nThe frame of the repair's packet:\n\n");
    put_field(&l, repair_frame, 1, "FEC_REPAIR");
    put_field(&l, repair_frame + 1, 1, "block 0");
    put_field(&l, repair_frame + 2, 1, "k 2");
    put_field(&l, repair_frame + 3, 1, "r 1");
    put_field(&l, repair_frame + 4, 1, "index 0");
    put_field(&l, p, enc.longest, "R_0");
    end_listing(&l, repair_frame, (size_t)(p - repair_frame) + enc.longest);
    fec_enc_fini(&enc, &pools);
}
