/* The sites that an ablation reaches: what a clean pass leaves there is stored, what an ablated pass finds there is
 * replaced. */
#include <stdlib.h>
#include <string.h>

#include "nn_internal.h"

static int slot(gs_site site) { return site == GS_SITE_ATTN_HEAD ? 0 : site == GS_SITE_ATTN_OUT ? 1 : 2; }

/* One token's values of the site in a stored set: (T, D) of it at `from`. */
static void put(const gs_patch *patch, const float *from, size_t column, size_t width, float *to)
{
    if (patch->mode == GS_MODE_ZERO) memset(to + column, 0, width * sizeof *to);
    else memcpy(to + column, from + column, width * sizeof *to);
}

static const float *source(const gs_dims *d, const gs_patch *patch, int layer, int sequence)
{
    if (patch->mode == GS_MODE_ZERO) return NULL;
    if (patch->mode == GS_MODE_MEAN) return patch->clean->mean[slot(patch->site)][layer];
    return patch->clean->site[slot(patch->site)][layer] + (size_t)patch->from[sequence] * (size_t)d->T * (size_t)d->D;
}

static void replace(const gs_pass *p, const gs_view *view, int layer, float *x)
{
    const gs_dims *d = &p->m->d;
    bool head = view->patch->site == GS_SITE_ATTN_HEAD;
    size_t column = head ? (size_t)view->patch->index * (size_t)d->K : 0, width = (size_t)(head ? d->K : d->D);
    for (int i = 0; i < p->n; i++) {
        const float *from = source(d, view->patch, layer, view->first + i);
        for (int t = p->layer[layer].first; t < d->T; t++, x += d->D)
            if (!view->patch->one_position || t == view->patch->position)
                put(view->patch, from ? from + (size_t)t * (size_t)d->D : NULL, column, width, x);
    }
}

static void store(const gs_pass *p, const gs_view *view, gs_site site, int layer, const float *x)
{
    const gs_dims *d = &p->m->d;
    size_t first = (size_t)p->layer[layer].first, row = (size_t)d->T * (size_t)d->D, count = row - first * (size_t)d->D;
    float *to = view->record->site[slot(site)][layer] + (size_t)view->first * row + first * (size_t)d->D;
    for (int i = 0; i < p->n; i++) memcpy(to + (size_t)i * row, x + (size_t)i * count, count * sizeof *to);
}

void gs_restore(const gs_pass *p, const gs_view *view, gs_site site, int layer, float *x)
{
    const gs_dims *d = &p->m->d;
    size_t first = (size_t)p->layer[layer].first, row = (size_t)d->T * (size_t)d->D, count = row - first * (size_t)d->D;
    const float *from = view->patch->clean->site[slot(site)][layer] + (size_t)view->first * row + first * (size_t)d->D;
    for (int i = 0; i < p->n; i++) memcpy(x + (size_t)i * count, from + (size_t)i * row, count * sizeof *x);
}

bool gs_resumes(const gs_view *view, int layer) { return layer == 0 && view->patch && view->patch->resume && view->patch->layer <= 0; }

void gs_visit(const gs_pass *p, const gs_view *view, gs_site site, int layer, float *x)
{
    const gs_patch *patch = view->patch;
    if (view->record) store(p, view, site, layer, x);
    if (patch && patch->site == site && (patch->layer < 0 || patch->layer == layer)) replace(p, view, layer, x);
    if (view->watch) view->watch->see(view->watch, site, layer, x);
}

static void take(gs_clean *c, const gs_dims *d)
{
    size_t row = (size_t)d->T * (size_t)d->D;
    for (int s = 0; s < 3; s++)
        for (int l = 0; l < d->L; l++) {
            c->site[s][l] = gs_arena_take(&c->arena, (size_t)c->n * row, sizeof(float));
            c->mean[s][l] = gs_arena_take(&c->arena, row, sizeof(float));
        }
}

static void point(gs_clean *c, const gs_dims *d)
{
    for (int s = 0; s < 3; s++) c->site[s] = c->pointers + (size_t)s * (size_t)d->L, c->mean[s] = c->site[s] + 3 * (size_t)d->L;
}

size_t gs_clean_bytes(const gs_dims *d, int n)
{
    gs_clean c = {.n = n, .pointers = gs_alloc((size_t)d->L * 6, sizeof *c.pointers)};
    point(&c, d);
    take(&c, d);
    free(c.pointers);
    return c.arena.used;
}

int gs_clean_open(gs_clean *c, const gs_dims *d, int n, gs_err *e)
{
    *c = (gs_clean){.n = n, .pointers = gs_alloc((size_t)d->L * 6, sizeof *c->pointers)};
    point(c, d);
    take(c, d);
    if (gs_arena_open(&c->arena, e)) {
        gs_clean_close(c);
        return -1;
    }
    take(c, d);
    return 0;
}

void gs_clean_means(gs_clean *c, const gs_dims *d)
{
    size_t row = (size_t)d->T * (size_t)d->D;
    double *sum = gs_alloc(row, sizeof *sum);
    for (int s = 0; s < 3 * d->L; s++) {
        const float *x = c->site[s / d->L][s % d->L];
        float *mean = c->mean[s / d->L][s % d->L];
        memset(sum, 0, row * sizeof *sum);
        for (int i = 0; i < c->n; i++)
            for (size_t j = 0; j < row; j++) sum[j] += (double)x[(size_t)i * row + j];
        for (size_t j = 0; j < row; j++) mean[j] = (float)(sum[j] / c->n);
    }
    free(sum);
}

void gs_clean_close(gs_clean *c)
{
    gs_arena_close(&c->arena);
    free(c->pointers);
    *c = (gs_clean){0};
}
