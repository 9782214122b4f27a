/* Families of p, and counts: k of n. */
#include <math.h>
#include <stdlib.h>

#include "gridshift/stats.h"

/* -- families --------------------------------------------------------------------------------------------------- */

typedef struct placed {
    double p;
    int at;
} placed;

static int by_p(const void *a, const void *b)
{
    const placed *x = a, *y = b;
    if (x->p != y->p) return x->p < y->p ? -1 : 1;
    return x->at - y->at;
}

static placed *sorted(const double *p, int n)
{
    placed *out = gs_alloc((size_t)n + 1, sizeof *out);
    for (int i = 0; i < n; i++) out[i] = (placed){isnan(p[i]) ? 1 : p[i], isnan(p[i]) ? ~i : i}; /* ~i: nan stays nan */
    if (n) qsort(out, (size_t)n, sizeof *out, by_p);
    return out;
}

void gs_holm(const double *p, int n, double *out)
{
    placed *s = sorted(p, n);
    double most = 0;
    for (int k = 0; k < n; k++) {
        most = fmax(most, fmin(1, s[k].p * (n - k)));
        if (s[k].at >= 0) out[s[k].at] = most;
        else out[~s[k].at] = NAN;
    }
    free(s);
}

void gs_benjamini_hochberg(const double *p, int n, double *out)
{
    placed *s = sorted(p, n);
    double least = 1;
    for (int k = n - 1; k >= 0; k--) {
        least = fmin(least, s[k].p * n / (k + 1));
        if (s[k].at >= 0) out[s[k].at] = least;
        else out[~s[k].at] = NAN;
    }
    free(s);
}

/* -- counts ----------------------------------------------------------------------------------------------------- */

gs_interval gs_wilson(int k, int n, double level)
{
    if (n < 1) return (gs_interval){NAN, NAN};
    double z = gs_normal_quantile(0.5 + level / 2), p = (double)k / n, size = 1 + z * z / n;
    double middle = (p + z * z / (2.0 * n)) / size, half = z / size * sqrt(p * (1 - p) / n + z * z / (4.0 * n * n));
    return (gs_interval){k == 0 ? 0 : middle - half, k == n ? 1 : middle + half};
}

gs_interval gs_newcombe(int k, int n, int l, int m, double level)
{
    if (n < 1 || m < 1) return (gs_interval){NAN, NAN};
    double p = (double)k / n, q = (double)l / m;
    gs_interval a = gs_wilson(k, n, level), b = gs_wilson(l, m, level);
    return (gs_interval){p - q - sqrt((p - a.low) * (p - a.low) + (b.high - q) * (b.high - q)),
                         p - q + sqrt((a.high - p) * (a.high - p) + (q - b.low) * (q - b.low))};
}

double gs_fisher(int k, int n, int l, int m)
{
    if (n < 1 || m < 1) return NAN;
    int hits = k + l, first = hits > m ? hits - m : 0, last = hits < n ? hits : n;
    double all = gs_log_choose(n + m, hits), own = gs_log_choose(n, k) + gs_log_choose(m, l) - all, p = 0;
    for (int i = first; i <= last; i++) {
        double log_share = gs_log_choose(n, i) + gs_log_choose(m, hits - i) - all;
        if (log_share <= own + 1e-7) p += gs_exp(log_share); /* equal up to rounding */
    }
    return fmin(1, p);
}
