/* Sweep file -> grid: the fixed order of the expansion, when, zip, exclude, include, match, --set, dedup, limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gridshift/count.h"
#include "gridshift/sweep.h"

/* The sample of the design, without the sections of later versions. */
static const char sample[] =
    "sweep: 1\n"
    "name: headline\n"
    "defaults:\n"
    "  task: addition\n"
    "  task.addend: 7\n"
    "  task.digits: 3\n"
    "  model.d_model: 64\n"
    "  train.steps: 10000\n"
    "parameters:\n"
    "  ffn.kind:      {values: [dense, glu, moe, moe_glu]}\n"
    "  ffn.width:     {values: [256]}\n"
    "  ffn.top_k:     {values: [1, 2],             when: {ffn.kind: [moe, moe_glu]}}\n"
    "  router.mode:   {values: [learned, frozen],  when: {ffn.kind: [moe, moe_glu]}}\n"
    "  seed:          {range: [0, 20]}\n"
    "zip:\n"
    "  size: {model.d_model: [64, 128], model.heads: [4, 8]}\n"
    "exclude: [{ffn.kind: moe_glu, ffn.top_k: 2}]\n"
    "include: [{ffn.kind: dense, ffn.width: 64, seed: {range: [0, 20]}}]\n"
    "match:\n"
    "  count: params_total\n"
    "  reference: {ffn.kind: dense, ffn.width: 256}\n"
    "  for: {ffn.kind: [glu, moe_glu]}\n"
    "  solve: ffn.width\n"
    "  multiple_of: 1\n"
    "  within: 1%\n"
    "ablate:  [{site: ffn.out, mode: zero}, {site: attn.out, mode: zero}, {site: attn.head, mode: mean}]\n"
    "tables:\n"
    "  headline: {kind: comparison, rows: [model.d_model, ffn.kind, ffn.width, ffn.top_k, router.mode],\n"
    "             metrics: [final.clean.accuracy, final.zero_ffn.accuracy], baseline: {ffn.kind: dense, ffn.width: 256}}\n"
    "budget: {core_hours: 10}\n";

typedef struct opened {
    gs_spec *spec;
    gs_grid *grid;
    gs_err e;
    bool failed;
} opened;

static opened try(const char *text, const char *set, const char *set2)
{
    char path[] = "/tmp/gridshift-sweep-XXXXXX";
    int fd = mkstemp(path), sets = set2 ? 2 : set ? 1 : 0;
    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    opened o = {0};
    o.failed = gs_spec_load(path, (gs_set[]){{set}, {set2}}, sets, &o.spec, &o.e) || gs_grid_expand(o.spec, &o.grid, &o.e);
    unlink(path);
    return o;
}

static void shut(opened *o)
{
    gs_grid_close(&o->grid);
    gs_spec_close(&o->spec);
}

static opened expand(const char *text, const char *set)
{
    char *whole = gs_text("%s%s", strncmp(text, "sweep", 5) ? "sweep: 1\nname: t\n" : "", text);
    opened o = try(whole, set, NULL);
    if (o.failed) fail_msg("%s: %s", text, o.e.text);
    free(whole);
    return o;
}

static void refused(const char *text, const char *set, const char *says)
{
    char *whole = gs_text("sweep: 1\nname: t\n%s", text);
    opened o = try(whole, set, NULL);
    if (!o.failed) fail_msg("accepted: %s", text);
    if (!strstr(o.e.text, says)) fail_msg("%s: %s, not %s", text, o.e.text, says);
    shut(&o);
    free(whole);
}

static gs_config config_of(const gs_grid *g, int index)
{
    gs_config c;
    gs_run_config((gs_run){g, index}, &c);
    return c;
}

static void assert_same_id(const gs_grid *a, int i, const gs_grid *b, int j, bool same)
{
    char x[33], y[33];
    assert_int_equal(!strcmp(gs_run_id((gs_run){a, i}, x), gs_run_id((gs_run){b, j}, y)), same);
}

/* The values of one key over the runs: "1 2 -", '-' for absent. */
static const char *column(const gs_grid *g, gs_key key, char out[512])
{
    size_t used = 0;
    out[0] = 0;
    for (int i = 0; i < g->count && used < 500; i++) {
        char text[64];
        gs_value_text(key, gs_run_value((gs_run){g, i}, key), text);
        used += (size_t)snprintf(out + used, 512 - used, "%s%s", i ? " " : "", *text ? text : "-");
    }
    return out;
}

static void assert_column(const gs_grid *g, gs_key key, const char *want)
{
    char got[512];
    assert_string_equal(column(g, key, got), want);
}

static int count_of(const gs_grid *g, gs_key key, const char *text)
{
    int n = 0;
    char got[64];
    for (int i = 0; i < g->count; i++) n += !strcmp(gs_value_text(key, gs_run_value((gs_run){g, i}, key), got), text);
    return n;
}

/* -- the sample -------------------------------------------------------------------------------------------- */

static void sample_has_340_runs(void **state)
{
    (void)state;
    opened o = expand(sample, NULL);
    assert_int_equal(o.grid->count, 340);
    assert_int_equal(o.grid->duplicates, 0);
    assert_int_equal(count_of(o.grid, GS_FFN_KIND, "dense"), 60);
    assert_int_equal(count_of(o.grid, GS_FFN_KIND, "moe"), 160);
    assert_int_equal(count_of(o.grid, GS_FFN_KIND, "moe_glu"), 80);
    assert_int_equal(count_of(o.grid, GS_FFN_WIDTH, "64"), 20);
    assert_non_null(strstr(o.grid->formula, "= 400\n- 80 excluded\n+ 20 included\n"));
    assert_non_null(strstr(o.grid->formula, "= 340 runs"));
    assert_string_equal(gs_spec_name(o.spec), "headline");
    assert_int_equal(gs_spec_wanted(o.spec).ablate, GS_ABLATE(GS_SITE_FFN_OUT, GS_MODE_ZERO) | GS_ABLATE(GS_SITE_ATTN_OUT, GS_MODE_ZERO) |
                                                 GS_ABLATE(GS_SITE_ATTN_HEAD, GS_MODE_MEAN));
    assert_true(gs_spec_core_hours(o.spec) == 10 && gs_spec_bytes(o.spec) == 0);
    size_t length;
    assert_string_equal(gs_spec_text(o.spec, &length), sample);
    assert_int_equal(length, strlen(sample));
    shut(&o);
}

static void sample_has_its_table(void **state)
{
    (void)state;
    opened o = expand(sample, NULL);
    int count;
    const gs_table_spec *t = gs_spec_tables(o.spec, &count);
    assert_int_equal(count, 1);
    assert_string_equal(t->name, "headline");
    assert_int_equal(t->kind, GS_TABLE_COMPARISON);
    assert_int_equal(t->row_count, 5);
    assert_int_equal(t->rows[4], GS_ROUTER_MODE);
    assert_int_equal(t->metric_count, 2);
    assert_string_equal(t->metrics[1], "final.zero_ffn.accuracy");
    assert_int_equal(t->baseline.count, 2);
    assert_true(gs_run_fits((gs_run){o.grid, 0}, &t->baseline));
    assert_int_equal(t->where.line, 28);
    shut(&o);
}

/* The last dimension moves fastest; a pair of rows of a zip moves together. */
static void sample_is_in_file_order(void **state)
{
    (void)state;
    opened o = expand(sample, NULL);
    for (int i = 0; i < 340; i++) {
        gs_config config = config_of(o.grid, i), *c = &config;
        assert_int_equal(gs_int(c, GS_MODEL_HEADS) * 16, gs_int(c, GS_MODEL_D));
        if (i < 320) assert_int_equal(gs_int(c, GS_SEED), i / 2 % 20);
        if (i < 320) assert_int_equal(gs_int(c, GS_MODEL_D), i % 2 ? 128 : 64);
        assert_int_equal(gs_int(c, GS_FFN_KIND), i < 40    ? GS_FFN_DENSE
                                                 : i < 80  ? GS_FFN_GLU
                                                 : i < 240 ? GS_FFN_MOE
                                                 : i < 320 ? GS_FFN_MOE_GLU
                                                           : GS_FFN_DENSE);
        if (i >= 80 && i < 240) assert_int_equal(gs_int(c, GS_FFN_TOP_K), i < 160 ? 1 : 2);
    }
    assert_int_equal(gs_run_value((gs_run){o.grid, 339}, GS_SEED).i, 19);
    shut(&o);
}

/* GLU has 3 D h parameters and dense 2 D H + H + D: 172 is the nearest to 256, 64 parameters below. */
static void sample_is_matched(void **state)
{
    (void)state;
    opened o = expand(sample, NULL);
    gs_config glu = config_of(o.grid, 40), moe_glu = config_of(o.grid, 240);
    double mismatch;
    assert_int_equal(gs_int(&glu, GS_FFN_WIDTH), 172);
    assert_true(gs_run_matched((gs_run){o.grid, 40}, &mismatch) && mismatch == -64.0 / 58496);
    assert_int_equal(gs_int(&moe_glu, GS_FFN_WIDTH), 172); /* a multiple of the four experts */
    assert_true(gs_run_matched((gs_run){o.grid, 240}, &mismatch) && mismatch == 192.0 / 58496);
    static const int others[] = {0, 80, 339};
    for (int i = 0; i < 3; i++) assert_false(gs_run_matched((gs_run){o.grid, others[i]}, &mismatch));
    gs_counts n;
    gs_count(&glu, &n);
    assert_int_equal(n.params_total, 58432);
    shut(&o);
}

static void sample_varies_in_these_keys(void **state)
{
    (void)state;
    opened o = expand(sample, NULL);
    static const gs_key want[] = {GS_SEED,      GS_MODEL_D,     GS_MODEL_HEADS, GS_FFN_KIND,    GS_FFN_WIDTH, GS_FFN_EXPERTS,
                                  GS_FFN_TOP_K, GS_ROUTER_MODE, GS_ROUTER_GATE, GS_ROUTER_AUX, GS_ROUTER_POSITIONS,
                                  GS_ROUTER_Z};
    assert_int_equal(o.grid->varying_count, sizeof want / sizeof *want);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) assert_int_equal(o.grid->varying[i], want[i]);
    shut(&o);
}

/* -- product ----------------------------------------------------------------------------------------------- */

static void products(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        gs_key key;
        const char *column;
    } cases[] = {
        {"", GS_SEED, "0"},
        {"defaults: {seed: 5}", GS_SEED, "5"},
        {"parameters: {seed: {values: [3, 1, 2]}}", GS_SEED, "3 1 2"},
        {"parameters: {seed: {values: [1, 2, 1]}}", GS_SEED, "1 2"},
        {"parameters: {seed: {range: [4, 7]}}", GS_SEED, "4 5 6"},
        {"parameters: {seed: {range: [0, 2]}, ffn.width: {values: [8, 9]}}", GS_SEED, "0 0 1 1"},
        {"parameters: {seed: {range: [0, 2]}, ffn.width: {values: [8, 9]}}", GS_FFN_WIDTH, "8 9 8 9"},
        {"defaults: {seed: 9}\nparameters: {seed: {values: [1]}}", GS_SEED, "1"},
        {"zip: {a: {seed: [1, 2], ffn.width: [8, 9]}, b: {model.layers: [1, 2]}}", GS_FFN_WIDTH, "8 8 9 9"},
        {"zip: {a: {seed: {range: [1, 3]}, ffn.width: [8, 9]}}", GS_SEED, "1 2"},
        {"parameters: {ffn.kind: {values: [dense, moe]}, ffn.top_k: {values: [1, 2]}}", GS_FFN_TOP_K, "- 1 2"},
        {"parameters: {ffn.top_k: {values: [1, 2], when: {ffn.kind: moe}}, ffn.kind: {values: [dense, moe]}}", GS_FFN_TOP_K, "- 1 2"},
        {"parameters: {ffn.kind: {values: [dense, moe]}, seed: {values: [1, 2], when: {ffn.kind: moe}}}", GS_SEED, "0 1 2"},
        {"parameters: {seed: {values: [1, 2], when: {model.d_model: 128}}}\nzip: {z: {model.d_model: [64, 128]}}", GS_SEED, "0 1 2"},
        {"parameters: {task: {values: [addition, modular]}}", GS_FFN_ACTIVATION, "silu gelu"},
        {"parameters: {seed: {range: [0, 4]}}\nexclude: [{seed: [1, 3]}]", GS_SEED, "0 2"},
        {"parameters: {seed: {range: [0, 4]}}\nexclude: [{seed: {range: [0, 3]}}]", GS_SEED, "3"},
        {"include: [{seed: [3, 4], ffn.width: [8, 9]}]", GS_SEED, "3 3 4 4"},
        {"include: [{seed: 3}, {seed: 3}, {seed: 4}]", GS_SEED, "3 4"},
        {"parameters: {seed: {range: [0, 2]}}\ninclude: [{seed: [1, 2]}]", GS_SEED, "0 1 2"},
        {"parameters: {seed: {range: [0, 2]}}\nexclude: [{seed: 1}]\ninclude: [{seed: 1}]", GS_SEED, "0 1"},
        {"a: &k {values: [1, 2]}", GS_SEED, NULL},
        {"parameters: {seed: &k {values: [1, 2]}, ffn.width: *k}", GS_FFN_WIDTH, "1 2 1 2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (!cases[i].column) {
            refused(cases[i].text, NULL, "unknown word 'a'");
            continue;
        }
        opened o = expand(cases[i].text, NULL);
        char got[512];
        if (strcmp(column(o.grid, cases[i].key, got), cases[i].column)) fail_msg("%s: %s", cases[i].text, got);
        shut(&o);
    }
}

static void duplicates_are_counted(void **state)
{
    (void)state;
    opened o = expand(
        "parameters: {ffn.kind: {values: [dense, moe]}, ffn.top_k: {values: [1, 2, 3]}, seed: {range: [0, 2]}}\ninclude: [{seed: 0}]",
        NULL);
    assert_int_equal(o.grid->count, 8);
    assert_int_equal(o.grid->duplicates, 5);
    assert_non_null(strstr(o.grid->formula, "- 5 duplicates"));
    for (int i = 0; i < o.grid->count; i++)
        for (int j = 0; j < i; j++) assert_same_id(o.grid, i, o.grid, j, false);
    shut(&o);
}

static void ids_do_not_depend_on_the_file(void **state)
{
    (void)state;
    opened a = expand("parameters: {seed: {values: [1]}}\ndefaults: {train.lr: 1e-3, ffn.kind: dense}", NULL);
    opened b = expand("include: [{seed: 1}]", NULL);
    assert_same_id(a.grid, 0, b.grid, 0, true);
    shut(&a);
    shut(&b);
}

static void keys_of_no_run_are_named(void **state)
{
    (void)state;
    opened o = expand("defaults: {task.modulus: 97}", NULL);
    assert_non_null(strstr(o.grid->formula, "task.modulus applies to no run (it needs: task is modular)"));
    shut(&o);
}

static void a_million_is_the_most(void **state)
{
    (void)state;
    refused("parameters: {seed: {range: [0, 1000001]}}", NULL, "more than 1000000 values");
    refused("parameters: {seed: {range: [0, 1000]}, train.steps: {range: [0, 1000]}, eval.every: {range: [1, 3]}}", NULL,
            "more than 1000000 runs");
    refused("parameters: {seed: {range: [0, 1000000]}}\ninclude: [{seed: 1000000}]", NULL, "more than 1000000 runs");
}

/* -- match ------------------------------------------------------------------------------------------------- */

static void matches(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        gs_key key;
        const char *column;
    } cases[] = {
        {"match: {count: params_total, reference: {ffn.kind: dense}, solve: ffn.width, rule: floor_two_thirds}", GS_FFN_WIDTH,
         "256 170 256 170"},
        {"match: {count: params_total, reference: {ffn.kind: dense}, solve: ffn.width}", GS_FFN_WIDTH, "256 172 252 172"},
        {"match: {count: params_total, reference: {ffn.kind: dense}, for: {ffn.kind: glu}, solve: ffn.width, multiple_of: 8}", GS_FFN_WIDTH,
         "256 176 256 256"},
        {"match: {count: params_active, reference: {ffn.kind: dense}, for: {ffn.kind: [moe, moe_glu]}, solve: ffn.width}", GS_FFN_WIDTH,
         "256 256 1016 684"},
        {"match: {count: params_total, reference: {ffn.kind: dense}, for: {ffn.kind: glu}, solve: model.d_model, multiple_of: 2}",
         GS_MODEL_D, "64 52 64 64"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = gs_text("parameters: {ffn.kind: {values: [dense, glu, moe, moe_glu]}}\n%s", cases[i].text), got[512];
        if (strstr(text, "rule")) { /* the published rule is for blocks with gates */
            free(text);
            text = gs_text("parameters: {ffn.kind: {values: [dense, glu, moe, moe_glu]}}\n%.*s, for: {ffn.kind: [glu, moe_glu]}}",
                           (int)strlen(cases[i].text) - 1, cases[i].text);
        }
        opened o = expand(text, NULL);
        if (strcmp(column(o.grid, cases[i].key, got), cases[i].column)) fail_msg("%s: %s", text, got);
        shut(&o);
        free(text);
    }
}

/* No other width within the range is nearer, and none of the same distance is lower. */
static void the_match_is_the_best(void **state)
{
    (void)state;
    static const char *const counts[] = {"params_total", "params_active", "flops_per_token"};
    for (int which = 0; which < 3; which++) {
        char *text = gs_text("parameters: {ffn.kind: {values: [dense, glu, moe, moe_glu]}}\n"
                             "match: {count: %s, reference: {ffn.kind: dense}, solve: ffn.width, multiple_of: 3}", counts[which]);
        opened o = expand(text, NULL);
        gs_counts n;
        gs_config reference = config_of(o.grid, 0);
        gs_count(&reference, &n);
        int64_t target = gs_count_named(&n, counts[which]);
        for (int i = 1; i < 4; i++) {
            gs_config c = config_of(o.grid, i);
            int64_t found = gs_int(&c, GS_FFN_WIDTH), best = 0, distance = INT64_MAX, step = gs_is_moe(&c) ? 12 : 3;
            assert_int_equal(found % step, 0);
            for (int64_t w = step; w < 4000; w += step) {
                c.v[GS_FFN_WIDTH].i = w;
                gs_count(&c, &n);
                int64_t d = llabs(gs_count_named(&n, counts[which]) - target);
                if (d < distance) distance = d, best = w;
            }
            assert_int_equal(found, best);
        }
        shut(&o);
        free(text);
    }
}

/* -- --set ------------------------------------------------------------------------------------------------- */

static void sets(void **state)
{
    (void)state;
    static const char text[] = "defaults: {train.steps: 10}\nparameters: {ffn.kind: {values: [dense, moe]}, seed: {values: [1, 2, "
                               "3]}}\ninclude: [{seed: [1, 9], ffn.width: 64}]";
    static const struct {
        const char *set;
        gs_key key;
        const char *column;
    } cases[] = {
        {"train.steps=5", GS_TRAIN_STEPS, "5 5 5 5 5 5 5 5"}, {"train.lr=0.1", GS_TRAIN_LR, "0.1 0.1 0.1 0.1 0.1 0.1 0.1 0.1"},
        {"seed=2", GS_SEED, "2 2"},          {"seed=3,1", GS_SEED, "1 3 1 3 1"}, {"seed=9", GS_FFN_WIDTH, "64"},
        {"ffn.kind=moe", GS_SEED, "1 2 3"},  {"ffn.width=64", GS_SEED, "1 9"},   {"ffn.width=256", GS_SEED, "1 2 3 1 2 3"},
        {"ffn.top_k=2", GS_FFN_TOP_K, "- - - 2 2 2 - -"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        opened o = expand(text, cases[i].set);
        char got[512];
        if (strcmp(column(o.grid, cases[i].key, got), cases[i].column)) fail_msg("%s: %s", cases[i].set, got);
        shut(&o);
    }
    refused(text, "seed=4", "the sweep file lists seed without 4");
    refused(text, "ffn.width=65", "without 65");
    refused(text, "train.steps=1,2", "give one value");
}

static void two_sets_go_together(void **state)
{
    (void)state;
    opened o = try(sample, "train.steps=7", "seed=3,4");
    assert_false(o.failed);
    assert_int_equal(o.grid->count, 34);
    assert_int_equal(count_of(o.grid, GS_TRAIN_STEPS, "7"), 34);
    shut(&o);
    o = try(sample, "seed=1", "ffn.width=64");
    assert_int_equal(o.grid->count, 1);
    shut(&o);
    o = try("sweep: 1\nname: t\nparameters: {ffn.kind: {values: [dense, moe]}, seed: {range: [0, 2], when: {ffn.kind: moe}}}\n",
            "ffn.kind=dense", "seed=1");
    assert_true(o.failed && strstr(o.e.text, "--set leaves no run"));
    shut(&o);
}

/* A narrowed sweep gives its runs the widths and ids of the whole one, though the reference run is not among them. */
static void narrowing_keeps_ids(void **state)
{
    (void)state;
    opened whole = expand(sample, NULL), glu = expand(sample, "ffn.kind=glu");
    assert_int_equal(glu.grid->count, 40);
    for (int i = 0; i < 40; i++) assert_same_id(glu.grid, i, whole.grid, 40 + i, true);
    shut(&whole);
    shut(&glu);
}

/* An exclude is judged by the file, not by what --set leaves of it. */
static void excludes_are_checked_before_set(void **state)
{
    (void)state;
    static const char text[] =
        "parameters: {seed: {range: [0, 3]}}\ndefaults: {ffn.activation: silu}\nexclude: [{seed: 2, ffn.activation: silu}]";
    opened o = expand(text, "ffn.activation=relu");
    assert_column(o.grid, GS_SEED, "0 1 2");
    shut(&o);
    o = expand(text, "seed=1");
    assert_column(o.grid, GS_SEED, "1");
    shut(&o);
    refused("parameters: {seed: {range: [0, 3]}}\nexclude: [{ffn.activation: relu}]", "ffn.activation=relu", "fits no run");
}

/* -- the sweeps of the repository -------------------------------------------------------------------------- */

static void check_file(const char *path, int want, const char *params)
{
    gs_spec *s = NULL;
    gs_grid *g = NULL;
    gs_err e;
    if (gs_spec_load(path, NULL, 0, &s, &e) || gs_grid_expand(s, &g, &e)) fail_msg("%s", e.text);
    assert_int_equal(g->count, want);
    assert_int_equal(g->duplicates, 0);
    gs_buf b = {0};
    for (int i = 0; i < g->count; i++) {
        gs_counts n;
        gs_config c = config_of(g, i);
        gs_count(&c, &n);
        if (gs_int(&c, GS_SEED) == 42) gs_buf_add(&b, "%s%lld", b.length ? " " : "", (long long)n.params_total);
    }
    assert_string_equal(b.text, params);
    int tables;
    gs_spec_tables(s, &tables);
    assert_true(tables >= 1);
    gs_buf_free(&b);
    gs_grid_close(&g);
    gs_spec_close(&s);
}

/* The numbers of parameters are the published ones. */
static void sweeps_of_the_repository(void **state)
{
    (void)state;
    check_file("sweeps/quickstart.yaml", 18, "58496 58048 33728 58944 58944 58944");
    check_file("sweeps/paper/headline.yaml", 30, "58496 58048 33728 58944 58944 58944");
    check_file("sweeps/paper/modular_matched.yaml", 40, "226944 225792 128256 227840 226304 617984 227840 226304");
    check_file("sweeps/paper/modular_width.yaml", 30, "64320 226944 847104 64768 227840 848896");
    check_file("sweeps/paper/histogram_matched.yaml", 21, "204032 202880 268928 204928 203392 269440 595072");
    check_file("sweeps/paper/histogram_width.yaml", 18, "30432 52864 204032 30768 53312 204928");
}

static void the_name_is_the_file_without_one(void **state)
{
    (void)state;
    opened o = try("sweep: 1\n", NULL, NULL);
    assert_false(o.failed);
    assert_int_equal(strncmp(gs_spec_name(o.spec), "gridshift-sweep-", 16), 0);
    shut(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sample_has_340_runs),
        cmocka_unit_test(sample_has_its_table),
        cmocka_unit_test(sample_is_in_file_order),
        cmocka_unit_test(sample_is_matched),
        cmocka_unit_test(sample_varies_in_these_keys),
        cmocka_unit_test(products),
        cmocka_unit_test(duplicates_are_counted),
        cmocka_unit_test(ids_do_not_depend_on_the_file),
        cmocka_unit_test(keys_of_no_run_are_named),
        cmocka_unit_test(a_million_is_the_most),
        cmocka_unit_test(matches),
        cmocka_unit_test(the_match_is_the_best),
        cmocka_unit_test(sets),
        cmocka_unit_test(two_sets_go_together),
        cmocka_unit_test(narrowing_keeps_ids),
        cmocka_unit_test(excludes_are_checked_before_set),
        cmocka_unit_test(sweeps_of_the_repository),
        cmocka_unit_test(the_name_is_the_file_without_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
