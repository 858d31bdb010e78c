/* Text for people: aligned tables, numbers with units. */
#ifndef CTL_PRINT_H
#define CTL_PRINT_H

#include <stdbool.h>

enum { PRINT_MAX = 32 };

/* Write into text and return it. */
const char *print_count(char text[PRINT_MAX], long long n);      /* 1,234,567 */
const char *print_rate(char text[PRINT_MAX], double per_second); /* 1.23 M */
const char *print_bytes(char text[PRINT_MAX], double bytes);     /* 1.2 MiB */
const char *print_duration(char text[PRINT_MAX], double ms); /* 120 ms, 3.2 s, 5 min, 2.5 h, 3 d */

/* A table whose columns become as wide as they need. */
struct table {
    unsigned columns;
    const char *align; /* one letter a column: l or r */
    unsigned cells, room;
    char **cell;
};

struct table table_new(const char *align);
/* Append the next cell, row by row. */
void table_cell(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Print on stdout and free. */
void table_print(struct table *table);

#endif
