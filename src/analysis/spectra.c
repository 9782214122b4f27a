/* PCA of hidden activations, a range of the rows on each rank. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gridshift/analysis.h"

enum { COLUMN_BLOCK = 64 };

int64_t gs_hidden_bytes(int64_t rows, int64_t units, int ranks)
{
    int64_t matrix = 8 * ((rows + ranks - 1) / ranks) * units;
    return ranks == 1 ? matrix : matrix + 5 * 8 * units * units;
}

const gs_data *gs_hidden_set(gs_task *t, int64_t step)
{
    const gs_data *all = gs_task_set(t, GS_SET_ALL, step);
    return all ? all : gs_task_set(t, GS_SET_TEST, step);
}

static int64_t loss_positions(const gs_data *d, int from, int to)
{
    int64_t count = 0;
    for (size_t i = (size_t)from * (size_t)d->length; i < (size_t)to * (size_t)d->length; i++) count += d->targets[i] >= 0;
    return count;
}

int64_t gs_hidden_rows(const gs_data *d) { return loss_positions(d, 0, d->n); }

/* -- the matrix ------------------------------------------------------------------------------------------------ */

typedef struct filling {
    gs_pass *p;
    const gs_data *d;
    int64_t step;
    int layer, units;
    float *hidden; /* (most (T - first), units) */
    int64_t low, high; /* the rows of this rank */
    gs_matrix *to;
} filling;

static void copy_row(const filling *f, int64_t row, const float *x)
{
    for (int j = 0; j < f->units; j++) f->to->at[(size_t)(row - f->low) + (size_t)j * (size_t)f->to->local_rows] = (double)x[j];
}

/* Inputs first..first+n, whose rows begin at `row`. */
static void copy_chunk(const filling *f, int first, int n, int64_t row)
{
    int T = f->d->length, from = gs_pass_first(f->p, f->layer);
    gs_pass_hidden(f->p, f->layer, GS_HIDDEN_ALL, f->hidden);
    for (int i = 0; i < n; i++)
        for (int t = 0; t < T; t++) {
            if (f->d->targets[(size_t)(first + i) * (size_t)T + (size_t)t] < 0) continue;
            size_t at = (size_t)i * (size_t)(T - from) + (size_t)(t - from);
            if (row >= f->low && row < f->high) copy_row(f, row, f->hidden + at * (size_t)f->units);
            row++;
        }
}

/* This rank's rows: chunks without any of them are passed over, but the first one packs the weights. */
static void fill(const filling *f)
{
    int most = gs_pass_most(f->p);
    int64_t row = 0;
    for (int first = 0; first < f->d->n; first += most) {
        int n = f->d->n - first < most ? f->d->n - first : most;
        int64_t rows = loss_positions(f->d, first, first + n);
        bool own = row < f->high && row + rows > f->low;
        gs_view view = {.step = f->step, .first = first};
        if (own || !first) gs_forward(f->p, f->d->tokens + (size_t)first * (size_t)f->d->length, n, &view, NULL);
        if (own) copy_chunk(f, first, n, row);
        row += rows;
    }
}

static void centre(gs_matrix *A)
{
    double *mean = gs_alloc((size_t)A->cols, sizeof *mean);
    for (int j = 0; j < A->cols; j++)
        for (int i = 0; i < A->local_rows; i++) mean[j] += A->at[(size_t)i + (size_t)j * (size_t)A->local_rows];
    gs_team_sum(A->team, mean, (size_t)A->cols);
    for (int j = 0; j < A->cols; j++)
        for (int i = 0; i < A->local_rows; i++) A->at[(size_t)i + (size_t)j * (size_t)A->local_rows] -= mean[j] / A->rows;
    free(mean);
}

/* -- measures -------------------------------------------------------------------------------------------------- */

void gs_spectrum_measures(const double *values, int n, int64_t m, gs_hidden_spectrum *out)
{
    double sum = 0, square = 0, entropy = 0;
    for (int i = 0; i < n; i++) sum += values[i] * values[i], square += values[i] * values[i] * values[i] * values[i];
    for (int i = 0; i < n && sum > 0; i++) {
        double share = values[i] * values[i] / sum;
        if (share > 0) entropy -= share * log(share);
    }
    out->variance = sum / (double)(m - 1);
    out->participation = sum > 0 ? sum * sum / square : 0;
    out->effective_rank = sum > 0 ? exp(entropy) : 0;
    for (int k = 0; k < GS_PCS; k++) out->share[k] = k < n && sum > 0 ? values[k] * values[k] / sum : 0;
}

/* The sums of x over b with 1, cos and sin of 2 pi k b / p, for each a: (p, 3); then the same over a, whose squares are the powers. */
static double block_power(const double *x, int p, int k, double *room)
{
    double power = 0;
    for (int a = 0; a < p; a++) {
        double *s = room + (size_t)a * 3;
        s[0] = s[1] = s[2] = 0;
        for (int b = 0; b < p; b++) {
            double u = (double)((int64_t)k * b % p) / p, v = x[(size_t)a * (size_t)p + (size_t)b];
            s[0] += v, s[1] += v * gs_cospi2(u), s[2] += v * gs_cospi2(u >= 0.25 ? u - 0.25 : u + 0.75);
        }
    }
    for (int i = 0; i < 9; i++) {
        double sum = 0, scale = (i / 3 ? 2.0 : 1.0) * (i % 3 ? 2.0 : 1.0) / ((double)p * p);
        for (int a = 0; a < p; a++) {
            double u = (double)((int64_t)k * a % p) / p;
            double wave = i / 3 == 0 ? 1 : i / 3 == 1 ? gs_cospi2(u) : gs_cospi2(u >= 0.25 ? u - 0.25 : u + 0.75);
            sum += wave * room[(size_t)a * 3 + (size_t)(i % 3)];
        }
        if (i) power += scale * sum * sum; /* without the constant */
    }
    return power;
}

double gs_one_frequency(const double *x, int p)
{
    double mean = 0, total = 0, most = 0, *room = gs_alloc((size_t)p * 3, sizeof *room);
    size_t count = (size_t)p * (size_t)p;
    for (size_t i = 0; i < count; i++) mean += x[i] / (double)count;
    for (size_t i = 0; i < count; i++) total += (x[i] - mean) * (x[i] - mean);
    for (int k = 1; k <= (p - 1) / 2; k++) {
        double power = block_power(x, p, k, room);
        most = power > most ? power : most;
    }
    free(room);
    return total > 1e-24 * (double)count * mean * mean ? most / total : 0; /* a constant has only its rounding */
}

/* Scores of the components, complete on every rank: A v (rows, count), A filled and centred anew. */
static double *scores(const gs_matrix *A, int64_t low, const double *v, int count)
{
    double *out = gs_alloc((size_t)A->rows * (size_t)count, sizeof *out);
    for (int k = 0; k < count; k++)
        for (int j = 0; j < A->cols; j++)
            for (int i = 0; i < A->local_rows; i++)
                out[(size_t)low + (size_t)i + (size_t)k * (size_t)A->rows] +=
                    A->at[(size_t)i + (size_t)j * (size_t)A->local_rows] * v[(size_t)j + (size_t)k * (size_t)A->cols];
    gs_team_sum(A->team, out, (size_t)A->rows * (size_t)count);
    return out;
}

/* Only over the whole grid of a modular task, one row a pair. */
static void fourier(const filling *f, const double *v, int count, gs_hidden_spectrum *out)
{
    const gs_config *c = &gs_pass_model(f->p)->config;
    int p = (int)gs_int(c, GS_TASK_MODULUS);
    for (int k = 0; k < GS_PCS; k++) out->fourier[k] = NAN;
    if (!gs_is(c, GS_TASK, GS_TASK_MODULAR) || f->to->rows != p * p) return;
    fill(f);
    centre(f->to);
    double *x = scores(f->to, f->low, v, count);
    for (int k = 0; k < count; k++) out->fourier[k] = f->to->team->rank == 0 ? gs_one_frequency(x + (size_t)k * (size_t)f->to->rows, p) : 0;
    gs_team_share(f->to->team, out->fourier, sizeof out->fourier);
    free(x);
}

int gs_hidden_spectrum_of(const gs_team *t, gs_pass *p, const gs_data *d, int64_t step, int layer, gs_spectrum_by by,
                          gs_hidden_spectrum *out, gs_err *e)
{
    const gs_dims *dims = &gs_pass_model(p)->d;
    int units = (dims->E > 1 ? dims->E : 1) * dims->width, count = units < GS_PCS ? units : GS_PCS, failed;
    int64_t rows = gs_hidden_rows(d), block = (rows + t->size - 1) / t->size;
    gs_matrix A;
    if (gs_matrix_open(t, rows, units, (int)block, COLUMN_BLOCK, &A, e)) return -1;
    filling f = {.p = p, .d = d, .step = step, .layer = layer, .units = units, .low = t->row * block, .to = &A};
    f.high = f.low + A.local_rows;
    f.hidden = gs_alloc((size_t)gs_pass_most(p) * (size_t)(d->length - gs_pass_first(p, layer)) * (size_t)units, sizeof *f.hidden);
    double *values = gs_alloc((size_t)units, sizeof *values), *v = gs_alloc((size_t)units * (size_t)count, sizeof *v);
    *out = (gs_hidden_spectrum){.rows = rows, .units = units};
    gs_team_watch(t, "the forward passes of a spectrum", 0);
    fill(&f);
    centre(&A);
    failed = gs_singular(&A, by, values, count, v, e);
    if (!failed) {
        gs_spectrum_measures(values, units, rows, out);
        fourier(&f, v, count, out);
    }
    free(values), free(v), free(f.hidden);
    gs_matrix_close(&A);
    return failed;
}
