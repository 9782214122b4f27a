/* The sections that say which runs there are: defaults, parameters, zip, exclude, include, match. */
#include <stdlib.h>
#include <string.h>

#include "sweep/parts.h"
#include "sweep/words.h"

int gs_part_defaults(const gs_reader *r, const gs_node *n, gs_spec *s)
{
    gs_key key;
    if (gs_read_map(r, n, "defaults")) return -1;
    for (int i = 0; i < n->count; i++) {
        if (gs_read_key(r, n->keys[i].text, n->keys[i].where, &key)) return -1;
        s->defaults[key].where = n->keys[i].where;
        if (gs_read_value(r, key, n->items[i], &s->defaults[key].value)) return -1;
    }
    return 0;
}

/* -- parameters -------------------------------------------------------------------------------------------- */

static gs_axis *add_axis(gs_spec *s, gs_where at, int terms)
{
    s->axes = gs_grow(s->axes, (size_t)s->axis_count + 1, sizeof *s->axes);
    gs_axis *a = &s->axes[s->axis_count++];
    *a = (gs_axis){.where = at, .terms = gs_alloc((size_t)terms, sizeof *a->terms)};
    return a;
}

/* A key of the product has one place. */
static int add_term(const gs_reader *r, gs_spec *s, gs_axis *a, const gs_name *name, gs_term **out)
{
    gs_key key;
    if (gs_read_key(r, name->text, name->where, &key)) return -1;
    if (gs_axis_of(s, key, NULL))
        return gs_fail(r, name->where, "%s is in `parameters` or `zip` already; give its values in one place", name->text);
    *out = &a->terms[a->count++];
    **out = (gs_term){.key = key, .where = name->where};
    return 0;
}

static int read_parameter(const gs_reader *r, const gs_name *name, const gs_node *n, gs_spec *s)
{
    static const char *const names[] = {"values", "range", "when"};
    const gs_node *found[3];
    gs_axis *a = add_axis(s, name->where, 1);
    gs_term *t = NULL;
    if (add_term(r, s, a, name, &t)) return -1;
    if (n->kind != GS_NODE_MAP) return gs_fail(r, n->where, "%s: write {values: [...]} or {range: [first, end]}", name->text);
    if (gs_read_options(r, n, name->text, names, 3, found)) return -1;
    if (!found[0] == !found[1]) return gs_fail(r, n->where, "%s: give either `values` or `range`", name->text);
    if (found[0] ? gs_read_values(r, t->key, found[0], t) : gs_read_range(r, t->key, found[1], t)) return -1;
    a->size = t->count;
    return found[2] ? gs_read_selector(r, found[2], "when", &a->when) : 0;
}

int gs_part_parameters(const gs_reader *r, const gs_node *n, gs_spec *s)
{
    if (gs_read_map(r, n, "parameters")) return -1;
    for (int i = 0; i < n->count; i++)
        if (read_parameter(r, &n->keys[i], n->items[i], s)) return -1;
    return 0;
}

static int read_group(const gs_reader *r, const gs_name *name, const gs_node *n, gs_spec *s)
{
    if (gs_read_map(r, n, "a zip group")) return -1;
    if (!n->count) return gs_fail(r, n->where, "the zip group %s is empty; name at least one key", name->text);
    gs_axis *a = add_axis(s, name->where, n->count);
    a->name = gs_text("%s", name->text);
    for (int i = 0; i < n->count; i++) {
        gs_term *t = NULL;
        if (add_term(r, s, a, &n->keys[i], &t) || gs_read_term(r, t->key, n->items[i], t)) return -1;
        if (i && t->count != a->size)
            return gs_fail(r, t->where, "zip group %s: the lists of %s (%d) and %s (%d) move together; give as many values in each",
                           a->name, gs_keys[a->terms[0].key].name, a->size, gs_keys[t->key].name, t->count);
        a->size = t->count;
    }
    return 0;
}

int gs_part_zip(const gs_reader *r, const gs_node *n, gs_spec *s)
{
    char shown[72];
    if (gs_read_map(r, n, "zip")) return -1;
    for (int i = 0; i < n->count; i++) {
        gs_name name = {(char *)gs_shown(n->keys[i].text, shown), n->keys[i].where};
        if (read_group(r, &name, n->items[i], s)) return -1;
    }
    return 0;
}

/* -- exclude, include -------------------------------------------------------------------------------------- */

static int read_rows(const gs_reader *r, const gs_node *n, const char *what, gs_selector **rows, int *count)
{
    if (gs_read_list(r, n, what)) return -1;
    *rows = gs_alloc((size_t)n->count + 1, sizeof **rows);
    for (int i = 0; i < n->count; i++)
        if (gs_read_selector(r, n->items[i], what, &(*rows)[(*count)++])) return -1;
    return 0;
}

int gs_part_exclude(const gs_reader *r, const gs_node *n, gs_spec *s)
{
    return read_rows(r, n, "exclude", &s->exclude, &s->exclude_count);
}

int gs_part_include(const gs_reader *r, const gs_node *n, gs_spec *s)
{
    return read_rows(r, n, "include", &s->include, &s->include_count);
}

/* -- match ------------------------------------------------------------------------------------------------- */

enum { COUNT, REFERENCE, FOR, SOLVE, MULTIPLE_OF, WITHIN, RULE, MATCH_COUNT };
static const char *const match_names[MATCH_COUNT] = {"count", "reference", "for", "solve", "multiple_of", "within", "rule"};

static int read_count(const gs_reader *r, const gs_node *n, gs_match *m)
{
    static const char *const names[] = {"params_total", "params_active", "flops_per_token"};
    int index;
    if (gs_read_choice(r, n, "match: count", names, 3, &index)) return -1;
    m->count = gs_text("%s", names[index]);
    return 0;
}

/* Keys along which every count grows, so that the nearest one can be searched. */
static int read_solve(const gs_reader *r, const gs_node *n, gs_match *m)
{
    static const char *const names[] = {"ffn.width", "model.d_model", "model.layers"};
    static const gs_key keys[] = {GS_FFN_WIDTH, GS_MODEL_D, GS_MODEL_LAYERS};
    int index;
    if (gs_read_choice(r, n, "match: solve", names, 3, &index)) return -1;
    m->solve = keys[index];
    return 0;
}

/* 1% or 0.01 */
static int read_within(const gs_reader *r, const gs_node *n, gs_match *m)
{
    const char *text;
    if (gs_read_text(r, n, "match: within", &text)) return -1;
    char *end, shown[72];
    m->within = strtod(text, &end);
    m->within_where = n->where;
    bool percent = *end == '%', good = end != text && !text[strspn(text, "0123456789.eE%+-")] && !end[percent];
    if (percent) m->within /= 100;
    if (good && m->within >= 0 && m->within <= 1) return 0;
    return gs_fail(r, n->where, "match: within: '%s' is no tolerance; give 1%% or 0.01", gs_shown(text, shown));
}

static int read_rule(const gs_reader *r, const gs_node *n, const gs_node *multiple, gs_match *m)
{
    static const char *const names[] = {"floor_two_thirds"};
    int index;
    if (gs_read_choice(r, n, "match: rule", names, 1, &index)) return -1;
    if (multiple) return gs_fail(r, multiple->where, "match: a rule sets the value itself; remove multiple_of");
    if (m->solve != GS_FFN_WIDTH) return gs_fail(r, n->where, "match: floor_two_thirds is a rule for solve: ffn.width");
    m->two_thirds = true;
    return 0;
}

int gs_part_match(const gs_reader *r, const gs_node *n, gs_spec *s)
{
    const gs_node *found[MATCH_COUNT];
    gs_match *m = &s->match;
    *m = (gs_match){.given = true, .where = n->where, .multiple_of = 1, .within = -1};
    if (gs_read_options(r, n, "match", match_names, MATCH_COUNT, found)) return -1;
    if (!found[COUNT] || !found[REFERENCE] || !found[SOLVE]) return gs_fail(r, n->where, "match needs count, reference and solve");
    if (read_count(r, found[COUNT], m) || read_solve(r, found[SOLVE], m)) return -1;
    if (gs_read_selector(r, found[REFERENCE], "match: reference", &m->reference)) return -1;
    m->all_others = !found[FOR];
    if (found[FOR] && gs_read_selector(r, found[FOR], "match: for", &m->subject)) return -1;
    if (found[MULTIPLE_OF] && gs_read_whole(r, found[MULTIPLE_OF], "match: multiple_of", 1, 65536, &m->multiple_of)) return -1;
    if (found[WITHIN] && read_within(r, found[WITHIN], m)) return -1;
    return found[RULE] ? read_rule(r, found[RULE], found[MULTIPLE_OF], m) : 0;
}
