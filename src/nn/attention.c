/* Dense multi-head attention of one layer. q, k and v come from one product; the heads' results stand side by side in
 * `mix` before o. Sparse kinds are further rows here. */
#include <string.h>

#include "nn_internal.h"

int gs_attention_tensors(const gs_config *c) { return gs_is(c, GS_MODEL_BIAS, 1) ? 8 : 5; }

static gs_product inputs(const gs_model *m, int tensor)
{
    return gs_product_of(m, tensor, gs_is(&m->config, GS_MODEL_BIAS, 1) ? tensor + 3 : -1);
}

gs_product gs_attention_output(const gs_model *m, int layer)
{
    int o = gs_layer_tensors(m, layer).attention + gs_attention_tensors(&m->config) - 2;
    return gs_product_of(m, o, o + 1);
}

void gs_attention_inputs(gs_pass *p, int tensor, int rows, const float *norm, float *qkv)
{
    gs_product w = inputs(p->m, tensor);
    gs_linear(p->m, &w, rows, norm, qkv, 3 * p->m->d.D);
}

/* The rows of sequence b: its own, or those of its (token, position) pairs. */
static gs_head head_of(const gs_pass *p, int layer, int b)
{
    const gs_dims *d = &p->m->d;
    const int32_t *row = layer == 0 && p->reductions.table ? p->table.row + (ptrdiff_t)b * d->T : NULL;
    return (gs_head){d->T, d->K, p->layer[layer].first, gs_is(&p->m->config, GS_MODEL_MASK, GS_MASK_CAUSAL), row, 3 * d->D};
}

typedef struct at { ptrdiff_t qkv, mix; size_t w; } at; /* where head i of the chunk begins */

static at place(const gs_pass *p, int layer, const gs_head *h, int i)
{
    const gs_dims *d = &p->m->d;
    ptrdiff_t b = i / d->N, column = (ptrdiff_t)(i % d->N) * d->K, Q = d->T - p->layer[layer].first;
    return (at){(h->row ? 0 : b * d->T * 3 * d->D) + column, b * Q * d->D + column, (size_t)i * (size_t)(Q * gs_attention_stride(d->T))};
}

/* Factors of one head's weights (Q,S), keyed as if all positions were queries. */
static float *mask_of(gs_pass *p, int layer, size_t w) { return p->layer[layer].mask_w ? p->layer[layer].mask_w + w : NULL; }

static void drop_weights(gs_pass *p, int layer, int i, const gs_view *view, float *mask)
{
    const gs_dims *d = &p->m->d;
    size_t S = (size_t)gs_attention_stride(d->T), first = (size_t)p->layer[layer].first;
    size_t head = (size_t)view->first * (size_t)d->N + (size_t)i;
    gs_drop(p->m, GS_DROP_WEIGHTS, layer, view, (head * (size_t)d->T + first) * S, ((size_t)d->T - first) * S, mask);
}

/* The next sequence's rows on their way to the cache while this one's heads are computed: a head is a narrow column of them, which no
 * prefetcher of the processor follows. */
static void fetch_next(const gs_pass *p, int i, const float *rows)
{
    ptrdiff_t count = (ptrdiff_t)p->m->d.T * 3 * p->m->d.D;
    int b = i / p->m->d.N + 1;
    if (i % p->m->d.N == 0 && b < p->n) gs_fetch(rows + b * count, (size_t)count);
}

/* Sequences whose rows stay in the cache between the products and the heads. */
static int group_of(const gs_dims *d) { return (GS_GROUP + d->T - 1) / d->T; }

/* Norm and q, k, v of the group that begins at sequence b. */
static void enter_group(gs_pass *p, int layer, int b)
{
    const gs_model *m = p->m;
    const gs_layer_acts *a = &p->layer[layer];
    gs_indices tensor = gs_layer_tensors(m, layer);
    int group = group_of(&m->d), T = m->d.T, rows = (p->n - b < group ? p->n - b : group) * T;
    ptrdiff_t first = (ptrdiff_t)b * T;
    gs_normalise(p, tensor.norm1, rows, a->x + first * m->d.D, a->norm1 + first * m->d.D, a->stats1 + first * 2);
    gs_attention_inputs(p, tensor.attention, rows, a->norm1 + first * m->d.D, a->qkv + first * 3 * m->d.D);
}

/* One head of one sequence at a time. */
static void heads_forward(gs_pass *p, int layer, const gs_view *view)
{
    const gs_model *m = p->m;
    gs_layer_acts *a = &p->layer[layer];
    bool table = layer == 0 && p->reductions.table;
    const float *qkv = table ? p->table.qkv : a->qkv;
    int D = m->d.D, group = group_of(&m->d) * m->d.N;
    for (int i = 0; i < p->n * m->d.N; i++) {
        if (!table && i % group == 0) enter_group(p, layer, i / m->d.N);
        gs_head h = head_of(p, layer, i / m->d.N);
        at to = place(p, layer, &h, i);
        float *mask = view->train ? mask_of(p, layer, to.w) : NULL;
        if (mask) drop_weights(p, layer, i, view, mask);
        const float *q = qkv + to.qkv;
        m->kernels->attention(&h, q, q + D, q + 2 * D, a->w + to.w, mask, a->mix + to.mix, D, p->attention);
    }
}

void gs_attention_forward(gs_pass *p, int layer, const gs_view *view, float *out)
{
    const gs_model *m = p->m;
    gs_layer_acts *a = &p->layer[layer];
    int D = m->d.D;
    bool resumes = gs_resumes(view, layer);
    if (resumes && view->patch->site != GS_SITE_ATTN_HEAD) {
        gs_restore(p, view, GS_SITE_ATTN_OUT, layer, out);
        gs_visit(p, view, GS_SITE_ATTN_OUT, layer, out);
        return;
    }
    if (resumes) gs_restore(p, view, GS_SITE_ATTN_HEAD, layer, a->mix);
    else if (layer == 0 && p->reductions.pairs) gs_pairs_mix(p, a->mix);
    else heads_forward(p, layer, view);
    gs_visit(p, view, GS_SITE_ATTN_HEAD, layer, a->mix);
    gs_product o = gs_attention_output(m, layer);
    gs_linear(m, &o, p->n * (m->d.T - a->first), a->mix, out, D);
    gs_visit(p, view, GS_SITE_ATTN_OUT, layer, out);
}

/* The heads of sequences b..end; dq, dk, dv of sequence b begin at dqkv, those of a table are indexed by pair. */
static void heads_backward(gs_pass *p, int layer, int b, int end, float *dqkv)
{
    const gs_model *m = p->m;
    gs_layer_acts *a = &p->layer[layer];
    bool table = layer == 0 && p->reductions.table;
    const float *qkv = table ? p->table.qkv : a->qkv;
    int D = m->d.D;
    ptrdiff_t begin = table ? 0 : (ptrdiff_t)b * m->d.T * 3 * D;
    for (int i = b * m->d.N; i < end * m->d.N; i++) {
        gs_head h = head_of(p, layer, i / m->d.N);
        at to = place(p, layer, &h, i);
        const float *q = qkv + to.qkv;
        float *dq = dqkv + (to.qkv - begin);
        if (!table) fetch_next(p, i, qkv);
        m->kernels->attention_back(&h, q, q + D, q + 2 * D, a->w + to.w, mask_of(p, layer, to.w), p->dmix + to.mix, D, dq, dq + D,
                                   dq + 2 * D, 3 * D, p->attention);
    }
}

void gs_attention_backward(gs_pass *p, int layer, const float *dout)
{
    const gs_model *m = p->m;
    gs_layer_acts *a = &p->layer[layer];
    int D = m->d.D, rows = p->n * (m->d.T - a->first);
    gs_product o = gs_attention_output(m, layer);
    gs_linear_back(m, &o, rows, dout, D, p->dmix, false);
    gs_linear_grad(m, &o, rows, dout, D, a->mix);
    if (layer == 0 && p->reductions.pairs) gs_pairs_attention_back(p, p->dmix);
    else if (layer == 0 && p->reductions.table) heads_backward(p, layer, 0, p->n, p->table.dqkv);
}

void gs_attention_inputs_back(gs_pass *p, int tensor, int rows, const float *norm, const float *dqkv, float *dx)
{
    const gs_model *m = p->m;
    gs_product w = inputs(m, tensor);
    gs_linear_grad(m, &w, rows, dqkv, w.out, norm);
    gs_linear_back(m, &w, rows, dqkv, w.out, dx, true);
}

/* Each group's dq, dk, dv are used up before the next one's take their place. */
void gs_attention_heads_back(gs_pass *p, int layer, float *dx)
{
    const gs_dims *d = &p->m->d;
    int group = group_of(d), tensor = gs_layer_tensors(p->m, layer).attention;
    for (int b = 0; b < p->n; b += group) {
        int end = b + group < p->n ? b + group : p->n, rows = (end - b) * d->T;
        ptrdiff_t first = (ptrdiff_t)b * d->T * d->D;
        memset(p->dqkv, 0, (size_t)(rows * 3 * d->D) * sizeof *p->dqkv);
        heads_backward(p, layer, b, end, p->dqkv);
        gs_attention_inputs_back(p, tensor, rows, p->layer[layer].norm1 + first, p->dqkv, dx + first);
    }
}
