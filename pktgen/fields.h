/* Reads Lua tables into structs by a list of typed fields: what is not in the list, of another type
 * or out of range is an error that names function, key, script and line. */
#ifndef PKTGEN_FIELDS_H
#define PKTGEN_FIELDS_H

#include <stddef.h>

#include <lua.h>

enum field_type {
    FIELD_NUMBER, /* double */
    FIELD_U32,
    FIELD_U64,
    FIELD_BOOL,
    FIELD_TABLE, /* `fields`, relative to offset */
    FIELD_OTHER, /* read() takes the value at the top of the stack */
};

struct field {
    const char *name; /* NULL ends a list */
    enum field_type type;
    size_t offset;
    double min, max; /* numbers */
    const struct field *fields;
    void (*read)(lua_State *lua, const char *where, const char *name, void *to);
};

/* Read the table at the top of the stack into *to, for `where` (the function's name) in errors.
 * Does not return when the table is wrong. */
void fields_read(lua_State *lua, const char *where, const struct field *fields, void *to);
/* The number at the top of the stack, an integer or not, if it is in the range. */
double field_number(lua_State *lua, const char *where, const char *name, double min, double max);
double field_integer(lua_State *lua, const char *where, const char *name, double min, double max);

#endif
