/* A resumption as bytes, to be kept anywhere: version (1) || suite (1) || lengths of parameters and
 * ticket (1, 1) || identity (32) || secret (32) || parameters || ticket. */
#include <errno.h>
#include <string.h>

#include "resume_internal.h"

enum {
    VERSION = 1,
    AT_VERSION = 0,
    AT_SUITE,
    AT_PARAMS_LEN,
    AT_TICKET_LEN,
    AT_IDENTITY,
    AT_SECRET = AT_IDENTITY + HS_IDENTITY_LEN,
    AT_PARAMS = AT_SECRET + KDF_HASH_LEN,
};
static_assert(AT_PARAMS + (int)HS_PARAMS_MAX + FRAME_TICKET_MAX == RESUMPTION_MAX, "room");

size_t resumption_write(const struct resumption *r, uint8_t out[RESUMPTION_MAX])
{
    size_t params_len = params_encode(out + AT_PARAMS, &r->server);

    out[AT_VERSION] = VERSION;
    out[AT_SUITE] = r->alg;
    out[AT_PARAMS_LEN] = (uint8_t)params_len;
    out[AT_TICKET_LEN] = r->ticket_len;
    memcpy(out + AT_IDENTITY, r->identity, HS_IDENTITY_LEN);
    memcpy(out + AT_SECRET, r->secret, KDF_HASH_LEN);
    memcpy(out + AT_PARAMS + params_len, r->ticket, r->ticket_len);
    return AT_PARAMS + params_len + r->ticket_len;
}

int resumption_read(struct resumption *r, const uint8_t *data, size_t len)
{
    size_t params_len, ticket_len;

    if (len < AT_PARAMS || data[AT_VERSION] != VERSION)
        return -EINVAL;
    params_len = data[AT_PARAMS_LEN];
    ticket_len = data[AT_TICKET_LEN];
    memset(r, 0, sizeof(*r));
    if (ticket_len == 0 || ticket_len > FRAME_TICKET_MAX || params_len > HS_PARAMS_MAX ||
        len != AT_PARAMS + params_len + ticket_len ||
        !params_decode(&r->server, data + AT_PARAMS, params_len) || r->server.max_data == 0)
        return -EINVAL;
    r->alg = data[AT_SUITE];
    memcpy(r->identity, data + AT_IDENTITY, HS_IDENTITY_LEN);
    memcpy(r->secret, data + AT_SECRET, KDF_HASH_LEN);
    resumption_ticket(r, data + AT_PARAMS + params_len, (uint32_t)ticket_len);
    return 0;
}
