/* No silent pooling (DESIGN section 3): which runs make a row, and which run of the baseline each of them meets.
 *
 * A varying key that is neither `seed` nor in a table's rows must be accounted for: matched with the baseline, or averaged over on
 * purpose (`pool`). Matched are the varying keys that the baseline's selector does not name and that are absent on neither side. */
#include <stdlib.h>
#include <string.h>

#include "tables/table.h"

bool gs_keys_have(const gs_keyset *k, gs_key key)
{
    for (int i = 0; i < k->count; i++)
        if (k->at[i] == key) return true;
    return false;
}

void gs_keys_add(gs_keyset *k, gs_key key)
{
    if (!gs_keys_have(k, key)) k->at[k->count++] = key;
}

static int compare_value(gs_key key, gs_value a, gs_value b)
{
    if (a.set != b.set) return a.set ? 1 : -1;
    if (!a.set) return 0;
    if (gs_keys[key].type == GS_TYPE_REAL) return (a.r > b.r) - (a.r < b.r);
    return (a.i > b.i) - (a.i < b.i);
}

int gs_keys_compare(const gs_keyset *k, gs_run a, gs_run b)
{
    for (int i = 0; i < k->count; i++) {
        int order = compare_value(k->at[i], gs_run_value(a, k->at[i]), gs_run_value(b, k->at[i]));
        if (order) return order;
    }
    return 0;
}

void gs_keys_text(const gs_keyset *k, gs_run r, gs_buf *out)
{
    char text[64];
    bool first = true;
    for (int i = 0; i < k->count; i++) {
        gs_value v = gs_run_value(r, k->at[i]);
        if (!v.set) continue;
        gs_buf_add(out, "%s%s %s", first ? "" : ", ", gs_keys[k->at[i]].name, gs_value_text(k->at[i], v, text));
        first = false;
    }
    if (first) gs_buf_add(out, "all runs");
}

/* -- ordering ------------------------------------------------------------------------------------------------- */

static int by_keys_then_plan(const void *a, const void *b, void *keys)
{
    const gs_point *p = *(const gs_point *const *)a, *q = *(const gs_point *const *)b;
    int order = gs_keys_compare(keys, p->run, q->run);
    return order ? order : (p > q) - (p < q); /* points lie in plan order */
}

static void sort_points(gs_points *p, const gs_keyset *keys)
{
    if (p->count) qsort_r(p->at, (size_t)p->count, sizeof *p->at, by_keys_then_plan, (void *)(uintptr_t)keys);
}

static gs_points copy_points(const gs_points *p)
{
    gs_points copy = {p->count, gs_alloc((size_t)p->count + 1, sizeof *copy.at)};
    if (p->count) memcpy(copy.at, p->at, (size_t)p->count * sizeof *copy.at);
    return copy;
}

int gs_points_block(const gs_points *p, int at, const gs_keyset *keys)
{
    int n = 1;
    while (at + n < p->count && gs_keys_compare(keys, p->at[at]->run, p->at[at + n]->run) == 0) n++;
    return n;
}

bool gs_points_spread(const gs_points *p, const gs_keyset *keys)
{
    for (int i = 1; i < p->count; i++)
        if (gs_keys_compare(keys, p->at[0]->run, p->at[i]->run)) return true;
    return false;
}

static int by_first_point(const void *a, const void *b)
{
    const gs_points *p = a, *q = b;
    return (p->at[0] > q->at[0]) - (p->at[0] < q->at[0]);
}

/* Groups of points that agree in the keys, in order of first appearance. */
static gs_points *group_points(const gs_points *all, const gs_keyset *keys, int *count)
{
    gs_points sorted = copy_points(all), *groups = NULL;
    sort_points(&sorted, keys);
    int capacity = 0;
    *count = 0;
    for (int at = 0, n; at < sorted.count; at += n) {
        n = gs_points_block(&sorted, at, keys);
        if (*count == capacity) groups = gs_grow(groups, (size_t)(capacity = capacity ? 2 * capacity : 16), sizeof *groups);
        groups[(*count)++] = copy_points(&(gs_points){n, sorted.at + at});
    }
    if (*count) qsort(groups, (size_t)*count, sizeof *groups, by_first_point);
    free(sorted.at);
    return groups;
}

static gs_keyset joined(const gs_keyset *a, const gs_keyset *b)
{
    gs_keyset out = *a;
    for (int i = 0; i < b->count; i++) gs_keys_add(&out, b->at[i]);
    return out;
}

static gs_keyset pool_of(const gs_table_spec *t)
{
    gs_keyset out = {0};
    for (int i = 0; i < t->pool_count; i++) gs_keys_add(&out, t->pool[i]);
    return out;
}

static const gs_keyset only_seed = {1, {GS_SEED}};

/* -- one row and its baseline --------------------------------------------------------------------------------- */

static bool absent(const gs_points *p, gs_key key)
{
    for (int i = 0; i < p->count; i++)
        if (gs_run_value(p->at[i]->run, key).set) return false;
    return true;
}

static bool selector_names(const gs_selector *s, gs_key key)
{
    for (int i = 0; i < s->count; i++)
        if (s->terms[i].key == key) return true;
    return false;
}

static gs_keyset matched_keys(const gs_frame *f, const gs_points *runs)
{
    gs_keyset out = {0}, pool = pool_of(f->spec);
    if (!f->baseline.count) return out;
    for (int i = 0; i < f->arm.count; i++) {
        gs_key key = f->arm.at[i];
        bool named = selector_names(&f->spec->baseline, key) || selector_names(&f->spec->only, key);
        bool free_key = named || gs_keys_have(&pool, key);
        if (!free_key && !absent(runs, key) && !absent(&f->baseline, key)) gs_keys_add(&out, key);
    }
    return out;
}

/* How many there are; sorts the points by arm. */
static int count_arms(const gs_frame *f, gs_points *p)
{
    int arms = 0;
    sort_points(p, &f->arm);
    for (int at = 0; at < p->count; at += gs_points_block(p, at, &f->arm)) arms++;
    return arms;
}

void gs_side_open(const gs_frame *f, int group, gs_side *out)
{
    gs_keyset pool = pool_of(f->spec);
    *out = (gs_side){.matched = matched_keys(f, &f->groups[group]), .runs = copy_points(&f->groups[group])};
    out->against = copy_points(&f->baseline);
    out->arms = count_arms(f, &out->runs);
    gs_keyset seed_first = joined(&only_seed, &out->matched), matched_first = joined(&out->matched, &only_seed);
    seed_first = joined(&seed_first, &pool);
    matched_first = joined(&matched_first, &pool);
    sort_points(&out->runs, &seed_first);
    sort_points(&out->against, &matched_first);
}

void gs_side_turn(const gs_frame *f, const gs_side *s, gs_side *out)
{
    gs_keyset pool = pool_of(f->spec), order = joined(&s->matched, &pool);
    *out = (gs_side){.matched = s->matched, .runs = {0, gs_alloc((size_t)s->against.count + 1, sizeof *out->runs.at)}};
    gs_points met = copy_points(&s->runs);
    sort_points(&met, &s->matched);
    for (int i = 0, at = 0; i < s->against.count; i++) { /* both are sorted by the matched keys */
        gs_run run = s->against.at[i]->run;
        while (at < met.count && gs_keys_compare(&s->matched, met.at[at]->run, run) < 0) at++;
        if (at < met.count && gs_keys_compare(&s->matched, met.at[at]->run, run) == 0) out->runs.at[out->runs.count++] = s->against.at[i];
    }
    free(met.at);
    out->arms = count_arms(f, &out->runs);
    order = joined(&only_seed, &order);
    sort_points(&out->runs, &order);
}

void gs_side_close(gs_side *s)
{
    free(s->runs.at);
    free(s->against.at);
    *s = (gs_side){0};
}

int gs_side_find(const gs_side *s, const gs_keyset *keys, gs_run r)
{
    int low = 0, high = s->against.count;
    while (low < high) {
        int middle = (low + high) / 2;
        if (gs_keys_compare(keys, s->against.at[middle]->run, r) < 0) low = middle + 1;
        else high = middle;
    }
    return low < s->against.count && gs_keys_compare(keys, s->against.at[low]->run, r) == 0 ? low : -1;
}

/* -- checks --------------------------------------------------------------------------------------------------- */

static void name_keys(const gs_keyset *k, gs_buf *out)
{
    for (int i = 0; i < k->count; i++) {
        const char *joint = i == 0 ? "" : i + 1 == k->count ? " and " : ", ";
        gs_buf_add(out, "%s%s", joint, gs_keys[k->at[i]].name);
    }
}

/* The varying keys in which two runs of one (matched keys, seed) differ: what the user has to add. Keys that one of the runs
 * does not have follow from the others and are named only when there are no others. */
static gs_keyset differing(const gs_frame *f, gs_run a, gs_run b)
{
    gs_keyset all = {0}, both = {0};
    for (int i = 0; i < f->arm.count; i++) {
        gs_key key = f->arm.at[i];
        gs_value x = gs_run_value(a, key), y = gs_run_value(b, key);
        if (compare_value(key, x, y) == 0) continue;
        gs_keys_add(&all, key);
        if (x.set && y.set) gs_keys_add(&both, key);
    }
    return both.count ? both : all;
}

static int refuse_pooling(const gs_frame *f, const gs_keyset *matched, gs_run a, gs_run b, bool baseline,
                          gs_err *e)
{
    gs_keyset keys = differing(f, a, b);
    bool claim = f->spec->kind == GS_TABLE_CLAIM;
    const char *rows = f->spec->kind == GS_TABLE_SCALING ? "series" : "rows";
    const char *place = claim ? (baseline ? "against" : "compare") : baseline ? "baseline" : rows;
    gs_buf which = {0}, names = {0}, per = {0};
    if (claim) gs_buf_add(&which, "`%s`", place);
    else if (baseline) gs_buf_add(&which, "the baseline");
    else gs_buf_add(&which, "row "), gs_keys_text(&f->by, a, &which);
    name_keys(&keys, &names);
    gs_keyset all = joined(matched, &only_seed);
    name_keys(&all, &per);
    gs_table_error(f->context, f->spec, e,
                   "%s has more than one run per %s; they differ in %s. Add %s to `%s`, or to `pool` to average over %s on purpose.",
                   which.text, per.text, names.text, keys.count > 1 ? "them" : "it", place, keys.count > 1 ? "them" : "it");
    gs_buf_free(&which), gs_buf_free(&names), gs_buf_free(&per);
    return -1;
}

/* Neighbours that agree in the order's keys would be pooled. */
static int check_single(const gs_frame *f, const gs_side *s, bool baseline, gs_err *e)
{
    gs_keyset pool = pool_of(f->spec), keys = joined(&only_seed, &s->matched);
    keys = joined(&keys, &pool);
    const gs_points *p = baseline ? &s->against : &s->runs;
    for (int i = 1; i < p->count; i++) {
        gs_run a = p->at[i - 1]->run, b = p->at[i]->run;
        if (gs_keys_compare(&keys, a, b) == 0) return refuse_pooling(f, &s->matched, a, b, baseline, e);
    }
    return 0;
}

static int check_partner(const gs_frame *f, const gs_side *s, gs_run r, gs_err *e)
{
    if (gs_side_find(s, &s->matched, r) >= 0) return 0;
    gs_keyset missing = {0};
    for (int k = 0; k < s->matched.count; k++) {
        gs_keyset one = {1, {s->matched.at[k]}};
        int i = 0;
        while (i < s->against.count && gs_keys_compare(&one, s->against.at[i]->run, r)) i++;
        if (i == s->against.count) gs_keys_add(&missing, one.at[0]);
    }
    if (!missing.count) missing = s->matched;
    gs_buf row = {0}, values = {0}, names = {0};
    bool claim = f->spec->kind == GS_TABLE_CLAIM;
    gs_keyset named = claim ? s->matched : f->by;
    for (int k = 0; claim && k < f->spec->only.count; k++) gs_keys_add(&named, f->spec->only.terms[k].key);
    gs_keys_text(&named, r, &row);
    gs_keys_text(&missing, r, &values);
    name_keys(&missing, &names);
    if (claim)
        gs_table_error(f->context, f->spec, e,
                       "%s has nothing to be compared with: no run of `against` has %s. Name %s in `compare` or `against`, or add "
                       "such runs.",
                       row.text, values.text, names.text);
    else gs_table_error(f->context, f->spec, e,
                   "row %s has no baseline to be compared with: no run of it has %s. Name %s in `baseline`, or add such runs.",
                   row.text, values.text, names.text);
    gs_buf_free(&row), gs_buf_free(&values), gs_buf_free(&names);
    return -1;
}

static int check_group(const gs_frame *f, int group, gs_err *e)
{
    gs_side s;
    gs_side_open(f, group, &s);
    int result = check_single(f, &s, false, e);
    if (result == 0 && s.against.count) result = check_single(f, &s, true, e);
    for (int i = 0; result == 0 && s.against.count && !f->context->narrowed && i < s.runs.count; i++)
        result = check_partner(f, &s, s.runs.at[i]->run, e);
    gs_side_close(&s);
    return result;
}

static void collect(gs_frame *f, const gs_point *points, int count)
{
    f->all.at = gs_alloc((size_t)count + 1, sizeof *f->all.at);
    f->baseline.at = gs_alloc((size_t)count + 1, sizeof *f->baseline.at);
    for (int i = 0; i < count; i++) {
        gs_run run = points[i].run;
        if (f->spec->kind == GS_TABLE_SCALING && !gs_run_value(run, f->spec->x).set) {
            f->without_x++;
            continue;
        }
        bool against = f->spec->baseline.count && gs_run_fits(run, &f->spec->baseline);
        if (against) f->baseline.at[f->baseline.count++] = &points[i];
        if (against || f->spec->kind != GS_TABLE_CLAIM || gs_run_fits(run, &f->spec->only)) f->all.at[f->all.count++] = &points[i];
    }
}

/* A claim has two groups: what is compared, and what with. */
static gs_points *two_sides(const gs_frame *f, int *count)
{
    gs_points *groups = gs_alloc(2, sizeof *groups);
    groups[0].at = gs_alloc((size_t)f->all.count + 1, sizeof *groups->at);
    for (int i = 0; i < f->all.count; i++)
        if (gs_run_fits(f->all.at[i]->run, &f->spec->only)) groups[0].at[groups[0].count++] = f->all.at[i];
    groups[1] = copy_points(&f->baseline);
    *count = 2;
    return groups;
}

static int check_sides(const gs_frame *f, gs_err *e)
{
    if (f->spec->baseline.count && !f->baseline.count && !f->context->narrowed)
        return gs_table_error(f->context, f->spec, e, "no run of the sweep fits `baseline`. Name a configuration that the sweep has.");
    int groups = f->spec->kind == GS_TABLE_CLAIM ? 1 : f->group_count;
    for (int g = 0; g < groups; g++)
        if (check_group(f, g, e)) return -1;
    return gs_published_verify(f, e);
}

int gs_frame_open(const gs_context *c, const gs_table_spec *t, const gs_point *points, int count, gs_frame *out, gs_err *e)
{
    *out = (gs_frame){.context = c, .spec = t};
    for (int i = 0; i < t->row_count; i++) gs_keys_add(&out->by, t->rows[i]);
    if (t->kind == GS_TABLE_SCALING) gs_keys_add(&out->by, t->x);
    for (int i = 0; i < c->grid->varying_count; i++)
        if (c->grid->varying[i] != GS_SEED) gs_keys_add(&out->arm, c->grid->varying[i]);
    collect(out, points, count);
    out->seeds = gs_seeds_with_results(&out->all, &out->seed_count);
    out->groups = t->kind == GS_TABLE_CLAIM ? two_sides(out, &out->group_count) : group_points(&out->all, &out->by, &out->group_count);
    int result = check_sides(out, e);
    if (result) gs_frame_close(out);
    return result;
}

void gs_frame_close(gs_frame *f)
{
    for (int g = 0; g < f->group_count; g++) free(f->groups[g].at);
    free(f->groups);
    free(f->all.at);
    free(f->baseline.at);
    free(f->seeds);
    *f = (gs_frame){0};
}
