/* The probes against closed forms: models whose weights are planted. tests/golden/probes.py is the other half. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gridshift/probe.h"

typedef struct world {
    gs_model *m;
    gs_task *task;
    gs_pass *pass;
    gs_metrics metrics;
} world;

/* A model of zeros. */
static void open_world(world *w, const char *json)
{
    gs_config c;
    gs_err e = {0};
    *w = (world){0};
    if (gs_config_from_json(json, &c, &e)) fail_msg("%s", e.text);
    assert_int_equal(gs_model_open(&c, gs_dims_of(&c), false, &w->m, &e), 0);
    assert_int_equal(gs_task_open(&w->m->config, &w->task, &e), 0);
    assert_int_equal(gs_pass_open(w->m, 50, 1000, false, &w->pass, &e), 0);
}

static void close_world(world *w)
{
    gs_metrics_free(&w->metrics);
    gs_pass_close(&w->pass);
    gs_task_close(&w->task);
    gs_model_close(&w->m);
}

static float *tensor(world *w, const char *name)
{
    const gs_tensor *t = gs_model_tensor(w->m, name);
    if (!t) fail_msg("no tensor %s", name);
    return w->m->param + t->at;
}

static void probe(world *w, const char *checkpoint, int64_t step, const char *name)
{
    gs_err e = {0};
    gs_measure q = {.pass = w->pass, .task = w->task, .checkpoint = checkpoint, .step = step, .probes = UINT32_C(1) << gs_probe_find(name)};
    assert_int_equal(gs_probe_checkpoint(&q, &w->metrics, &e), 0);
}

static double get(const world *w, const char *name)
{
    const double *x = gs_metrics_get(&w->metrics, name);
    if (!x) fail_msg("no metric %s", name);
    return *x;
}

static void near_to(const world *w, const char *name, double want, double tolerance)
{
    double x = get(w, name);
    if (!(fabs(x - want) <= tolerance)) fail_msg("%s is %.12g, not %.12g", name, x, want);
}

/* Every metric that a probe gives is in its table, with strata that the table allows, and by the grammar. */
static void all_are_in_the_table(const world *w)
{
    for (size_t i = 0; i < w->metrics.count; i++)
        if (!gs_metric_find(w->metrics.at[i].name)) fail_msg("%s is no metric", w->metrics.at[i].name);
}

/* -- routing ----------------------------------------------------------------------------------------------------------- */

/* Token v goes to expert v mod 2 with the logits +-a: one bit about the token, whose parity says all of it. */
static void a_planted_router(void **state)
{
    (void)state;
    world w;
    open_world(&w, "{\"task\":\"histogram\",\"task.alphabet\":8,\"task.length\":4,\"task.test_samples\":500,\"ffn.kind\":\"moe\",\"ffn.experts\":2,"
                   "\"model.d_model\":4,\"model.heads\":1,\"ffn.width\":4}");
    float *embed = tensor(&w, "embed.weight"), *router = tensor(&w, "blocks.0.ffn.router.weight");
    for (int v = 0; v < 8; v++) embed[4 * v] = v % 2 ? 1 : -1;
    router[0] = -0.5f, router[4] = 0.5f; /* odd tokens: logits (-0.5, 0.5), to expert 1 */
    probe(&w, "final", 0, "routing");
    double load = get(&w, "final.routing.load[expert=1]"), even = 1 - load;
    double h = -(load * log2(load) + even * log2(even)), p = 1 / (1 + exp(-1));
    near_to(&w, "final.routing.mi[with=token]", h, 1e-12);
    near_to(&w, "final.routing.nmi_min[with=token]", 1, 1e-12);
    near_to(&w, "final.routing.mi_p[with=token]", 1.0 / 101, 1e-15);
    near_to(&w, "final.routing.utilisation_entropy", h, 1e-12);
    near_to(&w, "final.routing.max_violation", 2 * (load > even ? load : even) - 1, 1e-12);
    near_to(&w, "final.routing.load_cv", fabs(2 * load - 1), 1e-12);
    near_to(&w, "final.routing.top1_margin", 2 * p - 1, 1e-6);
    near_to(&w, "final.routing.token_entropy", -(p * log2(p) + (1 - p) * log2(1 - p)), 1e-6);
    assert_true(get(&w, "final.routing.dead_experts") == 0);
    /* 2 + 8 - 8 - 1 = 1: all 8 cells that are not empty are the tokens' own */
    near_to(&w, "final.routing.mi_miller_madow[with=token]", h + 1 / (2 * 2000 * log(2)), 1e-12);
    assert_true(get(&w, "final.routing.mi_null[with=token]") < 0.01 && get(&w, "final.routing.mi_null[with=token]") > 0);
    assert_true(get(&w, "final.routing.mi[with=position]") < 0.01);
    all_are_in_the_table(&w);
    close_world(&w);
}

/* All to one expert: nothing is said about a token, and three of four experts are dead. */
static void a_collapsed_router(void **state)
{
    (void)state;
    world w;
    open_world(&w, "{\"task\":\"addition\",\"task.digits\":2,\"ffn.kind\":\"moe_glu\",\"model.d_model\":4,\"model.heads\":1,\"ffn.width\":4}");
    probe(&w, "best", 7, "routing"); /* all logits are 0: ties go to expert 0 */
    assert_true(get(&w, "best.routing.dead_experts") == 3 && get(&w, "best.routing.load[expert=0]") == 1);
    assert_true(get(&w, "best.routing.utilisation_entropy") == 0 && get(&w, "best.routing.mi[with=op]") == 0);
    near_to(&w, "best.routing.load_cv", sqrt(3), 1e-12);
    near_to(&w, "best.routing.token_entropy", 1, 1e-12);
    near_to(&w, "best.routing.top1_margin", 0, 1e-12);
    assert_true(get(&w, "best.routing.mi_p[with=carry]") == 1);
    all_are_in_the_table(&w);
    close_world(&w);
}

/* -- norms -------------------------------------------------------------------------------------------------------------- */

static void norms_and_their_ratios(void **state)
{
    (void)state;
    world w;
    open_world(&w, "{\"task\":\"addition\",\"model.d_model\":4,\"model.heads\":1,\"ffn.width\":8}");
    float *up = tensor(&w, "blocks.0.ffn.up.weight"), *down = tensor(&w, "blocks.0.ffn.down.weight"), *o = tensor(&w, "blocks.0.attn.o.bias");
    up[3] = 3, down[5] = -4, o[0] = 12;
    probe(&w, "step100", 100, "norms");
    near_to(&w, "step100.norms.norm", 13, 0);
    near_to(&w, "step100.norms.norm[of=ffn]", 5, 0);
    near_to(&w, "step100.norms.norm[of=attn]", 12, 0);
    assert_null(gs_metrics_get(&w.metrics, "step100.norms.norm[of=router]"));
    up[3] = 0;
    probe(&w, "final", 200, "norms");
    near_to(&w, "final.norms.ratio[of=ffn,since=100]", 0.8, 1e-15);
    near_to(&w, "final.norms.ratio[of=attn,since=100]", 1, 0);
    near_to(&w, "final.norms.ratio[since=100]", sqrt(160) / 13, 1e-15);
    probe(&w, "best", 100, "norms"); /* not later than step 100 */
    assert_null(gs_metrics_get(&w.metrics, "best.norms.ratio[since=100]"));
    gs_model_init(w.m);
    probe(&w, "first99", 300, "norms");
    near_to(&w, "first99.norms.ratio_init[of=ffn]", 1, 0);
    all_are_in_the_table(&w);
    close_world(&w);
}

int main(void)
{
    gs_numeric_start();
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_planted_router), cmocka_unit_test(a_collapsed_router),
                                       cmocka_unit_test(norms_and_their_ratios)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
