/* Preloaded into a program, lets it take half a second to remove a file. */
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

int unlink(const char *path)
{
    usleep(500000);
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}
