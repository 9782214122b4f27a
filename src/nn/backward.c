/* Backward: the residual stream in reverse, with one gradient of the stream, dx. */
#include <string.h>

#include "nn_internal.h"

static bool has_norm(const gs_model *m) { return gs_int(&m->config, GS_MODEL_NORM) != GS_NORM_NONE; }

/* dy: gradient of the normalised rows; dx +=. */
void gs_normalise_back(const gs_pass *p, int tensor, int rows, const float *x, const float *stats, const float *dy, float *dx)
{
    const gs_model *m = p->m;
    int kind = (int)gs_int(&m->config, GS_MODEL_NORM);
    m->kernels->norm_back(kind, rows, m->d.D, x, gs_param(m, tensor), stats, dy, dx, gs_grad(m, tensor),
                          kind == GS_NORM_LAYER ? gs_grad(m, tensor + 1) : NULL);
}

/* Logits' gradient -> dx of the last stream (Mq,D). */
static void readout_back(gs_pass *p)
{
    const gs_model *m = p->m;
    int D = m->d.D;
    gs_product w = gs_readout_product(p);
    size_t size = (size_t)D * sizeof(float), rows = (size_t)(p->n * (m->d.T - p->layer[m->d.L - 1].first));
    gs_linear_grad(m, &w, p->rows, p->logits, w.out, p->read_norm);
    gs_linear_back(m, &w, p->rows, p->logits, w.out, p->dnorm, false);
    float *from = p->dnorm;
    if (has_norm(m)) {
        from = p->dmix; /* free until attention's backward */
        memset(from, 0, (size_t)p->rows * size);
        gs_normalise_back(p, gs_layer_tensors(m, m->d.L).norm1, p->rows, p->read, p->read_stats, p->dnorm, from);
    }
    memset(p->dx, 0, rows * size);
    for (int r = 0; r < p->rows; r++) memcpy(p->dx + (ptrdiff_t)p->row[r] * D, from + (ptrdiff_t)r * D, size);
}

/* The gradient of a block's output: that of the stream, times the dropout factor. */
static const float *through(gs_pass *p, int rows, const float *mask, float *room)
{
    if (!mask) return p->dx;
    p->m->kernels->product((size_t)rows * (size_t)p->m->d.D, p->dx, mask, room);
    return room;
}

static void ffn_back(gs_pass *p, int layer, const int32_t *tokens, const gs_view *view, const gs_routing *routing)
{
    const gs_model *m = p->m;
    gs_layer_acts *a = &p->layer[layer];
    gs_indices at = gs_layer_tensors(m, layer);
    int rows = p->n * (m->d.T - a->first);
    bool folded = gs_folded(p, layer, view);
    gs_ffn_use u = {p, layer, at.ffn, tokens, gs_direct(p, view) ? a->mix : a->norm2, rows, folded ? m->d.C : m->d.D, view};
    const float *dy = folded ? p->logits : through(p, rows, a->mask_ffn, p->dmix);
    if (!has_norm(m)) {
        gs_ffn_of(&m->config)->backward(&u, dy, p->dx, routing);
        return;
    }
    memset(p->dnorm, 0, (size_t)rows * (size_t)m->d.D * sizeof *p->dnorm);
    gs_ffn_of(&m->config)->backward(&u, dy, p->dnorm, routing);
    gs_normalise_back(p, at.norm2, rows, a->mid, a->stats2, p->dnorm, p->dx);
}

/* dx of the kept rows becomes that of all rows: the others get nothing through the residual sum. From behind, in place. */
static void spread(gs_pass *p, int layer)
{
    int T = p->m->d.T, first = p->layer[layer].first;
    size_t D = (size_t)p->m->d.D;
    for (int b = p->n - 1; first && b >= 0; b--) {
        float *to = p->dx + (size_t)(b * T) * D;
        memmove(to + (size_t)first * D, p->dx + (size_t)(b * (T - first)) * D, (size_t)(T - first) * D * sizeof *to);
        memset(to, 0, (size_t)first * D * sizeof *to);
    }
}

static void attention_back(gs_pass *p, int layer)
{
    const gs_model *m = p->m;
    gs_layer_acts *a = &p->layer[layer];
    gs_indices at = gs_layer_tensors(m, layer);
    size_t D = (size_t)m->d.D, M = (size_t)(p->n * m->d.T);
    const float *dout = through(p, p->n * (m->d.T - a->first), a->mask_attn, p->layer[layer + 1].x);
    gs_attention_backward(p, layer, dout);
    spread(p, layer);
    if (!has_norm(m)) {
        gs_attention_heads_back(p, layer, p->dx);
        return;
    }
    memset(p->dnorm, 0, M * D * sizeof *p->dnorm);
    gs_attention_heads_back(p, layer, p->dnorm);
    gs_normalise_back(p, at.norm1, (int)M, a->x, a->stats1, p->dnorm, p->dx);
}

void gs_embed_back(const gs_pass *p, int token, int position, const float *dx)
{
    const gs_model *m = p->m;
    size_t D = (size_t)m->d.D;
    m->kernels->add(D, dx, gs_grad(m, 0) + (size_t)token * D);
    m->kernels->add(D, dx, gs_grad(m, 1) + (size_t)position * D);
}

/* The gradients of one chunk, summed by (token, position) pair. */
static void pairs_back(gs_pass *p)
{
    const gs_model *m = p->m;
    gs_layer_acts *a = &p->layer[0];
    int T = m->d.T, rows = p->n * (T - a->first);
    size_t D = (size_t)m->d.D;
    if (p->reductions.direct) { /* dx is the gradient of the heads; the rest of the stream's is in the readers */
        gs_pairs_attention_back(p, p->dx);
        return;
    }
    gs_attention_backward(p, 0, through(p, rows, a->mask_attn, p->layer[1].x));
    const float *from = p->dx;
    for (int b = 0; b < p->n; b++)
        for (int t = a->first; t < T; t++, from += D) m->kernels->add(D, from, p->table.dx + (size_t)p->table.row[b * T + t] * D);
}

void gs_backward(gs_pass *p, const int32_t *tokens, const gs_view *view, const gs_routing *routing)
{
    const gs_model *m = p->m;
    if (p->reductions.fold) gs_fold_back(p);
    else readout_back(p);
    for (int l = m->d.L - 1; l >= 0; l--) {
        ffn_back(p, l, tokens, view, routing);
        if (l == 0 && p->reductions.table) pairs_back(p);
        else attention_back(p, l);
    }
    if (p->reductions.table) return;
    int M = p->n * m->d.T;
    if (p->mask_embed) m->kernels->multiply((size_t)M * (size_t)m->d.D, p->mask_embed, p->dx);
    for (int i = 0; i < M; i++) gs_embed_back(p, tokens[i], i % m->d.T, p->dx + (ptrdiff_t)i * m->d.D);
}
