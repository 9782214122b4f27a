/* A claim's samples -> estimate with its 95 % interval, test, sizes of the effect. */
#include "tables/judge.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const gs_verdict_names[] = {"supported", "contradicted", "undecided"};

bool gs_claim_paired(const gs_claim_spec *c)
{
    return c->test == GS_TEST_PAIRED || c->test == GS_TEST_WILCOXON || c->test == GS_TEST_PERMUTATION;
}

/* -- tests ------------------------------------------------------------------------------------------------------- */

/* The claim's test with every difference moved by `shift`. */
static gs_test shifted(const gs_evidence *v, double shift)
{
    bool paired = gs_claim_paired(v->claim);
    const gs_sample *s = paired ? &v->d : &v->x;
    double *moved = gs_alloc((size_t)s->n + 1, sizeof *moved);
    for (int i = 0; i < s->n; i++) moved[i] = s->x[i] + shift;
    gs_test out = {NAN, NAN, NAN, NAN, NAN, GS_WAY_T};
    switch (v->claim->test) {
    case GS_TEST_PAIRED: out = gs_paired_t(moved, s->n); break;
    case GS_TEST_WILCOXON: out = gs_wilcoxon(moved, s->n); break;
    case GS_TEST_PERMUTATION: out = gs_permutation_paired(moved, s->n); break;
    case GS_TEST_WELCH: out = gs_welch_t(moved, s->n, v->y.x, v->y.n); break;
    case GS_TEST_MANN_WHITNEY: out = gs_mann_whitney(moved, s->n, v->y.x, v->y.n); break;
    case GS_TEST_PERMUTATION_UNPAIRED: out = gs_permutation_two(moved, s->n, v->y.x, v->y.n); break;
    default: gs_die("%s is no test of means", gs_claim_test_names[v->claim->test]);
    }
    free(moved);
    return out;
}

static const char *way_text(gs_way way)
{
    return way == GS_WAY_EXACT ? ", exact" : way == GS_WAY_NORMAL ? ", normal" : "";
}

static void name_test(const gs_evidence *v, gs_test t, char out[64])
{
    static const char *const names[GS_TEST_COUNT] = {"paired t",   "Welch t",  "Wilcoxon", "Mann-Whitney",
                                                     "sign flips", "splits", "log-rank", "Fisher"};
    const char *tost = v->claim->expect == GS_EXPECT_EQUIVALENT ? "TOST, " : "", *name = names[v->claim->test];
    bool permutation = v->claim->test == GS_TEST_PERMUTATION || v->claim->test == GS_TEST_PERMUTATION_UNPAIRED;
    if (v->claim->test == GS_TEST_LOG_RANK && t.way == GS_WAY_EXACT) snprintf(out, 64, "log-rank, all splits");
    else if (v->claim->test == GS_TEST_LOG_RANK && t.way == GS_WAY_DRAWN)
        snprintf(out, 64, "log-rank, %d drawn splits", GS_PERMUTATION_DRAWS);
    else if (t.way == GS_WAY_DRAWN) snprintf(out, 64, "%s%d drawn %s", tost, GS_PERMUTATION_DRAWS, name);
    else if (permutation) snprintf(out, 64, "%sall %s", tost, name);
    else snprintf(out, 64, "%s%s%s", tost, name, t.way == GS_WAY_T || v->claim->test == GS_TEST_LOG_RANK ? "" : way_text(t.way));
}

/* All values are equal, up to rounding. */
static bool equal(const gs_sample *s)
{
    int k = 1;
    while (k < s->n && fabs(s->x[k] - s->x[0]) <= 1e-12 * fabs(s->x[0])) k++;
    return s->n > 1 && k == s->n;
}

/* -- three kinds of claims --------------------------------------------------------------------------------------- */

static gs_estimate welch_estimate(const gs_sample *x, const gs_sample *y)
{
    double difference = gs_mean(x->x, x->n) - gs_mean(y->x, y->n), half = NAN;
    gs_test t = gs_welch_t(x->x, x->n, y->x, y->n);
    if (!isnan(t.df)) {
        double a = gs_sd(x->x, x->n), b = gs_sd(y->x, y->n);
        half = gs_t_quantile(0.975, t.df) * sqrt(a * a / x->n + b * b / y->n);
    }
    return (gs_estimate){difference, NAN, {difference - half, difference + half}, x->n + y->n, x->n + y->n};
}

static double of_means(const gs_evidence *v, gs_judgement *out)
{
    bool paired = gs_claim_paired(v->claim);
    out->n = paired ? v->d.n : v->x.n;
    out->m = paired ? 0 : v->y.n;
    out->estimate = paired ? gs_estimate_of(&v->d, 1, GS_INTERVAL_T) : welch_estimate(&v->x, &v->y);
    gs_test t = shifted(v, 0);
    out->p = t.p;
    if (v->claim->expect == GS_EXPECT_EQUIVALENT) {
        double above = shifted(v, v->claim->margin).greater, below = shifted(v, -v->claim->margin).less;
        out->p = isnan(above) ? NAN : fmax(above, below);
    }
    out->sign = (out->estimate.mean > 0) - (out->estimate.mean < 0);
    out->without = paired ? v->d.of - v->d.n : v->x.of - v->x.n + v->y.of - v->y.n;
    out->flat = t.way == GS_WAY_T && (paired ? equal(&v->d) : equal(&v->x) && equal(&v->y));
    out->hedges_g = gs_hedges_g(v->x.x, v->x.n, v->y.x, v->y.n);
    out->cliffs_delta = gs_cliffs_delta(v->x.x, v->x.n, v->y.x, v->y.n);
    name_test(v, t, out->test);
    if (out->flat) strcat(out->test, ", no spread");
    return t.statistic;
}

/* z is positive when compare is there earlier, which makes its times less. */
static double of_times(const gs_evidence *v, gs_judgement *out)
{
    gs_test t = gs_log_rank_permutation(v->tx.x, v->tx.n, v->ty.x, v->ty.n);
    out->p = t.p;
    out->estimate = gs_times_difference(&v->tx, &v->ty);
    out->sign = (t.statistic < 0) - (t.statistic > 0);
    name_test(v, t, out->test);
    return t.statistic;
}

static double of_shares(const gs_evidence *v, gs_judgement *out)
{
    const gs_times *x = &v->tx, *y = &v->ty;
    double difference = (double)x->reached / x->n - (double)y->reached / y->n;
    out->p = gs_fisher(x->reached, x->n, y->reached, y->n);
    out->estimate = (gs_estimate){difference, NAN, gs_newcombe(x->reached, x->n, y->reached, y->n, 0.95), x->n + y->n, x->n + y->n};
    out->sign = (difference > 0) - (difference < 0);
    name_test(v, (gs_test){.way = GS_WAY_EXACT}, out->test);
    return NAN;
}

gs_judgement gs_judge(const gs_evidence *v, int family)
{
    gs_judgement out = {.n = v->tx.n, .m = v->ty.n, .hedges_g = NAN, .cliffs_delta = NAN};
    double statistic = v->claim->test == GS_TEST_LOG_RANK ? of_times(v, &out)
                       : v->claim->test == GS_TEST_FISHER ? of_shares(v, &out)
                                                          : of_means(v, &out);
    out.needed = gs_seeds_needed(v, &out, statistic, family);
    return out;
}

/* -- verdicts ---------------------------------------------------------------------------------------------------- */

gs_verdict gs_verdict_of(const gs_claim_spec *c, const gs_judgement *j)
{
    int fewest = gs_claim_paired(c) || j->n < j->m ? j->n : j->m;
    bool significant = j->adjusted < 0.05; /* nan: no */
    if (fewest < 3) return GS_UNDECIDED;
    if (c->expect == GS_EXPECT_EQUIVALENT) {
        bool outside = j->estimate.interval.low > c->margin || j->estimate.interval.high < -c->margin;
        return significant ? GS_SUPPORTED : outside ? GS_CONTRADICTED : GS_UNDECIDED;
    }
    if (!significant || !j->sign) return GS_UNDECIDED;
    if (c->expect == GS_EXPECT_DIFFERENT) return GS_SUPPORTED;
    return (j->sign > 0) == (c->expect == GS_EXPECT_GREATER) ? GS_SUPPORTED : GS_CONTRADICTED;
}
