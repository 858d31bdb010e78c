/* The configuration of jetplaned: one YAML file (docs/jetplaned.yaml is the reference), read once
 * at start. */
#ifndef CONTROL_CONFIG_H
#define CONTROL_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#include "confine.h"
#include "limit.h"
#include "log.h"

enum cookie_policy { COOKIE_AUTO, COOKIE_ALWAYS, COOKIE_NEVER };

enum {
    CONFIG_PATH_MAX = 256,
    CONFIG_SOCKET_MAX = 108,
    CONFIG_TCP_LISTEN_MAX = 16,
    CONFIG_ADDRESS_TEXT = 64,
};

struct config_address {
    struct sockaddr_storage bytes;
    socklen_t len;
    char text[CONFIG_ADDRESS_TEXT]; /* as it was given */
};

struct config_tcp {
    struct config_address listen[CONFIG_TCP_LISTEN_MAX];
    unsigned listens; /* 0: no TCP */
    uint32_t connections, connections_per_prefix, idle_timeout_ms;
};

struct config {
    char data_plane_socket[CONFIG_SOCKET_MAX];
    char control_socket[CONFIG_SOCKET_MAX];
    char control_group[64]; /* who may use the control socket; "": this process's group */
    char identity_file[CONFIG_PATH_MAX];
    enum log_level log_level;
    enum cookie_policy cookie;
    uint8_t suites[2];         /* enum aead_alg, preferred first; 0 ends the list */
    uint32_t idle_timeout_ms;  /* announced, unless the data plane allows less */
    uint16_t max_streams;      /* announced, unless the data plane allows fewer */
    struct rate handshakes;    /* answered, over all sources; half of it without cookies */
    struct rate prefix;        /* answered, per source prefix */
    struct rate resets;        /* sent, over all sources */
    struct rate prefix_resets; /* sent, per source prefix */
    struct config_tcp tcp;
    bool becomes; /* another user, once all is open: */
    struct confine_user user;
    FILE *keylog; /* of sessions' secrets, as the command line says; NULL: none */
};

/* Fill *config with the defaults, then from the file if path is not NULL. 0, or -EINVAL / -errno
 * after saying on stderr what is wrong and where. */
int config_load(const char *path, struct config *config);

#endif
