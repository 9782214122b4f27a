/* Distributed matrices: what does not depend on the library below. Arguments are checked here, before BLACS sees them. */
#include "gridshift/matrix.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

void gs_grid_shape(int ranks, gs_shape shape, int *rows, int *cols)
{
    *rows = ranks, *cols = 1;
    if (shape == GS_SHAPE_TALL) return;
    int most = 0;
    for (int q = 1; q * q <= ranks; q++) {
        int p = ranks / q < 2 * q ? ranks / q : 2 * q;
        if (p * q >= most) most = p * q, *rows = p, *cols = q;
    }
}

void gs_team_close(gs_team *t)
{
    if (t->size) t->calls->close(t);
    *t = (gs_team){0};
}

void gs_team_watch(const gs_team *t, const char *what, double flops)
{
    if (t->watch) t->watch(what, flops / t->size);
}

void gs_team_sum(const gs_team *t, double *x, size_t count)
{
    gs_team_watch(t, "a sum over the ranks", (double)count * t->size);
    t->calls->sum(t, x, count);
}

void gs_team_share(const gs_team *t, void *x, size_t bytes)
{
    gs_team_watch(t, "a message to all ranks", (double)bytes * t->size);
    t->calls->share(t, x, bytes);
}

int gs_team_failed(const gs_team *t, int code, gs_err *e)
{
    double *failed = gs_alloc((size_t)t->size, sizeof *failed), text[sizeof e->text] = {0};
    int first = 0;
    failed[t->rank] = code != 0;
    gs_team_sum(t, failed, (size_t)t->size);
    while (first < t->size && !(failed[first] > 0)) first++;
    free(failed);
    if (first == t->size) return 0;
    if (!e || t->size == 1) return -1;
    for (size_t i = 0; t->rank == first && i < sizeof text / sizeof *text; i++) text[i] = (unsigned char)e->text[i];
    gs_team_sum(t, text, sizeof text / sizeof *text); /* the only rank that adds anything else than 0 */
    for (size_t i = 0; i < sizeof text / sizeof *text; i++) e->text[i] = (char)(unsigned char)text[i];
    return -1;
}

/* -- matrices ---------------------------------------------------------------------------------------------- */

/* Of `count` things in blocks, those of process `at` of `processes` (ScaLAPACK's numroc). */
static int64_t part(int64_t count, int block, int at, int processes)
{
    int64_t blocks = count / block, own = blocks / processes * block, extra = blocks % processes;
    return own + (at < extra ? block : at == extra ? count % block : 0);
}

int64_t gs_matrix_bytes(int grid_rows, int grid_cols, int64_t rows, int64_t cols, int block_rows, int block_cols)
{
    const int64_t most = (int64_t)1 << 58;
    int64_t bytes;
    bool over = __builtin_mul_overflow(8 * part(rows, block_rows, 0, grid_rows), part(cols, block_cols, 0, grid_cols), &bytes);
    return over || bytes > most ? most : bytes;
}

int gs_matrix_open(const gs_team *t, int64_t rows, int64_t cols, int block_rows, int block_cols, gs_matrix *out, gs_err *e)
{
    *out = (gs_matrix){0};
    if (!t->size || rows < 1 || cols < 1 || block_rows < 1 || block_cols < 1)
        gs_die("no matrix: %lld x %lld in blocks of %d x %d", (long long)rows, (long long)cols, block_rows, block_cols);
    int64_t bytes = gs_matrix_bytes(t->rows, t->cols, rows, cols, block_rows, block_cols);
    if (rows > INT_MAX || cols > INT_MAX || bytes / 8 > INT_MAX)
        return gs_error(e, "a matrix of %lld x %lld over %d ranks has more than 2^31 - 1 elements on one of them: use more ranks",
                        (long long)rows, (long long)cols, t->size);
    *out = (gs_matrix){t, (int)rows, (int)cols, block_rows, block_cols, (int)part(rows, block_rows, t->row, t->rows),
                       (int)part(cols, block_cols, t->col, t->cols), calloc((size_t)bytes / 8 + 1, 8)};
    if (!gs_team_failed(t, !out->at, NULL)) return 0;
    gs_matrix_close(out);
    return gs_error(e, "no memory for a matrix of %lld x %lld over %d ranks (%lld bytes each): use more ranks, or a lower "
                       "analysis.rank_bytes", (long long)rows, (long long)cols, t->size, (long long)bytes);
}

void gs_matrix_close(gs_matrix *m)
{
    free(m->at);
    *m = (gs_matrix){0};
}

double *gs_matrix_find(const gs_matrix *m, int row, int col)
{
    const gs_team *t = m->team;
    int i = row / m->block_rows, j = col / m->block_cols;
    if (i % t->rows != t->row || j % t->cols != t->col) return NULL;
    size_t local_row = (size_t)(i / t->rows * m->block_rows + row % m->block_rows);
    size_t local_col = (size_t)(j / t->cols * m->block_cols + col % m->block_cols);
    return m->at + local_row + local_col * (size_t)m->local_rows;
}

void gs_matrix_collect(const gs_matrix *m, int rows, int first, int count, double *out)
{
    memset(out, 0, (size_t)rows * (size_t)count * sizeof *out);
    for (int j = 0, col; j < m->local_cols; j++) {
        if ((col = gs_matrix_col(m, j) - first) < 0 || col >= count) continue;
        for (int i = 0, row; i < m->local_rows; i++)
            if ((row = gs_matrix_row(m, i)) < rows)
                out[(size_t)row + (size_t)col * (size_t)rows] = m->at[(size_t)i + (size_t)j * (size_t)m->local_rows];
    }
    gs_team_sum(m->team, out, (size_t)rows * (size_t)count);
}

/* -- products ---------------------------------------------------------------------------------------------- */

void gs_product(const gs_matrix *A, int a, int m, const gs_matrix *B, int b, int n, gs_matrix *C)
{
    bool same = A->at == B->at && a == b;
    if (A->team != B->team || A->team != C->team || A->rows != B->rows || a < 0 || b < 0 || m < 1 || n < 1 || a + m > A->cols ||
        b + n > B->cols || m > C->rows || n > C->cols || (same && m != n))
        gs_die("no product: (%d,%d) from %d to %d, (%d,%d) from %d to %d, into (%d,%d)", A->rows, A->cols, a, a + m, B->rows, B->cols,
               b, b + n,
               C->rows, C->cols);
    gs_team_watch(A->team, "a product of matrices", (same ? 1.0 : 2.0) * A->rows * m * n);
    A->team->calls->product(A, a, m, B, b, n, C);
}
