/* SIGINT and SIGTERM ask everything to end in order; a second one ends at once. */
#ifndef PKTGEN_INTERRUPT_H
#define PKTGEN_INTERRUPT_H

#include <signal.h>

extern volatile sig_atomic_t interrupted;

void interrupt_catch(void);

#endif
