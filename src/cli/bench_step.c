#include "cli/bench_step.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gridshift/task.h"
#include "gridshift/train.h"

#define SEQ18 "\"task\":\"addition\",\"model.d_model\":128,\"model.heads\":4,\"model.tied\":false,\"model.positions\":18"
const gs_bench_case gs_bench_cases[] = {
    {"modular_dense", "\"task\":\"modular\"", 3830, 0, 0},
    {"modular_moe", "\"task\":\"modular\",\"ffn.kind\":\"moe\"", 3830, 0, 0},
    {"seq18_dense", SEQ18 ",\"ffn.width\":512,\"ffn.activation\":\"gelu\"", 256, 16, 18},
    {"seq18_glu", SEQ18 ",\"ffn.kind\":\"glu\",\"ffn.width\":512,\"ffn.activation\":\"gelu\"", 256, 16, 18},
    {"seq18_moe_h64", SEQ18 ",\"ffn.kind\":\"moe\",\"ffn.width\":256,\"ffn.activation\":\"gelu\"", 256, 16, 18},
    {"seq18_moe_h512", SEQ18 ",\"ffn.kind\":\"moe\",\"ffn.width\":2048,\"ffn.activation\":\"gelu\"", 256, 16, 18},
    {"histogram_dense", "\"task\":\"histogram\",\"model.d_model\":64,\"ffn.width\":256", 256, 0, 0},
    {"add7_dense", "\"task\":\"addition\"", 128, 0, 0},
    {"add7_moe", "\"task\":\"addition\",\"ffn.kind\":\"moe\"", 128, 0, 0},
    {0}};

typedef struct bench {
    gs_config config;
    gs_dims d;
    gs_task *task;
    gs_model *model;
    gs_pass *pass;
    gs_optimiser optimiser;
    int32_t *tokens, *targets; /* (batch, T) */
    int batch;
    int64_t step;
} bench;

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* a busy machine must not look like a slow program */
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The task's batch, or uniform tokens with a uniform target at every position. */
static int fill_batch(bench *b, const gs_bench_case *c, gs_err *e)
{
    size_t n = (size_t)(b->batch * b->d.T);
    b->tokens = gs_alloc(n, sizeof *b->tokens);
    b->targets = gs_alloc(n, sizeof *b->targets);
    gs_rng r = gs_rng_of(1, GS_RNG_BATCH);
    for (size_t i = 0; c->vocabulary && i < n; i++) {
        b->tokens[i] = (int32_t)gs_rng_below(r, 0, 0, (uint32_t)i, (uint32_t)c->vocabulary);
        b->targets[i] = (int32_t)gs_rng_below(r, 0, 1, (uint32_t)i, (uint32_t)c->vocabulary);
    }
    if (c->vocabulary) return 0;
    if (gs_task_open(&b->config, &b->task, e)) return -1;
    const gs_data *d = gs_task_batch(b->task, 1);
    memcpy(b->tokens, d->tokens, n * sizeof *b->tokens);
    memcpy(b->targets, d->targets, n * sizeof *b->targets);
    return 0;
}

static int open_bench(bench *b, const gs_bench_case *c, bool reductions, bool blas, gs_err *e)
{
    char *json = gs_text("{%s,\"train.batch\":%d,\"reductions\":%s,\"gemm\":\"%s\"}", c->config, c->batch, reductions ? "true" : "false",
                         blas ? "blas" : "own");
    int failed = gs_config_from_json(json, &b->config, e);
    free(json);
    if (failed) return -1;
    b->d = gs_dims_of(&b->config);
    b->batch = c->batch;
    if (c->vocabulary) b->d.V = b->d.C = c->vocabulary, b->d.T = c->length, b->d.first = 0;
    if (gs_model_open(&b->config, b->d, true, &b->model, e)) return -1;
    int most = gs_chunk(&b->config, &b->d, b->batch);
    if (gs_pass_open(b->model, most, b->batch, true, &b->pass, e) || gs_optimiser_open(&b->optimiser, b->model, e)) return -1;
    gs_model_init(b->model);
    return fill_batch(b, c, e);
}

static void close_bench(bench *b)
{
    gs_optimiser_close(&b->optimiser);
    gs_pass_close(&b->pass);
    gs_model_close(&b->model);
    gs_task_close(&b->task);
    free(b->tokens);
    free(b->targets);
}

static void one_step(bench *b)
{
    gs_gradient(b->pass, b->tokens, b->targets, b->batch, ++b->step);
    gs_optimise(&b->optimiser);
}

static double steps_per_s(bench *b, double least)
{
    double begin = seconds(), now;
    int64_t first = b->step;
    do {
        one_step(b);
        now = seconds();
    } while (now - begin < least);
    return (double)(b->step - first) / (now - begin);
}

static double peak_gflops(const gs_kernels *k, double least)
{
    double flops = 0, begin = seconds(), now;
    do {
        flops += k->fma_loop(100000);
        now = seconds();
    } while (now - begin < least);
    return flops / (now - begin) / 1e9;
}

/* How the fresh model's router spreads the batch. */
static void loads(bench *b, gs_bench_result *out)
{
    out->experts = gs_is_moe(&b->config) ? b->d.E : 0;
    int most = gs_pass_most(b->pass), per = b->d.T * b->d.k, counts[8] = {0};
    for (int first = 0; out->experts && first < b->batch; first += most) {
        gs_view view = {.first = first};
        int n = b->batch - first < most ? b->batch - first : most;
        gs_forward(b->pass, b->tokens + (ptrdiff_t)first * b->d.T, n, &view, NULL);
        const int32_t *choice = gs_pass_choice(b->pass, 0);
        for (int i = 0; i < n * per; i++)
            if (choice[i] < 8) counts[choice[i]]++;
    }
    for (int e = 0; e < 8; e++) out->load[e] = counts[e] / ((double)b->batch * per);
}

static void measure(bench *b, int runs, gs_bench_result *out)
{
    enum { MOST = 101 };
    double speed[MOST], peak[MOST];
    if (runs > MOST) runs = MOST;
    loads(b, out);
    one_step(b); /* warm-up */
    for (int i = 0; i < runs; i++) {
        peak[i] = peak_gflops(b->model->kernels, 0.1);
        speed[i] = steps_per_s(b, 0.3);
    }
    double plain, performed;
    gs_step_flops(&b->config, &b->d, b->batch, b->tokens, b->targets, &plain, &performed);
    out->runs = runs;
    out->isa = b->model->kernels->isa;
    out->steps = gs_spread_of(speed, runs);
    out->peak_gflops = gs_spread_of(peak, runs).median;
    out->tokens_per_s = out->steps.median * b->batch * b->d.T;
    out->gflops_plain = plain * out->steps.median / 1e9;
    out->gflops_performed = performed * out->steps.median / 1e9;
}

int gs_bench_step(const gs_bench_case *c, bool reductions, bool blas, int runs, gs_bench_result *out, gs_err *e)
{
    bench b = {0};
    *out = (gs_bench_result){.name = c->name};
    gs_numeric_start();
    int failed = open_bench(&b, c, reductions, blas, e);
    if (!failed) measure(&b, runs, out);
    close_bench(&b);
    return failed;
}
