/* Routers: which experts a token meets and with what weight; the losses that balance them, and their gradient.
 *
 * r = Wr x, p = softmax(r). aux = E sum_e f_e P_e (Fedus et al. 2021, eq. 4-6; f counted per token, so it sums to k), no gradient
 * through f. z = mean logsumexp(r)^2 (Zoph et al. 2022, eq. 5). With dw_j the gradient of the weight of choice j:
 * raw: dp_j = dw_j. renorm, S = sum of the chosen p: dp_j = (dw_j - sum_i dw_i w_i) / S; for k = 1 the weight is the constant 1.
 * dr = p (dp - sum dp p) + z_weight 2 logsumexp(r) p / tokens. */
#include <string.h>

#include "nn_internal.h"

bool gs_has_router(const gs_config *c)
{
    return gs_is(c, GS_ROUTER_MODE, GS_ROUTER_LEARNED) || gs_is(c, GS_ROUTER_MODE, GS_ROUTER_FROZEN);
}

int gs_routed_from(const gs_config *c, const gs_dims *d) { return gs_is(c, GS_ROUTER_POSITIONS, GS_POSITIONS_LOSS) ? d->first : 0; }

gs_product gs_router_product(const gs_model *m, int layer) { return gs_product_of(m, gs_layer_tensors(m, layer).ffn, -1); }

bool gs_balances(const gs_config *c) { return gs_has_router(c) && gs_num(c, GS_ROUTER_AUX) > 0; }

/* The k largest, largest first; ties to the lower index. */
static void largest(const float *p, int E, int k, int32_t *choice)
{
    for (int j = 0; j < k; j++) {
        int best = -1;
        for (int e = 0; e < E; e++) {
            bool taken = false;
            for (int i = 0; i < j; i++) taken |= choice[i] == e;
            if (!taken && (best < 0 || p[e] > p[best])) best = e;
        }
        choice[j] = best;
    }
}

static void weigh(const gs_config *c, const float *p, int k, const int32_t *choice, float *weight)
{
    bool raw = gs_is(c, GS_ROUTER_GATE, GS_GATE_RAW);
    float sum = 0;
    for (int j = 0; j < k; j++) sum += p[choice[j]];
    for (int j = 0; j < k; j++) weight[j] = raw ? p[choice[j]] : k == 1 ? 1 : p[choice[j]] / sum;
}

/* Logits to probabilities, all tokens at once; lse (may be NULL) gets their logsumexp. */
static void probabilities(const gs_model *m, int tokens, float *p, float *lse)
{
    int E = m->d.E;
    for (int t = 0; t < tokens; t++) {
        float *r = p + (ptrdiff_t)t * E, most = r[0];
        for (int e = 1; e < E; e++) most = r[e] > most ? r[e] : most;
        for (int e = 0; e < E; e++) r[e] -= most;
        if (lse) lse[t] = most;
    }
    m->kernels->exp((size_t)tokens * (size_t)E, p, p);
    for (int t = 0; t < tokens; t++) {
        float *r = p + (ptrdiff_t)t * E, sum = 0;
        for (int e = 0; e < E; e++) sum += r[e];
        for (int e = 0; e < E; e++) r[e] /= sum;
        if (lse) lse[t] += (float)gs_log((double)sum);
    }
}

/* Logits of the rows of x: at their tokens in p. */
static void logits_of_x(const gs_ffn_use *u, gs_moe_acts *a)
{
    const gs_model *m = u->p->m;
    int E = m->d.E, T = m->d.T, Q = T - u->p->layer[u->layer].first;
    gs_product w = gs_router_product(m, u->layer);
    gs_linear(m, &w, u->rows, u->x, Q == T ? a->p : a->dp, E);
    for (int r = 0; Q < T && r < u->rows; r++)
        memcpy(a->p + (ptrdiff_t)(r / Q * T + T - Q + r % Q) * E, a->dp + (ptrdiff_t)r * E, (size_t)E * sizeof *a->p);
}

/* Straight from the heads where that is possible. An evaluation looks at x where there is one: an ablation may have changed it. */
static void logits(const gs_ffn_use *u, gs_moe_acts *a)
{
    bool heads = u->p->reductions.heads, train = u->view->train;
    if (heads && !u->view->patch) gs_pairs_logits(u->p, a->p);
    if (!heads || !train) logits_of_x(u, a);
}

static bool has_z(const gs_model *m) { return gs_num(&m->config, GS_ROUTER_Z) != 0; }

static void by_probability(const gs_ffn_use *u, gs_moe_acts *a, int tokens)
{
    const gs_model *m = u->p->m;
    int E = m->d.E, k = m->d.k;
    logits(u, a);
    probabilities(m, tokens, a->p, has_z(m) ? a->lse : NULL);
    for (int t = 0; t < tokens; t++) {
        const float *p = a->p + (ptrdiff_t)t * E;
        largest(p, E, k, a->choice + (ptrdiff_t)t * k);
        weigh(&m->config, p, k, a->choice + (ptrdiff_t)t * k, a->weight + (ptrdiff_t)t * k);
    }
}

/* k distinct experts: the head of a Fisher-Yates shuffle. Training and evaluation at one step draw apart. */
static void drawn(const gs_ffn_use *u, int64_t token, int32_t *choice)
{
    const gs_dims *d = &u->p->m->d;
    gs_rng r = gs_rng_of((uint32_t)gs_int(&u->p->m->config, GS_SEED), GS_RNG_ROUTE);
    uint64_t step = (uint64_t)u->view->step << 1 | (uint64_t)!u->view->train;
    int32_t order[256]; /* the key table's bound of ffn.experts */
    for (int e = 0; e < d->E; e++) order[e] = e;
    for (int j = 0; j < d->k; j++) {
        uint32_t i = (uint32_t)(token * d->k + j);
        int other = j + (int)gs_rng_below(r, step, 1 + (uint32_t)u->layer, i, (uint32_t)(d->E - j));
        choice[j] = order[other];
        order[other] = order[j];
    }
}

static void without_router(const gs_ffn_use *u, gs_moe_acts *a, int tokens)
{
    const gs_model *m = u->p->m;
    int k = m->d.k;
    for (int t = 0; t < tokens; t++) {
        int32_t *choice = a->choice + (ptrdiff_t)t * k;
        if (m->hash) memcpy(choice, m->hash + (ptrdiff_t)u->tokens[t] * k, (size_t)k * sizeof *choice);
        else drawn(u, (int64_t)u->view->first * m->d.T + t, choice);
        for (int j = 0; j < k; j++) a->weight[(ptrdiff_t)t * k + j] = 1 / (float)k;
    }
}

static void sums(const gs_ffn_use *u, const gs_moe_acts *a, int tokens, gs_routing *r)
{
    const gs_dims *d = &u->p->m->d;
    double *mass = r->mass + u->layer * d->E, *count = r->count + u->layer * d->E;
    int from = gs_routed_from(&u->p->m->config, d);
    bool z = has_z(u->p->m);
    for (int t = 0; t < tokens; t++) {
        if (t % d->T < from) continue;
        for (int j = 0; j < d->k; j++) count[a->choice[(ptrdiff_t)t * d->k + j]]++;
        if (!a->p) continue;
        for (int e = 0; e < d->E; e++) mass[e] += (double)a->p[(ptrdiff_t)t * d->E + e];
        if (z) r->square[u->layer] += (double)a->lse[t] * (double)a->lse[t];
    }
}

void gs_route(const gs_ffn_use *u, gs_moe_acts *a, int tokens, gs_routing *routing)
{
    if (a->p) by_probability(u, a, tokens);
    else without_router(u, a, tokens);
    if (routing) sums(u, a, tokens, routing);
}

static void chosen_gradient(const gs_config *c, const float *p, int k, const int32_t *choice, const float *w, const float *dw, float *dp)
{
    if (gs_is(c, GS_ROUTER_GATE, GS_GATE_RAW)) {
        for (int j = 0; j < k; j++) dp[choice[j]] += dw[j];
    } else if (k > 1) {
        float sum = 0, inner = 0;
        for (int j = 0; j < k; j++) sum += p[choice[j]], inner += dw[j] * w[j];
        for (int j = 0; j < k; j++) dp[choice[j]] += (dw[j] - inner) / sum;
    }
}

static void logits_back(const gs_ffn_use *u, gs_moe_acts *a, float *dx)
{
    const gs_model *m = u->p->m;
    int E = m->d.E, T = m->d.T, Q = T - u->p->layer[u->layer].first;
    gs_product w = gs_router_product(m, u->layer);
    for (int r = 0; Q < T && r < u->rows; r++)
        memmove(a->dp + (ptrdiff_t)r * E, a->dp + (ptrdiff_t)(r / Q * T + T - Q + r % Q) * E, (size_t)E * sizeof *a->dp);
    gs_linear_grad(m, &w, u->rows, a->dp, E, u->x);
    gs_linear_back(m, &w, u->rows, a->dp, E, dx, true);
}

void gs_route_back(const gs_ffn_use *u, gs_moe_acts *a, int tokens, float *dx, const gs_routing *routing)
{
    const gs_model *m = u->p->m;
    const gs_config *c = &m->config;
    int E = m->d.E, k = m->d.k;
    double n = routing->tokens, aux = gs_num(c, GS_ROUTER_AUX), z = gs_num(c, GS_ROUTER_Z);
    int from = gs_routed_from(c, &m->d);
    float balance[256];
    for (int e = 0; e < E; e++) balance[e] = (float)(aux * E * routing->count[u->layer * E + e] / n / n);
    for (int t = 0; t < tokens; t++) {
        ptrdiff_t at = (ptrdiff_t)t * k;
        if (t % m->d.T < from) memset(a->dp + (ptrdiff_t)t * E, 0, (size_t)E * sizeof *balance);
        else memcpy(a->dp + (ptrdiff_t)t * E, balance, (size_t)E * sizeof *balance);
        chosen_gradient(c, a->p + (ptrdiff_t)t * E, k, a->choice + at, a->weight + at, a->dweight + at, a->dp + (ptrdiff_t)t * E);
    }
    m->kernels->softmax_back(tokens, E, a->p, a->dp, a->dp, E);
    for (int t = 0; z != 0 && t < tokens; t++)
        if (t % m->d.T >= from)
            m->kernels->scale_add((size_t)E, (float)(2 * z * (double)a->lse[t] / n), a->p + (ptrdiff_t)t * E, a->dp + (ptrdiff_t)t * E);
    if (!u->p->reductions.heads) logits_back(u, a, dx); /* else gs_pairs_attention_back goes on */
}
