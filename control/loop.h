/* The event loop: level-triggered epoll, one event a turn, so a handler may remove any watch. */
#ifndef CONTROL_LOOP_H
#define CONTROL_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct loop_watch {
    int fd;
    void (*ready)(void *arg, uint32_t events); /* EPOLLIN, EPOLLOUT ... */
    void *arg;
};

struct loop {
    int epoll;
    bool stopping;
};

/* All: 0 or -errno. A watch belongs to the caller and stays in place until removed. */
int loop_open(struct loop *loop);
void loop_close(struct loop *loop);
int loop_add(struct loop *loop, struct loop_watch *watch, uint32_t events);
int loop_change(struct loop *loop, struct loop_watch *watch, uint32_t events);
/* Before closing watch->fd. */
void loop_remove(struct loop *loop, struct loop_watch *watch);

/* Until loop_stop, or -errno. */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

#endif
