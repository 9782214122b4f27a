/* Tables from hand-made grids and records: what is pooled, paired and refused, and the exact text of every format. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tables/table.h"

enum { RUNS_MOST = 64 };

typedef struct world {
    gs_grid grid;
    gs_run runs[RUNS_MOST];
    gs_key varying[GS_KEY_COUNT];
    gs_counts counts[RUNS_MOST];
    gs_metrics metrics[RUNS_MOST];
    gs_point points[RUNS_MOST];
    gs_context context;
} world;

static void open_world(world *w)
{
    memset(w, 0, sizeof *w);
    w->grid = (gs_grid){.runs = w->runs, .varying = w->varying};
    w->context = (gs_context){.path = "s.yaml", .grid = &w->grid, .ablate = GS_ABLATE(GS_SITE_FFN_OUT, GS_MODE_ZERO)};
}

static void close_world(world *w)
{
    for (int i = 0; i < w->grid.count; i++) gs_metrics_free(&w->metrics[i]);
}

/* One more run; its parameters follow from its width so that mismatches are round. */
static gs_config *add_run(world *w, int kind, int64_t width, int64_t seed)
{
    int i = w->grid.count++;
    gs_config *c = &w->runs[i].config;
    gs_config_defaults(GS_TASK_ADDITION, c);
    c->v[GS_FFN_KIND].i = kind;
    c->v[GS_FFN_WIDTH].i = width;
    c->v[GS_SEED].i = seed;
    gs_config_canonical(c);
    w->runs[i].index = i;
    snprintf(w->runs[i].id, sizeof w->runs[i].id, "%032d", i);
    w->counts[i] = (gs_counts){.params_total = 1000 + 100 * width, .params_active = 1000 + 50 * width, .flops_per_token = 2000 + 200 * width};
    w->points[i] = (gs_point){.run = &w->runs[i], .counts = &w->counts[i], .metrics = &w->metrics[i]};
    return c;
}

static bool varies(const world *w, gs_key key)
{
    gs_keyset one = {1, {key}};
    for (int i = 1; i < w->grid.count; i++)
        if (gs_keys_compare(&one, &w->runs[0].config, &w->runs[i].config)) return true;
    return false;
}

static void find_varying(world *w)
{
    w->grid.varying_count = 0;
    for (int key = 0; key < GS_KEY_COUNT; key++)
        if (varies(w, key)) w->varying[w->grid.varying_count++] = key;
}

static void measure(world *w, int run, double clean, double zero_ffn)
{
    gs_metrics_set(&w->metrics[run], clean, "final.clean.accuracy");
    gs_metrics_set(&w->metrics[run], zero_ffn, "final.zero_ffn.accuracy");
    gs_metrics_set(&w->metrics[run], 0.32325, "final.floor.accuracy");
}

/* dense 256 (the baseline), glu 170 (matched, -0.1 %), moe 256: two seeds each. */
static void three_arms(world *w)
{
    static const int kinds[] = {GS_FFN_DENSE, GS_FFN_GLU, GS_FFN_MOE};
    static const double clean[3][2] = {{1, 0.5}, {0.75, 1}, {1, 1}}, zero[3][2] = {{0.125, 0.25}, {0.125, 0.125}, {0.5, 0.375}};
    open_world(w);
    for (int arm = 0; arm < 3; arm++)
        for (int seed = 0; seed < 2; seed++) {
            add_run(w, kinds[arm], arm == 1 ? 170 : 256, seed);
            int i = w->grid.count - 1;
            measure(w, i, clean[arm][seed], zero[arm][seed]);
            w->runs[i].matched = arm == 1;
            w->runs[i].mismatch = arm == 1 ? -0.001 : 0;
        }
    find_varying(w);
}

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

static gs_table make(const world *w, const gs_table_spec *t)
{
    gs_err e;
    gs_table table = {0};
    bool built;
    if (gs_table_make(&w->context, t, w->points, w->grid.count, &table, &built, &e)) fail_msg("%s", e.text);
    assert_true(built);
    return table;
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

static void emitted(const gs_table *t, void (*emit)(const gs_table *, gs_buf *), const char *want)
{
    gs_buf out = {0};
    emit(t, &out);
    assert_string_equal(out.text, want);
    gs_buf_free(&out);
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
