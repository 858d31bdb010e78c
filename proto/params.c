/* The parameters both sides announce: docs/protocol.md section 2.6. */
#include "handshake_internal.h"
#include "varint.h"

/* Those from OPTIONAL on are left out when they have their default. */
enum { PARAMS = 8, OPTIONAL = 5 };

static const struct {
    uint32_t min, max;
} ranges[PARAMS] = {
    {1000, 86400000},   /* id 1, idle_timeout_ms */
    {1, 65535},         /* id 2, max_streams */
    {1280, 9000},       /* id 3, max_packet */
    {0, 64},            /* id 4, fec_k */
    {0, 16},            /* id 5, fec_r */
    {0, (1 << 30) - 1}, /* id 6, max_data */
    {0, (1 << 30) - 1}, /* id 7, max_stream_data */
    {1024, 1 << 24},    /* id 8, max_message */
};

const struct hs_params hs_params_default = {
    .idle_timeout_ms = 30000,
    .max_streams = 100,
    .max_packet = 1472,
    .max_message = 1 << 24,
};

/* The parameter of id i + 1 at values[i]. */
static void to_values(uint32_t values[PARAMS], const struct hs_params *p)
{
    values[0] = p->idle_timeout_ms;
    values[1] = p->max_streams;
    values[2] = p->max_packet;
    values[3] = p->fec_k;
    values[4] = p->fec_r;
    values[5] = p->max_data;
    values[6] = p->max_stream_data;
    values[7] = p->max_message;
}

static void from_values(struct hs_params *p, const uint32_t values[PARAMS])
{
    p->idle_timeout_ms = values[0];
    p->max_streams = (uint16_t)values[1];
    p->max_packet = (uint16_t)values[2];
    p->fec_k = (uint8_t)values[3];
    p->fec_r = (uint8_t)values[4];
    p->max_data = values[5];
    p->max_stream_data = values[6];
    p->max_message = values[7];
}

static bool values_valid(const uint32_t values[PARAMS])
{
    for (unsigned i = 0; i < PARAMS; i++)
        if (values[i] < ranges[i].min || values[i] > ranges[i].max)
            return false;
    return (values[3] == 0) == (values[4] == 0) && values[4] <= values[3] &&
           (values[5] == 0) == (values[6] == 0);
}

bool hs_params_valid(const struct hs_params *params)
{
    uint32_t values[PARAMS];

    to_values(values, params);
    return values_valid(values);
}

size_t params_encode(uint8_t *out, const struct hs_params *params)
{
    uint32_t values[PARAMS], defaults[PARAMS];
    uint8_t *p = out;

    to_values(values, params);
    to_values(defaults, &hs_params_default);
    for (unsigned i = 0; i < PARAMS; i++) {
        if (i >= OPTIONAL && values[i] == defaults[i])
            continue;
        p = varint_put(p, i + 1);
        p = varint_put(p, varint_size(values[i]));
        p = varint_put(p, values[i]);
    }
    return (size_t)(p - out);
}

/* Take the next id and its value's bytes [*value, *p). */
static bool next_triple(const uint8_t **p, const uint8_t *end, uint64_t *id, const uint8_t **value)
{
    uint64_t len;

    if (!varint_get(p, end, id) || !varint_get(p, end, &len) || len > (size_t)(end - *p))
        return false;
    *value = *p;
    *p += len;
    return true;
}

static bool value_get(uint32_t *out, const uint8_t *value, const uint8_t *end)
{
    uint64_t v;

    if (!varint_get(&value, end, &v) || value != end || v > UINT32_MAX)
        return false;
    *out = (uint32_t)v;
    return true;
}

bool params_decode(struct hs_params *params, const uint8_t *in, size_t len)
{
    uint32_t values[PARAMS];
    uint64_t seen[HS_PARAMS_MAX / 2]; /* a triple takes two bytes or more */
    unsigned n_seen = 0;
    const uint8_t *p = in, *end = in + len;

    if (len > HS_PARAMS_MAX)
        return false;
    to_values(values, &hs_params_default);
    while (p < end) {
        const uint8_t *value;
        uint64_t id;

        if (!next_triple(&p, end, &id, &value))
            return false;
        for (unsigned i = 0; i < n_seen; i++)
            if (seen[i] == id)
                return false;
        seen[n_seen++] = id;
        if (id >= 1 && id <= PARAMS && !value_get(&values[id - 1], value, p))
            return false;
    }
    from_values(params, values);
    return values_valid(values);
}

bool params_field_decode(struct hs_params *params, const uint8_t field[HS_PARAMS_MAX], size_t len)
{
    if (len > HS_PARAMS_MAX || !params_decode(params, field, len))
        return false;
    for (size_t i = len; i < HS_PARAMS_MAX; i++)
        if (field[i] != 0)
            return false;
    return true;
}
