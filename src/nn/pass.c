/* One pass over some sequences: forward, readout, backward. The residual stream: x -> mid = x + attention(norm(x)) ->
 * next x = mid + ffn(norm(mid)). Backward walks it in reverse with one gradient of the stream, dx. */
#include <stdlib.h>
#include <string.h>

#include "nn_internal.h"

/* -- tensors of a layer ------------------------------------------------------------------------------------------- */

typedef struct indices { int norm1, attention, norm2, ffn; } indices;

static int norm_tensors(const gs_config *c) { return (int)gs_int(c, GS_MODEL_NORM); } /* none 0, rmsnorm 1, layernorm 2 */
static int ffn_tensors(const gs_config *c, const gs_dims *d)
{
    const gs_ffn_row *row = gs_ffn_of(c);
    return row->mixture ? gs_has_router(c) + d->E * row->block->tensors : row->block->tensors;
}

static indices of_layer(const gs_model *m, int layer)
{
    const gs_config *c = &m->config;
    int norm = norm_tensors(c), attention = gs_attention_tensors(c), first = 2 + layer * (2 * norm + attention + ffn_tensors(c, &m->d));
    return (indices){first, first + norm, first + norm + attention, first + 2 * norm + attention};
}

static int norm_out(const gs_model *m) { return of_layer(m, m->d.L).norm1; }
static int readout_tensor(const gs_model *m) { return gs_is(&m->config, GS_MODEL_TIED, 1) ? 0 : m->tensor_count - 1; }

/* -- room ----------------------------------------------------------------------------------------------------------- */

static void take_layer(gs_pass *p, gs_layer_acts *a, const gs_config *c, const gs_dims *d)
{
    size_t M = (size_t)p->most * (size_t)d->T, D = (size_t)d->D, square = (size_t)p->most * (size_t)d->N * (size_t)d->T * (size_t)d->T;
    bool norm = gs_int(c, GS_MODEL_NORM) != GS_NORM_NONE;
    a->x = gs_arena_take(&p->arena, M * D, sizeof(float));
    a->mid = gs_arena_take(&p->arena, M * D, sizeof(float));
    a->norm1 = norm ? gs_arena_take(&p->arena, M * D, sizeof(float)) : a->x;
    a->norm2 = norm ? gs_arena_take(&p->arena, M * D, sizeof(float)) : a->mid;
    a->stats1 = gs_arena_take(&p->arena, M * 2, sizeof(float));
    a->stats2 = gs_arena_take(&p->arena, M * 2, sizeof(float));
    a->qkv = gs_arena_take(&p->arena, M * D * 3, sizeof(float));
    a->w = gs_arena_take(&p->arena, square, sizeof(float));
    a->mix = gs_arena_take(&p->arena, M * D, sizeof(float));
    gs_ffn_of(c)->take(a, &p->arena, c, d, M);
    if (!p->train) return;
    if (gs_num(c, GS_ATTN_DROPOUT) > 0) a->mask_w = gs_arena_take(&p->arena, square, sizeof(float));
    if (gs_num(c, GS_FFN_DROPOUT) > 0) a->mask_h = gs_arena_take(&p->arena, M * (size_t)d->k * (size_t)d->width, sizeof(float));
    if (gs_num(c, GS_RESID_DROPOUT) > 0) {
        a->mask_attn = gs_arena_take(&p->arena, M * D, sizeof(float));
        a->mask_ffn = gs_arena_take(&p->arena, M * D, sizeof(float));
    }
}

static void take_backward(gs_pass *p, const gs_config *c, const gs_dims *d)
{
    size_t M = (size_t)p->most * (size_t)d->T, D = (size_t)d->D, k = (size_t)d->k;
    p->dx = gs_arena_take(&p->arena, M * D, sizeof(float));
    p->dnorm = gs_arena_take(&p->arena, M * D, sizeof(float));
    p->dqkv = gs_arena_take(&p->arena, M * D * 3, sizeof(float));
    p->dmix = gs_arena_take(&p->arena, M * D, sizeof(float));
    p->dh = gs_arena_take(&p->arena, M * k * (size_t)d->width * 2, sizeof(float));
    if (gs_is(c, GS_MODEL_TIED, 1)) p->dread = gs_arena_take(&p->arena, (size_t)d->C * D, sizeof(float));
    if (gs_ffn_of(c)->mixture) p->sorted = gs_arena_take(&p->arena, M * k * D, sizeof(float));
    if (gs_num(c, GS_EMBED_DROPOUT) > 0) p->mask_embed = gs_arena_take(&p->arena, M * D, sizeof(float));
}

static void take(gs_pass *p, const gs_config *c, const gs_dims *d)
{
    size_t M = (size_t)p->most * (size_t)d->T, D = (size_t)d->D, LE = (size_t)d->L * (size_t)d->E;
    for (int l = 0; l < d->L; l++) take_layer(p, &p->layer[l], c, d);
    p->layer[d->L].x = gs_arena_take(&p->arena, M * D, sizeof(float));
    p->read = gs_arena_take(&p->arena, M * D, sizeof(float));
    p->read_norm = gs_int(c, GS_MODEL_NORM) ? gs_arena_take(&p->arena, M * D, sizeof(float)) : p->read;
    p->read_stats = gs_arena_take(&p->arena, M * 2, sizeof(float));
    p->logits = gs_arena_take(&p->arena, M * (size_t)d->C, sizeof(float));
    p->row_room = gs_arena_take(&p->arena, M, sizeof(int32_t));
    p->target_room = gs_arena_take(&p->arena, M, sizeof(int32_t));
    p->right_room = gs_arena_take(&p->arena, M, sizeof(uint8_t));
    p->attention = gs_arena_take(&p->arena, gs_attention_scratch(d->T), sizeof(float));
    p->routing.mass = gs_arena_take(&p->arena, LE, sizeof(double));
    p->routing.count = gs_arena_take(&p->arena, LE, sizeof(double));
    p->routing.square = gs_arena_take(&p->arena, (size_t)d->L, sizeof(double));
    if (p->train) take_backward(p, c, d);
}

size_t gs_pass_bytes(const gs_config *c, const gs_dims *d, int most)
{
    gs_pass p = {.most = most, .train = true, .layer = gs_alloc((size_t)d->L + 1, sizeof *p.layer)};
    take(&p, c, d);
    free(p.layer);
    return p.arena.used;
}

int gs_pass_open(gs_model *m, int most, bool train, gs_pass **out, gs_err *e)
{
    gs_pass *p = gs_alloc(1, sizeof *p);
    *p = (gs_pass){.m = m, .most = most, .train = train, .layer = gs_alloc((size_t)m->d.L + 1, sizeof *p->layer)};
    take(p, &m->config, &m->d);
    if (gs_arena_open(&p->arena, e)) {
        gs_pass_close(&p);
        return -1;
    }
    take(p, &m->config, &m->d);
    *out = p;
    return 0;
}

void gs_pass_close(gs_pass **p)
{
    if (!*p) return;
    gs_arena_close(&(*p)->arena);
    free((*p)->layer);
    free(*p);
    *p = NULL;
}

int gs_chunk(const gs_config *c, int batch)
{
    enum { CACHE = 768 * 1024, TOKENS = 96 }; /* bytes of activations; fewer tokens than this starve the products */
    if (gs_balances(c)) return batch;
    gs_dims d = gs_dims_of(c);
    size_t one = gs_pass_bytes(c, &d, 1);
    int most = (int)(CACHE / one), least = (TOKENS + d.T - 1) / d.T;
    if (most < least) most = least;
    return most < batch ? most : batch;
}

/* -- forward ---------------------------------------------------------------------------------------------------------- */

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

static void normalise(const gs_pass *p, int tensor, int rows, const float *x, float *y, float *stats)
{
    const gs_model *m = p->m;
    int kind = norm_tensors(&m->config);
    if (kind == GS_NORM_NONE) return;
    m->kernels->norm(kind, rows, m->d.D, x, gs_param(m, tensor), kind == GS_NORM_LAYER ? gs_param(m, tensor + 1) : NULL, y, stats);
}

/* out holds a block's output: dropout, then the residual sum. */
static void join(gs_pass *p, gs_drop_site site, int layer, const gs_view *view, float *mask, const float *stream, float *out)
{
    size_t row = (size_t)p->m->d.T * (size_t)p->m->d.D, count = (size_t)p->n * row;
    if (view->train && mask) {
        gs_drop(p->m, site, layer, view, (size_t)view->first * row, count, mask);
        p->m->kernels->multiply(count, mask, out);
    }
    p->m->kernels->add(count, stream, out);
}

void gs_forward(gs_pass *p, const int32_t *tokens, int n, const gs_view *view, gs_routing *routing)
{
    const gs_model *m = p->m;
    p->n = n;
    int M = n * m->d.T;
    embed(p, tokens, view);
    for (int l = 0; l < m->d.L; l++) {
        gs_layer_acts *a = &p->layer[l];
        float *next = p->layer[l + 1].x;
        indices t = of_layer(m, l);
        normalise(p, t.norm1, M, a->x, a->norm1, a->stats1);
        gs_attention_forward(p, l, t.attention, view, a->mid);
        join(p, GS_DROP_ATTN, l, view, a->mask_attn, a->x, a->mid);
        normalise(p, t.norm2, M, a->mid, a->norm2, a->stats2);
        gs_ffn_use u = {p, l, t.ffn, tokens, a->norm2, view};
        gs_ffn_of(&m->config)->forward(&u, next, routing);
        gs_visit(p, view, GS_SITE_FFN_OUT, l, next);
        join(p, GS_DROP_FFN, l, view, a->mask_ffn, a->mid, next);
    }
    if (routing) routing->tokens += M;
}

float *gs_readout(gs_pass *p, const int32_t *rows, int count)
{
    const gs_model *m = p->m;
    int D = m->d.D, C = m->d.C;
    p->rows = count;
    p->row = rows;
    for (int r = 0; r < count; r++)
        memcpy(p->read + (ptrdiff_t)r * D, p->layer[m->d.L].x + (ptrdiff_t)rows[r] * D, (size_t)D * sizeof *p->read);
    normalise(p, norm_out(m), count, p->read, p->read_norm, p->read_stats);
    gs_product(m, GS_NT, count, C, D, p->read_norm, D, gs_param(m, readout_tensor(m)), D, p->logits, C, NULL, false);
    return p->logits;
}

/* -- backward ----------------------------------------------------------------------------------------------------------- */

/* dy: gradient of the normalised rows; dx +=. Without a norm the callers write into dx themselves. */
static void normalise_back(const gs_pass *p, int tensor, int rows, const float *x, const float *stats, const float *dy, float *dx)
{
    const gs_model *m = p->m;
    int kind = norm_tensors(&m->config);
    m->kernels->norm_back(kind, rows, m->d.D, x, gs_param(m, tensor), stats, dy, dx, gs_grad(m, tensor),
                          kind == GS_NORM_LAYER ? gs_grad(m, tensor + 1) : NULL);
}

static void readout_back(gs_pass *p)
{
    const gs_model *m = p->m;
    int D = m->d.D, C = m->d.C, norm = norm_tensors(&m->config);
    size_t size = (size_t)D * sizeof(float);
    gs_product(m, GS_TN, C, D, p->rows, p->logits, C, p->read_norm, D, p->dread ? p->dread : gs_grad(m, readout_tensor(m)), D, NULL, true);
    gs_product(m, GS_NN, p->rows, D, C, p->logits, C, gs_param(m, readout_tensor(m)), D, p->dnorm, D, NULL, false);
    float *rows = p->dnorm;
    if (norm) {
        rows = p->dmix; /* free until attention's backward */
        memset(rows, 0, (size_t)p->rows * size);
        normalise_back(p, norm_out(m), p->rows, p->read, p->read_stats, p->dnorm, rows);
    }
    memset(p->dx, 0, (size_t)(p->n * m->d.T) * size);
    for (int r = 0; r < p->rows; r++) memcpy(p->dx + (ptrdiff_t)p->row[r] * D, rows + (ptrdiff_t)r * D, size);
}

static void embed_back(gs_pass *p, const int32_t *tokens)
{
    const gs_model *m = p->m;
    size_t D = (size_t)m->d.D;
    if (p->mask_embed) m->kernels->multiply((size_t)(p->n * m->d.T) * D, p->mask_embed, p->dx);
    for (int i = 0; i < p->n * m->d.T; i++) {
        m->kernels->add(D, p->dx + (size_t)i * D, gs_grad(m, 0) + (size_t)tokens[i] * D);
        m->kernels->add(D, p->dx + (size_t)i * D, gs_grad(m, 1) + (size_t)(i % m->d.T) * D);
    }
}

/* The gradient of a block's output: that of the stream, times the dropout factor. */
static const float *through(gs_pass *p, const float *mask, float *room)
{
    if (!mask) return p->dx;
    p->m->kernels->product((size_t)(p->n * p->m->d.T) * (size_t)p->m->d.D, p->dx, mask, room);
    return room;
}

/* Where a block's gradient of its input goes: into the stream's, or, behind a norm, into a buffer of its own. */
static float *target(gs_pass *p)
{
    if (!norm_tensors(&p->m->config)) return p->dx;
    memset(p->dnorm, 0, (size_t)(p->n * p->m->d.T) * (size_t)p->m->d.D * sizeof *p->dnorm);
    return p->dnorm;
}

void gs_backward(gs_pass *p, const int32_t *tokens, const gs_view *view, const gs_routing *routing)
{
    const gs_model *m = p->m;
    int M = p->n * m->d.T;
    readout_back(p);
    for (int l = m->d.L - 1; l >= 0; l--) {
        gs_layer_acts *a = &p->layer[l];
        indices t = of_layer(m, l);
        gs_ffn_use u = {p, l, t.ffn, tokens, a->norm2, view};
        float *to = target(p);
        gs_ffn_of(&m->config)->backward(&u, through(p, a->mask_ffn, p->dmix), to, routing);
        if (to != p->dx) normalise_back(p, t.norm2, M, a->mid, a->stats2, to, p->dx);
        to = target(p);
        gs_attention_backward(p, l, t.attention, through(p, a->mask_attn, p->layer[l + 1].x), to);
        if (to != p->dx) normalise_back(p, t.norm1, M, a->x, a->stats1, to, p->dx);
    }
    embed_back(p, tokens);
}

const gs_model *gs_pass_model(const gs_pass *p) { return p->m; }
int gs_pass_most(const gs_pass *p) { return p->most; }
const int32_t *gs_pass_choice(const gs_pass *p, int layer) { return p->layer[layer].moe.choice; }
const float *gs_pass_probability(const gs_pass *p, int layer) { return p->layer[layer].moe.p; }
