#include "resuming.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint.h"
#include "trust.h"

static_assert((int)RESUMPTION_MAX <= (int)JP_RESUMPTION_MAX, "what programs get");

/* ---- the next session ---- */

int resuming_new(struct resuming **resuming, jp_session *s, const void *data, size_t size)
{
    struct resuming *r = calloc(1, sizeof(*r));
    int error = r ? 0 : failure(JP_NO_MEMORY, "jp_connect_resume", "no memory to resume");

    if (!error && resumption_read(&r->kept, data, size) < 0)
        error = failure(JP_INVALID, "jp_connect_resume", "these are not the bytes of a resumption");
    if (!error) {
        s->peer_params = r->kept.server;
        error = session_build(s, session_now(s));
    }
    if (error)
        resuming_free(r);
    else
        *resuming = r;
    return error;
}

static bool trusts(const jp_session *s, const char *name, const struct resumption *kept)
{
    jp_key key;

    memcpy(key.bytes, kept->identity, sizeof(key.bytes));
    return trust_decide(s->context->settings.trust, name, &key);
}

bool resuming_start(struct resuming *r, jp_session *s, const char *name, const struct jp_path *path,
                    uint64_t now)
{
    const jp_settings *settings = &s->context->settings;
    struct hs_client_config config = {
        .client_spi = s->spi,
        .suites = {settings->ciphers[0], settings->ciphers[1]},
        .params = s->context->params,
    };
    uint8_t frames[CONN_PACKET_MAX];
    struct conn_packet packet = {.frames = frames, .room = (uint32_t)resumption_room(&r->kept)};
    int error;

    if (!trusts(s, name, &r->kept))
        return false;
    s->path = *path;
    if (session_build(s, now))
        return false;
    conn_send(s->conn, now, 0, &packet);
    error = resume_client_start(&r->client, s->endpoint->aead, &config, &r->kept, frames,
                                packet.len, &hs_random_system);
    sodium_memzero(frames, packet.len);
    return error == 0;
}

void resuming_free(struct resuming *r)
{
    if (r)
        sodium_memzero(r, sizeof(*r));
    free(r);
}

/* ---- what is kept ---- */

void resuming_keep(jp_session *s, const struct hs_result *keys)
{
    if (!s->context->callbacks.resumption)
        return;
    s->kept = calloc(1, sizeof(*s->kept));
    if (s->kept)
        resumption_keep(s->kept, keys);
}

void resuming_ticket(jp_session *s, const uint8_t *ticket, uint32_t len)
{
    uint8_t bytes[RESUMPTION_MAX];

    if (!s->kept || !session_speaks(s))
        return;
    resumption_ticket(s->kept, ticket, len);
    s->context->callbacks.resumption(s, bytes, resumption_write(s->kept, bytes));
    sodium_memzero(bytes, sizeof(bytes));
}

void resuming_forget(jp_session *s)
{
    if (s->kept)
        sodium_memzero(s->kept, sizeof(*s->kept));
    free(s->kept);
}
