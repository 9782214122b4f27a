/* The assignment of rows to columns with the largest sum: Kuhn's Hungarian method with potentials (Jonker & Volgenant 1987), O(n^3). */
#include <math.h>
#include <stdlib.h>

#include "gridshift/linalg.h"

typedef struct state {
    int n;
    const double *gain;
    double *row, *column, *slack; /* potentials; (n + 1) each, from 1 */
    int *of_column, *way;         /* the row of each column; the column before it on the shortest path */
    bool *used;
} state;

/* One step along the shortest augmenting path from column j: -> the next column. */
static int step(state *s, int j)
{
    int n = s->n, i = s->of_column[j], next = 0;
    double least = INFINITY;
    s->used[j] = true;
    for (int k = 1; k <= n; k++) {
        if (s->used[k]) continue;
        double cost = -s->gain[(size_t)(i - 1) * (size_t)n + (size_t)(k - 1)] - s->row[i] - s->column[k];
        if (cost < s->slack[k]) s->slack[k] = cost, s->way[k] = j;
        if (s->slack[k] < least) least = s->slack[k], next = k;
    }
    for (int k = 0; k <= n; k++)
        if (s->used[k]) s->row[s->of_column[k]] += least, s->column[k] -= least;
        else s->slack[k] -= least;
    return next;
}

static void place_row(state *s, int i)
{
    int j = 0;
    s->of_column[0] = i;
    for (int k = 0; k <= s->n; k++) s->slack[k] = INFINITY, s->used[k] = false;
    do j = step(s, j);
    while (s->of_column[j]);
    for (; j; j = s->way[j]) s->of_column[j] = s->of_column[s->way[j]];
}

double gs_assign(int n, const double *gain, int *column_of)
{
    size_t N = (size_t)n + 1;
    state s = {n, gain, gs_alloc(N, 8), gs_alloc(N, 8), gs_alloc(N, 8), gs_alloc(N, sizeof(int)), gs_alloc(N, sizeof(int)), gs_alloc(N, 1)};
    double sum = 0;
    for (int i = 1; i <= n; i++) place_row(&s, i);
    for (int j = 1; j <= n; j++) column_of[s.of_column[j] - 1] = j - 1;
    for (int i = 0; i < n; i++) sum += gain[(size_t)i * (size_t)n + (size_t)column_of[i]];
    free(s.row), free(s.column), free(s.slack), free(s.of_column), free(s.way), free(s.used);
    return sum;
}
