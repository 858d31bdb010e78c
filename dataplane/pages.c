#include "pages.h"

#include <sys/mman.h>

void *pages_map(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);

    if (p == MAP_FAILED)
        return NULL;
    madvise(p, size, MADV_HUGEPAGE); /* objects are hit at random: the TLB counts */
    madvise(p, size, MADV_DONTDUMP); /* keys and messages stay out of core files */
    return p;
}
