/* What a peer does to a stream: any sequence of fragments, forward marks, ends and resets. Seven
 * bytes say one: what, message (2), offset (2), length (2). Memory follows the credit, messages
 * come whole, in order where they should, and once; and all goes back. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "bytes.h"
#include "frame.h"
#include "fuzz.h"
#include "reassembly_fixture.h"

enum { WINDOW = 1 << 18, STEP = 7, PAYLOAD = 65536 };

static uint8_t payload[PAYLOAD];
static struct reassembly_fixture fixtures[2]; /* with pools that dry up, and that suffice */

static void make_once(void)
{
    if (fixtures[0].messages)
        return;
    for (unsigned i = 0; i < PAYLOAD; i++)
        payload[i] = (uint8_t)i;
    reassembly_fixture_init(&fixtures[0], false, 0, 5, 9);
    reassembly_fixture_init(&fixtures[1], false, 0, 600, 1500);
}

static void take_all(struct reassembly_fixture *f, uint64_t *next)
{
    struct reassembly_message *m;
    const uint8_t *data;
    uint32_t n;

    while ((m = reassembly_take(&f->r)) != NULL) {
        FUZZ_CHECK(m->received == m->len && m->extent == m->len);
        FUZZ_CHECK(!f->r.ordered || m->seq >= *next);
        *next = m->seq + 1;
        for (uint32_t at = 0; at < m->len; at += n) {
            n = reassembly_read(m, at, &data);
            FUZZ_CHECK(n > 0 && n <= m->len - at);
            for (uint32_t i = 0; i < n; i++)
                FUZZ_CHECK(data[i] == (uint8_t)(at + i) || data[i] == 0xff);
        }
        reassembly_release(&f->r, m);
    }
}

static int act(struct reassembly_fixture *f, const uint8_t *p)
{
    uint16_t seq = be16_load(p + 1), offset = be16_load(p + 3), len = be16_load(p + 5);
    uint32_t scale = p[0] & 0x20 ? 256 : 1;

    seq %= p[0] & 0x40 ? 8192 : 8;
    switch (p[0] & 15) {
    case 0:
        return reassembly_forward(&f->r, seq, f->r.settled + offset * scale);
    case 1:
        return reassembly_end(&f->r, seq);
    case 2:
        return reassembly_reset(&f->r, f->stream.counted + offset - len);
    case 3: /* a lie about the content */
        return reassembly_push(&f->r, seq, offset, (const uint8_t *)"\xff", 1, false);
    default:
        offset *= (uint16_t)scale;
        len %= p[0] & 0x10 ? 3000 : 50;
        return reassembly_push(&f->r, seq, offset, payload + offset % 256, len, p[0] & 0x80);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reassembly_fixture *f;
    uint64_t next = 0;
    int ret = 0;

    if (size == 0)
        return 0;
    make_once();
    f = &fixtures[(data[0] & 2) != 0];
    reassembly_fixture_restart(f, data[0] & 1, WINDOW);
    for (size_t at = 1; at + STEP <= size && ret != -EPROTO && ret != -EDQUOT; at += STEP) {
        ret = act(f, data + at);
        FUZZ_CHECK(ret == 0 || ret == -EPROTO || ret == -EDQUOT || ret == -ENOBUFS);
        FUZZ_CHECK(ret != -ENOBUFS || !(data[0] & 2));
        FUZZ_CHECK(reassembly_fixture_memory(f) <=
                   REASSEMBLY_OVERHEAD * reassembly_fixture_held(f));
        FUZZ_CHECK(reassembly_fixture_held(f) <= WINDOW);
        if (data[at] & 0x20 || data[0] & 4)
            take_all(f, &next);
    }
    reassembly_fini(&f->r);
    FUZZ_CHECK(reassembly_fixture_idle(f));
    return 0;
}

size_t fuzz_seed(unsigned index, uint8_t *out)
{
    uint8_t *p = out + 1;

    if (index >= 32)
        return 0;
    out[0] = (uint8_t)index;
    for (unsigned i = 0; i < 40; i++, p += STEP) {
        unsigned j = index & 8 ? 39 - i : i; /* backwards, too */

        p[0] = (uint8_t)(4 + (j % 4 == 3 ? 0x80 : 0));
        be16_store(p + 1, (uint16_t)(j / 4));
        be16_store(p + 3, (uint16_t)(j % 4 * 40));
        be16_store(p + 5, 40);
    }
    p[0] = (uint8_t)(index >> 3); /* and a mark, an end or a reset */
    be16_store(p + 1, 10);
    be16_store(p + 3, 0);
    be16_store(p + 5, 0);
    return (size_t)(p + STEP - out);
}
