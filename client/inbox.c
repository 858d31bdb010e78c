#include "inbox.h"

#include <stdlib.h>
#include <string.h>

void inbox_init(struct inbox *b)
{
    *b = (struct inbox){.ended = false};
    TAILQ_INIT(&b->letters);
}

void inbox_fini(struct inbox *b)
{
    struct letter *letter;
    struct channel *channel;

    while ((letter = TAILQ_FIRST(&b->letters))) {
        TAILQ_REMOVE(&b->letters, letter, by_arrival);
        free(letter);
    }
    for (int i = 0; i < INBOX_HEADS; i++)
        while ((channel = b->channels[i])) {
            b->channels[i] = channel->next;
            free(channel);
        }
}

static struct channel *find(const struct inbox *b, uint32_t id)
{
    struct channel *channel = b->channels[id % INBOX_HEADS];

    while (channel && channel->id != id)
        channel = channel->next;
    return channel;
}

struct channel *inbox_channel(struct inbox *b, uint32_t id)
{
    struct channel *channel = find(b, id), **head = &b->channels[id % INBOX_HEADS];

    if (channel)
        return channel;
    channel = calloc(1, sizeof(*channel));
    if (!channel)
        return NULL;
    channel->id = id;
    TAILQ_INIT(&channel->letters);
    channel->next = *head;
    *head = channel;
    return channel;
}

bool inbox_put(struct inbox *b, struct channel *channel, const jp_received *received)
{
    struct letter *letter = malloc(sizeof(*letter) + received->size);

    if (!letter)
        return false;
    letter->received = *received;
    letter->received.data = letter->data;
    letter->channel = channel;
    if (received->size)
        memcpy(letter->data, received->data, received->size);
    TAILQ_INSERT_TAIL(&b->letters, letter, by_arrival);
    TAILQ_INSERT_TAIL(&channel->letters, letter, by_stream);
    channel->bytes += sizeof(*letter) + received->size;
    b->bytes += sizeof(*letter) + received->size;
    channel->full |= channel->bytes >= JP_SOCKET_QUEUE;
    b->full |= b->bytes >= JP_SOCKET_QUEUE_ALL;
    channel->wanted = false;
    return true;
}

struct letter *inbox_peek(struct inbox *b, int stream)
{
    struct channel *channel;

    if (stream == JP_STREAM_ANY)
        return TAILQ_FIRST(&b->letters);
    channel = find(b, (uint32_t)stream);
    return channel ? TAILQ_FIRST(&channel->letters) : NULL;
}

/* Full until it is half empty, so that not every message read costs a call of the loop. */
static bool has_room(const struct channel *channel)
{
    return channel->bytes <= JP_SOCKET_QUEUE / 2;
}

static bool all_have_room(const struct inbox *b)
{
    return b->bytes <= JP_SOCKET_QUEUE_ALL / 2;
}

bool inbox_take(struct inbox *b, struct letter *letter)
{
    struct channel *channel = letter->channel;

    TAILQ_REMOVE(&b->letters, letter, by_arrival);
    TAILQ_REMOVE(&channel->letters, letter, by_stream);
    channel->bytes -= sizeof(*letter) + letter->received.size;
    b->bytes -= sizeof(*letter) + letter->received.size;
    return (channel->full && has_room(channel)) || (b->full && all_have_room(b));
}

void inbox_go_on(struct inbox *b, struct channel *channel)
{
    channel->full &= !has_room(channel);
    b->full &= !all_have_room(b);
}

bool inbox_ended(const struct inbox *b, int stream)
{
    const struct channel *channel = stream == JP_STREAM_ANY ? NULL : find(b, (uint32_t)stream);

    return b->ended || (channel && channel->ended);
}
