/* The similarity of runs over a team of ranks: against NumPy's numbers, planted clusters whose values are known, and the same result however few
 * runs fit into memory. Each rank checks itself; one failure fails the job.
 *
 *   mpirun -n N analysis     (from the root of the project) */
#include "golden.h"
#include "gridshift/analysis.h"

static json_t *golden;
static double entry(const char *name, int i, int j)
{
    return json_number_value(json_array_get(json_array_get(json_object_get(golden, name), (size_t)i), (size_t)j));
}

/* -- NumPy's seven runs ---------------------------------------------------------------------------------------- */

static int integers(void *context, int k, float *x, gs_err *e)
{
    (void)context, (void)e;
    for (int i = 0; i < 41; i++)
        for (int j = 0; j < 6; j++) x[i * 6 + j] = (float)integer(i, j, 3 + 2 * k, 11 + k, 4 + 3 * k, 97 + 2 * k);
    return 0;
}
static const gs_source seven = {.runs = 7, .rows = 41, .width = 6, .load = integers};

static void numpy_similarity(const gs_team *t)
{
    gs_similarity s;
    gs_err e;
    double axes[7], x[14], *at;
    CHECK(!gs_similarity_of(t, &seven, 100000000, &s, &e));
    for (int i = 0; i < 7; i++)
        for (int j = 0; j < 7; j++) {
            if ((at = gs_matrix_find(&s.cka, i, j))) NEAR(*at, entry("cka", i, j), 1e-10);
            if ((at = gs_matrix_find(&s.debiased, i, j))) NEAR(*at, entry("debiased", i, j), 1e-10);
        }
    CHECK(s.constant == 0 && !gs_coordinates(&s.cka, axes, 2, x, &e));
    for (int k = 0; k < 4; k++) NEAR(axes[k], json_number_value(json_array_get(json_object_get(golden, "axes"), (size_t)k)), 1e-10);
    static const int labels[7] = {0, 0, 1, 1, 2, 2, 2}, together[7] = {0};
    gs_share share;
    gs_share_of(&s.cka, labels, together, 50, 1, &share);
    CHECK(share.runs == 7 && share.groups == 3 && share.strata == 1);
    NEAR(share.r2, json_number_value(json_object_get(golden, "share")), 1e-10);
    NEAR(share.f, (share.r2 / 2) / ((1 - share.r2) / 4), 1e-9);
    gs_similarity_close(&s);
}

/* -- planted: two clusters of rotated copies ------------------------------------------------------------------- */

enum { PLANTED = 90, ROWS = 768, WIDTH = 8 };

/* Columns are Fourier modes of the rows, so any two are orthogonal and centred. Cluster 0 has modes 1..4 (8 columns of sines and cosines), cluster
 * 1 has modes 1, 2 and 5, 6: half of the directions are shared, so CKA is 4 / 8 across and 1 inside. Each run is turned by its own
 * rotations and scaled, which CKA does not see. */
static double mode_of(int cluster, int column) { return column < 4 ? column / 2 + 1 : column / 2 + 1 + 2 * cluster; }

static int rotated(void *context, int run, float *x, gs_err *e)
{
    const int *bad = context;
    if (bad && run == *bad) return gs_error(e, "run %d cannot be read", run);
    for (int i = 0; i < ROWS; i++) {
        double row[WIDTH];
        for (int j = 0; j < WIDTH; j++) {
            double angle = 2 * M_PI * mode_of(run % 2, j) * i / ROWS;
            row[j] = j % 2 ? sin(angle) : cos(angle);
        }
        for (int turn = 0; turn < 3 * WIDTH; turn++) {
            int a = turn % WIDTH, b = (turn * 3 + 1 + run) % WIDTH;
            double c = cos(0.7 * run + turn), s = sin(0.7 * run + turn), y = row[a];
            if (a == b) continue;
            row[a] = c * y - s * row[b], row[b] = s * y + c * row[b];
        }
        for (int j = 0; j < WIDTH; j++) x[i * WIDTH + j] = (float)((1 + run) * (row[j] + 3));
    }
    return 0;
}

static void check_clusters(const gs_similarity *s)
{
    for (int i = 0; i < PLANTED; i++)
        for (int j = 0; j < PLANTED; j++) {
            double *at = gs_matrix_find(&s->cka, i, j);
            if (at) NEAR(*at, i % 2 == j % 2 ? 1 : 0.5, 1e-6); /* features are float */
        }
}

/* share: of the bytes that all features in memory at once need. */
static void planted(const gs_team *t, double share)
{
    const gs_source source = {.runs = PLANTED, .rows = ROWS, .width = WIDTH, .load = rotated};
    gs_similarity s;
    gs_map_cost cost;
    gs_err e;
    CHECK(!gs_map_plan(PLANTED, ROWS, WIDTH, t->size, 100000000, &cost, &e) && cost.resident == PLANTED);
    int64_t rank_bytes = (int64_t)(share * (double)cost.bytes);
    CHECK(!gs_map_plan(PLANTED, ROWS, WIDTH, t->size, rank_bytes, &cost, &e) && cost.bytes <= rank_bytes);
    CHECK((cost.resident == PLANTED) == (share >= 1));
    CHECK(!gs_similarity_of(t, &source, rank_bytes, &s, &e));
    check_clusters(&s);
    double axes[PLANTED], x[3 * PLANTED];
    CHECK(!gs_coordinates(&s.cka, axes, 3, x, &e));
    NEAR(axes[0], PLANTED * 0.25, 1e-4); /* two points at distance 1: each run is half away from the middle */
    NEAR(axes[1], 0, 1e-4);
    for (int i = 0; i < PLANTED; i++) NEAR(fabs(x[i]), 0.5, 1e-5);
    for (int i = 0; i < PLANTED; i++) CHECK((x[i] > 0) == ((x[0] > 0) == (i % 2 == 0)));
    gs_similarity_close(&s);
}

/* Strata of two runs, one of each cluster: all else equal, as pairs of one seed are. Each permutation swaps inside of pairs. */
static void paired(const gs_similarity *s)
{
    int cluster[PLANTED], pair[PLANTED];
    gs_share share;
    for (int i = 0; i < PLANTED; i++) cluster[i] = i % 2, pair[i] = i / 2;
    gs_share_of(&s->cka, cluster, pair, 99, 7, &share);
    CHECK(share.strata == 45 && share.groups == 2 && share.runs == PLANTED);
    NEAR(share.r2, 1, 1e-5);
    NEAR(share.p, 0.01, 1e-12);
}

static void shares(const gs_team *t)
{
    const gs_source source = {.runs = PLANTED, .rows = ROWS, .width = WIDTH, .load = rotated};
    gs_similarity s;
    gs_share share;
    gs_err e;
    int cluster[PLANTED], useless[PLANTED], together[PLANTED] = {0}, half[PLANTED], some[PLANTED], apart[PLANTED];
    for (int i = 0; i < PLANTED; i++) cluster[i] = i % 2, useless[i] = i / 2 % 3, half[i] = i / 2 % 2, some[i] = i < 60 ? cluster[i] : -1, apart[i] = i;
    CHECK(!gs_similarity_of(t, &source, 100000000, &s, &e));
    gs_share_of(&s.cka, cluster, together, 99, 7, &share);
    NEAR(share.r2, 1, 1e-5);
    NEAR(share.p, 0.01, 1e-12);
    gs_share_of(&s.cka, useless, together, 99, 7, &share);
    CHECK(share.r2 < 0.01 && share.p > 0.5 && share.groups == 3);
    gs_share_of(&s.cka, cluster, half, 99, 7, &share); /* inside of strata that have nothing to do with it */
    NEAR(share.r2, 1, 1e-5);
    CHECK(share.strata == 2 && share.groups == 2 && share.p < 0.02);
    paired(&s);
    gs_share_of(&s.cka, useless, cluster, 99, 7, &share); /* the clusters are strata: nothing is left to explain */
    CHECK(isnan(share.r2) || share.r2 < 0.2);
    gs_share_of(&s.cka, some, together, 99, 7, &share);
    CHECK(share.runs == 60 && share.r2 > 0.9999);
    gs_share_of(&s.cka, cluster, cluster, 99, 7, &share); /* each stratum has one label */
    CHECK(share.runs == 0 && isnan(share.r2) && isnan(share.p));
    double sum[4], square[4], pairs[4];
    gs_arm_sums(&s.cka, cluster, 2, apart, false, sum, square, pairs);
    NEAR(sum[0] / pairs[0], 1, 1e-6);
    NEAR(sum[1] / pairs[1], 0.5, 1e-6);
    NEAR(square[1] / pairs[1], 0.25, 1e-6);
    CHECK(pairs[0] == 45 * 44 && pairs[1] == 45 * 45 && pairs[2] == pairs[1]);
    gs_arm_sums(&s.cka, together, 1, cluster, true, sum, square, pairs); /* the same "seed": inside of a cluster */
    NEAR(sum[0] / pairs[0], 1, 1e-6);
    gs_similarity_close(&s);
}

/* -- what goes wrong --------------------------------------------------------------------------------------------- */

static int constant(void *context, int run, float *x, gs_err *e)
{
    integers(context, run, x, e);
    for (int i = 0; run == 3 && i < 41 * 6; i++) x[i] = 5;
    return 0;
}

static void refusals(const gs_team *t)
{
    gs_similarity s;
    gs_err e;
    int bad = 61;
    const gs_source broken = {.runs = PLANTED, .rows = ROWS, .width = WIDTH, .load = rotated, .context = &bad};
    CHECK(gs_similarity_of(t, &broken, 100000000, &s, &e) && strstr(e.text, "run 61 cannot be read")); /* on every rank */
    CHECK(gs_similarity_of(t, &broken, 1000, &s, &e) && strstr(e.text, "use more ranks, raise analysis.rank_bytes"));
    const gs_source flat = {.runs = 7, .rows = 41, .width = 6, .load = constant};
    CHECK(!gs_similarity_of(t, &flat, 100000000, &s, &e) && s.constant == 1);
    for (int i = 0; i < 7; i++) {
        double *at = gs_matrix_find(&s.cka, i, 3);
        if (at) CHECK(*at == (i == 3));
    }
    gs_similarity_close(&s);
}

/* Measures of known spectra, and waves on a grid. */
static void measures(void)
{
    gs_hidden_spectrum s;
    static const double flat[6] = {3, 3, 3, 3, 0, 0}, two[3] = {2, 1, 0};
    gs_spectrum_measures(flat, 6, 10, &s);
    NEAR(s.participation, 4, 1e-12);
    NEAR(s.effective_rank, 4, 1e-12);
    NEAR(s.variance, 4, 1e-12);
    NEAR(s.share[3], 0.25, 1e-12);
    gs_spectrum_measures(two, 3, 2, &s);
    NEAR(s.participation, 25.0 / 17, 1e-12);
    NEAR(s.effective_rank, exp(-0.8 * log(0.8) - 0.2 * log(0.2)), 1e-12);
    double x[31 * 31];
    for (int a = 0; a < 31; a++)
        for (int b = 0; b < 31; b++) x[a * 31 + b] = 7 + cos(2 * M_PI * 5 * (a + b) / 31) + 0.5 * sin(2 * M_PI * 5 * a / 31);
    NEAR(gs_one_frequency(x, 31), 1, 1e-9);
    for (int i = 0; i < 31 * 31; i++) x[i] += cos(2 * M_PI * 9 * (i % 31) / 31);
    NEAR(gs_one_frequency(x, 31), 0.625 / 1.125, 1e-9); /* powers 1/2 + 1/8, and 1/2 of the other frequency */
    for (int i = 0; i < 31 * 31; i++) x[i] = 4;
    NEAR(gs_one_frequency(x, 31), 0, 0);
}

static void all_of(gs_team *t)
{
    if (!t->size) return;
    numpy_similarity(t);
    planted(t, 1);
    planted(t, 0.5);
    shares(t);
    refusals(t);
}

int main(int argc, char **argv)
{
    golden = golden_load();
    gs_mpi_init(&argc, &argv);
    measures();
    gs_team alone = gs_team_alone();
    all_of(&alone);
    for (int most = gs_mpi_size(); most > 1; most -= 2) { /* fewer ranks than there are: the others are idle */
        gs_team t = gs_team_open(most, GS_SHAPE_SQUARE);
        all_of(&t);
        gs_team_close(&t);
    }
    if (!gs_mpi_rank()) printf("%d ranks agree with NumPy\n", gs_mpi_size());
    json_decref(golden);
    return gs_mpi_finish(0);
}
