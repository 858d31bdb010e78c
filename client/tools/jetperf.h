/* jetperf: measure sessions, and check every byte of them.
 *
 * Two of them agree over stream 1: the client asks with its plan, the server answers "ready", both
 * send what the plan says, and each tells its results when all it waits for has ended. The services
 * of a data plane know nothing of this: with them the client is alone. */
#ifndef TOOLS_JETPERF_H
#define TOOLS_JETPERF_H

#include <endian.h>
#include <string.h>
#include <sys/queue.h>

#include "tool.h"

enum {
    STREAMS_MAX = 1000, /* of a direction */
    NUMBER_HEADER = 8,  /* bytes: number of the message */
    ECHO_HEADER = 16,   /* number, time it was sent */
    ECHO_WINDOW = 16,   /* messages under way on a stream */
    ECHO_SLOTS = 64,    /* one that is this far behind the latest is lost, unless it is reliable */
    HELD_MAX = 128 << 20, /* bytes of echoes that wait for room, of all tests */
    CONTROL_MAX = 16384,
    TESTS_MAX = 64,                  /* at once, of a server */
    CODE_DONE = JP_CODE_APPLICATION, /* all went well */
    CODE_REFUSED,
};

struct plan {
    bool up, down, echo; /* what the client sends; what the server sends; who echoes */
    bool service;        /* the server is a data plane's service */
    unsigned streams;    /* of a direction */
    uint32_t size;       /* of messages */
    uint64_t time;       /* us, or */
    uint64_t bytes;      /* to send in a direction; 0: as many as the time allows */
    uint64_t rate;       /* messages a second the client sends at most; 0: no limit; not told */
    jp_stream_options options;
};

/* Messages that may expire unsent carry their numbers: the library does not count those. */
static inline bool is_numbered(const struct plan *p)
{
    return p->options.ttl && !p->echo && !p->service;
}

static inline void put64(uint8_t *at, uint64_t value)
{
    value = htobe64(value);
    memcpy(at, &value, sizeof(value));
}

static inline uint64_t get64(const uint8_t *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof(value));
    return be64toh(value);
}

/* Why nobody can run a plan whose numbers are each in range, or NULL. */
const char *plan_flaw(const struct plan *p);
/* plan_to_json's for the other end; false, with what is wrong in text, when it is no plan. */
json_t *plan_to_json(const struct plan *p);
bool plan_from_json(struct plan *p, json_t *json, char *text, size_t size);

/* What was counted at this end. */
struct tally {
    uint64_t queued;                /* bytes given to streams */
    uint64_t acked, acked_messages; /* and arrived */
    uint64_t given_up;              /* messages that did not */
    uint64_t received, received_messages;
    uint64_t missing; /* messages known to have been sent */
    uint64_t wrong;   /* with another content, or twice, or out of order */
    uint64_t echoes, rtt_sum, rtt_min, rtt_max; /* of echoes, us */
};

/* An echo that found no room. */
struct held {
    LIST_ENTRY(held) next;
    size_t size;
    uint8_t data[];
};

struct test;
/* A stream's. */
struct lane {
    struct test *test; /* NULL: control, or not used yet */
    uint64_t next;     /* number of the message to send */
    uint64_t end;      /* of those received: the highest and one */
    uint64_t got;
    struct held *held;
    unsigned waiting; /* slots in use */
    bool ours;        /* opened here */
    bool stopped;     /* nothing more to send */
    struct {
        uint64_t number, at; /* at 0: free */
    } slots[ECHO_SLOTS];     /* of an echoing client: messages under way, by number */
};

enum phase { PHASE_AGREE, PHASE_RUN, PHASE_DRAIN, PHASE_DONE };

/* A session's. */
struct test {
    const struct tool *tool;
    struct plan plan;
    jp_session *session;
    jp_stream *control;
    enum phase phase;
    bool client, sends, receives;
    bool result_told;
    json_t *result; /* the peer's */
    jp_stream **lanes;
    unsigned n_lanes, turn;
    unsigned ended;          /* of the peer's streams */
    uint64_t cap, cap_at;    /* bytes under way at most, and when that was found */
    uint64_t began, sent_at; /* us: the start, the last acknowledgement */
    uint64_t last_at;        /* the last message received */
    struct tally tally;
    LIST_HEAD(, held) held;
    struct test *next, **link;
};

/* ---- jetperf_flow.c: data ---- */

/* What messages consist of: byte i is i, modulo 256; this many and 256 more of them. */
const uint8_t *pattern(uint32_t size);
/* How many tests are under way. */
unsigned test_count(void);
/* Every test under way looks for what it can do now; before each wait of the loop. */
void test_advance_all(jp_loop *loop);
/* Has the time come for another message? Those that could not be sent in time are made up for. */
bool test_is_due(const struct test *t, uint64_t now);
/* Begin to send and to expect; 0 or an error of the library. */
int test_run(struct test *t);
/* Time is up, or all is sent: half-close. */
void test_drain(struct test *t);
void test_end(struct test *t);
void flow_stream_open(jp_stream *stream);
void flow_message(jp_stream *stream, const void *data, size_t size, const jp_message *message);
void flow_writable(jp_stream *stream);
void flow_stream_close(jp_stream *stream, enum jp_stream_end how);

/* ---- jetperf_echo.c ---- */

void echo_pump(struct test *t);
void echo_check(jp_stream *stream, const uint8_t *data, size_t size);
void echo_answer(jp_stream *stream, const void *data, size_t size);
void echo_go_on(jp_stream *stream);
void echo_release(struct held *held); /* NULL is fine */

/* ---- jetperf_control.c: two jetperfs agree ---- */

void control_ask(struct test *t);
void control_message(jp_stream *stream, const void *data, size_t size);
void control_tell_result(struct test *t);
/* Why the data cannot have been right, or NULL. */
const char *control_verdict(const struct test *t);

/* ---- jetperf_report.c ---- */

void report_interval(const struct test *t, uint64_t now, bool last);
void report_begin(const struct test *t);
void report_end(const struct test *t, const char *verdict);
json_t *report_result(const struct test *t);

/* ---- jetperf.c ---- */

struct lane *lane_of(jp_stream *stream);
struct test *test_of(jp_session *session);
/* A send was refused: nothing when it only has to wait, or the session is over and says why; else
 * the session is closed with what is wrong. */
void test_refused(struct test *t, int error);
/* It is over: report (a client's) and close. */
void test_done(struct test *t);

#endif
