#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gridshift/base.h"

char *gs_text_of(const char *format, va_list args)
{
    char *text;
    if (vasprintf(&text, format, args) < 0) gs_die("out of memory for a text");
    return text;
}

char *gs_text(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = gs_text_of(format, args);
    va_end(args);
    return text;
}

static void reserve(gs_buf *b, size_t more)
{
    if (b->length + more + 1 <= b->capacity) return;
    b->capacity = (b->length + more + 1) * 2;
    b->text = gs_grow(b->text, b->capacity, 1);
}

void gs_buf_bytes(gs_buf *b, const void *bytes, size_t count)
{
    reserve(b, count);
    memcpy(b->text + b->length, bytes, count);
    b->length += count;
    b->text[b->length] = 0;
}

void gs_buf_add(gs_buf *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    size_t room = b->capacity - b->length; /* most texts fit at once */
    int n = vsnprintf(room ? b->text + b->length : NULL, room, format, args);
    va_end(args);
    if (n < 0) gs_die("a text cannot be formatted");
    if ((size_t)n >= room) {
        reserve(b, (size_t)n);
        vsnprintf(b->text + b->length, (size_t)n + 1, format, again);
    }
    va_end(again);
    b->length += (size_t)n;
}

void gs_buf_free(gs_buf *b)
{
    free(b->text);
    *b = (gs_buf){0};
}

const char *gs_whole(int64_t value, char out[32])
{
    char digits[32], *at = digits + sizeof digits, *to = out;
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
    do {
        *--at = (char)('0' + rest % 10);
    } while (rest /= 10);
    if (value < 0) *to++ = '-';
    size_t length = (size_t)(digits + sizeof digits - at);
    memcpy(to, at, length);
    to[length] = 0;
    return out;
}

const char *gs_real(double value, char out[32])
{
    if (isnan(value)) return strcpy(out, "nan");
    if (isinf(value)) return strcpy(out, value > 0 ? "inf" : "-inf");
    if (value >= 0 && value < 1e5 && value == floor(value) && !signbit(value)) return gs_whole((int64_t)value, out);
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(out, 32, "%.*g", digits, value);
        if (strtod(out, NULL) == value) break;
    }
    char whole[32];
    if (fabs(value) < 1e15 && value == floor(value) && strchr(out, 'e')) { /* 1e+02 is longer than 100 */
        snprintf(whole, sizeof whole, "%.0f", value);
        if (strlen(whole) <= strlen(out)) return strcpy(out, whole);
    }
    const char *point = localeconv()->decimal_point;
    char *at = *point == '.' ? NULL : strstr(out, point);
    if (at) *at = '.'; /* a one-byte point, as every locale of glibc has */
    return out;
}
