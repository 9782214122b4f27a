/* The operator table of the feed-forward kinds, and the kinds that are one block for all tokens. */
#include "nn_internal.h"

static void declare_one(gs_layout *l, const gs_config *c, const gs_dims *d, const char *at)
{
    gs_ffn_of(c)->block->declare(l, at, d->D, d->width);
}

static void take_one(gs_layer_acts *a, gs_arena *arena, const gs_config *c, const gs_dims *d, size_t tokens)
{
    gs_block_acts_take(&a->block, arena, gs_ffn_of(c)->block, tokens, (size_t)d->width);
}

static gs_block_use one(const gs_ffn_use *u)
{
    gs_layer_acts *a = &u->p->layer[u->layer];
    return (gs_block_use){.m = u->p->m, .tensor = u->tensor, .rows = u->rows, .x = u->x, .a = a->block, .dh = u->p->dh,
                          .up = gs_block_up(u->p, u->layer, 0, u->view), .down = gs_block_down(u->p, u->layer, 0, u->view),
                          .mask = u->view->train ? a->mask_h : NULL, .train = u->view->train};
}

static void forward_one(const gs_ffn_use *u, float *y, gs_routing *routing)
{
    (void)routing;
    const gs_model *m = u->p->m;
    gs_block_use b = one(u);
    if (b.mask) gs_drop_rows(u->p, GS_DROP_HIDDEN, u->layer, u->view, m->d.width, u->p->layer[u->layer].mask_h);
    gs_ffn_of(&m->config)->block->forward(&b, y);
}

static void backward_one(const gs_ffn_use *u, const float *dy, float *dx, const gs_routing *routing)
{
    (void)routing;
    gs_block_use b = one(u);
    gs_ffn_of(&u->p->m->config)->block->backward(&b, dy, dx);
}

static const gs_ffn_row rows[] = {
    [GS_FFN_DENSE] = {"dense", &gs_block_dense, false, declare_one, take_one, forward_one, backward_one},
    [GS_FFN_GLU] = {"glu", &gs_block_glu, false, declare_one, take_one, forward_one, backward_one},
    [GS_FFN_MOE] = {"moe", &gs_block_dense, true, gs_moe_declare, gs_moe_take, gs_moe_forward, gs_moe_backward},
    [GS_FFN_MOE_GLU] = {"moe_glu", &gs_block_glu, true, gs_moe_declare, gs_moe_take, gs_moe_forward, gs_moe_backward}};

const gs_ffn_row *gs_ffn_of(const gs_config *c) { return &rows[c->v[GS_FFN_KIND].i]; }

int gs_block_tensor(const gs_model *m, int layer, int expert)
{
    return gs_layer_tensors(m, layer).ffn + gs_has_router(&m->config) + expert * gs_ffn_of(&m->config)->block->tensors;
}

void gs_block_acts_take(gs_block_acts *a, gs_arena *arena, const gs_block_row *row, size_t count, size_t width)
{
    if (row->gated) {
        a->pre = gs_arena_take(arena, count * width * 2, sizeof *a->pre);
        a->gate = gs_arena_take(arena, count * width, sizeof *a->gate);
    }
    a->h = gs_arena_take(arena, count * width, sizeof *a->h);
    a->d = gs_arena_take(arena, count * width, sizeof *a->d);
}

gs_block_acts gs_block_acts_at(const gs_block_acts *a, size_t first, size_t width)
{
    gs_block_acts b = *a;
    if (b.pre) b.pre += first * width * 2, b.gate += first * width;
    b.h += first * width;
    b.d += first * width;
    return b;
}
