/* moe, moe_glu: E blocks of width floor(H / E) behind a router. Assignments are sorted by expert (stable), so that an expert is
 * one product over adjacent rows; no capacity limit, no dropped token. y = sum_j w_j block_j(x);
 * backward: d block_j = w_j dy, dw_j = dy . block_j(x). */
#include <stdlib.h>
#include <string.h>

#include "nn_internal.h"

void gs_moe_declare(gs_layout *l, const gs_config *c, const gs_dims *d, const char *at)
{
    bool frozen = l->frozen;
    if (gs_has_router(c)) {
        l->frozen = frozen || gs_is(c, GS_ROUTER_MODE, GS_ROUTER_FROZEN);
        gs_declare(l, GS_ROLE_WEIGHT, d->E, d->D, d->D, "%s.router.weight", at);
        l->frozen = frozen;
    }
    l->expert = true;
    for (int e = 0; e < d->E; e++) {
        char *name = gs_text("%s.experts.%d", at, e);
        gs_ffn_of(c)->block->declare(l, name, d->D, d->width);
        free(name);
    }
    l->expert = false;
}

void gs_moe_take(gs_layer_acts *a, gs_arena *arena, const gs_config *c, const gs_dims *d, size_t tokens)
{
    gs_moe_acts *m = &a->moe;
    size_t E = (size_t)d->E, rows = tokens * (size_t)d->k; /* that meet experts; all positions are routed */
    tokens = tokens / (size_t)(d->T - a->first) * (size_t)d->T;
    size_t choices = tokens * (size_t)d->k;
    if (gs_has_router(c)) {
        m->p = gs_arena_take(arena, tokens * E, sizeof *m->p);
        m->dp = gs_arena_take(arena, tokens * E, sizeof *m->dp);
        m->lse = gs_arena_take(arena, tokens, sizeof *m->lse);
    }
    m->choice = gs_arena_take(arena, choices, sizeof *m->choice);
    m->weight = gs_arena_take(arena, choices, sizeof *m->weight);
    m->dweight = gs_arena_take(arena, choices, sizeof *m->dweight);
    m->place = gs_arena_take(arena, choices, sizeof *m->place);
    m->token = gs_arena_take(arena, rows, sizeof *m->token);
    m->row = gs_arena_take(arena, rows, sizeof *m->row);
    m->first = gs_arena_take(arena, E + 1, sizeof *m->first);
    m->x = gs_arena_take(arena, rows * (size_t)d->D, sizeof *m->x);
    m->y = gs_arena_take(arena, rows * (size_t)d->D, sizeof *m->y);
    gs_block_acts_take(&a->block, arena, gs_ffn_of(c)->block, rows, (size_t)d->width);
}

/* Where assignment i, of a row in x, goes. */
static void take_place(const gs_ffn_use *u, gs_moe_acts *a, int i, int row, int32_t *next)
{
    int32_t to = next[a->choice[i]]++;
    a->place[i] = to;
    a->token[to] = row;
    if (gs_direct(u->p, u->view)) a->row[to] = u->p->readers.row[row];
}

/* Positions before `skip` meet no expert: nothing reads what would come out. Their place is -1. Rows of x begin at the first query. */
static void sort_by_expert(const gs_ffn_use *u, gs_moe_acts *a, int skip)
{
    const gs_dims *d = &u->p->m->d;
    int n = u->p->n, T = d->T, k = d->k, first = u->p->layer[u->layer].first;
    memset(a->first, 0, (size_t)(d->E + 1) * sizeof *a->first);
    for (int b = 0; b < n; b++)
        for (int i = (b * T + skip) * k; i < (b + 1) * T * k; i++) a->first[a->choice[i] + 1]++;
    for (int e = 0; e < d->E; e++) a->first[e + 1] += a->first[e];
    int32_t next[256];
    memcpy(next, a->first, (size_t)d->E * sizeof *next);
    memset(a->place, 0xff, (size_t)(n * T * k) * sizeof *a->place);
    for (int b = 0; b < n; b++)
        for (int t = skip; t < T; t++)
            for (int j = 0; j < k; j++) take_place(u, a, (b * T + t) * k + j, b * (T - first) + t - first, next);
}

/* The group of rows that begins at sorted row `first` of expert e. Its hidden values are read and written as narrow columns. */
static gs_block_use expert(const gs_ffn_use *u, int e, int first)
{
    const gs_model *m = u->p->m;
    gs_layer_acts *a = &u->p->layer[u->layer];
    int left = a->moe.first[e + 1] - first, width = m->d.width, D = m->d.D;
    gs_product up = gs_block_up(u->p, u->layer, e, u->view);
    if (up.base) up.row = a->moe.row + first;
    int rows = left < GS_GROUP * 3 / 2 ? left : GS_GROUP; /* no short last one: it would run slower */
    gs_block_acts acts = gs_block_acts_at(&a->block, (size_t)first, (size_t)width);
    return (gs_block_use){.m = u->p->m,
                          .tensor = gs_block_tensor(m, u->layer, e),
                          .up = up,
                          .down = gs_block_down(u->p, u->layer, e, u->view),
                          .rows = rows,
                          .x = a->moe.x + (ptrdiff_t)first * D,
                          .a = acts,
                          .mask = u->view->train && a->mask_h ? a->mask_h + (ptrdiff_t)first * width : NULL,
                          .dh = u->p->dh,
                          .train = u->view->train,
                          .alone = true};
}

/* Keyed by the assignment, not by its place after sorting. */
static void drop_hidden(const gs_ffn_use *u, int tokens)
{
    const gs_dims *d = &u->p->m->d;
    gs_layer_acts *a = &u->p->layer[u->layer];
    size_t base = (size_t)u->view->first * (size_t)(d->T * d->k), width = (size_t)d->width;
    for (int i = 0; i < tokens * d->k; i++) {
        if (a->moe.place[i] < 0) continue;
        float *mask = a->mask_h + (size_t)a->moe.place[i] * width;
        gs_drop(u->p->m, GS_DROP_HIDDEN, u->layer, u->view, (base + (size_t)i) * width, width, mask);
    }
}

static bool ablated(const gs_ffn_use *u, int e)
{
    const gs_patch *p = u->view->patch;
    return p && p->site == GS_SITE_FFN_EXPERT && p->index == e && (p->layer < 0 || p->layer == u->layer);
}

/* With one expert a token and weights that sum to 1 the weight is the constant 1: values are moved, and it has no gradient. */
static bool moves(const gs_model *m) { return m->d.k == 1 && !gs_is(&m->config, GS_ROUTER_GATE, GS_GATE_RAW); }

/* y = sum of w_j times the sorted outputs */
static void outputs(const gs_ffn_use *u, const gs_moe_acts *a, float *y)
{
    const gs_model *m = u->p->m;
    size_t out = (size_t)u->out;
    if (!moves(m) || a->first[m->d.E] < u->rows) memset(y, 0, (size_t)u->rows * out * sizeof *y);
    for (int i = 0; i < u->p->n * m->d.T * m->d.k; i++) {
        if (a->place[i] < 0) continue;
        const float *from = a->y + (size_t)a->place[i] * out;
        float *to = y + (size_t)a->token[a->place[i]] * out;
        if (moves(m)) memcpy(to, from, out * sizeof *to);
        else m->kernels->scale_add(out, a->weight[i], from, to);
    }
}

void gs_moe_forward(const gs_ffn_use *u, float *y, gs_routing *routing)
{
    const gs_model *m = u->p->m;
    gs_moe_acts *a = &u->p->layer[u->layer].moe;
    int tokens = u->p->n * m->d.T;
    bool last = u->layer == m->d.L - 1;
    size_t D = (size_t)m->d.D, out = (size_t)u->out;
    gs_route(u, a, tokens, routing);
    if (last && u->view->routes_only) return;
    sort_by_expert(u, a, last ? u->p->reductions.first : 0);
    for (int r = 0; r < a->first[m->d.E]; r++) memcpy(a->x + (size_t)r * D, u->x + (size_t)a->token[r] * D, D * sizeof *y);
    if (u->view->train && u->p->layer[u->layer].mask_h) drop_hidden(u, tokens);
    for (int e = 0; e < m->d.E; e++)
        for (int r = a->first[e]; r < a->first[e + 1];) {
            gs_block_use b = expert(u, e, r);
            float *to = a->y + (size_t)r * out;
            if (ablated(u, e)) memset(to, 0, (size_t)b.rows * out * sizeof *to);
            else gs_ffn_of(&m->config)->block->forward(&b, to);
            r += b.rows;
        }
    outputs(u, a, y);
}

/* dweight, and the gradient of each sorted output: d block_j = w_j dy */
static void outputs_back(const gs_ffn_use *u, gs_moe_acts *a, const float *dy, float *dsorted)
{
    const gs_model *m = u->p->m;
    size_t out = (size_t)u->out;
    if (!moves(m)) memset(dsorted, 0, (size_t)a->first[m->d.E] * out * sizeof *dsorted);
    for (int i = 0; i < u->p->n * m->d.T * m->d.k; i++) {
        a->dweight[i] = 0;
        if (a->place[i] < 0) continue;
        const float *from = dy + (size_t)a->token[a->place[i]] * out;
        float *to = dsorted + (size_t)a->place[i] * out;
        if (moves(m)) {
            memcpy(to, from, out * sizeof *to);
            continue;
        }
        a->dweight[i] = m->kernels->dot(out, from, a->y + (size_t)a->place[i] * out);
        m->kernels->scale_add(out, a->weight[i], from, to);
    }
}

void gs_moe_backward(const gs_ffn_use *u, const float *dy, float *dx, const gs_routing *routing)
{
    const gs_model *m = u->p->m;
    gs_moe_acts *a = &u->p->layer[u->layer].moe;
    size_t D = (size_t)m->d.D;
    float *dsorted = u->p->sorted;
    outputs_back(u, a, dy, dsorted);
    for (int e = 0; e < m->d.E; e++)
        for (int r = a->first[e]; r < a->first[e + 1];) {
            gs_block_use b = expert(u, e, r);
            float *to = a->y + (size_t)r * D; /* its values are used up: now the gradient of x, sorted */
            gs_ffn_of(&m->config)->block->backward(&b, dsorted + (size_t)r * (size_t)u->out, to);
            r += b.rows;
        }
    int tokens = u->p->n * m->d.T;
    for (int i = 0; i < tokens * m->d.k; i++)
        if (a->place[i] >= 0) m->kernels->add(D, a->y + (size_t)a->place[i] * D, dx + (size_t)a->token[a->place[i]] * D);
    if (a->p) gs_route_back(u, a, tokens, dx, routing);
}
