/* The readout folded into the last matrix of the last feed-forward block. Where no norm and no dropout stands between them,
 *   logits = U (mid + sum_j w_j (W2_j h_j + b2_j)) = U mid + sum_j w_j (F_j h_j + f_j),   F_j = U W2_j (C, width),  f_j = U b2_j,
 * and F has fewer rows than W2 where there are fewer classes than d_model. From dF and df, summed over a whole batch:
 *   dW2 = U^T dF,  db2 = U^T df,  dU += dF W2^T + df b2^T. */
#include <string.h>

#include "nn_internal.h"

void gs_fold_take(gs_pass *p, const gs_config *c, const gs_dims *d)
{
    (void)c;
    gs_fold *f = &p->fold;
    size_t E = (size_t)d->E, C = (size_t)d->C, width = (size_t)d->width;
    f->w = gs_arena_take(&p->arena, E * C * width, sizeof(float));
    f->dw = gs_arena_take(&p->arena, E * C * width, sizeof(float));
    f->bias = gs_arena_take(&p->arena, E * C, sizeof(float));
    f->dbias = gs_arena_take(&p->arena, E * C, sizeof(float));
    f->packed = gs_arena_take(&p->arena, E * gs_packed_size(d->C, d->width), sizeof(float));
}

bool gs_direct(const gs_pass *p, const gs_view *view) { return p->reductions.direct && view->train; }

bool gs_folded(const gs_pass *p, int layer, const gs_view *view)
{
    return p->reductions.fold && view->train && layer == p->m->d.L - 1;
}

/* The last matrix of a block as it is. */
static gs_product unfolded(const gs_model *m, int layer, int expert)
{
    const gs_block_row *row = gs_ffn_of(&m->config)->block;
    int down = gs_block_tensor(m, layer, expert) + row->down;
    return gs_product_of(m, down, row->biased ? down + 1 : -1);
}

gs_product gs_block_up(const gs_pass *p, int layer, int expert, const gs_view *view)
{
    if (gs_direct(p, view)) return gs_reader(p, expert);
    int up = gs_block_tensor(p->m, layer, expert);
    return gs_product_of(p->m, up, gs_ffn_of(&p->m->config)->block->biased ? up + 1 : -1);
}

gs_product gs_block_down(const gs_pass *p, int layer, int expert, const gs_view *view)
{
    const gs_dims *d = &p->m->d;
    const gs_fold *f = &p->fold;
    if (!gs_folded(p, layer, view)) return unfolded(p->m, layer, expert);
    size_t e = (size_t)expert, C = (size_t)d->C, at = e * C * (size_t)d->width;
    bool biased = gs_ffn_of(&p->m->config)->block->biased;
    return (gs_product){.in = d->width, .out = d->C, .w = f->w + at, .packed = f->packed + e * gs_packed_size(d->C, d->width),
                        .bias = biased ? f->bias + e * C : NULL, .dw = f->dw + at, .dbias = biased ? f->dbias + e * C : NULL};
}

void gs_fold_begin(gs_pass *p)
{
    const gs_model *m = p->m;
    const gs_view view = {.train = true};
    int D = m->d.D, C = m->d.C, width = m->d.width, last = m->d.L - 1;
    const float *U = gs_param(m, gs_readout_tensor(m));
    for (int e = 0; p->reductions.fold && e < m->d.E; e++) {
        gs_product down = unfolded(m, last, e), f = gs_block_down(p, last, e, &view);
        float *w = p->fold.w + (size_t)e * (size_t)(C * width);
        gs_gemm(m, GS_NN, C, width, D, U, D, down.w, width, w, width, false);
        if (down.bias) gs_gemm(m, GS_NT, 1, C, D, down.bias, D, U, D, p->fold.bias + (size_t)e * (size_t)C, C, false);
        m->kernels->pack(C, width, w, width, p->fold.packed + (size_t)e * gs_packed_size(C, width));
        memset(f.dw, 0, (size_t)C * (size_t)width * sizeof *f.dw);
        if (f.dbias) memset(f.dbias, 0, (size_t)C * sizeof *f.dbias);
    }
}

void gs_fold_end(gs_pass *p)
{
    const gs_model *m = p->m;
    const gs_view view = {.train = true};
    int D = m->d.D, C = m->d.C, width = m->d.width, last = m->d.L - 1;
    gs_product read = gs_readout_product(p);
    for (int e = 0; p->reductions.fold && e < m->d.E; e++) {
        gs_product down = unfolded(m, last, e), f = gs_block_down(p, last, e, &view);
        gs_gemm(m, GS_NT, C, D, width, f.dw, width, down.w, width, read.dw, D, true);
        if (f.dbias) gs_gemm(m, GS_TN, C, D, 1, f.dbias, C, down.bias, D, read.dw, D, true);
        if (down.dw) gs_gemm(m, GS_TN, D, width, C, read.w, D, f.dw, width, down.dw, width, true);
        if (down.dbias) gs_gemm(m, GS_TN, D, 1, C, read.w, D, f.dbias, 1, down.dbias, 1, true);
    }
}

/* -- the logits of one chunk ------------------------------------------------------------------------------------------- */

/* The readout's own part: from the stream after attention, or from the heads. */
static gs_product readout(const gs_pass *p) { return p->reductions.direct ? gs_reader(p, p->m->d.E) : gs_readout_product(p); }
static const float *seen(const gs_pass *p)
{
    const gs_layer_acts *a = &p->layer[p->m->d.L - 1];
    return p->reductions.direct ? a->mix : a->mid;
}

void gs_fold_logits(gs_pass *p, const float *y, int rows)
{
    gs_product read = readout(p);
    gs_linear(p->m, &read, rows, seen(p), p->logits, read.out);
    p->m->kernels->add((size_t)rows * (size_t)read.out, y, p->logits);
}

float *gs_fold_readout(gs_pass *p, const int32_t *rows, int count)
{
    size_t C = (size_t)p->m->d.C;
    gs_readout_rows(p, rows, count);
    for (int r = 0; r < count; r++)
        if (p->row[r] != r) memcpy(p->logits + (size_t)r * C, p->logits + (size_t)p->row[r] * C, C * sizeof(float));
    return p->logits;
}

/* The gradients of the rows that have a loss go back to their places, from behind; the others are 0. */
static void spread_rows(gs_pass *p, int rows)
{
    size_t C = (size_t)p->m->d.C;
    int r = p->rows - 1;
    for (int i = rows - 1; i > r; i--) {
        float *to = p->logits + (size_t)i * C;
        if (r >= 0 && p->row[r] == i) memcpy(to, p->logits + (size_t)r-- * C, C * sizeof *to);
        else memset(to, 0, C * sizeof *to);
    }
}

void gs_fold_back(gs_pass *p)
{
    const gs_model *m = p->m;
    const gs_layer_acts *a = &p->layer[m->d.L - 1];
    int rows = p->n * (m->d.T - a->first);
    gs_product read = readout(p);
    spread_rows(p, rows);
    gs_linear_grad(m, &read, rows, p->logits, read.out, seen(p));
    gs_linear_back(m, &read, rows, p->logits, read.out, p->dx, false);
}
