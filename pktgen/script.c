#include "script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "parameters.h"

enum { HOOK_INSTRUCTIONS = 100000 };
/* the lowest of the stack: the table of names that jetgen.arg was asked for, and the script read */
enum { AT_KNOWN = 1, AT_CHUNK = 2 };

struct script {
    lua_State *lua;
    const char *path;
    char **args;
    int n_args;
    const struct script_host *host; /* while it runs */
    enum script_status status;
    char *message; /* the first expectation that did not hold */
};

/* The script that runs in this Lua state. */
static struct script *script_of(lua_State *lua)
{
    return *(struct script **)lua_getextraspace(lua);
}

/* Push "SCRIPT:LINE: " of the innermost line of the script that runs, whatever it calls. */
static void push_where(lua_State *lua)
{
    lua_Debug frame;
    int level = 0;

    while (lua_getstack(lua, level, &frame) && lua_getinfo(lua, "l", &frame) &&
           frame.currentline <= 0)
        level++;
    luaL_where(lua, level);
}

static int push_results(lua_State *lua, const struct results *r)
{
    lua_createtable(lua, 0, COUNTERS + (int)derived_count);
    for (unsigned i = 0; i < COUNTERS; i++) {
        lua_pushinteger(lua, (lua_Integer)r->counter[i]);
        lua_setfield(lua, -2, counter_name[i]);
    }
    for (unsigned i = 0; i < derived_count; i++) {
        lua_pushnumber(lua, derived[i].of(r));
        lua_setfield(lua, -2, derived[i].name);
    }
    return 1;
}

static void end_if_interrupted(lua_State *lua)
{
    struct script *script = script_of(lua);

    if (!script->host->interrupted(script->host->arg))
        return;
    script->status = SCRIPT_INTERRUPTED;
    luaL_error(lua, "interrupted");
}

static int run_phase(lua_State *lua, const struct phase *phase)
{
    const struct script_host *host = script_of(lua)->host;
    struct results *r = lua_newuserdatauv(lua, sizeof(*r), 0); /* freed whatever happens */
    char error[SCRIPT_ERROR_MAX];

    if (host->run(host->arg, phase, r, error) != 0)
        return luaL_error(lua, "jetgen.%s: %s", phase_name(phase->kind), error);
    end_if_interrupted(lua);
    return push_results(lua, r);
}

static int run_with_parameters(lua_State *lua, enum phase_kind kind)
{
    struct phase phase;

    parameters_read(lua, kind, &phase);
    return run_phase(lua, &phase);
}

static int lua_open(lua_State *lua)
{
    return run_with_parameters(lua, PHASE_OPEN);
}

static int lua_run(lua_State *lua)
{
    return run_with_parameters(lua, PHASE_RUN);
}

static int lua_flood(lua_State *lua)
{
    return run_with_parameters(lua, PHASE_FLOOD);
}

static int lua_close_sessions(lua_State *lua)
{
    struct phase phase = {.kind = PHASE_CLOSE};

    return run_phase(lua, &phase);
}

/* jetgen.expect(condition, message): returns the condition. */
static int lua_expect(lua_State *lua)
{
    const char *message = luaL_optstring(lua, 2, "what was expected does not hold");

    luaL_checkany(lua, 1);
    lua_settop(lua, 2);
    if (lua_toboolean(lua, 1)) {
        lua_settop(lua, 1);
        return 1;
    }
    push_where(lua);
    lua_pushstring(lua, message);
    lua_concat(lua, 2);
    if (script_of(lua)->status == SCRIPT_OK)
        snprintf(script_of(lua)->message, SCRIPT_ERROR_MAX, "%s", lua_tostring(lua, -1));
    script_of(lua)->status = SCRIPT_EXPECTATION;
    return lua_error(lua);
}

/* jetgen.print(format, ...) */
static int lua_print(lua_State *lua)
{
    luaL_checkstring(lua, 1);
    lua_getglobal(lua, "string");
    lua_getfield(lua, -1, "format");
    lua_insert(lua, 1);
    lua_pop(lua, 1);
    lua_call(lua, lua_gettop(lua) - 1, 1);
    puts(lua_tostring(lua, -1));
    fflush(stdout);
    return 0;
}

/* The text of argument `name`, of the type of the default at index 2. */
static int convert(lua_State *lua, const char *name, const char *text)
{
    switch (lua_type(lua, 2)) {
    case LUA_TNUMBER:
        if (lua_stringtonumber(lua, text) == 0)
            return luaL_error(lua, "%s=%s: a number is wanted", name, text);
        return 1;
    case LUA_TBOOLEAN:
        if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
            return luaL_error(lua, "%s=%s: true or false is wanted", name, text);
        lua_pushboolean(lua, strcmp(text, "true") == 0);
        return 1;
    default:
        lua_pushstring(lua, text);
        return 1;
    }
}

/* jetgen.arg(name, default): what the command line says, as the default's type. */
static int lua_arg(lua_State *lua)
{
    const char *name = luaL_checkstring(lua, 1);

    lua_settop(lua, 2);
    lua_pushboolean(lua, 1); /* the script knows it */
    lua_setfield(lua, lua_upvalueindex(1), name);
    if (lua_getglobal(lua, "args") != LUA_TTABLE || lua_getfield(lua, -1, name) != LUA_TSTRING) {
        lua_settop(lua, 2);
        return 1;
    }
    return convert(lua, name, lua_tostring(lua, -1));
}

static void hook(lua_State *lua, lua_Debug *debug)
{
    (void)debug;
    end_if_interrupted(lua);
}

/* Only what cannot reach beyond the script. */
static void open_libraries(lua_State *lua)
{
    static const luaL_Reg libraries[] = {{LUA_GNAME, luaopen_base},
                                         {LUA_TABLIBNAME, luaopen_table},
                                         {LUA_STRLIBNAME, luaopen_string},
                                         {LUA_MATHLIBNAME, luaopen_math}};
    static const char *const forbidden[] = {"dofile", "loadfile", "load"};

    for (unsigned i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++) {
        luaL_requiref(lua, libraries[i].name, libraries[i].func, 1);
        lua_pop(lua, 1);
    }
    for (unsigned i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++) {
        lua_pushnil(lua);
        lua_setglobal(lua, forbidden[i]);
    }
}

/* The global jetgen; its arg function notes the names it was asked for in the table at the top of
 * the stack. */
static void open_jetgen(lua_State *lua)
{
    static const luaL_Reg functions[] = {
        {"open", lua_open},     {"run", lua_run},
        {"flood", lua_flood},   {"close", lua_close_sessions},
        {"expect", lua_expect}, {"print", lua_print},
        {"arg", lua_arg},       {NULL, NULL},
    };

    luaL_newlibtable(lua, functions);
    lua_pushvalue(lua, -2);
    luaL_setfuncs(lua, functions, 1);
    lua_setglobal(lua, "jetgen");
}

/* The global args. False when one is not KEY=VALUE. */
static bool open_args(lua_State *lua, char **args, int n)
{
    lua_createtable(lua, 0, n);
    for (int i = 0; i < n; i++) {
        const char *equals = strchr(args[i], '=');

        if (!equals || equals == args[i]) {
            lua_pushfstring(lua, "jetgen: argument '%s' is not KEY=VALUE", args[i]);
            return false;
        }
        lua_pushlstring(lua, args[i], (size_t)(equals - args[i]));
        lua_pushstring(lua, equals + 1);
        lua_settable(lua, -3);
    }
    lua_setglobal(lua, "args");
    return true;
}

/* A misspelt argument is no reason to lose the results of a run, but to say so. */
static void warn_of_unknown(const struct script *script)
{
    for (int i = 0; i < script->n_args; i++) {
        const char *arg = script->args[i];
        int len = (int)strcspn(arg, "=");

        lua_pushlstring(script->lua, arg, (size_t)len);
        if (lua_rawget(script->lua, AT_KNOWN) == LUA_TNIL)
            fprintf(stderr, "jetgen: %s takes no argument '%.*s'\n", script->path, len, arg);
        lua_pop(script->lua, 1);
    }
}

/* Whatever was thrown becomes a text that begins with script and line. */
static int locate(lua_State *lua)
{
    const char *text = luaL_tolstring(lua, 1, NULL), *where;

    push_where(lua);
    where = lua_tostring(lua, -1);
    if (strncmp(text, where, strcspn(where, ":") + 1) == 0) {
        lua_pop(lua, 1);
        return 1;
    }
    lua_insert(lua, -2);
    lua_concat(lua, 2);
    return 1;
}

/* Leave on the stack what AT_KNOWN and AT_CHUNK say; false: a message is at its top. */
static bool read_file(struct script *script)
{
    lua_State *lua = script->lua;

    *(struct script **)lua_getextraspace(lua) = script;
    open_libraries(lua);
    lua_newtable(lua);
    open_jetgen(lua);
    return open_args(lua, script->args, script->n_args) &&
           luaL_loadfilex(lua, script->path, "t") == LUA_OK;
}

static void take_message(const struct script *script, char *message)
{
    snprintf(message, SCRIPT_ERROR_MAX, "%s", lua_tostring(script->lua, -1));
}

struct script *script_load(const char *path, char **args, int n_args, char *message)
{
    struct script *script = calloc(1, sizeof(*script));

    snprintf(message, SCRIPT_ERROR_MAX, "%s: no memory for it", path);
    if (!script)
        return NULL;
    *script = (struct script){.lua = luaL_newstate(), .path = path, .args = args, .n_args = n_args};
    if (script->lua && read_file(script)) {
        message[0] = '\0';
        return script;
    }
    if (script->lua)
        take_message(script, message);
    script_free(script);
    return NULL;
}

enum script_status script_run(struct script *script, const struct script_host *host, char *message)
{
    lua_State *lua = script->lua;

    script->host = host;
    script->message = message;
    message[0] = '\0';
    lua_sethook(lua, hook, LUA_MASKCOUNT, HOOK_INSTRUCTIONS);
    lua_pushcfunction(lua, locate);
    lua_insert(lua, AT_CHUNK);
    if (lua_pcall(lua, 0, 0, AT_CHUNK) == LUA_OK) {
        warn_of_unknown(script);
    } else if (script->status != SCRIPT_EXPECTATION) {
        take_message(script, message);
        if (script->status == SCRIPT_OK)
            script->status = SCRIPT_ERROR;
    }
    return script->status;
}

void script_free(struct script *script)
{
    if (script->lua)
        lua_close(script->lua);
    free(script);
}
