/* Linear CKA of all pairs of runs, streamed.
 *
 * The features of the runs lie side by side in one matrix F (n, N D), distributed with blocks of D columns: a run is a block, and each
 * Gram block X_a^T X_b of a panel product F_a^T F_b lies whole on one rank, where it becomes its squared Frobenius norm. With centred
 * columns
 *   HSIC  = |X_a^T X_b|^2                                                                 (times (n - 1)^2)
 *   HSICu = |X_a^T X_b|^2 - n/(n-2) sum_i k_i l_i + (sum k)(sum l) / ((n-1)(n-2))         (times n (n - 3))
 * where k_i, l_i are the squared lengths of the rows: Song et al.'s unbiased estimator with K 1 = 0. The sums of k_i l_i are a second
 * product, L^T L of the (n, N) lengths in blocks of one column, so that they meet their Gram block on the same rank. CKA is HSIC
 * normalised. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gridshift/analysis.h"

enum { PANEL_COLUMNS = 2048, ROW_BLOCK = 64, ORDER_BLOCK = 64 };

/* -- what it costs --------------------------------------------------------------------------------------------- */

/* pdsyevd's room beside A and Z: two more matrices of the rank's part, and vectors (ScaLAPACK, pdsyevd: LWORK). */
static int64_t eigen_bytes(int64_t N, int rows, int cols) { return 4 * gs_matrix_bytes(rows, cols, N, N, ORDER_BLOCK, ORDER_BLOCK)
                                                           + 8 * 16 * N; }

static int64_t resident_bytes(const gs_map_cost *c, int64_t N, int64_t n, int64_t D, int rows, int cols)
{
    int sides = c->resident < N ? 2 : 1;
    return sides * (gs_matrix_bytes(rows, cols, n, c->resident * D, ROW_BLOCK, (int)D) + gs_matrix_bytes(rows, cols, n, c->resident,
                                                                                                         ROW_BLOCK, 1));
}

/* Everything but the features in memory. Loading a run takes its file, its rows and its columns' means. */
static int64_t fixed_bytes(gs_map_cost *c, int64_t N, int64_t n, int64_t D, int rows, int cols)
{
    c->gram = gs_matrix_bytes(rows, cols, c->panel * D, c->panel * D, (int)D, (int)D) +
              gs_matrix_bytes(rows, cols, c->panel, c->panel, 1, 1) + 16 * (int64_t)c->panel * c->panel;
    c->similarity = 2 * gs_matrix_bytes(rows, cols, N, N, ORDER_BLOCK, ORDER_BLOCK) + 24 * N;
    c->eigen = eigen_bytes(N, rows, cols);
    return c->gram + c->similarity + 12 * n * D;
}

/* FLOPs, files, messages: half of all pairs of panels, each product 2 n (P D)^2 over the ranks. A SUMMA product sends each process its
 * row's and its column's blocks: about log2 of the side in messages a block. */
static void count_work(gs_map_cost *c, double N, double n, double D, int rows, int cols)
{
    double ranks = (double)rows * cols, pairs = N * (N + 1) / 2, P = c->panel, panels = pairs / (P * P) + N / P, steps =
        ceil(n / ROW_BLOCK);
    double side = log2(rows > 1 ? rows : 1) + log2(cols > 1 ? cols : 1);
    double loads = c->resident < N ? ceil(N / c->resident) * (ceil(N / c->resident) + 1) / 2 * c->resident : N;
    c->flops = 2 * n * D * D * pairs / ranks + 9 * N * N * N / ranks;
    c->reads = (int64_t)ceil(loads / cols);
    c->messages = panels * (steps * side + 2 * log2(ranks > 1 ? ranks : 1)) + (ranks > 1 ? N * log2(ranks) : 0);
    c->sent = panels * (8 * n * P * D * ((rows > 1) + (cols > 1)) / (ranks > 1 ? sqrt(ranks) : 1) + 16 * P * P * (ranks > 1));
}

int gs_map_plan(int64_t runs, int64_t rows, int64_t width, int ranks, int64_t rank_bytes, gs_map_cost *out, gs_err *e)
{
    int p, q;
    gs_grid_shape(ranks, GS_SHAPE_SQUARE, &p, &q);
    int64_t fixed, most = 1 + ((int64_t)PANEL_COLUMNS * q - 1) / width; /* a rank's columns of a panel stay the same */
    *out = (gs_map_cost){.resident = (int)runs, .panel = (int)(runs < most ? runs : most)};
    while ((fixed = fixed_bytes(out, runs, rows, width, p, q)) + out->gram > rank_bytes && out->panel > 1) out->panel /= 2;
    int64_t left = rank_bytes - fixed;
    if (resident_bytes(out, runs, rows, width, p, q) > left) {
        int64_t one = rows * (width + 1) * 16 / p; /* a rank's part of a run, twice */
        int64_t fits = left / (one > 0 ? one : 1) * q - q;
        out->resident = (int)(fits < 1 ? 1 : fits > runs ? runs : fits);
    }
    out->panel = out->panel < out->resident ? out->panel : out->resident;
    fixed = fixed_bytes(out, runs, rows, width, p, q);
    out->features = resident_bytes(out, runs, rows, width, p, q);
    int64_t streaming = fixed + out->features, solving = out->similarity + out->eigen;
    out->bytes = streaming > solving ? streaming : solving;
    count_work(out, (double)runs, (double)rows, (double)width, p, q);
    if (out->bytes <= rank_bytes) return 0;
    return gs_error(e, "the similarity of %lld runs (%lld rows of %lld features) needs %lld bytes on each of %d ranks, above "
                    "analysis.rank_bytes "
                       "(%lld): use more ranks, raise analysis.rank_bytes, or lower analysis.inputs", (long long)runs, (long long)rows,
                    (long long)width, (long long)out->bytes, ranks, (long long)rank_bytes);
}

/* -- features in memory ---------------------------------------------------------------------------------------- */

typedef struct resident { /* the runs first..first+count */
    int first, count;
    gs_matrix features, lengths; /* (n, count D), (n, count) */
} resident;

typedef struct work {
    const gs_team *team;
    const gs_source *source;
    gs_map_cost cost;
    gs_matrix gram, pairs; /* (P D, P D), (P, P) */
    double *panel;         /* (2, P, P): the numerators of a panel */
    double *trace;         /* (N): sum of k_i of each run */
    gs_similarity *out;
} work;

static void centre(float *x, double *mean, int n, int D)
{
    memset(mean, 0, (size_t)D * sizeof *mean);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < D; j++) mean[j] += (double)x[(size_t)i * (size_t)D + (size_t)j];
    for (int j = 0; j < D; j++) mean[j] /= n;
}

/* Puts this rank's rows of a run into its columns. */
static void place(work *w, resident *r, int run, const float *x, const double *mean)
{
    int D = w->source->width, at = run - r->first;
    for (int i = 0; i < r->features.local_rows; i++) {
        int row = gs_matrix_row(&r->features, i);
        double length = 0;
        for (int j = 0; j < D; j++) {
            double value = (double)x[(size_t)row * (size_t)D + (size_t)j] - mean[j];
            *gs_matrix_find(&r->features, row, at * D + j) = value;
            length += value * value;
        }
        *gs_matrix_find(&r->lengths, row, at) = length;
        w->trace[run] += length;
    }
}

static int load(work *w, resident *r, gs_err *e)
{
    const gs_source *s = w->source;
    const gs_team *t = w->team;
    float *x = gs_alloc((size_t)s->rows * (size_t)s->width, sizeof *x);
    double *mean = gs_alloc((size_t)s->width, sizeof *mean);
    int failed = 0;
    memset(w->trace + r->first, 0, (size_t)r->count * sizeof *w->trace);
    for (int run = r->first + t->col; run < r->first + r->count && !failed; run += t->cols) {
        gs_team_watch(t, "the reading of features", 0);
        failed = s->load(s->context, run, x, e);
        if (failed) break;
        centre(x, mean, s->rows, s->width);
        place(w, r, run, x, mean);
    }
    free(x), free(mean);
    if (gs_team_failed(t, failed, e)) return -1;
    gs_team_sum(t, w->trace + r->first, (size_t)r->count);
    return 0;
}

static void drop(resident *r) { gs_matrix_close(&r->features), gs_matrix_close(&r->lengths); }

static int take(work *w, int first, resident *r, gs_err *e)
{
    const gs_source *s = w->source;
    int count = s->runs - first < w->cost.resident ? s->runs - first : w->cost.resident;
    *r = (resident){.first = first, .count = count};
    if (gs_matrix_open(w->team, s->rows, (int64_t)count * s->width, ROW_BLOCK, s->width, &r->features, e) ||
        gs_matrix_open(w->team, s->rows, count, ROW_BLOCK, 1, &r->lengths, e) || load(w, r, e)) {
        drop(r);
        return -1;
    }
    return 0;
}

/* -- panels ---------------------------------------------------------------------------------------------------- */

/* |block|^2 of the Gram block (i, j) if it is here; upper: only its upper triangle is defined. */
static bool block_norm(const work *w, int i, int j, bool upper, double *out)
{
    int D = w->source->width;
    const double *at = gs_matrix_find(&w->gram, i * D, j * D);
    if (!at) return false;
    double sum = 0, diagonal = 0;
    for (int c = 0; c < D; c++, at += w->gram.local_rows) {
        for (int r = 0; r < (upper ? c + 1 : D); r++) sum += at[r] * at[r];
        if (upper) diagonal += at[c] * at[c];
    }
    *out = upper ? 2 * sum - diagonal : sum;
    return true;
}

static void store(work *w, int a, int b, double biased, double debiased)
{
    double *at;
    for (int turn = 0; turn < (a == b ? 1 : 2); turn++) {
        int row = turn ? b : a, col = turn ? a : b;
        if (!(at = gs_matrix_find(&w->out->cka, row, col))) continue;
        *at = biased;
        *gs_matrix_find(&w->out->debiased, row, col) = debiased;
    }
}

/* The panel of runs a.. (pa of them) against b.. (pb): products, norms, and each rank keeps its part of the sum. */
static void panel(work *w, const resident *A, int a, int pa, const resident *B, int b, int pb)
{
    int D = w->source->width, P = w->cost.panel;
    double n = w->source->rows, *biased = w->panel, *debiased = w->panel + (ptrdiff_t)P * P;
    bool same = a == b;
    memset(w->panel, 0, 2 * (size_t)P * (size_t)P * sizeof *w->panel);
    gs_product(&A->features, (a - A->first) * D, pa * D, &B->features, (b - B->first) * D, pb * D, &w->gram);
    gs_product(&A->lengths, a - A->first, pa, &B->lengths, b - B->first, pb, &w->pairs);
    for (int i = 0; i < pa; i++)
        for (int j = same ? i : 0; j < pb; j++) {
            double *x = &biased[(ptrdiff_t)i * P + j];
            if (!block_norm(w, i, j, same && i == j, x)) continue;
            debiased[(ptrdiff_t)i * P + j] = *x - n / (n - 2) * *gs_matrix_find(&w->pairs, i, j) +
                                             w->trace[a + i] * w->trace[b + j] / ((n - 1) * (n - 2));
        }
    gs_team_sum(w->team, w->panel, 2 * (size_t)P * (size_t)P);
    for (int i = 0; i < pa; i++)
        for (int j = same ? i : 0; j < pb; j++) store(w, a + i, b + j, biased[(ptrdiff_t)i * P + j], debiased[(ptrdiff_t)i * P + j]);
}

static void panels(work *w, const resident *A, const resident *B)
{
    int P = w->cost.panel, a_end = A->first + A->count, b_end = B->first + B->count;
    for (int a = A->first; a < a_end; a += P)
        for (int b = A == B ? a : B->first; b < b_end; b += P)
            panel(w, A, a, a_end - a < P ? a_end - a : P, B, b, b_end - b < P ? b_end - b : P);
}

static int stream(work *w, gs_err *e)
{
    int N = w->source->runs, failed = 0;
    for (int a = 0; a < N && !failed; a += w->cost.resident) {
        resident A, B;
        if (take(w, a, &A, e)) return -1;
        panels(w, &A, &A);
        for (int b = a + w->cost.resident; b < N && !failed; b += w->cost.resident) {
            failed = take(w, b, &B, e);
            if (failed) break;
            panels(w, &A, &B);
            drop(&B);
        }
        drop(&A);
    }
    return failed;
}

/* -- from numerators to similarity ------------------------------------------------------------------------------- */

/* s_ab / sqrt(s_aa s_bb); where a run has none of its own (constant features, or an unbiased estimate below 0), 0 beside the 1 of
 * itself. */
static int normalise(gs_matrix *s)
{
    int N = s->rows, without = 0;
    double *own = gs_alloc((size_t)N, sizeof *own), *at;
    for (int i = 0; i < N; i++)
        if ((at = gs_matrix_find(s, i, i))) own[i] = *at;
    gs_team_sum(s->team, own, (size_t)N);
    for (int i = 0; i < N; i++) without += !(own[i] > 0);
    for (int j = 0; j < s->local_cols; j++)
        for (int i = 0; i < s->local_rows; i++) {
            int row = gs_matrix_row(s, i), col = gs_matrix_col(s, j);
            at = s->at + (size_t)i + (size_t)j * (size_t)s->local_rows;
            *at = row == col ? 1 : own[row] > 0 && own[col] > 0 ? *at / sqrt(own[row] * own[col]) : 0;
        }
    free(own);
    return without;
}

int gs_similarity_of(const gs_team *t, const gs_source *s, int64_t rank_bytes, gs_similarity *out, gs_err *e)
{
    work w = {.team = t, .source = s, .out = out};
    int P, failed;
    *out = (gs_similarity){0};
    if (s->rows < 4) return gs_error(e, "a similarity needs 4 rows of the probe set, not %d: raise analysis.inputs", s->rows);
    if (gs_map_plan(s->runs, s->rows, s->width, t->size, rank_bytes, &w.cost, e)) return -1;
    P = w.cost.panel;
    failed = gs_matrix_open(t, s->runs, s->runs, ORDER_BLOCK, ORDER_BLOCK, &out->cka, e) ||
             gs_matrix_open(t, s->runs, s->runs, ORDER_BLOCK, ORDER_BLOCK, &out->debiased, e) ||
             gs_matrix_open(t, (int64_t)P * s->width, (int64_t)P * s->width, s->width, s->width, &w.gram, e) ||
             gs_matrix_open(t, P, P, 1, 1, &w.pairs, e);
    w.panel = gs_alloc(2 * (size_t)P * (size_t)P, sizeof *w.panel);
    w.trace = gs_alloc((size_t)s->runs, sizeof *w.trace);
    failed = failed || stream(&w, e);
    if (!failed) {
        out->constant = normalise(&out->cka);
        normalise(&out->debiased);
    }
    free(w.panel), free(w.trace);
    gs_matrix_close(&w.gram), gs_matrix_close(&w.pairs);
    if (failed) gs_similarity_close(out);
    return failed ? -1 : 0;
}

void gs_similarity_close(gs_similarity *s) { gs_matrix_close(&s->cka), gs_matrix_close(&s->debiased); }
