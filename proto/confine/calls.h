/* The system calls that filter.c decides about. */
#ifndef CONFINE_CALLS_H
#define CONFINE_CALLS_H

struct call {
    int number; /* negative where the architecture has no such call */
    const char *name;
};

/* What no program of ours does, and what who took one over wants. */
extern const struct call calls_dangerous[];
extern const unsigned calls_dangerous_n;
/* What jetplaned's loop and every C program do; then what else our tools do. */
extern const struct call calls_common[];
extern const unsigned calls_common_n;
extern const struct call calls_tool[];
extern const unsigned calls_tool_n;

#endif
