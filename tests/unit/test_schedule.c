/* The cost model, the order, the sums and plan.csv, over a grid made by hand; the budget over sweep files. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

#include "gridshift/metric.h"
#include "gridshift/schedule.h"
#include "schedule/cost.h"

static gs_config config_of(int task, int64_t steps, int64_t seed)
{
    gs_config c;
    gs_config_defaults(task, &c);
    c.v[GS_TRAIN_STEPS].i = steps;
    c.v[GS_SEED].i = seed;
    gs_config_canonical(&c);
    return c;
}

static double cost(const gs_config *c, uint32_t ablate)
{
    return gs_cost_s(c, (gs_wanted){.ablate = ablate});
}

/* -- cost ---------------------------------------------------------------------------------------------------- */

static void test_cost_by_hand(void **state)
{
    (void)state;
    gs_config c = config_of(GS_TASK_ADDITION, 1000, 0); /* 1000 inputs, evaluated every 200 steps: 5 times, and final and best */
    double step = gs_step_performed(&c) / GS_RATE_FLOPS, pass = step * 1000 / 3 / 128; /* a batch is 128 sequences */
    double train = 1000 * (step + GS_STEP_S);
    assert_float_equal(cost(&c, 0), train + 7 * pass, 1e-9 * train);
    /* final and best: ffn.out by zero 1 pass, by 5 permutations 5; 4 heads by mean 4 */
    uint32_t some = GS_ABLATE(GS_SITE_FFN_OUT, GS_MODE_ZERO) | GS_ABLATE(GS_SITE_FFN_OUT, GS_MODE_RESAMPLE) |
                    GS_ABLATE(GS_SITE_ATTN_HEAD, GS_MODE_MEAN) | GS_ABLATE(GS_SITE_FFN_EXPERT, GS_MODE_ZERO);
    assert_float_equal(cost(&c, some), train + (5 + 2 * (1 + 1 + 5 + 4)) * pass, 1e-9 * train);
    c.v[GS_EVAL_SAMPLES].i = 100;
    assert_float_equal(cost(&c, 0), train + (0.5 + 2) * pass, 1e-9 * train);
    c.v[GS_EVAL_RECORD].i = 250; /* four more checkpoints */
    assert_float_equal(cost(&c, some), train + (0.5 + 6 * (1 + 1 + 5 + 4)) * pass, 1e-9 * train);
    c.v[GS_MODEL_LAYERS].i = 2;
    step = gs_step_performed(&c) / GS_RATE_FLOPS, pass = step * 1000 / 3 / 128;
    train = 1000 * (step + GS_STEP_S);
    assert_float_equal(cost(&c, some), train + (0.5 + 6 * (1 + 3 * 10)) * pass, 1e-9 * train); /* both layers, and each alone */
}

/* Without reductions a step is three times forward, which reads out the positions that have a loss. */
static void test_step_performed(void **state)
{
    (void)state;
    static const int tasks[] = {GS_TASK_ADDITION, GS_TASK_MODULAR, GS_TASK_HISTOGRAM};
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) {
        gs_config c = config_of(tasks[i], 1000, 0);
        gs_counts n;
        double most = gs_step_performed(&c);
        c.v[GS_REDUCTIONS].i = 0;
        gs_count(&c, &n);
        gs_extent x = gs_extent_of(&c);
        double unread = 2.0 * gs_batch_size(&c) * x.first * (double)gs_int(&c, GS_MODEL_D) * x.classes;
        assert_float_equal(gs_step_performed(&c), 3 * ((double)n.flops_per_token * (double)n.tokens_per_step - unread), 1);
        assert_true(most < 0.7 * gs_step_performed(&c));
    }
}

static void test_cost_grows(void **state)
{
    (void)state;
    for (int task = 0; task < GS_TASK_COUNT; task++) {
        gs_config c = config_of(task, 1000, 0), longer = config_of(task, 2000, 0), wider = c, nothing = config_of(task, 0, 0);
        wider.v[GS_FFN_WIDTH].i *= 2;
        assert_true(cost(&c, 0) > 0);
        assert_true(cost(&longer, 0) > 1.5 * cost(&c, 0));
        assert_true(cost(&wider, 0) > cost(&c, 0));
        assert_true(cost(&c, GS_ABLATE_ALL) > cost(&c, 0));
        assert_true(cost(&nothing, 0) > 0 && cost(&nothing, 0) < cost(&c, 0));
    }
    gs_config two = config_of(GS_TASK_ADDITION, 0, 0), six = two; /* 10^6 inputs: 10,000 of them are measured */
    two.v[GS_TASK_DIGITS].i = 4;
    six.v[GS_TASK_DIGITS].i = 6;
    double ratio = cost(&six, 0) / cost(&two, 0);
    assert_true(ratio > 1 && ratio < 2);
}

/* -- plan ---------------------------------------------------------------------------------------------------- */

enum { RUNS = 6 };
static const int64_t steps_of[RUNS] = {100, 300, 200, 300, 100, 200};

typedef struct made {
    gs_hash ids[RUNS];
    double mismatch[RUNS];
    gs_key varying[2];
    gs_grid grid;
} made;

static void make_grid(made *m)
{
    *m = (made){.varying = {GS_SEED, GS_TRAIN_STEPS}};
    for (int i = 0; i < RUNS; i++) {
        gs_config c = config_of(GS_TASK_ADDITION, steps_of[i], i);
        gs_configs_add(&m->grid.configs, &c);
        m->ids[i] = (gs_hash){0, (uint64_t)i};
        m->mismatch[i] = i == 1 ? -0.0125 : NAN;
    }
    m->grid.count = RUNS;
    m->grid.ids = m->ids;
    m->grid.mismatch = m->mismatch;
    m->grid.varying_count = 2;
    m->grid.varying = m->varying;
}

static gs_state odd_ones(void *context, gs_run run)
{
    int *asked = context;
    ++*asked;
    return run.index == 3 ? GS_DONE : run.index == 5 ? GS_FAILED : GS_TODO;
}

static void assert_order(const gs_plan *p, const int *wanted, int count)
{
    assert_int_equal(p->todo, count);
    for (int i = 0; i < count; i++) assert_int_equal(p->order[i], wanted[i]);
}

static void test_order(void **state)
{
    (void)state;
    made m;
    gs_plan *p;
    gs_err e;
    make_grid(&m);
    assert_int_equal(gs_plan_make(&m.grid, (gs_wanted){0}, NULL, NULL, &p, &e), 0);
    assert_order(p, (const int[]){1, 3, 2, 5, 0, 4}, 6); /* longest first, ties in plan order */
    double sum = 0;
    for (int i = 0; i < RUNS; i++) sum += gs_plan_cost(p, i)->predicted_s;
    assert_true(p->todo_s == sum);
    assert_int_equal(p->cost_count, 3); /* the seeds cost nothing */
    gs_plan_close(&p);
    assert_null(p);
    gs_plan_close(&p);

    int asked = 0;
    assert_int_equal(gs_plan_make(&m.grid, (gs_wanted){.ablate = GS_ABLATE_ALL}, odd_ones, &asked, &p, &e), 0);
    assert_int_equal(asked, RUNS);
    assert_order(p, (const int[]){1, 2, 0, 4}, 4);
    assert_int_equal(p->done, 1);
    assert_int_equal(p->failed, 1);
    assert_true(p->todo_s < 0.75 * 6 * gs_plan_cost(p, 1)->predicted_s);
    gs_plan_close(&p);
    gs_configs_free(&m.grid.configs);
}

static void test_share(void **state)
{
    (void)state;
    static const int wanted[2][4] = {{2, 0, 4}, {1}};
    made m;
    gs_plan *p;
    gs_err e;
    int asked = 0;
    make_grid(&m);
    for (int shard = 0; shard < 2; shard++) {
        assert_int_equal(gs_plan_make(&m.grid, (gs_wanted){.ablate = GS_ABLATE_ALL}, odd_ones, &asked, &p, &e), 0);
        double all = p->todo_s;
        gs_plan_share(p, shard, 2);
        assert_order(p, wanted[shard], shard ? 1 : 3);
        assert_int_equal(p->done, shard);
        assert_int_equal(p->failed, shard);
        assert_int_equal(gs_plan_total(p), RUNS / 2);
        assert_int_equal(p->count, RUNS);
        assert_true(gs_plan_has(p, 4 + shard) && !gs_plan_has(p, 5 - shard));
        assert_true(p->todo_s > 0 && p->todo_s < all);
        gs_plan_close(&p);
    }
    gs_configs_free(&m.grid.configs);
}

static void test_no_runs(void **state)
{
    (void)state;
    gs_grid none = {0};
    gs_plan *p;
    gs_err e;
    gs_buf csv = {0};
    assert_int_equal(gs_plan_make(&none, (gs_wanted){0}, NULL, NULL, &p, &e), 0);
    assert_int_equal(p->todo, 0);
    gs_plan_csv(p, &none, &csv);
    assert_string_equal(csv.text, "id,state,params_total,params_active,flops_per_token,bytes,predicted_s,mismatch\n");
    gs_plan_close(&p);
    gs_buf_free(&csv);
}

static void test_csv(void **state)
{
    (void)state;
    made m;
    gs_plan *p;
    gs_err e;
    gs_buf csv = {0};
    int asked = 0;
    make_grid(&m);
    assert_int_equal(gs_plan_make(&m.grid, (gs_wanted){0}, odd_ones, &asked, &p, &e), 0);
    p->costs[p->cost_of[1]] = (gs_cost){{.params_total = 5, .params_active = 4, .flops_per_token = 3}, 2, 1.23456};
    gs_plan_csv(p, &m.grid, &csv);
    const char *head = "id,seed,train.steps,state,params_total,params_active,flops_per_token,bytes,predicted_s,mismatch\n";
    assert_int_equal(strncmp(csv.text, head, strlen(head)), 0);
    char *line = gs_text("\n%032d,1,300,todo,5,4,3,2,1.235,-0.0125\n", 1);
    assert_non_null(strstr(csv.text, line));
    free(line);
    line = gs_text("\n%032d,3,300,done,5,4,3,2,1.235,\n", 3);
    assert_non_null(strstr(csv.text, line));
    free(line);
    assert_non_null(strstr(csv.text, ",failed,"));
    int lines = 0;
    for (const char *c = csv.text; *c; c++) lines += *c == '\n';
    assert_int_equal(lines, RUNS + 1);
    gs_plan_close(&p);
    gs_configs_free(&m.grid.configs);
    gs_buf_free(&csv);
}

/* -- budget -------------------------------------------------------------------------------------------------- */

static void within(const char *budget, int wanted, int too_large, const char *says, const char *also)
{
    char *path = gs_text("%s/gridshift-budget-XXXXXX.yaml", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    char *text = gs_text("sweep: 1\nname: small\ndefaults: {task: addition, train.steps: 3600000}\n"
                         "parameters:\n  seed: {range: [0, 10]}\n  ffn.width: {values: [16, 256]}\n%s", budget);
    int fd = mkstemps(path, 5);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    gs_spec *s;
    gs_grid *g;
    gs_plan *p;
    gs_err e = {""};
    if (gs_spec_load(path, NULL, 0, &s, &e) || gs_grid_expand(s, &g, &e) || gs_plan_make(g, (gs_wanted){0}, NULL, NULL, &p, &e)) fail_msg("%s", e.text);
    p->costs = gs_grow(p->costs, 20, sizeof *p->costs);
    assert_int_equal(p->count, 20);
    for (int i = 0; i < p->count; i++) {
        p->cost_of[i] = i;
        p->costs[i].bytes = 1000 + i;
    }
    p->todo_s = 12.34 * 3600;
    assert_int_equal(gs_plan_within(p, s, &e), wanted);
    assert_int_equal(gs_plan_too_large(p, s), too_large);
    if (!strstr(e.text, says) || !strstr(e.text, also)) fail_msg("\"%s\" and \"%s\" are not in \"%s\"", says, also, e.text);
    for (int i = 0; i < p->count; i++) p->state[i] = GS_DONE;
    p->todo_s = 0;
    assert_int_equal(gs_plan_within(p, s, &e), 0); /* what is done costs nothing */
    assert_int_equal(gs_plan_too_large(p, s), 0);
    gs_plan_close(&p);
    gs_grid_close(&g);
    gs_spec_close(&s);
    unlink(path);
    free(path), free(text);
}

static void test_budget(void **state)
{
    (void)state;
    within("", 0, 0, "", "");
    within("budget: {core_hours: 12.5}\n", 0, 0, "", "");
    within("budget: {core_hours: 10}\n", -1, 0, "small: predicted 12.3 core hours for the 20 runs to do, budget 10:", "budget.core_hours");
    within("budget: {bytes: 1019}\n", 0, 0, "", "");
    within("budget: {bytes: 1016}\n", 0, 3, "", ""); /* failed records, not a refused sweep */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cost_by_hand), cmocka_unit_test(test_step_performed),
                                       cmocka_unit_test(test_cost_grows), cmocka_unit_test(test_order), cmocka_unit_test(test_share),
                                       cmocka_unit_test(test_no_runs), cmocka_unit_test(test_csv),
                                       cmocka_unit_test(test_budget)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
