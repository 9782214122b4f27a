/* The ablations: the published code's checkpoints give exactly the oracle's counts, and the modes do what their definitions say. */
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/checkpoint.h"
#include "gridshift/probe.h"
#include "short.h"

/* Every site with a mode. */
static uint32_t with(int mode)
{
    uint32_t mask = 0;
    for (int site = 0; site < GS_SITE_COUNT; site++) mask |= GS_ABLATE(site, mode);
    return mask & GS_ABLATE_ALL;
}

typedef struct opened {
    gs_model *model;
    gs_task *task;
    gs_pass *pass;
    gs_metrics metrics;
} opened;

static void measure(opened *o, uint32_t mask)
{
    gs_err e = {0};
    gs_measure q = {.pass = o->pass, .task = o->task, .checkpoint = "given", .ablate = mask, .counts = true};
    assert_int_equal(gs_measure_checkpoint(&q, &o->metrics, &e), 0);
}

static void open_parts(opened *o)
{
    gs_err e = {0};
    assert_int_equal(gs_task_open(&o->model->config, &o->task, &e), 0);
    assert_int_equal(gs_pass_open(o->model, 100, 1000, false, &o->pass, &e), 0);
}

static void close_parts(opened *o)
{
    gs_metrics_free(&o->metrics);
    gs_pass_close(&o->pass);
    gs_task_close(&o->task);
    gs_model_close(&o->model);
}

static double get(const opened *o, const char *subject, const char *metric)
{
    char name[100];
    snprintf(name, sizeof name, "given.%s.%s", subject, metric);
    const double *x = gs_metrics_get(&o->metrics, name);
    if (!x) fail_msg("no metric %s", name);
    return *x;
}

/* "ffn.expert.0:zero" -> zero_expert0 */
static void subject_of(const char *site, char out[64])
{
    char what[24], rest[24] = "", mode[24];
    int index;
    if (!strcmp(site, "clean")) strcpy(out, "clean");
    else if (sscanf(site, "%*[a-z].%23[a-z].%d:%23s", what, &index, mode) == 3) snprintf(out, 64, "%s_%s%d", mode, what, index);
    else if (sscanf(site, "%23[a-z].%23[a-z]:%23s", what, rest, mode) == 3) snprintf(out, 64, "%s_%s", mode, what);
    else fail_msg("%s", site);
}

static void compare(const opened *o, const char *file, const char *site, json_t *want)
{
    char subject[64], name[40];
    const char *key;
    json_t *value;
    subject_of(site, subject);
    if (get(o, subject, "correct") != (double)json_integer_value(json_object_get(want, "correct"))) fail_msg("%s %s: correct", file, site);
    if (get(o, subject, "whole_answer") != round(1000 * json_number_value(json_object_get(want, "whole_answer")))) fail_msg("%s %s: whole", file, site);
    double ce = json_number_value(json_object_get(want, "ce"));
    if (fabs(get(o, subject, "loss") / ce - 1) > 1e-4) fail_msg("%s %s: loss", file, site);
    json_object_foreach(json_object_get(want, "by_position"), key, value) {
        snprintf(name, sizeof name, "accuracy[digit=%d]", atoi(key) - 3);
        if (get(o, subject, name) != json_number_value(value)) fail_msg("%s %s: %s", file, site, name);
    }
    json_object_foreach(json_object_get(want, "by_carry"), key, value) {
        snprintf(name, sizeof name, "accuracy[carry=%s]", key);
        if (fabs(get(o, subject, name) - json_number_value(value)) > 1e-15) fail_msg("%s %s: %s", file, site, name);
    }
}

static void published_checkpoints_give_the_oracles_counts(void **state)
{
    (void)state;
    json_t *root = json_load_file("tests/golden/checkpoints/expected.json", 0, NULL), *sites, *want;
    const char *file, *site;
    int compared = 0;
    json_object_foreach(json_object_get(root, "checkpoints"), file, sites) {
        if (is_short() && strstr(file, ".final.")) continue;
        opened o = {0};
        gs_err e;
        int64_t step;
        char *path = gs_text("tests/golden/checkpoints/%s", file);
        if (gs_checkpoint_read(path, &o.model, &step, &e)) fail_msg("%s", e.text);
        open_parts(&o);
        measure(&o, with(GS_MODE_ZERO) | with(GS_MODE_MEAN));
        json_object_foreach(sites, site, want)
            if (strcmp(site, "authors_code")) compare(&o, file, site, want), compared++;
        free(path);
        close_parts(&o);
    }
    assert_int_equal(compared, is_short() ? 30 : 60);
    json_decref(root);
}

static void train_a_little(opened *o, const char *json)
{
    gs_config c;
    gs_err e = {0};
    gs_training *t;
    if (gs_config_from_json(json, &c, &e)) fail_msg("%s", e.text);
    assert_int_equal(gs_training_open(&c, &t, &e), 0);
    gs_train(t, NULL);
    assert_int_equal(gs_model_open(&c, gs_dims_of(&c), false, &o->model, &e), 0);
    memcpy(o->model->param, t->model->param, t->model->size * sizeof(float));
    gs_training_close(&t);
    open_parts(o);
}

/* Taking out every head, or o's weights alone, is what zero means; a model whose block adds nothing is not changed by it. */
static void zero_is_what_it_says(void **state)
{
    (void)state;
    opened o = {0};
    train_a_little(&o, "{\"task\":\"addition\",\"train.steps\":10,\"model.heads\":1,\"ffn.kind\":\"moe\",\"ffn.experts\":1}");
    measure(&o, with(GS_MODE_ZERO));
    double ffn = get(&o, "zero_ffn", "loss"), expert = get(&o, "zero_expert0", "loss");
    assert_true(ffn == expert && ffn != get(&o, "clean", "loss"));
    const gs_tensor *bias = gs_model_tensor(o.model, "blocks.0.attn.o.bias");
    memset(o.model->param + bias->at, 0, gs_tensor_size(bias) * sizeof(float));
    gs_metrics_free(&o.metrics);
    measure(&o, with(GS_MODE_ZERO));
    assert_true(get(&o, "zero_attn", "loss") == get(&o, "zero_head0", "loss")); /* one head, no bias: the same */
    close_parts(&o);
}

static void resample_is_an_average_over_permutations(void **state)
{
    (void)state;
    opened one = {0}, five = {0};
    train_a_little(&one, "{\"task\":\"addition\",\"train.steps\":60,\"ablate.draws\":1}");
    train_a_little(&five, "{\"task\":\"addition\",\"train.steps\":60,\"ablate.draws\":5}");
    uint32_t outputs = with(GS_MODE_RESAMPLE) & ~GS_ABLATE(GS_SITE_ATTN_HEAD, GS_MODE_RESAMPLE);
    measure(&one, outputs), measure(&five, outputs);
    assert_true(get(&one, "clean", "loss") == get(&five, "clean", "loss"));
    assert_true(get(&one, "resample_ffn", "loss") != get(&five, "resample_ffn", "loss"));
    assert_true(fabs(get(&one, "resample_ffn", "loss") / get(&five, "resample_ffn", "loss") - 1) < 0.1);
    assert_true(get(&five, "resample_attn", "accuracy") < get(&five, "clean", "accuracy"));
    close_parts(&one), close_parts(&five);
}

static void several_layers_and_splits_have_names(void **state)
{
    (void)state;
    opened o = {0};
    train_a_little(&o, "{\"task\":\"modular\",\"task.modulus\":7,\"model.layers\":2,\"train.steps\":5,\"model.d_model\":16,\"ffn.width\":16}");
    measure(&o, GS_ABLATE_ALL);
    assert_true(get(&o, "zero_ffn", "loss") != get(&o, "zero_block0_ffn", "loss"));
    get(&o, "mean_block1_head3", "accuracy[split=all]");
    get(&o, "floor", "accuracy[split=train]");
    double all = get(&o, "clean", "correct[split=all]"), parts = get(&o, "clean", "correct[split=train]") + get(&o, "clean", "correct");
    assert_true(all == parts);
    close_parts(&o);
}

static void a_checkpoint_survives_the_round_trip(void **state)
{
    (void)state;
    opened o = {0};
    gs_model *back;
    gs_err e;
    int64_t step;
    char path[] = "/tmp/gridshift-probe-XXXXXX";
    close(mkstemp(path));
    train_a_little(&o, "{\"task\":\"histogram\",\"ffn.kind\":\"moe_glu\",\"train.steps\":2,\"task.samples\":20,\"task.test_samples\":20,\"model.norm\":\"layernorm\",\"model.d_model\":16,\"ffn.width\":16}");
    assert_int_equal(gs_checkpoint_write(path, o.model, o.model->param, 2, &e), 0);
    assert_int_equal(gs_checkpoint_read(path, &back, &step, &e), 0);
    assert_int_equal(step, 2);
    assert_memory_equal(back->param, o.model->param, back->size * sizeof(float));
    gs_model_close(&back);
    assert_int_equal(truncate(path, 4000), 0);
    assert_int_equal(gs_checkpoint_read(path, &back, &step, &e), -1);
    unlink(path);
    close_parts(&o);
}

int main(void)
{
    gs_numeric_start();
    const struct CMUnitTest tests[] = {cmocka_unit_test(published_checkpoints_give_the_oracles_counts), cmocka_unit_test(zero_is_what_it_says),
                                       cmocka_unit_test(resample_is_an_average_over_permutations),
                                       cmocka_unit_test(several_layers_and_splits_have_names), cmocka_unit_test(a_checkpoint_survives_the_round_trip)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
