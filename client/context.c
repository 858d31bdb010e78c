#include "context.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "flow.h"
#include "identity.h"
#include "keylog.h"
#include "trust.h"

#include "errors.h"

/* A setting that is a number, its default and its range. */
#define NUMBERS(X)                                                                                 \
    X(max_packet, 1472, 1280, 9000)                                                                \
    X(streams, 100, 1, 65535)                                                                      \
    X(idle_timeout, 30000000, 1000000, 86400000000)                                                \
    X(heartbeat, 5000000, CONTEXT_HEARTBEAT_MIN, UINT64_MAX)                                       \
    X(window, 1 << 20, 65536, 1 << 30)                                                             \
    X(window_max, 32 << 20, 65536, 1 << 30)                                                        \
    X(stream_window, 256 << 10, 4096, 1 << 30)                                                     \
    X(stream_window_max, 17 << 20, 4096, 1 << 30)                                                  \
    X(message_max, JP_MESSAGE_MAX, 1024, JP_MESSAGE_MAX)                                           \
    X(send_buffer, 4 << 20, 1, UINT32_MAX)                                                         \
    X(accept_rate, 1000, 1, UINT32_MAX)                                                            \
    X(sessions_max, 100000, 1, UINT32_MAX)

static int check_number(uint64_t value, uint64_t low, uint64_t high, const char *name)
{
    if (value >= low && value <= high)
        return 0;
    return failure(JP_INVALID, "jp_context_create", "%s is %llu, want %llu to %llu", name,
                   (unsigned long long)value, (unsigned long long)low, (unsigned long long)high);
}

static int complete_numbers(jp_settings *s)
{
    int error = 0;

#define X(name, standard, low, high)                                                               \
    if (!s->name)                                                                                  \
        s->name = standard;                                                                        \
    error = error ? error : check_number(s->name, low, high, #name);
    NUMBERS(X)
#undef X
    if (!error && (s->window > s->window_max || s->stream_window > s->stream_window_max))
        error = failure(JP_INVALID, "jp_context_create", "a window is larger than its maximum");
    return error;
}

static int complete_ciphers(jp_settings *s)
{
    if (!s->ciphers[0]) {
        bool aes = crypto_aead_aes256gcm_is_available();

        s->ciphers[0] = aes ? JP_AES256_GCM : JP_CHACHA20_POLY1305;
        s->ciphers[1] = aes ? JP_CHACHA20_POLY1305 : JP_AES256_GCM;
    }
    for (int i = 0; i < 2; i++)
        if (s->ciphers[i] > JP_CHACHA20_POLY1305)
            return failure(JP_INVALID, "jp_context_create", "no cipher %d", s->ciphers[i]);
    return 0;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Of the messages that the settings allow, the longest that fits the windows: no other could ever
 * be sent (flow.h). */
static uint32_t longest_message(const jp_settings *s)
{
    uint32_t room = smaller(s->window_max, s->stream_window_max) - FLOW_MESSAGE_COST;

    if (room > FLOW_LONG && s->window_max - FLOW_MESSAGE_COST < room + FLOW_RESERVE)
        room = s->window_max > FLOW_MESSAGE_COST + FLOW_RESERVE + FLOW_LONG
                   ? s->window_max - FLOW_MESSAGE_COST - FLOW_RESERVE
                   : FLOW_LONG;
    return smaller(room, s->message_max);
}

static int complete(struct jp_context *c)
{
    jp_settings *s = &c->settings;
    int error = complete_numbers(s);

    if (!error)
        error = complete_ciphers(s);
    if (error)
        return error;
    c->congestion = congestion_find(s->congestion ? s->congestion : "cubic");
    s->congestion = NULL; /* the caller's string */
    if (!c->congestion)
        return failure(JP_INVALID, "jp_context_create", "unknown congestion control");
    c->params = hs_params_default;
    c->params.idle_timeout_ms = (uint32_t)(s->idle_timeout / 1000);
    c->params.max_streams = (uint16_t)s->streams;
    c->params.max_packet = s->max_packet;
    c->params.max_data = s->window;
    c->params.max_stream_data = s->stream_window;
    c->params.max_message = longest_message(s);
    return 0;
}

static int prepare_server(struct jp_context *c)
{
    const jp_identity *identity = c->settings.identity;

    c->server.params = c->params;
    memcpy(c->server.suites, c->settings.ciphers, sizeof(c->server.suites));
    memcpy(c->server.identity, identity->key.bytes, sizeof(c->server.identity));
    memcpy(c->server.identity_secret, identity->secret, sizeof(c->server.identity_secret));
    randombytes_buf(c->server.cookie_key, sizeof(c->server.cookie_key));
    c->tickets = tickets_new();
    return c->tickets ? 0 : failure(JP_NO_MEMORY, "jp_context_create", "no memory for tickets");
}

static int open_keylog(struct jp_context *c)
{
    const char *path = c->settings.keylog;

    c->settings.keylog = NULL; /* the caller's string */
    c->keylog = path ? keylog_open(path) : NULL;
    return path && !c->keylog ? failure(JP_IDENTITY_FILE, path, "%s", keylog_error(errno)) : 0;
}

/* In locked memory, where it may be, since a server's keys are in it. Such has no alignment but
 * that of its size. */
static struct jp_context *context_new(size_t extension)
{
    size_t align = alignof(max_align_t), size;
    struct jp_context *c;

    if (extension > SIZE_MAX / 2)
        return NULL;
    size = (sizeof(*c) + extension + align - 1) / align * align;
    c = sodium_malloc(size);
    return c ? memset(c, 0, size) : NULL;
}

static void context_wipe(struct jp_context *c)
{
    jp_identity_free(c->settings.identity);
    jp_trust_free(c->settings.trust);
    tickets_free(c->tickets);
    if (c->keylog)
        fclose(c->keylog);
    sodium_free(c); /* wipes the server's keys */
}

int jp_context_create(jp_context **context, const jp_callbacks *callbacks,
                      const jp_settings *settings, size_t extension)
{
    struct jp_context *c;
    int error;

    if (!context || !callbacks || !settings)
        return failure(JP_INVALID, __func__, "NULL argument");
    *context = NULL;
    if (callbacks->size > sizeof(*callbacks) || settings->size > sizeof(*settings) ||
        callbacks->size < sizeof(size_t) || settings->size < sizeof(size_t))
        return failure(JP_INVALID, __func__, "a structure's `size` is not its size");
    if (sodium_init() < 0)
        return failure(JP_SYSTEM, __func__, "no source of randomness");
    c = context_new(extension);
    if (!c)
        return failure(JP_NO_MEMORY, __func__, "no memory for a context");
    memcpy(&c->callbacks, callbacks, callbacks->size);
    memcpy(&c->settings, settings, settings->size);
    if (c->settings.identity)
        identity_hold(c->settings.identity);
    if (c->settings.trust)
        trust_hold(c->settings.trust);
    error = complete(c);
    if (!error && c->settings.identity)
        error = prepare_server(c);
    if (!error)
        error = open_keylog(c);
    if (error) {
        context_wipe(c);
        return error;
    }
    *context = c;
    return 0;
}

int jp_context_free(jp_context *context)
{
    unsigned users = context ? atomic_load(&context->users) : 0;

    if (users)
        return failure(JP_BUSY, __func__, "still used by %u listeners, groups or sessions", users);
    if (context)
        context_wipe(context);
    return 0;
}

void *jp_context_extension(jp_context *context)
{
    return context ? context->extension : NULL;
}
