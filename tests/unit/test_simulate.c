/* The model of a master and its workers, where the answer is known without it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gridshift/schedule.h"

enum { RUNS = 4000 };

static double *equal(double seconds)
{
    double *s = gs_alloc(RUNS, sizeof *s);
    for (int i = 0; i < RUNS; i++) s[i] = seconds;
    return s;
}

static gs_forecast simulate_equal(double seconds, int runs, const gs_machine *m)
{
    double *s = equal(seconds);
    gs_forecast f = gs_simulate(s, runs, m);
    free(s);
    return f;
}

static void between(double x, double least, double most)
{
    if (!(x >= least && x <= most)) fail_msg("%.9g is not in %.9g..%.9g", x, least, most);
}

/* Every rank free of cost: the list schedule of equal runs, whole rounds. */
static void test_no_cost(void **state)
{
    (void)state;
    const gs_machine none = {.workers = 7};
    gs_forecast f = simulate_equal(10, 70, &none);
    between(f.makespan_s, 100, 100.1); /* the naps: at most 4 ms a round */
    between(f.efficiency, 0.999, 1);
    assert_true(f.work_s == 700);
    between(simulate_equal(10, 71, &none).makespan_s, 110, 110.1);
    assert_true(gs_simulate(NULL, 0, &none).makespan_s == 0);
}

/* Longest first, as the plan orders them: 5 4 3 3 3 on two workers end at 9 or 10, by Graham's list at 10 (5+3+.. | 4+3+3). */
static void test_longest_first(void **state)
{
    (void)state;
    const double seconds[] = {5, 4, 3, 3, 3};
    const gs_machine none = {.workers = 2};
    between(gs_simulate(seconds, 5, &none).makespan_s, 10, 10.02);
}

/* A master that needs a millisecond for a result bounds everything. */
static void test_saturated(void **state)
{
    (void)state;
    const gs_machine slow = {.workers = 500, .result_s = 1e-3};
    gs_forecast f = simulate_equal(0.1, RUNS, &slow);
    between(f.makespan_s, 4, 4.3);
    between(f.master_busy, 0.93, 1.0001);
    between(gs_simulate_saturation(&slow, 0.1), 99.9, 100.1);
    const gs_machine few = {.workers = 10, .result_s = 1e-3};
    f = simulate_equal(0.1, RUNS, &few);
    between(f.makespan_s, 40, 41.5);
    between(f.master_busy, 0.09, 0.12);
}

/* The disk: one commit in 50 ms, whatever comes in between. */
static void test_commits(void **state)
{
    (void)state;
    const gs_machine disk = {.workers = 10, .sync_s = 0.05};
    gs_forecast f = simulate_equal(0.01, RUNS, &disk);
    between(f.master_busy, 0.4, 0.6);
    between(f.efficiency, 0.95, 1); /* the workers' queues reach over it */
}

/* Two cores for all: the workers' own time has to pass through them. */
static void test_cores(void **state)
{
    (void)state;
    const gs_machine shared = {.workers = 64, .cores = 2, .run_s = 1e-3};
    between(simulate_equal(0.001, RUNS, &shared).makespan_s, 2, 2.2);
    const gs_machine own = {.workers = 64, .run_s = 1e-3};
    between(simulate_equal(0.001, RUNS, &own).makespan_s, 0.124, 0.2);
}

/* Signs of life take their part of the master. */
static void test_beats(void **state)
{
    (void)state;
    const gs_machine calm = {.workers = 1000, .result_s = 1e-4}, beaten = {.workers = 1000, .result_s = 1e-4, .beat_s = 5e-4};
    gs_forecast a = simulate_equal(1e-3, RUNS, &calm), b = simulate_equal(1e-3, RUNS, &beaten);
    between(b.makespan_s / a.makespan_s, 1.7, 2.1);
}

static void test_same_again(void **state)
{
    (void)state;
    double *seconds = equal(0);
    for (int i = 0; i < RUNS; i++) seconds[i] = 5.0 / (1 + i % 97);
    gs_machine m = gs_machine_measured;
    double last = INFINITY;
    for (m.workers = 1; m.workers <= 256; m.workers *= 4) {
        gs_forecast a = gs_simulate(seconds, RUNS, &m), b = gs_simulate(seconds, RUNS, &m);
        assert_memory_equal(&a, &b, sizeof a);
        assert_true(a.makespan_s < last && a.efficiency <= 1 && a.master_busy < 1);
        last = a.makespan_s;
    }
    free(seconds);
}

static void test_workers_that_pay(void **state)
{
    (void)state;
    double *seconds = equal(10);
    const gs_machine none = {0};
    assert_int_equal(gs_simulate_workers(seconds, 24, &none, 1000, 0.9), 24);
    assert_int_equal(gs_simulate_workers(seconds, 24, &none, 10, 0.9), 8);
    assert_int_equal(gs_simulate_workers(seconds, 1, &none, 10, 0.9), 1);
    seconds[0] = 100; /* 240 s of work, 100 of them in one run */
    assert_int_equal(gs_simulate_workers(seconds, 15, &none, 1000, 0.75), 3);
    free(seconds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_cost),    cmocka_unit_test(test_longest_first), cmocka_unit_test(test_saturated),
                                       cmocka_unit_test(test_commits), cmocka_unit_test(test_cores),         cmocka_unit_test(test_beats),
                                       cmocka_unit_test(test_same_again), cmocka_unit_test(test_workers_that_pay)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
