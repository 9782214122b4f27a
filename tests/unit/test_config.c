/* The key table, typed values, the canonical config, its JSON and id. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gridshift/count.h"

static gs_config make(const char *json)
{
    gs_config c;
    gs_err e;
    if (gs_config_from_json(json, &c, &e)) fail_msg("%s: %s", json, e.text);
    return c;
}

static void key_table_is_sound(void **state)
{
    (void)state;
    for (int k = 0; k < GS_KEY_COUNT; k++) {
        const gs_key_row *row = &gs_keys[k];
        assert_int_equal(gs_key_find(row->name), k);
        assert_true(*row->doc && *row->when_text);
        assert_int_equal(row->type == GS_TYPE_ENUM, *row->choices != 0);
        for (int task = 0; task < GS_TASK_COUNT; task++) {
            gs_value v;
            gs_err e;
            if (*row->defaults[task] && gs_value_parse((gs_key)k, row->defaults[task], &v, &e)) fail_msg("%s", e.text);
        }
    }
    assert_int_equal(gs_key_find("ffn"), -1);
    assert_int_equal(gs_key_find(""), -1);
}

static void values_are_typed_by_the_key(void **state)
{
    (void)state;
    static const struct {
        gs_key key;
        const char *text, *back; /* back NULL: refused */
    } cases[] = {
        {GS_TRAIN_STEPS, "1e4", "10000"}, {GS_TRAIN_STEPS, "10000.0", "10000"}, {GS_TRAIN_STEPS, "1.5", NULL},
        {GS_TRAIN_STEPS, "-1", NULL},     {GS_TRAIN_STEPS, " 1", NULL},         {GS_TRAIN_STEPS, "1 ", NULL},
        {GS_TRAIN_STEPS, "0x10", NULL},   {GS_TRAIN_STEPS, "", NULL},           {GS_TRAIN_STEPS, "1e400", NULL},
        {GS_SEED, "4294967295", "4294967295"}, {GS_SEED, "4294967296", NULL},
        {GS_TRAIN_LR, "1e-3", "0.001"},   {GS_TRAIN_LR, "-0", "0"},             {GS_TRAIN_LR, "nan", NULL},
        {GS_TRAIN_LR, "inf", NULL},       {GS_TRAIN_LR, "0x1p-3", NULL},        {GS_TRAIN_LR, "1,5", NULL},
        {GS_TRAIN_LR, "0.1.2", NULL},     {GS_TRAIN_LR, "1000.1", NULL},        {GS_TRAIN_LR, "0.30000000000000004", "0.30000000000000004"},
        {GS_MODEL_TIED, "true", "true"},  {GS_MODEL_TIED, "no", NULL},          {GS_MODEL_TIED, "1", NULL},
        {GS_FFN_KIND, "moe_glu", "moe_glu"}, {GS_FFN_KIND, "moe_", NULL},       {GS_FFN_KIND, "dense glu", NULL},
        {GS_ATTN_KIND, "dense", "dense"}, {GS_ATTN_KIND, "ste", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gs_value v;
        gs_err e;
        char out[64];
        int failed = gs_value_parse(cases[i].key, cases[i].text, &v, &e);
        if (!cases[i].back != (failed != 0)) fail_msg("%s %s", gs_keys[cases[i].key].name, cases[i].text);
        if (!failed) assert_string_equal(gs_value_text(cases[i].key, v, out), cases[i].back);
        else assert_non_null(strstr(e.text, gs_keys[cases[i].key].name));
    }
}

static void absent_has_no_text(void **state)
{
    (void)state;
    char out[64];
    assert_string_equal(gs_value_text(GS_SEED, (gs_value){0}, out), "");
    assert_true(gs_value_same(GS_SEED, (gs_value){0}, (gs_value){.i = 3}));
    assert_false(gs_value_same(GS_SEED, (gs_value){0}, (gs_value){.set = true}));
}

static void near_names_are_found(void **state)
{
    (void)state;
    assert_string_equal(gs_key_nearest("ffn.widht"), "ffn.width");
    assert_string_equal(gs_key_nearest("model.dmodel"), "model.d_model");
    assert_string_equal(gs_key_nearest("width"), "ffn.width");
    assert_null(gs_key_nearest("kind")); /* of attention or of the feed-forward block? */
    assert_null(gs_key_nearest("xyzzy.plugh"));
    assert_null(gs_key_nearest(""));
    char text[200] = {0};
    memset(text, 'a', 199);
    assert_null(gs_key_nearest(text));
    assert_true(gs_is_later("sparse_gated") && gs_is_later("dual_path") && !gs_is_later("dense"));
}

static void defaults_are_the_published_column(void **state)
{
    (void)state;
    gs_config a, m, h;
    gs_config_defaults(GS_TASK_ADDITION, &a);
    gs_config_defaults(GS_TASK_MODULAR, &m);
    gs_config_defaults(GS_TASK_HISTOGRAM, &h);
    assert_true(gs_is(&a, GS_FFN_ACTIVATION, GS_ACT_SILU) && gs_is(&m, GS_FFN_ACTIVATION, GS_ACT_GELU));
    assert_true(gs_is(&a, GS_MODEL_POSITIONS, 128) && gs_is(&a, GS_MODEL_TIED, 1) && gs_is(&a, GS_MODEL_MASK, GS_MASK_CAUSAL));
    assert_true(gs_num(&a, GS_TRAIN_CLIP) == 1 && gs_num(&m, GS_TRAIN_CLIP) == 0);
    assert_true(gs_num(&m, GS_TRAIN_DECAY) == 1 && gs_num(&h, GS_TRAIN_DECAY) == 0 && gs_num(&a, GS_TRAIN_DECAY) == 0.01);
    assert_true(gs_is(&m, GS_TASK, GS_TASK_MODULAR) && !m.v[GS_TASK_DIGITS].set && !a.v[GS_TRAIN_DATA_SEED].set);
}

static void keys_that_do_not_apply_are_absent(void **state)
{
    (void)state;
    gs_config dense = make("{}"), moe = make("{\"ffn.kind\":\"moe\"}");
    assert_false(dense.v[GS_FFN_TOP_K].set || dense.v[GS_ROUTER_MODE].set || dense.v[GS_ROUTER_AUX].set || dense.v[GS_TRAIN_EXTRA].set);
    assert_true(moe.v[GS_FFN_TOP_K].set && moe.v[GS_ROUTER_AUX].set);
    gs_config hash = make("{\"ffn.kind\":\"moe\",\"router.mode\":\"hash\"}");
    assert_true(hash.v[GS_FFN_TOP_K].set && !hash.v[GS_ROUTER_GATE].set && !hash.v[GS_ROUTER_Z].set);
    gs_config two = make("{\"task.operands\":2,\"train.stop_at\":\"first99\"}");
    assert_true(!two.v[GS_TASK_ADDEND].set && two.v[GS_TRAIN_EXTRA].set);
    gs_config modular = make("{\"task\":\"modular\"}");
    assert_int_equal(gs_int(&modular, GS_MODEL_POSITIONS), 3);
}

static void seeds_that_are_the_seed_are_absent(void **state)
{
    (void)state;
    gs_config same = make("{\"seed\":7,\"train.data_seed\":7,\"train.init_seed\":8}");
    assert_false(same.v[GS_TRAIN_DATA_SEED].set);
    assert_int_equal(gs_init_seed(&same), 8);
    assert_int_equal(gs_data_seed(&same), 7);
}

static void json_reads_back_to_the_same_bits(void **state)
{
    (void)state;
    gs_config c = make("{\"train.lr\":0.1,\"train.eps\":1e-8,\"router.aux_weight\":0.30000000000000004,\"ffn.kind\":\"moe\",\"seed\":"
                       "4294967295,\"train.save\":true}");
    char *json = gs_config_json(&c, false), *identity = gs_config_json(&c, true);
    gs_config back = make(json);
    for (int k = 0; k < GS_KEY_COUNT; k++) assert_true(gs_value_same((gs_key)k, c.v[k], back.v[k]));
    assert_non_null(strstr(json, "\"router.aux_weight\":0.30000000000000004,"));
    assert_non_null(strstr(json, "\"train.save\":true"));
    assert_null(strstr(identity, "train.save"));
    assert_null(strchr(json, ' '));
    assert_int_equal(strncmp(json, "{\"ablate.draws\":5,\"analysis.features\":false,", 44), 0);
    assert_int_equal(strncmp(identity, "{\"ablate.draws\":5,\"attn.dropout\":0,", 35), 0);
    free(json);
    free(identity);
}

static void keys_are_sorted(void **state)
{
    (void)state;
    gs_config c = make("{\"ffn.kind\":\"moe\"}");
    char *json = gs_config_json(&c, false), before[64] = "";
    for (char *at = strchr(json, '"'), *end; at; at = strchr(end, ',') ? strchr(strchr(end, ','), '"') : NULL) {
        char name[64];
        end = strchr(at + 1, '"');
        snprintf(name, sizeof name, "%.*s", (int)(end - at - 1), at + 1);
        assert_true(strcmp(before, name) < 0);
        strcpy(before, name);
    }
    assert_string_equal(before, "train.weight_decay");
    free(json);
}

static void id_covers_what_changes_a_metric(void **state)
{
    (void)state;
    static const char *const other[] = {"{\"seed\":1}",         "{\"eval.every\":100}", "{\"eval.samples\":256}",
                                        "{\"train.lr\":0.002}", "{\"gemm\":\"blas\"}",  "{\"ablate.draws\":6}"};
    static const char *const same[] = {"{\"train.save\":true}", "{\"ffn.top_k\":2}", "{\"task\":\"addition\",\"seed\":0}",
                                       "{\"train.data_seed\":0}", "{\"train.lr\":1e-3}"};
    char id[33], that[33];
    gs_config c = make("{}");
    gs_config_id(&c, id);
    assert_int_equal(strlen(id), 32);
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        c = make(other[i]);
        gs_config_id(&c, that);
        assert_string_not_equal(id, that);
    }
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        c = make(same[i]);
        gs_config_id(&c, that);
        assert_string_equal(id, that);
    }
}

static void bad_json_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *json, *says;
    } cases[] = {
        {"", "not JSON"}, {"[]", "not a JSON object"}, {"{\"seed\":1,\"seed\":2}", "not JSON"}, {"{\"ffn.knd\":1}", "'ffn.knd'"},
        {"{\"ffn\":{\"kind\":\"moe\"}}", "'ffn'"}, {"{\"seed\":null}", "flat"}, {"{\"seed\":[1]}", "flat"}, {"{\"seed\":1.5}", "1.5"},
        {"{\"seed\":true}", "true"}, {"{\"ffn.kind\":\"sparse_gated\"}", "not in this version"}, {"{\"model.heads\":3}", "model.heads"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gs_config c;
        gs_err e;
        if (!gs_config_from_json(cases[i].json, &c, &e)) fail_msg("accepted: %s", cases[i].json);
        if (!strstr(e.text, cases[i].says)) fail_msg("%s: %s", cases[i].json, e.text);
    }
}

static void checks_name_the_key(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        gs_key change;
        const char *value;
        int blamed; /* -1: fine */
    } cases[] = {
        {"{}", GS_MODEL_HEADS, "3", GS_MODEL_HEADS},
        {"{}", GS_MODEL_HEADS, "64", -1},
        {"{}", GS_MODEL_POSITIONS, "7", GS_MODEL_POSITIONS},
        {"{}", GS_MODEL_POSITIONS, "8", -1},
        {"{\"ffn.kind\":\"moe\"}", GS_FFN_TOP_K, "5", GS_FFN_TOP_K},
        {"{\"ffn.kind\":\"moe\"}", GS_FFN_TOP_K, "4", -1},
        {"{\"ffn.kind\":\"moe\"}", GS_FFN_WIDTH, "3", GS_FFN_EXPERTS},
        {"{\"ffn.kind\":\"moe\"}", GS_FFN_WIDTH, "4", -1},
        {"{\"task\":\"histogram\"}", GS_MODEL_TIED, "true", GS_MODEL_TIED},
        {"{\"task\":\"modular\"}", GS_MODEL_TIED, "true", -1},
        {"{\"train.schedule\":\"cosine\"}", GS_TRAIN_WARMUP, "10000", GS_TRAIN_WARMUP},
        {"{\"train.schedule\":\"cosine\"}", GS_TRAIN_WARMUP, "9999", -1},
        {"{}", GS_TRAIN_WARMUP, "20000", -1},
        {"{}", GS_TASK_ADDEND, "1000", GS_TASK_ADDEND},
        {"{}", GS_TASK_ADDEND, "999", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gs_config c = make(cases[i].json);
        gs_err e;
        gs_key key = GS_TASK;
        assert_int_equal(gs_value_parse(cases[i].change, cases[i].value, &c.v[cases[i].change], &e), 0);
        int failed = gs_config_check(&c, &key, &e);
        if (failed != (cases[i].blamed < 0 ? 0 : -1)) fail_msg("%s %s %s", cases[i].json, gs_keys[cases[i].change].name, cases[i].value);
        if (failed) assert_int_equal(key, cases[i].blamed);
        if (failed) assert_int_equal(gs_config_check(&c, NULL, &e), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_table_is_sound),
        cmocka_unit_test(values_are_typed_by_the_key),
        cmocka_unit_test(absent_has_no_text),
        cmocka_unit_test(near_names_are_found),
        cmocka_unit_test(defaults_are_the_published_column),
        cmocka_unit_test(keys_that_do_not_apply_are_absent),
        cmocka_unit_test(seeds_that_are_the_seed_are_absent),
        cmocka_unit_test(json_reads_back_to_the_same_bits),
        cmocka_unit_test(keys_are_sorted),
        cmocka_unit_test(id_covers_what_changes_a_metric),
        cmocka_unit_test(bad_json_is_refused),
        cmocka_unit_test(checks_name_the_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
