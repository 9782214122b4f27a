/* Loss and gradient of a batch, chunk by chunk. Every parameter's gradient is one chain over the batch's rows in order, so the chunks
 * leave no trace in it. */
#include <string.h>

#include "nn_internal.h"

static int targets_of(const int32_t *targets, int tokens, int32_t *rows, int32_t *wanted)
{
    int count = 0;
    for (int i = 0; i < tokens; i++) {
        if (targets[i] < 0) continue;
        rows[count] = i;
        wanted[count++] = targets[i];
    }
    return count;
}

static void routing_clear(gs_routing *r, const gs_dims *d)
{
    memset(r->mass, 0, (size_t)(d->L * d->E) * sizeof *r->mass);
    memset(r->count, 0, (size_t)(d->L * d->E) * sizeof *r->count);
    memset(r->square, 0, (size_t)d->L * sizeof *r->square);
    r->tokens = 0;
}

static void add_routing(const gs_model *m, const gs_routing *r, gs_losses *sum)
{
    if (!gs_has_router(&m->config)) return;
    for (int l = 0; l < m->d.L; l++) {
        for (int e = 0; e < m->d.E; e++)
            sum->aux += m->d.E * (r->count[l * m->d.E + e] / r->tokens) * (r->mass[l * m->d.E + e] / r->tokens);
        sum->z += r->square[l] / r->tokens;
    }
}

gs_losses gs_gradient(gs_pass *p, const int32_t *tokens, const int32_t *targets, int n, int64_t step)
{
    const gs_model *m = p->m;
    int T = m->d.T, wanted = 0, right = 0;
    for (int i = 0; i < n * T; i++) wanted += targets[i] >= 0;
    if (n > p->most && gs_balances(&m->config))
        gs_die("%d sequences in a pass of %d, and the balancing loss needs them at once", n, p->most);
    memset(m->grad, 0, m->size * sizeof *m->grad);
    size_t tied = p->dread ? (size_t)m->d.C * (size_t)m->d.D : 0;
    if (tied) memset(p->dread, 0, tied * sizeof *p->dread);
    gs_routing *r = &p->routing;
    routing_clear(r, &m->d);
    gs_losses sum = {0};
    for (int first = 0; first < n; first += p->most) {
        int count = n - first < p->most ? n - first : p->most;
        const int32_t *at = tokens + (ptrdiff_t)first * T;
        gs_view view = {.train = true, .step = step, .first = first};
        gs_forward(p, at, count, &view, r);
        int rows = targets_of(targets + (ptrdiff_t)first * T, count * T, p->row_room, p->target_room);
        float *logits = gs_readout(p, p->row_room, rows);
        sum.ce += m->kernels->cross_entropy(rows, m->d.C, logits, p->target_room, true, 1 / (float)wanted, p->right_room);
        for (int i = 0; i < rows; i++) right += p->right_room[i];
        gs_routing whole = *r;
        whole.tokens = (double)n * T; /* the z-loss is a mean over the batch, not the chunk */
        gs_backward(p, at, &view, &whole);
    }
    m->kernels->add(tied, p->dread, m->grad);
    sum.ce /= wanted;
    sum.accuracy = (double)right / wanted;
    add_routing(m, r, &sum);
    sum.total = sum.ce + gs_num(&m->config, GS_ROUTER_AUX) * sum.aux + gs_num(&m->config, GS_ROUTER_Z) * sum.z;
    return sum;
}
