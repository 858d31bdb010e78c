#include "outline.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_ether.h>

#include "answers.h"
#include "bytes.h"
#include "headers.h"
#include "lcore.h"
#include "wire.h"

/* An outline in the making: its bytes. */
struct sketch {
    uint8_t want[OUTLINE_LEN], mask[OUTLINE_LEN];
};

static void say(struct sketch *s, unsigned at, const void *want, unsigned len)
{
    memcpy(s->want + at, want, len);
    memset(s->mask + at, 0xff, len);
}

static void say16(struct sketch *s, unsigned at, uint16_t want, uint16_t mask)
{
    be16_store(s->want + at, want);
    be16_store(s->mask + at, mask);
}

/* Ethernet header and VLAN tag; returns their length. */
static uint8_t say_ethernet(struct sketch *s, const struct port *port, uint16_t type)
{
    uint8_t len = RTE_ETHER_HDR_LEN;

    say(s, 0, port->mac, RTE_ETHER_ADDR_LEN);
    if (port->vlan > 0) {
        say16(s, 12, RTE_ETHER_TYPE_VLAN, UINT16_MAX);
        say16(s, 14, port->vlan, VLAN_ID_MASK);
        len += VLAN_TAG;
    }
    say16(s, len - 2u, type, UINT16_MAX);
    return len;
}

/* The port's first address of that version; NULL: it has none. */
static const uint8_t *first_address(const struct port *port, unsigned version)
{
    for (unsigned i = 0; i < port->addresses; i++)
        if (address6_is_ours(port, port->address[i].ip) == (version == 6))
            return port->address[i].ip;
    return NULL;
}

static void finish(struct outline *o, const struct sketch *s, uint8_t l2, uint8_t l3)
{
    memcpy(o->want, s->want, sizeof(s->want));
    memcpy(o->mask, s->mask, sizeof(s->mask));
    o->layers = (struct layers){.udp = (uint16_t)(l2 + l3 + UDP_HDR), .l2_len = l2, .l3_len = l3};
    o->min_len = o->layers.udp + WIRE_DATA_MIN;
}

/* RFC 791 section 3.1 */
static void outline4(struct outline *o, const struct port *port)
{
    const uint8_t *address = first_address(port, 4);
    struct sketch s = {0};
    uint8_t l2 = say_ethernet(&s, port, RTE_ETHER_TYPE_IPV4);

    *o = (struct outline){.length_at = l2 + 2u, .front = l2, .min_len = UINT32_MAX};
    if (!address)
        return;
    say(&s, l2, (const uint8_t[]){0x45}, 1);
    say16(&s, l2 + 6u, 0, IP4_FRAGMENT_MASK);
    say(&s, l2 + 9u, (const uint8_t[]){IPPROTO_UDP}, 1);
    say(&s, l2 + 16u, address + 12, 4);
    finish(o, &s, l2, IP4_MIN);
}

/* RFC 8200 section 3 */
static void outline6(struct outline *o, const struct port *port)
{
    const uint8_t *address = first_address(port, 6);
    struct sketch s = {0};
    uint8_t l2 = say_ethernet(&s, port, RTE_ETHER_TYPE_IPV6);

    *o = (struct outline){.length_at = l2 + 4u, .front = l2 + IP6_HDR, .min_len = UINT32_MAX};
    if (!address)
        return;
    say16(&s, l2, 0x6000, 0xf000);
    say(&s, l2 + 6u, (const uint8_t[]){IPPROTO_UDP}, 1);
    say(&s, l2 + 24u, address, 16);
    finish(o, &s, l2, IP6_HDR);
}

void outlines_init(struct outlines *o, const struct port *port)
{
    outline4(&o->v4, port);
    outline6(&o->v6, port);
}
