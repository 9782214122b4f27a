/* Training as a whole: the same bits twice, on every instruction set and chunk size; no allocation in a step; the reasons to stop. */
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

/* Interposed, so that a step that allocates is seen; AddressSanitizer has to have these for itself. */
static long allocations;
#ifndef __SANITIZE_ADDRESS__
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
void *malloc(size_t n) { allocations++; return __libc_malloc(n); }
void *calloc(size_t n, size_t size) { allocations++; return __libc_calloc(n, size); }
void *realloc(void *p, size_t n) { allocations++; return __libc_realloc(p, n); }
#endif

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
static const char *const runs[] = {
    "{\"task\":\"addition\"," SMALL ",\"train.batch\":16,\"train.steps\":200,\"eval.every\":50}",
    "{\"task\":\"addition\"," SMALL ",\"ffn.kind\":\"glu\",\"model.norm\":\"layernorm\",\"train.batch\":16,\"train.steps\":200,\"eval.every\":50}",
    "{\"task\":\"addition\"," SMALL ",\"ffn.kind\":\"moe\",\"ffn.top_k\":2,\"train.batch\":16,\"train.steps\":200,\"eval.every\":50,\"eval.samples\":64}",
    "{\"task\":\"addition\"," SMALL ",\"ffn.kind\":\"moe_glu\",\"router.gate\":\"raw\",\"router.z_weight\":0.01,\"train.batch\":16,\"train.steps\":200,\"eval.every\":50}",
    "{\"task\":\"modular\"," SMALL ",\"task.modulus\":11,\"train.steps\":200,\"eval.every\":50}",
    "{\"task\":\"modular\"," SMALL ",\"task.modulus\":11,\"ffn.kind\":\"moe\",\"model.norm\":\"rmsnorm\",\"train.steps\":200,\"eval.every\":50}",
    "{\"task\":\"histogram\"," SMALL ",\"task.samples\":40,\"task.test_samples\":50,\"train.steps\":200,\"eval.every\":50,\"attn.dropout\":0.1}",
    "{\"task\":\"histogram\"," SMALL ",\"task.samples\":40,\"task.test_samples\":50,\"ffn.kind\":\"moe\",\"router.mode\":\"uniform\",\"train.steps\":200,\"eval.every\":50}",
    "{\"task\":\"addition\"," SMALL ",\"task.operands\":2,\"task.digits\":2,\"ffn.kind\":\"moe\",\"router.mode\":\"hash\",\"train.batch\":16,\"train.steps\":200,\"eval.every\":100,\"eval.samples\":100}"};
enum { RUNS = sizeof runs / sizeof *runs };

/* Parameters and curve of a whole run under one instruction set. */
static char *trained(const char *json, const char *isa, size_t *length)
{
    setenv("GRIDSHIFT_ISA", isa, 1);
    gs_training *t = open_training(json);
    gs_train(t, NULL);
    assert_int_equal(t->step, 200);
    gs_buf b = {0};
    gs_buf_bytes(&b, t->model->param, t->model->size * sizeof(float));
    gs_buf_bytes(&b, t->best, t->model->size * sizeof(float));
    char *csv = gs_curve_csv(t);
    gs_buf_add(&b, "%s", csv);
    free(csv);
    gs_training_close(&t);
    unsetenv("GRIDSHIFT_ISA");
    *length = b.length;
    return b.text;
}

static void whole_runs_have_the_same_bits(void **state)
{
    (void)state;
    static const char *const sets[] = {"", "scalar", "avx2", "avx512"};
    gs_err e;
    for (size_t k = 0; k < RUNS; k++) {
        size_t n, again;
        char *first = trained(runs[k], "", &n);
        for (size_t s = 0; s < sizeof sets / sizeof *sets; s++) {
            if (!gs_kernels_choose(sets[s], &e)) continue;
            char *other = trained(runs[k], sets[s], &again);
            assert_int_equal(n, again);
            if (memcmp(first, other, n)) fail_msg("%s: %s gives other bits", runs[k], *sets[s] ? sets[s] : "a second run");
            free(other);
        }
        free(first);
    }
}

static void a_step_allocates_nothing(void **state)
{
    (void)state;
    for (size_t k = 0; k < RUNS; k++) {
        gs_training *t = open_training(runs[k]);
        long before = allocations;
        for (int step = 1; step <= 120; step++) { /* histogram draws new data at 51 and 101 */
            const gs_data *d = gs_task_batch(t->task, step);
            gs_gradient(t->pass, d->tokens, d->targets, d->n, step);
            gs_optimise(&t->optimiser);
        }
        if (allocations != before) fail_msg("%s: %ld allocations in 120 steps", runs[k], allocations - before);
        gs_training_close(&t);
    }
}

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
        cmocka_unit_test(whole_runs_have_the_same_bits), cmocka_unit_test(a_step_allocates_nothing), cmocka_unit_test(seeds_share_what_agrees),
        cmocka_unit_test(initialisation_has_its_scale), cmocka_unit_test(learning_rate_follows_its_schedule),
        cmocka_unit_test(a_diverging_run_says_where), cmocka_unit_test(patience_stops_a_run), cmocka_unit_test(first99_stops_a_run)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
