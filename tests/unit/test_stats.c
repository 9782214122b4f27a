/* Statistics against numbers of SciPy 1.10 (means, sds, the line) and of mpmath with 40 digits (everything with t). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdint.h>
#include <stdio.h>

#include "gridshift/stats.h"
#include "stats_golden.h"

#define COUNT(x) ((int)(sizeof(x) / sizeof *(x)))

static void near(double got, double want, double relative)
{
    if (!(fabs(got - want) <= relative * fabs(want))) fail_msg("got %.17g, want %.17g", got, want);
}

static void quantiles_of_t(void **state)
{
    (void)state;
    static const struct {
        double p, df, t;
    } rows[] = {
        {0.975, 1, 12.706204736174693},
        {0.975, 2, 4.3026527297494618},
        {0.975, 3, 3.1824463052837084},
        {0.975, 4, 2.7764451051977935},
        {0.975, 9, 2.262157162798205},
        {0.975, 19, 2.0930240544083093},
        {0.975, 29.5, 2.0437249667721229},
        {0.975, 100, 1.9839715185235519},
        {0.975, 1000000.0, 1.9599663568141067},
        {0.975, 0.5, 164.55767348048824},
        {0.95, 1, 6.3137515146750374},
        {0.95, 2, 2.9199855803537242},
        {0.95, 3, 2.3533634348018229},
        {0.95, 4, 2.1318467863266495},
        {0.95, 9, 1.8331129326562366},
        {0.95, 19, 1.729132811521369},
        {0.95, 29.5, 1.6981776388380054},
        {0.95, 100, 1.6602343260853391},
        {0.95, 1000000.0, 1.6448551507220401},
        {0.95, 0.5, 41.136000092878202},
        {0.6, 1, 0.32491969623290625},
        {0.6, 2, 0.28867513459481282},
        {0.6, 3, 0.27667066233268985},
        {0.6, 4, 0.27072229470759736},
        {0.6, 9, 0.26095533647391095},
        {0.6, 19, 0.25692281979615467},
        {0.6, 29.5, 0.25564383324415656},
        {0.6, 100, 0.25402218245822776},
        {0.6, 1000000.0, 0.25334717053784162},
        {0.6, 0.5, 0.39797542678479059},
        {0.025, 1, -12.706204736174704},
        {0.025, 2, -4.3026527297494637},
        {0.025, 3, -3.1824463052837095},
        {0.025, 4, -2.7764451051977943},
        {0.025, 9, -2.2621571627982055},
        {0.025, 19, -2.0930240544083097},
        {0.025, 29.5, -2.0437249667721233},
        {0.025, 100, -1.9839715185235523},
        {0.025, 1000000.0, -1.959966356814107},
        {0.025, 0.5, -164.55767348048851},
        {1e-06, 2, -707.10572052593382},
        {1e-06, 4, -41.577854150450975},
        {1e-06, 9, -10.7201604099095},
        {1e-06, 29.5, -5.8936513014980999},
        {1e-06, 1000000.0, -4.7534523482796808},
        {1e-06, 0.5, -102849115631.63401},
        {0.999999999, 1, 318309895.18620931},
        {0.999999999, 2, 22360.680057658491},
        {0.999999999, 3, 1033.1096842432755},
        {0.999999999, 4, 234.02761206090788},
        {0.999999999, 9, 23.729919895030427},
        {0.999999999, 19, 10.613521330824417},
        {0.999999999, 29.5, 8.4999454311852699},
        {0.999999999, 100, 6.598939826677467},
        {0.999999999, 1000000.0, 5.9978624603049711},
        {0.999999999, 0.5, 1.0284912144917753e+17},
        {0.5, 4, 0},
    };
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) near(gs_t_quantile(rows[k].p, rows[k].df), rows[k].t, 1e-12);
}

static void quantiles_outside(void **state)
{
    (void)state;
    assert_true(isnan(gs_t_quantile(0, 3)));
    assert_true(isnan(gs_t_quantile(1, 3)));
    assert_true(isnan(gs_t_quantile(0.9, 0)));
    assert_true(isnan(gs_t_quantile(NAN, 3)));
    near(gs_t_quantile(0.5 + 1e-10, 4), 1e-10 / 0.375, 1e-6); /* the density at 0 is 3/8; p itself is rounded */
}

static void mean_and_interval(void **state)
{
    (void)state;
    const double x[] = {44.3, 49.1, 38.2, 61.7, 40.05};
    double mean = gs_mean(x, 5), sd = gs_sd(x, 5);
    near(mean, 46.67, 1e-15);
    near(sd, 9.393987438782322, 1e-14);
    gs_interval i = gs_t_interval(mean, sd, 5, 0.95);
    near(i.low, 35.00582399768558, 1e-13);
    near(i.high, 58.33417600231442, 1e-13);
    i = gs_t_interval(mean, sd, 5, 0.99);
    near(i.low, 27.327650025119598, 1e-13);
    near(i.high, 66.012349974880403, 1e-13);
}

static void too_few(void **state)
{
    (void)state;
    const double x[] = {3};
    assert_true(isnan(gs_mean(x, 0)));
    near(gs_mean(x, 1), 3, 0);
    assert_true(isnan(gs_sd(x, 1)));
    assert_true(isnan(gs_t_interval(3, NAN, 1, 0.95).low));
    assert_true(isnan(gs_fit_line(x, x, 1).slope));
}

static void line(void **state)
{
    (void)state;
    const double x[] = {5, 5, 6, 6, 7, 7, 8, 8}, y[] = {.11, .13, .2, .19, .33, .31, .36, .4};
    gs_line l = gs_fit_line(x, y, 8);
    assert_int_equal(l.n, 8);
    near(l.slope, 0.0905, 1e-13);
    near(l.intercept, -0.3345, 1e-13);
    near(l.slope_se, 0.006689544080129853, 1e-12);
    near(l.slope_interval.low, 0.07413127531157359, 1e-12);
    near(l.slope_interval.high, 0.1068687246884264, 1e-12);
}

static void short_lines(void **state)
{
    (void)state;
    const double x[] = {5, 7, 7}, same[] = {2, 2, 2}, y[] = {1, 2, 3};
    gs_line two = gs_fit_line(x, y, 2);
    near(two.slope, 0.5, 1e-15);
    assert_true(isnan(two.slope_se));
    assert_true(isnan(gs_fit_line(same, y, 3).slope));
    assert_true(gs_fit_line(x, same, 3).slope == 0 && gs_fit_line(x, same, 3).slope_se == 0);
}

/* -- against SciPy and R: stats_golden.h ------------------------------------------------------------------------- */

static void same(double got, double want)
{
    if (isnan(want) ? isnan(got) : fabs(got - want) <= 1e-8 * fmax(1e-300, fabs(want))) return;
    fail_msg("got %.17g, want %.17g", got, want);
}

static void samples(void **state)
{
    (void)state;
    const double got[] = {gs_median(sample_x, 6), gs_median(sample_y, 5), gs_iqm(sample_long, 24), gs_iqm(sample_d, 7), gs_mean(sample_d, 7), gs_sd(sample_d, 7)};
    for (int k = 0; k < COUNT(middle); k++) near(got[k], middle[k], 1e-13);
    assert_true(isnan(gs_median(sample_x, 0)) && isnan(gs_iqm(sample_x, 0)));
    near(gs_iqm(sample_x, 1), sample_x[0], 0);
}

static void distributions(void **state)
{
    (void)state;
    for (int k = 0; k < COUNT(normal_x); k++) near(gs_normal_upper(normal_x[k]), normal_upper[k], 1e-12);
    for (int k = 0; k < COUNT(normal_p); k++) near(gs_normal_quantile(normal_p[k]), normal_quantile[k], 1e-12);
    for (int k = 0; k < COUNT(gamma_x); k++) same(gs_log_gamma(gamma_x[k]) + 1, gamma_log[k] + 1);
    for (int k = 0; k < COUNT(t_upper); k++) near(gs_t_upper(t_of[2 * k], t_of[2 * k + 1]), t_upper[k], 1e-12);
    assert_true(isnan(gs_normal_quantile(0)) && isnan(gs_normal_quantile(1)) && isnan(gs_normal_upper(NAN)) && isnan(gs_t_upper(1, 0)));
    near(gs_log_choose(49, 6), gs_log(13983816), 1e-12);
}

static void bootstrap_of(gs_statistic f, const double *want)
{
    for (int bca = 1, k = 0; bca >= 0; bca--, k += 2) {
        gs_interval i = gs_bootstrap(sample_x, 6, f, bootstrap_indices, 200, bca, 0.95);
        same(i.low, want[k]);
        same(i.high, want[k + 1]);
    }
}

static void bootstrap(void **state)
{
    (void)state;
    bootstrap_of(gs_mean, bootstrap_mean);
    bootstrap_of(gs_median, bootstrap_median);
    const double equal[] = {3, 3, 3};
    const int32_t zeros[6] = {0};
    gs_interval i = gs_bootstrap(equal, 3, gs_mean, zeros, 2, true, 0.95);
    assert_true(i.low == 3 && i.high == 3);
    assert_true(isnan(gs_bootstrap(equal, 1, gs_mean, zeros, 2, true, 0.95).low));
}

/* The generator's indices: in range, the same in every call, and each element about equally often. */
static void bootstrap_generator(void **state)
{
    (void)state;
    static int32_t a[5000], b[5000];
    int seen[5] = {0};
    gs_bootstrap_indices(5, 1000, a);
    gs_bootstrap_indices(5, 1000, b);
    for (int k = 0; k < 5000; k++) {
        assert_true(a[k] == b[k] && a[k] >= 0 && a[k] < 5);
        seen[a[k]]++;
    }
    for (int k = 0; k < 5; k++) assert_in_range(seen[k], 880, 1120); /* 1000 +- 4.2 sd */
    gs_rng r = gs_rng_of(0, GS_RNG_BOOTSTRAP);
    assert_int_equal(a[5 * 999 + 3], gs_rng_below(r, 999, 0, 3, 5));
}

static void is_test(gs_test t, gs_way way, const double *want)
{
    assert_int_equal(t.way, way);
    same(t.p, want[0]);
    same(t.less, want[1]);
    same(t.greater, want[2]);
}

static void t_tests(void **state)
{
    (void)state;
    gs_test t = gs_paired_t(sample_d, 7);
    same(t.statistic, paired_t[0]);
    same(t.df, paired_t[1]);
    is_test(t, GS_WAY_T, paired_t + 2);
    t = gs_welch_t(sample_x, 6, sample_y, 5);
    same(t.statistic, welch_t[0]);
    same(t.df, welch_t[1]);
    is_test(t, GS_WAY_T, welch_t + 2);
}

static void t_tests_without_spread(void **state)
{
    (void)state;
    const double one[] = {2, 2, 2}, zero[] = {0, 0, 0};
    assert_true(gs_paired_t(one, 3).p == 0 && gs_paired_t(one, 3).greater == 0 && gs_paired_t(one, 3).less == 1);
    assert_true(gs_paired_t(zero, 3).p == 1 && gs_paired_t(zero, 3).greater == 1);
    assert_true(isnan(gs_paired_t(one, 1).p));
    assert_true(gs_welch_t(one, 3, zero, 3).p == 0 && gs_welch_t(one, 3, one, 3).p == 1);
    assert_true(isnan(gs_welch_t(one, 3, zero, 1).p));
}

static void rank_tests(void **state)
{
    (void)state;
    gs_test t = gs_wilcoxon(sample_d, 7);
    same(t.statistic, wilcoxon_exact[0]);
    is_test(t, GS_WAY_EXACT, wilcoxon_exact + 1);
    t = gs_wilcoxon(sample_tied, 10);
    same(t.statistic, wilcoxon_ties[0]);
    is_test(t, GS_WAY_EXACT, wilcoxon_ties + 1);
    t = gs_wilcoxon(sample_many, 60);
    same(t.statistic, wilcoxon_long[0]);
    is_test(t, GS_WAY_NORMAL, wilcoxon_long + 1);
    t = gs_mann_whitney(sample_x, 6, sample_y, 5);
    same(t.statistic, mann_whitney_exact[0]);
    is_test(t, GS_WAY_EXACT, mann_whitney_exact + 1);
    t = gs_mann_whitney(sample_xt, 6, sample_yt, 8);
    same(t.statistic, mann_whitney_ties[0]);
    is_test(t, GS_WAY_EXACT, mann_whitney_ties + 1);
    t = gs_mann_whitney(sample_many, 60, sample_yt, 8);
    same(t.statistic, mann_whitney_long[0]);
    is_test(t, GS_WAY_NORMAL, mann_whitney_long + 1);
    const double five[] = {2, 2, 2, 2, 2};
    same(gs_wilcoxon(five, 5).p, 0.0625); /* five seeds cannot reach 0.05, ties or not */
    const double zero[] = {0, 0, 0};
    assert_true(gs_wilcoxon(zero, 3).p == 1);
    assert_true(gs_mann_whitney(zero, 3, zero, 2).p == 1);
}

static void permutations(void **state)
{
    (void)state;
    is_test(gs_permutation_paired(sample_d, 7), GS_WAY_EXACT, permutation_paired);
    is_test(gs_permutation_two(sample_x, 6, sample_y, 5), GS_WAY_EXACT, permutation_two);
    is_test(gs_permutation_two(sample_xt, 6, sample_yt, 8), GS_WAY_EXACT, permutation_two_ties);
    assert_int_equal(gs_permutation_two(sample_long, 12, sample_long + 12, 12).way, GS_WAY_DRAWN); /* C(24, 12) > 2^20 */
    assert_int_equal(gs_permutation_paired(sample_long, 20).way, GS_WAY_EXACT);
    assert_true(isnan(gs_permutation_paired(sample_d, 1).p));
}

/* 24 differences are drawn: near the t test, and what two calls give is the same. */
static void drawn_permutations(void **state)
{
    (void)state;
    gs_test t = gs_permutation_paired(sample_long, 24), again = gs_permutation_paired(sample_long, 24);
    assert_int_equal(t.way, GS_WAY_DRAWN);
    assert_true(t.p == again.p);
    near(t.p, permutation_long[0], 0.03);
    near(t.greater, permutation_long[2], 0.03);
    gs_test two = gs_permutation_two(sample_long, 12, sample_long + 12, 12);
    near(two.p, gs_welch_t(sample_long, 12, sample_long + 12, 12).p, 0.05);
}

static void effect_sizes(void **state)
{
    (void)state;
    same(gs_hedges_g(sample_x, 6, sample_y, 5), effects[0]);
    same(gs_hedges_g(sample_xt, 6, sample_yt, 8), effects[1]);
    same(gs_superiority(sample_xt, 6, sample_yt, 8), effects[2]);
    same(gs_cliffs_delta(sample_xt, 6, sample_yt, 8), effects[3]);
    assert_true(isnan(gs_hedges_g(sample_x, 6, sample_y, 1)) && isnan(gs_superiority(sample_x, 0, sample_y, 1)));
}

static void families(void **state)
{
    (void)state;
    double out[COUNT(family)], gaps[] = {0.01, NAN, 0.04};
    gs_holm(family, COUNT(family), out);
    for (int k = 0; k < COUNT(family); k++) same(out[k], holm[k]);
    gs_benjamini_hochberg(family, COUNT(family), out);
    for (int k = 0; k < COUNT(family); k++) same(out[k], hochberg[k]);
    gs_holm(gaps, 3, gaps); /* in place; nan stands for 1 */
    same(gaps[0], 0.03);
    assert_true(isnan(gaps[1]));
    same(gaps[2], 0.08);
}

static void counts(void **state)
{
    (void)state;
    for (int k = 0; k < COUNT(wilson_of) / 2; k++) {
        gs_interval i = gs_wilson((int)wilson_of[2 * k], (int)wilson_of[2 * k + 1], 0.95);
        same(i.low, wilson[2 * k]);
        same(i.high, wilson[2 * k + 1]);
    }
    for (int k = 0; k < COUNT(fisher); k++) {
        const double *c = fisher_of + 4 * k;
        same(gs_fisher((int)c[0], (int)c[1], (int)c[2], (int)c[3]), fisher[k]);
    }
    gs_interval i = gs_newcombe(56, 70, 48, 80, 0.95); /* Newcombe 1998, table II (a), method 10 */
    assert_true(fabs(i.low - 0.0524) < 5e-5 && fabs(i.high - 0.3339) < 5e-5);
    assert_true(isnan(gs_wilson(0, 0, 0.95).low) && isnan(gs_fisher(0, 0, 1, 2)));
}

static void km_is(const gs_time *x, int n, const double *want)
{
    gs_interval i;
    same(gs_km_median(x, n, 0.95, &i), want[0]);
    same(i.low, want[1]);
    same(i.high, want[2]);
}

static void survival(void **state)
{
    (void)state;
    gs_time short_x[9] = {times_x[0], times_x[1], times_x[2], times_x[3]};
    for (int k = 4; k < 9; k++) short_x[k] = (gs_time){5, false};
    const gs_time four[] = {{4, true}, {2, true}, {3, true}, {1, true}}, never[] = {{9, false}, {9, false}, {9, false}};
    km_is(times_x, 6, km);
    km_is(times_y, 7, km + 3);
    km_is(short_x, 9, km + 6);
    km_is(four, 4, km + 9);
    const gs_time half[] = {{4000, true}, {40000, false}, {5000, true}, {40000, false}};
    km_is(half, 4, km + 12);
    const gs_time at_once[] = {{6000, true}, {6000, true}, {6000, true}};
    km_is(at_once, 3, (const double[]){6000, NAN, NAN}); /* R's survfit */
    assert_true(isnan(gs_km_median(never, 3, 0.95, NULL)));
    double se;
    same(gs_restricted_mean(times_x, 6, 40000, &se), restricted[0]);
    same(se, restricted[1]);
    same(gs_restricted_mean(times_y, 7, 40000, &se), restricted[2]);
    same(se, restricted[3]);
    same(gs_restricted_mean(times_y, 7, 26000, &se), restricted[4]);
    same(se, restricted[5]);
    same(gs_restricted_mean(never, 3, 9, &se), 9);
}

static void log_ranks(void **state)
{
    (void)state;
    gs_test t = gs_log_rank(times_x, 6, times_y, 7), back = gs_log_rank(times_y, 7, times_x, 6);
    same(t.statistic, log_rank[0]);
    same(t.p, log_rank[1]);
    same(t.less, log_rank[1] / 2); /* x is earlier */
    same(back.statistic, -log_rank[0]);
    same(back.greater, log_rank[1] / 2);
    const gs_time never[] = {{9, false}, {9, false}};
    assert_true(isnan(gs_log_rank(never, 2, never, 2).p) && isnan(gs_log_rank_permutation(never, 2, never, 2).p));
    t = gs_log_rank_permutation(times_x, 6, times_y, 7);
    assert_int_equal(t.way, GS_WAY_EXACT);
    same(t.statistic, log_rank[0]);
    same(t.p, log_rank_permutation[0]);
    same(t.less, log_rank_permutation[1]);
    const gs_time early[] = {{1, true}, {2, true}, {3, true}}, late[] = {{4, true}, {5, true}, {6, false}};
    same(gs_log_rank_permutation(early, 3, late, 3).p, 0.1); /* one of 20 splits, and its mirror */
}

static void powers(void **state)
{
    (void)state;
    for (int k = 0; k < COUNT(noncentral); k++) {
        const double *of = noncentral_of + 3 * k;
        assert_true(fabs(gs_noncentral_t(of[0], of[1], of[2]) - noncentral[k]) < 1e-9);
    }
    same(gs_paired_power(1, 5, 0.05), paired_power[0]);
    same(gs_paired_power(-0.66, 20, 0.05), paired_power[1]);
    same(gs_paired_power(4, 3, 0.05), paired_power[2]);
    same(gs_welch_power(1, 1, 1, 5, 0.05), welch_power[0]);
    same(gs_welch_power(-1.8, 2, 2, 20, 0.05), welch_power[1]);
    same(gs_paired_tost_power(1.2, 10, 0.05), tost_power[0]);
    same(gs_welch_tost_power(0.9, 1, 1, 22, 0.05), tost_power[1]);
    same(gs_paired_tost_power(0.3, 4, 0.05), tost_power[2]);
    same(gs_fisher_power(0.6, 1, 12, 0.05), fisher_power[0]);
    same(gs_fisher_power(0.2, 0.7, 9, 0.05), fisher_power[1]);
}

static double power_at(const void *of, int n) { return gs_paired_power(*(const double *)of, n, 0.05); }

/* The sizes that R's power.t.test gives, rounded up: 33.4, 7.8 (exact), and none below the limit. */
static void seeds(void **state)
{
    (void)state;
    const double half = 0.5, large = 1.2, tiny = 1e-4;
    assert_int_equal(gs_seeds_for(power_at, &half, 0.8), 34);
    assert_true(power_at(&half, 34) >= 0.8 && power_at(&half, 33) < 0.8);
    assert_int_equal(gs_seeds_for(power_at, &large, 0.8), 8);
    assert_int_equal(gs_seeds_for(power_at, &tiny, 0.8), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_of_t), cmocka_unit_test(quantiles_outside), cmocka_unit_test(mean_and_interval),
        cmocka_unit_test(too_few),        cmocka_unit_test(line),              cmocka_unit_test(short_lines),
        cmocka_unit_test(samples),        cmocka_unit_test(distributions),     cmocka_unit_test(bootstrap),
        cmocka_unit_test(bootstrap_generator), cmocka_unit_test(t_tests),      cmocka_unit_test(t_tests_without_spread),
        cmocka_unit_test(rank_tests),     cmocka_unit_test(permutations),      cmocka_unit_test(drawn_permutations),
        cmocka_unit_test(effect_sizes),   cmocka_unit_test(families),          cmocka_unit_test(counts),
        cmocka_unit_test(survival),       cmocka_unit_test(log_ranks),         cmocka_unit_test(powers),
        cmocka_unit_test(seeds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
