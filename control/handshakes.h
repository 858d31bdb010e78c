/* Handshakes: every ClientHello and ResumeHello the data plane hands over ends here, in a session,
 * a demand for a cookie, or a counter. Keeps no session key: they go to the data plane and are
 * wiped. */
#ifndef CONTROL_HANDSHAKES_H
#define CONTROL_HANDSHAKES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "aead.h"
#include "bytes.h"
#include "config.h"
#include "dp.h"
#include "handshake.h"
#include "jetplane/ctl.h"
#include "recent.h"
#include "resume.h"
#include "sessions.h"
#include "tcp.h"

enum { INSTALLS_MAX = 256 };

#define HANDSHAKE_INDEX(name, text) HANDSHAKE_##name,
enum handshake_counter { JP_HANDSHAKES(HANDSHAKE_INDEX) HANDSHAKE_COUNTERS };
#undef HANDSHAKE_INDEX

/* What is known of a hello while it is handled. */
struct arrival {
    const uint8_t *hello;
    size_t len;
    const struct jp_path *path;
    uint8_t addr[HS_ADDR_LEN];
    uint64_t now; /* us */
};

static inline bool arrival_resumes(const struct arrival *a)
{
    return a->hello[4] == WIRE_RESUME_HELLO;
}

/* A session on its way into the data plane. */
struct install {
    uint32_t spi;      /* 0: free */
    unsigned tries;    /* SPIs found taken */
    uint64_t deadline; /* us */
    struct jp_path path;
    uint8_t hello[HS_CLIENT_HELLO_LEN];
};

/* Keys, in locked memory of their own. */
struct handshake_keys {
    struct hs_server server;
    struct hs_server
        previous; /* only its cookie key: still good for cookies given before the last rotation */
};

struct handshakes {
    const struct config *config;
    struct dp *dp;
    struct sessions *sessions;
    struct tcp *tcp;
    struct handshake_keys *keys;
    struct resume_tickets *tickets; /* in such memory, too */
    struct aead *aead;
    struct recent *recent;

    struct prefix_limit proven_by_prefix, unproven_by_prefix, resets_by_prefix;
    struct bucket all, unproven, resets;
    uint64_t rotate_at; /* us: next change of the cookie key */

    struct install *install;
    unsigned installs;

    uint64_t counter[HANDSHAKE_COUNTERS];
    uint64_t answers, answers_ns, answer_max_ns; /* time spent on the cryptography of answers */
};

/* Loads (or makes) the identity. 0 or -errno, said in the log. The pointers must outlive h. */
int handshakes_init(struct handshakes *h, const struct config *config, struct dp *dp,
                    struct sessions *sessions, struct tcp *tcp);
void handshakes_free(struct handshakes *h);

void handshakes_up(struct handshakes *h); /* the data plane is there: announce what it can */
void handshakes_down(struct handshakes *h);
void handshakes_punt(struct handshakes *h, const struct jp_ipc_packet *packet);
/* A ClientHello or ResumeHello came along path, and the data plane is there. */
void handshakes_hello(struct handshakes *h, const struct jp_path *path, const uint8_t *hello,
                      size_t len);
void handshakes_unknown_spi(struct handshakes *h, const struct jp_ipc_unknown *unknown);
void handshakes_tick(struct handshakes *h, uint64_t now);

static inline void handshakes_count(struct handshakes *h, enum handshake_counter counter)
{
    h->counter[counter]++;
}

/* The address of a packet's sender, as cookies and repeated hellos are known by. */
static inline void path_address(const struct jp_path *path, uint8_t addr[HS_ADDR_LEN])
{
    memcpy(addr, path->peer_ip, 16);
    be16_store(addr + 16, path->peer_port);
}

/* Say that the session cannot be resumed. */
void handshakes_refuse(struct handshakes *h, const struct arrival *a);

/* install.c */

/* Answer a hello that passed all checks; h->installs < INSTALLS_MAX. */
void install_start(struct handshakes *h, const struct arrival *a);
void install_answered(struct handshakes *h, const struct jp_ipc_installed *installed);
void install_tick(struct handshakes *h, uint64_t now);
void install_forget_all(struct handshakes *h);

#endif
