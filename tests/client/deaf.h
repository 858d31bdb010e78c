/* Taking UDP away, by a filter on the receiving sockets that drops all. */
#ifndef TESTS_CLIENT_DEAF_H
#define TESTS_CLIENT_DEAF_H

#include <linux/filter.h>
#include <sys/socket.h>

#include "endpoint.h"
#include "fixture.h"

static inline void deafen(int fd, bool deaf)
{
    struct sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
    struct sock_fprog nothing = {.len = 1, .filter = code};
    int unused = 0;

    if (deaf)
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &nothing, sizeof(nothing)),
                         0);
    else /* those opened meanwhile have none */
        setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused));
}

/* All UDP sockets of the endpoint hear nothing, or hear again. */
static inline void deafen_all(struct endpoint *e, bool deaf)
{
    for (unsigned i = 0; i < e->n_sockets; i++)
        if (e->sockets[i] && !e->sockets[i]->tcp)
            deafen(e->sockets[i]->udp.fd, deaf);
}

#endif
