/* t tests and rank tests, and the sizes of effects. */
#include <math.h>
#include <stdlib.h>

#include "tables/ranks.h"

static const gs_test undefined = {NAN, NAN, NAN, NAN, NAN, GS_WAY_T};

/* -- t ---------------------------------------------------------------------------------------------------------- */

static gs_test of_t(double difference, double se, double df)
{
    double t = se > 0 ? difference / se : difference > 0 ? INFINITY : difference < 0 ? -INFINITY : 0;
    double greater = gs_t_upper(t, df), less = gs_t_upper(-t, df);
    if (se == 0 && difference == 0) greater = less = 1;
    return (gs_test){t, df, fmin(1, 2 * fmin(greater, less)), less, greater, GS_WAY_T};
}

gs_test gs_paired_t(const double *d, int n)
{
    return n < 2 ? undefined : of_t(gs_mean(d, n), gs_sd(d, n) / sqrt(n), n - 1);
}

gs_test gs_welch_t(const double *x, int n, const double *y, int m)
{
    if (n < 2 || m < 2) return undefined;
    double a = gs_sd(x, n), b = gs_sd(y, m);
    a = a * a / n, b = b * b / m;
    double df = a + b > 0 ? (a + b) * (a + b) / (a * a / (n - 1) + b * b / (m - 1)) : n + m - 2;
    return of_t(gs_mean(x, n) - gs_mean(y, m), sqrt(a + b), df);
}

/* -- ranks ------------------------------------------------------------------------------------------------------ */

static int by_value(const void *a, const void *b)
{
    double x = ((const gs_ranked *)a)->value, y = ((const gs_ranked *)b)->value;
    return (x > y) - (x < y);
}

double gs_rank(gs_ranked *r, int n)
{
    double ties = 0;
    if (n) qsort(r, (size_t)n, sizeof *r, by_value);
    for (int at = 0, same; at < n; at += same) {
        for (same = 1; at + same < n && r[at + same].value == r[at].value;) same++;
        for (int k = at; k < at + same; k++) r[k].rank = at + (same + 1) / 2.0;
        ties += (double)same * same * same - same;
    }
    return ties;
}

/* With the continuity correction: each tail is widened by 1/2. */
static gs_test of_normal(double statistic, double mean, double variance)
{
    if (!(variance > 0)) return (gs_test){statistic, NAN, 1, 1, 1, GS_WAY_NORMAL};
    double sd = sqrt(variance), above = statistic - mean;
    double greater = gs_normal_upper((above - 0.5) / sd), less = gs_normal_upper((-above - 0.5) / sd);
    return (gs_test){statistic, NAN, fmin(1, 2 * fmin(greater, less)), less, greater, GS_WAY_NORMAL};
}

/* share[s]: the probability of the sum s. */
static gs_test of_exact(double statistic, int sum, const double *share, int count)
{
    double less = 0, greater = 0;
    for (int s = 0; s < count; s++) {
        if (s <= sum) less += share[s];
        if (s >= sum) greater += share[s];
    }
    return (gs_test){statistic, NAN, fmin(1, 2 * fmin(less, greater)), less, greater, GS_WAY_EXACT};
}

/* Ranks are halves of whole numbers, ties having their mean, so that sums of them are counted in halves. */
static int twice(double rank) { return (int)(2 * rank); }

/* The sum of a random half of the ranks, one after the other: each is in it or not. */
static gs_test wilcoxon_exact(double statistic, const gs_ranked *r, int n)
{
    int count = n * (n + 1) + 1;
    double *share = gs_alloc((size_t)count, sizeof *share);
    share[0] = 1;
    for (int i = 0, most = 0; i < n; i++) {
        int rank = twice(r[i].rank);
        most += rank;
        for (int s = most; s >= 0; s--) share[s] = (share[s] + (s >= rank ? share[s - rank] : 0)) / 2;
    }
    gs_test out = of_exact(statistic, twice(statistic), share, count);
    free(share);
    return out;
}

gs_test gs_wilcoxon(const double *d, int n)
{
    if (n < 2) return undefined;
    gs_ranked *r = gs_alloc((size_t)n, sizeof *r);
    int k = 0;
    for (int i = 0; i < n; i++)
        if (d[i] != 0) r[k++] = (gs_ranked){fabs(d[i]), 0, d[i] > 0};
    double ties = gs_rank(r, k), sum = 0, size = k;
    for (int i = 0; i < k; i++) sum += r[i].first ? r[i].rank : 0;
    gs_test out = k <= 50 ? wilcoxon_exact(sum, r, k)
                          : of_normal(sum, size * (size + 1) / 4, size * (size + 1) * (2 * size + 1) / 24 - ties / 48);
    free(r);
    return out;
}

/* ways[k][s]: choices of k of the values seen so far whose ranks have the sum s. */
static gs_test mann_whitney_exact(double u, const gs_ranked *r, int n, int m)
{
    int count = (n + m) * (n + m + 1) + 1;
    double *ways = gs_alloc((size_t)(n + 1) * (size_t)count, sizeof *ways), total = 0, *share = ways + (size_t)n * (size_t)count;
    ways[0] = 1;
    for (int t = 0; t < n + m; t++)
        for (int k = t < n ? t + 1 : n, rank = twice(r[t].rank); k >= 1; k--)
            for (int s = count - 1; s >= rank; s--)
                ways[(size_t)k * (size_t)count + (size_t)s] += ways[(size_t)(k - 1) * (size_t)count + (size_t)(s - rank)];
    for (int s = 0; s < count; s++) total += share[s];
    for (int s = 0; s < count; s++) share[s] /= total;
    gs_test out = of_exact(u, twice(u) + n * (n + 1), share, count);
    free(ways);
    return out;
}

/* All values with their ranks, owned by the caller; *u of x. */
static gs_ranked *rank_both(const double *x, int n, const double *y, int m, double *ties, double *u)
{
    gs_ranked *r = gs_alloc((size_t)(n + m) + 1, sizeof *r);
    for (int i = 0; i < n; i++) r[i] = (gs_ranked){x[i], 0, true};
    for (int i = 0; i < m; i++) r[n + i] = (gs_ranked){y[i], 0, false};
    *ties = gs_rank(r, n + m);
    *u = -n * (n + 1.0) / 2;
    for (int i = 0; i < n + m; i++) *u += r[i].first ? r[i].rank : 0;
    return r;
}

gs_test gs_mann_whitney(const double *x, int n, const double *y, int m)
{
    if (n < 1 || m < 1) return undefined;
    double ties, u, all = n + m, pairs = (double)n * m;
    gs_ranked *r = rank_both(x, n, y, m, &ties, &u);
    gs_test out = n < 50 && m < 50 ? mann_whitney_exact(u, r, n, m)
                                   : of_normal(u, pairs / 2, pairs / 12 * (all + 1 - ties / (all * (all - 1))));
    free(r);
    return out;
}

/* -- sizes of effects ------------------------------------------------------------------------------------------- */

double gs_hedges_g(const double *x, int n, const double *y, int m)
{
    if (n < 2 || m < 2) return NAN;
    double a = gs_sd(x, n), b = gs_sd(y, m), df = n + m - 2, pooled = sqrt(((n - 1) * a * a + (m - 1) * b * b) / df);
    return pooled > 0 ? (gs_mean(x, n) - gs_mean(y, m)) / pooled * (1 - 3 / (4 * df - 1)) : NAN;
}

double gs_superiority(const double *x, int n, const double *y, int m)
{
    double ties, u;
    if (n < 1 || m < 1) return NAN;
    free(rank_both(x, n, y, m, &ties, &u));
    return u / ((double)n * m);
}

double gs_cliffs_delta(const double *x, int n, const double *y, int m) { return 2 * gs_superiority(x, n, y, m) - 1; }
