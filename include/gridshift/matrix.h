/* gridshift matrix: dense matrices in double that one rank (BLAS and LAPACK) or a team of ranks (PBLAS and ScaLAPACK) works on, behind
 * one interface. A library that any stage may include.
 *
 * A team of one is LAPACK and needs no MPI; gs_team_open makes larger ones when the program runs under MPI and was built with
 * ScaLAPACK. Every function that takes a team or a matrix is collective over the ranks of that team: all call it with the same
 * arguments, and it returns the same code on each. Local functions say so. Results agree between teams up to rounding (exact on one
 * grid). BLACS ends the whole job on a bad argument, so everything is checked before it is asked.
 *
 * Matrices are column-major and distributed block-cyclically: blocks of block_rows x block_cols, the block (i, j) on the process (i
 * mod rows, j mod cols) of the team's grid (ScaLAPACK Users' Guide, section 4.3.1). */
#ifndef GRIDSHIFT_MATRIX_H
#define GRIDSHIFT_MATRIX_H
#include "gridshift/base.h"

typedef enum gs_shape {
    GS_SHAPE_SQUARE, /* p x q with q <= p <= 2 q: for N x N; ranks beyond p q are idle */
    GS_SHAPE_TALL    /* ranks x 1: for matrices with many rows */
} gs_shape;

typedef struct gs_team {
    int size, rank;           /* ranks in it, own number; size 0: this rank is idle and must call nothing else with it */
    int rows, cols, row, col; /* the grid and the own place */
    const struct gs_team_calls *calls;
    int context;  /* BLACS: of the grid */
    void *handle; /* of the communicator, owned */
    /* Called on each rank before it enters a step that all must enter: what, and the FLOPs of this rank. NULL: nobody watches. */
    void (*watch)(const char *what, double flops);
} gs_team;

gs_team gs_team_alone(void); /* local: this rank, through LAPACK */
/* Collective over all ranks of the job (local without MPI): at most so many ranks become a team. Idle ranks get size 0. Built without
 * ScaLAPACK, rank 0 is a team of one and the others are idle. Implemented in scalapack.c, the only file here that knows MPI. */
gs_team gs_team_open(int most, gs_shape shape);
void gs_team_close(gs_team *t); /* collective over the team; idle ranks may call it too */
void gs_grid_shape(int ranks, gs_shape shape, int *rows, int *cols); /* local */

void gs_team_watch(const gs_team *t, const char *what, double flops); /* local: calls t->watch with this rank's part of the FLOPs */
void gs_team_sum(const gs_team *t, double *x, size_t count); /* x (count) becomes the sum over the ranks, on each */
void gs_team_share(const gs_team *t, void *x, size_t bytes); /* rank 0's bytes become everybody's */
/* -1 on every rank when any code is not 0; *e (may be NULL) becomes the text of the lowest rank that failed. */
int gs_team_failed(const gs_team *t, int code, gs_err *e);

/* -- matrices ---------------------------------------------------------------------------------------------- */

typedef struct gs_matrix {
    const gs_team *team; /* borrowed */
    int rows, cols, block_rows, block_cols;
    int local_rows, local_cols;
    double *at; /* (local_rows, local_cols) column-major, owned */
} gs_matrix;

/* Bytes of a rank's part, the largest of all ranks; at most 2^58, more than there is, so that a few may be summed. Local. */
int64_t gs_matrix_bytes(int grid_rows, int grid_cols, int64_t rows, int64_t cols, int block_rows, int block_cols);
/* Zeroed. -1 on every rank when one of them has no memory, or when a part has 2^31 elements or more. */
int gs_matrix_open(const gs_team *t, int64_t rows, int64_t cols, int block_rows, int block_cols, gs_matrix *out, gs_err *e);
void gs_matrix_close(gs_matrix *m); /* local */
/* Local: the global number of a local row or column. */
static inline int gs_matrix_row(const gs_matrix *m, int i)
{
    return (i / m->block_rows * m->team->rows + m->team->row) * m->block_rows + i % m->block_rows;
}
static inline int gs_matrix_col(const gs_matrix *m, int j)
{
    return (j / m->block_cols * m->team->cols + m->team->col) * m->block_cols + j % m->block_cols;
}
/* Local: where the global element is kept, or NULL on another rank. */
double *gs_matrix_find(const gs_matrix *m, int row, int col);

/* columns first..first+count of the first `rows` rows, complete on every rank: out (rows, count) column-major. */
void gs_matrix_collect(const gs_matrix *m, int rows, int first, int count, double *out);

/* C(0..m, 0..n) = A(:, a..a+m)^T B(:, b..b+n). When A is B and a is b (then m is n), only the upper triangle is defined (pdsyrk). */
void gs_product(const gs_matrix *A, int a, int m, const gs_matrix *B, int b, int n, gs_matrix *C);

/* Eigenvalues (n), ascending as LAPACK has them, on every rank, and eigenvectors in the columns of Z (n, n; like A), of a symmetric A whose
 * upper triangle is there; A is destroyed. Square blocks. The component with the largest magnitude of each vector (ties: lower index) is
 * positive. */
int gs_matrix_eigen(gs_matrix *A, double *values, gs_matrix *Z, gs_err *e);

typedef enum gs_spectrum_by { GS_BY_QR, GS_BY_GRAM } gs_spectrum_by;
/* Singular values (min(rows, cols), descending) of a tall A, and its first `count` right singular vectors v (cols, count)
 * column-major, signs as in gs_matrix_eigen; both complete on every rank. A is destroyed by QR, kept by Gram. QR: A = QR, then the SVD
 * of the small R on rank 0 (relative to the largest value: rounding). Gram: eigenvalues of A^T A, which lose half of the digits of
 * small values. */
int gs_singular(gs_matrix *A, gs_spectrum_by by, double *values, int count, double *v, gs_err *e);

/* Least squares: beta minimises |b - A beta|; A (m, k) with m > k, b (m, 1) with the same rows; both destroyed. beta (k), r (k, k): R
 * of A = QR, column-major; *rss: the squared residual. All complete on every rank. -1 with *column (may be NULL) the first column that
 * is, to 1e-10, a combination of those before it. */
int gs_least_squares(gs_matrix *A, gs_matrix *b, double *beta, double *r, double *rss, int *column, gs_err *e);
/* Local: diag((R^T R)^-1) (k), which times the residual variance are the squared standard errors of beta. */
void gs_inverse_diagonal(int k, const double *r, double *out);

/* -- behind the interface: one row per library ------------------------------------------------------------------- */

typedef struct gs_team_calls {
    void (*sum)(const gs_team *t, double *x, size_t count);
    void (*share)(const gs_team *t, void *x, size_t bytes);
    void (*product)(const gs_matrix *A, int a, int m, const gs_matrix *B, int b, int n, gs_matrix *C);
    int (*eigen)(gs_matrix *A, double *ascending, gs_matrix *Z); /* -> the library's info */
    int (*qr)(gs_matrix *A);                                     /* R in the upper triangle */
    int (*solve)(gs_matrix *A, gs_matrix *b);                    /* as gels */
    void (*close)(gs_team *t);
} gs_team_calls;
extern const gs_team_calls gs_lapack_calls;
#endif
