/* Statistics against numbers of SciPy 1.10 (means, sds, the line) and of mpmath with 40 digits (everything with t). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gridshift/tables.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_of_t), cmocka_unit_test(quantiles_outside), cmocka_unit_test(mean_and_interval),
        cmocka_unit_test(too_few),        cmocka_unit_test(line),              cmocka_unit_test(short_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
