/* What jetplaned knows, as JSON; docs/control-protocol.md has the keys. */
#ifndef CONTROL_DESCRIBE_H
#define CONTROL_DESCRIBE_H

#include <jansson.h>

#include "daemon.h"

/* All return a new reference, NULL when out of memory. */
json_t *describe_status(const struct daemon *d);
json_t *describe_version(const struct daemon *d);
/* The data plane must be up. */
json_t *describe_stats(const struct dp *dp);
json_t *describe_ports(const struct dp *dp);
json_t *describe_session(const struct jp_ipc_session *session);

#endif
