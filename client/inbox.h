/* What was received on a blocking socket and is not read yet: in the order it came, and by stream.
 * The lock is the caller's. */
#ifndef CLIENT_INBOX_H
#define CLIENT_INBOX_H

#include <stdbool.h>
#include <sys/queue.h>

#include <jetplane/socket.h>

enum { INBOX_HEADS = 64 };

struct letter {
    jp_received received; /* first: the program gets its address */
    struct channel *channel;
    TAILQ_ENTRY(letter) by_arrival, by_stream;
    uint8_t data[];
};
TAILQ_HEAD(letters, letter);

/* A stream's, for as long as the socket lives: ids are not used twice. */
struct channel {
    struct channel *next;
    struct letters letters;
    size_t bytes;
    uint32_t id;
    bool full;   /* held back since it was */
    bool wanted; /* one message is to come though the inbox is full */
    bool ended;  /* nothing more comes */
};

struct inbox {
    struct letters letters;
    struct channel *channels[INBOX_HEADS];
    size_t bytes;
    bool full;  /* all are held back since it was */
    bool ended; /* nothing more comes on any stream */
};

void inbox_init(struct inbox *b);
void inbox_fini(struct inbox *b);

/* The stream's channel, made if need be; NULL: no memory. */
struct channel *inbox_channel(struct inbox *b, uint32_t id);
/* Put a message, or an end, copied; false: no memory. Marks the channel
 * and the inbox full when they are. */
bool inbox_put(struct inbox *b, struct channel *channel, const jp_received *received);
/* What came next on a stream or JP_STREAM_ANY, not taken out; NULL: nothing. */
struct letter *inbox_peek(struct inbox *b, int stream);
/* Take it out; true: what was held back may go on. */
bool inbox_take(struct inbox *b, struct letter *letter);
/* It goes on: what has room again is full no more. */
void inbox_go_on(struct inbox *b, struct channel *channel);
/* Whether nothing more can come on that stream, or JP_STREAM_ANY. */
bool inbox_ended(const struct inbox *b, int stream);

#endif
