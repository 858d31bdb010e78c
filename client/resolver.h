/* The helper threads that wait for name servers. */
#ifndef CLIENT_RESOLVER_H
#define CLIENT_RESOLVER_H

/* End them, when what they do is done. Nothing waits for them any more: no loop is alive. */
void resolver_shutdown(void);

#endif
