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
    const gs_config *config; /* borrowed */
    int64_t count, value;    /* value: of the solved key */
} reference;
typedef struct solver {
    const gs_spec *s;
    const gs_match *m;
    const gs_pool *p;
    gs_err *e;
    int varying_count, agree_count, reference_count;
    gs_key varying[GS_KEY_COUNT], agree[GS_KEY_COUNT];
    reference *references; /* (reference_count), owned: those that differ in what matters */
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

static bool agrees(const solver *v, const gs_config *a, const gs_config *b, bool absent_fits)
{
    for (int i = 0; i < v->agree_count; i++) {
        gs_value x = a->v[v->agree[i]], y = b->v[v->agree[i]];
        if (!gs_value_same(v->agree[i], x, y) && !(absent_fits && (!x.set || !y.set))) return false;
    }
    return true;
}

static void add_reference(solver *v, const gs_config *c)
{
    reference new = {c, count_of(v->m, c), gs_int(c, v->m->solve)};
    for (int i = 0; i < v->reference_count; i++) {
        const reference *r = &v->references[i];
        if (r->count == new.count && r->value == new.value && agrees(v, r->config, c, false)) return;
    }
    v->references = gs_grow(v->references, (size_t)v->reference_count + 1, sizeof *v->references);
    v->references[v->reference_count++] = new;
}

static int find_references(solver *v)
{
    char words[256];
    for (int i = 0; i < v->p->count; i++) {
        const gs_config *c = &v->p->runs[i].config;
        if (v->p->fate[i] == GS_EXCLUDED || !gs_match_refers(v->s, c)) continue;
        gs_run_words(v->s, c, v->varying, v->varying_count, words);
        if (gs_run_check(v->s, c, v->p->row[i], words, v->e)) return -1;
        add_reference(v, c);
    }
    return 0;
}

static int reference_of(const solver *v, const gs_config *c, const reference **out)
{
    *out = NULL;
    for (int i = 0; i < v->reference_count; i++) {
        const reference *r = &v->references[i];
        if (!agrees(v, r->config, c, true)) continue;
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

static int check_within(const solver *v, const gs_run *run, const reference *r, int64_t count)
{
    char text[256];
    if (v->m->within < 0 || fabs(run->mismatch) <= v->m->within) return 0;
    snprintf(text, sizeof text,
             "the best %s is %" PRId64 " with %s %" PRId64 ", %.4g%% from the reference's %" PRId64
             "; within is %.4g%%, so widen it or free another key",
             gs_keys[v->m->solve].name, gs_int(&run->config, v->m->solve), v->m->count, count, 100 * run->mismatch, r->count,
             100 * v->m->within);
    return fail(v, &run->config, v->m->within_where, text);
}

static int solve(const solver *v, gs_run *run, int row)
{
    const gs_match *m = v->m;
    const reference *r;
    char words[256];
    int64_t most = (int64_t)gs_keys[m->solve].high, step = step_of(m, &run->config);
    if (reference_of(v, &run->config, &r)) return -1;
    if (step > most) return fail(v, &run->config, m->where, "no value of the solved key is such a multiple; lower multiple_of");
    gs_value *value = &run->config.v[m->solve];
    value->i = m->two_thirds ? r->value * 2 / 3 : most / step * step;
    gs_run_words(v->s, &run->config, v->varying, v->varying_count, words);
    if (value->i < 1) return fail(v, &run->config, m->where, "two thirds of the reference's width are less than one unit");
    if (gs_run_check(v->s, &run->config, row, words, v->e)) return -1;
    if (!m->two_thirds) value->i = nearest(m, &run->config, r->count, step, most);
    int64_t count = count_of(m, &run->config);
    run->matched = true;
    run->mismatch = (double)(count - r->count) / (double)r->count;
    return check_within(v, run, r, count);
}

/* Runs that differ only in their seed have the same solution. */
static bool same_but_seed(const gs_config *a, const gs_config *b)
{
    for (int k = 0; k < GS_KEY_COUNT; k++)
        if (k != GS_SEED && !gs_value_same((gs_key)k, a->v[k], b->v[k])) return false;
    return true;
}

static int solve_all(const solver *v, gs_pool *p)
{
    gs_config before = {0};
    const gs_run *solved = NULL;
    for (int i = 0; i < p->count; i++) {
        gs_run *run = &p->runs[i];
        if (p->fate[i] != GS_STAYS || !gs_match_changes(v->s, &run->config)) continue;
        if (solved && same_but_seed(&before, &run->config)) {
            run->config.v[v->m->solve] = solved->config.v[v->m->solve];
            run->matched = true;
            run->mismatch = solved->mismatch;
            continue;
        }
        before = run->config;
        if (solve(v, run, p->row[i])) return -1;
        solved = run;
    }
    return 0;
}

int gs_match_apply(const gs_spec *s, gs_pool *p, gs_err *e)
{
    solver v = {.s = s, .m = &s->match, .p = p, .e = e};
    find_keys(&v);
    int failed = find_references(&v) || solve_all(&v, p);
    free(v.references);
    return failed ? -1 : 0;
}
