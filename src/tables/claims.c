/* The claims of a sweep file as a table: what was stated, what came out, and whether that decides it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tables/judge.h"

/* A claim's two sides as a table that nothing is printed of: `against` is the baseline. Borrows. */
static gs_table_spec sides_of(const gs_claim_spec *c)
{
    return (gs_table_spec){.name = c->name, .kind = GS_TABLE_CLAIM, .only = c->compare, .baseline = c->against, .pool_count = c->pool_count,
                           .pool = c->pool, .where = c->where};
}

/* -- what needs no result ------------------------------------------------------------------------------------------ */

static bool any_fits(const gs_context *c, const gs_selector *s)
{
    for (int i = 0; i < c->grid->count; i++)
        if (gs_run_fits((gs_run){c->grid, i}, s)) return true;
    return false;
}

static int check_sides(const gs_context *c, const gs_claim_spec *claim, gs_err *e)
{
    const gs_selector *sides[] = {&claim->compare, &claim->against};
    static const char *const names[] = {"`compare`", "`against`"};
    gs_table_spec t = sides_of(claim);
    for (int k = 0; k < 2; k++) {
        t.where = sides[k]->where;
        if (!c->narrowed && !any_fits(c, sides[k]))
            return gs_table_error(c, &t, e, "no run of the sweep fits %s. Name a configuration that the sweep has.", names[k]);
        if (gs_metric_verify(c, &t, claim->metric, sides[k], names[k], e)) return -1;
    }
    for (int i = 0; i < c->grid->count; i++) {
        gs_run run = {c->grid, i};
        if (gs_run_fits(run, sides[0]) && gs_run_fits(run, sides[1]))
            return gs_table_error(c, &t, e, "a run fits both `compare` and `against`. Name more keys, so that they are apart.");
    }
    return 0;
}

int gs_claim_verify(const gs_context *c, const gs_claim_spec *claim, gs_err *e)
{
    gs_table_spec t = sides_of(claim);
    if (check_sides(c, claim, e)) return -1;
    return gs_frame_verify(c, &t, !c->partial && gs_claim_paired(claim), e);
}

/* -- one claim ----------------------------------------------------------------------------------------------------- */

static gs_evidence collect(const gs_frame *f, const gs_claim_spec *claim)
{
    gs_evidence out = {.claim = claim};
    gs_side x, y;
    gs_side_open(f, 0, &x);
    gs_side_turn(f, &x, &y);
    bool time = claim->test == GS_TEST_LOG_RANK || claim->test == GS_TEST_FISHER;
    if (time) out.tx = gs_sample_times(&x, claim->metric), out.ty = gs_sample_times(&y, claim->metric);
    else {
        out.d = gs_sample_differences(&x, claim->metric);
        out.x = gs_sample_values(&x, claim->metric);
        out.y = gs_sample_values(&y, claim->metric);
    }
    gs_side_close(&x), gs_side_close(&y);
    return out;
}

static void free_evidence(gs_evidence *v) { free(v->d.x), free(v->x.x), free(v->y.x), free(v->tx.x), free(v->ty.x); }

/* 1: judged; 0: --set left it no runs; -1: bad input. */
static int judge(const gs_context *c, const gs_claim_spec *claim, int family, const gs_point *points, int count, gs_judgement *out,
                 int *missing, gs_err *e)
{
    gs_table_spec t = sides_of(claim);
    gs_frame f;
    if (gs_frame_open(c, &t, points, count, &f, e)) return -1;
    int result = c->partial || !gs_claim_paired(claim) ? 0 : gs_frame_seeds_equal(&f, e);
    if (result == 0 && f.groups[0].count && f.groups[1].count) {
        gs_evidence v = collect(&f, claim);
        *out = gs_judge(&v, family);
        free_evidence(&v);
        for (int i = 0; i < f.all.count; i++) *missing += !f.all.at[i]->metrics;
        result = 1;
    }
    gs_frame_close(&f);
    return result;
}

/* -- the table ----------------------------------------------------------------------------------------------------- */

enum { CLAIM, EXPECT, ESTIMATE, UNIT, ADJUSTED, SEEDS, VERDICT, NEEDED, TEST, P, DISCOVERY, COMPARED, AGAINST_N, HEDGES, CLIFF,
       SUPERIOR, METRIC, COMPARE, AGAINST, COLUMN_COUNT };

static void add_columns(gs_table *t)
{
    static const struct {
        const char *name;
        bool text;
        int digits;
        unsigned in;
    } rows[COLUMN_COUNT] = {
        [CLAIM] = {"claim", true, 0, GS_IN_ALL},
        [EXPECT] = {"expect", true, 0, GS_IN_ALL},
        [ESTIMATE] = {"estimate", false, 0, GS_IN_ALL},
        [UNIT] = {"unit", true, 0, GS_IN_ALL},
        [ADJUSTED] = {"p (Holm)", false, 2, GS_IN_ALL},
        [SEEDS] = {"n", true, 0, GS_IN_MD | GS_IN_TEX},
        [VERDICT] = {"verdict", true, 0, GS_IN_ALL},
        [NEEDED] = {"n needed", false, 0, GS_IN_ALL},
        [TEST] = {"test", true, 0, GS_IN_ALL},
        [P] = {"p", false, 2, GS_IN_ALL},
        [DISCOVERY] = {"q (Benjamini-Hochberg)", false, 2, GS_IN_CSV | GS_IN_JSON},
        [COMPARED] = {"n_compare", false, 0, GS_IN_CSV | GS_IN_JSON},
        [AGAINST_N] = {"n_against", false, 0, GS_IN_CSV | GS_IN_JSON},
        [HEDGES] = {"Hedges g", false, 3, GS_IN_ALL},
        [CLIFF] = {"Cliff delta", false, 3, GS_IN_ALL},
        [SUPERIOR] = {"P(compare > against)", false, 3, GS_IN_CSV | GS_IN_JSON},
        [METRIC] = {"metric", true, 0, GS_IN_ALL},
        [COMPARE] = {"compare", true, 0, GS_IN_ALL},
        [AGAINST] = {"against", true, 0, GS_IN_ALL},
    };
    for (int k = 0; k < COLUMN_COUNT; k++) {
        gs_column *c = gs_table_column(t, "", "%s", rows[k].name);
        c->text = rows[k].text, c->digits = rows[k].digits, c->in = rows[k].in;
    }
    t->columns[ESTIMATE].change = true;
    t->columns[ESTIMATE].spread = "sd";
    t->columns[ESTIMATE].brief = "difference";
    t->key_count = 1;
}

static void set_text(gs_table *t, int row, int column, const char *text)
{
    *gs_table_cell(t, row, column) = (gs_cell){.kind = GS_CELL_TEXT, .text = gs_text("%s", text)};
}

static void set_real(gs_table *t, int row, int column, double x)
{
    if (!isnan(x)) *gs_table_cell(t, row, column) = (gs_cell){.kind = GS_CELL_REAL, .r = x};
}

static void set_int(gs_table *t, int row, int column, int64_t n)
{
    *gs_table_cell(t, row, column) = (gs_cell){.kind = GS_CELL_INT, .i = n, .high = n};
}

static void fill_words(gs_table *t, int row, const gs_claim_spec *c, const gs_judgement *j, bool percent)
{
    gs_buf compare = {0}, against = {0}, expect = {0};
    char real[32];
    gs_selector_text(&c->compare, &compare), gs_selector_text(&c->against, &against);
    gs_buf_add(&expect, "%s", gs_expect_names[c->expect]);
    if (c->expect == GS_EXPECT_EQUIVALENT)
        gs_buf_add(&expect, " within %s%s", gs_real(percent ? 100 * c->margin : c->margin, real), percent ? " pp" : "");
    set_text(t, row, CLAIM, c->name);
    set_text(t, row, EXPECT, expect.text);
    set_text(t, row, UNIT, percent ? "pp" : gs_metric_find(c->metric)->unit);
    set_text(t, row, VERDICT, gs_verdict_names[gs_verdict_of(c, j)]);
    set_text(t, row, TEST, j->test);
    set_text(t, row, METRIC, c->metric);
    set_text(t, row, COMPARE, compare.text);
    set_text(t, row, AGAINST, against.text);
    gs_buf_free(&compare), gs_buf_free(&against), gs_buf_free(&expect);
}

static void fill_row(gs_table *t, int row, const gs_claim_spec *c, const gs_judgement *j)
{
    bool percent = gs_metric_find(c->metric)->probability || c->test == GS_TEST_FISHER, paired = gs_claim_paired(c);
    double scale = percent ? 100 : 1;
    gs_estimate e = j->estimate;
    e = (gs_estimate){e.mean * scale, e.spread * scale, {e.interval.low * scale, e.interval.high * scale}, e.n, e.of};
    fill_words(t, row, c, j, percent);
    *gs_table_cell(t, row, ESTIMATE) = (gs_cell){.kind = GS_CELL_ESTIMATE, .estimate = e};
    set_real(t, row, ADJUSTED, j->adjusted), set_real(t, row, P, j->p), set_real(t, row, DISCOVERY, j->discovery);
    set_int(t, row, COMPARED, j->n), set_int(t, row, AGAINST_N, paired ? j->n : j->m);
    char seeds[32];
    if (paired) snprintf(seeds, sizeof seeds, "%d%s", j->n, j->without ? "*" : "");
    else snprintf(seeds, sizeof seeds, "%d + %d%s", j->n, j->m, j->without ? "*" : "");
    set_text(t, row, SEEDS, seeds);
    if (j->needed) set_int(t, row, NEEDED, j->needed);
    set_real(t, row, HEDGES, j->hedges_g), set_real(t, row, CLIFF, j->cliffs_delta);
    set_real(t, row, SUPERIOR, (1 + j->cliffs_delta) / 2); /* ties count half */
}

static void add_notes(gs_table *t, const gs_claim_spec *claims, const gs_judgement *j, const int *of, int family, int missing)
{
    gs_table_note(t,
                  "difference: compare - against with its 95 %% interval. p: two-sided, of equivalent claims the larger of TOST's two; "
                  "Holm: over the %d claim%s of the file. supported: p (Holm) < 0.05 with the stated sign, contradicted: with the "
                  "other, or, of equivalent, the interval wholly outside the margin; else, or with fewer than 3 seeds, undecided.",
                  family, family == 1 ? "" : "s");
    gs_table_note(t,
                  "n needed: seeds (a side, of unpaired tests) for a power of 0.8 at level 0.05 / %d, if the difference (equivalent: "
                  "none) and the sds are as seen; – : no number.",
                  family);
    bool ranks = false, times = false, shares = false, flat = false, without = false;
    for (int row = 0; row < t->row_count; row++) {
        flat = flat || j[row].flat;
        without = without || j[row].without;
        gs_claim_test test = claims[of[row]].test;
        times = times || test == GS_TEST_LOG_RANK;
        shares = shares || test == GS_TEST_FISHER;
        ranks = ranks || (test != GS_TEST_PAIRED && test != GS_TEST_WELCH && test < GS_TEST_LOG_RANK);
    }
    if (ranks) gs_table_note(t, "Rank and permutation tests: the difference is of means, with its t interval.");
    if (times)
        gs_table_note(t, "log-rank: p over the splits of the seeds; times of seeds that never got there are censored at the steps done; "
                         "the difference is of means restricted to where both Kaplan-Meier curves are known, its interval is normal.");
    if (shares) gs_table_note(t, "Fisher: greater is: more seeds get there; the interval is Newcombe's.");
    if (flat)
        gs_table_note(t, "no spread: all differences (Welch's test: all values of either side) are equal, so that t is infinite, or 0 "
                         "of none; such a p holds only if other seeds have no spread either.");
    if (without)
        gs_table_note(t, "n*: seeds are left out that lack the metric, or a run to be compared with; the claim is about the others.");
    if (missing) gs_table_note(t, "Left out, having no result: %d of the claims' runs; n counts the seeds that are there.", missing);
}

static void adjust(gs_judgement *j, const int *of, int judged, int family)
{
    size_t n = (size_t)family;
    double *p = gs_alloc(n, sizeof *p), *holm = gs_alloc(n, sizeof *holm), *q = gs_alloc(n, sizeof *q);
    for (int k = 0; k < family; k++) p[k] = NAN; /* a claim without runs counts as one that shows nothing */
    for (int row = 0; row < judged; row++) p[of[row]] = j[row].p;
    gs_holm(p, family, holm), gs_benjamini_hochberg(p, family, q);
    for (int row = 0; row < judged; row++) j[row].adjusted = holm[of[row]], j[row].discovery = q[of[row]];
    free(p), free(holm), free(q);
}

static void make(const gs_claim_spec *claims, gs_judgement *j, const int *of, int judged, int family, int missing, gs_table *out)
{
    adjust(j, of, judged, family);
    *out = (gs_table){.name = gs_text("claims"), .kind = "claims"};
    add_columns(out);
    gs_table_rows(out, judged);
    for (int row = 0; row < judged; row++) fill_row(out, row, &claims[of[row]], &j[row]);
    add_notes(out, claims, j, of, family, missing);
}

int gs_claims_make(const gs_context *c, const gs_claim_spec *claims, int claim_count, const gs_point *points, int count,
                   gs_table *out, bool *built, gs_buf *skipped, gs_err *e)
{
    gs_judgement *j = gs_alloc((size_t)claim_count + 1, sizeof *j);
    int *of = gs_alloc((size_t)claim_count + 1, sizeof *of), judged = 0, missing = 0, result = 0;
    for (int k = 0; k < claim_count && result >= 0; k++) {
        result = judge(c, &claims[k], claim_count, points, count, &j[judged], &missing, e);
        if (result == 1) of[judged++] = k;
        else if (result == 0) gs_buf_add(skipped, "Claim %s is left out: --set left it no runs.\n", claims[k].name);
    }
    *built = result >= 0 && judged;
    if (*built) make(claims, j, of, judged, claim_count, missing, out);
    free(j), free(of);
    return result < 0 ? -1 : 0;
}
