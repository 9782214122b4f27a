/* What a pass left inside of its feed-forward blocks, put in the order of the tokens. */
#include <string.h>

#include "nn_internal.h"

/* Row `row` of the block's arrays. */
static const float *unit(const gs_block_acts *a, gs_hidden what, size_t row, size_t width)
{
    if (what == GS_HIDDEN_GATE) return a->gate + row * width;
    if (what == GS_HIDDEN_UP) return a->pre + (2 * row + 1) * width;
    return a->h + row * width;
}

static void scatter(const gs_layer_acts *a, const gs_dims *d, gs_hidden what, int token, float *out)
{
    size_t width = (size_t)d->width;
    for (int j = 0; j < d->k; j++) {
        int i = token * d->k + j;
        if (a->moe.place[i] < 0) continue;
        memcpy(out + (size_t)a->moe.choice[i] * width, unit(&a->block, what, (size_t)a->moe.place[i], width), width * sizeof *out);
    }
}

void gs_pass_hidden(const gs_pass *p, int layer, gs_hidden what, float *out)
{
    const gs_dims *d = &p->m->d;
    const gs_layer_acts *a = &p->layer[layer];
    bool mixture = gs_ffn_of(&p->m->config)->mixture;
    int Q = d->T - a->first; /* a mixture numbers its choices by all positions */
    size_t units = (size_t)d->width * (size_t)(mixture ? d->E : 1);
    memset(out, 0, (size_t)p->n * (size_t)(d->T - d->first) * units * sizeof *out);
    for (int i = 0; i < p->n; i++)
        for (int t = d->first; t < d->T; t++, out += units) {
            if (mixture) scatter(a, d, what, i * d->T + t, out);
            else memcpy(out, unit(&a->block, what, (size_t)(i * Q + t - a->first), units), units * sizeof *out);
        }
}

typedef struct room { float *x, *y; gs_block_acts acts; } room; /* (rows, D) both */

static void take_room(const gs_pass *p, size_t rows, gs_arena *arena, room *r)
{
    const gs_dims *d = &p->m->d;
    r->x = gs_arena_take(arena, rows * (size_t)d->D, sizeof *r->x);
    r->y = gs_arena_take(arena, rows * (size_t)d->D, sizeof *r->y);
    gs_block_acts_take(&r->acts, arena, gs_ffn_of(&p->m->config)->block, rows, (size_t)d->width);
}

/* x (rows, D): the block's inputs from position d.first on. */
static void inputs(const gs_pass *p, const gs_layer_acts *a, float *x)
{
    const gs_dims *d = &p->m->d;
    size_t D = (size_t)d->D, Q = (size_t)(d->T - d->first), skip = (size_t)(d->first - a->first);
    for (size_t i = 0; i < (size_t)p->n; i++) memcpy(x + i * Q * D, a->norm2 + (i * (Q + skip) + skip) * D, Q * D * sizeof *x);
}

void gs_pass_every_expert(const gs_pass *p, int layer, float *out)
{
    static const gs_view view = {0};
    const gs_dims *d = &p->m->d;
    size_t rows = (size_t)(p->n * (d->T - d->first)), width = (size_t)d->width, units = width * (size_t)d->E;
    gs_arena arena = {0};
    room r;
    gs_err e;
    take_room(p, rows, &arena, &r);
    if (gs_arena_open(&arena, &e)) gs_die("%s", e.text); /* of one chunk: about as large as a level-2 cache */
    take_room(p, rows, &arena, &r);
    inputs(p, &p->layer[layer], r.x);
    for (int expert = 0; expert < d->E; expert++) {
        gs_block_use use = {.m = p->m, .tensor = gs_block_tensor(p->m, layer, expert), .rows = (int)rows, .x = r.x, .a = r.acts,
                            .up = gs_block_up(p, layer, expert, &view), .down = gs_block_down(p, layer, expert, &view)};
        gs_ffn_of(&p->m->config)->block->forward(&use, r.y);
        for (size_t k = 0; k < rows; k++) memcpy(out + k * units + (size_t)expert * width, r.acts.h + k * width, width * sizeof *out);
    }
    gs_arena_close(&arena);
}
