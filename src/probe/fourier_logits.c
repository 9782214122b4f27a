/* What the logits are made of, after Nanda et al. 2023 (arXiv 2301.05217, section 4 and appendix; the same as their notebook, in double).
 *
 * With s the answer of a pair, the a + b directions of frequency k are sqrt(2)/p cos(w_k s) and sqrt(2)/p sin(w_k s), orthonormal over the
 * p^2 pairs. The class "=" is dropped. u_k, v_k (classes): the projections of the logits. Restricted: the mean logits and the key
 * frequencies' directions alone; they depend on s only. Excluded: the logits without these directions. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fourier.h"

static const double HELD = 0.95;
enum { RANKS = 5, CHUNK = 256 };

typedef struct work {
    gs_scene *s;
    int p, K;
    double *mean, *signal;   /* (p): over all pairs; (p, p): by answer */
    double *u, *v, *power;   /* (K, p), (K, p), (K) */
    double *cosine, *sine;   /* (p): of one turn */
    int *key, keys;
    float *rows;             /* (CHUNK, p) */
    int32_t *targets;        /* (CHUNK) */
} work;

static const float *logits_of(const work *w, int pair) { return w->s->logits + (size_t)pair * (size_t)w->s->d.C; }
static int answer_of(const work *w, int pair) { return w->s->data->targets[gs_scene_at(w->s, pair)]; }

static double average(work *w)
{
    int p = w->p;
    double variance = 0;
    for (int r = 0; r < w->s->rows; r++)
        for (int c = 0; c < p; c++) w->signal[answer_of(w, r) * p + c] += (double)logits_of(w, r)[c];
    for (int c = 0; c < p; c++) {
        for (int a = 0; a < p; a++) w->mean[c] += w->signal[a * p + c], w->signal[a * p + c] /= p; /* p pairs have each answer */
        w->mean[c] /= (double)p * p;
    }
    for (int r = 0; r < w->s->rows; r++)
        for (int c = 0; c < p; c++) {
            double d = (double)logits_of(w, r)[c] - w->mean[c];
            variance += d * d;
        }
    return variance;
}

/* sum over pairs of sqrt2/p cos(w s) L = p sum over answers of sqrt2/p cos(w s) mean L = sqrt2 sum_s cos(w s) signal; for k = p/2 the
 * cosine's norm is p, and there is no sine. */
static void project(work *w)
{
    for (int k = 1; k <= w->K; k++) {
        double *u = w->u + (size_t)(k - 1) * (size_t)w->p, *v = w->v + (size_t)(k - 1) * (size_t)w->p, norm = 2 * k == w->p ? 1 : sqrt(2);
        for (int a = 0; a < w->p; a++) {
            int turn = (int)((int64_t)k * a % w->p);
            for (int c = 0; c < w->p; c++) {
                u[c] += norm * w->cosine[turn] * w->signal[a * w->p + c];
                if (2 * k != w->p) v[c] += norm * w->sine[turn] * w->signal[a * w->p + c];
            }
        }
        for (int c = 0; c < w->p; c++) w->power[k - 1] += u[c] * u[c] + v[c] * v[c];
    }
}

static void choose(work *w, double variance)
{
    double all = 0, held = 0;
    for (int k = 0; k < w->K; k++) all += w->power[k];
    bool *taken = gs_alloc((size_t)w->K, sizeof *taken);
    while (w->keys < w->K && held < HELD * all) {
        int best = -1;
        for (int k = 0; k < w->K; k++)
            if (!taken[k] && (best < 0 || w->power[k] > w->power[best])) best = k;
        taken[best] = true, held += w->power[best];
        w->key[w->keys++] = best + 1;
    }
    free(taken);
    gs_tell(w->s, w->keys, "key_frequencies", -1, "%s", "");
    for (int i = 0; i < w->keys && i < RANKS; i++) gs_tell(w->s, w->key[i], "key_frequency", -1, "rank=%d", i + 1);
    if (variance <= 0) return;
    gs_tell(w->s, all / variance, "logit_sum_share", -1, "%s", "");
    gs_tell(w->s, held / variance, "logit_key_share", -1, "%s", "");
}

/* out (p) += the directions of `count` frequencies at answer a. */
static void add_directions(const work *w, const int *keys, int count, int a, double sign, double *out)
{
    for (int i = 0; i < count; i++) {
        int k = keys[i], turn = (int)((int64_t)k * a % w->p);
        double norm = (2 * k == w->p ? 1 : sqrt(2)) / w->p, c = norm * w->cosine[turn], d = 2 * k == w->p ? 0 : norm * w->sine[turn];
        const double *u = w->u + (size_t)(k - 1) * (size_t)w->p, *v = w->v + (size_t)(k - 1) * (size_t)w->p;
        for (int j = 0; j < w->p; j++) out[j] += sign * (c * u[j] + d * v[j]);
    }
}

/* (p, p): by answer, what is taken for the logits (restricted), or to be taken from them. */
static double *parts(const work *w, const int *keys, int count, bool restricted)
{
    double *out = gs_alloc((size_t)w->p * (size_t)w->p, sizeof *out);
    for (int a = 0; a < w->p; a++) {
        if (restricted) memcpy(out + (size_t)a * (size_t)w->p, w->mean, (size_t)w->p * sizeof *out);
        add_directions(w, keys, count, a, 1, out + (size_t)a * (size_t)w->p);
    }
    return out;
}

static double loss_on(work *w, const gs_data *split, const double *part, bool restricted)
{
    const gs_kernels *k = w->s->m->kernels;
    double sum = 0;
    for (int first = 0; first < split->n; first += CHUNK) {
        int n = split->n - first < CHUNK ? split->n - first : CHUNK;
        for (int i = 0; i < n; i++) {
            const int32_t *t = split->tokens + (size_t)(first + i) * (size_t)w->s->d.T;
            int pair = t[0] * w->p + t[1], a = answer_of(w, pair);
            w->targets[i] = a;
            for (int c = 0; c < w->p; c++) {
                double x = part[(size_t)a * (size_t)w->p + (size_t)c];
                w->rows[i * w->p + c] = (float)(restricted ? x : (double)logits_of(w, pair)[c] - x);
            }
        }
        sum = k->cross_entropy(sum, n, w->p, w->rows, w->targets, false, 0, NULL);
    }
    return sum / split->n;
}

static void losses(work *w)
{
    gs_task *task = w->s->q->task;
    const gs_data *test = gs_task_set(task, GS_SET_TEST, w->s->q->step), *train = gs_task_set(task, GS_SET_TRAIN, w->s->q->step);
    double *part = parts(w, w->key, w->keys, true);
    gs_tell(w->s, loss_on(w, test, part, true), "restricted_loss", -1, "%s", "");
    gs_tell(w->s, loss_on(w, train, part, true), "restricted_loss", -1, "split=train");
    gs_tell(w->s, loss_on(w, w->s->data, part, true), "restricted_loss", -1, "split=all");
    free(part);
    part = parts(w, w->key, w->keys, false);
    gs_tell(w->s, loss_on(w, test, part, false), "excluded_loss", -1, "%s", "");
    gs_tell(w->s, loss_on(w, train, part, false), "excluded_loss", -1, "split=train");
    free(part);
    for (int i = 0; i < w->keys && i < RANKS; i++) {
        part = parts(w, w->key + i, 1, false);
        gs_tell(w->s, loss_on(w, train, part, false), "excluded_loss", -1, "split=train,rank=%d", i + 1);
        free(part);
    }
}

int gs_fourier_logits(gs_scene *s, int **key)
{
    int p = (int)gs_int(s->c, GS_TASK_MODULUS), K = p / 2;
    size_t P = (size_t)p, k = (size_t)K;
    work w = {.s = s, .p = p, .K = K, .mean = gs_alloc(P, 8), .signal = gs_alloc(P * P, 8), .u = gs_alloc(k * P, 8),
              .v = gs_alloc(k * P, 8), .power = gs_alloc(k, 8), .key = gs_alloc(k, sizeof(int)), .rows = gs_alloc(CHUNK * P, 4),
              .targets = gs_alloc(CHUNK, 4)};
    gs_turns(p, &w.cosine, &w.sine);
    double variance = average(&w);
    project(&w);
    choose(&w, variance);
    losses(&w);
    free(w.mean), free(w.signal), free(w.u), free(w.v), free(w.power), free(w.rows), free(w.targets), free(w.cosine), free(w.sine);
    *key = w.key;
    return w.keys;
}

size_t gs_fourier_logits_bytes(int p)
{
    size_t P = (size_t)p, K = P / 2;
    return (3 * P + 2 * P * P + 2 * K * P + K) * sizeof(double) + K * (sizeof(int) + 1) + CHUNK * (P + 1) * sizeof(float);
}
