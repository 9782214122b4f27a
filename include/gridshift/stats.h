/* gridshift stats: samples -> estimates, intervals, tests. A library of the tables.
 *
 * From +, -, *, /, sqrt, gs_log and gs_exp alone, sums in order: the same bits on every machine. Everything is local and keeps no state.
 * sd has n - 1 everywhere. Where a number is not defined (too few values) it is nan. Checked against R and SciPy to 1e-8
 * (tests/golden/stats.py made the numbers). Implemented in src/tables/stats*.c. */
#ifndef GRIDSHIFT_STATS_H
#define GRIDSHIFT_STATS_H
#include "gridshift/base.h"

/* -- one sample (stats.c) ------------------------------------------------------------------------------------- */

double gs_mean(const double *x, int n);   /* in order, in double */
double gs_sd(const double *x, int n);     /* n - 1; nan for n < 2 */
double gs_median(const double *x, int n); /* of an even number of values: the mean of the two in the middle */
double gs_iqm(const double *x, int n);    /* mean without the floor(n/4) least and the floor(n/4) largest values */
typedef struct gs_interval {
    double low, high;
} gs_interval;
gs_interval gs_t_interval(double mean, double sd, int n, double level); /* mean +- t sd / sqrt(n); nan for n < 2 */
typedef struct gs_line {
    double slope, intercept;
    double slope_se; /* sqrt(s^2 / Sxx), s^2 with n - 2 */
    gs_interval slope_interval; /* 95 %, t with n - 2 */
    int n;
} gs_line;
gs_line gs_fit_line(const double *x, const double *y, int n); /* ordinary least squares */

/* -- distributions (stats_special.c) -------------------------------------------------------------------------- */

double gs_t_quantile(double p, double df);  /* Student's t, p in (0, 1), to 1e-12 relative */
double gs_t_upper(double t, double df);     /* P(T > t) */
double gs_normal_upper(double x);           /* P(Z > x), relative 1e-13 */
double gs_normal_quantile(double p);        /* p in (0, 1) */
double gs_log_gamma(double x);              /* x > 0 */
double gs_log_choose(double n, double k);   /* log of the binomial coefficient */

/* -- bootstrap (stats_bootstrap.c; Efron & Tibshirani 1993, chapters 13 and 14) ------------------------------- */

enum { GS_BOOTSTRAP_DRAWS = 10000 };
typedef double (*gs_statistic)(const double *x, int n);
/* Indices of the draws: draw b takes element i from the generator (seed 0, bootstrap) at (b, 0, i). out: (draws, n). */
void gs_bootstrap_indices(int n, int draws, int32_t *out);
/* Of a statistic, from given indices (draws, n): quantiles of the replicates, interpolated linearly between neighbours; bca:
 * bias-corrected and accelerated, ties with the estimate counted half, acceleration from the jackknife.
 * nan for n < 2; a sample of equal values has an interval of no width. */
gs_interval gs_bootstrap(const double *x, int n, gs_statistic f, const int32_t *indices, int draws, bool bca, double level);

/* -- tests ------------------------------------------------------------------------------------------------------ */

typedef enum gs_way { GS_WAY_T, GS_WAY_EXACT, GS_WAY_NORMAL, GS_WAY_DRAWN } gs_way;
typedef struct gs_test {
    double statistic, df; /* df: of t, else nan */
    double p;             /* two-sided */
    double less, greater; /* one-sided: small when the sample (x, or x - y) lies below, above 0 */
    gs_way way;
} gs_test;
/* On differences d. Equal differences: p is 0, or 1 when they are 0; fewer than 2: nan. */
gs_test gs_paired_t(const double *d, int n);
gs_test gs_welch_t(const double *x, int n, const double *y, int m); /* df by Welch and Satterthwaite */
/* Signed ranks (W+). Zeros are left out, ties have their mean rank; exact up to 50 differences, given these ranks, else the normal
 * distribution with the variance corrected for ties and a continuity correction of 1/2. Two-sided: twice the smaller tail. */
gs_test gs_wilcoxon(const double *d, int n);
/* U of x. Exact below 50 values a side, given the ranks, else as above. */
gs_test gs_mann_whitney(const double *x, int n, const double *y, int m);
/* Sign flips of d, and splits of the two samples, with the sum (the difference of means) as statistic. All arrangements up to
 * 2^20, else GS_PERMUTATION_DRAWS seeded ones, with p = (hits + 1)/(draws + 1). p counts |statistic| at least as large. */
enum { GS_PERMUTATION_DRAWS = 100000 };
gs_test gs_permutation_paired(const double *d, int n);
gs_test gs_permutation_two(const double *x, int n, const double *y, int m);

/* Effect sizes of x against y: (difference of means)/(pooled sd) times 1 - 3/(4 df - 1), df = n + m - 2; P(X > Y) + P(X = Y)/2;
 * Cliff's delta is 2 P - 1. */
double gs_hedges_g(const double *x, int n, const double *y, int m);
double gs_superiority(const double *x, int n, const double *y, int m);
double gs_cliffs_delta(const double *x, int n, const double *y, int m);

/* -- many p, and counts (stats_counts.c) ------------------------------------------------------------------------ */

/* Adjusted p of a family; nan counts as 1 and stays nan. out may be p. */
void gs_holm(const double *p, int n, double *out);               /* family-wise error rate */
void gs_benjamini_hochberg(const double *p, int n, double *out); /* false discovery rate */
gs_interval gs_wilson(int k, int n, double level);               /* of a proportion, without continuity correction */
double gs_fisher(int k, int n, int l, int m);                    /* two-sided p of k of n against l of m: all tables at most as likely */
gs_interval gs_newcombe(int k, int n, int l, int m, double level); /* of k/n - l/m, from the two Wilson intervals (Newcombe 1998, 10) */

/* -- times that may be censored (stats_survival.c) -------------------------------------------------------------- */

typedef struct gs_time {
    double at;
    bool reached; /* false: censored; it is only known to be larger than `at` */
} gs_time;
/* Kaplan-Meier median: the first time at which the curve is at or below 1/2; where it is 1/2 from there to a later time, the middle.
 * The interval is where the log-log limits (Greenwood) are, as R's survfit has it. nan: not reached. */
double gs_km_median(const gs_time *x, int n, double level, gs_interval *interval);
/* Log-rank test with the hypergeometric variance; statistic: z, positive when x is reached earlier than y. less/greater
 * are those of the times: `less` is small when x's times are shorter. nan without any event. */
gs_test gs_log_rank(const gs_time *x, int n, const gs_time *y, int m);
/* The same z, with its p over the splits of the seeds, as gs_permutation_two: a few seeds are no normal distribution. */
gs_test gs_log_rank_permutation(const gs_time *x, int n, const gs_time *y, int m);
/* Mean time restricted to tau (the area below the curve) and its standard error (Greenwood). */
double gs_restricted_mean(const gs_time *x, int n, double tau, double *se);

/* -- the number of seeds (stats_power.c) ------------------------------------------------------------------------ */

double gs_noncentral_t(double t, double df, double shift); /* P(T <= t), T = (Z + shift)/sqrt(chi^2/df); to 1e-10 */
/* Power of the two-sided t test at `level`: n differences of mean/sd = effect; exact by the noncentral t. */
double gs_paired_power(double effect, int n, double level);
/* n a side with the two sds; noncentral t with Welch's df at these sds. */
double gs_welch_power(double difference, double sd_x, double sd_y, int n, double level);
/* TOST of n differences with sd 1 and true mean 0 within +-margin, one-sided tests at `level`; two-sample: as above. */
double gs_paired_tost_power(double margin, int n, double level);
double gs_welch_tost_power(double margin, double sd_x, double sd_y, int n, double level);
double gs_fisher_power(double p, double q, int n, double level); /* n a side, exact */
/* The least n in 2..GS_SEEDS_MOST with power(n) >= wanted, power rising in n; 0: none. */
enum { GS_SEEDS_MOST = 100000 };
int gs_seeds_for(double (*power)(const void *of, int n), const void *of, double wanted);
#endif
