#include "moments.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 128 };

static void means(int rows, int n, const float *x, double *mean)
{
    memset(mean, 0, (size_t)n * sizeof *mean);
    for (int r = 0; r < rows; r++)
        for (int j = 0; j < n; j++) mean[j] += (double)x[(size_t)r * (size_t)n + (size_t)j];
    for (int j = 0; j < n; j++) mean[j] /= rows;
}

static void covariance(const gs_kernels *k, int rows, int n, const float *x, const double *mean, double *out)
{
    size_t N = (size_t)n;
    float *centred = gs_alloc(BLOCK * N, sizeof *centred), *product = gs_alloc(N * N, sizeof *product);
    for (int first = 0; first < rows; first += BLOCK) {
        int count = rows - first < BLOCK ? rows - first : BLOCK;
        for (int r = 0; r < count; r++)
            for (size_t j = 0; j < N; j++) centred[(size_t)r * N + j] = (float)((double)x[(size_t)(first + r) * N + j] - mean[j]);
        k->gemm(GS_TN, n, n, count, centred, n, centred, n, product, n, NULL, false, NULL);
        for (size_t i = 0; i < N * N; i++) out[i] += (double)product[i];
    }
    for (size_t i = 0; i < N * N; i++) out[i] /= rows;
    free(centred), free(product);
}

void gs_moments_of(const gs_scene *s, int rows, int n, const float *x, bool vectors, gs_moments *out)
{
    size_t N = (size_t)n;
    double *c = gs_alloc(N * N, sizeof *c);
    *out = (gs_moments){n, gs_alloc(N, sizeof(double)), gs_alloc(N, sizeof(double)), NULL};
    means(rows, n, x, out->mean);
    covariance(s->m->kernels, rows, n, x, out->mean, c);
    gs_eigen(n, c, out->values, vectors);
    for (int i = 0; i < n; i++)
        if (out->values[i] < 0) out->values[i] = 0; /* rounding */
    if (vectors) out->vectors = c;
    else free(c);
}

size_t gs_moments_bytes(int n, bool vectors)
{
    size_t N = (size_t)n;
    return (N + 2) * N * sizeof(double) + gs_bytes_most((BLOCK + N) * N * sizeof(float), gs_eigen_bytes(n, vectors));
}

void gs_moments_free(gs_moments *m)
{
    free(m->mean), free(m->values), free(m->vectors);
    *m = (gs_moments){0};
}

/* Of the Gram matrix over the shorter side, in double. */
double *gs_squared_singulars(int rows, int cols, const float *w, int *count)
{
    bool wide = cols > rows;
    int n = wide ? rows : cols, m = wide ? cols : rows;
    double *gram = gs_alloc((size_t)n * (size_t)n, sizeof *gram), *values = gs_alloc((size_t)n, sizeof *values);
    double *row = gs_alloc((size_t)n, sizeof *row);
    for (int k = 0; k < m; k++) {
        for (int i = 0; i < n; i++) row[i] = (double)w[wide ? (size_t)i * (size_t)cols + (size_t)k : (size_t)k * (size_t)cols + (size_t)i];
        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++) gram[(size_t)i * (size_t)n + (size_t)j] += row[i] * row[j];
    }
    gs_eigen(n, gram, values, false);
    for (int i = 0; i < n; i++)
        if (values[i] < 0) values[i] = 0;
    free(gram), free(row);
    *count = n;
    return values;
}

size_t gs_singulars_bytes(int rows, int cols)
{
    int n = cols > rows ? rows : cols;
    return ((size_t)n + 2) * (size_t)n * sizeof(double) + gs_eigen_bytes(n, false);
}

double gs_participation(int n, const double *values)
{
    double sum = 0, square = 0;
    for (int i = 0; i < n; i++) sum += values[i], square += values[i] * values[i];
    return square > 0 ? sum * sum / square : 0;
}

double gs_effective_rank(int n, const double *values)
{
    double sum = 0, entropy = 0;
    for (int i = 0; i < n; i++) sum += values[i];
    for (int i = 0; i < n; i++)
        if (values[i] > 1e-15 * sum) entropy -= values[i] / sum * gs_log(values[i] / sum);
    return sum > 0 ? gs_exp(entropy) : 0;
}

double gs_stable_rank(int n, const double *values)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += values[i];
    return values[0] > 0 ? sum / values[0] : 0;
}
