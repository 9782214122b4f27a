/* A team of one: BLAS and LAPACK. */
#include <cblas.h>
#include <lapacke.h>
#include <stdlib.h>

#include "gridshift/matrix.h"

static void sum(const gs_team *t, double *x, size_t count) { (void)t, (void)x, (void)count; }
static void share(const gs_team *t, void *x, size_t bytes) { (void)t, (void)x, (void)bytes; }
static void leave(gs_team *t) { (void)t; }

static int leading(const gs_matrix *m) { return m->rows > 1 ? m->rows : 1; }

static void product(const gs_matrix *A, int a, int m, const gs_matrix *B, int b, int n, gs_matrix *C)
{
    const double *x = A->at + (size_t)a * (size_t)A->rows, *y = B->at + (size_t)b * (size_t)B->rows;
    if (x == y) cblas_dsyrk(CblasColMajor, CblasUpper, CblasTrans, m, A->rows, 1, x, leading(A), 0, C->at, leading(C));
    else cblas_dgemm(CblasColMajor, CblasTrans, CblasNoTrans, m, n, A->rows, 1, x, leading(A), y, leading(B), 0, C->at, leading(C));
}

static int eigen(gs_matrix *A, double *ascending, gs_matrix *Z)
{
    int info = LAPACKE_dsyevd(LAPACK_COL_MAJOR, 'V', 'U', A->rows, A->at, leading(A), ascending);
    double *vectors = A->at;
    A->at = Z->at;
    Z->at = vectors;
    return info;
}

static int qr(gs_matrix *A)
{
    double *tau = gs_alloc((size_t)A->cols + 1, sizeof *tau);
    int info = LAPACKE_dgeqrf(LAPACK_COL_MAJOR, A->rows, A->cols, A->at, leading(A), tau);
    free(tau);
    return info;
}

static int solve(gs_matrix *A, gs_matrix *b)
{
    return LAPACKE_dgels(LAPACK_COL_MAJOR, 'N', A->rows, A->cols, 1, A->at, leading(A), b->at, leading(b));
}

const gs_team_calls gs_lapack_calls = {sum, share, product, eigen, qr, solve, leave};

gs_team gs_team_alone(void) { return (gs_team){.size = 1, .rows = 1, .cols = 1, .calls = &gs_lapack_calls}; }
