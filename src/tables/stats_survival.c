/* Times that may be censored: Kaplan-Meier, the log-rank test, the restricted mean. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gridshift/stats.h"

static int by_time(const void *a, const void *b)
{
    const gs_time *x = a, *y = b;
    if (x->at != y->at) return x->at < y->at ? -1 : 1;
    return (y->reached > x->reached) - (y->reached < x->reached); /* who is censored at a time was still there then */
}

static gs_time *sorted(const gs_time *x, int n)
{
    gs_time *out = gs_alloc((size_t)n + 1, sizeof *out);
    if (n) memcpy(out, x, (size_t)n * sizeof *out), qsort(out, (size_t)n, sizeof *out, by_time);
    return out;
}

/* The curve behind each time that was reached. */
typedef struct step {
    double at, share, hazard; /* share: S(t); hazard: the sum of d/(n (n - d)), Greenwood; inf at S = 0 */
    int here, gone;           /* n and d */
} step;

static step *curve(const gs_time *x, int n, int *count)
{
    gs_time *t = sorted(x, n);
    step *out = gs_alloc((size_t)n + 1, sizeof *out);
    double share = 1, hazard = 0;
    *count = 0;
    for (int at = 0, same; at < n; at += same) {
        int here = n - at, gone = 0;
        for (same = 0; at + same < n && t[at + same].at == t[at].at; same++) gone += t[at + same].reached;
        if (!gone) continue;
        share = here == gone ? 0 : share * (here - gone) / here;
        hazard += (double)gone / here / (here - gone);
        out[(*count)++] = (step){t[at].at, share, hazard, here, gone};
    }
    free(t);
    return out;
}

/* Where the curve (side 0), or one of its log-log limits, meets 1/2; last: the longest time. */
static double crossing(const step *s, int count, double last, double side)
{
    for (int k = 0; k < count; k++) {
        double share = s[k].share;
        if (side != 0) { /* S^exp(+-z se(log(-log S))); not defined at S = 0 */
            double log_share = share > 0 ? gs_log(share) : NAN;
            share = gs_exp(log_share * gs_exp(-side * sqrt(s[k].hazard) / -log_share));
        }
        if (isnan(share)) return NAN;
        if (fabs(share - 0.5) < 1e-9) return (s[k].at + (k + 1 < count ? s[k + 1].at : last)) / 2;
        if (share < 0.5 + 1e-9) return s[k].at;
    }
    return NAN;
}

double gs_km_median(const gs_time *x, int n, double level, gs_interval *interval)
{
    int count;
    step *s = curve(x, n, &count);
    double z = gs_normal_quantile(0.5 + level / 2), last = 0;
    for (int i = 0; i < n; i++) last = x[i].at > last ? x[i].at : last;
    double median = crossing(s, count, last, 0);
    if (interval) *interval = (gs_interval){crossing(s, count, last, -z), crossing(s, count, last, z)};
    free(s);
    return median;
}

static int count_from(const gs_time *x, int n, double at)
{
    int k = 0;
    for (int i = 0; i < n; i++) k += x[i].at >= at;
    return k;
}

static int reached_at(const gs_time *x, int n, double at)
{
    int k = 0;
    for (int i = 0; i < n; i++) k += x[i].reached && x[i].at == at;
    return k;
}

gs_test gs_log_rank(const gs_time *x, int n, const gs_time *y, int m)
{
    gs_time *all = gs_alloc((size_t)(n + m) + 1, sizeof *all);
    memcpy(all, x, (size_t)n * sizeof *all);
    memcpy(all + n, y, (size_t)m * sizeof *all);
    int count;
    step *s = curve(all, n + m, &count);
    double excess = 0, variance = 0;
    for (int k = 0; k < count; k++) {
        double here = s[k].here, own = count_from(x, n, s[k].at), share = own / here, gone = s[k].gone;
        excess += reached_at(x, n, s[k].at) - gone * share;
        if (here > 1) variance += gone * share * (1 - share) * (here - gone) / (here - 1);
    }
    free(all), free(s);
    if (!(variance > 0)) return (gs_test){NAN, NAN, NAN, NAN, NAN, GS_WAY_NORMAL};
    double z = excess / sqrt(variance);
    return (gs_test){z, NAN, fmin(1, 2 * gs_normal_upper(fabs(z))), gs_normal_upper(z), gs_normal_upper(-z), GS_WAY_NORMAL};
}

/* z's numerator is linear in who belongs to x: the sum over x of reached - H(t), H the sum of d/n up to t of all (Nelson and Aalen). */
gs_test gs_log_rank_permutation(const gs_time *x, int n, const gs_time *y, int m)
{
    gs_test z = gs_log_rank(x, n, y, m);
    if (isnan(z.statistic)) return z;
    gs_time *all = gs_alloc((size_t)(n + m), sizeof *all);
    double *score = gs_alloc((size_t)(n + m), sizeof *score);
    int count;
    memcpy(all, x, (size_t)n * sizeof *all);
    memcpy(all + n, y, (size_t)m * sizeof *all);
    step *s = curve(all, n + m, &count);
    for (int i = 0; i < n + m; i++) {
        score[i] = all[i].reached;
        for (int k = 0; k < count && s[k].at <= all[i].at; k++) score[i] -= (double)s[k].gone / s[k].here;
    }
    gs_test out = gs_permutation_two(score, n, score + n, m);
    free(all), free(s), free(score);
    return (gs_test){z.statistic, NAN, out.p, out.greater, out.less, out.way}; /* a large score is an early time */
}

double gs_restricted_mean(const gs_time *x, int n, double tau, double *se)
{
    int count;
    step *s = curve(x, n, &count);
    while (count && s[count - 1].at > tau) count--;
    double area = 0, variance = 0, to = tau;
    for (int k = count - 1; k >= 0; k--) { /* from behind: the area to the right of each step */
        area += s[k].share * (to - s[k].at);
        to = s[k].at;
        if (s[k].here > s[k].gone) variance += area * area * s[k].gone / s[k].here / (s[k].here - s[k].gone);
    }
    free(s);
    if (se) *se = n < 2 ? NAN : sqrt(variance);
    return n < 1 ? NAN : area + to;
}
