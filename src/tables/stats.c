/* One sample: means, the middle, t intervals, and the least-squares line. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gridshift/stats.h"

double gs_mean(const double *x, int n)
{
    double sum = 0;
    for (int k = 0; k < n; k++) sum += x[k];
    return n > 0 ? sum / n : NAN;
}

double gs_sd(const double *x, int n)
{
    if (n < 2) return NAN;
    double mean = gs_mean(x, n), sum = 0;
    for (int k = 0; k < n; k++) sum += (x[k] - mean) * (x[k] - mean);
    return sqrt(sum / (n - 1));
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The mean of what is left when so many values are cut off at either end. */
static double trimmed_mean(const double *x, int n, int cut)
{
    if (n < 1) return NAN;
    double *sorted = gs_alloc((size_t)n, sizeof *sorted);
    memcpy(sorted, x, (size_t)n * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, by_size);
    double mean = gs_mean(sorted + cut, n - 2 * cut);
    free(sorted);
    return mean;
}

double gs_median(const double *x, int n) { return trimmed_mean(x, n, (n - 1) / 2); }
double gs_iqm(const double *x, int n) { return trimmed_mean(x, n, n / 4); }

gs_interval gs_t_interval(double mean, double sd, int n, double level)
{
    if (n < 2) return (gs_interval){NAN, NAN};
    double half = gs_t_quantile(0.5 + level / 2, n - 1) * sd / sqrt(n);
    return (gs_interval){mean - half, mean + half};
}

gs_line gs_fit_line(const double *x, const double *y, int n)
{
    gs_line line = {NAN, NAN, NAN, {NAN, NAN}, n};
    double mean_x = gs_mean(x, n), mean_y = gs_mean(y, n), sxx = 0, sxy = 0, rest = 0;
    for (int k = 0; k < n; k++) {
        sxx += (x[k] - mean_x) * (x[k] - mean_x);
        sxy += (x[k] - mean_x) * (y[k] - mean_y);
    }
    if (n < 2 || sxx == 0) return line;
    line.slope = sxy / sxx;
    line.intercept = mean_y - line.slope * mean_x;
    if (n < 3) return line;
    for (int k = 0; k < n; k++) {
        double r = y[k] - mean_y - line.slope * (x[k] - mean_x);
        rest += r * r;
    }
    line.slope_se = sqrt(rest / (n - 2) / sxx);
    double half = gs_t_quantile(0.975, n - 2) * line.slope_se;
    line.slope_interval = (gs_interval){line.slope - half, line.slope + half};
    return line;
}
