/* Standard input there, and what comes from there on standard output. */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "jetcat.h"

static void *send_input(void *argument)
{
    struct jetcat *j = argument;
    ssize_t n;

    while ((n = read(STDIN_FILENO, j->buffer + 1, CHUNK)) != 0)
        if (n > 0)
            wire_send(j, (size_t)n);
        else if (errno != EINTR)
            wire_fail(j, TOOL_FAILED, "standard input: %s", strerror(errno));
    wire_tell(j, json_pack("{s:b}", "end", 1));
    return NULL;
}

static void print(struct jetcat *j, const uint8_t *data, size_t size)
{
    for (ssize_t n; size; data += n, size -= (size_t)n) {
        n = write(STDOUT_FILENO, data, size);
        if (n < 0 && errno != EINTR)
            wire_fail(j, TOOL_FAILED, "standard output: %s", strerror(errno));
        if (n < 0)
            n = 0;
    }
}

void pipe_run(struct jetcat *j)
{
    bool ended = false, done = false; /* what they send, and what we sent */
    jp_received *data;
    pthread_t sender;
    json_t *json;

    if (pthread_create(&sender, NULL, send_input, j) != 0)
        tool_fail(&j->tool, TOOL_FAILED, "no thread for standard input");
    while (!ended || !done) {
        json = wire_receive(j, &data);
        if (!json) {
            print(j, (const uint8_t *)data->data + 1, data->size - 1);
            jp_received_free(data);
        } else if (json_object_get(json, "end")) {
            ended = true;
            wire_tell(j, json_pack("{s:b}", "done", 1));
        } else {
            done = true;
        }
        json_decref(json);
    }
    pthread_join(sender, NULL);
}
