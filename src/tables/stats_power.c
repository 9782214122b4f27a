/* How many seeds: the power of t tests by the distribution of the sample's sd, and Fisher's by its tables. */
#include <math.h>
#include <stdlib.h>

#include "gridshift/stats.h"

/* E f(S), S = sqrt(chi^2/df), by Simpson's rule in u = log S, where the density
 * 2 (df/2)^(df/2) / Gamma(df/2) exp(df u - df e^2u / 2) falls off at both ends faster than any power. f is smooth below
 * u = end and 0 beyond; `steep` bounds how fast it moves with u. */
static double over_sd(double df, double end, double steep, double (*f)(double s, const double *of), const double *of)
{
    double width = 1 / sqrt(2 * df), first = -fmax(9 * width, 42 / df), last = fmin(9 * width, 0.5 * gs_log(1 + 100 / df) + 3 * width);
    double constant = gs_log(2) + df / 2 * (gs_log(df / 2) - 1) - gs_log_gamma(df / 2), sum = 0;
    last = fmin(last, end);
    if (last <= first) return 0;
    int count = 2 * ((int)((last - first) / fmin(width, 1 / steep) * 64) + 1);
    double step = (last - first) / count;
    for (int k = 0; k <= count; k++) {
        double u = first + k * step, s = gs_exp(u), weight = k == 0 || k == count ? 1 : k % 2 ? 4 : 2;
        sum += weight * gs_exp(constant + df * (u - (s * s - 1) / 2)) * f(s, of);
    }
    return sum * step / 3;
}

static double below(double s, const double *of) { return gs_normal_upper(of[1] - of[0] * s); }

double gs_noncentral_t(double t, double df, double shift)
{
    const double of[] = {t, shift};
    return over_sd(df, INFINITY, 1 + fabs(t), below, of);
}

static double two_sided(double shift, double df, double level)
{
    double t = gs_t_quantile(1 - level / 2, df);
    return gs_noncentral_t(-t, df, shift) + gs_noncentral_t(-t, df, -shift);
}

double gs_paired_power(double effect, int n, double level) { return n < 2 ? 0 : two_sided(fabs(effect) * sqrt(n), n - 1, level); }

/* Of two means of n with these sds: the standard error, and Welch's degrees of freedom. */
static double welch_se(double sd_x, double sd_y, int n, double *df)
{
    double a = sd_x * sd_x, b = sd_y * sd_y;
    *df = (a + b) * (a + b) / (a * a + b * b) * (n - 1);
    return sqrt((a + b) / n);
}

double gs_welch_power(double difference, double sd_x, double sd_y, int n, double level)
{
    double df, se = welch_se(sd_x, sd_y, n, &df);
    return n < 2 ? 0 : two_sided(fabs(difference) / se, df, level);
}

/* Both one-sided tests reject: |Z| < margin/se - t S. */
static double inside(double s, const double *of)
{
    double room = of[0] - of[1] * s;
    return room > 0 ? 1 - 2 * gs_normal_upper(room) : 0;
}

static double tost(double shift, double df, double level)
{
    const double of[] = {shift, gs_t_quantile(1 - level, df)};
    return over_sd(df, gs_log(shift / of[1]), 1 + shift, inside, of);
}

double gs_paired_tost_power(double margin, int n, double level) { return n < 2 ? 0 : tost(margin * sqrt(n), n - 1, level); }

double gs_welch_tost_power(double margin, double sd_x, double sd_y, int n, double level)
{
    double df, se = welch_se(sd_x, sd_y, n, &df);
    return n < 2 ? 0 : tost(margin / se, df, level);
}

/* share[k]: the binomial probability of k of n. */
static double *binomial(double p, int n)
{
    double *share = gs_alloc((size_t)n + 1, sizeof *share);
    if (p <= 0 || p >= 1) {
        share[p <= 0 ? 0 : n] = 1;
        return share;
    }
    for (int k = 0; k <= n; k++) share[k] = gs_exp(gs_log_choose(n, k) + k * gs_log(p) + (n - k) * gs_log(1 - p));
    return share;
}

double gs_fisher_power(double p, double q, int n, double level)
{
    double *a = binomial(p, n), *b = binomial(q, n), power = 0;
    for (int k = 0; k <= n; k++)
        for (int l = 0; l <= n; l++)
            if (a[k] * b[l] > 1e-14 && gs_fisher(k, n, l, n) <= level) power += a[k] * b[l];
    free(a), free(b);
    return power;
}

int gs_seeds_for(double (*power)(const void *of, int n), const void *of, double wanted)
{
    int low = 1, high = 2; /* power(low) is too small */
    while (high <= GS_SEEDS_MOST && power(of, high) < wanted) low = high, high *= 2;
    if (high > GS_SEEDS_MOST && power(of, high = GS_SEEDS_MOST) < wanted) return 0;
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (power(of, middle) < wanted) low = middle;
        else high = middle;
    }
    return high;
}
