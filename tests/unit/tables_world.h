/* Grids and records made by hand, for the tests of the tables. */
#ifndef GS_TESTS_TABLES_WORLD_H
#define GS_TESTS_TABLES_WORLD_H
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tables/table.h"

enum { RUNS_MOST = 64 };

typedef struct world {
    gs_grid grid;
    gs_config configs[RUNS_MOST]; /* settle() makes the grid of them */
    gs_hash ids[RUNS_MOST];
    double mismatch[RUNS_MOST];
    gs_key varying[GS_KEY_COUNT];
    gs_counts counts[RUNS_MOST];
    gs_metrics metrics[RUNS_MOST];
    gs_point points[RUNS_MOST];
    gs_context context;
} world;

static inline void open_world(world *w)
{
    memset(w, 0, sizeof *w);
    w->grid = (gs_grid){.ids = w->ids, .mismatch = w->mismatch, .varying = w->varying};
    w->context = (gs_context){.path = "s.yaml", .grid = &w->grid, .wanted = {.ablate = GS_ABLATE(GS_SITE_FFN_OUT, GS_MODE_ZERO)}};
}

static inline void close_world(world *w)
{
    for (int i = 0; i < w->grid.count; i++) gs_metrics_free(&w->metrics[i]);
    gs_configs_free(&w->grid.configs);
}

/* Once more after a test has changed a config. */
static inline void settle(world *w)
{
    gs_configs_free(&w->grid.configs);
    for (int i = 0; i < w->grid.count; i++) gs_configs_add(&w->grid.configs, &w->configs[i]);
}

/* One more run; its parameters follow from its width so that mismatches are round. */
static inline gs_config *add_run(world *w, int kind, int64_t width, int64_t seed)
{
    int i = w->grid.count++;
    gs_config *c = &w->configs[i];
    gs_config_defaults(GS_TASK_ADDITION, c);
    c->v[GS_FFN_KIND].i = kind;
    c->v[GS_FFN_WIDTH].i = width;
    c->v[GS_SEED].i = seed;
    gs_config_canonical(c);
    w->ids[i] = (gs_hash){0, (uint64_t)i};
    w->mismatch[i] = NAN;
    w->counts[i] = (gs_counts){.params_total = 1000 + 100 * width, .params_active = 1000 + 50 * width,
                               .flops_per_token = 2000 + 200 * width};
    w->points[i] = (gs_point){.run = {&w->grid, i}, .counts = &w->counts[i], .metrics = &w->metrics[i]};
    return c;
}

static inline bool varies(const world *w, gs_key key)
{
    gs_keyset one = {1, {key}};
    for (int i = 1; i < w->grid.count; i++)
        if (gs_keys_compare(&one, (gs_run){&w->grid, 0}, (gs_run){&w->grid, i})) return true;
    return false;
}

static inline void find_varying(world *w)
{
    settle(w);
    w->grid.varying_count = 0;
    for (int key = 0; key < GS_KEY_COUNT; key++)
        if (varies(w, key)) w->varying[w->grid.varying_count++] = key;
}

static inline void measure(world *w, int run, double clean, double zero_ffn)
{
    gs_metrics_set(&w->metrics[run], clean, "final.clean.accuracy");
    gs_metrics_set(&w->metrics[run], zero_ffn, "final.zero_ffn.accuracy");
    gs_metrics_set(&w->metrics[run], 0.32325, "final.floor.accuracy");
}

/* dense 256 (the baseline), glu 170 (matched, -0.1 %), moe 256: two seeds each. */
static inline void three_arms(world *w)
{
    static const int kinds[] = {GS_FFN_DENSE, GS_FFN_GLU, GS_FFN_MOE};
    static const double clean[3][2] = {{1, 0.5}, {0.75, 1}, {1, 1}}, zero[3][2] = {{0.125, 0.25}, {0.125, 0.125}, {0.5, 0.375}};
    open_world(w);
    for (int arm = 0; arm < 3; arm++)
        for (int seed = 0; seed < 2; seed++) {
            add_run(w, kinds[arm], arm == 1 ? 170 : 256, seed);
            int i = w->grid.count - 1;
            measure(w, i, clean[arm][seed], zero[arm][seed]);
            w->mismatch[i] = arm == 1 ? -0.001 : NAN;
        }
    find_varying(w);
}

static inline gs_table make_table(const world *w, const gs_table_spec *t)
{
    gs_err e;
    gs_table table = {0};
    bool built;
    if (gs_table_make(&w->context, t, w->points, w->grid.count, &table, &built, NULL, &e)) fail_msg("%s", e.text);
    assert_true(built);
    return table;
}
#endif
