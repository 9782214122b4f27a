/* A metric of single runs as a linear function of their keys: least squares with standard errors, a row per term. LAPACK does the fit,
 * so numbers are rounded to 6 digits, which all processors share. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gridshift/matrix.h"
#include "tables/table.h"

enum { CHOICES_MOST = 64 }; /* of an ENUM */
static const double LN2 = 0.693147180559945309417, LEVEL = 0.95;

/* -- terms ------------------------------------------------------------------------------------------------------- */

typedef struct term { /* a column of the design matrix */
    const gs_regressor *of; /* NULL: the intercept */
    gs_value level;         /* of an indicator */
    char *name;             /* owned */
} term;
typedef struct terms {
    int count;
    term *at; /* (count), owned */
} terms;

static bool is_indicator(const gs_regressor *r)
{
    return r->kind == GS_TERM_VALUE && (gs_keys[r->key].type == GS_TYPE_ENUM || gs_keys[r->key].type == GS_TYPE_BOOL);
}

static bool is_number(const gs_regressor *r) { return (r->kind == GS_TERM_VALUE && !is_indicator(r)) || r->kind == GS_TERM_LOG2; }

static void add(terms *t, const gs_regressor *of, gs_value level, char *name)
{
    t->at = gs_grow(t->at, (size_t)t->count + 1, sizeof *t->at);
    t->at[t->count++] = (term){of, level, name};
}

/* An indicator for each value that runs have, in the order of the choices, but the first. All are 0 for a run that the key does not
 * apply to. */
static void add_indicators(terms *t, const gs_regressor *r, const gs_point *points, int count)
{
    char text[64];
    gs_buf base = {0};
    for (int64_t choice = 0; choice < CHOICES_MOST; choice++) {
        gs_value v = {.set = true, .i = choice};
        bool any = false;
        for (int i = 0; i < count && !any; i++) any = gs_value_same(r->key, gs_run_value(points[i].run, r->key), v);
        if (!any) continue;
        const char *name = gs_value_text(r->key, v, text);
        if (!base.length) gs_buf_add(&base, "%s", name);
        else add(t, r, v, gs_text("%s %s (not %s)", gs_keys[r->key].name, name, base.text));
    }
    gs_buf_free(&base);
}

static terms terms_of(const gs_table_spec *s, const gs_point *points, int count)
{
    terms t = {0};
    add(&t, NULL, (gs_value){0}, gs_text("intercept"));
    for (int k = 0; k < s->on_count; k++) {
        const gs_regressor *r = &s->on[k];
        if (is_indicator(r)) add_indicators(&t, r, points, count);
        else if (r->kind == GS_TERM_ACTIVE_SHARE) add(&t, r, (gs_value){0}, gs_text("active_share"));
        else if (r->kind == GS_TERM_SPARSITY) add(&t, r, (gs_value){0}, gs_text("sparsity"));
        else add(&t, r, (gs_value){0}, gs_text(r->kind == GS_TERM_LOG2 ? "log2(%s)" : "%s", gs_keys[r->key].name));
    }
    return t;
}

static void free_terms(terms *t)
{
    for (int k = 0; k < t->count; k++) free(t->at[k].name);
    free(t->at);
}

static double number(gs_key key, gs_value v) { return gs_keys[key].type == GS_TYPE_REAL ? v.r : (double)v.i; }

static double value_of(const term *t, const gs_point *p)
{
    if (!t->of) return 1;
    gs_value v = gs_run_value(p->run, t->of->key), experts = gs_run_value(p->run, GS_FFN_EXPERTS);
    switch (t->of->kind) {
    case GS_TERM_ACTIVE_SHARE: return (double)p->counts->params_active / (double)p->counts->params_total;
    case GS_TERM_SPARSITY: return experts.set ? 1 - (double)gs_run_value(p->run, GS_FFN_TOP_K).i / (double)experts.i : 0;
    case GS_TERM_LOG2: return gs_log(number(t->of->key, v)) / LN2;
    default: return is_indicator(t->of) ? v.set && v.i == t->level.i : number(t->of->key, v);
    }
}

/* -- the fit of one metric --------------------------------------------------------------------------------------- */

static bool has_numbers(const gs_table_spec *s, const gs_point *p)
{
    for (int k = 0; k < s->on_count; k++)
        if (is_number(&s->on[k]) && !gs_run_value(p->run, s->on[k].key).set) return false;
    return true;
}

typedef struct fit {
    int n, count;    /* runs, terms that are in it */
    int *in;         /* (count): which, owned */
    double *beta, *se; /* (count), owned */
    double r2, sd;   /* explained share of the variance about the mean; sd of the residuals */
    int failed;
} fit;

typedef struct observations {
    int n;
    const gs_point **at; /* (n), owned */
    double *y;           /* (n), owned */
} observations;

static observations observe(const gs_table_spec *s, const char *metric, double scale, const gs_point *points, int count)
{
    observations o = {.at = gs_alloc((size_t)count + 1, sizeof *o.at), .y = gs_alloc((size_t)count + 1, sizeof *o.y)};
    for (int i = 0; i < count; i++) {
        double y = points[i].metrics && points[i].counts ? gs_metric_value(points[i].metrics, metric) : NAN;
        if (isnan(y) || !has_numbers(s, &points[i])) continue;
        o.at[o.n] = &points[i];
        o.y[o.n++] = y * scale;
    }
    return o;
}

static void residuals(fit *f, const observations *o, double rss)
{
    double mean = gs_mean(o->y, o->n), all = 0;
    for (int i = 0; i < o->n; i++) all += (o->y[i] - mean) * (o->y[i] - mean);
    f->r2 = all > 0 ? 1 - rss / all : NAN;
    f->sd = sqrt(rss / (o->n - f->count));
}

/* One attempt with the terms that are in it. -> -1 and the term that depends on those before it */
static int attempt(fit *f, const terms *t, const observations *o, int *dependent)
{
    gs_team alone = gs_team_alone();
    gs_matrix A, b;
    gs_err e;
    size_t k = (size_t)f->count;
    double rss, *r = gs_alloc(k * k, sizeof *r), *inverse = gs_alloc(k, sizeof *inverse);
    if (gs_matrix_open(&alone, o->n, f->count, 64, 64, &A, &e) || gs_matrix_open(&alone, o->n, 1, 64, 1, &b, &e)) gs_die("%s", e.text);
    for (int i = 0; i < o->n; i++) {
        b.at[i] = o->y[i];
        for (int j = 0; j < f->count; j++) A.at[(size_t)i + (size_t)j * (size_t)o->n] = value_of(&t->at[f->in[j]], o->at[i]);
    }
    int failed = gs_least_squares(&A, &b, f->beta, r, &rss, dependent, &e);
    if (!failed) {
        residuals(f, o, rss);
        gs_inverse_diagonal(f->count, r, inverse);
        for (int j = 0; j < f->count; j++) f->se[j] = f->sd * sqrt(inverse[j]);
    }
    gs_matrix_close(&A), gs_matrix_close(&b);
    free(r), free(inverse);
    return failed;
}

/* Terms that say nothing new are taken out, the last one that makes it so first. */
static fit fit_of(const terms *t, const observations *o)
{
    size_t room = (size_t)t->count + 1;
    fit f = {.n = o->n, .count = t->count, .in = gs_alloc(room, sizeof *f.in), .beta = gs_alloc(room, sizeof *f.beta),
             .se = gs_alloc(room, sizeof *f.se), .r2 = NAN, .sd = NAN};
    for (int j = 0; j < t->count; j++) f.in[j] = j;
    for (int dependent = -1; f.count > 0; dependent = -1) {
        if (o->n <= f.count) f.failed = 1;
        if (f.failed || !attempt(&f, t, o, &dependent)) break;
        f.failed = dependent < 0;
        if (f.failed) break;
        memmove(f.in + dependent, f.in + dependent + 1, (size_t)(f.count - dependent - 1) * sizeof *f.in);
        f.count--;
    }
    return f;
}

static double rounded(double x)
{
    char text[32];
    snprintf(text, sizeof text, "%.6g", x);
    return strtod(text, NULL);
}

static void fill(gs_table *t, int column, const char *metric, const fit *f, const terms *all)
{
    if (f->failed) {
        gs_table_note(t, "%s: %d runs are too few for %d terms.", metric, f->n, f->count);
        return;
    }
    double width = gs_t_quantile(0.5 + LEVEL / 2, f->n - f->count);
    gs_buf out = {0};
    for (int j = 0; j < f->count; j++) {
        double b = f->beta[j], half = width * f->se[j];
        gs_estimate x = {rounded(b), rounded(f->se[j]), {rounded(b - half), rounded(b + half)}, f->n, f->n};
        *gs_table_cell(t, f->in[j], column) = (gs_cell){.kind = GS_CELL_ESTIMATE, .estimate = x};
    }
    for (int j = 0, at = 0; j < all->count; j++) {
        if (at < f->count && f->in[at] == j) at++;
        else gs_buf_add(&out, "%s%s", out.length ? ", " : "", all->at[j].name);
    }
    gs_table_note(t, "%s: %d runs, R2 %.4g, sd of the residuals %.4g.", metric, f->n, f->r2, f->sd);
    if (out.length) gs_table_note(t, "%s: left out, a combination of the terms above: %s.", metric, out.text);
    gs_buf_free(&out);
}

/* -- the table --------------------------------------------------------------------------------------------------- */

int gs_regression_verify(const gs_context *c, const gs_table_spec *t, gs_err *e)
{
    for (int k = 0; k < t->metric_count; k++) {
        gs_metric_name m;
        if (!gs_metric_parse(t->metrics[k], &m) && gs_metric_is_time(&m))
            return gs_table_error(c, t, e, "a fit of %s would leave out the runs that never get there. Name it in a comparison, which "
                                           "censors them.", t->metrics[k]);
    }
    for (int k = 0; k < t->on_count; k++) {
        const gs_regressor *r = &t->on[k];
        bool any = !is_number(r) || c->narrowed;
        for (int i = 0; i < c->grid->count && is_number(r); i++) {
            gs_value v = gs_run_value((gs_run){c->grid, i}, r->key);
            any = any || v.set;
            if (r->kind == GS_TERM_LOG2 && v.set && number(r->key, v) <= 0)
                return gs_table_error(c, t, e, "%s is 0 or less in a run, so it has no log2.", gs_keys[r->key].name);
        }
        if (!any) return gs_table_error(c, t, e, "no run of the sweep has %s.", gs_keys[r->key].name);
    }
    return 0;
}

int gs_regression_make(const gs_table_spec *s, const gs_point *points, int count, gs_table *out, bool *built, gs_err *e)
{
    terms t = terms_of(s, points, count);
    (void)e; /* what can be wrong was found by gs_regression_verify */
    *out = (gs_table){.name = gs_text("%s", s->name), .kind = "regression"};
    gs_table_column(out, "", "term")->text = true;
    out->key_count = 1;
    for (int k = 0; k < s->metric_count; k++) {
        gs_metric_name m;
        if (gs_metric_parse(s->metrics[k], &m)) gs_die("%s is no metric", s->metrics[k]);
        gs_table_metric_column(out, &m, s->metrics[k], NULL)->spread = "se";
    }
    gs_table_rows(out, t.count);
    for (int j = 0; j < t.count; j++) *gs_table_cell(out, j, 0) = (gs_cell){.kind = GS_CELL_TEXT, .text = gs_text("%s", t.at[j].name)};
    gs_table_note(out, "Least squares over single runs: estimate ± standard error [95 %% t interval, runs - terms degrees of freedom]. "
                       "Runs of one seed share their data and initial values, which these errors do not know.");
    for (int k = 0; k < s->metric_count; k++) {
        observations o = observe(s, s->metrics[k], gs_metric_find(s->metrics[k])->probability ? 100 : 1, points, count);
        fit f = fit_of(&t, &o);
        fill(out, k + 1, s->metrics[k], &f, &t);
        free(f.in), free(f.beta), free(f.se), free(o.at), free(o.y);
    }
    *built = true;
    free_terms(&t);
    return 0;
}
