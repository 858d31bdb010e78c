#include "parameters.h"

#include <string.h>

#include <lauxlib.h>

#include "aead.h"
#include "fec.h"
#include "fields.h"
#include "payload.h"

enum { SIZES_MAX = 64, WINDOW_DEFAULT = 512, SIZE_DEFAULT = 512 };

/* The one at the top of the stack. */
static const char *string_at_top(lua_State *lua, const char *where, const char *name)
{
    if (lua_type(lua, -1) != LUA_TSTRING)
        luaL_error(lua, "%s: %s: a string is wanted, not a %s", where, name,
                   luaL_typename(lua, -1));
    return lua_tostring(lua, -1);
}

static void read_suite(lua_State *lua, const char *where, const char *name, void *to)
{
    const char *text = string_at_top(lua, where, name);
    uint8_t *suite = to;

    if (strcmp(text, "aes-256-gcm") == 0)
        *suite = AEAD_AES256_GCM;
    else if (strcmp(text, "chacha20-poly1305") == 0)
        *suite = AEAD_CHACHA20_POLY1305;
    else
        luaL_error(lua, "%s: %s: '%s' is neither aes-256-gcm nor chacha20-poly1305", where, name,
                   text);
}

static void read_cookies(lua_State *lua, const char *where, const char *name, void *to)
{
    static const char *const names[] = {
        [FLOOD_NO_COOKIES] = "none", [FLOOD_FORGED] = "forged", [FLOOD_GOOD] = "good"};
    const char *text = string_at_top(lua, where, name);
    uint8_t *cookies = to;

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(text, names[i]) == 0) {
            *cookies = (uint8_t)i;
            return;
        }
    luaL_error(lua, "%s: %s: '%s' is none of none, forged and good", where, name, text);
}

/* Item i of the array at the top of the stack. */
static double item(lua_State *lua, const char *where, const char *name, int i, double min,
                   double max)
{
    double v;

    lua_rawgeti(lua, -1, i);
    v = field_integer(lua, where, name, min, max);
    lua_pop(lua, 1);
    return v;
}

/* {k, r}, or false for none */
static void read_fec(lua_State *lua, const char *where, const char *name, void *to)
{
    struct open_params *open = to;

    if (lua_isboolean(lua, -1) && !lua_toboolean(lua, -1)) {
        open->fec_k = open->fec_r = 0;
        return;
    }
    if (!lua_istable(lua, -1) || lua_rawlen(lua, -1) != 2)
        luaL_error(lua, "%s: %s: {k, r} is wanted, or false", where, name);
    open->fec_k = (uint8_t)item(lua, where, name, 1, 1, FEC_K_MAX);
    open->fec_r = (uint8_t)item(lua, where, name, 2, 1, FEC_R_MAX);
}

struct mix {
    unsigned n;
    double total;
    uint16_t size[SIZES_MAX];
    double weight[SIZES_MAX];
};

/* Draw sizes by weight: entries of the table in proportion. */
static void use_mix(struct run_params *run, const struct mix *mix)
{
    double below = mix->weight[0];
    unsigned at = 0;

    run->size_max = 0;
    for (unsigned i = 0; i < mix->n; i++)
        if (mix->size[i] > run->size_max)
            run->size_max = mix->size[i];
    for (unsigned i = 0; i < PHASE_SIZES; i++) {
        while (at + 1 < mix->n && (i + 0.5) / PHASE_SIZES * mix->total > below)
            below += mix->weight[++at];
        run->size[i] = mix->size[at];
    }
}

static void read_size(lua_State *lua, const char *where, const char *name, void *to)
{
    struct mix mix = {.n = 1, .total = 1, .weight = {1}};

    mix.size[0] = (uint16_t)field_integer(lua, where, name, PAYLOAD_MIN, PAYLOAD_MAX);
    use_mix(to, &mix);
}

/* {{size, weight}, ...} */
static void read_sizes(lua_State *lua, const char *where, const char *name, void *to)
{
    struct mix mix = {0};

    if (!lua_istable(lua, -1) || lua_rawlen(lua, -1) == 0 || lua_rawlen(lua, -1) > SIZES_MAX)
        luaL_error(lua, "%s: %s: {{size, weight}, ...} is wanted, up to %d of them", where, name,
                   SIZES_MAX);
    mix.n = (unsigned)lua_rawlen(lua, -1);
    for (unsigned i = 0; i < mix.n; i++) {
        lua_rawgeti(lua, -1, (lua_Integer)i + 1);
        if (!lua_istable(lua, -1) || lua_rawlen(lua, -1) != 2)
            luaL_error(lua, "%s: %s: number %d is not {size, weight}", where, name, (int)i + 1);
        mix.size[i] = (uint16_t)item(lua, where, name, 1, PAYLOAD_MIN, PAYLOAD_MAX);
        mix.weight[i] = item(lua, where, name, 2, 1, 1e6);
        mix.total += mix.weight[i];
        lua_pop(lua, 1);
    }
    use_mix(to, &mix);
}

#define AT(member)         offsetof(struct phase, member)
#define WITHIN(at, member) (AT(at.member) - AT(at))
#define NUMBER(key, offset, min, max)                                                              \
    {                                                                                              \
        key, FIELD_NUMBER, offset, min, max, NULL, NULL                                            \
    }
#define SHARE(key, offset) NUMBER(key, offset, 0, 1)
#define U32(key, offset, min, max)                                                                 \
    {                                                                                              \
        key, FIELD_U32, offset, min, max, NULL, NULL                                               \
    }
#define U64(key, offset, min, max)                                                                 \
    {                                                                                              \
        key, FIELD_U64, offset, min, max, NULL, NULL                                               \
    }
#define BOOL(key, offset)                                                                          \
    {                                                                                              \
        key, FIELD_BOOL, offset, 0, 0, NULL, NULL                                                  \
    }
#define TABLE(key, offset, fields)                                                                 \
    {                                                                                              \
        key, FIELD_TABLE, offset, 0, 0, fields, NULL                                               \
    }
#define OTHER(key, offset, read)                                                                   \
    {                                                                                              \
        key, FIELD_OTHER, offset, 0, 0, NULL, read                                                 \
    }

static const struct field gilbert_fields[] = {
    SHARE("enter", WITHIN(impair.gilbert, enter)),
    SHARE("exit", WITHIN(impair.gilbert, exit)),
    SHARE("loss", WITHIN(impair.gilbert, loss)),
    {0},
};

static const struct field burst_fields[] = {
    U32("every", WITHIN(impair.burst, every), 1, 1e9),
    U32("length", WITHIN(impair.burst, length), 1, 1e9),
    {0},
};

static const struct field reorder_fields[] = {
    SHARE("p", WITHIN(impair.reorder, p)),
    U32("distance", WITHIN(impair.reorder, distance), 1, 1e6),
    U32("timeout_ms", WITHIN(impair.reorder, timeout_ms), 1, 10000),
    {0},
};

static const struct field garbage_fields[] = {
    SHARE("random", WITHIN(impair.garbage, random)),
    SHARE("truncated", WITHIN(impair.garbage, truncated)),
    SHARE("wrong_spi", WITHIN(impair.garbage, wrong_spi)),
    SHARE("hello", WITHIN(impair.garbage, hello)),
    SHARE("headers", WITHIN(impair.garbage, headers)),
    {0},
};

/* of every packet there is, hellos too */
#define PATH_FIELDS                                                                                \
    SHARE("loss", AT(impair.loss)), SHARE("loss_rx", AT(impair.loss_rx)),                          \
        SHARE("duplicate", AT(impair.duplicate)), SHARE("corrupt", AT(impair.corrupt)),            \
        TABLE("gilbert", AT(impair.gilbert), gilbert_fields),                                      \
        TABLE("burst", AT(impair.burst), burst_fields)

static const struct field open_fields[] = {
    U32("sessions", AT(open.sessions), 1, PHASE_SESSIONS_MAX),
    OTHER("suite", AT(open.suite), read_suite),
    OTHER("fec", AT(open), read_fec),
    U32("fec_flush_us", AT(open.fec_flush_us), 1000, 1e6),
    U32("fec_expire_us", AT(open.fec_expire_us), 1000, 1e7),
    U32("streams", AT(open.streams), 1, 65534),
    U32("inflight", AT(open.inflight), 1, 65536),
    NUMBER("rate", AT(open.rate), 0, 1e9),
    NUMBER("idle_timeout", AT(open.idle_timeout), 1, 86400),
    PATH_FIELDS,
    {0},
};

static const struct field run_fields[] = {
    NUMBER("seconds", AT(run.seconds), 0, 1e6),
    U64("messages", AT(run.messages), 1, 1e15),
    NUMBER("rate", AT(run.rate), 0, 1e9),
    U32("window", AT(run.window), 0, 1e6),
    U32("train", AT(run.train), 1, 1e6),
    OTHER("size", AT(run), read_size),
    OTHER("sizes", AT(run), read_sizes),
    SHARE("datagrams", AT(run.datagrams)),
    U64("rekey_every", AT(run.rekey_every), 1, 1 << 22),
    NUMBER("drain", AT(run.drain), 0, 60),
    PATH_FIELDS,
    TABLE("reorder", AT(impair.reorder), reorder_fields),
    SHARE("replay", AT(impair.replay)),
    SHARE("forge", AT(impair.forge)),
    TABLE("garbage", AT(impair.garbage), garbage_fields),
    {0},
};

static const struct field flood_fields[] = {
    NUMBER("seconds", AT(flood.seconds), 0, 1e6),      NUMBER("rate", AT(flood.rate), 0, 1e9),
    U32("sources", AT(flood.sources), 1, 65536),       BOOL("valid", AT(flood.valid)),
    OTHER("cookies", AT(flood.cookies), read_cookies), {0},
};

static const struct {
    const char *where;
    const struct field *fields;
} functions[] = {
    [PHASE_OPEN] = {"jetgen.open", open_fields},
    [PHASE_RUN] = {"jetgen.run", run_fields},
    [PHASE_FLOOD] = {"jetgen.flood", flood_fields},
};

static struct phase defaults(enum phase_kind kind)
{
    struct phase phase = {
        .kind = kind,
        .open = {.sessions = 1,
                 .inflight = 64,
                 .idle_timeout = 30,
                 .streams = 1,
                 .fec_flush_us = 5000,
                 .fec_expire_us = 100000},
        .run = {.drain = 0.5, .window = WINDOW_DEFAULT, .train = 1},
        .flood = {.seconds = 1, .sources = 256},
        .impair = {.gilbert = {.loss = 1}, .reorder = {.distance = 3, .timeout_ms = 20}},
    };
    struct mix mix = {.n = 1, .total = 1, .size = {SIZE_DEFAULT}, .weight = {1}};

    use_mix(&phase.run, &mix);
    return phase;
}

/* What has to agree. */
static void check(lua_State *lua, struct phase *phase)
{
    const struct impair_config *im = &phase->impair;
    struct run_params *run = &phase->run;

    if (im->gilbert.enter > 0 && im->gilbert.exit == 0)
        luaL_error(lua, "%s: gilbert: with enter comes exit", functions[phase->kind].where);
    if (im->burst.length > im->burst.every)
        luaL_error(lua, "%s: burst: length is more than every", functions[phase->kind].where);
    if (phase->kind == PHASE_RUN && run->seconds == 0 && run->messages == 0)
        luaL_error(lua, "jetgen.run: seconds or messages is wanted");
    if (phase->kind == PHASE_FLOOD && phase->flood.cookies == FLOOD_GOOD && !phase->flood.valid)
        luaL_error(lua, "jetgen.flood: good cookies are for valid hellos alone");
}

void parameters_read(lua_State *lua, enum phase_kind kind, struct phase *phase)
{
    *phase = defaults(kind);
    if (lua_gettop(lua) > 1)
        luaL_error(lua, "%s: one table is wanted", functions[kind].where);
    if (lua_gettop(lua) == 1)
        fields_read(lua, functions[kind].where, functions[kind].fields, phase);
    check(lua, phase);
}
