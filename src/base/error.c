#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "gridshift/base.h"

static void (*die_hook)(void); /* the one global of the library: where a dying rank tells the others */

int gs_error(gs_err *e, const char *format, ...)
{
    if (!e) return -1;
    e->system = 0;
    va_list args;
    va_start(args, format);
    vsnprintf(e->text, sizeof e->text, format, args);
    va_end(args);
    return -1;
}

void gs_die_hook(void (*hook)(void)) { die_hook = hook; }

void gs_die_at(const char *file, int line, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(stderr, "gridshift: bug or broken system at %s:%d: %s\n", file, line, text);
    fflush(stderr);
    if (die_hook) die_hook();
    abort();
}
