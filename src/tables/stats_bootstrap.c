/* Bootstrap intervals of one sample's statistic. */
#include <math.h>
#include <stdlib.h>

#include "gridshift/stats.h"

void gs_bootstrap_indices(int n, int draws, int32_t *out)
{
    gs_rng r = gs_rng_of(0, GS_RNG_BOOTSTRAP);
    for (int b = 0; b < draws; b++)
        for (int i = 0; i < n; i++) *out++ = (int32_t)gs_rng_below(r, (uint64_t)b, 0, (uint32_t)i, (uint32_t)n);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Between the neighbours of place p (count - 1). */
static double quantile(const double *sorted, int count, double p)
{
    double place = p * (count - 1);
    int at = (int)place;
    if (at >= count - 1) return sorted[count - 1];
    return sorted[at] + (place - at) * (sorted[at + 1] - sorted[at]);
}

/* How far the replicates lie off the estimate: the normal quantile of the share below it, ties counted half. */
static double bias(const double *replicates, int draws, double estimate)
{
    double below = 0;
    for (int b = 0; b < draws; b++) below += replicates[b] < estimate ? 1 : replicates[b] == estimate ? 0.5 : 0;
    double share = below / draws, least = 0.5 / draws;
    return gs_normal_quantile(fmin(fmax(share, least), 1 - least));
}

static double acceleration(const double *x, int n, gs_statistic f)
{
    double *left = gs_alloc((size_t)n, sizeof *left), *value = gs_alloc((size_t)n, sizeof *value), squares = 0, cubes = 0;
    for (int out = 0; out < n; out++) {
        for (int i = 0, k = 0; i < n; i++)
            if (i != out) left[k++] = x[i];
        value[out] = f(left, n - 1);
    }
    double mean = gs_mean(value, n);
    for (int i = 0; i < n; i++) {
        double u = mean - value[i];
        squares += u * u;
        cubes += u * u * u;
    }
    free(left), free(value);
    return squares > 0 ? cubes / (6 * squares * sqrt(squares)) : 0;
}

static gs_interval interval_of(const double *x, int n, gs_statistic f, const double *sorted, int draws, bool bca, double level)
{
    double low = (1 - level) / 2, high = 1 - low;
    if (bca) {
        double z0 = bias(sorted, draws, f(x, n)), a = acceleration(x, n, f), z = gs_normal_quantile(low);
        low = gs_normal_upper(-(z0 + (z0 + z) / (1 - a * (z0 + z))));
        high = gs_normal_upper(-(z0 + (z0 - z) / (1 - a * (z0 - z))));
    }
    return (gs_interval){quantile(sorted, draws, low), quantile(sorted, draws, high)};
}

gs_interval gs_bootstrap(const double *x, int n, gs_statistic f, const int32_t *indices, int draws, bool bca, double level)
{
    if (n < 2) return (gs_interval){NAN, NAN};
    double *one = gs_alloc((size_t)n, sizeof *one), *replicates = gs_alloc((size_t)draws, sizeof *replicates);
    for (int b = 0; b < draws; b++) {
        for (int i = 0; i < n; i++) one[i] = x[*indices++];
        replicates[b] = f(one, n);
    }
    qsort(replicates, (size_t)draws, sizeof *replicates, by_size);
    gs_interval out = interval_of(x, n, f, replicates, draws, bca, level);
    free(one), free(replicates);
    return out;
}
