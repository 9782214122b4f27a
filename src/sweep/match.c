/* match: the value of one key that brings a run's count nearest to its reference's.
 *
 * A run's references are those that agree with it in every varying key but the reference's own, the solved one, seed, and keys that do
 * not apply to one of the two. Every count grows with the keys that can be solved, so a bisection finds the nearest. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gridshift/count.h"
#include "sweep/pool.h"

typedef struct reference {
    int run;              /* of the pool */
    int64_t count, value; /* value: of the solved key */
} reference;
typedef struct solver {
    const gs_spec *s;
    const gs_match *m;
    const gs_pool *p;
    gs_err *e;
    int varying_count, agree_count, reference_count;
    gs_key varying[GS_KEY_COUNT], agree[GS_KEY_COUNT];
    reference *references; /* (reference_count), owned: those that differ in what matters */
    gs_classes classes;    /* of the runs but for their seeds: each is looked at once */
} solver;

static int64_t count_of(const gs_match *m, const gs_config *c)
{
    gs_counts n;
    gs_count(c, &n);
    return gs_count_named(&n, m->count);
}

static int64_t count_with(const gs_match *m, const gs_config *c, int64_t value)
{
    gs_config changed = *c;
    changed.v[m->solve].i = value;
    return count_of(m, &changed);
}

static int fail(const solver *v, const gs_config *c, gs_where at, const char *text)
{
    char words[256];
    gs_run_words(v->s, c, v->varying, v->varying_count, words);
    return gs_error(v->e, "%s:%d:%d: match: %s (run: %s)", v->s->path, at.line, at.column, text, words);
}

/* -- references -------------------------------------------------------------------------------------------- */

static void find_keys(solver *v)
{
    v->varying_count = gs_pool_varying(v->p, true, v->varying);
    for (int i = 0; i < v->varying_count; i++) {
        bool own = v->varying[i] == v->m->solve || v->varying[i] == GS_SEED;
        for (int t = 0; t < v->m->reference.count; t++) own = own || v->m->reference.terms[t].key == v->varying[i];
        if (!own) v->agree[v->agree_count++] = v->varying[i];
    }
}

static bool agrees(const solver *v, int a, int b, bool absent_fits)
{
    for (int i = 0; i < v->agree_count; i++) {
        gs_key key = v->agree[i];
        gs_value x = gs_configs_value(&v->p->configs, a, key), y = gs_configs_value(&v->p->configs, b, key);
        if (!gs_value_same(key, x, y) && !(absent_fits && (!x.set || !y.set))) return false;
    }
    return true;
}

static void add_reference(solver *v, int run, const gs_config *c)
{
    reference new = {run, count_of(v->m, c), gs_int(c, v->m->solve)};
    for (int i = 0; i < v->reference_count; i++) {
        const reference *r = &v->references[i];
        if (r->count == new.count && r->value == new.value && agrees(v, r->run, run, false)) return;
    }
    v->references = gs_grow(v->references, (size_t)v->reference_count + 1, sizeof *v->references);
    v->references[v->reference_count++] = new;
}

static int find_references(solver *v)
{
    bool *seen = gs_alloc((size_t)v->classes.count, sizeof *seen);
    int failed = 0;
    gs_config c;
    for (int i = 0; i < v->p->count && !failed; i++) {
        if (v->p->fate[i] == GS_EXCLUDED || seen[v->classes.of[i]] || !gs_match_refers(v->s, v->p, i)) continue;
        seen[v->classes.of[i]] = true;
        gs_configs_get(&v->p->configs, i, &c);
        failed = gs_run_check(v->s, &c, v->p->row[i], v->varying, v->varying_count, v->e);
        if (!failed) add_reference(v, i, &c);
    }
    free(seen);
    return failed;
}

static int reference_of(const solver *v, int run, const gs_config *c, const reference **out)
{
    *out = NULL;
    for (int i = 0; i < v->reference_count; i++) {
        const reference *r = &v->references[i];
        if (!agrees(v, r->run, run, true)) continue;
        if (*out && ((*out)->count != r->count || (v->m->two_thirds && (*out)->value != r->value)))
            return fail(v, c, v->m->reference.where,
                        "two reference runs with different counts fit this run; name more keys in `reference`");
        *out = r;
    }
    return *out ? 0 : fail(v, c, v->m->reference.where, "no reference run has this run's values of the other varying keys; add it");
}

/* -- solving ----------------------------------------------------------------------------------------------- */

static int64_t divisor(int64_t a, int64_t b) { return b ? divisor(b, a % b) : a; }

/* The solution is a multiple of this. */
static int64_t step_of(const gs_match *m, const gs_config *c)
{
    int64_t other = 1;
    if (m->solve == GS_MODEL_D) other = gs_int(c, GS_MODEL_HEADS);
    if (m->solve == GS_FFN_WIDTH && gs_is_moe(c)) other = gs_int(c, GS_FFN_EXPERTS);
    return m->multiple_of / divisor(m->multiple_of, other) * other;
}

/* The multiple of step, up to most, with the smallest distance to the target; ties to the lower. */
static int64_t nearest(const gs_match *m, const gs_config *c, int64_t target, int64_t step, int64_t most)
{
    int64_t low = 1, high = most / step; /* the least multiple whose count is not below the target, or the last */
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (count_with(m, c, middle * step) < target) low = middle + 1;
        else high = middle;
    }
    if (low == 1) return step;
    int64_t above = count_with(m, c, low * step), below = count_with(m, c, (low - 1) * step);
    return llabs(target - below) <= llabs(above - target) ? (low - 1) * step : low * step;
}

static int check_within(const solver *v, const gs_config *c, double mismatch, const reference *r, int64_t count)
{
    char text[256];
    if (v->m->within < 0 || fabs(mismatch) <= v->m->within) return 0;
    snprintf(text, sizeof text,
             "the best %s is %" PRId64 " with %s %" PRId64 ", %.4g%% from the reference's %" PRId64
             "; within is %.4g%%, so widen it or free another key",
             gs_keys[v->m->solve].name, gs_int(c, v->m->solve), v->m->count, count, 100 * mismatch, r->count, 100 * v->m->within);
    return fail(v, c, v->m->within_where, text);
}

static int solve(const solver *v, gs_pool *p, int run)
{
    const gs_match *m = v->m;
    const reference *r;
    gs_config c;
    gs_configs_get(&p->configs, run, &c);
    int64_t most = (int64_t)gs_keys[m->solve].high, step = step_of(m, &c);
    if (reference_of(v, run, &c, &r)) return -1;
    if (step > most) return fail(v, &c, m->where, "no value of the solved key is such a multiple; lower multiple_of");
    gs_value *value = &c.v[m->solve];
    value->i = m->two_thirds ? r->value * 2 / 3 : most / step * step;
    if (value->i < 1) return fail(v, &c, m->where, "two thirds of the reference's width are less than one unit");
    if (gs_run_check(v->s, &c, p->row[run], v->varying, v->varying_count, v->e)) return -1;
    if (!m->two_thirds) value->i = nearest(m, &c, r->count, step, most);
    int64_t count = count_of(m, &c);
    gs_configs_set(&p->configs, run, m->solve, *value);
    p->mismatch[run] = (double)(count - r->count) / (double)r->count;
    return check_within(v, &c, p->mismatch[run], r, count);
}

/* Runs that differ only in their seed have the same solution. */
static int solve_all(const solver *v, gs_pool *p)
{
    int *solved = gs_alloc((size_t)v->classes.count, sizeof *solved), failed = 0; /* of each class: run + 1, 0: none yet */
    for (int i = 0; i < p->count && !failed; i++) {
        int *first = &solved[v->classes.of[i]];
        if (p->fate[i] != GS_STAYS || !gs_match_changes(v->s, p, i)) continue;
        if (*first) {
            gs_configs_set(&p->configs, i, v->m->solve, gs_configs_value(&p->configs, *first - 1, v->m->solve));
            p->mismatch[i] = p->mismatch[*first - 1];
        } else {
            failed = solve(v, p, i);
            *first = i + 1;
        }
    }
    free(solved);
    return failed;
}

int gs_match_apply(const gs_spec *s, gs_pool *p, gs_err *e)
{
    const gs_key seed = GS_SEED;
    solver v = {.s = s, .m = &s->match, .p = p, .e = e};
    find_keys(&v);
    v.classes = gs_configs_classes(&p->configs, &seed, 1);
    p->mismatch = gs_alloc((size_t)p->count, sizeof *p->mismatch);
    for (int i = 0; i < p->count; i++) p->mismatch[i] = NAN;
    int failed = find_references(&v) || solve_all(&v, p);
    gs_classes_free(&v.classes);
    free(v.references);
    return failed ? -1 : 0;
}
