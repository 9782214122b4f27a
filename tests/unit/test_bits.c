/* Whole runs of every task and kind: the same bits twice, on every instruction set and in every chunk size. A step allocates nothing,
 * asks the kernel for nothing, and calls nothing of the mathematical library. */
#include <dlfcn.h>
#include <linux/seccomp.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "gridshift/train.h"
#include "short.h"

/* Interposed, so that a step that allocates is seen; AddressSanitizer has to have these for itself. */
static volatile long allocations, calls;
#ifndef __SANITIZE_ADDRESS__
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
void *malloc(size_t n) { allocations++; return __libc_malloc(n); }
void *calloc(size_t n, size_t size) { allocations++; return __libc_calloc(n, size); }
void *realloc(void *p, size_t n) { allocations++; return __libc_realloc(p, n); }
#endif

/* The same for the mathematical library. (Plain C takes its fmaf from there, which is an instruction on all else.) */
#define WATCHED(T, name)                                                        \
    T name(T x)                                                                 \
    {                                                                           \
        calls++;                                                                \
        return ((T (*)(T))(intptr_t)dlsym(RTLD_NEXT, #name))(x);                \
    }
WATCHED(double, exp)
WATCHED(double, log)
WATCHED(double, log1p)
WATCHED(double, tanh)
WATCHED(double, erf)
WATCHED(double, cos)
WATCHED(float, expf)
WATCHED(float, logf)
WATCHED(float, log1pf)
WATCHED(float, tanhf)
WATCHED(float, erff)

static gs_training *open_training(const char *json)
{
    gs_config c;
    gs_err e = {0};
    gs_training *t;
    if (gs_config_from_json(json, &c, &e)) fail_msg("%s: %s", json, e.text);
    if (gs_training_open(&c, &t, &e)) fail_msg("%s: %s", json, e.text);
    return t;
}

#define SMALL "\"model.d_model\":8,\"model.heads\":2,\"ffn.width\":12,\"train.steps\":200,\"eval.every\":50"
#define ADDITION "{\"task\":\"addition\",\"task.digits\":2,\"train.batch\":54,\"eval.samples\":64," SMALL
#define MODULAR "{\"task\":\"modular\",\"task.modulus\":11,\"task.train_fraction\":0.5," SMALL
#define HISTOGRAM "{\"task\":\"histogram\",\"task.alphabet\":6,\"task.length\":6,\"task.samples\":40,\"task.test_samples\":50," SMALL
static const char *const runs[] = {
    ADDITION ",\"ffn.kind\":\"dense\"}", ADDITION ",\"ffn.kind\":\"glu\"}", ADDITION ",\"ffn.kind\":\"moe\"}",
    ADDITION ",\"ffn.kind\":\"moe_glu\",\"ffn.top_k\":2,\"router.z_weight\":0.01}",
    MODULAR ",\"ffn.kind\":\"dense\"}", MODULAR ",\"ffn.kind\":\"glu\"}", MODULAR ",\"ffn.kind\":\"moe\",\"router.gate\":\"raw\"}",
    MODULAR ",\"ffn.kind\":\"moe_glu\"}",
    HISTOGRAM ",\"ffn.kind\":\"dense\"}", HISTOGRAM ",\"ffn.kind\":\"glu\"}", HISTOGRAM ",\"ffn.kind\":\"moe\"}",
    HISTOGRAM ",\"ffn.kind\":\"moe_glu\",\"router.mode\":\"uniform\"}",
    /* no reductions; norms, dropout and layers, which rule some of them out */
    ADDITION ",\"ffn.kind\":\"moe\",\"reductions\":false}", MODULAR ",\"ffn.kind\":\"moe\",\"model.norm\":\"rmsnorm\"}",
    ADDITION ",\"ffn.kind\":\"glu\",\"model.norm\":\"layernorm\",\"model.layers\":2}",
    HISTOGRAM ",\"attn.dropout\":0.1,\"ffn.dropout\":0.1,\"resid.dropout\":0.1,\"embed.dropout\":0.1,\"ffn.activation\":\"gelu_tanh\"}",
    "{\"task\":\"addition\",\"task.operands\":2,\"task.digits\":2,\"ffn.kind\":\"moe\",\"router.mode\":\"hash\",\"train.batch\":16,\"eval.samples\":64,"
    SMALL "}"};
enum { RUNS = sizeof runs / sizeof *runs };

static bool far_enough(void *context, gs_training *t) { return (void)context, is_short() && t->step == 51; }

/* Parameters and curve of a whole run under one instruction set; chunk: sequences of one pass, 0: as many as usual. */
static char *trained(const char *json, const char *isa, int chunk, size_t *length)
{
    setenv("GRIDSHIFT_ISA", isa, 1);
    gs_training *t = open_training(json);
    gs_err e;
    if (chunk) {
        gs_pass_close(&t->pass);
        assert_int_equal(gs_pass_open(t->model, chunk, gs_batch_size(&t->config), true, &t->pass, &e), 0);
    }
    gs_train(t, &(gs_train_calls){.pause = far_enough});
    assert_int_equal(t->step, is_short() ? 51 : 200);
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

static void same(const char *json, const char *isa, int chunk, const char *first, size_t n)
{
    size_t again;
    char *other = trained(json, isa, chunk, &again);
    assert_int_equal(n, again);
    if (memcmp(first, other, n)) fail_msg("%s: instruction set '%s', chunks of %d (0: usual) give other bits", json, isa, chunk);
    free(other);
}

static void on_every_instruction_set(void **state)
{
    (void)state;
    static const char *const sets[] = {"", "scalar", "avx2", "avx512"};
    gs_err e;
    for (size_t k = 0; k < RUNS; k++) {
        size_t n;
        char *first = trained(runs[k], "", 0, &n);
        for (size_t s = 0; s < sizeof sets / sizeof *sets; s++)
            if (gs_kernels_choose(sets[s], &e)) same(runs[k], sets[s], 0, first, n);
        free(first);
    }
}

static void in_every_chunk_size(void **state)
{
    (void)state;
    static const int chunks[] = {1, 7, 33, 54};
    for (size_t k = 0; k < RUNS; k++) {
        size_t n;
        char *first = trained(runs[k], "", 0, &n);
        for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i += is_short() ? 2 : 1) same(runs[k], "", chunks[i], first, n);
        free(first);
    }
}

static void steps(gs_training *t, int from, int to)
{
    for (int step = from; step <= to; step++) {
        const gs_data *d = gs_task_batch(t->task, step);
        gs_gradient(t->pass, d->tokens, d->targets, d->n, step);
        gs_optimise(&t->optimiser);
    }
}

static void a_step_allocates_nothing(void **state)
{
    (void)state;
    for (size_t k = 0; k < RUNS; k++) {
        gs_training *t = open_training(runs[k]);
        long before = allocations, called = calls;
        steps(t, 1, is_short() ? 52 : 120); /* histogram draws new data at 51 and 101 */
        if (allocations != before) fail_msg("%s: %ld allocations in many steps", runs[k], allocations - before);
        if (calls != called) fail_msg("%s: %ld calls of the mathematical library in many steps", runs[k], calls - called);
        gs_training_close(&t);
    }
    volatile double x = 1;
    long called = calls;
    x = exp(x) + log1p(x);
    assert_int_equal(calls - called, 2); /* they are watched */
}

/* Every ablation from its site on, and as a whole pass. */
static void an_ablation_may_begin_at_its_site(void **state)
{
    (void)state;
    gs_err e;
    for (size_t k = 0; k < RUNS; k++) {
        gs_training *t = open_training(runs[k]);
        steps(t, 1, 30);
        const gs_data *d = gs_task_set(t->task, GS_SET_TEST, 30);
        gs_clean clean;
        gs_score clear, whole, part;
        int32_t *from = gs_alloc((size_t)d->n, sizeof *from);
        gs_rng_permutation(gs_rng_of(1, GS_RNG_RESAMPLE), 0, 0, d->n, from);
        assert_int_equal(gs_clean_open(&clean, &t->model->d, d->n, &e), 0);
        gs_evaluate(t->pass, d, 30, NULL, &clean, &clear);
        gs_clean_means(&clean, &t->model->d);
        for (int i = 0; i < GS_SITE_COUNT * GS_MODE_COUNT; i++) {
            if (!(GS_ABLATE_ALL >> i & 1) || (i / GS_MODE_COUNT == GS_SITE_FFN_EXPERT && !gs_is_moe(&t->config))) continue;
            gs_patch patch = {.site = (gs_site)(i / GS_MODE_COUNT), .index = 1, .mode = (gs_mode)(i % GS_MODE_COUNT), .layer = -1,
                              .clean = &clean, .from = from};
            gs_evaluate(t->pass, d, 30, &patch, NULL, &whole);
            gs_evaluate(t->pass, d, 30, NULL, &clean, &clear);
            patch.resume = true;
            gs_evaluate(t->pass, d, 30, &patch, NULL, &part);
            assert_memory_equal(&whole, &part, sizeof whole);
        }
        gs_clean_close(&clean);
        free(from);
        gs_training_close(&t);
    }
}

/* Under strict seccomp every system call but read, write and exit ends the process. */
static void confined(gs_training *t, bool misbehave)
{
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT)) syscall(SYS_exit, 3);
    if (misbehave) syscall(SYS_getppid);
    steps(t, 2, 60);
    syscall(SYS_exit, 0);
}

static int status_of(const char *json, bool misbehave)
{
    gs_training *t = open_training(json);
    steps(t, 1, 1);
    fflush(NULL);
    pid_t child = fork();
    int status;
    if (!child) confined(t, misbehave);
    assert_true(child > 0 && waitpid(child, &status, 0) == child);
    gs_training_close(&t);
    return status;
}

static void a_step_asks_the_kernel_for_nothing(void **state)
{
    (void)state;
    const char *preloaded = getenv("LD_PRELOAD");
    if (preloaded && strstr(preloaded, "vgpreload")) {
        print_message("# not looked at: valgrind makes system calls of its own\n"); /* cmocka's skip() is "not ok" in TAP */
        return;
    }
    int status = status_of(runs[0], true);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 3) {
        print_message("# not looked at: a kernel without seccomp\n");
        return;
    }
    assert_true(WIFSIGNALED(status));
    for (size_t k = 0; k < RUNS; k++) {
        status = status_of(runs[k], false);
        if (!WIFEXITED(status) || WEXITSTATUS(status)) fail_msg("%s: a step makes a system call", runs[k]);
    }
}

int main(void)
{
    gs_numeric_start();
    const struct CMUnitTest tests[] = {cmocka_unit_test(on_every_instruction_set), cmocka_unit_test(in_every_chunk_size),
                                       cmocka_unit_test(a_step_allocates_nothing), cmocka_unit_test(an_ablation_may_begin_at_its_site),
                                       cmocka_unit_test(a_step_asks_the_kernel_for_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
