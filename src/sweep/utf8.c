#include "sweep/utf8.h"

/* The bytes of the character at s, or 0 when it is none. */
static int decode(const unsigned char *s, size_t left, uint32_t *out)
{
    static const uint32_t lowest[] = {0, 0, 0x80, 0x800, 0x10000};
    int n = s[0] < 0x80 ? 1 : s[0] >> 5 == 6 ? 2 : s[0] >> 4 == 14 ? 3 : s[0] >> 3 == 30 ? 4 : 0;
    if (!n || (size_t)n > left) return 0;
    uint32_t c = n == 1 ? s[0] : s[0] & (0x7fu >> n);
    for (int i = 1; i < n; i++) {
        if (s[i] >> 6 != 2) return 0;
        c = c << 6 | (s[i] & 0x3fu);
    }
    *out = c;
    return c >= lowest[n] && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff) ? n : 0;
}

static bool printable(uint32_t c)
{
    if (c < 0x20) return c == '\t' || c == '\n' || c == '\r';
    return c != 0xfeff && c != 0xfffe && c != 0xffff && (c < 0x7f || c == 0x85 || c >= 0xa0);
}

static void step(gs_where *at, const char *text, size_t i, size_t length)
{
    bool ends = text[i] == '\n' || (text[i] == '\r' && (i + 1 == length || text[i + 1] != '\n'));
    if (ends) at->line++, at->column = 1;
    else if (text[i] != '\r') at->column++;
}

int gs_utf8_check(const char *path, const char *text, size_t length, gs_err *e)
{
    gs_where at = {1, 1};
    uint32_t c = 0;
    for (size_t i = 0; i < length;) {
        int n = decode((const unsigned char *)text + i, length - i, &c);
        if (!n)
            return gs_error(e, "%s:%d:%d: the byte 0x%02x is not UTF-8; save the file as UTF-8", path, at.line, at.column,
                            (unsigned char)text[i]);
        if (!printable(c))
            return gs_error(e, "%s:%d:%d: the control character U+%04X is not allowed; remove it", path, at.line, at.column, c);
        step(&at, text, i, length);
        i += (size_t)n;
    }
    return 0;
}

char gs_utf8_at(const char *text, size_t length, gs_where where)
{
    gs_where at = {1, 1};
    size_t i = 0;
    for (; i < length && (at.line < where.line || (at.line == where.line && at.column < where.column)); i++)
        if ((i + 1 == length) || ((unsigned char)text[i + 1] & 0xc0) != 0x80) step(&at, text, i, length);
    return i < length ? text[i] : 0;
}
