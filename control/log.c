#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

const char *const log_level_names[LOG_LEVELS] = {"error", "warning", "info", "debug"};

static enum log_level max_level = LOG_INFO;

void log_set_level(enum log_level level)
{
    max_level = level;
}

void log_write(enum log_level level, const char *format, ...)
{
    char line[512];
    struct timespec now;
    struct tm utc;
    size_t used;
    va_list args;

    if (level > max_level)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    used = strftime(line, sizeof(line), "%FT%T", &utc);
    used += (size_t)snprintf(line + used, sizeof(line) - used,
                             ".%03ldZ %s: ", now.tv_nsec / 1000000, log_level_names[level]);
    va_start(args, format);
    vsnprintf(line + used, sizeof(line) - used - 1, format, args);
    va_end(args);
    dprintf(STDERR_FILENO, "%s\n", line); /* one write: lines of several processes do not mix */
}
