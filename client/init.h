/* What the whole process shares: the count of jp_init, and of loops that need it. */
#ifndef CLIENT_INIT_H
#define CLIENT_INIT_H

/* A loop comes to life: JP_NOT_INITIALISED, with detail, before jp_init. From any thread. */
int init_hold(const char *what);
void init_release(void);

#endif
