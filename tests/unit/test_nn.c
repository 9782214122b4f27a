/* Counts against the published ones (REFERENCE 1.3), and the model's tensors against what is counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nn/nn_internal.h"

static gs_counts counts_of(const char *json, gs_config *c)
{
    gs_err e = {0};
    gs_counts n;
    if (gs_config_from_json(json, c, &e)) fail_msg("%s: %s", json, e.text);
    gs_count(c, &n);
    return n;
}

static gs_model *opened(const char *json)
{
    gs_config c;
    gs_err e;
    gs_model *m;
    counts_of(json, &c);
    assert_int_equal(gs_model_open(&c, gs_dims_of(&c), false, &m, &e), 0);
    return m;
}

static void published_parameter_counts(void **state)
{
    (void)state;
    const struct { const char *json; int64_t total; } table[] = {
        {"{\"task\":\"modular\"}", 226944}, {"{\"task\":\"modular\",\"ffn.kind\":\"glu\",\"ffn.width\":512}", 291840},
        {"{\"task\":\"modular\",\"ffn.kind\":\"glu\",\"ffn.width\":340}", 225792}, {"{\"task\":\"modular\",\"ffn.kind\":\"moe\"}", 227840},
        {"{\"task\":\"modular\",\"ffn.kind\":\"moe\",\"ffn.experts\":1}", 227072}, {"{\"task\":\"modular\",\"ffn.kind\":\"moe\",\"ffn.experts\":16}", 230912},
        {"{\"task\":\"modular\",\"ffn.kind\":\"moe_glu\"}", 292352}, {"{\"task\":\"modular\",\"ffn.kind\":\"moe_glu\",\"ffn.width\":340}", 226304},
        {"{\"task\":\"modular\",\"ffn.width\":128}", 128256}, {"{\"task\":\"addition\"}", 58496}, {"{\"task\":\"addition\",\"ffn.width\":64}", 33728},
        {"{\"task\":\"addition\",\"ffn.kind\":\"glu\",\"ffn.width\":170}", 58048}, {"{\"task\":\"addition\",\"ffn.kind\":\"moe\"}", 58944},
        {"{\"task\":\"addition\",\"ffn.kind\":\"moe_glu\",\"ffn.width\":170}", 57920}, {"{\"task\":\"addition\",\"ffn.kind\":\"moe_glu\",\"ffn.width\":680}", 156224}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        gs_config c;
        gs_counts n = counts_of(table[i].json, &c);
        if (n.params_total != table[i].total) fail_msg("%s: %lld parameters, not %lld", table[i].json, (long long)n.params_total, (long long)table[i].total);
        gs_model *m = opened(table[i].json);
        assert_int_equal(m->size, table[i].total);
        gs_model_close(&m);
    }
}

static void active_parameters_and_flops(void **state)
{
    (void)state;
    gs_config c;
    gs_counts n = counts_of("{\"task\":\"addition\",\"ffn.kind\":\"moe\",\"ffn.top_k\":2}", &c);
    int64_t expert = 64 * 64 * 2 + 64 + 64;
    assert_int_equal(n.params_active, 58944 - 2 * expert);
    /* q k v o, router, two experts, readout; attention 4 T D */
    assert_int_equal(n.flops_per_token, 2 * (4 * 64 * 64 + 4 * 64 + 2 * 2 * 64 * 64 + 12 * 64) + 4 * 8 * 64);
    assert_int_equal(n.tokens_per_step, 128 * 8);
    assert_int_equal(n.train_flops, 3 * n.flops_per_token * 1024 * 10000);
    assert_int_equal(n.params_embedding, (12 + 128) * 64);
    n = counts_of("{\"task\":\"addition\",\"ffn.kind\":\"moe\",\"router.mode\":\"hash\"}", &c);
    assert_int_equal(n.params_total, 58944 - 4 * 64);
    n = counts_of("{\"task\":\"addition\",\"attn.frozen\":true}", &c);
    assert_int_equal(n.params_frozen, 4 * 64 * 64 + 64);
    n = counts_of("{\"task\":\"modular\",\"model.layers\":2}", &c);
    assert_int_equal(n.flops_per_token, 2 * (2 * (4 * 128 * 128 + 2 * 128 * 512) + 114 * 128) + 2 * 4 * 3 * 128);
}

/* Hash routing: a fixed set of distinct experts per token, not the same for all. Uniform: fresh at each step. */
static void routes_without_a_router(void **state)
{
    (void)state;
    gs_model *m = opened("{\"task\":\"addition\",\"ffn.kind\":\"moe\",\"ffn.top_k\":2,\"router.mode\":\"hash\"}");
    int different = 0;
    for (int v = 0; v < m->d.V; v++) {
        assert_in_range(m->hash[2 * v], 0, 3);
        assert_int_not_equal(m->hash[2 * v], m->hash[2 * v + 1]);
        different += m->hash[2 * v] != m->hash[0];
    }
    assert_true(different > 3);
    gs_model_close(&m);
    m = opened("{\"task\":\"addition\",\"ffn.kind\":\"moe\",\"ffn.top_k\":3,\"router.mode\":\"uniform\"}");
    gs_pass *p;
    gs_err e;
    assert_int_equal(gs_pass_open(m, 100, 100, false, &p, &e), 0);
    int32_t tokens[800] = {0}, first[2400], load[4] = {0}, moved = 0;
    for (int step = 1; step <= 2; step++) {
        gs_view view = {.step = step};
        gs_forward(p, tokens, 100, &view, NULL);
        for (int i = 0; i < 2400; i++) {
            load[gs_pass_choice(p, 0)[i]]++;
            if (step == 2) moved += first[i] != gs_pass_choice(p, 0)[i];
            first[i] = gs_pass_choice(p, 0)[i];
        }
    }
    assert_true(moved > 1200);
    for (int x = 0; x < 4; x++) assert_in_range(load[x], 1100, 1300);
    for (int i = 0; i < 800; i++) assert_true(first[3 * i] != first[3 * i + 1] && first[3 * i] != first[3 * i + 2] && first[3 * i + 1] != first[3 * i + 2]);
    gs_pass_close(&p);
    gs_model_close(&m);
}

/* Stored results rest on these numbers: each element has its own, however a mask is cut, and beyond 2^32 elements too. */
static void a_mask_has_the_numbers_of_its_elements(void **state)
{
    (void)state;
    gs_model *m = opened("{\"task\":\"addition\",\"ffn.dropout\":0.3,\"seed\":5}");
    const gs_view view = {.train = true, .step = 7};
    const gs_rng r = gs_rng_of(5, GS_RNG_DROPOUT);
    const size_t firsts[] = {0, 253, ((size_t)1 << 32) - 301};
    for (int f = 0; f < 3; f++) {
        float mask[600];
        gs_drop(m, GS_DROP_HIDDEN, 1, &view, firsts[f], 600, mask);
        for (size_t i = 0; i < 600; i++) {
            size_t element = firsts[f] + i;
            double u = gs_rng_uniform(r, 7 | (uint64_t)(element >> 32) << 32, GS_DROP_HIDDEN + 8, (uint32_t)element);
            assert_true(mask[i] == (u < 0.3 ? 0 : (float)(1 / (1 - 0.3))));
        }
    }
    gs_model_close(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(published_parameter_counts), cmocka_unit_test(active_parameters_and_flops),
                                       cmocka_unit_test(routes_without_a_router), cmocka_unit_test(a_mask_has_the_numbers_of_its_elements)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
