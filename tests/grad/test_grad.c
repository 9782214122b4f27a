/* Every layer and option against central finite differences of the total loss: for each learned tensor along its own gradient
 * (the derivative is its norm) and along a random direction. The model computes in float32, so the step is large and the
 * bound is a share of the gradient's norm. */
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gridshift/train.h"

enum { BATCH = 12 };

static const char *const options[] = {
    "\"ffn.kind\":\"dense\"",
    "\"ffn.kind\":\"dense\",\"ffn.activation\":\"relu\",\"model.norm\":\"rmsnorm\"",
    "\"ffn.kind\":\"dense\",\"ffn.activation\":\"gelu\",\"model.norm\":\"layernorm\",\"model.tied\":false,\"model.qkv_bias\":true",
    "\"ffn.kind\":\"dense\",\"ffn.activation\":\"identity\",\"model.mask\":\"full\",\"model.layers\":2",
    "\"ffn.kind\":\"dense\",\"model.layers\":3,\"model.norm\":\"rmsnorm\",\"model.qkv_bias\":true",
    "\"ffn.kind\":\"glu\"",
    "\"ffn.kind\":\"glu\",\"ffn.activation\":\"gelu\",\"model.norm\":\"layernorm\",\"model.layers\":2",
    "\"ffn.kind\":\"glu\",\"ffn.activation\":\"identity\",\"model.tied\":false",
    "\"ffn.kind\":\"glu\",\"ffn.activation\":\"relu\"",
    "\"ffn.kind\":\"glu\",\"ffn.activation\":\"gelu_tanh\"",
    "\"ffn.kind\":\"moe\",\"router.aux_weight\":0.3",
    "\"ffn.kind\":\"moe\",\"ffn.top_k\":2,\"router.aux_weight\":0.3,\"router.z_weight\":0.1,\"model.norm\":\"rmsnorm\"",
    "\"ffn.kind\":\"moe\",\"ffn.top_k\":3,\"router.gate\":\"raw\",\"router.aux_weight\":0,\"router.z_weight\":0.1,\"model.layers\":2",
    "\"ffn.kind\":\"moe\",\"router.gate\":\"raw\",\"router.mode\":\"frozen\",\"router.aux_weight\":0.3,\"model.norm\":\"layernorm\"",
    "\"ffn.kind\":\"moe\",\"router.mode\":\"hash\"",
    "\"ffn.kind\":\"moe\",\"router.aux_positions\":\"loss\",\"router.aux_weight\":0.3,\"router.z_weight\":0.1",
    "\"ffn.kind\":\"moe_glu\",\"router.aux_positions\":\"loss\",\"router.aux_weight\":0.3,\"model.norm\":\"rmsnorm\"",
    "\"ffn.kind\":\"moe\",\"router.mode\":\"frozen\",\"attn.frozen\":true,\"router.aux_weight\":0.3,\"router.z_weight\":0.1",
    "\"ffn.kind\":\"moe\",\"task\":\"modular\",\"task.modulus\":7,\"router.aux_weight\":0.3,\"ffn.frozen\":true",
    "\"ffn.kind\":\"moe\",\"router.mode\":\"uniform\",\"ffn.top_k\":2",
    "\"ffn.kind\":\"moe\",\"ffn.experts\":1,\"ffn.top_k\":1",
    "\"ffn.kind\":\"moe\",\"ffn.top_k\":4",
    "\"ffn.kind\":\"moe_glu\",\"ffn.top_k\":2",
    "\"ffn.kind\":\"moe_glu\",\"router.gate\":\"raw\",\"ffn.activation\":\"gelu\",\"router.z_weight\":0.2",
    "\"ffn.kind\":\"dense\",\"attn.dropout\":0.3,\"ffn.dropout\":0.2,\"embed.dropout\":0.1,\"resid.dropout\":0.25",
    "\"ffn.kind\":\"glu\",\"attn.dropout\":0.3,\"ffn.dropout\":0.2,\"resid.dropout\":0.25,\"model.norm\":\"rmsnorm\",\"model.layers\":2",
    "\"ffn.kind\":\"moe\",\"ffn.top_k\":2,\"ffn.dropout\":0.3,\"embed.dropout\":0.2,\"resid.dropout\":0.1",
    "\"ffn.kind\":\"dense\",\"ffn.frozen\":true",
    "\"ffn.kind\":\"moe_glu\",\"ffn.frozen\":true,\"model.norm\":\"layernorm\"",
    "\"ffn.kind\":\"glu\",\"attn.frozen\":true,\"model.qkv_bias\":true",
    "\"ffn.kind\":\"dense\",\"task\":\"modular\",\"task.modulus\":7",
    "\"ffn.kind\":\"moe\",\"task\":\"histogram\",\"ffn.top_k\":2",
    "\"ffn.kind\":\"dense\",\"gemm\":\"blas\",\"model.norm\":\"layernorm\""};

typedef struct subject {
    gs_config config;
    gs_task *task;
    gs_model *model;
    gs_pass *pass;
    const gs_data *batch;
} subject;

static bool reductions = true; /* of the subjects that are opened */

static void open_subject(subject *s, const char *option, int most)
{
    gs_err e = {0};
    char text[1000];
    bool addition = !strstr(option, "\"task\"");
    snprintf(text, sizeof text,
             "{%s%s,\"model.d_model\":20,\"model.heads\":2,\"ffn.width\":24,\"train.batch\":%d,\"seed\":5,\"reductions\":%s}",
             addition ? "\"task\":\"addition\",\"model.positions\":9," : "", option, BATCH, reductions ? "true" : "false");
    if (gs_config_from_json(text, &s->config, &e)) fail_msg("%s: %s", option, e.text);
    assert_int_equal(gs_task_open(&s->config, &s->task, &e), 0);
    assert_int_equal(gs_model_open(&s->config, gs_dims_of(&s->config), true, &s->model, &e), 0);
    assert_int_equal(gs_pass_open(s->model, most, 64, true, &s->pass, &e), 0);
    gs_model_init(s->model);
    for (int i = 0; i < s->model->tensor_count; i++) { /* a gain of 1 or a bias of 0 would hide mistakes */
        const gs_tensor *t = &s->model->tensors[i];
        if (t->role == GS_ROLE_ONE || t->role == GS_ROLE_ZERO)
            for (size_t k = 0; k < gs_tensor_size(t); k++)
                s->model->param[t->at + k] += 0.3f * (float)gs_rng_normal(gs_rng_of(1, GS_RNG_INIT), t->at, 1, (uint32_t)k);
    }
    s->batch = gs_task_batch(s->task, 1);
}

static void close_subject(subject *s)
{
    gs_pass_close(&s->pass);
    gs_model_close(&s->model);
    gs_task_close(&s->task);
}

static double loss(const subject *s) { return gs_gradient(s->pass, s->batch->tokens, s->batch->targets, s->batch->n, 1).total; }

/* (L(p + h u) - L(p - h u)) / 2h by two step sizes (Richardson): fourth order in h. */
static double slope(subject *s, const gs_tensor *t, const float *u, const float *start, double h)
{
    float *p = s->model->param + t->at;
    double d[2];
    for (int k = 0; k < 2; k++) {
        double step = k ? 2 * h : h, sum = 0;
        for (int sign = 1; sign >= -1; sign -= 2) {
            for (size_t i = 0; i < gs_tensor_size(t); i++) p[i] = start[i] + (float)(sign * step) * u[i];
            sum += sign * loss(s);
        }
        d[k] = sum / (2 * step);
    }
    memcpy(p, start, gs_tensor_size(t) * sizeof *p);
    return (4 * d[0] - d[1]) / 3;
}

static void check_direction(subject *s, const gs_tensor *t, const float *grad, const float *u, double norm, const char *option, double *worst)
{
    size_t n = gs_tensor_size(t);
    float *start = gs_alloc(n, sizeof *start);
    memcpy(start, s->model->param + t->at, n * sizeof *start);
    double want = 0, best = INFINITY;
    for (size_t i = 0; i < n; i++) want += (double)grad[i] * (double)u[i];
    for (double h = 0.02; h > 2e-5 && best > 3e-3; h /= 3) /* a kink or a changed choice of expert spoils a large step */
        best = fmin(best, fabs(slope(s, t, u, start, h) - want) / (norm + 2e-3));
    if (best > *worst) *worst = best;
    if (best > 0.01) fail_msg("%s: %s: finite differences and gradient are %.2g of its norm %.3g apart", option, t->name, best, norm);
    free(start);
}

static void check_tensor(subject *s, const gs_tensor *t, const float *grad, const char *option, double *worst)
{
    size_t n = gs_tensor_size(t);
    float *u = gs_alloc(n, sizeof *u);
    double norm = 0, length = 0;
    for (size_t i = 0; i < n; i++) norm += (double)grad[i] * (double)grad[i];
    norm = sqrt(norm);
    for (size_t i = 0; i < n; i++) u[i] = norm > 0 ? (float)((double)grad[i] / norm) : 0;
    if (norm > 0) check_direction(s, t, grad, u, norm, option, worst);
    for (size_t i = 0; i < n; i++) {
        u[i] = (float)gs_rng_normal(gs_rng_of(3, GS_RNG_INIT), t->at, 2, (uint32_t)i);
        length += (double)u[i] * (double)u[i];
    }
    for (size_t i = 0; i < n; i++) u[i] /= (float)sqrt(length);
    check_direction(s, t, grad, u, norm, option, worst);
    free(u);
}

static void gradients_are_finite_differences(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof options / sizeof *options; k++) {
        subject s = {0};
        double worst = 0;
        int tensors = 0;
        open_subject(&s, options[k], BATCH);
        loss(&s);
        float *grad = gs_alloc(s.model->size, sizeof *grad);
        memcpy(grad, s.model->grad, s.model->size * sizeof *grad);
        for (int i = 0; i < s.model->tensor_count; i++) {
            const gs_tensor *t = &s.model->tensors[i];
            if (!t->frozen) check_tensor(&s, t, grad + t->at, options[k], &worst), tensors++;
        }
        printf("# worst %.1e of %d tensors: %s\n", worst, tensors, options[k]);
        free(grad);
        close_subject(&s);
    }
}

static void frozen_tensors_stay(void **state)
{
    (void)state;
    const struct { const char *option, *part; } table[] = {{"\"ffn.kind\":\"glu\",\"ffn.frozen\":true", ".ffn."},
        {"\"ffn.kind\":\"dense\",\"attn.frozen\":true,\"model.qkv_bias\":true", ".attn."}, {"\"ffn.kind\":\"moe\",\"router.mode\":\"frozen\"", ".router."}};
    for (size_t k = 0; k < sizeof table / sizeof *table; k++) {
        subject s = {0};
        gs_optimiser o;
        gs_err e;
        open_subject(&s, table[k].option, BATCH);
        assert_int_equal(gs_optimiser_open(&o, s.model, &e), 0);
        float *before = gs_alloc(s.model->size, sizeof *before);
        memcpy(before, s.model->param, s.model->size * sizeof *before);
        loss(&s);
        gs_optimise(&o);
        int frozen = 0;
        for (int i = 0; i < s.model->tensor_count; i++) {
            const gs_tensor *t = &s.model->tensors[i];
            bool same = !memcmp(before + t->at, s.model->param + t->at, gs_tensor_size(t) * sizeof *before);
            assert_int_equal(same, strstr(t->name, table[k].part) != NULL);
            assert_int_equal(t->frozen, same);
            frozen += same;
        }
        assert_true(frozen > 0);
        free(before);
        gs_optimiser_close(&o);
        close_subject(&s);
    }
}

/* The gradient of a batch does not depend on how it is cut into chunks. */
static void chunks_leave_no_trace(void **state)
{
    (void)state;
    const char *const table[] = {"\"ffn.kind\":\"dense\",\"model.norm\":\"layernorm\",\"model.qkv_bias\":true", "\"ffn.kind\":\"glu\",\"ffn.dropout\":0.2,\"attn.dropout\":0.2",
        "\"ffn.kind\":\"moe\",\"ffn.top_k\":2,\"router.aux_weight\":0,\"ffn.dropout\":0.1", "\"ffn.kind\":\"moe\",\"ffn.top_k\":2,\"router.z_weight\":0.1",
        "\"ffn.kind\":\"moe\",\"model.norm\":\"rmsnorm\"", "\"ffn.kind\":\"moe_glu\",\"router.aux_positions\":\"loss\",\"task\":\"modular\",\"task.modulus\":7", "\"ffn.kind\":\"moe_glu\",\"router.mode\":\"uniform\""};
    for (size_t k = 0; k < sizeof table / sizeof *table; k++) {
        float *first = NULL;
        for (int most = BATCH; most >= 1; most -= 5) {
            subject s = {0};
            open_subject(&s, table[k], most);
            loss(&s);
            if (first) assert_memory_equal(first, s.model->grad, s.model->size * sizeof *first);
            else first = memcpy(gs_alloc(s.model->size, sizeof *first), s.model->grad, s.model->size * sizeof *first);
            close_subject(&s);
        }
        free(first);
    }
}

/* The largest difference of two gradients of one batch, as a share of the largest element of its tensor. */
static double reduced_difference(const char *option)
{
    subject plain = {0}, reduced = {0};
    double worst = 0;
    reductions = false;
    open_subject(&plain, option, BATCH);
    reductions = true;
    open_subject(&reduced, option, 5);
    loss(&plain), loss(&reduced);
    for (int i = 0; i < plain.model->tensor_count; i++) {
        const gs_tensor *t = &plain.model->tensors[i];
        const float *a = plain.model->grad + t->at, *b = reduced.model->grad + t->at;
        double most = 0, apart = 0;
        for (size_t k = 0; k < gs_tensor_size(t); k++) {
            most = fmax(most, fabs((double)a[k]));
            apart = fmax(apart, fabs((double)a[k] - (double)b[k]));
        }
        if (apart > 0) worst = fmax(worst, apart / most);
    }
    close_subject(&plain), close_subject(&reduced);
    return worst;
}

/* Without the table (dropout of the embedding forbids it) only work that nobody reads is left out: the same bits. With it, sums
 * run in another order. (A k bias is left out: its gradient is rounding noise.) */
static void reductions_change_nothing(void **state)
{
    (void)state;
    const char *const same[] = {"\"ffn.kind\":\"dense\",\"embed.dropout\":0.2,\"model.norm\":\"layernorm\"", "\"ffn.kind\":\"glu\",\"embed.dropout\":0.2,\"resid.dropout\":0.1,\"model.layers\":2",
        "\"ffn.kind\":\"moe\",\"embed.dropout\":0.2,\"resid.dropout\":0.1,\"ffn.top_k\":2", "\"ffn.kind\":\"moe_glu\",\"embed.dropout\":0.1,\"resid.dropout\":0.1,\"router.gate\":\"raw\",\"ffn.dropout\":0.2,\"attn.dropout\":0.2"};
    for (size_t k = 0; k < sizeof same / sizeof *same; k++) assert_true(reduced_difference(same[k]) == 0);
    double worst = 0;
    for (size_t k = 0; k < sizeof options / sizeof *options; k++)
        if (!strstr(options[k], "qkv_bias")) worst = fmax(worst, reduced_difference(options[k]));
    printf("# with the table: at most %.1e of a tensor's largest gradient\n", worst);
    assert_true(worst < 2e-5);
}

static void the_plain_algorithm_too(void **state)
{
    reductions = false;
    gradients_are_finite_differences(state);
    chunks_leave_no_trace(state);
    reductions = true;
}

int main(void)
{
    gs_numeric_start();
    const struct CMUnitTest tests[] = {cmocka_unit_test(gradients_are_finite_differences), cmocka_unit_test(frozen_tensors_stay),
                                       cmocka_unit_test(chunks_leave_no_trace), cmocka_unit_test(the_plain_algorithm_too),
                                       cmocka_unit_test(reductions_change_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
