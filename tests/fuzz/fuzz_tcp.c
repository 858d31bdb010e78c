/* Packets on a TCP connection: however the bytes come apart, the same packets come out, and what
 * waits to be sent is what was put in. */
#include <errno.h>
#include <string.h>

#include "fuzz.h"
#include "fuzz_input.h"
#include "tcp_frame.h"

enum { IN_BYTES = 16384 };

/* What a reader that got everything at once sees: how many packets, and where it stops. */
struct reading {
    unsigned packets;
    size_t end;
    uint64_t hash;
    bool bad;
};

static void see(struct reading *r, const uint8_t *packet, size_t len)
{
    FUZZ_CHECK(len >= 1 && len <= TCP_PACKET_MAX);
    r->hash = (r->hash ^ len << 16 ^ packet[0] << 8 ^ packet[len / 2]) * UINT64_C(0x100000001b3);
    r->hash ^= packet[len - 1];
    r->packets++;
}

static struct reading read_at_once(const uint8_t *bytes, size_t n)
{
    struct reading r = {0};
    const uint8_t *packet;
    int len;

    while ((len = tcp_frame_next(bytes + r.end, n - r.end, &packet)) > 0) {
        FUZZ_CHECK(packet == bytes + r.end + TCP_PREFIX && r.end + TCP_PREFIX + (size_t)len <= n);
        see(&r, packet, (size_t)len);
        r.end += TCP_PREFIX + (size_t)len;
    }
    FUZZ_CHECK(len == 0 || len == -EBADMSG);
    r.bad = len < 0;
    return r;
}

/* As a connection does: into a buffer that a packet always fits, piece by piece. */
static struct reading read_in_pieces(struct input cuts, const uint8_t *bytes, size_t n)
{
    static uint8_t in[IN_BYTES];
    struct reading r = {0};
    size_t used = 0, at = 0;

    while (!r.bad && (at < n || used > 0)) {
        size_t piece = 1 + take8(&cuts), before = at + used;
        struct reading part;

        piece = piece < n - at ? piece : n - at;
        piece = piece < IN_BYTES - used ? piece : IN_BYTES - used;
        memcpy(in + used, bytes + at, piece);
        used += piece;
        at += piece;
        part = (struct reading){.hash = r.hash};
        for (const uint8_t *packet; !r.bad;) {
            int len = tcp_frame_next(in + part.end, used - part.end, &packet);

            if (len <= 0) {
                r.bad = len < 0;
                break;
            }
            see(&r, packet, (size_t)len);
            part.end += TCP_PREFIX + (size_t)len;
        }
        r.end += part.end;
        used -= part.end;
        memmove(in, in + part.end, used);
        FUZZ_CHECK(used < IN_BYTES || r.bad);
        if (at == n && at + used == before)
            break; /* the rest is no whole packet */
    }
    return r;
}

static void check_reading(const uint8_t *data, size_t size)
{
    struct reading once = read_at_once(data, size);
    struct reading pieces = read_in_pieces((struct input){data, data + size}, data, size);

    FUZZ_CHECK(once.packets == pieces.packets && once.hash == pieces.hash);
    FUZZ_CHECK(once.end == pieces.end && once.bad == pieces.bad);
}

/* Packets are added and leave in pieces of any size: in order, none of them changed. */
static void check_writing(struct input in)
{
    static uint8_t packet[TCP_PACKET_MAX], wire[2 * TCP_OUT_BYTES];
    static struct tcp_out out;
    struct reading put = {0}, got = {0};
    uint32_t added = 0, sent = 0;

    out.at = out.used = 0;
    while (in.p < in.end && added + TCP_PREFIX + TCP_PACKET_MAX <= sizeof(wire)) {
        unsigned what = take8(&in);
        uint16_t len = (uint16_t)(1 + take16(&in) % (what & 2 ? 300 : TCP_PACKET_MAX));

        if (what & 1) {
            uint32_t n = what < 0x80 ? out.used : len < out.used ? len : out.used;

            memcpy(wire + sent, out.bytes + out.at, n);
            tcp_out_sent(&out, n);
            sent += n;
            continue;
        }
        memset(packet, (int)what, len);
        if (!tcp_out_add(&out, packet, len)) {
            FUZZ_CHECK(out.used + TCP_PREFIX + len > TCP_OUT_BYTES);
            continue;
        }
        see(&put, packet, len);
        added += TCP_PREFIX + len;
        FUZZ_CHECK(out.at + out.used <= TCP_OUT_BYTES);
    }
    memcpy(wire + sent, out.bytes + out.at, out.used);
    FUZZ_CHECK(sent + out.used == added);
    got = read_at_once(wire, added);
    FUZZ_CHECK(got.packets == put.packets && got.hash == put.hash && got.end == added && !got.bad);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_reading(data, size);
    check_writing((struct input){data, data + size});
    return 0;
}

size_t fuzz_seed(unsigned index, uint8_t *out)
{
    size_t n = 0;

    if (index >= 16)
        return 0;
    for (unsigned i = 0; i <= index; i++) {
        unsigned len = index == 15 ? TCP_PACKET_MAX : 1 + i * 13;

        out[n++] = (uint8_t)(len >> 8);
        out[n++] = (uint8_t)len;
        for (unsigned j = 0; j < len && n < FUZZ_INPUT_MAX - 2 && j < 200; j++)
            out[n++] = (uint8_t)(i + j);
    }
    return index == 14 ? n - 3 : n;
}
