/* How well a model, or a constant predictor, does on an evaluation set: overall and by stratum. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gridshift/train.h"

static void count_position(gs_score *s, uint64_t strata, bool right)
{
    s->scored++;
    s->right += right;
    for (uint64_t left = strata; left; left &= left - 1) {
        int k = __builtin_ctzll(left);
        s->stratum_scored[k]++;
        s->stratum_right[k] += right;
    }
}

static void count_input(gs_score *s, uint64_t strata, bool whole)
{
    s->inputs++;
    s->whole += whole;
    for (uint64_t left = strata; left; left &= left - 1) {
        int k = __builtin_ctzll(left);
        s->stratum_inputs[k]++;
        s->stratum_whole[k] += whole;
    }
}

/* right (T): of one input's positions; those that are not scored are passed over. */
static void count_sequence(gs_score *s, const gs_data *d, int input, const uint8_t *right)
{
    uint64_t all = 0;
    bool whole = true;
    for (int t = 0; t < d->length; t++) {
        size_t at = (size_t)input * (size_t)d->length + (size_t)t;
        if (!d->scored[at]) continue;
        count_position(s, d->strata[at], right[t]);
        all |= d->strata[at];
        whole &= right[t];
    }
    count_input(s, all, whole);
}

typedef struct room { /* of one chunk */
    int32_t *rows, *targets;
    uint8_t *right, *by_position;
    double *mass, *count, *square;
} room;

static void chunk(gs_pass *p, const gs_data *d, int first, int n, const gs_view *view, room *r, gs_routing *routing, gs_score *s)
{
    const gs_model *m = gs_pass_model(p);
    int T = d->length, rows = 0;
    size_t base = (size_t)first * (size_t)T;
    gs_forward(p, d->tokens + base, n, view, routing);
    for (int i = 0; i < n * T; i++)
        if (d->targets[base + (size_t)i] >= 0) r->rows[rows] = i, r->targets[rows++] = d->targets[base + (size_t)i];
    float *logits = gs_readout(p, r->rows, rows);
    s->loss = m->kernels->cross_entropy(s->loss, rows, m->d.C, logits, r->targets, false, 0, r->right);
    s->targets += rows;
    memset(r->by_position, 0, (size_t)n * (size_t)T);
    for (int i = 0; i < rows; i++) r->by_position[r->rows[i]] = r->right[i];
    for (int i = 0; i < n; i++) count_sequence(s, d, first + i, r->by_position + (ptrdiff_t)i * T);
}

static void routing_metrics(const gs_model *m, const gs_routing *r, gs_score *out)
{
    int E = m->d.E;
    for (int l = 0; l < m->d.L; l++)
        for (int e = 0; e < E; e++) {
            double share = r->count[l * E + e] / (r->tokens * m->d.k);
            if (share > out->load_max) out->load_max = share;
            out->aux += E * (r->count[l * E + e] / r->tokens) * (r->mass[l * E + e] / r->tokens);
        }
}

size_t gs_evaluate_bytes(const gs_dims *d, int most)
{
    size_t tokens = (size_t)most * (size_t)d->T, LE = (size_t)(d->L * d->E);
    return tokens * (2 * sizeof(int32_t) + 2) + (2 * LE + (size_t)d->L) * sizeof(double);
}

void gs_evaluate(gs_pass *p, const gs_data *d, int64_t step, const gs_patch *patch, gs_clean *record, gs_score *out)
{
    const gs_model *m = gs_pass_model(p);
    int most = gs_pass_most(p);
    size_t tokens = (size_t)most * (size_t)d->length, LE = (size_t)(m->d.L * m->d.E);
    room r = {gs_alloc(tokens, 4), gs_alloc(tokens, 4), gs_alloc(tokens, 1), gs_alloc(tokens, 1), gs_alloc(LE, 8), gs_alloc(LE, 8),
              gs_alloc((size_t)m->d.L, 8)};
    gs_routing routing = {r.mass, r.count, r.square, 0};
    *out = (gs_score){0};
    for (int first = 0; first < d->n; first += most) {
        gs_view view = {.step = step, .first = first, .patch = patch, .record = record};
        chunk(p, d, first, d->n - first < most ? d->n - first : most, &view, &r, patch ? NULL : &routing, out);
    }
    out->loss /= (double)out->targets;
    if (m->d.E > 1 && !patch) routing_metrics(m, &routing, out);
    free(r.rows), free(r.targets), free(r.right), free(r.by_position), free(r.mass), free(r.count), free(r.square);
}

void gs_evaluate_floor(const gs_data *d, int classes, gs_score *out)
{
    int32_t *prediction = gs_alloc((size_t)d->length, sizeof *prediction);
    uint8_t *right = gs_alloc((size_t)d->length, 1);
    gs_floor(d, classes, prediction);
    *out = (gs_score){0};
    for (int i = 0; i < d->n; i++) {
        for (int t = 0; t < d->length; t++) right[t] = prediction[t] == d->targets[(size_t)i * (size_t)d->length + (size_t)t];
        count_sequence(out, d, i, right);
    }
    free(prediction);
    free(right);
}

static void one_stratum(const gs_score *s, int k, const gs_stratum *stratum, const char *subject, const char *split, gs_metrics *out)
{
    const char *comma = *split ? "," : "";
    if (s->stratum_scored[k])
        gs_metrics_set(out, (double)s->stratum_right[k] / (double)s->stratum_scored[k], "%s.accuracy[%s%s%s]", subject, split,
                       comma, stratum->name);
    if (stratum->whole && s->stratum_inputs[k])
        gs_metrics_set(out, (double)s->stratum_whole[k] / (double)s->stratum_inputs[k], "%s.exact_match[%s%s%s]", subject,
                       split, comma, stratum->name);
}

void gs_score_metrics(const gs_score *s, const gs_stratum *strata, int count, const char *subject, const char *split, gs_metrics *out)
{
    char bracket[40] = "";
    if (*split) snprintf(bracket, sizeof bracket, "[%s]", split);
    gs_metrics_set(out, (double)s->right / (double)s->scored, "%s.accuracy%s", subject, bracket);
    gs_metrics_set(out, (double)s->whole / (double)s->inputs, "%s.exact_match%s", subject, bracket);
    if (s->targets) gs_metrics_set(out, s->loss, "%s.loss%s", subject, bracket);
    for (int k = 0; k < count; k++) one_stratum(s, k, &strata[k], subject, split, out);
}
