/* The number of seeds that would decide a claim: power 0.8 at the level that Holm grants in the worst case, 0.05 / claims.
 *
 * t tests: noncentral t, exact for differences, with Welch's degrees of freedom for two samples. Rank tests: the t test's number times
 * pi/3, their efficiency for normal data. Permutations: the t test's. Each at least so many that the exact test can reach the level.
 * Fisher: exact up to 60 a side, from there the normal approximation. Log-rank: z grows as the root of the number of seeds, and at least
 * as many as let the splits reach the level. */
#include <math.h>

#include "tables/judge.h"

enum { FEWEST = 3, FISHER_EXACT = 60 };
static const double POWER = 0.8, RANKS = 1.0471975511965977; /* pi / 3 */

typedef struct aim {
    bool paired, equivalent;
    double difference, margin, sd_x, sd_y; /* paired: sd_x is that of the differences */
    double level;
} aim;

static double t_power(const void *of, int n)
{
    const aim *a = of;
    if (a->paired && a->equivalent) return gs_paired_tost_power(a->margin / a->sd_x, n, a->level);
    if (a->paired) return gs_paired_power(a->difference / a->sd_x, n, a->level);
    if (a->equivalent) return gs_welch_tost_power(a->margin, a->sd_x, a->sd_y, n, a->level);
    return gs_welch_power(a->difference, a->sd_x, a->sd_y, n, a->level);
}

/* The smallest p of an exact test of n seeds: one of 2^n sign flips, or of (2n over n) splits; twice that when two-sided. */
static int least_for(const aim *a)
{
    double p = a->equivalent ? 1 : 2;
    int n = 0;
    while (p > a->level && n < 1000) {
        n++;
        p *= a->paired ? 0.5 : n / (2.0 * (2 * n - 1));
    }
    return n;
}

static int for_means(const gs_evidence *v, const gs_judgement *j, double level)
{
    gs_claim_test test = v->claim->test;
    aim a = {gs_claim_paired(v->claim), v->claim->expect == GS_EXPECT_EQUIVALENT, j->estimate.mean, v->claim->margin, 0, 0, level};
    a.sd_x = a.paired ? gs_sd(v->d.x, v->d.n) : gs_sd(v->x.x, v->x.n);
    a.sd_y = a.paired ? 0 : gs_sd(v->y.x, v->y.n);
    double spread = a.sd_x + a.sd_y;
    if (isnan(spread) || (!a.equivalent && a.difference == 0)) return 0;
    int n = spread > 0 ? gs_seeds_for(t_power, &a, POWER) : FEWEST;
    if (n == 0) return 0;
    if (test == GS_TEST_WILCOXON || test == GS_TEST_MANN_WHITNEY) n = (int)ceil(n * RANKS);
    int least = test == GS_TEST_PAIRED || test == GS_TEST_WELCH ? FEWEST : least_for(&a);
    return n > least ? n : least;
}

typedef struct shares {
    double p, q, level;
} shares;

static double fisher_power(const void *of, int n)
{
    const shares *s = of;
    return n > FISHER_EXACT ? 1 : gs_fisher_power(s->p, s->q, n, s->level);
}

static double squared(double x) { return x * x; }

static int for_shares(const gs_times *x, const gs_times *y, double level)
{
    shares s = {(double)x->reached / x->n, (double)y->reached / y->n, level};
    if (!(fabs(s.p - s.q) > 0)) return 0;
    double z = gs_normal_quantile(1 - level / 2) + gs_normal_quantile(POWER);
    double normal = squared(z) * (s.p * (1 - s.p) + s.q * (1 - s.q)) / squared(s.p - s.q);
    if (normal > 2 * FISHER_EXACT) return (int)ceil(normal);
    int n = gs_seeds_for(fisher_power, &s, POWER);
    return n > FISHER_EXACT ? (int)fmax(n, ceil(normal)) : n;
}

static int for_times(const gs_times *x, const gs_times *y, double statistic, double level)
{
    if (!(fabs(statistic) > 0)) return 0;
    double z = gs_normal_quantile(1 - level / 2) + gs_normal_quantile(POWER), n = (x->n + y->n) / 2.0 * squared(z / statistic);
    int least = least_for(&(aim){.level = level});
    return n > GS_SEEDS_MOST ? 0 : (int)ceil(n) > least ? (int)ceil(n) : least;
}

int gs_seeds_needed(const gs_evidence *v, const gs_judgement *j, double statistic, int family)
{
    double level = 0.05 / family;
    int n = v->claim->test == GS_TEST_LOG_RANK ? for_times(&v->tx, &v->ty, statistic, level)
            : v->claim->test == GS_TEST_FISHER ? for_shares(&v->tx, &v->ty, level)
                                               : for_means(v, j, level);
    return n && n < FEWEST ? FEWEST : n;
}
