/* gs_spec -> gs_grid: the pool's runs matched, checked, each once, with their ids and numbers. */
#include <stdlib.h>
#include <string.h>

#include "sweep/pool.h"

static int any_stays(const gs_spec *s, const gs_pool *p, gs_err *e)
{
    for (int i = 0; i < p->count; i++)
        if (p->fate[i] == GS_STAYS) return 0;
    if (s->filter_count) return gs_error(e, "%s:1:1: --set leaves no run; choose values that go together", s->path);
    gs_where at = s->exclude_count ? s->exclude[0].where : (gs_where){1, 1};
    return gs_error(e, "%s:%d:%d: exclude leaves no run; remove an entry", s->path, at.line, at.column);
}

static int check_runs(const gs_spec *s, const gs_pool *p, const gs_grid *g, gs_err *e)
{
    char words[256];
    for (int i = 0; i < p->count; i++) {
        if (p->fate[i] != GS_STAYS) continue;
        gs_run_words(s, &p->runs[i].config, g->varying, g->varying_count, words);
        if (gs_run_check(s, &p->runs[i].config, p->row[i], words, e)) return -1;
    }
    return 0;
}

static int by_id(const void *a, const void *b, void *context)
{
    const gs_run *runs = context;
    int i = *(const int *)a, j = *(const int *)b, order = strcmp(runs[i].id, runs[j].id);
    return order ? order : i - j;
}

/* Marks every run whose id an earlier one has. */
static int dedup(gs_pool *p)
{
    int *order = gs_alloc((size_t)p->count + 1, sizeof *order), count = 0, removed = 0;
    for (int i = 0; i < p->count; i++) {
        if (p->fate[i] != GS_STAYS) continue;
        gs_config_id(&p->runs[i].config, p->runs[i].id);
        order[count++] = i;
    }
    qsort_r(order, (size_t)count, sizeof *order, by_id, p->runs);
    for (int i = 1; i < count; i++) {
        if (strcmp(p->runs[order[i]].id, p->runs[order[i - 1]].id)) continue;
        p->fate[order[i]] = GS_DUPLICATE;
        removed++;
    }
    free(order);
    return removed;
}

static void set_varying(gs_grid *g, const gs_pool *p)
{
    gs_key keys[GS_KEY_COUNT];
    free(g->varying);
    g->varying_count = gs_pool_varying(p, false, keys);
    g->varying = gs_alloc((size_t)g->varying_count + 1, sizeof *g->varying);
    memcpy(g->varying, keys, (size_t)g->varying_count * sizeof *keys);
}

/* The runs that stay, moved to the front of the pool's array, which the grid takes over. */
static void take_runs(gs_grid *g, gs_pool *p)
{
    for (int i = 0; i < p->count; i++) {
        if (p->fate[i] != GS_STAYS) continue;
        if (g->count != i) p->runs[g->count] = p->runs[i];
        p->runs[g->count].index = g->count;
        g->count++;
    }
    g->runs = p->runs;
    p->runs = NULL;
}

static int build(const gs_spec *s, gs_pool *p, gs_grid *g, gs_err *e)
{
    gs_pool_hide(s, p);
    if (any_stays(s, p, e) || (s->match.given && gs_match_apply(s, p, e))) return -1;
    set_varying(g, p);
    if (check_runs(s, p, g, e)) return -1;
    g->duplicates = dedup(p);
    set_varying(g, p);
    int runs = 0;
    for (int i = 0; i < p->count; i++) runs += p->fate[i] == GS_STAYS;
    g->formula = gs_formula(s, p, runs);
    take_runs(g, p);
    return 0;
}

int gs_grid_expand(const gs_spec *s, gs_grid **out, gs_err *e)
{
    gs_pool p;
    int failed = gs_pool_make(s, false, &p, e);
    if (!failed && s->any_replaced) { /* the file was sound; now the runs that --set asks for */
        gs_pool_free(&p);
        failed = gs_pool_make(s, true, &p, e);
    }
    gs_grid *g = gs_alloc(1, sizeof *g);
    if (failed || build(s, &p, g, e)) gs_grid_close(&g);
    gs_pool_free(&p);
    *out = g;
    return g ? 0 : -1;
}

void gs_grid_close(gs_grid **grid)
{
    gs_grid *g = *grid;
    if (!g) return;
    free(g->runs);
    free(g->varying);
    free(g->formula);
    free(g);
    *grid = NULL;
}
