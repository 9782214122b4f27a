#include "spectrum.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void gs_turns(int p, double **cosine, double **sine)
{
    *cosine = gs_alloc((size_t)p, sizeof **cosine), *sine = gs_alloc((size_t)p, sizeof **sine);
    for (int j = 0; j < p; j++) {
        (*cosine)[j] = gs_cospi2((double)j / p);
        (*sine)[j] = gs_cospi2((double)((4 * j + 3 * p) % (4 * p)) / (4.0 * p)); /* sin x = cos(x - 1/4 turn) */
    }
}

/* -- one dimension ------------------------------------------------------------------------------------------------------- */

void gs_spectrum_signals(int p, int n, double *mean, gs_spectrum *out)
{
    size_t N = (size_t)n, K = (size_t)(p / 2);
    double *cosine, *sine;
    gs_turns(p, &cosine, &sine);
    *out = (gs_spectrum){p, p / 2, n, mean, gs_alloc(K * N, sizeof(double)), gs_alloc(K * N, sizeof(double))};
    for (size_t k = 1; k <= K; k++) {
        double *re = out->re + (k - 1) * N, *im = out->im + (k - 1) * N;
        for (size_t s = 0; s < (size_t)p; s++) {
            double c = cosine[k * s % (size_t)p], d = sine[k * s % (size_t)p];
            for (size_t h = 0; h < N; h++) re[h] += c * mean[s * N + h], im[h] += d * mean[s * N + h];
        }
    }
    free(cosine), free(sine);
}

void gs_spectrum_of(const gs_scene *s, int n, const float *x, gs_spectrum *out)
{
    int p = (int)gs_int(s->c, GS_TASK_MODULUS);
    size_t N = (size_t)n;
    double *mean = gs_alloc((size_t)p * N, sizeof *mean);
    int *count = gs_alloc((size_t)p, sizeof *count);
    for (int r = 0; r < s->rows; r++) {
        int answer = s->data->targets[gs_scene_at(s, r)];
        double *to = mean + (size_t)answer * N;
        count[answer]++;
        for (size_t h = 0; h < N; h++) to[h] += (double)x[(size_t)r * N + h];
    }
    for (int a = 0; a < p; a++)
        for (size_t h = 0; h < N; h++) mean[(size_t)a * N + h] /= count[a];
    free(count);
    gs_spectrum_signals(p, n, mean, out);
}

size_t gs_spectrum_bytes(int p, int n)
{
    size_t P = (size_t)p, N = (size_t)n;
    return (2 * P * N + 2 * P) * sizeof(double) + P * sizeof(int);
}

void gs_spectrum_free(gs_spectrum *f)
{
    free(f->mean), free(f->re), free(f->im);
    *f = (gs_spectrum){0};
}

double gs_power(const gs_spectrum *f, int k, int h)
{
    size_t at = (size_t)(k - 1) * (size_t)f->n + (size_t)h;
    return f->re[at] * f->re[at] + f->im[at] * f->im[at];
}

static int lines_of(const gs_spectrum *f, int k) { return 2 * k == f->p ? 1 : 2; }

double gs_power_total(const gs_spectrum *f, int h)
{
    double sum = 0;
    for (int k = 1; k <= f->K; k++) sum += lines_of(f, k) * gs_power(f, k, h);
    return sum;
}

/* Greedy: the strongest line that is left, `lines` times. used[k]: lines of k that are taken. */
double gs_concentration(const gs_spectrum *f, int h, int lines, bool one_sided)
{
    double total = gs_power_total(f, h), sum = 0;
    if (total < GS_DEAD) return 0;
    uint8_t *used = gs_alloc((size_t)f->K + 1, 1);
    for (; lines > 0; lines--) {
        int best = 0;
        double most = -1;
        for (int k = 1; k <= f->K; k++) {
            double power = gs_power(f, k, h) * (one_sided ? lines_of(f, k) : 1);
            if (used[k] < (one_sided ? 1 : lines_of(f, k)) && power > most) most = power, best = k;
        }
        if (!best) break;
        used[best]++, sum += most;
    }
    free(used);
    return sum / total;
}

double gs_gini(int n, double *x)
{
    double sum = 0, weighted = 0;
    for (int i = 1; i < n; i++) /* insertion: n is a few hundred at most */
        for (int j = i; j > 0 && x[j - 1] > x[j]; j--) {
            double t = x[j];
            x[j] = x[j - 1], x[j - 1] = t;
        }
    for (int i = 0; i < n; i++) sum += x[i], weighted += (2 * i - n + 1) * x[i];
    return sum > 0 ? weighted / (n * sum) : 0;
}

/* -- two dimensions -------------------------------------------------------------------------------------------------------- */

/* Rows: 1/sqrt p, then for each k sqrt(2/p) cos and sin; of k = p/2 the cosine is 1/sqrt p long and there is no sine. (2 K + 1, p) */
static float *basis(int p)
{
    int K = p / 2;
    double *cosine, *sine, even = 1 / sqrt(p), odd = sqrt(2.0 / p);
    float *b = gs_alloc((size_t)(2 * K + 1) * (size_t)p, sizeof *b);
    gs_turns(p, &cosine, &sine);
    for (int j = 0; j < p; j++) b[j] = (float)even;
    for (int k = 1; k <= K; k++)
        for (int j = 0; j < p; j++) {
            int turn = (int)((int64_t)k * j % p);
            b[(size_t)(2 * k - 1) * (size_t)p + (size_t)j] = (float)((2 * k == p ? even : odd) * cosine[turn]);
            b[(size_t)(2 * k) * (size_t)p + (size_t)j] = (float)(2 * k == p ? 0 : odd * sine[turn]);
        }
    free(cosine), free(sine);
    return b;
}

/* y (p, 2K+1, n): the transform over b. Adds the squares of the projections on (i over a, j over b) to power (n). */
static void project(int p, int n, const float *b, const float *y, int i, int j, double *sum, double *power)
{
    size_t N = (size_t)n, row = (size_t)(2 * (p / 2) + 1) * N;
    memset(sum, 0, N * sizeof *sum);
    for (int a = 0; a < p; a++) {
        double factor = (double)b[(size_t)i * (size_t)p + (size_t)a];
        const float *from = y + (size_t)a * row + (size_t)j * N;
        for (size_t h = 0; h < N; h++) sum[h] += factor * (double)from[h];
    }
    for (size_t h = 0; h < N; h++) power[h] += sum[h] * sum[h];
}

static void centre(size_t rows, size_t n, const float *x, float *out, double *variance)
{
    double *mean = gs_alloc(n, sizeof *mean);
    for (size_t r = 0; r < rows; r++)
        for (size_t h = 0; h < n; h++) mean[h] += (double)x[r * n + h];
    for (size_t h = 0; h < n; h++) mean[h] /= (double)rows;
    for (size_t r = 0; r < rows; r++)
        for (size_t h = 0; h < n; h++) {
            double d = (double)x[r * n + h] - mean[h];
            out[r * n + h] = (float)d;
            variance[h] += d * d;
        }
    free(mean);
}

double *gs_explained(const gs_scene *s, int p, int n, const float *x)
{
    int K = p / 2, rows = 2 * K + 1;
    size_t N = (size_t)n, P = (size_t)p;
    float *b = basis(p), *centred = gs_alloc(P * P * N, sizeof *centred), *y = gs_alloc(P * (size_t)rows * N, sizeof *y);
    double *fve = gs_alloc((size_t)K * N, sizeof *fve), *variance = gs_alloc(N, sizeof *variance), *sum = gs_alloc(N, sizeof *sum);
    centre(P * P, N, x, centred, variance);
    for (size_t a = 0; a < P; a++)
        s->m->kernels->gemm(GS_NN, rows, n, p, b, p, centred + a * P * N, n, y + a * (size_t)rows * N, n, NULL, false, NULL);
    for (int k = 1; k <= K; k++) {
        const int of[3] = {0, 2 * k - 1, 2 * k};
        double *power = fve + (size_t)(k - 1) * N;
        for (int i = 0; i < 9; i++)
            if (i) project(p, n, b, y, of[i / 3], of[i % 3], sum, power);
        for (size_t h = 0; h < N; h++) power[h] = variance[h] > 0 ? power[h] / variance[h] : 0;
    }
    free(b), free(centred), free(y), free(variance), free(sum);
    return fve;
}

size_t gs_explained_bytes(int p, int n)
{
    size_t P = (size_t)p, N = (size_t)n, rows = 2 * (P / 2) + 1;
    return (rows * P + P * (P + rows) * N) * sizeof(float) + ((P / 2 + 3) * N + 2 * P) * sizeof(double);
}
