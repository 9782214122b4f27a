/* Slow ranks: what they get of a queue, and that the others do not wait for them in the end. How long the rest takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/run.h"

enum { RUNS = 60, WORKERS = 4 };
static const double speeds_of_workers[WORKERS + 1] = {0, 1, 1, 1, 0.2}; /* by rank */

static int order[RUNS], cost_of[RUNS];
static gs_cost costs[RUNS];
static uint8_t states[RUNS];

/* Runs of 30, 29.5, ... seconds. */
static gs_plan falling(void)
{
    for (int i = 0; i < RUNS; i++) {
        order[i] = cost_of[i] = i;
        costs[i] = (gs_cost){.predicted_s = 0.5 * (RUNS - i)};
    }
    gs_plan p = {.count = RUNS, .todo = RUNS, .order = order, .cost_of = cost_of, .costs = costs, .state = states, .shards = 1};
    for (int i = 0; i < RUNS; i++) p.todo_s += costs[i].predicted_s;
    return p;
}

static int take(gs_queue *q, double longest_s)
{
    const gs_time_left t = {1e9, 1e9, 1, longest_s};
    int run;
    bool solo;
    return gs_queue_next(q, 0, 0, &t, &run, &solo) ? run : -1;
}

static void test_longest_that_fits(void **state)
{
    (void)state;
    const gs_grid none = {0};
    const gs_plan p = falling();
    gs_queue *q = gs_queue_open(&p, &none, "/nowhere", GS_WHOLE);
    assert_int_equal(take(q, 0), 0);
    assert_int_equal(take(q, 20), 20);  /* 20 s */
    assert_int_equal(take(q, 20), 21);
    assert_int_equal(take(q, 0.2), 59); /* none is so short: the shortest */
    assert_int_equal(take(q, 0.2), 58);
    assert_int_equal(take(q, 0.5), 57); /* the one of 0.5 s is gone */
    assert_int_equal(take(q, 1e9), 1);
    bool seen[RUNS] = {false};
    int count = 0;
    for (int run; (run = take(q, count % 3 ? 0 : 5)) >= 0; count++) {
        assert_false(seen[run]);
        seen[run] = true;
    }
    assert_int_equal(count, RUNS - 7);
    gs_queue_close(&q);
}

static void test_speeds(void **state)
{
    (void)state;
    gs_speeds s = {0};
    assert_true(gs_speeds_of(&s, 3) == 1 && gs_speeds_longest_s(&s, 3, 100, 4) == 0);
    gs_speeds_add(&s, 1, 10, 10);
    gs_speeds_add(&s, 3, 10, 30); /* 20 predicted seconds in 40 */
    assert_true(gs_speeds_of(&s, 1) == 2 && gs_speeds_of(&s, 2) == 1);
    assert_true(gs_speeds_of(&s, 3) > 0.66 && gs_speeds_of(&s, 3) < 0.67);
    assert_true(gs_speeds_longest_s(&s, 1, 100, 4) == 0 && gs_speeds_longest_s(&s, 9, 100, 4) == 0);
    assert_true(gs_speeds_longest_s(&s, 3, 120, 4) > 19.9 && gs_speeds_longest_s(&s, 3, 120, 4) < 20.1);
    gs_speeds_free(&s);
}

/* -> when the last worker is done. A worker asks when it is free, and what it took is known then. */
static double drive(bool heed)
{
    const gs_grid none = {0};
    const gs_plan p = falling();
    gs_queue *q = gs_queue_open(&p, &none, "/nowhere", GS_WHOLE);
    gs_speeds s = {0};
    double free_s[WORKERS + 1] = {0}, left_s = p.todo_s, end_s = 0;
    int has[WORKERS + 1], issued = 0;
    memset(has, -1, sizeof has);
    for (;;) {
        int w = 1;
        for (int i = 2; i <= WORKERS; i++)
            if (free_s[i] < free_s[w]) w = i;
        if (free_s[w] == 1e9) break;
        if (has[w] >= 0) {
            double predicted = costs[has[w]].predicted_s;
            gs_speeds_add(&s, w, predicted, predicted / speeds_of_workers[w]);
            left_s -= predicted;
            end_s = free_s[w] > end_s ? free_s[w] : end_s;
        }
        has[w] = take(q, heed ? gs_speeds_longest_s(&s, w, left_s, WORKERS) : 0);
        issued += has[w] >= 0;
        free_s[w] = has[w] < 0 ? 1e9 : free_s[w] + costs[has[w]].predicted_s / speeds_of_workers[w];
    }
    assert_int_equal(issued, RUNS);
    gs_speeds_free(&s);
    gs_queue_close(&q);
    return end_s;
}

static void test_nobody_waits_for_the_slow_one(void **state)
{
    (void)state;
    double as_it_comes = drive(false), heeded = drive(true), least = 0.5 * RUNS * (RUNS + 1) / 2 / 3.2;
    print_message("# least %.1f s, heeded %.1f s, as it comes %.1f s\n", least, heeded, as_it_comes);
    assert_true(heeded < as_it_comes && heeded < 1.06 * least);
}

static bool near(double x, double y) { return x > y - 1e-9 && x < y + 1e-9; }

/* Runs of 100 predicted seconds, by the clock of the struct. */
static void test_time_left(void **state)
{
    (void)state;
    gs_under_way at[] = {{0}, {1, 100, 0}, {1, 100, 0}};
    gs_progress p = {.workers = 2, .total = 3, .todo_s = 300, .ranks = 3, .at = at};
    assert_true(near(gs_progress_left_s(&p, 40), 110)); /* 60 s and 60 s and 100 s, on two */
    assert_true(near(gs_progress_left_s(&p, 150), 75)); /* they take 1.5 times as long or longer: 150 s on two */
    at[1].runs = at[1].predicted_s = 0;                 /* two came back, one waits */
    at[2].began_s = 100;
    p.finished = (gs_effort){200, 200};
    assert_true(near(gs_progress_left_s(&p, 100), 100) && near(gs_progress_left_s(&p, 150), 50) && near(gs_progress_left_s(&p, 199), 1));
    p.finished.actual_s = 400;                          /* twice as slow as predicted */
    assert_true(near(gs_progress_left_s(&p, 150), 150));
    assert_true(near(gs_progress_left_s(&p, 400), 0));  /* nobody knows */
    at[1] = (gs_under_way){1, 100, 350};                /* as long as 700 s for 300 s */
    p.total = 4;
    p.todo_s = 400;
    assert_true(near(gs_progress_left_s(&p, 400), 700 / 3. - 50));
}

static void test_runs_under_way(void **state)
{
    (void)state;
    gs_progress p = {.workers = 2, .total = 4, .todo_s = 40};
    gs_progress_begin(&p, 1, 10);
    gs_progress_begin(&p, 1, 10);
    gs_progress_begin(&p, 2, 10);
    assert_true(p.ranks == 3 && p.at[1].runs == 2 && p.at[1].predicted_s == 20 && p.at[2].runs == 1);
    p.at[1].began_s = 0;
    gs_progress_run(&p, 1, 10, true, 15);
    assert_true(p.at[1].runs == 1 && p.at[1].predicted_s == 10 && p.at[1].began_s > 0 && p.finished.actual_s == 15);
    gs_progress_lost(&p, 2);
    gs_progress_run(&p, 2, 10, false, 0); /* quarantined */
    assert_true(!p.at[2].runs && p.failed == 1 && p.todo_s == 30 && p.finished.predicted_s == 10);
    gs_progress_run(&p, 1, 10, true, 15);
    double left_s = gs_progress_left_s(&p, gs_clock_s()); /* one of 15 s by the others, on two workers */
    assert_true(!p.at[1].runs && p.done == 3 && near(left_s, 7.5));
    gs_progress_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_longest_that_fits), cmocka_unit_test(test_speeds),
                                       cmocka_unit_test(test_time_left), cmocka_unit_test(test_runs_under_way),
                                       cmocka_unit_test(test_nobody_waits_for_the_slow_one)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
