/* Which run comes next: the plan's order, what came back, what ended its worker, and what fits into the time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>
#include <unistd.h>

#include "cli/run.h"

enum { RUNS = 5 };
static gs_cost costs[RUNS] = {{.predicted_s = 50}, {.predicted_s = 40}, {.predicted_s = 30}, {.predicted_s = 20}, {.predicted_s = 10}};
static gs_plan plan = {.count = RUNS, .todo = RUNS, .shards = 1, .costs = costs, .cost_count = RUNS};
static const gs_time_left ever = {INFINITY, INFINITY, 1, 0};

static void expect(gs_queue *q, int behind, int in_flight, const gs_time_left *t, int wanted, bool wanted_solo)
{
    int run = -1;
    bool solo = false;
    bool any = gs_queue_next(q, behind, in_flight, t, &run, &solo);
    assert_int_equal(any ? run : -1, wanted);
    if (any) assert_int_equal(solo, wanted_solo);
}

static gs_queue *open_queue(void)
{
    static const gs_grid nothing;
    return gs_queue_open(&plan, &nothing, "/nowhere", GS_WHOLE);
}

static void test_order(void **state)
{
    (void)state;
    gs_queue *q = open_queue();
    for (int i = 0; i < RUNS; i++) expect(q, i % 2, i, &ever, i, false);
    expect(q, 0, 0, &ever, -1, false);
    gs_queue_close(&q);
}

/* A run that came back goes first, alone in its worker, but never behind another. */
static void test_returned(void **state)
{
    (void)state;
    gs_queue *q = open_queue();
    expect(q, 0, 0, &ever, 0, false);
    expect(q, 0, 1, &ever, 1, false);
    gs_queue_return(q, 0);
    expect(q, 1, 1, &ever, 2, false);
    expect(q, 0, 1, &ever, 0, true);
    expect(q, 0, 1, &ever, 3, false);
    gs_queue_close(&q);
}

static void test_blamed(void **state)
{
    (void)state;
    gs_queue *q = open_queue();
    expect(q, 0, 0, &ever, 0, false);
    assert_false(gs_queue_blame(q, 0)); /* once: at once, in another worker */
    expect(q, 0, 3, &ever, 0, true);
    assert_false(gs_queue_blame(q, 0)); /* twice: when nothing else is left or under way */
    for (int run = 1; run < RUNS; run++) expect(q, 0, run - 1, &ever, run, false);
    expect(q, 0, 1, &ever, -1, false);
    expect(q, 0, 0, &ever, 0, true);
    assert_true(gs_queue_blame(q, 0)); /* three times: never */
    expect(q, 0, 0, &ever, -1, false);
    gs_queue_close(&q);
}

static void test_innocent(void **state)
{
    (void)state;
    gs_queue *q = open_queue();
    expect(q, 0, 0, &ever, 0, false);
    for (int i = 0; i < 4; i++) {
        assert_false(gs_queue_blame(q, 0));
        expect(q, 0, 0, &ever, 0, true);
        gs_queue_done(q, 0);
    }
    gs_queue_close(&q);
}

/* The longest that fits; what is longer than a whole session is begun all the same. */
static void test_time(void **state)
{
    (void)state;
    gs_queue *q = open_queue();
    expect(q, 0, 0, &(gs_time_left){35, 60, 1, 0}, 2, false);
    expect(q, 0, 0, &(gs_time_left){35, 60, 2, 0}, 4, false); /* 20 s became 40 s */
    expect(q, 0, 0, &(gs_time_left){35, 60, 2, 0}, -1, false);
    gs_queue_return(q, 2);
    expect(q, 0, 0, &(gs_time_left){29, 60, 1, 0}, -1, false);
    expect(q, 0, 0, &(gs_time_left){31, 60, 1, 0}, 2, true);
    gs_queue_close(&q);
    q = open_queue();
    expect(q, 0, 0, &(gs_time_left){5, 45, 1, 0}, 0, false);
    expect(q, 0, 0, &(gs_time_left){5, 45, 1, 0}, -1, false);
    gs_queue_close(&q);
}

static void test_limits(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double seconds; /* -1: refused */
    } cases[] = {{"90", 90}, {"90s", 90}, {"1.5h", 5400}, {"2d", 172800}, {"10m", 600}, {"5:00", 300}, {"1:30:00", 5400}, {"2-00:00:01", 172801},
                 {"", -1}, {"m", -1}, {"1:2:3:4", -1}, {"5 m", -1}, {"UNLIMITED", -1}, {"INVALID", -1}, {"-3", -1}, {"inf", -1}, {"1-5", -1},
                 {"1:", -1}, {":1", -1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double seconds = -1;
        bool good = gs_limit_parse(cases[i].text, &seconds);
        if (good != (cases[i].seconds >= 0) || (good && seconds != cases[i].seconds)) fail_msg("'%s': %d %g", cases[i].text, good, seconds);
    }
}

int main(void)
{
    static int order[RUNS] = {0, 1, 2, 3, 4};
    static uint8_t states[RUNS];
    static __typeof__(*plan.cost_of) cost_of[RUNS] = {0, 1, 2, 3, 4};
    plan.order = order;
    plan.state = states;
    plan.cost_of = cost_of;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order),    cmocka_unit_test(test_returned), cmocka_unit_test(test_blamed),
                                       cmocka_unit_test(test_innocent), cmocka_unit_test(test_time),     cmocka_unit_test(test_limits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
