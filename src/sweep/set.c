/* --set key=value[,value]: replaces a default, or narrows a listed key to some of its values. */
#include <stdlib.h>
#include <string.h>

#include "sweep/parts.h"
#include "sweep/words.h"

static int fail_set(const char *set, gs_err *e, const char *text)
{
    char shown[72];
    return gs_error(e, "--set %s: %s", gs_shown(set, shown), text);
}

static int read_values(const char *set, gs_key key, char *list, gs_term *out, gs_err *e)
{
    gs_err why;
    int room = 1;
    for (const char *c = list; *c; c++) room += *c == ',';
    *out = (gs_term){.key = key, .values = gs_alloc((size_t)room, sizeof *out->values)};
    for (char *next, *text = list; text; text = next) {
        next = strchr(text, ',');
        if (next) *next++ = 0;
        if (gs_value_parse(key, text, &out->values[out->count++], &why)) return fail_set(set, e, why.text);
    }
    return 0;
}

/* The values that runs have where the product and the include rows do not give the key. */
static gs_value base_value(const gs_spec *s, gs_key key)
{
    gs_config c;
    if (s->defaults[key].value.set) return s->defaults[key].value;
    gs_config_defaults(s->defaults[GS_TASK].value.set ? (int)s->defaults[GS_TASK].value.i : GS_TASK_ADDITION, &c);
    return c.v[key];
}

static bool in_rows(const gs_spec *s, gs_key key, const gs_value *v)
{
    for (int i = 0; i < s->include_count; i++)
        for (int t = 0; t < s->include[i].count; t++)
            if (s->include[i].terms[t].key == key && (!v || gs_term_has(&s->include[i].terms[t], *v))) return true;
    return false;
}

/* Whether some run of the file can have the value. */
static bool is_listed(const gs_spec *s, gs_key key, gs_value v)
{
    const gs_term *t;
    if (in_rows(s, key, &v)) return true;
    return gs_axis_of(s, key, &t) ? gs_term_has(t, v) : gs_value_same(key, base_value(s, key), v);
}

static int add_filter(const char *set, gs_spec *s, gs_term *t, gs_err *e)
{
    char text[64];
    for (int i = 0; i < t->count; i++) {
        if (is_listed(s, t->key, t->values[i])) continue;
        gs_value_text(t->key, t->values[i], text);
        return gs_error(e, "--set %s: the sweep file lists %s without %s; choose among its values", set, gs_keys[t->key].name, text);
    }
    s->filters = gs_grow(s->filters, (size_t)s->filter_count + 1, sizeof *s->filters);
    s->filters[s->filter_count++] = *t;
    t->values = NULL;
    return 0;
}

static int apply(const char *set, gs_spec *s, gs_term *t, gs_err *e)
{
    for (int i = 0; i < s->filter_count; i++)
        if (s->filters[i].key == t->key) return fail_set(set, e, "this key is set twice; give one list");
    if (s->replaced[t->key].set) return fail_set(set, e, "this key is set twice; keep one");
    if (gs_axis_of(s, t->key, NULL) || in_rows(s, t->key, NULL)) return add_filter(set, s, t, e);
    if (t->count != 1) return fail_set(set, e, "the sweep file lists no values of this key; give one value");
    s->replaced[t->key] = t->values[0];
    s->any_replaced = true;
    return 0;
}

static int apply_text(const char *set, char *copy, gs_spec *s, gs_err *e)
{
    gs_key key;
    gs_err why;
    gs_reader r = {"", &why};
    char *equals = strchr(copy, '=');
    if (!equals) return fail_set(set, e, "write key=value or key=value,value");
    *equals = 0;
    if (gs_read_key(&r, copy, (gs_where){0, 0}, &key)) return fail_set(set, e, why.text + strlen(":0:0: "));
    gs_term t = {0};
    int failed = read_values(set, key, equals + 1, &t, e) || apply(set, s, &t, e);
    free(t.values);
    return failed ? -1 : 0;
}

int gs_sets_apply(const gs_set *sets, int count, gs_spec *s, gs_err *e)
{
    for (int i = 0; i < count; i++) {
        char *copy = gs_text("%s", sets[i].text);
        int failed = apply_text(sets[i].text, copy, s, e);
        free(copy);
        if (failed) return -1;
    }
    return 0;
}
