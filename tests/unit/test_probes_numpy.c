/* Every number of every probe on seven checkpoints (trained by gridshift, and by the published code) against tests/golden/probes/probes.py.
 *
 * Tolerance: 1e-4 of the value, or 1e-6 where that is below 0.01. The model runs in float32 here and in float64 there; the worst seen is
 * 2e-5, for a regression on a layer whose covariance is nearly singular, all others are below 2e-6. */
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/checkpoint.h"
#include "gridshift/probe.h"

static void all_probes(const char *path, int most, gs_metrics *out)
{
    gs_err e = {0};
    gs_model *m;
    gs_task *task;
    gs_pass *pass;
    int64_t step;
    if (gs_checkpoint_read(path, &m, &step, &e)) fail_msg("%s", e.text);
    assert_int_equal(gs_task_open(&m->config, &task, &e), 0);
    assert_int_equal(gs_pass_open(m, most, gs_batch_size(&m->config), false, &pass, &e), 0);
    gs_measure q = {.pass = pass, .task = task, .checkpoint = "given", .step = step, .probes = UINT32_MAX};
    assert_int_equal(gs_probe_checkpoint(&q, out, &e), 0);
    gs_pass_close(&pass), gs_task_close(&task), gs_model_close(&m);
}

static char *path_of(const char *file)
{
    char *path = gs_text("tests/golden/probes/%s", file);
    if (access(path, F_OK) == 0) return path;
    free(path);
    return gs_text("tests/golden/checkpoints/%s", file);
}

static void one_number(const char *file, const gs_metrics *ours, const char *name, double want)
{
    char *full = gs_text("given.%s", name);
    const double *got = gs_metrics_get(ours, full);
    if (!got) fail_msg("%s: there is no %s", file, full);
    double scale = fabs(want) > 0.01 ? fabs(want) : 0.01;
    if (!(fabs(*got - want) <= 1e-4 * scale)) fail_msg("%s: %s is %.9g, not %.9g", file, full, *got, want);
    free(full);
}

static void numbers_are_numpys(void **state)
{
    (void)state;
    json_error_t why;
    json_t *root = json_load_file("tests/golden/probes/expected.json", JSON_REJECT_DUPLICATES, &why), *metrics, *value;
    const char *file, *name;
    int count = 0;
    assert_non_null(root);
    json_object_foreach(root, file, metrics) {
        gs_metrics ours = {0};
        char *path = path_of(file);
        all_probes(path, 1000, &ours);
        json_object_foreach(metrics, name, value) one_number(file, &ours, name, json_number_value(value)), count++;
        for (size_t i = 0; i < ours.count; i++) {
            const char *own = ours.at[i].name + strlen("given.");
            if (!json_object_get(metrics, own) && !strstr(own, "ratio_init")) fail_msg("%s: %s was compared with nothing", file, own);
            if (!gs_metric_find(ours.at[i].name)) fail_msg("%s is not in the table of metrics", ours.at[i].name);
        }
        gs_metrics_free(&ours);
        free(path);
    }
    assert_int_equal(json_object_size(root), 7);
    assert_int_equal(count, 1709);
    json_decref(root);
}

/* How many sequences a pass takes at a time changes no bit. */
static void chunks_change_nothing(void **state)
{
    (void)state;
    static const char *const files[] = {"addition_dense", "histogram_moe_glu", "modular_glu", "modular_moe"};
    for (int i = 0; i < 4; i++) {
        gs_metrics a = {0}, b = {0};
        char *path = gs_text("tests/golden/probes/%s.safetensors", files[i]);
        all_probes(path, 1000, &a), all_probes(path, 7, &b);
        assert_int_equal(a.count, b.count);
        for (size_t k = 0; k < a.count; k++) {
            assert_string_equal(a.at[k].name, b.at[k].name);
            if (a.at[k].value != b.at[k].value) fail_msg("%s: %.17g and %.17g", a.at[k].name, a.at[k].value, b.at[k].value);
        }
        gs_metrics_free(&a), gs_metrics_free(&b);
        free(path);
    }
}

int main(void)
{
    gs_numeric_start();
    const struct CMUnitTest tests[] = {cmocka_unit_test(numbers_are_numpys), cmocka_unit_test(chunks_change_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
