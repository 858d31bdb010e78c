#include "client.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { PATIENCE_S = 5 };

struct answer answer_error(int code, const char *format, ...)
{
    struct answer answer = {.code = code};
    va_list args;

    va_start(args, format);
    vsnprintf(answer.error, sizeof(answer.error), format, args);
    va_end(args);
    return answer;
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = PATIENCE_S};
    int fd;

    if (strlen(path) >= sizeof(address.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        int error = errno;

        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/* Send text and a newline. */
static bool send_line(int fd, const char *text)
{
    size_t len = strlen(text), sent = 0;

    while (sent <= len) {
        ssize_t n = sent < len ? send(fd, text + sent, len - sent, MSG_NOSIGNAL)
                               : send(fd, "\n", 1, MSG_NOSIGNAL);

        if (n <= 0)
            return false;
        sent += (size_t)n;
    }
    return true;
}

/* Feeds the JSON parser; the socket's timeout holds for each read. */
static size_t receive(void *buffer, size_t size, void *arg)
{
    const int *fd = arg;
    ssize_t n = recv(*fd, buffer, size, 0);

    return n < 0 ? (size_t)-1 : (size_t)n;
}

static struct answer parse(json_t *reply)
{
    const char *error = json_string_value(json_object_get(reply, "error"));
    struct answer answer = {.result = json_incref(json_object_get(reply, "result"))};

    if (error)
        answer = answer_error(CTL_REFUSED, "%s", error);
    else if (!answer.result)
        answer = answer_error(CTL_FAILED, "jetplaned gave no answer");
    json_decref(reply);
    return answer;
}

struct answer client_ask(const char *socket, json_t *request)
{
    int fd = connect_to(socket);
    char *text = json_dumps(request, JSON_COMPACT);
    struct answer answer;

    json_decref(request);
    if (fd < 0) {
        answer =
            answer_error(CTL_FAILED, "cannot reach jetplaned at %s: %s", socket, strerror(errno));
    } else {
        /* jetplaned may refuse before it reads, so its answer is looked for even if sending failed
         */
        if (text)
            send_line(fd, text);
        answer = parse(json_load_callback(receive, &fd, JSON_DISABLE_EOF_CHECK, NULL));
        close(fd);
    }
    free(text);
    return answer;
}
