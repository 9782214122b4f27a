/* Features: the same probe set for every run of a task, and the stream that the model itself reads out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gridshift/analysis.h"

static gs_config make(const char *json)
{
    gs_config c;
    gs_err e;
    if (gs_config_from_json(json, &c, &e)) fail_msg("%s", e.text);
    return c;
}

static void only_the_task_and_the_analysis_choose_the_probe_set(void **state)
{
    (void)state;
    gs_config a = make("{\"seed\":1,\"ffn.kind\":\"moe\"}"), b = make("{\"seed\":2,\"model.d_model\":16}"), c = make("{\"task.addend\":9}");
    gs_config d = make("{\"analysis.seed\":3}"), f = make("{\"task\":\"modular\"}"), g = make("{\"task\":\"modular\",\"task.train_fraction\":0.5}");
    char *text[] = {gs_probe_text(&a), gs_probe_text(&b), gs_probe_text(&c), gs_probe_text(&d), gs_probe_text(&f), gs_probe_text(&g)};
    assert_string_equal(text[0], text[1]);
    assert_string_not_equal(text[0], text[2]);
    assert_string_not_equal(text[0], text[3]);
    assert_string_equal(text[4], text[5]);
    for (size_t i = 0; i < sizeof text / sizeof *text; i++) free(text[i]);
}

typedef struct opened {
    gs_config config;
    gs_model *model;
    gs_task *task;
    gs_pass *pass;
    char path[32];
    gs_st_file file;
} opened;

/* A model as it is initialised, and its features. */
static void write_features(const char *json, opened *o)
{
    gs_err e;
    *o = (opened){.config = make(json), .path = "/tmp/features.XXXXXX"};
    int fd = mkstemp(o->path);
    assert_true(fd >= 0);
    close(fd);
    gs_numeric_start();
    int batch = gs_batch_size(&o->config);
    if (gs_model_open(&o->config, gs_dims_of(&o->config), false, &o->model, &e) || gs_task_open(&o->config, &o->task, &e)) fail_msg("%s", e.text);
    gs_model_init(o->model);
    if (gs_pass_open(o->model, gs_chunk(&o->config, &o->model->d, batch), batch, false, &o->pass, &e)) fail_msg("%s", e.text);
    assert_false(gs_features_there(o->path, &o->config));
    if (gs_features_write(o->path, o->pass, 7, &e) || gs_st_read(o->path, &o->file, &e)) fail_msg("%s", e.text);
    assert_true(gs_features_there(o->path, &o->config));
}

static void close_all(opened *o)
{
    gs_st_free(&o->file);
    gs_pass_close(&o->pass);
    gs_task_close(&o->task);
    gs_model_close(&o->model);
    unlink(o->path);
}

/* Logits of input i of the test set, all positions, by the model's own readout. */
static void check_input(opened *o, const gs_data *d, int i, const float *stream, const float *embed, int *row)
{
    int rows[64], count = 0, D = o->model->d.D, C = o->model->d.C, T = d->length;
    gs_view view = {.step = 7};
    for (int t = 0; t < T; t++)
        if (d->targets[i * T + t] >= 0) rows[count++] = t;
    gs_forward(o->pass, d->tokens + (ptrdiff_t)i * T, 1, &view, NULL);
    const float *logits = gs_readout(o->pass, rows, count);
    for (int r = 0; r < count; r++, ++*row)
        for (int c = 0; c < C; c++) {
            double sum = 0;
            for (int k = 0; k < D; k++) sum += (double)stream[*row * D + k] * (double)embed[c * D + k];
            assert_float_equal((float)sum, logits[r * C + c], 1e-4f);
        }
}

/* With a tied readout and no norm, logits are the stream after the last block times the embedding. 2 digits have 100 inputs, of which the probe set
 * is the first 30 of the seed's permutation. */
static void reads_out(const char *json)
{
    opened o;
    write_features(json, &o);
    const gs_data *d = gs_task_set(o.task, GS_SET_TEST, 0);
    char last[32];
    snprintf(last, sizeof last, "blocks.%d.ffn", o.model->d.L - 1);
    const gs_st_tensor *x = gs_st_find(&o.file, last);
    assert_non_null(x);
    assert_int_equal(o.file.count, 2 * o.model->d.L);
    const float *embed = o.model->param + gs_model_tensor(o.model, "embed.weight")->at;
    int32_t order[100];
    int row = 0, rows;
    gs_err e;
    assert_int_equal(gs_features_rows(&o.config, &rows, &e), 0);
    gs_rng_permutation(gs_rng_of(0, GS_RNG_EVAL), UINT64_MAX, 0, d->n, order);
    for (int i = 0; i < 30; i++) check_input(&o, d, order[i], x->data, embed, &row);
    assert_int_equal(row, rows);
    assert_int_equal(x->shape[0], rows);
    close_all(&o);
}

static void the_stream_is_what_the_model_reads_out(void **state)
{
    (void)state;
    reads_out("{\"task.digits\":2,\"model.d_model\":16,\"model.heads\":2,\"ffn.width\":24,\"analysis.inputs\":30,\"seed\":5}");
    reads_out("{\"task.digits\":2,\"model.d_model\":16,\"model.heads\":2,\"ffn.width\":24,\"ffn.kind\":\"moe\",\"model.layers\":2,"
              "\"analysis.inputs\":30,\"seed\":5}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_task_and_the_analysis_choose_the_probe_set), cmocka_unit_test(the_stream_is_what_the_model_reads_out)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
