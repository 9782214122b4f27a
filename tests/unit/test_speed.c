/* Slow ranks: what they get of a queue, and that the others do not wait for them in the end. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_longest_that_fits), cmocka_unit_test(test_speeds),
                                       cmocka_unit_test(test_nobody_waits_for_the_slow_one)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
