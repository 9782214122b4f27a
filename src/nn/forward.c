/* Forward. The residual stream: x -> mid = x + attention(norm(x)) -> next x = mid + ffn(norm(mid)) -> readout. */
#include <string.h>

#include "nn_internal.h"

static void embed(gs_pass *p, const int32_t *tokens, const gs_view *view)
{
    const gs_model *m = p->m;
    size_t D = (size_t)m->d.D;
    const float *tok = gs_param(m, 0), *pos = gs_param(m, 1);
    for (int i = 0; i < p->n * m->d.T; i++) {
        float *x = p->layer[0].x + (size_t)i * D;
        memcpy(x, tok + (size_t)tokens[i] * D, D * sizeof *x);
        m->kernels->add(D, pos + (size_t)(i % m->d.T) * D, x);
    }
    if (!view->train || !p->mask_embed) return;
    size_t row = (size_t)m->d.T * D;
    gs_drop(m, GS_DROP_EMBED, 0, view, (size_t)view->first * row, (size_t)p->n * row, p->mask_embed);
    m->kernels->multiply((size_t)p->n * row, p->mask_embed, p->layer[0].x);
}

void gs_normalise(const gs_pass *p, int tensor, int rows, const float *x, float *y, float *stats)
{
    const gs_model *m = p->m;
    int kind = (int)gs_int(&m->config, GS_MODEL_NORM);
    if (kind == GS_NORM_NONE) return;
    m->kernels->norm(kind, rows, m->d.D, x, gs_param(m, tensor), kind == GS_NORM_LAYER ? gs_param(m, tensor + 1) : NULL, y, stats);
}

/* The rows of the stream that a layer goes on with. */
static void keep_rows(gs_pass *p, int layer)
{
    gs_layer_acts *a = &p->layer[layer];
    if (a->kept == a->x) return;
    int T = p->m->d.T;
    size_t D = (size_t)p->m->d.D;
    bool table = layer == 0 && p->reductions.table;
    float *to = a->kept;
    for (int b = 0; b < p->n; b++)
        for (int t = a->first; t < T; t++, to += D) {
            int i = b * T + t;
            memcpy(to, table ? p->table.x + (size_t)p->table.row[i] * D : a->x + (size_t)i * D, D * sizeof *to);
        }
}

/* The first layer's inputs. */
static void enter(gs_pass *p, int layer, const int32_t *tokens, const gs_view *view)
{
    if (layer == 0 && p->reductions.table) {
        gs_pairs_rows(p, tokens);
        if (p->reductions.pairs && !gs_resumes(view, layer)) /* a patched pass has no routing sums */
            gs_pairs_weights(p, view->patch ? p->layer[layer].first : p->table.from);
        return;
    }
    if (layer == 0) embed(p, tokens, view);
}

/* out holds a block's output: dropout, then the residual sum. */
static void join(gs_pass *p, gs_drop_site site, int layer, const gs_view *view, float *mask, const float *stream, float *out)
{
    size_t count = (size_t)(p->n * (p->m->d.T - p->layer[layer].first)) * (size_t)p->m->d.D;
    if (view->train && mask) {
        gs_drop_rows(p, site, layer, view, p->m->d.D, mask);
        p->m->kernels->multiply(count, mask, out);
    }
    p->m->kernels->add(count, stream, out);
}

/* Attention and the sum that the feed-forward block sees. */
static void middle(gs_pass *p, int layer, const gs_view *view)
{
    gs_layer_acts *a = &p->layer[layer];
    gs_indices at = gs_layer_tensors(p->m, layer);
    if (gs_direct(p, view)) {
        gs_pairs_mix(p, a->mix);
        return;
    }
    keep_rows(p, layer);
    gs_attention_forward(p, layer, view, a->mid);
    join(p, GS_DROP_ATTN, layer, view, a->mask_attn, a->kept, a->mid);
    gs_normalise(p, at.norm2, p->n * (p->m->d.T - a->first), a->mid, a->norm2, a->stats2);
}

void gs_prepare(gs_pass *p, const int32_t *tokens, int n)
{
    gs_model_pack(p->m);
    if (p->reductions.table) gs_pairs_fill(p, tokens, n * p->m->d.T);
}

void gs_forward(gs_pass *p, const int32_t *tokens, int n, const gs_view *view, gs_routing *routing)
{
    gs_model *m = p->m;
    p->n = n;
    if (view->first == 0 && !view->train && !gs_resumes(view, 0)) gs_prepare(p, NULL, 0);
    for (int l = 0; l < m->d.L; l++) {
        gs_layer_acts *a = &p->layer[l];
        float *next = p->layer[l + 1].x;
        gs_indices at = gs_layer_tensors(m, l);
        int rows = n * (m->d.T - a->first);
        enter(p, l, tokens, view);
        if (!view->routes_only || !p->reductions.heads) middle(p, l, view);
        bool folded = gs_folded(p, l, view);
        gs_ffn_use u = {p, l, at.ffn, tokens, gs_direct(p, view) ? a->mix : a->norm2, rows, folded ? m->d.C : m->d.D, view};
        if (gs_resumes(view, l) && view->patch->site == GS_SITE_FFN_OUT) gs_restore(p, view, GS_SITE_FFN_OUT, l, next);
        else gs_ffn_of(&m->config)->forward(&u, next, routing);
        if (folded) {
            if (!view->routes_only) gs_fold_logits(p, next, rows);
            continue;
        }
        gs_visit(p, view, GS_SITE_FFN_OUT, l, next);
        join(p, GS_DROP_FFN, l, view, a->mask_ffn, a->mid, next);
    }
    if (routing) routing->tokens += n * (m->d.T - gs_routed_from(&m->config, &m->d));
}

gs_product gs_readout_product(const gs_pass *p)
{
    gs_product w = gs_product_of(p->m, gs_readout_tensor(p->m), -1);
    if (p->dread) w.dw = p->dread;
    return w;
}

void gs_readout_rows(gs_pass *p, const int32_t *rows, int count)
{
    int T = p->m->d.T, first = p->layer[p->m->d.L - 1].first;
    p->rows = count;
    for (int r = 0; r < count; r++) p->row[r] = rows[r] / T * (T - first) + rows[r] % T - first;
}

float *gs_readout(gs_pass *p, const int32_t *rows, int count)
{
    const gs_model *m = p->m;
    int D = m->d.D;
    gs_readout_rows(p, rows, count);
    for (int r = 0; r < count; r++)
        memcpy(p->read + (ptrdiff_t)r * D, p->layer[m->d.L].x + (ptrdiff_t)p->row[r] * D, (size_t)D * sizeof *p->read);
    gs_normalise(p, gs_layer_tensors(m, m->d.L).norm1, count, p->read, p->read_norm, p->read_stats);
    gs_product w = gs_readout_product(p);
    gs_linear(m, &w, count, p->read_norm, p->logits, w.out);
    return p->logits;
}
