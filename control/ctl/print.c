#include "print.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *print_count(char text[PRINT_MAX], long long n)
{
    char digits[PRINT_MAX];
    int len = snprintf(digits, sizeof(digits), "%lld", n);
    char *to = text;

    for (int i = 0; i < len && to < text + PRINT_MAX - 2; i++) {
        *to++ = digits[i];
        if (i + 1 < len && digits[i] != '-' && (len - i - 1) % 3 == 0)
            *to++ = ',';
    }
    *to = '\0';
    return text;
}

const char *print_rate(char text[PRINT_MAX], double n)
{
    static const char *const units[] = {"", " k", " M", " G", " T"};
    unsigned unit = 0;

    while (n >= 999.95 && unit < 4) {
        n /= 1000;
        unit++;
    }
    snprintf(text, PRINT_MAX, unit == 0 ? "%.0f%s" : "%.2f%s", n, units[unit]);
    return text;
}

const char *print_bytes(char text[PRINT_MAX], double n)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    unsigned unit = 0;

    while (n >= 1023.95 && unit < 5) {
        n /= 1024;
        unit++;
    }
    snprintf(text, PRINT_MAX, unit == 0 ? "%.0f %s" : "%.1f %s", n, units[unit]);
    return text;
}

const char *print_duration(char text[PRINT_MAX], double ms)
{
    if (ms < 1000)
        snprintf(text, PRINT_MAX, "%.0f ms", ms);
    else if (ms < 120e3)
        snprintf(text, PRINT_MAX, "%.1f s", ms / 1e3);
    else if (ms < 7200e3)
        snprintf(text, PRINT_MAX, "%.0f min", ms / 60e3);
    else if (ms < 172800e3)
        snprintf(text, PRINT_MAX, "%.1f h", ms / 3600e3);
    else
        snprintf(text, PRINT_MAX, "%.1f d", ms / 86400e3);
    return text;
}

struct table table_new(const char *align)
{
    return (struct table){.columns = (unsigned)strlen(align), .align = align};
}

void table_cell(struct table *t, const char *format, ...)
{
    va_list args;
    int rc;

    if (t->cells == t->room) {
        t->room = t->room ? 2 * t->room : 64;
        t->cell = realloc(t->cell, t->room * sizeof(*t->cell));
        if (!t->cell)
            abort();
    }
    va_start(args, format);
    rc = vasprintf(&t->cell[t->cells++], format, args);
    va_end(args);
    if (rc < 0)
        abort();
}

static int width(const struct table *t, unsigned column)
{
    size_t widest = 0;

    for (unsigned i = column; i < t->cells; i += t->columns)
        if (strlen(t->cell[i]) > widest)
            widest = strlen(t->cell[i]);
    return (int)widest;
}

void table_print(struct table *t)
{
    int *widths = calloc(t->columns, sizeof(*widths));

    if (!widths)
        abort();
    for (unsigned i = 0; i < t->columns; i++)
        widths[i] = width(t, i);
    for (unsigned i = 0; i < t->cells; i++) {
        unsigned column = i % t->columns;
        bool last = column + 1 == t->columns;

        if (t->align[column] == 'r')
            printf("%*s", widths[column], t->cell[i]);
        else
            printf("%-*s", last ? 0 : widths[column], t->cell[i]);
        fputs(last ? "\n" : "  ", stdout);
        free(t->cell[i]);
    }
    free(widths);
    free(t->cell);
    *t = (struct table){0};
}
