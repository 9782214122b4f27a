/* Training as a whole: what seeds share, schedules, divergence, the reasons to stop. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gridshift/train.h"

static gs_training *open_training(const char *json)
{
    gs_config c;
    gs_err e = {0};
    gs_training *t;
    if (gs_config_from_json(json, &c, &e)) fail_msg("%s: %s", json, e.text);
    if (gs_training_open(&c, &t, &e)) fail_msg("%s: %s", json, e.text);
    return t;
}

#define SMALL "\"model.d_model\":16,\"model.heads\":2,\"ffn.width\":24"

static void seeds_share_what_agrees(void **state)
{
    (void)state;
    gs_training *a = open_training("{\"task\":\"addition\",\"ffn.kind\":\"dense\",\"seed\":3}");
    gs_training *b = open_training("{\"task\":\"addition\",\"ffn.kind\":\"moe\",\"seed\":3}");
    gs_training *c = open_training("{\"task\":\"addition\",\"ffn.kind\":\"dense\",\"seed\":4,\"train.data_seed\":3}");
    const gs_tensor *qa = gs_model_tensor(a->model, "blocks.0.attn.q.weight"), *qb = gs_model_tensor(b->model, "blocks.0.attn.q.weight");
    assert_memory_equal(a->model->param + qa->at, b->model->param + qb->at, gs_tensor_size(qa) * sizeof(float));
    assert_memory_not_equal(a->model->param + qa->at, c->model->param + qa->at, gs_tensor_size(qa) * sizeof(float));
    const gs_data *da = gs_task_batch(a->task, 9), *dc = gs_task_batch(c->task, 9);
    assert_memory_equal(da->tokens, dc->tokens, (size_t)(da->n * da->length) * sizeof *da->tokens);
    gs_training_close(&a), gs_training_close(&b), gs_training_close(&c);
}

static void initialisation_has_its_scale(void **state)
{
    (void)state;
    const struct { const char *init; double embed, up, up_bias; } table[] = {
        {"torch", 1, 1 / sqrt(64) / sqrt(3), 1 / sqrt(64) / sqrt(3)}, {"nanda", 1.0 / 8, 1.0 / 8, 0}, {"gpt2", 0.02, 0.02, 0}};
    for (int k = 0; k < 3; k++) {
        char json[100];
        snprintf(json, sizeof json, "{\"task\":\"addition\",\"model.init\":\"%s\"}", table[k].init);
        gs_training *t = open_training(json);
        const char *const names[] = {"pos.weight", "blocks.0.ffn.up.weight", "blocks.0.ffn.up.bias"};
        const double want[] = {table[k].embed, table[k].up, table[k].up_bias};
        for (int i = 0; i < 3; i++) {
            const gs_tensor *x = gs_model_tensor(t->model, names[i]);
            double sd = sqrt(t->model->kernels->square_sum(gs_tensor_size(x), t->model->param + x->at) / (double)gs_tensor_size(x));
            assert_true(fabs(sd - want[i]) <= 0.1 * want[i]);
        }
        gs_training_close(&t);
    }
}

static void learning_rate_follows_its_schedule(void **state)
{
    (void)state;
    gs_config c;
    gs_err e;
    assert_int_equal(gs_config_from_json("{\"task\":\"addition\",\"train.steps\":110,\"train.lr\":2,\"train.warmup\":10,\"train.schedule\":\"cosine\"}", &c, &e), 0);
    const struct { int step; double lr; } table[] = {{1, 0.2}, {5, 1}, {10, 2}, {60, 1}, {110, 0}, {35, 1 + sqrt(0.5)}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) assert_true(fabs(gs_learning_rate(&c, table[i].step) - table[i].lr) < 1e-12);
}

static void a_diverging_run_says_where(void **state)
{
    (void)state;
    gs_training *t = open_training("{\"task\":\"addition\"," SMALL ",\"train.batch\":4,\"train.lr\":1000,\"train.clip\":0,\"train.steps\":500,\"model.layers\":2}");
    gs_train(t, NULL);
    assert_true(t->diverged);
    assert_in_range(t->step, 2, 499);
    gs_training_close(&t);
}

static void patience_stops_a_run(void **state)
{
    (void)state;
    gs_training *t = open_training("{\"task\":\"addition\"," SMALL ",\"train.batch\":4,\"train.lr\":0,\"train.steps\":500,\"eval.every\":10,\"train.patience\":3}");
    gs_train(t, NULL);
    assert_int_equal(t->best_step, 10); /* nothing moves: the first evaluation stays the best */
    assert_int_equal(t->step, 40);
    gs_training_close(&t);
}

static int snapshots;
static void count_snapshots(void *context, gs_training *t)
{
    (void)context;
    snapshots++;
    assert_int_equal(t->step % 150, 0);
}

static void first99_stops_a_run(void **state)
{
    (void)state;
    gs_training *t = open_training("{\"task\":\"addition\",\"task.digits\":1,\"train.steps\":3000,\"eval.every\":20,\"train.stop_at\":\"first99\",\"train.extra_steps\":7,"
                                   "\"model.positions\":0,\"eval.record_every\":150}");
    gs_train(t, &(gs_train_calls){.at = count_snapshots});
    assert_true(t->first99_step > 0 && t->first99_step % 20 == 0);
    assert_int_equal(t->step, t->first99_step + 7);
    assert_int_equal(t->milestone[2], t->first99_step);
    assert_true(t->milestone[0] > 0 && t->milestone[0] <= t->milestone[1] && t->milestone[1] <= t->milestone[2]);
    assert_int_equal(snapshots, t->step / 150);
    for (int i = 0; i < t->curve_count; i++) {
        assert_true(t->curve[i].step < t->best_step ? t->curve[i].exact_match < t->best_value : t->curve[i].exact_match <= t->best_value);
        if (t->curve[i].step == t->best_step) assert_true(t->curve[i].exact_match == t->best_value);
    }
    gs_training_close(&t);
}

int main(void)
{
    gs_numeric_start();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seeds_share_what_agrees),
        cmocka_unit_test(initialisation_has_its_scale), cmocka_unit_test(learning_rate_follows_its_schedule),
        cmocka_unit_test(a_diverging_run_says_where), cmocka_unit_test(patience_stops_a_run), cmocka_unit_test(first99_stops_a_run)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
