#include "recent.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

enum {
    LIFETIME_US = 10 * CLOCK_SECOND,
    CHAINS = RECENT_MAX,
    NONE = RECENT_MAX, /* ends a chain */
};

struct recent {
    uint8_t hash_key[crypto_shorthash_KEYBYTES]; /* so nobody can aim at a chain */
    uint32_t oldest;                             /* the place to be used next */
    uint32_t chain[CHAINS];                      /* first of each hash chain */
    struct recent_reply reply[RECENT_MAX];       /* a ring, in order of time */
};

struct recent *recent_new(void)
{
    struct recent *r = calloc(1, sizeof(*r));

    if (r) {
        randombytes_buf(r->hash_key, sizeof(r->hash_key));
        recent_clear(r);
    }
    return r;
}

void recent_free(struct recent *r)
{
    free(r);
}

static uint32_t *chain_of(struct recent *r, const uint8_t *hello_id, const uint8_t *addr)
{
    uint8_t text[RECENT_HELLO_ID_LEN + HS_ADDR_LEN];
    uint64_t hash;

    memcpy(text, hello_id, RECENT_HELLO_ID_LEN);
    memcpy(text + RECENT_HELLO_ID_LEN, addr, HS_ADDR_LEN);
    crypto_shorthash((uint8_t *)&hash, text, sizeof(text), r->hash_key);
    return &r->chain[hash % CHAINS];
}

struct recent_reply *recent_find(struct recent *r, const uint8_t *hello,
                                 const uint8_t addr[HS_ADDR_LEN], uint64_t now)
{
    const uint8_t *id = hello + RECENT_HELLO_ID;

    for (uint32_t i = *chain_of(r, id, addr); i != NONE; i = r->reply[i].next) {
        struct recent_reply *reply = &r->reply[i];

        if (memcmp(reply->hello_id, id, RECENT_HELLO_ID_LEN) == 0 &&
            memcmp(reply->addr, addr, HS_ADDR_LEN) == 0 && now - reply->at < LIFETIME_US)
            return reply;
    }
    return NULL;
}

struct recent_reply *recent_put(struct recent *r, const uint8_t *hello,
                                const uint8_t addr[HS_ADDR_LEN], uint64_t now)
{
    struct recent_reply *reply = &r->reply[r->oldest];
    uint32_t *first;

    recent_drop(r, reply);
    memcpy(reply->hello_id, hello + RECENT_HELLO_ID, RECENT_HELLO_ID_LEN);
    memcpy(reply->addr, addr, HS_ADDR_LEN);
    reply->used = true;
    reply->installed = false;
    reply->at = now;
    first = chain_of(r, reply->hello_id, addr);
    reply->next = *first;
    *first = r->oldest;
    r->oldest = (r->oldest + 1) % RECENT_MAX;
    return reply;
}

void recent_drop(struct recent *r, struct recent_reply *reply)
{
    uint32_t *link;

    if (!reply->used)
        return;
    link = chain_of(r, reply->hello_id, reply->addr);
    while (&r->reply[*link] != reply)
        link = &r->reply[*link].next;
    *link = reply->next;
    reply->used = false;
}

void recent_clear(struct recent *r)
{
    for (uint32_t i = 0; i < CHAINS; i++)
        r->chain[i] = NONE;
    for (uint32_t i = 0; i < RECENT_MAX; i++)
        if (r->reply[i].used)
            r->reply[i].used = false;
    r->oldest = 0;
}
