/* The text of tables: md, csv, tex and json, results.csv, and the files of a whole sweep. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "tables_golden.h"
#include "tables_world.h"

static gs_key kind_key[] = {GS_FFN_KIND}, kind_width[] = {GS_FFN_KIND, GS_FFN_WIDTH};
static char *zero_metric[] = {"final.zero_ffn.accuracy"}, *clean_metric[] = {"final.clean.accuracy"};
static gs_value dense_value[] = {{.set = true, .i = GS_FFN_DENSE}}, width_256[] = {{.set = true, .i = 256}};
static gs_term dense_256[] = {{GS_FFN_KIND, 1, dense_value, {0}}, {GS_FFN_WIDTH, 1, width_256, {0}}};

static gs_table comparison_table(world *w)
{
    three_arms(w);
    const gs_table_spec t = {.name = "t", .kind = GS_TABLE_COMPARISON, .row_count = 2, .rows = kind_width, .metric_count = 1,
                             .metrics = zero_metric, .baseline = {2, dense_256, {0}}};
    return make_table(w, &t);
}

static gs_table scaling_table(world *w)
{
    open_world(w);
    for (int64_t width = 64; width <= 256; width *= 2)
        for (int seed = 0; seed < 2; seed++) {
            add_run(w, GS_FFN_DENSE, width, seed);
            measure(w, w->grid.count - 1, (double)width / 512 + seed / 16.0, 0);
        }
    find_varying(w);
    const gs_table_spec t = {.name = "s", .kind = GS_TABLE_SCALING, .row_count = 1, .rows = kind_key, .x = GS_FFN_WIDTH, .metric_count = 1,
                             .metrics = clean_metric};
    return make_table(w, &t);
}

static void emitted(const gs_table *t, void (*emit)(const gs_table *, gs_buf *), const char *want)
{
    gs_buf out = {0};
    emit(t, &out);
    assert_string_equal(out.text, want);
    gs_buf_free(&out);
}

static void a_comparison_in_every_format(void **state)
{
    (void)state;
    world w;
    gs_table t = comparison_table(&w);
    emitted(&t, gs_table_md, comparison_md);
    emitted(&t, gs_table_csv, comparison_csv);
    emitted(&t, gs_table_tex, comparison_tex);
    emitted(&t, gs_table_json, comparison_json);
    emitted(&t, gs_table_screen, comparison_screen);
    gs_table_close(&t);
    close_world(&w);
}

static void a_scaling_table(void **state)
{
    (void)state;
    world w;
    gs_table t = scaling_table(&w);
    emitted(&t, gs_table_md, scaling_md);
    emitted(&t, gs_table_csv, scaling_csv);
    emitted(&t, gs_table_tex, scaling_tex);
    emitted(&t, gs_table_screen, scaling_screen);
    gs_table_close(&t);
    close_world(&w);
}

static void special_characters(void **state)
{
    (void)state;
    gs_table t = {.name = gs_text("odd"), .kind = "comparison"};
    gs_table_column(&t, "", "a|b_c")->text = true;
    gs_table_rows(&t, 1);
    *gs_table_cell(&t, 0, 0) = (gs_cell){.kind = GS_CELL_TEXT, .text = gs_text("50 %% & \"x\", \\y|z")};
    emitted(&t, gs_table_md, "## odd\n\n| a\\|b_c            |\n| ----------------- |\n| 50 % & \"x\", \\y\\|z |\n\n");
    emitted(&t, gs_table_csv, "a|b_c\n\"50 % & \"\"x\"\", \\y|z\"\n");
    emitted(&t, gs_table_tex, "% needs \\usepackage{booktabs}\n\\begin{tabular}{l}\n\\toprule\na|b\\_c \\\\\n\\midrule\n"
                              "50 \\% \\& \"x\", \\textbackslash{}y|z \\\\\n\\bottomrule\n\\end{tabular}\n");
    emitted(&t, gs_table_json, "{\n  \"name\": \"odd\",\n  \"kind\": \"comparison\",\n  \"columns\": [\n"
                               "    {\"name\": \"a|b_c\", \"unit\": \"\"}\n  ],\n"
                               "  \"rows\": [\n    {\"a|b_c\": \"50 % & \\\"x\\\", \\\\y|z\"}\n  ],\n  \"notes\": [\n  ]\n}\n");
    gs_table_close(&t);
}

/* -- results.csv --------------------------------------------------------------------------------------------------- */

static void one_row_per_run(void **state)
{
    (void)state;
    world w;
    open_world(&w);
    static const gs_counts counts = {1, 2, 3, 4, 5, 6, 7, 8};
    gs_result records[2] = {{.ok = true}, {.reason = "diverged at step 120, loss \"inf\""}};
    gs_entry entries[3];
    for (int i = 0; i < 3; i++) {
        gs_config *c = add_run(&w, GS_FFN_DENSE, 256, i);
        for (int key = 0; key < GS_KEY_COUNT; key++) c->v[key].set = c->v[key].set && (key == GS_SEED || (key == GS_TRAIN_LR && i == 1));
        entries[i] = (gs_entry){{&w.grid, i}, &counts, i < 2 ? &records[i] : NULL};
    }
    settle(&w);
    gs_metrics_set(&records[0].metrics, 0.1, "step1000.clean.accuracy[op=copy]");
    gs_metrics_set(&records[0].metrics, 0.5, "step200.clean.accuracy");
    gs_metrics_set(&records[0].metrics, 1.0 / 3, "final.clean.accuracy[split=train,count=3]");
    gs_metrics_set(&records[1].metrics, 2, "final.clean.loss");
    gs_buf out = {0};
    gs_results_csv(entries, 3, &out);
    assert_string_equal(out.text,
                        "id,status,reason,seed,train.lr,params_total,params_active,params_embedding,params_frozen,flops_per_token,"
                        "tokens_per_step,train_flops,bytes,\"final.clean.accuracy[split=train,count=3]\",final.clean.loss,"
                        "step200.clean.accuracy,step1000.clean.accuracy[op=copy]\n"
                        "00000000000000000000000000000000,done,,0,,1,2,3,4,5,6,7,8,0.3333333333333333,,0.5,0.1\n"
                        "00000000000000000000000000000001,failed,\"diverged at step 120, loss \"\"inf\"\"\",1,0.001,1,2,3,4,5,6,7,8,,2,,\n"
                        "00000000000000000000000000000002,todo,,2,,1,2,3,4,5,6,7,8,,,,\n");
    gs_buf_free(&out);
    gs_metrics_free(&records[0].metrics);
    gs_metrics_free(&records[1].metrics);
    close_world(&w);
}

/* -- a sweep's files ------------------------------------------------------------------------------------------------- */

static const char sweep[] = "sweep: 1\n"
                            "defaults: {task: addition}\n"
                            "parameters:\n"
                            "  ffn.kind: {values: [dense, moe]}\n"
                            "  seed: {values: [0, 1]}\n"
                            "ablate: [{site: ffn.out, mode: zero}]\n";

typedef struct campaign {
    char dir[64], *path;
    gs_spec *spec;
    gs_grid *grid;
    gs_plan *plan;
    gs_result records[8];
    gs_entry entries[8];
} campaign;

static void open_campaign(campaign *c, const char *more)
{
    gs_err e;
    *c = (campaign){.dir = "/tmp/gridshift-tables-XXXXXX"};
    assert_non_null(mkdtemp(c->dir));
    c->path = gs_text("%s/tiny.yaml", c->dir);
    char *text = gs_text("%s%s", sweep, more);
    if (gs_file_write(c->path, text, strlen(text), &e) || gs_spec_load(c->path, NULL, 0, &c->spec, &e) ||
        gs_grid_expand(c->spec, &c->grid, &e) || gs_plan_make(c->grid, gs_spec_wanted(c->spec), NULL, NULL, &c->plan, &e))
        fail_msg("%s", e.text);
    free(text);
}

/* Every run's metrics, put in forwards or backwards, as if the runs had measured them in another order. */
static void finish_runs(campaign *c, bool backwards)
{
    static const char *const names[] = {"final.zero_ffn.accuracy", "final.clean.accuracy", "final.floor.accuracy",
                                        "final.zero_head1.accuracy"};
    assert_int_equal(c->plan->count, 4);
    for (int i = 0; i < 4; i++) {
        gs_result *r = &c->records[i];
        *r = (gs_result){.ok = true, .host = "somewhere", .wall_s = backwards ? 1 : 2};
        for (int k = 0; k < 4; k++) {
            int name = backwards ? 3 - k : k;
            gs_metrics_set(&r->metrics, (i + 1) / 8.0 + name / 64.0, "%s", names[name]);
        }
        c->entries[i] = (gs_entry){{c->grid, i}, &gs_plan_cost(c->plan, i)->counts, r};
    }
}

static void close_campaign(campaign *c)
{
    static const char *const files[] = {"tiny.yaml", "results.csv", "tables/comparison.md", "tables/comparison.csv",
                                        "tables/comparison.tex", "tables/comparison.json", "tables", ""};
    for (size_t k = 0; k < sizeof files / sizeof *files; k++) {
        char *path = gs_text("%s/%s", c->dir, files[k]);
        remove(path);
        free(path);
    }
    for (int i = 0; i < 4; i++) gs_metrics_free(&c->records[i].metrics);
    gs_plan_close(&c->plan);
    gs_grid_close(&c->grid);
    gs_spec_close(&c->spec);
    free(c->path);
}

static char *content(const campaign *c, const char *name)
{
    gs_err e;
    char *path = gs_text("%s/%s", c->dir, name), *text;
    size_t length;
    if (gs_file_read(path, 1 << 20, &text, &length, &e)) fail_msg("%s", e.text);
    free(path);
    return text;
}

static void the_order_of_arrival_does_not_matter(void **state)
{
    (void)state;
    static const char *const files[] = {"results.csv", "tables/comparison.md", "tables/comparison.csv", "tables/comparison.tex",
                                        "tables/comparison.json"};
    campaign c[2];
    gs_buf screens[2] = {{0}, {0}};
    gs_err e;
    for (int k = 0; k < 2; k++) {
        open_campaign(&c[k], "");
        finish_runs(&c[k], k == 1);
        if (gs_tables_write(c[k].dir, c[k].spec, c[k].grid, c[k].entries, 4, false, &screens[k], &e)) fail_msg("%s", e.text);
    }
    assert_string_equal(screens[0].text, screens[1].text);
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        char *a = content(&c[0], files[f]), *b = content(&c[1], files[f]);
        assert_string_equal(a, b);
        assert_null(strstr(a, "somewhere"));
        assert_null(strstr(a, c[0].dir));
        free(a), free(b);
    }
    /* The default table: what tells the runs apart, clean accuracy, whole-site ablations with the floor; keys that follow
     * from ffn.kind are no columns. */
    char *md = content(&c[0], "tables/comparison.md");
    assert_non_null(strstr(md, "## comparison\n\n| ffn.kind | params_total (parameters) |"));
    assert_non_null(strstr(md, "final.zero_ffn.accuracy (%)"));
    assert_null(strstr(md, "head1"));
    free(md);
    for (int k = 0; k < 2; k++) {
        close_campaign(&c[k]);
        gs_buf_free(&screens[k]);
    }
}

static void a_refused_table_leaves_results(void **state)
{
    (void)state;
    campaign c;
    gs_buf screen = {0};
    gs_err e;
    open_campaign(&c, "");
    finish_runs(&c, false);
    c.entries[3].record = NULL;
    assert_int_equal(gs_tables_write(c.dir, c.spec, c.grid, c.entries, 4, false, &screen, &e), -1);
    char *want = gs_text("%s: table comparison: row ffn.kind moe has no result for seed 1, which other rows have. "
                         "Finish or retry those runs, or give --partial, which marks such rows.", c.path);
    char *csv = content(&c, "results.csv");
    assert_string_equal(e.text, want);
    assert_non_null(strstr(csv, ",todo,"));
    free(want), free(csv);
    assert_int_equal(gs_tables_write(c.dir, c.spec, c.grid, c.entries, 4, true, &screen, &e), 0);
    assert_non_null(strstr(screen.text, "     1*"));
    gs_buf_free(&screen);
    close_campaign(&c);
}

static void the_file_is_blamed_by_line(void **state)
{
    (void)state;
    campaign c;
    gs_err e;
    open_campaign(&c, "tables:\n  good: {kind: comparison, rows: [ffn.kind], metrics: [final.clean.accuracy]}\n"
                      "  pooled: {kind: comparison, rows: [], metrics: [final.clean.accuracy]}\n");
    assert_int_equal(gs_tables_check(c.spec, c.grid, false, &e), -1);
    char *want = gs_text("%s:9:3: table pooled: row all runs has more than one run per seed; they differ in ffn.kind. Add it "
                         "to `rows`, or to `pool` to average over it on purpose.", c.path);
    assert_string_equal(e.text, want);
    free(want);
    close_campaign(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_comparison_in_every_format),         cmocka_unit_test(a_scaling_table),
        cmocka_unit_test(special_characters),                   cmocka_unit_test(one_row_per_run),
        cmocka_unit_test(the_order_of_arrival_does_not_matter), cmocka_unit_test(a_refused_table_leaves_results),
        cmocka_unit_test(the_file_is_blamed_by_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
