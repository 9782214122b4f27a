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

/* The balancing loss of a token depends on the choices of all tokens: where the batch comes in several chunks, a first sweep
 * over them collects the sums, and the second makes the same choices again. */
static bool sums_first(gs_pass *p, const int32_t *tokens, int n, int64_t step)
{
    if (n <= p->most || !gs_balances(&p->m->config)) return false;
    for (int first = 0; first < n; first += p->most) {
        gs_view view = {.train = true, .step = step, .first = first, .routes_only = true};
        gs_forward(p, tokens + (ptrdiff_t)first * p->m->d.T, n - first < p->most ? n - first : p->most, &view, &p->routing);
    }
    return true;
}

typedef struct batch {
    const int32_t *tokens, *targets; /* (n, T) */
    int n, wanted;                   /* sequences; targets that are not -1 */
} batch;

/* Adds a chunk's losses and right answers to *sum, not yet divided. */
static void one_chunk(gs_pass *p, const batch *b, const gs_view *view, gs_routing *routing, gs_losses *sum)
{
    const gs_model *m = p->m;
    int left = b->n - view->first, n = left < p->most ? left : p->most;
    const int32_t *tokens = b->tokens + (ptrdiff_t)view->first * m->d.T;
    gs_forward(p, tokens, n, view, routing);
    int rows = targets_of(b->targets + (ptrdiff_t)view->first * m->d.T, n * m->d.T, p->row_room, p->target_room);
    float *logits = (p->reductions.fold ? gs_fold_readout : gs_readout)(p, p->row_room, rows);
    sum->ce = m->kernels->cross_entropy(sum->ce, rows, m->d.C, logits, p->target_room, true, 1 / (float)b->wanted, p->right_room);
    for (int i = 0; i < rows; i++) sum->accuracy += p->right_room[i];
    gs_routing whole = p->routing;
    whole.tokens = (double)b->n * (m->d.T - gs_routed_from(&m->config, &m->d)); /* the routers' losses are means over the batch */
    gs_backward(p, tokens, view, &whole);
}

static void clear(gs_pass *p)
{
    const gs_model *m = p->m;
    memset(m->grad, 0, m->size * sizeof *m->grad);
    if (p->dread) memset(p->dread, 0, (size_t)m->d.C * (size_t)m->d.D * sizeof *p->dread);
    gs_pairs_clear(p);
    routing_clear(&p->routing, &m->d);
}

gs_losses gs_gradient(gs_pass *p, const int32_t *tokens, const int32_t *targets, int n, int64_t step)
{
    const gs_model *m = p->m;
    batch b = {tokens, targets, n, 0};
    for (int i = 0; i < n * m->d.T; i++) b.wanted += targets[i] >= 0;
    gs_prepare(p, tokens, n);
    clear(p);
    gs_fold_begin(p);
    gs_routing *r = sums_first(p, tokens, n, step) ? NULL : &p->routing;
    gs_losses sum = {0};
    for (int first = 0; first < n; first += p->most) {
        gs_view view = {.train = true, .step = step, .first = first};
        one_chunk(p, &b, &view, r, &sum);
    }
    gs_pairs_back(p);
    gs_fold_end(p);
    if (p->dread) m->kernels->add((size_t)m->d.C * (size_t)m->d.D, p->dread, m->grad);
    sum.ce /= b.wanted;
    sum.accuracy /= b.wanted;
    add_routing(m, &p->routing, &sum);
    sum.total = sum.ce + gs_num(&m->config, GS_ROUTER_AUX) * sum.aux + gs_num(&m->config, GS_ROUTER_Z) * sum.z;
    return sum;
}
