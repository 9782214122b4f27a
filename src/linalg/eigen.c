/* Eigenvalues and eigenvectors of a symmetric matrix: Householder's reduction to a tridiagonal matrix, then implicit QL (Bowdler, Martin,
 * Reinsch & Wilkinson 1968; Golub & Van Loan, sections 8.3). Not LAPACK: an optimised one takes other paths on other processors, and
 * results.csv promises the same bits on each. Here every sum runs in one fixed order; only +, -, *, / and the square root are used. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gridshift/linalg.h"

enum { ROUNDS = 60 }; /* of QL for one eigenvalue; 2 is usual */

static void axpy(int n, double a, const double *restrict x, double *restrict y)
{
    for (int i = 0; i < n; i++) y[i] += a * x[i];
}

static double dot(int n, const double *x, const double *y)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += x[i] * y[i];
    return sum;
}

/* Row k of a becomes the reflector that clears it right of the superdiagonal; the block below is reflected from both sides. p: scratch. */
static void reflect(int n, int k, double *a, double *e, double *tau, double *p)
{
    int m = n - k - 1;
    double *v = a + (size_t)k * (size_t)n + k + 1, norm = sqrt(dot(m, v, v));
    tau[k] = 0, e[k] = v[0];
    if (norm == 0 || m == 1) return;
    e[k] = v[0] > 0 ? -norm : norm;
    v[0] -= e[k];
    tau[k] = 2 / dot(m, v, v);
    double *block = a + (size_t)(k + 1) * (size_t)n + k + 1;
    memset(p, 0, (size_t)m * sizeof *p);
    for (int i = 0; i < m; i++) axpy(m, tau[k] * v[i], block + (size_t)i * (size_t)n, p);
    axpy(m, -0.5 * tau[k] * dot(m, p, v), v, p);
    for (int i = 0; i < m; i++) {
        double *row = block + (size_t)i * (size_t)n;
        axpy(m, -v[i], p, row);
        axpy(m, -p[i], v, row);
    }
}

/* One QL sweep over rows l..m of the tridiagonal (d, e); z (rows are vectors; NULL: none) turns with it. */
static void sweep(int n, int l, int m, double *d, double *e, double *z)
{
    double g = (d[l + 1] - d[l]) / (2 * e[l]), r = sqrt(g * g + 1), s = 1, c = 1, p = 0;
    g = d[m] - d[l] + e[l] / (g + (g < 0 ? -r : r));
    for (int i = m - 1; i >= l; i--) {
        double f = s * e[i], b = c * e[i];
        r = sqrt(f * f + g * g);
        e[i + 1] = r;
        if (r == 0) {
            d[i + 1] -= p, e[m] = 0;
            return;
        }
        s = f / r, c = g / r;
        g = d[i + 1] - p;
        r = (d[i] - g) * s + 2 * c * b;
        p = s * r;
        d[i + 1] = g + p;
        g = c * r - b;
        if (!z) continue;
        double *restrict x = z + (size_t)i * (size_t)n, *restrict y = x + n;
        for (int k = 0; k < n; k++) {
            double t = y[k];
            y[k] = s * x[k] + c * t;
            x[k] = c * x[k] - s * t;
        }
    }
    d[l] -= p, e[l] = g, e[m] = 0;
}

static void tridiagonal(int n, double *d, double *e, double *z)
{
    e[n - 1] = 0;
    for (int l = 0; l < n; l++)
        for (int round = 0; round < ROUNDS; round++) {
            int m = l;
            for (; m < n - 1; m++) {
                double size = fabs(d[m]) + fabs(d[m + 1]);
                if (fabs(e[m]) <= 0x1p-52 * size) break;
            }
            if (m == l) break;
            sweep(n, l, m, d, e, z);
        }
}

/* Largest first; equal ones keep their order. order: the row that comes to each place. */
static void sort(int n, const double *d, int *order)
{
    for (int i = 0; i < n; i++) {
        int j = i;
        for (; j > 0 && d[order[j - 1]] < d[i]; j--) order[j] = order[j - 1];
        order[j] = i;
    }
}

/* z: the tridiagonal's vectors as rows -> a: those of the whole matrix, in `order`. All vectors at once: component by component. */
static void back(int n, double *a, const double *tau, const double *z, const int *order)
{
    size_t N = (size_t)n;
    double *c = gs_alloc(N * N, sizeof *c), *s = gs_alloc(N, sizeof *s);
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++) c[j * N + i] = z[(size_t)order[i] * N + j];
    for (int k = n - 2; k >= 0; k--) {
        const double *v = a + (size_t)k * N + k + 1;
        memset(s, 0, N * sizeof *s);
        for (int j = 0; j < n - k - 1 && tau[k] != 0; j++) axpy(n, v[j], c + (size_t)(k + 1 + j) * N, s);
        for (int j = 0; j < n - k - 1 && tau[k] != 0; j++) axpy(n, -tau[k] * v[j], s, c + (size_t)(k + 1 + j) * N);
    }
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++) a[i * N + j] = c[j * N + i];
    free(c), free(s);
}

static bool all_finite(size_t count, const double *a)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += fabs(a[i]);
    return sum < INFINITY;
}

size_t gs_eigen_bytes(int n, bool vectors)
{
    size_t N = (size_t)n;
    return N * (4 * sizeof(double) + sizeof(int)) + (vectors ? (2 * N + 1) * N * sizeof(double) : 0);
}

void gs_eigen(int n, double *a, double *values, bool vectors)
{
    size_t N = (size_t)n;
    if (!all_finite(N * N, a)) { /* QL would go round in vain */
        for (int i = 0; i < n; i++) values[i] = NAN;
        return;
    }
    double *d = gs_alloc(N, sizeof *d), *e = gs_alloc(N, sizeof *e), *tau = gs_alloc(N, sizeof *tau), *p = gs_alloc(N, sizeof *p);
    double *z = vectors ? gs_alloc(N * N, sizeof *z) : NULL;
    int *order = gs_alloc(N, sizeof *order);
    for (int k = 0; k < n - 1; k++) reflect(n, k, a, e, tau, p);
    for (int k = 0; k < n; k++) d[k] = a[(size_t)k * N + (size_t)k];
    for (size_t k = 0; z && k < N; k++) z[k * N + k] = 1;
    tridiagonal(n, d, e, z);
    sort(n, d, order);
    for (int i = 0; i < n; i++) values[i] = d[order[i]];
    if (z) back(n, a, tau, z, order);
    free(d), free(e), free(tau), free(p), free(z), free(order);
}
