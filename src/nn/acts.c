/* Room for one pass: every array that a forward and a backward need, carved from one arena; and which work is skipped. */
#include <stdlib.h>

#include "nn_internal.h"

/* -- which tensors a layer has ---------------------------------------------------------------------------------------- */

static int ffn_tensors(const gs_config *c, const gs_dims *d)
{
    const gs_ffn_row *row = gs_ffn_of(c);
    return row->mixture ? gs_has_router(c) + d->E * row->block->tensors : row->block->tensors;
}

gs_indices gs_layer_tensors(const gs_model *m, int layer)
{
    const gs_config *c = &m->config;
    int norm = (int)gs_int(c, GS_MODEL_NORM); /* none has 0 tensors, rmsnorm 1, layernorm 2 */
    int attention = gs_attention_tensors(c), first = 2 + layer * (2 * norm + attention + ffn_tensors(c, &m->d));
    return (gs_indices){first, first + norm, first + norm + attention, first + 2 * norm + attention};
}

int gs_readout_tensor(const gs_model *m) { return gs_is(&m->config, GS_MODEL_TIED, 1) ? 0 : m->tensor_count - 1; }

/* -- reductions --------------------------------------------------------------------------------------------------------- */

/* Multiply-adds of a batch's forward products that folding saves, less what F costs. */
static int64_t fold_saves(const gs_dims *d, int64_t rows)
{
    return (rows * d->k * (d->D - d->C) - (int64_t)d->E * d->C * d->D) * d->width;
}

/* The same of attention's output matrix; small products run slower, so that they count half as much again. */
static int64_t direct_saves(const gs_config *c, const gs_dims *d, int64_t rows)
{
    int64_t outs = (int64_t)d->E * d->width * (gs_ffn_of(c)->block->gated ? 2 : 1) + d->C;
    return (rows - outs - outs / 2) * d->D * d->D;
}

gs_reductions gs_reductions_of(const gs_config *c, const gs_dims *d, int batch)
{
    if (!gs_is(c, GS_REDUCTIONS, 1)) return (gs_reductions){0};
    int64_t rows = (int64_t)batch * (d->T - d->first);
    bool plain = gs_int(c, GS_MODEL_NORM) == GS_NORM_NONE && gs_num(c, GS_RESID_DROPOUT) == 0;
    bool table = 2LL * d->V < batch && gs_num(c, GS_EMBED_DROPOUT) == 0;
    bool pairs = table && d->T <= GS_PAIR_KEYS && (int64_t)d->V * d->V * d->T <= 16LL * batch && gs_num(c, GS_ATTN_DROPOUT) == 0;
    bool readers = pairs && plain && d->L == 1, heads = readers && gs_has_router(c) && d->first > 0;
    int64_t fold = fold_saves(d, rows), direct = readers && (heads || !gs_has_router(c)) ? direct_saves(c, d, rows) : 0;
    if (direct < 0) direct = 0;
    bool folds = plain && d->C <= d->D && fold + direct > 0;
    return (gs_reductions){table, pairs, heads, d->first, folds, folds && direct > 0};
}

/* -- room ------------------------------------------------------------------------------------------------------------------ */

typedef struct sizes { size_t M, Mq, D; bool norm, table; } sizes; /* of one layer */

static void take_masks(gs_pass *p, gs_layer_acts *a, const gs_config *c, const gs_dims *d, const sizes *s, size_t weights)
{
    if (gs_num(c, GS_ATTN_DROPOUT) > 0) a->mask_w = gs_arena_take(&p->arena, weights, sizeof(float));
    if (gs_num(c, GS_FFN_DROPOUT) > 0) a->mask_h = gs_arena_take(&p->arena, s->Mq * (size_t)d->k * (size_t)d->width, sizeof(float));
    if (gs_num(c, GS_RESID_DROPOUT) > 0) {
        a->mask_attn = gs_arena_take(&p->arena, s->Mq * s->D, sizeof(float));
        a->mask_ffn = gs_arena_take(&p->arena, s->Mq * s->D, sizeof(float));
    }
}

static void take_layer(gs_pass *p, gs_layer_acts *a, const gs_config *c, const gs_dims *d, const sizes *s)
{
    size_t weights = (size_t)(p->most * d->N * (d->T - a->first)) * (size_t)gs_attention_stride(d->T);
    if (s->table && p->reductions.pairs) weights = (size_t)(p->most * d->N * (d->T - p->table.from) * d->T);
    if (!s->table) {
        a->norm1 = s->norm ? gs_arena_take(&p->arena, s->M * s->D, sizeof(float)) : a->x;
        a->stats1 = gs_arena_take(&p->arena, s->M * 2, sizeof(float));
        a->qkv = gs_arena_take(&p->arena, s->M * s->D * 3, sizeof(float));
    }
    a->w = gs_arena_take(&p->arena, weights, sizeof(float));
    a->mix = gs_arena_take(&p->arena, s->Mq * s->D, sizeof(float));
    a->kept = s->table || a->first ? gs_arena_take(&p->arena, s->Mq * s->D, sizeof(float)) : a->x;
    a->mid = gs_arena_take(&p->arena, s->Mq * s->D, sizeof(float));
    a->norm2 = s->norm ? gs_arena_take(&p->arena, s->Mq * s->D, sizeof(float)) : a->mid;
    a->stats2 = gs_arena_take(&p->arena, s->Mq * 2, sizeof(float));
    gs_ffn_of(c)->take(a, &p->arena, c, d, s->Mq);
    if (p->train) take_masks(p, a, c, d, s, weights);
}

static void take_backward(gs_pass *p, const gs_config *c, const gs_dims *d)
{
    size_t M = (size_t)p->most * (size_t)d->T, D = (size_t)d->D, k = (size_t)d->k;
    p->dx = gs_arena_take(&p->arena, M * D, sizeof(float));
    p->dnorm = gs_arena_take(&p->arena, M * D, sizeof(float));
    p->dqkv = gs_arena_take(&p->arena, M * D * 3, sizeof(float));
    p->dmix = gs_arena_take(&p->arena, M * D, sizeof(float));
    p->dh = gs_arena_take(&p->arena, M * k * (size_t)d->width * (gs_ffn_of(c)->block->gated ? 3 : 1), sizeof(float));
    if (p->reductions.fold) gs_fold_take(p, c, d);
    if (gs_is(c, GS_MODEL_TIED, 1)) p->dread = gs_arena_take(&p->arena, (size_t)d->C * D, sizeof(float));
    if (gs_ffn_of(c)->mixture) p->sorted = gs_arena_take(&p->arena, M * k * D, sizeof(float));
    if (gs_num(c, GS_EMBED_DROPOUT) > 0) p->mask_embed = gs_arena_take(&p->arena, M * D, sizeof(float));
}

static void take_readout(gs_pass *p, const gs_config *c, const gs_dims *d)
{
    size_t M = (size_t)p->most * (size_t)d->T, D = (size_t)d->D, LE = (size_t)d->L * (size_t)d->E;
    p->read = gs_arena_take(&p->arena, M * D, sizeof(float));
    p->read_norm = gs_int(c, GS_MODEL_NORM) ? gs_arena_take(&p->arena, M * D, sizeof(float)) : p->read;
    p->read_stats = gs_arena_take(&p->arena, M * 2, sizeof(float));
    p->logits = gs_arena_take(&p->arena, M * (size_t)d->C, sizeof(float));
    p->row = gs_arena_take(&p->arena, M, sizeof(int32_t));
    p->row_room = gs_arena_take(&p->arena, M, sizeof(int32_t));
    p->target_room = gs_arena_take(&p->arena, M, sizeof(int32_t));
    p->right_room = gs_arena_take(&p->arena, M, sizeof(uint8_t));
    p->attention = gs_arena_take(&p->arena, gs_attention_scratch(d->T, d->K), sizeof(float));
    p->routing.mass = gs_arena_take(&p->arena, LE, sizeof(double));
    p->routing.count = gs_arena_take(&p->arena, LE, sizeof(double));
    p->routing.square = gs_arena_take(&p->arena, (size_t)d->L, sizeof(double));
}

int gs_first_query(const gs_config *c, const gs_dims *d, const gs_reductions *r)
{
    return gs_has_router(c) && !r->heads && gs_routed_from(c, d) < r->first ? 0 : r->first;
}

static void take(gs_pass *p, const gs_config *c, const gs_dims *d)
{
    sizes s = {.M = (size_t)p->most * (size_t)d->T, .D = (size_t)d->D, .norm = gs_int(c, GS_MODEL_NORM) != GS_NORM_NONE};
    for (int l = 0; l < d->L; l++) p->layer[l].first = l == d->L - 1 ? gs_first_query(c, d, &p->reductions) : 0;
    if (p->reductions.table) gs_pairs_take(p, c, d);
    else p->layer[0].x = gs_arena_take(&p->arena, s.M * s.D, sizeof(float));
    for (int l = 0; l < d->L; l++) {
        gs_layer_acts *a = &p->layer[l];
        s.Mq = (size_t)(p->most * (d->T - a->first));
        s.table = l == 0 && p->reductions.table;
        take_layer(p, a, c, d, &s);
        p->layer[l + 1].x = gs_arena_take(&p->arena, s.Mq * s.D, sizeof(float));
    }
    take_readout(p, c, d);
    if (p->train) take_backward(p, c, d);
}

size_t gs_pass_bytes(const gs_config *c, const gs_dims *d, int most, int batch)
{
    gs_pass p = {.most = most, .train = true, .reductions = gs_reductions_of(c, d, batch)};
    p.layer = gs_alloc((size_t)d->L + 1, sizeof *p.layer);
    take(&p, c, d);
    free(p.layer);
    return p.arena.used;
}

int gs_pass_open(gs_model *m, int most, int batch, bool train, gs_pass **out, gs_err *e)
{
    gs_pass *p = gs_alloc(1, sizeof *p);
    *p = (gs_pass){.m = m, .most = most, .train = train, .layer = gs_alloc((size_t)m->d.L + 1, sizeof *p->layer),
                   .reductions = gs_reductions_of(&m->config, &m->d, batch)};
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

/* The bytes of one more sequence decide; the table is shared by all of them. A balancing loss needs two sweeps over several chunks,
 * which cost more than activations beyond the level-2 cache, unless the heads give the logits: such a batch stays whole for longer,
 * and its large products go by in groups of GS_GROUP rows. */
int gs_chunk(const gs_config *c, const gs_dims *d, int batch)
{
    enum { CACHE = 1024 * 1024, WHOLE = 128 * CACHE, ROWS = 192 }; /* bytes of activations; with fewer rows of a product it starves */
    gs_reductions r = gs_reductions_of(c, d, batch);
    size_t one = gs_pass_bytes(c, d, 2, batch) - gs_pass_bytes(c, d, 1, batch);
    if (gs_balances(c) && !r.heads && one * (size_t)batch <= WHOLE) return batch;
    int most = (int)(CACHE / (one ? one : 1)), late = d->T - r.first, least = (ROWS * d->E / d->k + late - 1) / late;
    if (most < least) most = least;
    return most < batch ? most : batch;
}

const gs_model *gs_pass_model(const gs_pass *p) { return p->m; }
int gs_pass_most(const gs_pass *p) { return p->most; }
int gs_pass_routed(const gs_pass *p, int layer)
{
    if (!gs_has_router(&p->m->config)) return 0;
    return p->reductions.heads ? p->table.from : p->layer[layer].first;
}
int gs_pass_first(const gs_pass *p, int layer) { return p->layer[layer].first; }
const int32_t *gs_pass_choice(const gs_pass *p, int layer) { return p->layer[layer].moe.choice; }
const float *gs_pass_probability(const gs_pass *p, int layer) { return p->layer[layer].moe.p; }
