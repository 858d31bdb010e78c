#include "fields.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <lauxlib.h>

/* Push v as text, an integer without fraction; Lua would print 5.0. */
static const char *push_number(lua_State *lua, double v)
{
    lua_Integer integer;

    if (v == floor(v) && lua_numbertointeger(v, &integer))
        return lua_pushfstring(lua, "%I", (LUAI_UACINT)integer);
    return lua_pushfstring(lua, "%f", v);
}

double field_number(lua_State *lua, const char *where, const char *name, double min, double max)
{
    lua_Number v;

    if (lua_type(lua, -1) != LUA_TNUMBER)
        luaL_error(lua, "%s: %s: a number is wanted, not a %s", where, name,
                   luaL_typename(lua, -1));
    v = lua_tonumber(lua, -1);
    if (isnan(v))
        luaL_error(lua, "%s: %s: not a number", where, name);
    if (!(v >= min && v <= max))
        luaL_error(lua, "%s: %s: %s is not between %s and %s", where, name, push_number(lua, v),
                   push_number(lua, min), push_number(lua, max));
    return v;
}

double field_integer(lua_State *lua, const char *where, const char *name, double min, double max)
{
    double v = field_number(lua, where, name, min, max);

    if (v != floor(v))
        luaL_error(lua, "%s: %s: %f is not a whole number", where, name, v);
    return v;
}

static void read_bool(lua_State *lua, const char *where, const char *name, bool *to)
{
    if (!lua_isboolean(lua, -1))
        luaL_error(lua, "%s: %s: true or false is wanted, not a %s", where, name,
                   luaL_typename(lua, -1));
    *to = lua_toboolean(lua, -1);
}

/* The value at the top of the stack, of field f. */
static void read_field(lua_State *lua, const char *where, const struct field *f, uint8_t *to)
{
    const char *inner;

    switch (f->type) {
    case FIELD_NUMBER:
        *(double *)to = field_number(lua, where, f->name, f->min, f->max);
        break;
    case FIELD_U32:
        *(uint32_t *)to = (uint32_t)field_integer(lua, where, f->name, f->min, f->max);
        break;
    case FIELD_U64:
        *(uint64_t *)to = (uint64_t)field_integer(lua, where, f->name, f->min, f->max);
        break;
    case FIELD_BOOL:
        read_bool(lua, where, f->name, (bool *)to);
        break;
    case FIELD_TABLE:
        inner = lua_pushfstring(lua, "%s: %s", where, f->name);
        lua_pushvalue(lua, -2);
        fields_read(lua, inner, f->fields, to);
        lua_pop(lua, 2);
        break;
    case FIELD_OTHER:
        f->read(lua, where, f->name, to);
        break;
    }
}

/* Does not return. */
static int unknown_key(lua_State *lua, const char *where, const struct field *fields)
{
    luaL_Buffer known;

    luaL_tolstring(lua, -2, NULL);
    luaL_buffinit(lua, &known);
    for (const struct field *f = fields; f->name; f++) {
        luaL_addstring(&known, f == fields ? "" : ", ");
        luaL_addstring(&known, f->name);
    }
    luaL_pushresult(&known);
    return luaL_error(lua, "%s: there is no '%s'; there are %s", where, lua_tostring(lua, -2),
                      lua_tostring(lua, -1));
}

void fields_read(lua_State *lua, const char *where, const struct field *fields, void *to)
{
    const struct field *f;

    if (!lua_istable(lua, -1))
        luaL_error(lua, "%s: a table is wanted, not a %s", where, luaL_typename(lua, -1));
    luaL_checkstack(lua, 8, where);
    lua_pushnil(lua);
    while (lua_next(lua, -2) != 0) {
        f = fields;
        while (f->name &&
               (lua_type(lua, -2) != LUA_TSTRING || strcmp(f->name, lua_tostring(lua, -2)) != 0))
            f++;
        if (!f->name)
            unknown_key(lua, where, fields);
        read_field(lua, where, f, (uint8_t *)to + f->offset);
        lua_pop(lua, 1);
    }
}
