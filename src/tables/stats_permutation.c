/* Permutation tests: all arrangements where there are at most 2^20, else seeded draws. Statistic: a sum; p counts arrangements whose
 * statistic is at least as far out. Sums that are equal up to rounding count as equal. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gridshift/stats.h"

enum { MOST_EXACT = 1 << 20 };

typedef struct hits {
    double total, less, greater, both, observed, slack;
} hits;

static void count(hits *h, double statistic)
{
    h->total++;
    h->less += statistic <= h->observed + h->slack;
    h->greater += statistic >= h->observed - h->slack;
    h->both += fabs(statistic) >= fabs(h->observed) - h->slack;
}

static gs_test result(const hits *h, bool exact)
{
    double own = exact ? 0 : 1, total = h->total + own; /* the arrangement that was seen is one of those that are possible */
    return (gs_test){h->observed, NAN, (h->both + own) / total, (h->less + own) / total, (h->greater + own) / total,
                     exact ? GS_WAY_EXACT : GS_WAY_DRAWN};
}

static hits open_hits(double observed, const double *x, int n)
{
    double size = 0;
    for (int i = 0; i < n; i++) size += fabs(x[i]);
    return (hits){.observed = observed, .slack = 1e-12 * size};
}

/* -- sign flips ------------------------------------------------------------------------------------------------- */

static double flipped_sum(const double *d, int n, const uint32_t *bits)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += bits[i / 32] >> (i % 32) & 1 ? -d[i] : d[i];
    return sum;
}

gs_test gs_permutation_paired(const double *d, int n)
{
    if (n < 2) return (gs_test){NAN, NAN, NAN, NAN, NAN, GS_WAY_EXACT};
    bool exact = n <= 20;
    int words = (n + 31) / 32;
    uint32_t *bits = gs_alloc((size_t)words, sizeof *bits);
    hits h = open_hits(flipped_sum(d, n, bits), d, n);
    gs_rng r = gs_rng_of(1, GS_RNG_BOOTSTRAP);
    int arrangements = exact ? 1 << n : GS_PERMUTATION_DRAWS;
    for (int a = 0; a < arrangements; a++) {
        if (exact) bits[0] = (uint32_t)a;
        for (int w = 0; !exact && w < words; w++) bits[w] = gs_rng_u32(r, (uint64_t)a, 0, (uint32_t)w);
        count(&h, flipped_sum(d, n, bits));
    }
    free(bits);
    gs_test out = result(&h, exact);
    out.statistic /= n;
    return out;
}

/* -- splits ------------------------------------------------------------------------------------------------------ */

/* The next choice of n of all in lexicographic order; false: it was the last. */
static bool next_choice(int *at, int n, int all)
{
    int k = n - 1;
    while (k >= 0 && at[k] == all - n + k) k--;
    if (k < 0) return false;
    at[k]++;
    for (int j = k + 1; j < n; j++) at[j] = at[j - 1] + 1;
    return true;
}

static void every_split(hits *h, const double *z, int n, int all)
{
    int *at = gs_alloc((size_t)n, sizeof *at);
    for (int i = 0; i < n; i++) at[i] = i;
    do {
        double sum = 0;
        for (int i = 0; i < n; i++) sum += z[at[i]];
        count(h, sum);
    } while (next_choice(at, n, all));
    free(at);
}

/* The first n places of a Fisher-Yates shuffle. */
static void drawn_splits(hits *h, double *z, int n, int all)
{
    gs_rng r = gs_rng_of(2, GS_RNG_BOOTSTRAP);
    for (int a = 0; a < GS_PERMUTATION_DRAWS; a++) {
        double sum = 0;
        for (int i = 0; i < n; i++) {
            int j = i + (int)gs_rng_below(r, (uint64_t)a, 0, (uint32_t)i, (uint32_t)(all - i));
            double kept = z[i];
            z[i] = z[j], z[j] = kept;
            sum += z[i];
        }
        count(h, sum);
    }
}

static bool few_splits(int n, int m)
{
    double ways = 1;
    for (int k = 1; k <= n && ways <= MOST_EXACT; k++) ways = ways * (m + k) / k;
    return ways <= MOST_EXACT;
}

gs_test gs_permutation_two(const double *x, int n, const double *y, int m)
{
    if (n < 1 || m < 1 || n + m < 3) return (gs_test){NAN, NAN, NAN, NAN, NAN, GS_WAY_EXACT};
    double *z = gs_alloc((size_t)(n + m), sizeof *z);
    memcpy(z, x, (size_t)n * sizeof *z);
    memcpy(z + n, y, (size_t)m * sizeof *z);
    double centre = gs_mean(z, n + m), sum = 0;
    for (int i = 0; i < n + m; i++) z[i] -= centre; /* then the sum of x is a multiple of the difference of means */
    for (int i = 0; i < n; i++) sum += z[i];
    hits h = open_hits(sum, z, n + m);
    bool exact = few_splits(n, m);
    if (exact) every_split(&h, z, n, n + m);
    else drawn_splits(&h, z, n, n + m);
    free(z);
    gs_test out = result(&h, exact);
    out.statistic = gs_mean(x, n) - gs_mean(y, m);
    return out;
}
