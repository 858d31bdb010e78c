#include "pages.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static void say_unlocked(int error)
{
    static bool said;

    if (!said)
        fprintf(stderr,
                "jetplane-dp: sessions' keys may be swapped out: their memory cannot be locked: %s "
                "(see ulimit -l)\n",
                strerror(error));
    said = true;
}

void *pages_map(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);

    if (p == MAP_FAILED)
        return NULL;
    madvise(p, size, MADV_HUGEPAGE); /* objects are hit at random: the TLB counts */
    /* keys and messages stay out of core files and swap space */
    madvise(p, size, MADV_DONTDUMP);
    if (mlock2(p, size, MLOCK_ONFAULT) < 0)
        say_unlocked(errno);
    return p;
}
