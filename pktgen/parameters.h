/* What jetgen.open, run and flood take. */
#ifndef PKTGEN_PARAMETERS_H
#define PKTGEN_PARAMETERS_H

#include <lua.h>

#include "phase.h"

/* Read the table that is the function's only argument (none: all defaults) into *phase, which gets
 * its kind. Does not return when something is wrong. */
void parameters_read(lua_State *lua, enum phase_kind kind, struct phase *phase);

#endif
