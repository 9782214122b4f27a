#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

void gs_cells_add(gs_cells *t, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        gs_die("out of memory");
    va_end(args);
    if ((t->count & (t->count - 1)) == 0) /* full at every power of two */
        t->cell = gs_grow(t->cell, t->count ? 2 * t->count : 1, sizeof *t->cell);
    t->cell[t->count++] = text;
}

static bool is_number(const char *text)
{
    return !*text || isdigit((unsigned char)text[text[0] == '-' || text[0] == '+']);
}

/* A column's width, negative when it is set to the left. */
static int column_width(const gs_cells *t, size_t column)
{
    int width = 0;
    bool numbers = true;
    for (size_t i = column; i < t->count; i += (size_t)t->columns) {
        int length = (int)strlen(t->cell[i]);
        width = length > width ? length : width;
        numbers = numbers && (i == column || is_number(t->cell[i]));
    }
    return numbers ? width : -width;
}

void gs_cells_print(const gs_cells *t, FILE *to)
{
    size_t columns = (size_t)t->columns;
    int *width = gs_alloc(columns, sizeof *width);
    for (size_t j = 0; j < columns; j++)
        width[j] = column_width(t, j);
    for (size_t i = 0; i + columns <= t->count; i += columns) {
        gs_buf row = {0};
        for (size_t j = 0; j < columns; j++)
            gs_buf_add(&row, "%*s  ", width[j], t->cell[i + j]);
        while (row.length && row.text[row.length - 1] == ' ')
            row.length--;
        fprintf(to, "%.*s\n", (int)row.length, row.text);
        gs_buf_free(&row);
    }
    free(width);
}

void gs_cells_free(gs_cells *t)
{
    for (size_t i = 0; i < t->count; i++)
        free(t->cell[i]);
    free(t->cell);
    *t = (gs_cells){.columns = t->columns};
}

const char *gs_bytes_text(int64_t bytes, char out[32])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;
    for (; value >= 1024 && unit < 4; unit++)
        value /= 1024;
    snprintf(out, 32, "%.*f %s", unit && value < 100 ? 1 : 0, value, units[unit]);
    return out;
}

const char *gs_seconds_text(double seconds, char out[32])
{
    if (seconds < 9.95) {
        snprintf(out, 32, "%.1f s", seconds);
        return out;
    }
    long s = seconds < 1e15 ? (long)ceil(seconds) : 0;
    if (s < 60)
        snprintf(out, 32, "%ld s", s);
    else if (s < 3600)
        snprintf(out, 32, "%ld:%02ld", s / 60, s % 60);
    else
        snprintf(out, 32, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    return out;
}
