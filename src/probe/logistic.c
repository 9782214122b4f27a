#include "logistic.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gridshift/base.h"

enum { PAIRS = 10, STEPS = 500, HALVINGS = 40 };
static const double FLAT = 1e-6, ARMIJO = 1e-4;

typedef struct problem {
    int n, d, classes;
    const double *x;
    const int *y;
    double *p; /* (classes): one row's scores */
} problem;

static void scores(const problem *q, const double *w, const double *x, double *out)
{
    for (int c = 0; c < q->classes; c++) {
        const double *row = w + (size_t)c * (size_t)(q->d + 1);
        double lane[4] = {0, 0, 0, row[q->d]}; /* four chains, so that an addition does not wait for the last one */
        int j = 0;
        for (; j + 4 <= q->d; j += 4)
            for (int k = 0; k < 4; k++) lane[k] += row[j + k] * x[j + k];
        for (; j < q->d; j++) lane[0] += row[j] * x[j];
        out[c] = (lane[0] + lane[1]) + (lane[2] + lane[3]);
    }
}

/* The value; gradient in g. */
static double evaluate(const problem *q, const double *w, double *g)
{
    size_t row = (size_t)q->d + 1, size = row * (size_t)q->classes;
    double loss = 0, decay = 0;
    memset(g, 0, size * sizeof *g);
    for (int i = 0; i < q->n; i++) {
        const double *x = q->x + (size_t)i * (size_t)q->d;
        double most = -INFINITY, sum = 0;
        scores(q, w, x, q->p);
        for (int c = 0; c < q->classes; c++) most = q->p[c] > most ? q->p[c] : most;
        loss += most - q->p[q->y[i]];
        for (int c = 0; c < q->classes; c++) q->p[c] = gs_exp(q->p[c] - most), sum += q->p[c];
        loss += gs_log(sum);
        for (int c = 0; c < q->classes; c++) {
            double factor = (q->p[c] / sum - (c == q->y[i])) / q->n, *to = g + (size_t)c * row;
            for (int j = 0; j < q->d; j++) to[j] += factor * x[j];
            to[q->d] += factor;
        }
    }
    for (int c = 0; c < q->classes; c++)
        for (int j = 0; j < q->d; j++) {
            size_t at = (size_t)c * row + (size_t)j;
            decay += w[at] * w[at];
            g[at] += GS_LOGISTIC_DECAY * w[at];
        }
    return loss / q->n + GS_LOGISTIC_DECAY / 2 * decay;
}

static double dot(size_t n, const double *a, const double *b)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static double largest(size_t n, const double *g)
{
    double most = 0;
    for (size_t i = 0; i < n; i++) most = fabs(g[i]) > most ? fabs(g[i]) : most;
    return most;
}

typedef struct memory { int count; size_t n; double *s, *y, rho[PAIRS]; } memory; /* newest last; s, y (PAIRS, n) */

/* Nocedal & Wright, algorithm 7.4: r = -H g. */
static void direction(const memory *m, const double *g, double *r)
{
    double alpha[PAIRS];
    for (size_t i = 0; i < m->n; i++) r[i] = -g[i];
    for (int k = m->count - 1; k >= 0; k--) {
        alpha[k] = m->rho[k] * dot(m->n, m->s + (size_t)k * m->n, r);
        for (size_t i = 0; i < m->n; i++) r[i] -= alpha[k] * m->y[(size_t)k * m->n + i];
    }
    if (m->count) {
        const double *y = m->y + (size_t)(m->count - 1) * m->n;
        double scale = 1 / (m->rho[m->count - 1] * dot(m->n, y, y));
        for (size_t i = 0; i < m->n; i++) r[i] *= scale;
    }
    for (int k = 0; k < m->count; k++) {
        double beta = m->rho[k] * dot(m->n, m->y + (size_t)k * m->n, r);
        for (size_t i = 0; i < m->n; i++) r[i] += (alpha[k] - beta) * m->s[(size_t)k * m->n + i];
    }
}

static void remember(memory *m, double step, const double *r, const double *g, const double *old)
{
    if (m->count == PAIRS) {
        m->count--;
        memmove(m->s, m->s + m->n, (PAIRS - 1) * m->n * sizeof *m->s);
        memmove(m->y, m->y + m->n, (PAIRS - 1) * m->n * sizeof *m->y);
        memmove(m->rho, m->rho + 1, (PAIRS - 1) * sizeof *m->rho);
    }
    double *s = m->s + (size_t)m->count * m->n, *y = m->y + (size_t)m->count * m->n;
    for (size_t i = 0; i < m->n; i++) s[i] = step * r[i], y[i] = g[i] - old[i];
    double curvature = dot(m->n, s, y);
    if (curvature > 0) m->rho[m->count++] = 1 / curvature;
}

size_t gs_logistic_bytes(int d, int classes)
{
    size_t size = (size_t)classes * ((size_t)d + 1);
    return ((2 * PAIRS + 4) * size + (size_t)classes) * sizeof(double);
}

void gs_logistic_fit(int n, int d, int classes, const double *x, const int *y, double *weights)
{
    size_t size = (size_t)classes * (size_t)(d + 1);
    problem q = {n, d, classes, x, y, gs_alloc((size_t)classes, sizeof(double))};
    memory m = {.n = size, .s = gs_alloc(PAIRS * size, sizeof(double)), .y = gs_alloc(PAIRS * size, sizeof(double))};
    double *g = gs_alloc(size, 8), *old = gs_alloc(size, 8), *r = gs_alloc(size, 8), *next = gs_alloc(size, 8);
    memset(weights, 0, size * sizeof *weights);
    double value = evaluate(&q, weights, g);
    for (int step = 0; step < STEPS && largest(size, g) > FLAT; step++) {
        direction(&m, g, r);
        double slope = dot(size, g, r), length = 1, there = 0;
        memcpy(old, g, size * sizeof *g);
        for (int half = 0; half < HALVINGS; half++, length /= 2) {
            for (size_t i = 0; i < size; i++) next[i] = weights[i] + length * r[i];
            there = evaluate(&q, next, g);
            if (there <= value + ARMIJO * length * slope) break;
        }
        if (!(there < value)) break; /* as flat as doubles are */
        remember(&m, length, r, g, old);
        memcpy(weights, next, size * sizeof *next);
        value = there;
    }
    free(q.p), free(m.s), free(m.y), free(g), free(old), free(r), free(next);
}

int gs_logistic_right(int n, int d, int classes, const double *x, const int *y, const double *weights)
{
    problem q = {n, d, classes, x, y, gs_alloc((size_t)classes, sizeof(double))};
    int right = 0;
    for (int i = 0; i < n; i++) {
        int best = 0;
        scores(&q, weights, x + (size_t)i * (size_t)d, q.p);
        for (int c = 1; c < classes; c++)
            if (q.p[c] > q.p[best]) best = c;
        right += best == y[i];
    }
    free(q.p);
    return right;
}
