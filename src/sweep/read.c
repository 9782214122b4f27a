#include "sweep/read.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sweep/words.h"

int gs_fail(const gs_reader *r, gs_where at, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return gs_error(r->e, "%s:%d:%d: %s", r->path, at.line, at.column, text);
}

static const char *const kind_names[] = {"one value", "a list", "a map"};

static int expect(const gs_reader *r, const gs_node *n, gs_node_kind kind, const char *what)
{
    if (n->kind == kind) return 0;
    return gs_fail(r, n->where, "%s must be %s, and this is %s", what, kind_names[kind], kind_names[n->kind]);
}

int gs_read_map(const gs_reader *r, const gs_node *n, const char *what) { return expect(r, n, GS_NODE_MAP, what); }
int gs_read_list(const gs_reader *r, const gs_node *n, const char *what) { return expect(r, n, GS_NODE_LIST, what); }

/* -- options ----------------------------------------------------------------------------------------------- */

static int index_of(const char *word, const char *const *names, int count)
{
    for (int i = 0; i < count; i++)
        if (!strcmp(names[i], word)) return i;
    return -1;
}

static void join(const char *const *names, int count, char *out, size_t size)
{
    size_t used = 0;
    for (int i = 0; i < count && used < size; i++) used += (size_t)snprintf(out + used, size - used, "%s%s", i ? ", " : "", names[i]);
}

static int unknown(const gs_reader *r, gs_where at, const char *what, const char *word, const char *const *names, int count)
{
    char shown[72], all[512];
    gs_shown(word, shown);
    join(names, count, all, sizeof all);
    if (gs_is_later(word)) return gs_fail(r, at, "%s: '%s' is not in this version; there are: %s", what, shown, all);
    const char *near = gs_word_nearest(word, names, count);
    if (near) return gs_fail(r, at, "%s: unknown word '%s'; did you mean '%s'?", what, shown, near);
    return gs_fail(r, at, "%s: unknown word '%s'; there are: %s", what, shown, all);
}

int gs_read_options(const gs_reader *r, const gs_node *n, const char *what, const char *const *names, int count, const gs_node **found)
{
    for (int i = 0; i < count; i++) found[i] = NULL;
    if (gs_read_map(r, n, what)) return -1;
    for (int i = 0; i < n->count; i++) {
        int index = index_of(n->keys[i].text, names, count);
        if (index < 0) return unknown(r, n->keys[i].where, what, n->keys[i].text, names, count);
        found[index] = n->items[i];
    }
    return 0;
}

/* -- scalars ----------------------------------------------------------------------------------------------- */

int gs_read_text(const gs_reader *r, const gs_node *n, const char *what, const char **out)
{
    if (expect(r, n, GS_NODE_SCALAR, what)) return -1;
    *out = n->text;
    return *n->text ? 0 : gs_fail(r, n->where, "%s has no value", what);
}

int gs_read_real(const gs_reader *r, const gs_node *n, const char *what, double *out)
{
    const char *text;
    char *end, shown[72];
    if (gs_read_text(r, n, what, &text)) return -1;
    *out = strtod(text, &end);
    bool plain = end != text && !*end && !text[strspn(text, "0123456789+-.eE")] && isfinite(*out);
    return plain ? 0 : gs_fail(r, n->where, "%s: '%s' is not a number", what, gs_shown(text, shown));
}

int gs_read_positive(const gs_reader *r, const gs_node *n, const char *what, double *out)
{
    if (gs_read_real(r, n, what, out)) return -1;
    return *out > 0 ? 0 : gs_fail(r, n->where, "%s must be more than 0", what);
}

int gs_read_whole(const gs_reader *r, const gs_node *n, const char *what, int64_t low, int64_t high, int64_t *out)
{
    double x;
    if (gs_read_real(r, n, what, &x)) return -1;
    if (x != floor(x) || x < (double)low || x > (double)high)
        return gs_fail(r, n->where, "%s must be a whole number from %" PRId64 " to %" PRId64, what, low, high);
    *out = (int64_t)x;
    return 0;
}

int gs_read_choice(const gs_reader *r, const gs_node *n, const char *what, const char *const *names, int count, int *out)
{
    const char *text;
    if (gs_read_text(r, n, what, &text)) return -1;
    *out = index_of(text, names, count);
    return *out >= 0 ? 0 : unknown(r, n->where, what, text, names, count);
}

int gs_read_file_name(const gs_reader *r, gs_where at, const char *what, const char *text)
{
    char shown[72];
    bool good = *text && *text != '.' && *text != '-' && strlen(text) <= 100;
    for (const char *c = text; *c; c++)
        good = good && ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || strchr("._-", *c));
    if (good) return 0;
    return gs_fail(r, at, "%s '%s' names files; use up to 100 letters, digits, _, - and ., and begin with a letter or digit", what,
                   gs_shown(text, shown));
}

/* -- keys and values --------------------------------------------------------------------------------------- */

/* The first key of a family, for "ffn: {kind: dense}"; NULL when there is none. */
static const char *family(const char *name)
{
    size_t n = strlen(name);
    for (int k = 0; k < GS_KEY_COUNT; k++)
        if (!strncmp(gs_keys[k].name, name, n) && gs_keys[k].name[n] == '.') return gs_keys[k].name;
    return NULL;
}

int gs_read_key(const gs_reader *r, const char *name, gs_where at, gs_key *out)
{
    char shown[72];
    int key = gs_key_find(name);
    if (key >= 0) {
        *out = (gs_key)key;
        return 0;
    }
    gs_shown(name, shown);
    if (gs_is_later(name)) return gs_fail(r, at, "the key '%s' is not in this version; remove it", shown);
    const char *member = family(name), *near = gs_key_nearest(name);
    if (member) return gs_fail(r, at, "'%s' is no key by itself; keys are flat, dotted names such as %s", shown, member);
    if (near) return gs_fail(r, at, "unknown key '%s'; did you mean '%s'?", shown, near);
    return gs_fail(r, at, "unknown key '%s'; `gridshift keys` lists all", shown);
}

int gs_read_value(const gs_reader *r, gs_key key, const gs_node *n, gs_value *out)
{
    gs_err why;
    if (n->kind == GS_NODE_MAP)
        return gs_fail(r, n->where, "%s has a map as its value; keys are flat, dotted names, and a value is one word or number",
                       gs_keys[key].name);
    if (n->kind == GS_NODE_LIST) return gs_fail(r, n->where, "%s takes one value here; lists belong under `parameters`", gs_keys[key].name);
    return gs_value_parse(key, n->text, out, &why) ? gs_fail(r, n->where, "%s", why.text) : 0;
}

static void add_value(gs_term *t, int room, gs_value v)
{
    if (!t->values) t->values = gs_alloc((size_t)room, sizeof *t->values);
    t->values[t->count++] = v;
}

int gs_read_values(const gs_reader *r, gs_key key, const gs_node *n, gs_term *out)
{
    gs_value v;
    if (gs_read_list(r, n, gs_keys[key].name)) return -1;
    if (!n->count) return gs_fail(r, n->where, "%s has an empty list; give at least one value", gs_keys[key].name);
    for (int i = 0; i < n->count; i++) {
        if (gs_read_value(r, key, n->items[i], &v)) return -1;
        add_value(out, n->count, v);
    }
    return 0;
}

int gs_read_range(const gs_reader *r, gs_key key, const gs_node *n, gs_term *out)
{
    const char *name = gs_keys[key].name;
    int64_t low, high;
    if (gs_keys[key].type != GS_TYPE_INT)
        return gs_fail(r, n->where, "%s is not an integer and takes no range; give a list of values", name);
    if (n->kind != GS_NODE_LIST || n->count != 2)
        return gs_fail(r, n->where, "%s: a range is [first, end], two integers, the end not included", name);
    int64_t least = (int64_t)gs_keys[key].low, most = (int64_t)gs_keys[key].high;
    if (gs_read_whole(r, n->items[0], name, least, most, &low) || gs_read_whole(r, n->items[1], name, least, most + 1, &high)) return -1;
    if (high <= low) return gs_fail(r, n->where, "%s: this range is empty; its end must be more than its first value", name);
    if (high - low > GS_RUNS_MOST) return gs_fail(r, n->where, "%s: this range has more than 1000000 values", name);
    for (int64_t i = low; i < high; i++) add_value(out, (int)(high - low), (gs_value){.set = true, .i = i});
    return 0;
}

int gs_read_term(const gs_reader *r, gs_key key, const gs_node *n, gs_term *out)
{
    static const char *const names[] = {"range"};
    const gs_node *range;
    gs_value v;
    if (n->kind == GS_NODE_LIST) return gs_read_values(r, key, n, out);
    if (n->kind == GS_NODE_MAP) {
        if (gs_read_options(r, n, gs_keys[key].name, names, 1, &range)) return -1;
        return range ? gs_read_range(r, key, range, out) : gs_fail(r, n->where, "%s has an empty map; give a value", gs_keys[key].name);
    }
    if (gs_read_value(r, key, n, &v)) return -1;
    add_value(out, 1, v);
    return 0;
}

/* -- selectors --------------------------------------------------------------------------------------------- */

int gs_read_selector(const gs_reader *r, const gs_node *n, const char *what, gs_selector *out)
{
    if (gs_read_map(r, n, what)) return -1;
    if (!n->count) return gs_fail(r, n->where, "%s is empty; name at least one key", what);
    out->where = n->where;
    out->terms = gs_alloc((size_t)n->count, sizeof *out->terms);
    for (int i = 0; i < n->count; i++) {
        gs_term *t = &out->terms[out->count++];
        t->where = n->keys[i].where;
        if (gs_read_key(r, n->keys[i].text, t->where, &t->key) || gs_read_term(r, t->key, n->items[i], t)) return -1;
    }
    return 0;
}

void gs_selector_free(gs_selector *s)
{
    for (int i = 0; i < s->count; i++) free(s->terms[i].values);
    free(s->terms);
    *s = (gs_selector){0};
}

bool gs_term_has(const gs_term *t, gs_value v)
{
    for (int i = 0; i < t->count; i++)
        if (gs_value_same(t->key, t->values[i], v)) return true;
    return false;
}

bool gs_selects(const gs_selector *s, const gs_config *c)
{
    for (int i = 0; i < s->count; i++)
        if (!c->v[s->terms[i].key].set || !gs_term_has(&s->terms[i], c->v[s->terms[i].key])) return false;
    return true;
}

bool gs_configs_fit(const gs_configs *configs, int index, const gs_selector *s)
{
    for (int i = 0; i < s->count; i++) {
        gs_value v = gs_configs_value(configs, index, s->terms[i].key);
        if (!v.set || !gs_term_has(&s->terms[i], v)) return false;
    }
    return true;
}
