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

/* y (GS_GROUP, D) and the activations of as many rows. */
static float *take_group(const gs_pass *p, gs_arena *arena, gs_block_acts *a)
{
    const gs_dims *d = &p->m->d;
    gs_block_acts_take(a, arena, gs_ffn_of(&p->m->config)->block, GS_GROUP, (size_t)d->width);
    return gs_arena_take(arena, (size_t)GS_GROUP * (size_t)d->D, sizeof(float));
}

/* Rows first..first+count of the layer to their places in out, if they are read out. */
static void place_units(const gs_pass *p, const gs_layer_acts *a, int expert, int first, int count, const float *h, float *out)
{
    const gs_dims *d = &p->m->d;
    int Q = d->T - a->first, skip = d->first - a->first;
    size_t width = (size_t)d->width;
    for (int r = first; r < first + count; r++, h += width) {
        if (r % Q < skip) continue;
        size_t to = (size_t)(r / Q * (Q - skip) + r % Q - skip);
        memcpy(out + (to * (size_t)d->E + (size_t)expert) * width, h, width * sizeof *out);
    }
}

void gs_pass_every_expert(const gs_pass *p, int layer, float *out)
{
    static const gs_view view = {0};
    const gs_dims *d = &p->m->d;
    const gs_layer_acts *a = &p->layer[layer];
    int rows = p->n * (d->T - a->first);
    gs_arena arena = {0};
    gs_block_acts acts;
    gs_err e;
    take_group(p, &arena, &acts);
    if (gs_arena_open(&arena, &e)) gs_die("%s", e.text);
    float *y = take_group(p, &arena, &acts);
    for (int expert = 0; expert < d->E; expert++)
        for (int first = 0; first < rows; first += GS_GROUP) {
            int count = rows - first < GS_GROUP ? rows - first : GS_GROUP;
            gs_block_use use = {.m = p->m, .tensor = gs_block_tensor(p->m, layer, expert), .rows = count, .a = acts,
                                .x = a->norm2 + (ptrdiff_t)first * d->D,
                                .up = gs_block_up(p, layer, expert, &view), .down = gs_block_down(p, layer, expert, &view)};
            gs_ffn_of(&p->m->config)->block->forward(&use, y);
            place_units(p, a, expert, first, count, acts.h, out);
        }
    gs_arena_close(&arena);
}
