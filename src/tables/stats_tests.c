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

/* share[s]: the probability of the sum s; symmetric around its middle. */
static gs_test of_exact(double statistic, const double *share, int count)
{
    double less = 0, greater = 0;
    for (int s = 0; s < count; s++) {
        if (s <= statistic) less += share[s];
        if (s >= statistic) greater += share[s];
    }
    return (gs_test){statistic, NAN, fmin(1, 2 * fmin(less, greater)), less, greater, GS_WAY_EXACT};
}

/* The sum of a random half of the ranks 1..n, one after the other: each is in it or not. */
static gs_test wilcoxon_exact(double statistic, int n)
{
    int count = n * (n + 1) / 2 + 1;
    double *share = gs_alloc((size_t)count, sizeof *share);
    share[0] = 1;
    for (int rank = 1; rank <= n; rank++)
        for (int s = rank * (rank + 1) / 2; s >= 0; s--) share[s] = (share[s] + (s >= rank ? share[s - rank] : 0)) / 2;
    gs_test out = of_exact(statistic, share, count);
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
    free(r);
    if (k <= 50 && ties == 0 && k > 0) return wilcoxon_exact(sum, k);
    return of_normal(sum, size * (size + 1) / 4, size * (size + 1) * (2 * size + 1) / 24 - ties / 48);
}

/* ways[k][u] of k values of the first sample among those seen so far; value t is in it with the ranks of k - 1 before it. */
static gs_test mann_whitney_exact(double statistic, int n, int m)
{
    int count = n * m + 1;
    double *ways = gs_alloc((size_t)(n + 1) * (size_t)count, sizeof *ways);
    ways[0] = 1;
    for (int t = 1; t <= n + m; t++)
        for (int k = t < n ? t : n; k >= 1; k--) {
            int before = t - k; /* values of the other sample below this one */
            if (before > m) continue;
            for (int u = count - 1; u >= before; u--) ways[k * count + u] += ways[(k - 1) * count + u - before];
        }
    double total = 0, *share = ways + n * count;
    for (int u = 0; u < count; u++) total += share[u];
    for (int u = 0; u < count; u++) share[u] /= total;
    gs_test out = of_exact(statistic, share, count);
    free(ways);
    return out;
}

static double rank_both(const double *x, int n, const double *y, int m, double *ties)
{
    gs_ranked *r = gs_alloc((size_t)(n + m) + 1, sizeof *r);
    for (int i = 0; i < n; i++) r[i] = (gs_ranked){x[i], 0, true};
    for (int i = 0; i < m; i++) r[n + i] = (gs_ranked){y[i], 0, false};
    *ties = gs_rank(r, n + m);
    double sum = 0;
    for (int i = 0; i < n + m; i++) sum += r[i].first ? r[i].rank : 0;
    free(r);
    return sum - n * (n + 1.0) / 2;
}

gs_test gs_mann_whitney(const double *x, int n, const double *y, int m)
{
    if (n < 1 || m < 1) return undefined;
    double ties, u = rank_both(x, n, y, m, &ties), all = n + m, pairs = (double)n * m;
    if (n < 50 && m < 50 && ties == 0) return mann_whitney_exact(u, n, m);
    return of_normal(u, pairs / 2, pairs / 12 * (all + 1 - ties / (all * (all - 1))));
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
    double ties;
    return n < 1 || m < 1 ? NAN : rank_both(x, n, y, m, &ties) / ((double)n * m);
}

double gs_cliffs_delta(const double *x, int n, const double *y, int m) { return 2 * gs_superiority(x, n, y, m) - 1; }
