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
    out->train_flops = 3 * out->flops_per_token * out->tokens_per_step * gs_int(c, GS_TRAIN_STEPS);
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

typedef struct work { int64_t inputs, scores, outputs, router, blocks, readout; bool folded; } work; /* rows of each kind of product */

/* Forward, and the two products of backward for every one of forward; the first sweep of a balancing loss in several chunks is extra. */
static int64_t flops_of(const gs_config *c, const gs_dims *d, const work *w, bool twice)
{
    int64_t D = d->D, inside = gs_ffn_of(c)->block->gated ? 2 : 1, columns = inside * D + (w->folded ? d->C : D);
    int64_t fold = w->folded ? 2LL * d->E * d->C * D * d->width : 0;
    int64_t inputs = 2 * w->inputs * 3 * D * D, attention = 4 * w->scores * d->T * D + 2 * w->outputs * D * D;
    int64_t router = gs_has_router(c) ? 2 * w->router * D * d->E : 0, blocks = 2 * w->blocks * d->k * columns * d->width + fold;
    return 3 * (inputs + attention + router + blocks + 2 * w->readout * D * d->C) + (twice ? attention + router : 0);
}

void gs_step_flops(const gs_config *c, const gs_dims *d, int batch, const int32_t *targets, int64_t *plain, int64_t *performed)
{
    int64_t M = (int64_t)batch * d->T, read = 0;
    for (int64_t i = 0; i < M; i++) read += targets[i] >= 0;
    const work all = {M, M, M, M, M, read, false};
    gs_reductions r = gs_reductions_of(c, d, batch);
    int64_t late = (int64_t)batch * (d->T - r.first);
    bool mixture = gs_ffn_of(c)->mixture;
    work last = {M, mixture ? M : late, mixture ? M : late, M, late, read, r.fold}, first = d->L == 1 ? last : all;
    if (r.table) first.inputs = (int64_t)d->V * d->T;
    *plain = *performed = 0;
    for (int l = 0; l < d->L; l++) {
        work w = l == 0 ? first : l == d->L - 1 ? last : all, p = all;
        if (l < d->L - 1) w.readout = p.readout = 0;
        *plain += flops_of(c, d, &p, false);
        *performed += flops_of(c, d, &w, gs_balances(c) && gs_chunk(c, d, batch) < batch);
    }
}
