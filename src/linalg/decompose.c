/* Eigenvalues, singular values and least squares over a team: the libraries' calls, and what they leave to be done. */
#include <lapacke.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gridshift/matrix.h"

/* -- eigenvalues ------------------------------------------------------------------------------------------- */

/* Turns each column so that its largest component (ties: the lower row) is positive. */
static void fix_signs(gs_matrix *Z)
{
    const gs_team *t = Z->team;
    size_t places = (size_t)Z->cols * (size_t)t->rows; /* the largest of each column and grid row: value, then row */
    double *value = gs_alloc(2 * places, sizeof *value), *row = value + places;
    for (int j = 0; j < Z->local_cols; j++) {
        size_t at = (size_t)gs_matrix_col(Z, j) * (size_t)t->rows + (size_t)t->row;
        const double *x = Z->at + (size_t)j * (size_t)Z->local_rows;
        for (int i = 0; i < Z->local_rows; i++)
            if (fabs(x[i]) > fabs(value[at])) value[at] = x[i], row[at] = gs_matrix_row(Z, i);
    }
    gs_team_sum(t, value, 2 * places);
    for (int j = 0; j < Z->local_cols; j++) {
        size_t first = (size_t)gs_matrix_col(Z, j) * (size_t)t->rows, best = first;
        for (size_t k = first; k < first + (size_t)t->rows; k++)
            if (fabs(value[k]) > fabs(value[best]) || (fabs(value[k]) == fabs(value[best]) && row[k] < row[best])) best = k;
        double *x = Z->at + (size_t)j * (size_t)Z->local_rows;
        for (int i = 0; value[best] < 0 && i < Z->local_rows; i++) x[i] = -x[i];
    }
    free(value);
}

int gs_matrix_eigen(gs_matrix *A, double *values, gs_matrix *Z, gs_err *e)
{
    if (A->team != Z->team || A->rows != A->cols || Z->rows != A->rows || Z->cols != A->cols || A->block_rows != A->block_cols ||
        Z->block_rows != A->block_rows || Z->block_cols != A->block_cols)
        gs_die("no eigenvalues of (%d,%d) into (%d,%d)", A->rows, A->cols, Z->rows, Z->cols);
    gs_team_watch(A->team, "the eigenvalues of a symmetric matrix", 9.0 * A->rows * A->rows * A->rows);
    int info = A->team->calls->eigen(A, values, Z);
    if (gs_team_failed(A->team, info, NULL)) return gs_error(e, "the eigenvalues of a matrix of order %d did not converge (info %d)",
                                                             A->rows, info);
    gs_team_share(A->team, values, (size_t)A->rows * sizeof *values); /* ranks without a part of A have other values */
    fix_signs(Z);
    return 0;
}

/* -- singular values ----------------------------------------------------------------------------------------- */

/* As fix_signs, of a whole (n, count) matrix. */
static void fix_whole_signs(double *v, int n, int count)
{
    for (int j = 0; j < count; j++) {
        double *x = v + (size_t)j * (size_t)n;
        int best = 0;
        for (int i = 1; i < n; i++)
            if (fabs(x[i]) > fabs(x[best])) best = i;
        double sign = x[best] < 0 ? -1 : 1;
        for (int i = 0; i < n; i++) x[i] *= sign;
    }
}

/* The SVD of R (n, n), which it destroys: values (n), the first `count` right vectors. -> LAPACK's info */
static int small_svd(double *r, int n, double *values, int count, double *v)
{
    if (!count) return LAPACKE_dgesdd(LAPACK_COL_MAJOR, 'N', n, n, r, n, values, NULL, 1, NULL, 1);
    double *u = gs_alloc((size_t)n * (size_t)n, sizeof *u), *vt = gs_alloc((size_t)n * (size_t)n, sizeof *vt);
    int info = LAPACKE_dgesdd(LAPACK_COL_MAJOR, 'A', n, n, r, n, values, u, n, vt, n);
    for (int j = 0; j < count; j++)
        for (int i = 0; i < n; i++) v[(size_t)i + (size_t)j * (size_t)n] = vt[(size_t)j + (size_t)i * (size_t)n];
    free(u), free(vt);
    return info;
}

/* R (n, n) of the factored A: rows beyond A's are zero. Complete on every rank. */
static double *collect_r(const gs_matrix *A)
{
    int n = A->cols, rows = A->rows < n ? A->rows : n;
    double *out = gs_alloc((size_t)n * (size_t)n, sizeof *out), *top = gs_alloc((size_t)rows * (size_t)n, sizeof *top);
    gs_matrix_collect(A, rows, 0, n, top);
    for (int j = 0; j < n; j++)
        memcpy(out + (size_t)j * (size_t)n, top + (size_t)j * (size_t)rows, (size_t)(j + 1 < rows ? j + 1 : rows) * sizeof *out);
    free(top);
    return out;
}

static int by_qr(gs_matrix *A, double *values, int count, double *v)
{
    const gs_team *t = A->team;
    double n = A->cols;
    gs_team_watch(t, "a QR factorisation", 2 * n * n * A->rows);
    int info = t->calls->qr(A);
    if (gs_team_failed(t, info, NULL)) return info ? info : -1;
    double *r = collect_r(A);
    if (t->rank == 0) info = small_svd(r, A->cols, values, count, v);
    free(r);
    gs_team_watch(t, "the singular values of R on rank 0", 30 * n * n * n * t->size);
    gs_team_share(t, values, (size_t)A->cols * sizeof *values);
    if (count) gs_team_share(t, v, (size_t)A->cols * (size_t)count * sizeof *v);
    return info;
}

static int by_gram(gs_matrix *A, double *values, int count, double *v, gs_err *e)
{
    int n = A->cols, nb = A->block_cols;
    gs_matrix C = {0}, Z = {0};
    int failed = gs_matrix_open(A->team, n, n, nb, nb, &C, e) || gs_matrix_open(A->team, n, n, nb, nb, &Z, e);
    if (!failed) {
        gs_product(A, 0, n, A, 0, n, &C);
        failed = gs_matrix_eigen(&C, values, &Z, e);
    }
    for (int i = 0; !failed && i < n / 2; i++) {
        double x = values[i];
        values[i] = values[n - 1 - i], values[n - 1 - i] = x;
    }
    for (int i = 0; !failed && i < n; i++) values[i] = values[i] > 0 ? sqrt(values[i]) : 0;
    for (int j = 0; !failed && j < count; j++) gs_matrix_collect(&Z, n, n - 1 - j, 1, v + (size_t)j * (size_t)n);
    gs_matrix_close(&C), gs_matrix_close(&Z);
    return failed;
}

int gs_singular(gs_matrix *A, gs_spectrum_by by, double *values, int count, double *v, gs_err *e)
{
    if (count < 0 || count > A->cols) gs_die("%d vectors of %d", count, A->cols);
    int failed = by == GS_BY_GRAM ? by_gram(A, values, count, v, e) : by_qr(A, values, count, v);
    if (by == GS_BY_QR && gs_team_failed(A->team, failed, NULL))
        return gs_error(e, "the singular values of a matrix of %d x %d did not converge", A->rows, A->cols);
    if (by == GS_BY_QR) fix_whole_signs(v, A->cols, count);
    return failed ? -1 : 0;
}

/* -- least squares ------------------------------------------------------------------------------------------- */

static const double COLLINEAR = 1e-10;

/* The first column of R whose diagonal says that it is a combination of those before it; -1: none. */
static int dependent_column(int k, const double *r)
{
    for (int j = 0; j < k; j++) {
        double length = 0;
        for (int i = 0; i <= j; i++) length += r[i + j * k] * r[i + j * k];
        if (fabs(r[j + j * k]) <= COLLINEAR * sqrt(length)) return j;
    }
    return -1;
}

static double residual(const gs_matrix *b, int k)
{
    double rss = 0;
    for (int i = 0; b->local_cols && i < b->local_rows; i++)
        if (gs_matrix_row(b, i) >= k) rss += b->at[i] * b->at[i];
    gs_team_sum(b->team, &rss, 1);
    return rss;
}

int gs_least_squares(gs_matrix *A, gs_matrix *b, double *beta, double *r, double *rss, int *column, gs_err *e)
{
    int k = A->cols;
    if (A->team != b->team || A->rows != b->rows || A->block_rows != b->block_rows || b->cols != 1 || A->rows <= k)
        gs_die("no least squares of (%d,%d) and (%d,%d)", A->rows, k, b->rows, b->cols);
    gs_team_watch(A->team, "a least squares fit", 2.0 * k * k * A->rows);
    int info = A->team->calls->solve(A, b);
    double *whole = collect_r(A);
    memcpy(r, whole, (size_t)k * (size_t)k * sizeof *r);
    free(whole);
    gs_matrix_collect(b, k, 0, 1, beta);
    *rss = residual(b, k);
    int dependent = dependent_column(k, r);
    if (column) *column = dependent;
    if (dependent >= 0) return gs_error(e, "column %d is a combination of the columns before it", dependent + 1);
    return gs_team_failed(A->team, info, NULL) ? gs_error(e, "the fit failed (info %d)", info) : 0;
}

void gs_inverse_diagonal(int k, const double *r, double *out)
{
    double *inverse = gs_alloc((size_t)k * (size_t)k, sizeof *inverse);
    memcpy(inverse, r, (size_t)k * (size_t)k * sizeof *inverse);
    LAPACKE_dtrtri(LAPACK_COL_MAJOR, 'U', 'N', k, inverse, k);
    for (int i = 0; i < k; i++) {
        out[i] = 0;
        for (int j = i; j < k; j++) out[i] += inverse[i + j * k] * inverse[i + j * k];
    }
    free(inverse);
}
