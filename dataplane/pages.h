/* A worker's own memory: what only it touches, and no device. */
#ifndef DATAPLANE_PAGES_H
#define DATAPLANE_PAGES_H

#include <stddef.h>

/* Zero pages, huge ones where the kernel has them, that cost memory when they are first touched,
 * from the toucher's socket; left out of core files, and locked as they are touched: where that
 * is not allowed, a line on stderr says so, once. For the main lcore. NULL: no addresses. munmap
 * them. */
void *pages_map(size_t size);

#endif
