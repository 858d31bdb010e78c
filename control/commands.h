/* The commands of the control socket; docs/control-protocol.md. */
#ifndef CONTROL_COMMANDS_H
#define CONTROL_COMMANDS_H

#include "daemon.h"

/* struct api_user's functions; arg is the struct daemon. */
void commands_request(void *arg, struct client *client, const json_t *request);
void commands_gone(void *arg, struct client *client);

#endif
