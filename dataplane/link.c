/* Whether the ports' links are up, and a word when that changes. */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <rte_ethdev.h>

#include "setup.h"

enum link { LINK_UP, LINK_DOWN, LINK_GONE };

static int kernel = -1;
static enum link last[JP_PORTS_MAX];

void link_open(void)
{
    kernel = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

static enum link interface_link(unsigned index)
{
    struct ifreq request = {.ifr_ifindex = (int)index};

    if (ioctl(kernel, SIOCGIFNAME, &request) < 0 || ioctl(kernel, SIOCGIFFLAGS, &request) < 0)
        return errno == ENODEV ? LINK_GONE : LINK_UP;
    return request.ifr_flags & IFF_RUNNING ? LINK_UP : LINK_DOWN;
}

bool link_is_up(uint16_t id)
{
    struct rte_eth_link link;

    return rte_eth_link_get_nowait(id, &link) == 0 && link.link_status;
}

static enum link port_link(uint16_t id)
{
    struct rte_eth_dev_info info;

    /* these drivers do not look at their interface, and always say that it is up */
    if (rte_eth_dev_info_get(id, &info) == 0 && strncmp(info.driver_name, "net_af_", 7) == 0)
        return interface_link(info.if_index);
    return link_is_up(id) ? LINK_UP : LINK_DOWN;
}

bool link_sample(const struct dataplane *dp, unsigned i)
{
    static const char *const words[] = {
        [LINK_UP] = "the link is up",
        [LINK_DOWN] = "the link is down",
        [LINK_GONE] = "the interface is gone: start jetplane-dp anew when it is back",
    };
    enum link now = port_link(dp->port[i].id);

    if (now != last[i])
        fprintf(stderr, "jetplane-dp: ports[%u] (%s): %s\n", i, dp->stats->port[i].name,
                words[now]);
    last[i] = now;
    return now == LINK_UP;
}
