/* Whether a text is UTF-8 without the control characters that YAML forbids. Local. */
#ifndef GS_SWEEP_UTF8_H
#define GS_SWEEP_UTF8_H
#include "gridshift/sweep.h"

/* -> 0, or -1 with FILE:LINE:COLUMN in the message. */
int gs_utf8_check(const char *path, const char *text, size_t length, gs_err *e);
/* The byte at a line and column of characters, both from 1; 0 past the end. */
char gs_utf8_at(const char *text, size_t length, gs_where where);
#endif
