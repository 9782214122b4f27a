/* What a config costs: sums over the declarations of its tensors. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn_internal.h"

static bool is_matrix(const gs_tensor *t) { return t->role == GS_ROLE_WEIGHT || t->role == GS_ROLE_UNEMBED; }

/* An expert's elements count k/E each: summed first, then shared out, so that the division is exact. */
static void count_tensors(const gs_tensor *t, int n, const gs_config *c, const gs_dims *d, gs_counts *out)
{
    int64_t expert = 0, expert_flops = 0;
    for (int i = 0; i < n; i++) {
        int64_t size = (int64_t)gs_tensor_size(&t[i]);
        out->params_total += size;
        if (t[i].role == GS_ROLE_EMBED || t[i].role == GS_ROLE_UNEMBED) out->params_embedding += size;
        if (t[i].frozen) out->params_frozen += size;
        if (t[i].expert) expert += size;
        if (is_matrix(&t[i])) *(t[i].expert ? &expert_flops : &out->flops_per_token) += 2 * size;
    }
    out->params_active = out->params_total - expert + expert / d->E * d->k;
    out->flops_per_token += expert_flops / d->E * d->k + 4LL * d->T * d->D * d->L;
    if (gs_is(c, GS_MODEL_TIED, 1)) out->flops_per_token += 2LL * d->C * d->D;
}

/* -1 when it does not fit. */
static int64_t product(int64_t a, int64_t b) { return a < 0 || b < 0 || __builtin_mul_overflow(a, b, &a) ? -1 : a; }

void gs_count(const gs_config *c, gs_counts *out)
{
    gs_dims d = gs_dims_of(c);
    gs_layout l = {0};
    gs_layout_model(&l, c, &d);
    gs_tensor *tensors = gs_alloc((size_t)l.count, sizeof *tensors);
    l = (gs_layout){.at = tensors};
    gs_layout_model(&l, c, &d);
    *out = (gs_counts){0};
    count_tensors(tensors, l.count, c, &d, out);
    free(tensors);
    int batch = gs_batch_size(c);
    out->tokens_per_step = (int64_t)batch * d.T;
    out->train_flops = product(product(3 * out->flops_per_token, out->tokens_per_step), gs_int(c, GS_TRAIN_STEPS));
    enum { COPIES = 8 }; /* parameters, packed, gradient, two moments, the best, the first99 and the final checkpoint */
    out->bytes = (int64_t)(l.size * sizeof(float) * COPIES + gs_pass_bytes(c, &d, gs_chunk(c, &d, batch), batch)) + gs_task_bytes(c);
}

int64_t gs_count_named(const gs_counts *n, const char *name)
{
    if (!strcmp(name, "params_total")) return n->params_total;
    if (!strcmp(name, "params_active")) return n->params_active;
    if (!strcmp(name, "flops_per_token")) return n->flops_per_token;
    return -1;
}

/* -- one training step ----------------------------------------------------------------------------------------------- */

typedef struct work { /* of one layer: rows of each kind of product, and what the reductions put in their place, in multiply-adds */
    int64_t inputs, scores, sums, outputs, router, blocks, readout; /* scores, sums: rows times keys of attention's two products */
    int down;              /* columns of the block's last matrix */
    int64_t once;          /* products of matrices and of the table, once per batch */
    bool twice;            /* the first sweep of a balancing loss in several chunks */
} work;

/* Forward, and the two products of backward for every one of forward. */
static double flops_of(const gs_config *c, const gs_dims *d, const work *w)
{
    int64_t D = d->D, inside = gs_ffn_of(c)->block->gated ? 2 : 1;
    int64_t attention = (w->scores + w->sums) * D + w->outputs * D * D, router = gs_has_router(c) ? w->router * D * d->E : 0;
    int64_t blocks = w->blocks * d->k * (inside * D + w->down) * d->width;
    int64_t all = w->inputs * 3 * D * D + attention + router + blocks + w->readout * D * d->C + w->once;
    return 2 * (3 * (double)all + (double)(w->twice ? attention + router : 0));
}

/* The pairs that occur in a batch at a position. */
static int64_t pairs_at(const gs_dims *d, int batch, const int32_t *tokens, int position)
{
    if (!tokens) return batch < d->V ? batch : d->V;
    uint8_t *seen = gs_alloc((size_t)d->V, 1);
    int64_t count = 0;
    for (int b = 0; b < batch; b++) {
        uint8_t *s = &seen[tokens[b * d->T + position]];
        count += !*s;
        *s = 1;
    }
    free(seen);
    return count;
}

/* The table of pairs: its rows, the scores between them, the readers' products. */
static void table_work(const gs_config *c, const gs_dims *d, const gs_reductions *r, int batch, const int32_t *tokens, work *w)
{
    bool causal = gs_is(c, GS_MODEL_MASK, GS_MASK_CAUSAL);
    int from = r->heads ? gs_routed_from(c, d) : gs_first_query(c, d, r);
    int64_t before = 0, late = 0, queries = 0, scores = 0, all = 0, D = d->D;
    int64_t outs = (int64_t)d->E * d->width * (gs_ffn_of(c)->block->gated ? 2 : 1) + d->C;
    for (int t = 0; t < d->T; t++) all += pairs_at(d, batch, tokens, t);
    for (int t = 0; t < d->T; t++) {
        int64_t here = pairs_at(d, batch, tokens, t);
        before += here;
        if (t >= from) queries += here, scores += here * (causal ? before : all);
        if (t >= d->first) late += here;
    }
    w->inputs = all;
    if (r->pairs) w->scores = scores;
    if (r->heads) {
        w->once += all * D * d->E + d->E * D * (D + queries);
        w->sums += (int64_t)batch * (d->T - from) * d->T * d->N * d->E / D;
        w->router = 0;
    }
    if (r->direct) {
        w->once += outs * D * (D + late);
        w->outputs = 0;
    }
}

void gs_step_flops(const gs_config *c, const gs_dims *d, int batch, const int32_t *tokens, const int32_t *targets, double *plain,
                   double *performed)
{
    int64_t M = (int64_t)batch * d->T, read = targets ? 0 : (int64_t)batch * (d->T - d->first);
    for (int64_t i = 0; targets && i < M; i++) read += targets[i] >= 0;
    gs_reductions r = gs_reductions_of(c, d, batch);
    *plain = *performed = 0;
    for (int l = 0; l < d->L; l++) {
        bool last = l == d->L - 1;
        work all = {.inputs = M, .scores = M * d->T, .sums = M * d->T, .outputs = M, .router = M, .blocks = M, .readout = last ? read : 0,
                    .down = d->D}, w = all;
        if (last) {
            int64_t queries = (int64_t)batch * (d->T - gs_first_query(c, d, &r));
            w.scores = w.sums = queries * d->T, w.outputs = w.router = queries;
            w.blocks = (int64_t)batch * (d->T - r.first);
            w.twice = gs_balances(c) && !r.heads && gs_chunk(c, d, batch) < batch;
        }
        if (last && r.fold) w.down = d->C, w.readout = w.blocks, w.once = (int64_t)d->E * d->C * d->D * d->width;
        if (l == 0 && r.table) table_work(c, d, &r, batch, tokens, &w);
        *plain += flops_of(c, d, &all);
        *performed += flops_of(c, d, &w);
    }
}

double gs_step_performed(const gs_config *c)
{
    gs_dims d = gs_dims_of(c);
    double plain, performed;
    gs_step_flops(c, &d, gs_batch_size(c), NULL, NULL, &plain, &performed);
    return performed;
}
