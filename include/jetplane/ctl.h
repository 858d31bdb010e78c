/* jetplaned <-> jetctl (and whoever else asks): a SOCK_STREAM Unix socket, one JSON object a line
 * each way.
 *
 *   request   {"command": NAME, ...arguments}
 *   answer    {"result": {...}} or {"error": TEXT}
 *
 * Answers come in the order of requests, one at a time. jetplaned closes a connection that has been
 * idle for JP_CTL_IDLE_S, that leaves a line unfinished or an answer unread for JP_CTL_PATIENCE_S,
 * or that sends a line longer than JP_CTL_LINE_MAX. The commands, with arguments and results, are
 * in docs/control-protocol.md. */
#ifndef JETPLANE_CTL_H
#define JETPLANE_CTL_H

#define JP_CTL_SOCKET "/run/jetplane/jetctl.sock"

enum {
    JP_CTL_LINE_MAX = 4096, /* of a request, newline included */
    JP_CTL_CLIENTS_MAX = 32,
    JP_CTL_PATIENCE_S = 5,
    JP_CTL_IDLE_S = 60,
};

/* What jetplaned counts itself; they only grow while it lives. X(name, description) */
#define JP_HANDSHAKES(X)                                                                           \
    X(ok, "sessions installed")                                                                    \
    X(repeated, "hellos repeated: answered as before")                                             \
    X(retries, "cookies demanded")                                                                 \
    X(malformed, "hellos malformed")                                                               \
    X(no_suite, "hellos without a cipher suite in common")                                         \
    X(bad_cookie, "hellos with an expired or foreign cookie")                                      \
    X(bad_share, "hellos with an invalid key share")                                               \
    X(bad_ticket, "resumptions refused: ticket unknown, old or used")                              \
    X(resumed, "sessions resumed")                                                                 \
    X(limited, "hellos above the rate limits")                                                     \
    X(busy, "hellos while too many sessions were being installed")                                 \
    X(full, "hellos while the data plane had all its sessions")                                    \
    X(spi_taken, "installs tried again because the SPI was taken")                                 \
    X(refused, "installs refused by the data plane")                                               \
    X(lost, "installs without an answer from the data plane")                                      \
    X(resets, "resets sent")                                                                       \
    X(resets_limited, "resets not sent: above the rate limit")

/* The same of TCP. X(name, description) */
#define JP_TCP(X)                                                                                  \
    X(accepted, "connections taken")                                                               \
    X(refused, "connections closed at once: too many, in all or of one network")                   \
    X(overdue, "connections closed: silent, or too long without a session or with half a packet")  \
    X(violations, "connections closed for what is no packet's length")                             \
    X(hellos, "hellos received")                                                                   \
    X(received, "data packets received")                                                           \
    X(useless, "packets received that are none for a server")                                      \
    X(sent, "packets sent, keepalives too")                                                        \
    X(overflowed, "packets not sent: their connection takes no more for now")                      \
    X(gone, "packets not sent: their connection has ended")

#endif
