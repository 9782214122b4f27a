/* gs_spec -> gs_grid: the pool's runs matched, checked, each once, with their ids and numbers. */
#include <stdlib.h>
#include <string.h>

#include "sweep/pool.h"
#include "sweep/read.h"

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
    gs_config c;
    for (int i = 0; i < p->count; i++) {
        if (p->fate[i] != GS_STAYS) continue;
        gs_configs_get(&p->configs, i, &c);
        if (gs_run_check(s, &c, p->row[i], g->varying, g->varying_count, e)) return -1;
    }
    return 0;
}

static gs_hash *ids_of(const gs_pool *p)
{
    gs_hash *ids = gs_alloc((size_t)p->count, sizeof *ids);
    gs_identity *w = gs_identity_open();
    gs_config c;
    for (int i = 0; i < p->count; i++) {
        if (p->fate[i] != GS_STAYS) continue;
        gs_configs_get(&p->configs, i, &c);
        ids[i] = gs_identity_of(w, &c);
    }
    gs_identity_close(&w);
    return ids;
}

static bool same_id(gs_hash a, gs_hash b) { return a.low == b.low && a.high == b.high; }

/* Marks every run whose id an earlier one has. */
static int dedup(gs_pool *p, const gs_hash *ids)
{
    size_t slots = 64;
    int removed = 0;
    while (slots < 2 * (size_t)p->count) slots *= 2;
    int *slot = gs_alloc(slots, sizeof *slot); /* run + 1, 0: free */
    for (int i = 0; i < p->count; i++) {
        if (p->fate[i] != GS_STAYS) continue;
        size_t at = ids[i].low & (slots - 1);
        while (slot[at] && !same_id(ids[slot[at] - 1], ids[i])) at = (at + 1) & (slots - 1);
        if (slot[at]) {
            p->fate[i] = GS_DUPLICATE;
            removed++;
        } else {
            slot[at] = i + 1;
        }
    }
    free(slot);
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

/* The runs that stay; the grid takes the pool's configs over. */
static void take_runs(gs_grid *g, gs_pool *p, gs_hash *ids)
{
    int *order = gs_alloc((size_t)p->count, sizeof *order);
    for (int i = 0; i < p->count; i++) {
        if (p->fate[i] != GS_STAYS) continue;
        ids[g->count] = ids[i];
        if (p->mismatch) p->mismatch[g->count] = p->mismatch[i];
        order[g->count++] = i;
    }
    gs_configs_keep(&p->configs, order, g->count);
    free(order);
    g->configs = p->configs;
    g->ids = gs_grow(ids, (size_t)g->count, sizeof *ids);
    g->mismatch = p->mismatch;
    p->configs = (gs_configs){0};
    p->mismatch = NULL;
}

static int build(const gs_spec *s, gs_pool *p, gs_grid *g, gs_err *e)
{
    gs_pool_hide(s, p);
    if (any_stays(s, p, e) || (s->match.given && gs_match_apply(s, p, e))) return -1;
    set_varying(g, p);
    if (check_runs(s, p, g, e)) return -1;
    gs_hash *ids = ids_of(p);
    g->duplicates = dedup(p, ids);
    set_varying(g, p);
    int runs = 0;
    for (int i = 0; i < p->count; i++) runs += p->fate[i] == GS_STAYS;
    g->formula = gs_formula(s, p, runs);
    take_runs(g, p, ids);
    return 0;
}

/* A probe that applies to no run is a mistake, like every selector that matches nothing; --set may have hidden its runs. */
static int check_probes(const gs_spec *s, const gs_grid *g, gs_err *e)
{
    gs_config c;
    uint32_t left = gs_spec_narrowed(s) ? 0 : s->wanted.probes;
    for (int i = 0; i < g->count && left; i++) {
        gs_run_config((gs_run){g, i}, &c);
        for (int k = 0; gs_probes[k]; k++)
            if (left >> k & 1 && gs_probes[k]->applies(&c)) left &= ~(UINT32_C(1) << k);
    }
    if (!left) return 0;
    const gs_probe *probe = gs_probes[__builtin_ctz(left)];
    return gs_fail(&(gs_reader){s->path, e}, s->probe_where, "probe: %s is of %s, and no run of the sweep is one; remove it", probe->name,
                   probe->when);
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
    if (failed || build(s, &p, g, e) || check_probes(s, g, e)) gs_grid_close(&g);
    gs_pool_free(&p);
    *out = g;
    return g ? 0 : -1;
}
