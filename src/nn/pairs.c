/* The first layer over (token, position) pairs: q, k and v of a token depend on nothing else, so they are computed once for every pair
 * of a batch, and their gradients are summed by pair before they meet a matrix.
 *
 * Short sequences (`pairs`): the scores of two pairs are computed once as well, and so is their gradient's product with k and q.
 * Mixtures (`heads`): the router is a reader of the heads (readers.c), and even mix is not needed for its logits:
 *   r = base[query] + G mix = base[query] + sum over keys j and heads h of w_hj each[j,h],   each[j,h] = G_h v_jh,
 * G_h the columns of head h. From the summed deach: dv_jh += G_h^T deach[j,h],  dG_h = sum_j deach[j,h] v_jh^T. */
#include <math.h>
#include <string.h>

#include "nn_internal.h"

enum { BLOCK = 16 }; /* query rows whose scores are made at a time */

static bool has_norm(const gs_model *m) { return gs_int(&m->config, GS_MODEL_NORM) != GS_NORM_NONE; }
static float *taken(gs_pass *p, size_t count) { return gs_arena_take(&p->arena, count, sizeof(float)); }

static void take_heads(gs_pass *p, const gs_dims *d, size_t P)
{
    gs_table *t = &p->table;
    size_t E = (size_t)d->E, N = (size_t)d->N;
    t->each = taken(p, P * N * E);
    if (p->train) t->deach = taken(p, P * N * E);
}

static void take_pairs(gs_pass *p, const gs_dims *d, size_t P)
{
    gs_table *t = &p->table;
    size_t N = (size_t)d->N, queries = (size_t)(d->V * (d->T - t->from));
    t->scores = taken(p, queries * P * N);
    t->block = taken(p, N * BLOCK * P);
    t->packed = taken(p, N * gs_packed_size((int)P, d->K));
    if (!p->train) return;
    t->dscores = taken(p, queries * P * N);
    t->dw = taken(p, (size_t)p->most * (size_t)((d->T - t->from) * d->T) * N);
}

void gs_pairs_take(gs_pass *p, const gs_config *c, const gs_dims *d)
{
    gs_table *t = &p->table;
    bool norm = gs_int(c, GS_MODEL_NORM) != GS_NORM_NONE;
    size_t P = (size_t)(d->V * d->T), D = (size_t)d->D;
    t->from = p->reductions.heads ? gs_routed_from(c, d) : p->layer[0].first;
    t->x = taken(p, P * D);
    t->norm = norm ? taken(p, P * D) : t->x;
    t->stats = taken(p, P * 2);
    t->qkv = taken(p, P * D * 3);
    t->id = gs_arena_take(&p->arena, P, sizeof *t->id);
    t->token = gs_arena_take(&p->arena, P, sizeof *t->token);
    t->position = gs_arena_take(&p->arena, P, sizeof *t->position);
    t->start = gs_arena_take(&p->arena, (size_t)d->T + 1, sizeof *t->start);
    t->row = gs_arena_take(&p->arena, (size_t)(p->most * d->T), sizeof *t->row);
    if (p->train) {
        t->dx = taken(p, P * D);
        t->dqkv = taken(p, P * D * 3);
    }
    if (p->reductions.pairs) take_pairs(p, d, P);
    if (p->reductions.heads) take_heads(p, d, P);
    if (p->reductions.heads || p->reductions.direct) gs_readers_take(p, c, d);
}

/* -- rows --------------------------------------------------------------------------------------------------------------- */

/* Rows are numbered by position, then token: those that occur in tokens (count), or all (NULL). */
static void number(gs_pass *p, const int32_t *tokens, int count)
{
    gs_table *t = &p->table;
    int V = p->m->d.V, T = p->m->d.T;
    for (int i = 0; i < V * T; i++) t->id[i] = !tokens;
    for (int i = 0; i < count; i++) t->id[i % T * V + tokens[i]] = 1;
    t->rows = 0;
    for (int i = 0; i < V * T; i++) {
        if (i % V == 0) t->start[i / V] = t->rows;
        if (!t->id[i]) continue;
        t->token[t->rows] = i % V;
        t->position[t->rows] = i / V;
        t->id[i] = t->rows++;
    }
    t->start[T] = t->rows;
}

void gs_pairs_rows(gs_pass *p, const int32_t *tokens)
{
    int V = p->m->d.V, T = p->m->d.T;
    for (int i = 0; i < p->n * T; i++) p->table.row[i] = p->table.id[i % T * V + tokens[i]];
    if (p->reductions.direct) gs_readers_rows(p);
}

static int keys_of(const gs_model *m, int position) { return gs_is(&m->config, GS_MODEL_MASK, GS_MASK_CAUSAL) ? position + 1 : m->d.T; }

static gs_pairs pairs_at(const gs_pass *p, int position)
{
    const gs_dims *d = &p->m->d;
    const gs_table *t = &p->table;
    return (gs_pairs){p->n, d->T, t->row, position, keys_of(p->m, position), d->N, d->K, d->E, t->rows, t->start[t->from]};
}

/* -- filling ------------------------------------------------------------------------------------------------------------- */

static void fill_heads(gs_pass *p)
{
    const gs_model *m = p->m;
    gs_table *t = &p->table;
    int D = m->d.D, E = m->d.E, N = m->d.N, K = m->d.K;
    gs_product r = gs_reader(p, GS_READER_ROUTER);
    for (int h = 0; h < N; h++)
        gs_gemm(m, GS_NT, t->rows, E, K, t->qkv + 2 * D + h * K, 3 * D, r.w + h * K, D, t->each + h * E, N * E, false);
}

/* out(keys, N) = scale * from(N, keys), or back. */
static void interleave(int N, int keys, float scale, const float *from, ptrdiff_t ld, float *out)
{
    for (int k = 0; k < keys; k++)
        for (int h = 0; h < N; h++) out[k * N + h] = scale * from[h * ld + k];
}

static void separate(int N, int keys, float scale, const float *from, float *out, ptrdiff_t ld)
{
    for (int k = 0; k < keys; k++)
        for (int h = 0; h < N; h++) out[h * ld + k] = scale * from[k * N + h];
}

typedef struct span { int first, count, keys; } span; /* query rows of one position, and the rows that they see */

static span next_span(const gs_pass *p, int first)
{
    const gs_table *t = &p->table;
    int position = t->position[first], end = t->start[position + 1];
    return (span){first, end - first < BLOCK ? end - first : BLOCK, t->start[keys_of(p->m, position)]};
}

static float scale_of(const gs_model *m) { return 1 / sqrtf((float)m->d.K); }
static float *scores_of(const gs_pass *p, float *scores, int row)
{
    const gs_table *t = &p->table;
    return scores + (size_t)(row - t->start[t->from]) * (size_t)t->rows * (size_t)p->m->d.N;
}

static void fill_scores(gs_pass *p)
{
    const gs_model *m = p->m;
    gs_table *t = &p->table;
    int D = m->d.D, N = m->d.N, K = m->d.K;
    size_t packed = gs_packed_size(t->rows, K);
    ptrdiff_t ld = (ptrdiff_t)BLOCK * t->rows;
    for (int h = 0; h < N; h++) m->kernels->pack(t->rows, K, t->qkv + D + h * K, 3 * D, t->packed + (size_t)h * packed);
    for (span s = {t->start[t->from], 0, 0}; s.first < t->rows; s.first += s.count) {
        s = next_span(p, s.first);
        for (int h = 0; h < N; h++)
            m->kernels->gemm_packed(s.count, t->rows, K, t->qkv + (ptrdiff_t)s.first * 3 * D + h * K, 3 * D, t->packed + (size_t)h * packed,
                                    t->block + h * ld, t->rows, NULL, false, NULL);
        for (int i = 0; i < s.count; i++)
            interleave(N, s.keys, scale_of(m), t->block + (ptrdiff_t)i * t->rows, ld, scores_of(p, t->scores, s.first + i));
    }
}

void gs_pairs_fill(gs_pass *p, const int32_t *tokens, int count)
{
    const gs_model *m = p->m;
    gs_table *t = &p->table;
    size_t D = (size_t)m->d.D;
    number(p, tokens, count);
    for (int i = 0; i < t->rows; i++) {
        memcpy(t->x + (size_t)i * D, gs_param(m, 0) + (size_t)t->token[i] * D, D * sizeof *t->x);
        m->kernels->add(D, gs_param(m, 1) + (size_t)t->position[i] * D, t->x + (size_t)i * D);
    }
    gs_indices at = gs_layer_tensors(m, 0);
    gs_normalise(p, at.norm1, t->rows, t->x, t->norm, t->stats);
    gs_attention_inputs(p, at.attention, t->rows, t->norm, t->qkv);
    if (p->reductions.pairs) fill_scores(p);
    gs_readers_fill(p, tokens != NULL);
    if (p->reductions.heads) fill_heads(p);
}

/* -- forward ---------------------------------------------------------------------------------------------------------------- */

/* The weights (n, T - from, keys, N) of one position's queries, ld apart. */
static float *weights_at(const gs_pass *p, float *w, int position) { return w + (position - p->table.from) * p->m->d.T * p->m->d.N; }
static int weights_ld(const gs_pass *p) { return (p->m->d.T - p->table.from) * p->m->d.T * p->m->d.N; }

void gs_pairs_weights(gs_pass *p, int from)
{
    for (int t = from; t < p->m->d.T; t++) {
        gs_pairs l = pairs_at(p, t);
        p->m->kernels->pair_weights(&l, p->table.scores, weights_at(p, p->layer[0].w, t), weights_ld(p));
    }
}

void gs_pairs_mix(gs_pass *p, float *mix)
{
    int D = p->m->d.D, T = p->m->d.T, first = p->layer[0].first;
    for (int t = first; t < T; t++) {
        gs_pairs l = pairs_at(p, t);
        p->m->kernels->pair_mix(&l, weights_at(p, p->layer[0].w, t), weights_ld(p), p->table.qkv + 2 * D, 3 * D,
                                mix + (ptrdiff_t)(t - first) * D, (T - first) * D);
    }
}

void gs_pairs_logits(gs_pass *p, float *r)
{
    const gs_table *t = &p->table;
    const float *base = gs_reader(p, GS_READER_ROUTER).base;
    int T = p->m->d.T, E = p->m->d.E;
    for (int i = t->from; i < T; i++) {
        gs_pairs l = pairs_at(p, i);
        p->m->kernels->pair_logits(&l, weights_at(p, p->layer[0].w, i), weights_ld(p), base, t->each, r + (ptrdiff_t)i * E, T * E);
    }
}

/* -- backward --------------------------------------------------------------------------------------------------------------- */

void gs_pairs_clear(gs_pass *p)
{
    gs_table *t = &p->table;
    const gs_dims *d = &p->m->d;
    if (!p->reductions.table) return;
    size_t rows = (size_t)t->rows, N = (size_t)d->N, E = (size_t)d->E;
    memset(t->dx, 0, rows * (size_t)d->D * sizeof(float));
    memset(t->dqkv, 0, rows * (size_t)d->D * 3 * sizeof(float));
    if (p->reductions.pairs) memset(t->dscores, 0, (rows - (size_t)t->start[t->from]) * rows * N * sizeof(float));
    if (p->reductions.heads) memset(t->deach, 0, rows * N * E * sizeof(float));
    gs_readers_clear(p);
}

/* One query: the gradient of its weights, of the values and of the router's logits (dbase, NULL: none). l: all queries of its position. */
static void query_back(gs_pass *p, gs_pairs l, int sequence, const float *dmix, float *dbase)
{
    const gs_model *m = p->m;
    gs_table *t = &p->table;
    gs_layer_acts *a = &p->layer[0];
    int D = m->d.D, T = m->d.T, E = m->d.E, ld = weights_ld(p), position = l.position, late = position - a->first;
    l.n = 1;
    l.row += sequence * T;
    const float *w = weights_at(p, a->w, position) + (ptrdiff_t)sequence * ld;
    float *dw = weights_at(p, t->dw, position) + (ptrdiff_t)sequence * ld;
    if (late >= 0)
        m->kernels->pair_mix_back(&l, w, ld, t->qkv + 2 * D, t->dqkv + 2 * D, 3 * D,
                                  dmix + ((ptrdiff_t)sequence * (T - a->first) + late) * D, D, dw);
    if (dbase)
        m->kernels->pair_logits_back(&l, w, ld, a->moe.dp + ((ptrdiff_t)sequence * T + position) * E, E, t->each, dbase, t->deach, dw);
}

/* Sequence by sequence, so that the chunks leave no trace in the sums. */
void gs_pairs_attention_back(gs_pass *p, const float *dmix)
{
    gs_table *t = &p->table;
    int T = p->m->d.T, ld = weights_ld(p);
    memset(t->dw, 0, (size_t)p->n * (size_t)ld * sizeof(float));
    float *dbase = p->reductions.heads ? gs_reader(p, GS_READER_ROUTER).dbase : NULL;
    gs_pairs all[GS_PAIR_KEYS];
    for (int i = t->from; i < T; i++) all[i] = pairs_at(p, i);
    for (int b = 0; b < p->n; b++)
        for (int i = t->from; i < T; i++) query_back(p, all[i], b, dmix, dbase);
    for (int i = t->from; i < T; i++) {
        gs_pairs l = pairs_at(p, i);
        p->m->kernels->pair_scores_back(&l, weights_at(p, p->layer[0].w, i), weights_at(p, t->dw, i), ld, t->dscores);
    }
}

static void scores_back(gs_pass *p)
{
    const gs_model *m = p->m;
    gs_table *t = &p->table;
    int D = m->d.D, K = m->d.K, ld = t->rows;
    ptrdiff_t head = (ptrdiff_t)BLOCK * ld;
    for (span s = {t->start[t->from], 0, 0}; s.first < t->rows; s.first += s.count) {
        s = next_span(p, s.first);
        for (int i = 0; i < s.count; i++)
            separate(m->d.N, s.keys, scale_of(m), scores_of(p, t->dscores, s.first + i), t->block + (ptrdiff_t)i * ld, head);
        ptrdiff_t row = (ptrdiff_t)s.first * 3 * D;
        for (int h = 0; h < m->d.N; h++) {
            const float *d = t->block + h * head;
            gs_gemm(m, GS_NN, s.count, K, s.keys, d, ld, t->qkv + D + h * K, 3 * D, t->dqkv + row + h * K, 3 * D, false);
            gs_gemm(m, GS_TN, s.keys, K, s.count, d, ld, t->qkv + row + h * K, 3 * D, t->dqkv + D + h * K, 3 * D, true);
        }
    }
}

/* G's and v's gradient from the router's logits. */
static void heads_back(gs_pass *p)
{
    const gs_model *m = p->m;
    gs_table *t = &p->table;
    gs_product r = gs_reader(p, GS_READER_ROUTER);
    int D = m->d.D, E = m->d.E, N = m->d.N, K = m->d.K;
    for (int h = 0; h < N; h++) {
        float *d = t->deach + h * E;
        gs_gemm(m, GS_NN, t->rows, K, E, d, N * E, r.w + h * K, D, t->dqkv + 2 * D + h * K, 3 * D, true);
        gs_gemm(m, GS_TN, E, K, t->rows, d, N * E, t->qkv + 2 * D + h * K, 3 * D, r.dw + h * K, D, true);
    }
}

void gs_pairs_back(gs_pass *p)
{
    gs_table *t = &p->table;
    if (!p->reductions.table) return;
    const gs_model *m = p->m;
    gs_indices at = gs_layer_tensors(m, 0);
    size_t count = (size_t)t->rows * (size_t)m->d.D;
    if (p->reductions.heads) heads_back(p);
    gs_readers_back(p);
    if (p->reductions.pairs) scores_back(p);
    float *dnorm = has_norm(m) ? t->qkv : t->dx; /* q, k and v are used up */
    if (has_norm(m)) memset(dnorm, 0, count * sizeof *dnorm);
    gs_attention_inputs_back(p, at.attention, t->rows, t->norm, t->dqkv, dnorm);
    if (has_norm(m)) gs_normalise_back(p, at.norm1, t->rows, t->x, t->stats, dnorm, t->dx);
    for (int i = 0; i < t->rows; i++) gs_embed_back(p, t->token[i], t->position[i], t->dx + (ptrdiff_t)i * m->d.D);
}
