/* Tables from hand-made grids and records: what is pooled, paired and refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tables_world.h"

/* -- table specs ---------------------------------------------------------------------------------------------- */

static gs_key kind_key[] = {GS_FFN_KIND}, kind_width[] = {GS_FFN_KIND, GS_FFN_WIDTH}, width_key[] = {GS_FFN_WIDTH};
static char *both_metrics[] = {"final.clean.accuracy", "final.zero_ffn.accuracy"};
static char *zero_metric[] = {"final.zero_ffn.accuracy"};
static char *clean_metric[] = {"final.clean.accuracy"};
static gs_value dense_value[] = {{.set = true, .i = GS_FFN_DENSE}}, width_256[] = {{.set = true, .i = 256}};
static gs_value moe_value[] = {{.set = true, .i = GS_FFN_MOE}}, width_999[] = {{.set = true, .i = 999}};
static gs_term dense_256[] = {{GS_FFN_KIND, 1, dense_value, {0}}, {GS_FFN_WIDTH, 1, width_256, {0}}};
static gs_term moe_term[] = {{GS_FFN_KIND, 1, moe_value, {0}}}, width_999_term[] = {{GS_FFN_WIDTH, 1, width_999, {0}}};

static gs_table_spec comparison(int rows, gs_key *keys, char **metrics, int metric_count)
{
    return (gs_table_spec){.name = "t", .kind = GS_TABLE_COMPARISON, .row_count = rows, .rows = keys, .metric_count = metric_count,
                           .metrics = metrics, .where = {12, 3}};
}

static gs_table_spec against_dense(int rows, gs_key *keys)
{
    gs_table_spec t = comparison(rows, keys, zero_metric, 1);
    t.baseline = (gs_selector){2, dense_256, {0}};
    return t;
}

static gs_table_spec scaling(int rows, gs_key *keys)
{
    return (gs_table_spec){.name = "t", .kind = GS_TABLE_SCALING, .row_count = rows, .rows = keys, .x = GS_FFN_WIDTH, .metric_count = 1,
                           .metrics = clean_metric, .where = {12, 3}};
}

static void refused(const world *w, const gs_table_spec *t, const char *text)
{
    gs_err e = {""};
    assert_int_equal(gs_table_verify(&w->context, t, &e), -1);
    assert_string_equal(e.text, text);
}

static void accepted(const world *w, const gs_table_spec *t)
{
    gs_err e = {""};
    if (gs_table_verify(&w->context, t, &e)) fail_msg("%s", e.text);
}

static const gs_estimate *estimate(const gs_table *t, int row, const char *column)
{
    for (int c = 0; c < t->column_count; c++)
        if (!strcmp(t->columns[c].name, column)) {
            const gs_cell *cell = &t->cells[row * t->column_count + c];
            return cell->kind == GS_CELL_ESTIMATE ? &cell->estimate : NULL;
        }
    fail_msg("there is no column %s", column);
    return NULL;
}

static bool noted(const gs_table *t, const char *note)
{
    for (int k = 0; k < t->note_count; k++)
        if (!strcmp(t->notes[k], note)) return true;
    return false;
}

static void is_near(double got, double want)
{
    if (!(fabs(got - want) <= 1e-12 * fmax(1, fabs(want)))) fail_msg("got %.17g, want %.17g", got, want);
}

/* -- values and differences --------------------------------------------------------------------------------------- */

static void differences_are_paired_by_seed(void **state)
{
    (void)state;
    world w;
    three_arms(&w);
    gs_table_spec t = against_dense(2, kind_width);
    accepted(&w, &t);
    gs_table table = make_table(&w, &t);
    const gs_estimate *moe = estimate(&table, 2, "final.zero_ffn.accuracy redistribution");
    is_near(moe->mean, 25);
    is_near(moe->spread, 17.67766952966369);
    assert_int_equal(moe->n, 2);
    assert_null(estimate(&table, 0, "final.zero_ffn.accuracy redistribution")); /* the baseline itself */
    is_near(estimate(&table, 1, "final.clean.accuracy")->mean, 87.5); /* added beside the ablation */
    is_near(estimate(&table, 1, "final.floor.accuracy")->mean, 32.325);
    gs_table_close(&table);
    close_world(&w);
}

/* Two learning rates, matched with the baseline: each seed's difference is the mean over them, and n counts seeds. */
static void matched_keys_are_averaged_first(void **state)
{
    (void)state;
    static const double dense[2][2] = {{0.25, 0.5}, {0.125, 0.25}}, moe[2][2] = {{0.5, 0.5}, {0.375, 1}};
    world w;
    open_world(&w);
    for (int kind = 0; kind < 2; kind++)
        for (int rate = 0; rate < 2; rate++)
            for (int seed = 0; seed < 2; seed++) {
                gs_config *c = add_run(&w, kind ? GS_FFN_MOE : GS_FFN_DENSE, 256, seed);
                c->v[GS_TRAIN_LR].r = rate ? 0.01 : 0.001;
                measure(&w, w.grid.count - 1, 1, kind ? moe[rate][seed] : dense[rate][seed]);
            }
    find_varying(&w);
    gs_table_spec t = against_dense(1, kind_key);
    accepted(&w, &t);
    gs_table table = make_table(&w, &t);
    assert_int_equal(table.row_count, 2);
    const gs_estimate *d = estimate(&table, 1, "final.zero_ffn.accuracy redistribution");
    assert_int_equal(d->n, 2);
    is_near(d->mean, 31.25); /* seed 0: (25 + 25)/2, seed 1: (0 + 75)/2 */
    is_near(d->spread, 12.5 / sqrt(2));
    is_near(estimate(&table, 1, "final.zero_ffn.accuracy")->mean, (43.75 + 75) / 2);
    assert_true(noted(&table, "train.lr is matched with the baseline; each seed's numbers are means over its values."));
    gs_table_close(&table);
    t.baseline.count = 0; /* without a baseline there is nothing to match with */
    refused(&w, &t, "s.yaml:12:3: table t: row ffn.kind dense has more than one run per seed; they differ in train.lr. Add it to `rows`, "
                    "or to `pool` to average over it on purpose.");
    gs_key pool[] = {GS_TRAIN_LR};
    t.pool = pool, t.pool_count = 1;
    accepted(&w, &t);
    table = make_table(&w, &t);
    is_near(estimate(&table, 0, "final.zero_ffn.accuracy")->mean, (18.75 + 37.5) / 2);
    assert_int_equal(estimate(&table, 0, "final.zero_ffn.accuracy")->n, 2);
    assert_true(noted(&table, "Averaged within each seed over: train.lr."));
    gs_table_close(&table);
    close_world(&w);
}

static void mismatch_is_of_match_or_of_params_total(void **state)
{
    (void)state;
    world w;
    three_arms(&w);
    w.counts[4].params_total = w.counts[5].params_total = 2 * 26600;
    gs_table_spec t = against_dense(2, kind_width);
    gs_table table = make_table(&w, &t);
    enum { MISMATCH = 5 };
    is_near(gs_table_cell(&table, 0, MISMATCH)->r, 0);
    is_near(gs_table_cell(&table, 1, MISMATCH)->r, -0.1);
    is_near(gs_table_cell(&table, 2, MISMATCH)->r, 100);
    gs_table_close(&table);
    close_world(&w);
}

static void a_censored_metric_says_how_many(void **state)
{
    (void)state;
    static char *steps[] = {"curve.clean.steps_to_99"};
    world w;
    three_arms(&w);
    gs_metrics_set(&w.metrics[0], 4000, "curve.clean.steps_to_99");
    for (int i = 0; i < 6; i++) gs_metrics_set(&w.metrics[i], 40000, "final.clean.step");
    gs_table_spec t = comparison(2, kind_width, steps, 1);
    accepted(&w, &t);
    gs_table table = make_table(&w, &t);
    const gs_estimate *e = estimate(&table, 0, steps[0]);
    is_near(e->mean, 22000); /* Kaplan-Meier: the curve is 1/2 from 4000 to 40000 */
    assert_int_equal(e->n, 1);
    assert_int_equal(e->of, 2);
    assert_true(isnan(estimate(&table, 1, steps[0])->mean));
    gs_buf text = {0};
    gs_cell_text(&table.columns[8], gs_table_cell(&table, 0, 8), " ± ", "-", &text);
    assert_string_equal(text.text, "22000 [4000, -] (1 of 2)");
    gs_buf_free(&text);
    gs_table_close(&table);
    close_world(&w);
}

static const gs_cell *cell_of(const gs_table *t, int row, const char *column)
{
    for (int c = 0; c < t->column_count; c++)
        if (!strcmp(t->columns[c].name, column)) return &t->cells[row * t->column_count + c];
    fail_msg("there is no column %s", column);
    return NULL;
}

static void more_statistics(void **state)
{
    (void)state;
    world w;
    open_world(&w);
    static const double x[] = {0.5, 0.25, 0.375, 1, 0.875};
    for (int seed = 0; seed < 5; seed++) add_run(&w, GS_FFN_DENSE, 256, seed), measure(&w, seed, 1, x[seed]);
    find_varying(&w);
    gs_table_spec t = comparison(1, kind_key, zero_metric, 1);
    t.extras = 1u << GS_EXTRA_MEDIAN | 1u << GS_EXTRA_IQM | 1u << GS_EXTRA_MIN | 1u << GS_EXTRA_MAX;
    t.interval = GS_INTERVAL_BCA;
    gs_table table = make_table(&w, &t);
    is_near(cell_of(&table, 0, "final.zero_ffn.accuracy median")->r, 50);
    is_near(cell_of(&table, 0, "final.zero_ffn.accuracy iqm")->r, 175.0 / 3);
    is_near(cell_of(&table, 0, "final.zero_ffn.accuracy min")->r, 25);
    is_near(cell_of(&table, 0, "final.zero_ffn.accuracy max")->r, 100);
    static int32_t indices[5 * GS_BOOTSTRAP_DRAWS];
    gs_bootstrap_indices(5, GS_BOOTSTRAP_DRAWS, indices);
    gs_interval want = gs_bootstrap(x, 5, gs_mean, indices, GS_BOOTSTRAP_DRAWS, true, 0.95);
    is_near(estimate(&table, 0, "final.zero_ffn.accuracy")->interval.low, 100 * want.low);
    is_near(estimate(&table, 0, "final.zero_ffn.accuracy")->interval.high, 100 * want.high);
    assert_true(want.low > 0.3 && want.low < 0.45 && want.high > 0.75 && want.high < 0.95);
    gs_table_close(&table);
    close_world(&w);
}

/* (0.25 - 0.32325)/(0.5 - 0.32325) and so on: what is left above the floor, as a share of what was there. */
static void above_the_floor(void **state)
{
    (void)state;
    static char *above[] = {"final.zero_ffn.above_floor"}, *clean[] = {"final.clean.above_floor"};
    world w;
    three_arms(&w);
    gs_table_spec t = comparison(2, kind_width, above, 1);
    accepted(&w, &t);
    gs_table table = make_table(&w, &t);
    is_near(estimate(&table, 2, above[0])->mean, 100 * (0.4375 - 0.32325) / (1 - 0.32325)); /* clean is 1 in both */
    is_near(estimate(&table, 0, above[0])->mean, 50 * ((0.125 - 0.32325) / (1 - 0.32325) + (0.25 - 0.32325) / (0.5 - 0.32325)));
    gs_table_close(&table);
    t.metrics = clean;
    refused(&w, &t, "s.yaml:12:3: table t: no run of the sweep gives final.clean.above_floor. Check its checkpoint, site and stratum against "
                    "the runs.");
    close_world(&w);
}

static void published_numbers(void **state)
{
    (void)state;
    world w;
    three_arms(&w);
    gs_published p[] = {{.row = {1, moe_term, {0}}, .metric = zero_metric[0], .mean = 0.443, .sd = 0.125, .n = 5, .where = {20, 5}},
                        {.row = {2, dense_256, {0}}, .metric = zero_metric[0], .mean = 0.5, .where = {21, 5}}};
    gs_table_spec t = against_dense(2, kind_width);
    t.published = p, t.published_count = 2;
    accepted(&w, &t);
    gs_table table = make_table(&w, &t);
    const gs_estimate *theirs = estimate(&table, 2, "final.zero_ffn.accuracy published");
    is_near(theirs->mean, 44.3);
    is_near(theirs->spread, 12.5 * sqrt(1.25)); /* of n - 1 */
    is_near(estimate(&table, 2, "final.zero_ffn.accuracy ours - published")->mean, 43.75 - 44.3);
    double own = 0.125 / sqrt(2) / sqrt(2); /* the se of 0.5 and 0.375 */
    is_near(cell_of(&table, 2, "final.zero_ffn.accuracy z")->r, (0.4375 - 0.443) / sqrt(own * own + 0.125 * 0.125 / 4));
    is_near(estimate(&table, 0, "final.zero_ffn.accuracy ours - published")->mean, 18.75 - 50);
    assert_int_equal(cell_of(&table, 0, "final.zero_ffn.accuracy z")->kind, GS_CELL_NONE); /* no sd was published */
    assert_int_equal(cell_of(&table, 1, "final.zero_ffn.accuracy published")->kind, GS_CELL_NONE);
    gs_table_close(&table);
    p[1].row = (gs_selector){1, width_999_term, {0}};
    refused(&w, &t, "s.yaml:21:5: table t: `where` of this published number fits no row. Name the keys of one.");
    p[1].row = p[0].row;
    refused(&w, &t, "s.yaml:21:5: table t: `published` has this metric of a row twice. Remove one, or name more keys in `where`.");
    close_world(&w);
}

/* Published: 8000 +- 500 in 3 of 5 seeds, and 2000 +- 300 in 5 of 5. Ours: 1 of 2, and 2 of 2. */
static void published_steps(void **state)
{
    (void)state;
    static char *steps[] = {"curve.clean.steps_to_99"};
    static const int at[] = {4000, 0, 0, 0, 3000, 2500};
    world w;
    three_arms(&w);
    for (int i = 0; i < 6; i++) {
        if (at[i]) gs_metrics_set(&w.metrics[i], at[i], "curve.clean.steps_to_99");
        gs_metrics_set(&w.metrics[i], 40000, "final.clean.step");
    }
    gs_published p[] = {{.row = {2, dense_256, {0}}, .metric = steps[0], .mean = 8000, .sd = 500, .n = 3, .of = 5},
                        {.row = {1, moe_term, {0}}, .metric = steps[0], .mean = 2000, .sd = 300, .n = 5, .of = 5}};
    gs_table_spec t = comparison(2, kind_width, steps, 1);
    t.published = p, t.published_count = 2;
    accepted(&w, &t);
    gs_table table = make_table(&w, &t);
    assert_int_equal(estimate(&table, 0, "curve.clean.steps_to_99 published")->of, 5);
    assert_int_equal(cell_of(&table, 0, "curve.clean.steps_to_99 z")->kind, GS_CELL_NONE); /* a mean over those that got there */
    assert_int_equal(cell_of(&table, 0, "curve.clean.steps_to_99 ours - published")->kind, GS_CELL_NONE);
    is_near(cell_of(&table, 0, "curve.clean.steps_to_99 p of the shares")->r, 1); /* 1 of 2 against 3 of 5 */
    is_near(estimate(&table, 2, "curve.clean.steps_to_99 ours - published")->mean, 750);
    is_near(cell_of(&table, 2, "curve.clean.steps_to_99 z")->r, 750 / sqrt(250 * 250 + 300 * 300 / 4.0));
    assert_int_equal(cell_of(&table, 1, "curve.clean.steps_to_99 p of the shares")->kind, GS_CELL_NONE);
    gs_table_close(&table);
    p[0].n = 0, p[0].mean = p[0].sd = NAN;
    table = make_table(&w, &t);
    assert_true(isnan(estimate(&table, 0, "curve.clean.steps_to_99 published")->mean));
    is_near(cell_of(&table, 0, "curve.clean.steps_to_99 p of the shares")->r, 2.0 / 7); /* 1 of 2 against 0 of 5 */
    gs_table_close(&table);
    close_world(&w);
}

/* The published rule: the checkpoint at 99 %, or the best where there is none; no seed is left out. */
static void first99_or_best(void **state)
{
    (void)state;
    static char *either[] = {"first99_or_best.zero_ffn.accuracy", "first99_or_best.zero_ffn.above_floor"};
    world w;
    three_arms(&w);
    for (int i = 0; i < 6; i++) {
        for (int k = i % 2; k < 2; k++) { /* the second seed of each arm never gets there */
            const char *checkpoint = k ? "best" : "first99";
            gs_metrics_set(&w.metrics[i], 1000, "%s.clean.step", checkpoint);
            gs_metrics_set(&w.metrics[i], k ? 0.5 : 0.25, "%s.zero_ffn.accuracy", checkpoint);
            gs_metrics_set(&w.metrics[i], 1, "%s.clean.accuracy", checkpoint);
            gs_metrics_set(&w.metrics[i], 0.2, "%s.floor.accuracy", checkpoint);
        }
    }
    gs_table_spec t = comparison(2, kind_width, either, 2);
    accepted(&w, &t);
    gs_table table = make_table(&w, &t);
    is_near(estimate(&table, 2, either[0])->mean, 37.5);
    assert_int_equal(estimate(&table, 2, either[0])->n, 2);
    is_near(estimate(&table, 2, either[1])->mean, 50 * (0.05 / 0.8 + 0.3 / 0.8));
    gs_table_close(&table);
    close_world(&w);
}

static void matching_is_audited(void **state)
{
    (void)state;
    world w;
    three_arms(&w);
    for (int i = 0; i < w.grid.count; i++) w.counts[i].params_embedding = 600;
    w.configs[4].v[GS_TRAIN_LR].r = w.configs[5].v[GS_TRAIN_LR].r = 0.01; /* the moe arm has another rate, which no row shows */
    find_varying(&w);
    gs_table_spec t = against_dense(2, kind_width);
    static gs_key rate[] = {GS_TRAIN_LR};
    t.pool = rate, t.pool_count = 1;
    gs_table table = {0}, matching = {0};
    gs_err e;
    bool built;
    if (gs_table_make(&w.context, &t, w.points, w.grid.count, &table, &built, &matching, &e)) fail_msg("%s", e.text);
    assert_string_equal(matching.name, "t_matching");
    is_near(cell_of(&matching, 1, "params_total mismatch")->r, 100.0 * (18000 - 26600) / 26600);
    is_near(cell_of(&matching, 1, "params_total without embeddings mismatch")->r, 100.0 * (18000 - 26600) / 26000);
    assert_int_equal(cell_of(&matching, 1, "params_active without embeddings")->i, 1000 + 50 * 170 - 600);
    is_near(cell_of(&matching, 1, "match mismatch")->r, -0.1);
    assert_int_equal(cell_of(&matching, 0, "differs (row / baseline)")->kind, GS_CELL_NONE);
    const char *differs = cell_of(&matching, 2, "differs (row / baseline)")->text;
    assert_non_null(strstr(differs, "ffn.experts 4 / –"));
    assert_non_null(strstr(differs, "train.lr 0.01 / 0.001"));
    gs_table_close(&table), gs_table_close(&matching);
    close_world(&w);
}

/* -- refusals ------------------------------------------------------------------------------------------------------ */

static void rows_must_name_what_varies(void **state)
{
    (void)state;
    world w;
    three_arms(&w);
    gs_table_spec t = comparison(1, width_key, both_metrics, 2);
    refused(&w, &t, "s.yaml:12:3: table t: row ffn.width 256 has more than one run per seed; they differ in ffn.kind. Add it to `rows`, "
                    "or to `pool` to average over it on purpose.");
    w.configs[1].v[GS_TRAIN_LR].r = 0.5;
    w.configs[1].v[GS_SEED].i = 0;
    find_varying(&w);
    t = comparison(0, NULL, both_metrics, 2);
    refused(&w, &t, "s.yaml:12:3: table t: row all runs has more than one run per seed; they differ in train.lr. Add it to `rows`, "
                    "or to `pool` to average over it on purpose.");
    close_world(&w);
}

/* top_k is absent in the dense row, so that it cannot be matched there. */
static void a_baseline_of_several_runs(void **state)
{
    (void)state;
    world w;
    open_world(&w);
    add_run(&w, GS_FFN_DENSE, 256, 0);
    add_run(&w, GS_FFN_MOE, 256, 0)->v[GS_FFN_TOP_K].i = 1;
    add_run(&w, GS_FFN_MOE, 256, 0)->v[GS_FFN_TOP_K].i = 2;
    find_varying(&w);
    gs_key rows[] = {GS_FFN_KIND, GS_FFN_TOP_K};
    gs_table_spec t = comparison(2, rows, zero_metric, 1);
    t.baseline = (gs_selector){1, moe_term, {0}};
    refused(&w, &t, "s.yaml:12:3: table t: the baseline has more than one run per seed; they differ in ffn.top_k. Add it to "
                    "`baseline`, or to `pool` to average over it on purpose.");
    close_world(&w);
}

static void a_baseline_that_is_not_there(void **state)
{
    (void)state;
    world w;
    three_arms(&w);
    gs_table_spec t = against_dense(2, kind_width);
    t.baseline = (gs_selector){1, width_999_term, {0}};
    refused(&w, &t, "s.yaml:12:3: table t: no run of the sweep fits `baseline`. Name a configuration that the sweep has.");
    w.context.narrowed = true; /* --set may have taken it away */
    accepted(&w, &t);
    gs_table table = make_table(&w, &t);
    assert_true(noted(&table, "Baseline: ffn.width 999. It has no runs under --set, so there are no differences."));
    gs_table_close(&table);
    close_world(&w);
}

static void a_row_without_its_baseline(void **state)
{
    (void)state;
    world w;
    three_arms(&w);
    gs_table_spec t = against_dense(2, kind_width);
    t.baseline.count = 1; /* ffn.kind dense: ffn.width is matched then, and glu has another one */
    refused(&w, &t, "s.yaml:12:3: table t: row ffn.kind glu, ffn.width 170 has no baseline to be compared with: no run of it has "
                    "ffn.width 170. Name ffn.width in `baseline`, or add such runs.");
    close_world(&w);
}

static void metrics_that_no_run_gives(void **state)
{
    (void)state;
    static const struct {
        char *name;
        const char *text;
    } table[] = {
        {"final.norms.norm", "final.norms.norm is not measured. Add norms to `probe`."},
        {"final.mean_attn.accuracy", "final.mean_attn.accuracy is not measured. Add {site: attn.out, mode: mean} to `ablate`."},
        {"final.clean.accuracy[carry=9]", NULL},
        {"final.clean.exact_match[digit=0]", NULL},
        {"final.clean.accuracy[split=train]", NULL},
        {"final.zero_block0_ffn.accuracy", NULL},
        {"final.floor.loss", NULL},
        {"final.clean.steps_to_99", NULL},
        {"curve.clean.accuracy", NULL},
        {"step200.clean.accuracy", NULL},
        {"given.clean.accuracy", NULL},
    };
    world w;
    three_arms(&w);
    for (size_t k = 0; k < sizeof table / sizeof *table; k++) {
        char *metrics[] = {table[k].name};
        gs_table_spec t = comparison(2, kind_width, metrics, 1);
        char *text = gs_text(table[k].text ? "s.yaml:12:3: table t: %s" :
                             "s.yaml:12:3: table t: no run of the sweep gives %s. Check its checkpoint, site and stratum against the runs.",
                             table[k].text ? table[k].text : table[k].name);
        refused(&w, &t, text);
        free(text);
    }
    for (int i = 0; i < w.grid.count; i++) w.configs[i].v[GS_EVAL_RECORD].i = 100;
    settle(&w);
    static char *good[] = {"final.zero_ffn.accuracy[carry=2]", "best.clean.exact_match[carry=0]", "step200.floor.accuracy[digit=3]",
                           "curve.clean.steps_to_90",          "first99.clean.router_load_max", "final.clean.aux"};
    gs_table_spec t = comparison(2, kind_width, good, 6);
    accepted(&w, &t);
    close_world(&w);
}

static void series_and_x(void **state)
{
    (void)state;
    world w;
    three_arms(&w);
    gs_table_spec t = scaling(1, width_key);
    refused(&w, &t, "s.yaml:12:3: table t: ffn.width is `x`. Remove it from `series`.");
    t = scaling(0, NULL);
    w.configs[0].v[GS_FFN_WIDTH].i = 0;
    settle(&w);
    refused(&w, &t, "s.yaml:12:3: table t: ffn.width is 0 or less in a run. The slope against log2 of `x` needs values above 0.");
    t.x = GS_TASK_ALPHABET;
    refused(&w, &t, "s.yaml:12:3: table t: no run of the sweep has task.alphabet, the table's `x`.");
    t = comparison(1, kind_key, clean_metric, 1);
    t.pool = kind_key, t.pool_count = 1;
    refused(&w, &t, "s.yaml:12:3: table t: ffn.kind is in `rows` and in `pool`. Remove it from one.");
    close_world(&w);
}

static void unequal_seeds(void **state)
{
    (void)state;
    world w;
    three_arms(&w);
    w.points[3].metrics = NULL; /* glu, seed 1 */
    w.points[3].failed = true;
    gs_table_spec t = against_dense(2, kind_width);
    gs_err e;
    gs_table table = {0};
    bool built;
    assert_int_equal(gs_table_make(&w.context, &t, w.points, w.grid.count, &table, &built, NULL, &e), -1);
    assert_string_equal(e.text, "s.yaml:12:3: table t: row ffn.kind glu, ffn.width 170 has no result for seed 1, which other "
                                "rows have. Finish or retry those runs, or give --partial, which marks such rows.");
    w.context.partial = true;
    table = make_table(&w, &t);
    enum { SEEDS = 6 };
    assert_false(gs_table_cell(&table, 0, SEEDS)->mark);
    assert_true(gs_table_cell(&table, 1, SEEDS)->mark);
    assert_int_equal(gs_table_cell(&table, 1, SEEDS)->i, 1);
    assert_int_equal(estimate(&table, 1, "final.zero_ffn.accuracy redistribution")->n, 1); /* the common seed */
    assert_true(noted(&table, "* The row lacks seeds that other rows have: its numbers are over fewer or other seeds."));
    assert_true(noted(&table, "Left out of 6 runs: 1 failed, 0 without a result (results.csv names them)."));
    gs_table_close(&table);
    close_world(&w);
}

/* -- scaling --------------------------------------------------------------------------------------------------------- */

static void slope_over_single_runs(void **state)
{
    (void)state;
    world w;
    open_world(&w);
    for (int64_t width = 256; width >= 64; width /= 2) /* rows are put in the order of x */
        for (int seed = 0; seed < 2; seed++) {
            add_run(&w, GS_FFN_DENSE, width, seed);
            measure(&w, w.grid.count - 1, (double)width / 512 + seed / 16.0, 0);
        }
    find_varying(&w);
    gs_table_spec t = scaling(1, kind_key);
    accepted(&w, &t);
    gs_table table = make_table(&w, &t);
    assert_int_equal(gs_table_cell(&table, 0, 1)->i, 64);
    is_near(estimate(&table, 0, "final.clean.accuracy")->mean, 15.625);
    const gs_estimate *slope = estimate(&table, 2, "final.clean.accuracy slope");
    is_near(slope->mean, 18.75); /* SciPy's linregress: the same to all digits */
    is_near(slope->spread, 2.630079411031791);
    assert_int_equal(slope->n, 6);
    gs_table_close(&table);
    t.metrics = zero_metric; /* an ablation: the clean value and the floor stand beside it, without a slope */
    table = make_table(&w, &t);
    assert_non_null(estimate(&table, 2, "final.zero_ffn.accuracy slope"));
    is_near(estimate(&table, 0, "final.clean.accuracy")->mean, 15.625);
    int beside = 0;
    for (int c = 0; c < table.column_count; c++) beside += strstr(table.columns[c].name, "clean") || strstr(table.columns[c].name, "floor");
    assert_int_equal(beside, 2);
    gs_table_close(&table);
    t = scaling(0, NULL);
    t.pool = kind_key, t.pool_count = 1;
    accepted(&w, &t);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(differences_are_paired_by_seed), cmocka_unit_test(matched_keys_are_averaged_first),
        cmocka_unit_test(mismatch_is_of_match_or_of_params_total), cmocka_unit_test(a_censored_metric_says_how_many),
        cmocka_unit_test(rows_must_name_what_varies), cmocka_unit_test(a_baseline_of_several_runs),
        cmocka_unit_test(a_baseline_that_is_not_there), cmocka_unit_test(a_row_without_its_baseline),
        cmocka_unit_test(metrics_that_no_run_gives), cmocka_unit_test(series_and_x),
        cmocka_unit_test(unequal_seeds), cmocka_unit_test(more_statistics), cmocka_unit_test(published_numbers), cmocka_unit_test(published_steps),
        cmocka_unit_test(first99_or_best), cmocka_unit_test(above_the_floor),
        cmocka_unit_test(matching_is_audited), cmocka_unit_test(slope_over_single_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
