/* Column store of configs. A sweep of a million runs varies a handful of keys: whole configs would take 1.6 GB. */
#include "gridshift/configs.h"

#include <stdlib.h>
#include <string.h>

static const int64_t ABSENT = INT64_MAX; /* no integer of the key table is so large, and as a double it is not a number */

int64_t gs_value_pack(gs_key key, gs_value v)
{
    int64_t bits = v.i;
    if (!v.set) return ABSENT;
    if (gs_keys[key].type == GS_TYPE_REAL) memcpy(&bits, &v.r, sizeof bits);
    return bits;
}

gs_value gs_value_unpack(gs_key key, int64_t bits)
{
    if (bits == ABSENT) return (gs_value){0};
    if (gs_keys[key].type != GS_TYPE_REAL) return (gs_value){.set = true, .i = bits};
    gs_value v = {.set = true};
    memcpy(&v.r, &bits, sizeof v.r);
    return v;
}

void gs_configs_reserve(gs_configs *s, int capacity)
{
    if (capacity <= s->capacity) return;
    s->capacity = capacity;
    for (int k = 0; k < GS_KEY_COUNT; k++)
        if (s->columns[k]) s->columns[k] = gs_grow(s->columns[k], (size_t)capacity, sizeof *s->columns[k]);
}

static void open_column(gs_configs *s, gs_key key)
{
    int64_t *column = gs_alloc((size_t)s->capacity, sizeof *column), bits = gs_value_pack(key, s->base.v[key]);
    for (int i = 0; i < s->count; i++) column[i] = bits;
    s->columns[key] = column;
}

void gs_configs_set(gs_configs *s, int index, gs_key key, gs_value v)
{
    if (!s->columns[key] && gs_value_same(key, v, s->base.v[key])) return;
    if (!s->columns[key]) open_column(s, key);
    s->columns[key][index] = gs_value_pack(key, v);
}

void gs_configs_add(gs_configs *s, const gs_config *c)
{
    if (!s->count) s->base = *c;
    if (s->count == s->capacity) gs_configs_reserve(s, 2 * s->capacity + 16);
    int at = s->count++;
    for (int k = 0; k < GS_KEY_COUNT; k++) gs_configs_set(s, at, (gs_key)k, c->v[k]);
}

void gs_configs_free(gs_configs *s)
{
    for (int k = 0; k < GS_KEY_COUNT; k++) free(s->columns[k]);
    *s = (gs_configs){0};
}

gs_value gs_configs_value(const gs_configs *s, int index, gs_key key)
{
    return s->columns[key] ? gs_value_unpack(key, s->columns[key][index]) : s->base.v[key];
}

void gs_configs_get(const gs_configs *s, int index, gs_config *out)
{
    *out = s->base;
    for (int k = 0; k < GS_KEY_COUNT; k++)
        if (s->columns[k]) out->v[k] = gs_value_unpack((gs_key)k, s->columns[k][index]);
}

/* -> whether the column still has more than one value */
static bool keep_column(const int64_t *column, const int *order, int count, int64_t *out)
{
    bool varies = false;
    for (int i = 0; i < count; i++) {
        out[i] = column[order[i]];
        varies = varies || out[i] != out[0];
    }
    return varies;
}

void gs_configs_keep(gs_configs *s, const int *order, int count)
{
    for (int k = 0; k < GS_KEY_COUNT; k++) {
        if (!s->columns[k]) continue;
        int64_t *kept = gs_alloc((size_t)count, sizeof *kept);
        bool varies = keep_column(s->columns[k], order, count, kept);
        if (count) s->base.v[k] = gs_value_unpack((gs_key)k, kept[0]);
        free(s->columns[k]);
        s->columns[k] = varies ? kept : NULL;
        if (!varies) free(kept);
    }
    s->count = s->capacity = count;
}

/* -- classes ----------------------------------------------------------------------------------------------- */

typedef struct columns {
    int count;
    const int64_t *at[GS_KEY_COUNT];
} columns;

static columns columns_but(const gs_configs *s, const gs_key *ignored, int ignored_count)
{
    columns c = {0};
    for (int k = 0; k < GS_KEY_COUNT; k++) {
        bool ignore = false;
        for (int i = 0; i < ignored_count; i++) ignore = ignore || (int)ignored[i] == k;
        if (s->columns[k] && !ignore) c.at[c.count++] = s->columns[k];
    }
    return c;
}

static size_t hash_row(const columns *c, int row)
{
    uint64_t h = 0;
    for (int k = 0; k < c->count; k++) {
        h = (h ^ (uint64_t)c->at[k][row]) * 0x9e3779b97f4a7c15ULL;
        h ^= h >> 29;
    }
    return (size_t)(h ^ h >> 32);
}

static bool same_row(const columns *c, int a, int b)
{
    for (int k = 0; k < c->count; k++)
        if (c->at[k][a] != c->at[k][b]) return false;
    return true;
}

gs_classes gs_configs_classes(const gs_configs *s, const gs_key *ignored, int ignored_count)
{
    columns c = columns_but(s, ignored, ignored_count);
    size_t slots = 64;
    while (slots < 2 * (size_t)s->count) slots *= 2;
    int *slot = gs_alloc(slots, sizeof *slot); /* class + 1, 0: free */
    gs_classes out = {.of = gs_alloc((size_t)s->count, sizeof *out.of), .first = gs_alloc((size_t)s->count, sizeof *out.first)};
    for (int i = 0; i < s->count; i++) {
        size_t at = hash_row(&c, i) & (slots - 1);
        while (slot[at] && !same_row(&c, out.first[slot[at] - 1], i)) at = (at + 1) & (slots - 1);
        if (!slot[at]) {
            out.first[out.count] = i;
            slot[at] = ++out.count;
        }
        out.of[i] = slot[at] - 1;
    }
    free(slot);
    out.first = gs_grow(out.first, (size_t)out.count, sizeof *out.first);
    return out;
}

void gs_classes_free(gs_classes *c)
{
    free(c->of);
    free(c->first);
    *c = (gs_classes){0};
}
