/* What the similarity of all runs says: coordinates, the share that each grouping explains, means between arms. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gridshift/analysis.h"

/* -- coordinates ----------------------------------------------------------------------------------------------- */

/* J s J: rows and columns centred. */
static void centre(gs_matrix *b)
{
    size_t N = (size_t)b->rows;
    double *mean = gs_alloc(N, sizeof *mean), all = 0;
    for (int j = 0; j < b->local_cols; j++)
        for (int i = 0; i < b->local_rows; i++)
            mean[gs_matrix_row(b, i)] += b->at[(size_t)i + (size_t)j * (size_t)b->local_rows] / (double)N;
    gs_team_sum(b->team, mean, N);
    for (size_t i = 0; i < N; i++) all += mean[i] / (double)N;
    for (int j = 0; j < b->local_cols; j++)
        for (int i = 0; i < b->local_rows; i++)
            b->at[(size_t)i + (size_t)j * (size_t)b->local_rows] += all - mean[gs_matrix_row(b, i)] - mean[gs_matrix_col(b, j)];
    free(mean);
}

int gs_coordinates(const gs_matrix *s, double *axes, int count, double *x, gs_err *e)
{
    int N = s->rows, failed;
    gs_matrix b = {0}, z = {0};
    failed = gs_matrix_open(s->team, N, N, s->block_rows, s->block_cols, &b, e) ||
             gs_matrix_open(s->team, N, N, s->block_rows, s->block_cols, &z, e);
    if (!failed) {
        memcpy(b.at, s->at, (size_t)s->local_rows * (size_t)s->local_cols * sizeof *b.at);
        centre(&b);
        failed = gs_matrix_eigen(&b, axes, &z, e);
    }
    for (int k = 0; !failed && k < count; k++) {
        double *to = x + (size_t)k * (size_t)N;
        memset(to, 0, (size_t)N * sizeof *to);
        if (k >= N) continue;
        gs_matrix_collect(&z, N, N - 1 - k, 1, to);
        double root = axes[N - 1 - k] > 0 ? sqrt(axes[N - 1 - k]) : 0;
        for (int i = 0; i < N; i++) to[i] *= root;
    }
    for (int i = 0; !failed && i < N / 2; i++) {
        double value = axes[i];
        axes[i] = axes[N - 1 - i], axes[N - 1 - i] = value;
    }
    gs_matrix_close(&b), gs_matrix_close(&z);
    return failed ? -1 : 0;
}

/* -- shares ----------------------------------------------------------------------------------------------------

 * With w_g the indicator of group g minus its share in each stratum, the squares that the groups explain inside of the strata are
 * sum_g w_g^T s w_g / n_g, for the runs are points whose inner products are s.
 * Permutations inside of strata leave all shares as they are. */

typedef struct design { /* the runs that take part */
    int N, count, groups, strata;
    int *group, *stratum;       /* (N): -1: takes no part */
    int *member, *begin;        /* (count), (strata + 1): runs by stratum */
    int *sizes, *stratum_sizes; /* (groups), (strata) */
    double *mean;               /* (strata, groups): the share of a group in a stratum */
} design;

static bool tells(const int *labels, const int *strata, int N, int first)
{
    for (int i = first + 1; i < N; i++)
        if (strata[i] == strata[first] && labels[i] >= 0 && labels[i] != labels[first]) return true;
    return false;
}

static void add_stratum(design *d, const int *labels, const int *strata, int first, int *number)
{
    for (int i = first; i < d->N; i++) {
        if (strata[i] != strata[first] || labels[i] < 0) continue;
        if (!number[labels[i]]) number[labels[i]] = ++d->groups;
        d->group[i] = number[labels[i]] - 1;
        d->stratum[i] = d->strata;
        d->member[d->count++] = i;
        d->sizes[d->group[i]]++, d->stratum_sizes[d->strata]++;
    }
    d->begin[++d->strata] = d->count;
}

static void open_design(design *d, const int *labels, const int *strata, int N)
{
    size_t n = (size_t)N + 2;
    int *number = gs_alloc(n, sizeof *number);
    bool *seen = gs_alloc(n, sizeof *seen);
    *d = (design){.N = N, .group = gs_alloc(n, sizeof(int)), .stratum = gs_alloc(n, sizeof(int)), .member = gs_alloc(n, sizeof(int)),
                  .begin = gs_alloc(n, sizeof(int)), .sizes = gs_alloc(n, sizeof(int)), .stratum_sizes = gs_alloc(n, sizeof(int))};
    for (int i = 0; i < N; i++) d->group[i] = d->stratum[i] = -1;
    for (int i = 0; i < N; i++) { /* each stratum by the first run in it that has a label */
        if (labels[i] < 0 || seen[strata[i]]) continue;
        seen[strata[i]] = true;
        if (tells(labels, strata, N, i)) add_stratum(d, labels, strata, i, number);
    }
    d->mean = gs_alloc((size_t)d->strata * (size_t)d->groups + 1, sizeof *d->mean);
    for (int i = 0; i < N; i++)
        if (d->group[i] >= 0) d->mean[d->stratum[i] * d->groups + d->group[i]] += 1.0 / d->stratum_sizes[d->stratum[i]];
    free(number), free(seen);
}

static void close_design(design *d)
{
    free(d->group), free(d->stratum), free(d->member), free(d->begin), free(d->sizes), free(d->stratum_sizes), free(d->mean);
}

/* Sum over pairs of one stratum, a run with itself included, of s_ij / its runs: this rank's part. */
static double mean_inside(const gs_matrix *s, const design *d)
{
    double sum = 0;
    for (int j = 0; j < s->local_cols; j++) {
        int own = d->stratum[gs_matrix_col(s, j)];
        if (own < 0) continue;
        double part = 0;
        for (int i = 0; i < s->local_rows; i++)
            if (d->stratum[gs_matrix_row(s, i)] == own) part += s->at[(size_t)i + (size_t)j * (size_t)s->local_rows];
        sum += part / d->stratum_sizes[own];
    }
    return sum;
}

/* w of one run: its group's indicator minus the groups' shares in its stratum; zero for a run that takes no part. */
static void weights(const design *d, const int *group, int run, double *w)
{
    for (int g = 0; g < d->groups; g++) w[g] = group[run] < 0 ? 0 : (g == group[run]) - d->mean[d->stratum[run] * d->groups + g];
}

/* sum_g w_g^T s w_g / n_g: this rank's part. */
static double explained(const gs_matrix *s, const design *d, const int *group, double *w)
{
    double sum = 0, *own = w + (ptrdiff_t)s->local_rows * d->groups;
    int G = d->groups;
    for (int i = 0; i < s->local_rows; i++) weights(d, group, gs_matrix_row(s, i), w + (ptrdiff_t)i * G);
    for (int j = 0; j < s->local_cols; j++) {
        const double *column = s->at + (size_t)j * (size_t)s->local_rows;
        if (group[gs_matrix_col(s, j)] < 0) continue;
        weights(d, group, gs_matrix_col(s, j), own);
        for (int g = 0; g < G; g++) own[g] /= d->sizes[g];
        for (int i = 0; i < s->local_rows; i++) {
            double dot = 0;
            for (int g = 0; g < G; g++) dot += w[(ptrdiff_t)i * G + g] * own[g];
            sum += column[i] * dot;
        }
    }
    return sum;
}

static void permute(const design *d, gs_rng r, int number, int32_t *order, int *group)
{
    memcpy(group, d->group, (size_t)d->N * sizeof *group);
    for (int k = 0; k < d->strata; k++) {
        const int *member = d->member + d->begin[k];
        int count = d->begin[k + 1] - d->begin[k];
        gs_rng_permutation(r, (uint64_t)number, (uint32_t)k, count, order);
        for (int i = 0; i < count; i++) group[member[i]] = d->group[member[order[i]]];
    }
}

/* [0]: squares of all strata about their centroids, negative; [1]: explained; then by each permutation. Complete on every rank. */
static double *squares(const gs_matrix *s, const design *d, int permutations, uint32_t seed)
{
    gs_rng r = gs_rng_of(seed, GS_RNG_BOOTSTRAP);
    double *out = gs_alloc((size_t)permutations + 2, sizeof *out);
    double *w = gs_alloc(((size_t)s->local_rows + 1) * (size_t)d->groups + 1, sizeof *w);
    int32_t *order = gs_alloc((size_t)d->N + 1, sizeof *order);
    int *group = gs_alloc((size_t)d->N + 1, sizeof *group);
    gs_team_watch(s->team, "the permutations of labels", 2.0 * d->N * d->N * (permutations + 1) * d->groups);
    out[0] = mean_inside(s, d);
    out[1] = explained(s, d, d->group, w);
    for (int k = 0; d->count && k < permutations; k++) {
        permute(d, r, k, order, group);
        out[k + 2] = explained(s, d, group, w);
    }
    gs_team_sum(s->team, out, (size_t)permutations + 2);
    free(w), free(order), free(group);
    return out;
}

void gs_share_of(const gs_matrix *s, const int *labels, const int *strata, int permutations, uint32_t seed, gs_share *out)
{
    static const double ROUNDING = 1e-12; /* equal partitions in another order are equal */
    design d;
    open_design(&d, labels, strata, s->rows);
    double *square = squares(s, &d, permutations, seed), total = d.count - square[0];
    int least = 1, left = d.count - d.strata - (d.groups - 1);
    for (int k = 0; k < permutations; k++) least += square[k + 2] >= square[1] - ROUNDING * d.count;
    *out = (gs_share){.runs = d.count, .groups = d.groups, .strata = d.strata, .r2 = NAN, .f = NAN, .p = NAN};
    if (d.count && left > 0 && total > ROUNDING * d.count) {
        out->r2 = square[1] / total;
        out->f = square[1] / (d.groups - 1) / ((total - square[1]) / left);
        out->p = (double)least / (permutations + 1);
    }
    free(square);
    close_design(&d);
}

/* -- arms ------------------------------------------------------------------------------------------------------ */

void gs_arm_sums(const gs_matrix *s, const int *arm, int arms, const int *seed, bool same, double *sum, double *square, double *pairs)
{
    size_t count = (size_t)arms * (size_t)arms;
    memset(sum, 0, count * sizeof *sum), memset(square, 0, count * sizeof *square), memset(pairs, 0, count * sizeof *pairs);
    for (int j = 0; j < s->local_cols; j++)
        for (int i = 0; i < s->local_rows; i++) {
            int row = gs_matrix_row(s, i), col = gs_matrix_col(s, j);
            if (row == col || (seed[row] == seed[col]) != same) continue;
            size_t at = (size_t)arm[row] * (size_t)arms + (size_t)arm[col];
            double value = s->at[(size_t)i + (size_t)j * (size_t)s->local_rows];
            sum[at] += value, square[at] += value * value, pairs[at]++;
        }
    gs_team_sum(s->team, sum, count), gs_team_sum(s->team, square, count), gs_team_sum(s->team, pairs, count);
}
