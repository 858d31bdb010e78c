/* What may go wrong. Functions of libjetplane return 0 (or a count) or one of these, all negative;
 * the text fits a sentence, the detail says what it was about. Values never change meaning.
 *
 * X(name, value, text) */
#ifndef JETPLANE_ERROR_H
#define JETPLANE_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

#define JP_ERRORS(X)                                                                               \
    X(JP_INVALID, -1, "invalid argument")                                                          \
    X(JP_NO_MEMORY, -2, "out of memory")                                                           \
    X(JP_NO_DESCRIPTORS, -3, "too many open files")                                                \
    X(JP_NOT_INITIALISED, -4, "jp_init was not called")                                            \
    X(JP_WRONG_THREAD, -5, "object used outside its loop's thread")                                \
    X(JP_BUSY, -6, "objects that depend on it are still alive")                                    \
    X(JP_RUNNING, -7, "the loop is running")                                                       \
    X(JP_SYSTEM, -8, "unexpected answer of the operating system")                                  \
    X(JP_ADDRESS_SYNTAX, -100, "not an address")                                                   \
    X(JP_ADDRESS_INTERFACE, -101, "no such network interface")                                     \
    X(JP_ADDRESS_UNKNOWN_HOST, -102, "unknown host")                                               \
    X(JP_ADDRESS_TRY_AGAIN, -103, "name servers do not answer")                                    \
    X(JP_ADDRESS_FAILED, -199, "host name lookup failed")                                          \
    X(JP_CONNECT_REFUSED, -200, "connection refused")                                              \
    X(JP_CONNECT_UNREACHABLE, -201, "peer unreachable")                                            \
    X(JP_CONNECT_TIMEOUT, -202, "no answer from the peer")                                         \
    X(JP_CONNECT_PROHIBITED, -203, "connecting is not permitted")                                  \
    X(JP_CONNECT_IDENTITY, -204, "the server's key is not trusted")                                \
    X(JP_CONNECT_TRANSPORT, -205, "the server does not offer streams")                             \
    X(JP_CONNECT_ABORTED, -206, "closed before it was connected")                                  \
    X(JP_CONNECT_FAILED, -299, "connecting failed")                                                \
    X(JP_BIND_IN_USE, -300, "address already in use")                                              \
    X(JP_BIND_UNAVAILABLE, -301, "not an address of this host")                                    \
    X(JP_BIND_PROHIBITED, -302, "binding this address is not permitted")                           \
    X(JP_BIND_UNSUPPORTED, -303, "address family not supported by this host")                      \
    X(JP_BIND_FAILED, -399, "binding failed")                                                      \
    X(JP_LISTEN_IN_USE, -400, "something listens on this address already")                         \
    X(JP_LISTEN_STEERING, -401, "the kernel refuses to steer packets to their loops")              \
    X(JP_LISTEN_FAILED, -499, "listening failed")                                                  \
    X(JP_ACCEPT_WOULD_BLOCK, -500, "no connection waits")                                          \
    X(JP_ACCEPT_ABORTED, -501, "the peer gave up before it was accepted")                          \
    X(JP_ACCEPT_FAILED, -599, "accepting failed")                                                  \
    X(JP_SEND_WOULD_BLOCK, -600, "send buffers are full")                                          \
    X(JP_SEND_TOO_BIG, -601, "larger than the path or its format allows")                          \
    X(JP_SEND_UNREACHABLE, -602, "destination unreachable")                                        \
    X(JP_SEND_PROHIBITED, -603, "sending there is not permitted")                                  \
    X(JP_SEND_SOURCE, -604, "source is not an address of this host")                               \
    X(JP_SEND_CLOSED, -605, "the stream or session is over")                                       \
    X(JP_SEND_STREAMS, -606, "the peer allows no more streams")                                    \
    X(JP_SEND_FAILED, -699, "sending failed")                                                      \
    X(JP_RECEIVE_WOULD_BLOCK, -700, "nothing to receive")                                          \
    X(JP_RECEIVE_REFUSED, -701, "the peer's host says nobody listens there")                       \
    X(JP_RECEIVE_CLOSED, -702, "nothing more can come")                                            \
    X(JP_RECEIVE_FAILED, -799, "receiving failed")                                                 \
    X(JP_IDENTITY_FILE, -800, "key file cannot be used")                                           \
    X(JP_IDENTITY_SYNTAX, -801, "not a key")                                                       \
    X(JP_IDENTITY_FAILED, -899, "key file cannot be read or written")

enum jp_error {
    JP_OK = 0,
#define X(name, value, text) name = value,
    JP_ERRORS(X)
#undef X
};

/* Static texts; any int is allowed. The name is the constant's, the operation one of "connect",
 * "bind", ... or "" for general errors. */
const char *jp_error_text(int error);
const char *jp_error_name(int error);
const char *jp_error_operation(int error);

/* What the last call that failed in this thread said: the function, and what was wrong with what.
 * Valid until the next one fails. */
const char *jp_error_detail(void);

#ifdef __cplusplus
}
#endif

#endif
