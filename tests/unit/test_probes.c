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
#include "probe/logistic.h"
#include "probe/moments.h"
#include "probe/spectrum.h"

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

/* -- Fourier -------------------------------------------------------------------------------------------------------------- */

enum { P = 13, W = 3 };
static double turn(int j) { return 2 * M_PI * W * j / P; }

/* Attention gives (x_a + x_b) / 3 with x = (cos wa, sin wa); the gated units are (A + B)(A - B), 0 and (A + B)^2 with A = cos wa + cos wb and
 * B the sines: cos 2wa + cos 2wb + 2 cos w(a + b), and 2 + 2 cos w(a - b) + sin 2wa + sin 2wb + 2 sin w(a + b). The readout makes
 * u_0 cos wc + u_2 sin wc of them. */
static void plant_cosines(world *w)
{
    open_world(w, "{\"task\":\"modular\",\"task.modulus\":13,\"model.d_model\":4,\"model.heads\":1,\"ffn.kind\":\"glu\",\"ffn.width\":3,"
                  "\"ffn.activation\":\"identity\"}");
    float *embed = tensor(w, "embed.weight"), *v = tensor(w, "blocks.0.attn.v.weight"), *o = tensor(w, "blocks.0.attn.o.weight");
    float *gate = tensor(w, "blocks.0.ffn.gate.weight"), *up = tensor(w, "blocks.0.ffn.up.weight"), *down = tensor(w, "blocks.0.ffn.down.weight");
    float *unembed = tensor(w, "unembed.weight");
    for (int a = 0; a < P; a++) {
        embed[4 * a] = (float)cos(turn(a)), embed[4 * a + 1] = (float)sin(turn(a));
        unembed[4 * a + 2] = (float)cos(turn(a)), unembed[4 * a + 3] = (float)sin(turn(a));
    }
    for (int d = 0; d < 4; d++) v[5 * d] = o[5 * d] = 1;
    gate[0] = gate[1] = gate[8] = gate[9] = 3;
    up[0] = 3, up[1] = -3, up[8] = up[9] = 3;
    down[2 * 3 + 0] = 1, down[3 * 3 + 2] = 1;
}

static void planted_cosine_neurons(void **state)
{
    (void)state;
    world w;
    plant_cosines(&w);
    probe(&w, "best", 0, "fourier");
    const struct { const char *name; double want; } rows[] = {
        {"neuron_concentration", 1.0 / 3}, {"neuron_concentration_live", 0.5}, {"neuron_concentration_weighted", 0.5},
        {"neuron_concentration_one_sided", 2.0 / 3}, {"neuron_concentration_live_one_sided", 1}, {"dead_units", 1.0 / 3},
        {"neuron_fve", (2.0 / 3 + 0.8) / 3}, {"neuron_fve_live", (2.0 / 3 + 0.8) / 2}, {"neuron_fve_85", 0},
        {"pc_concentration[pc=1]", 0.5}, {"pc_concentration[pc=2]", 0.5}, {"pc_concentration_max_one_sided", 1},
        {"pc_fve[pc=1]", 0.8}, {"pc_fve[pc=2]", 2.0 / 3}, {"pc_fve_mean", (2.0 / 3 + 0.8) / 2},
        {"layer_r2_max", (2.0 / 3 + 0.4) / 2}, {"layer_r2[rank=1]", (2.0 / 3 + 0.4) / 2}, {"layer_r2_key", (2.0 / 3 + 0.4) / 2},
        {"key_frequencies", 1}, {"key_frequency[rank=1]", W}, {"logit_sum_share", 0.5}, {"logit_key_share", 0.5},
        {"embed_gini", 10.0 / 12}, {"embed_top5", 1}, {"unembed_gini", 10.0 / 12}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *name = gs_text("best.fourier.%s", rows[i].name);
        near_to(&w, name, rows[i].want, 1e-5);
        free(name);
    }
    assert_null(gs_metrics_get(&w.metrics, "best.fourier.pc_fve[pc=3]")); /* the layer has rank 2 */
    all_are_in_the_table(&w);
    close_world(&w);
}

/* Restricted logits: 2 cos w(s - c) and the mean, 2 sin wc. Excluded: what is left of u_0 and u_2. */
static void planted_restricted_and_excluded_loss(void **state)
{
    (void)state;
    world w;
    double restricted = 0, excluded = 0;
    int trained = 0;
    plant_cosines(&w);
    probe(&w, "best", 0, "fourier");
    const gs_data *train = gs_task_set(w.task, GS_SET_TRAIN, 0);
    for (int s = 0; s < P; s++) {
        double sum = 0;
        for (int c = 0; c < P; c++) sum += exp(2 * cos(turn(s - c)) + 2 * sin(turn(c)));
        restricted += (log(sum) - 2 - 2 * sin(turn(s))) / P;
    }
    for (int i = 0; i < train->n; i++, trained++) {
        int a = train->tokens[3 * i], b = train->tokens[3 * i + 1], s = (a + b) % P;
        double u0 = cos(2 * turn(a)) + cos(2 * turn(b)), u2 = 2 + 2 * cos(turn(a - b)) + sin(2 * turn(a)) + sin(2 * turn(b)), sum = 0;
        for (int c = 0; c < P; c++) sum += exp(u0 * cos(turn(c)) + u2 * sin(turn(c)));
        excluded += log(sum) - u0 * cos(turn(s)) - u2 * sin(turn(s));
    }
    near_to(&w, "best.fourier.restricted_loss[split=all]", restricted, 1e-5);
    near_to(&w, "best.fourier.excluded_loss[split=train]", excluded / trained, 1e-5);
    near_to(&w, "best.fourier.excluded_loss[split=train,rank=1]", excluded / trained, 1e-5);
    close_world(&w);
}

/* The three parts of the planted block: gate (A + B, 0, A + B) is no function of a + b; the product of it is. */
static void a_planted_gated_block(void **state)
{
    (void)state;
    world w;
    plant_cosines(&w);
    probe(&w, "final", 0, "glu");
    near_to(&w, "final.glu.dead_units[part=gate]", 1, 1e-12); /* cos wa + cos wb has the mean 0 for each a + b */
    near_to(&w, "final.glu.dead_units[part=product]", 1.0 / 3, 1e-12);
    near_to(&w, "final.glu.concentration_live[part=product]", 0.5, 1e-6);
    near_to(&w, "final.glu.participation_ratio[part=gate]", 1, 1e-5);
    near_to(&w, "final.glu.participation_ratio[part=product]", 64.0 / 34, 1e-5); /* variances 3 and 5 */
    near_to(&w, "final.glu.class_variance[part=product,of=answer]", (2.0 / 3 + 0.4) / 2, 1e-5);
    /* B_2 = 9 (A^2 - B^2) and B_3 = 9 (A + B)^2 as matrices: diag(9, -9) and all 9: squared norms 162 and 324, orthogonal */
    near_to(&w, "final.glu.bilinear_stable_rank", 486.0 / 324, 1e-6);
    near_to(&w, "final.glu.bilinear_effective_rank", exp(-(log(1.0 / 3) / 3 + 2 * log(2.0 / 3) / 3)), 1e-6);
    all_are_in_the_table(&w);
    close_world(&w);
}

/* -- solvers -------------------------------------------------------------------------------------------------------------- */

/* Two classes, one input of +-1, shares of class 1 of 3/4 at +1 and 1/4 at -1: by symmetry b = 0 and the two rows of W are +-v, where v
 * minimises the mean of -3/4 log s - 1/4 log(1 - s), s = sigmoid(2 v), plus the decay of both rows: 2 (s - 3/4) + 2 decay v = 0. */
static void a_known_mixture(void **state)
{
    (void)state;
    double x[8] = {1, 1, 1, 1, -1, -1, -1, -1}, weights[4], v = 0;
    int y[8] = {1, 1, 1, 0, 0, 0, 0, 1};
    gs_logistic_fit(8, 1, 2, x, y, weights);
    for (int i = 0; i < 200; i++) v += 0.5 * (0.75 - 1 / (1 + exp(-2 * v)) - GS_LOGISTIC_DECAY * v);
    assert_true(fabs(weights[2] - v) < 1e-5 && fabs(weights[0] + v) < 1e-5);
    assert_true(fabs(weights[3] - weights[1]) < 1e-5);
    assert_int_equal(gs_logistic_right(8, 1, 2, x, y, weights), 6);
}

static void summaries_of_a_spectrum(void **state)
{
    (void)state;
    const double flat[4] = {2, 2, 2, 2}, one[4] = {5, 0, 0, 0}, none[2] = {0, 0}, mixed[3] = {4, 2, 2};
    assert_true(gs_participation(4, flat) == 4 && fabs(gs_effective_rank(4, flat) - 4) < 1e-14 && gs_stable_rank(4, flat) == 4);
    assert_true(gs_participation(4, one) == 1 && fabs(gs_effective_rank(4, one) - 1) < 1e-15 && gs_stable_rank(4, one) == 1);
    assert_true(gs_participation(2, none) == 0 && gs_effective_rank(2, none) == 0 && gs_stable_rank(2, none) == 0);
    assert_true(fabs(gs_participation(3, mixed) - 64.0 / 24) < 1e-15 && gs_stable_rank(3, mixed) == 2);
    assert_true(fabs(gs_effective_rank(3, mixed) - pow(2, 1.5)) < 1e-14);
    double gini[4] = {0, 0, 0, 7}, even[4] = {3, 3, 3, 3};
    assert_true(gs_gini(4, gini) == 0.75 && gs_gini(4, even) == 0);
}

/* A planted matrix of rank 2, by singular values 3 and 1. */
static void planted_low_rank(void **state)
{
    (void)state;
    world w;
    open_world(&w, "{\"task\":\"addition\",\"task.digits\":1,\"model.d_model\":4,\"model.heads\":1,\"ffn.width\":6}");
    float *up = tensor(&w, "blocks.0.ffn.up.weight");
    up[0] = up[4] = 3 * (float)M_SQRT1_2;            /* 3 (e0 + e1) / sqrt 2, along x_0 */
    up[1] = (float)M_SQRT1_2, up[5] = -(float)M_SQRT1_2; /* (e0 - e1) / sqrt 2, along x_1 */
    probe(&w, "final", 0, "geometry");
    near_to(&w, "final.geometry.weight_stable_rank[of=up]", 10.0 / 9, 1e-6);
    near_to(&w, "final.geometry.weight_effective_rank[of=up]", exp(-(0.9 * log(0.9) + 0.1 * log(0.1))), 1e-6);
    near_to(&w, "final.geometry.weight_stable_rank[of=down]", 0, 0);
    near_to(&w, "final.geometry.effective_rank[of=hidden]", 0, 0);
    all_are_in_the_table(&w);
    close_world(&w);
}

int main(void)
{
    gs_numeric_start();
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_planted_router), cmocka_unit_test(a_collapsed_router),
                                       cmocka_unit_test(norms_and_their_ratios), cmocka_unit_test(planted_cosine_neurons),
                                       cmocka_unit_test(planted_restricted_and_excluded_loss), cmocka_unit_test(a_planted_gated_block),
                                       cmocka_unit_test(a_known_mixture), cmocka_unit_test(summaries_of_a_spectrum),
                                       cmocka_unit_test(planted_low_rank)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
