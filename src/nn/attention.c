/* Dense multi-head attention of one layer. q, k and v come from one product; the heads' results stand side by side in
 * `mix` before o. Sparse kinds are further rows here. */
#include "nn_internal.h"

int gs_attention_tensors(const gs_config *c) { return gs_is(c, GS_MODEL_BIAS, 1) ? 8 : 5; }

static int biases(const gs_model *m, int tensor) { return gs_is(&m->config, GS_MODEL_BIAS, 1) ? tensor + 3 : -1; }
static int projection(const gs_model *m, int tensor) { return tensor + gs_attention_tensors(&m->config) - 2; }

static float *dropped(const gs_pass *p, int layer, size_t at) { float *mask = p->layer[layer].mask_w; return mask ? mask + at : NULL; }

static void heads_forward(gs_pass *p, int layer, const gs_view *view)
{
    const gs_dims *d = &p->m->d;
    gs_layer_acts *a = &p->layer[layer];
    size_t square = (size_t)d->T * (size_t)d->T, all = (size_t)d->N * square;
    if (view->train && a->mask_w) gs_drop(p->m, GS_DROP_WEIGHTS, layer, view, (size_t)view->first * all, (size_t)p->n * all, a->mask_w);
    for (int i = 0; i < p->n * d->N; i++) {
        int b = i / d->N, h = i % d->N;
        ptrdiff_t row = (ptrdiff_t)b * d->T, column = (ptrdiff_t)h * d->K;
        const float *q = a->qkv + row * 3 * d->D + column;
        size_t at = (size_t)i * square;
        p->m->kernels->attention(d->T, d->K, gs_is(&p->m->config, GS_MODEL_MASK, GS_MASK_CAUSAL), q, q + d->D, q + 2 * d->D, 3 * d->D,
                                 a->mix + row * d->D + column, d->D, a->w + at, d->T, view->train ? dropped(p, layer, at) : NULL,
                                 p->attention);
    }
}

void gs_attention_forward(gs_pass *p, int layer, int tensor, const gs_view *view, float *out)
{
    const gs_model *m = p->m;
    gs_layer_acts *a = &p->layer[layer];
    int D = m->d.D, M = p->n * m->d.T, bias = biases(m, tensor), o = projection(m, tensor);
    gs_product(m, GS_NT, M, 3 * D, D, a->norm1, D, gs_param(m, tensor), D, a->qkv, 3 * D, bias < 0 ? NULL : gs_param(m, bias), false);
    heads_forward(p, layer, view);
    gs_visit(p, view, GS_SITE_ATTN_HEAD, layer, a->mix);
    gs_product(m, GS_NT, M, D, D, a->mix, D, gs_param(m, o), D, out, D, gs_param(m, o + 1), false);
    gs_visit(p, view, GS_SITE_ATTN_OUT, layer, out);
}

static void heads_backward(gs_pass *p, int layer)
{
    const gs_dims *d = &p->m->d;
    gs_layer_acts *a = &p->layer[layer];
    size_t square = (size_t)d->T * (size_t)d->T;
    for (int i = 0; i < p->n * d->N; i++) {
        ptrdiff_t row = (ptrdiff_t)(i / d->N) * d->T, column = (ptrdiff_t)(i % d->N) * d->K;
        const float *q = a->qkv + row * 3 * d->D + column;
        float *dq = p->dqkv + row * 3 * d->D + column;
        size_t at = (size_t)i * square;
        p->m->kernels->attention_back(d->T, d->K, q, q + d->D, q + 2 * d->D, 3 * d->D, a->w + at, d->T, dropped(p, layer, at),
                                      p->dmix + row * d->D + column, d->D, dq, dq + d->D, dq + 2 * d->D, 3 * d->D, p->attention);
    }
}

void gs_attention_backward(gs_pass *p, int layer, int tensor, const float *dout, float *dx)
{
    const gs_model *m = p->m;
    gs_layer_acts *a = &p->layer[layer];
    int D = m->d.D, M = p->n * m->d.T, bias = biases(m, tensor), o = projection(m, tensor);
    bool frozen = gs_is(&m->config, GS_ATTN_FROZEN, 1);
    gs_product(m, GS_NN, M, D, D, dout, D, gs_param(m, o), D, p->dmix, D, NULL, false);
    if (!frozen) {
        gs_product(m, GS_TN, D, D, M, dout, D, a->mix, D, gs_grad(m, o), D, NULL, true);
        m->kernels->column_sums(M, D, dout, D, gs_grad(m, o + 1));
    }
    heads_backward(p, layer);
    if (!frozen) gs_product(m, GS_TN, 3 * D, D, M, p->dqkv, 3 * D, a->norm1, D, gs_grad(m, tensor), D, NULL, true);
    if (!frozen && bias >= 0) m->kernels->column_sums(M, 3 * D, p->dqkv, 3 * D, gs_grad(m, bias));
    gs_product(m, GS_NN, M, D, 3 * D, p->dqkv, 3 * D, gs_param(m, tensor), D, dx, D, NULL, true);
}
