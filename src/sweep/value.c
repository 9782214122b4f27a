/* Text -> typed value and back, by the key's row. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gridshift/config.h"
#include "sweep/words.h"

static void allowed(const gs_key_row *row, char *out, size_t size)
{
    switch (row->type) {
    case GS_TYPE_INT: snprintf(out, size, "an integer from %.0f to %.0f", row->low, row->high); break;
    case GS_TYPE_REAL: snprintf(out, size, "a number from %.10g to %.10g", row->low, row->high); break;
    case GS_TYPE_BOOL: snprintf(out, size, "true or false"); break;
    case GS_TYPE_ENUM: snprintf(out, size, "%s%s", strchr(row->choices, ' ') ? "one of: " : "", row->choices); break;
    }
}

static int refuse(const gs_key_row *row, const char *text, gs_err *e)
{
    char give[256], shown[72];
    allowed(row, give, sizeof give);
    if (!*text) return gs_error(e, "%s has no value; give %s", row->name, give);
    const char *why = row->type == GS_TYPE_ENUM && gs_is_later(text) ? "in this version" : "allowed";
    return gs_error(e, "%s: '%s' is not %s; give %s", row->name, gs_shown(text, shown), why, give);
}

/* A decimal number alone: strtod would also take nan, inf, hex and leading blanks. */
static bool number(const char *text, double *out)
{
    char *end;
    if (!*text || text[strspn(text, "0123456789+-.eE")]) return false;
    *out = strtod(text, &end);
    if (*out == 0) *out = 0; /* -0 would be another id */
    return end != text && !*end && isfinite(*out);
}

static int choice(const char *choices, const char *text)
{
    size_t length = strlen(text);
    int index = 0;
    for (const char *at = choices; length && *at; index++) {
        size_t n = strcspn(at, " ");
        if (n == length && !strncmp(at, text, n)) return index;
        at += n + (at[n] == ' ');
    }
    return -1;
}

static bool parse(const gs_key_row *row, const char *text, gs_value *out)
{
    double x = 0;
    switch (row->type) {
    case GS_TYPE_ENUM: out->i = choice(row->choices, text); return out->i >= 0;
    case GS_TYPE_BOOL: out->i = !strcmp(text, "true"); return out->i || !strcmp(text, "false");
    case GS_TYPE_REAL: return number(text, &out->r) && out->r >= row->low && out->r <= row->high;
    case GS_TYPE_INT:
        if (!number(text, &x) || x != floor(x) || x < row->low || x > row->high) return false;
        out->i = (int64_t)x; /* every bound is far below 2^53 */
        return true;
    }
    return false;
}

int gs_value_parse(gs_key key, const char *text, gs_value *out, gs_err *e)
{
    gs_value v = {.set = true};
    if (!parse(&gs_keys[key], text, &v)) return refuse(&gs_keys[key], text, e);
    *out = v;
    return 0;
}

static const char *choice_text(const char *choices, int64_t index, char out[64])
{
    for (; index > 0; index--) choices += strcspn(choices, " ") + 1;
    size_t length = strcspn(choices, " ");
    memcpy(out, choices, length < 63 ? length : 63);
    out[length < 63 ? length : 63] = 0;
    return out;
}

const char *gs_value_text(gs_key key, gs_value v, char out[64])
{
    out[0] = 0;
    if (!v.set) return out;
    switch (gs_keys[key].type) {
    case GS_TYPE_ENUM: return choice_text(gs_keys[key].choices, v.i, out);
    case GS_TYPE_BOOL: return strcpy(out, v.i ? "true" : "false");
    case GS_TYPE_REAL: return gs_real(v.r, out);
    case GS_TYPE_INT: return gs_whole(v.i, out);
    }
    return out;
}

bool gs_value_same(gs_key key, gs_value a, gs_value b)
{
    if (!a.set || !b.set) return a.set == b.set;
    return gs_keys[key].type == GS_TYPE_REAL ? a.r == b.r : a.i == b.i;
}
