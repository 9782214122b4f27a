/* Matrices over a team of ranks against NumPy's numbers (tests/golden/analysis) and against LAPACK on one rank, at any number of ranks and
 * in grids of both shapes, some with idle ranks. Each rank checks itself; one failure fails the job.
 *
 *   mpirun -n N matrix     (from the root of the project) */
#include "golden.h"
#include "gridshift/matrix.h"

static json_t *golden;
static double number(const char *name, int i)
{
    return json_number_value(json_array_get(json_object_get(golden, name), (size_t)i));
}

static double tall_at(int i, int j) { return ldexp(integer(i, j, 7, 13, 5, 101), -j); }
static double fit_at(int i, int j) { return integer(i, j, 7, 13, 5, 101); }
static double right_at(int i, int j) { return integer(i, j, 3, 1, 1, 89); }
static double low_rank_at(int i, int j) { return sin(0.1 * i) * cos(0.3 * j) + 0.5 * cos(0.37 * i) * sin(0.7 * j) + 0.25 * sin(1.3 * i) * ((j % 5) - 2); }

static gs_matrix fill(const gs_team *t, int rows, int cols, int br, int bc, double (*at)(int, int))
{
    gs_matrix m;
    gs_err e;
    if (gs_matrix_open(t, rows, cols, br, bc, &m, &e)) gs_die("%s", e.text);
    for (int j = 0; j < m.local_cols; j++)
        for (int i = 0; i < m.local_rows; i++)
            m.at[(size_t)i + (size_t)j * (size_t)m.local_rows] = at(gs_matrix_row(&m, i), gs_matrix_col(&m, j));
    return m;
}

static void numpy_spectrum(const gs_team *t, gs_spectrum_by by, int br, int bc)
{
    double values[20], v[60];
    gs_err e;
    gs_matrix A = fill(t, 157, 20, br, bc, tall_at);
    CHECK(!gs_singular(&A, by, values, 3, v, &e));
    for (int i = 0; i < 20; i++) {
        double s = number("values", i);
        if (by == GS_BY_QR) NEAR(values[i], s, 1e-10 * number("values", 0));
        else if (s > 1e-3 * number("values", 0)) NEAR(values[i], s, 1e-7 * s);
    }
    for (int i = 0; i < 60; i++) NEAR(v[i], json_number_value(json_array_get(json_array_get(json_object_get(golden, "vectors"), (size_t)i / 20), (size_t)i % 20)), 1e-8);
    gs_matrix_close(&A);
}

static void numpy_eigen(const gs_team *t)
{
    double values[20];
    gs_err e;
    gs_matrix A = fill(t, 157, 20, 6, 4, tall_at), C, Z;
    CHECK(!gs_matrix_open(t, 20, 20, 4, 4, &C, &e) && !gs_matrix_open(t, 20, 20, 4, 4, &Z, &e));
    gs_product(&A, 0, 20, &A, 0, 20, &C);
    CHECK(!gs_matrix_eigen(&C, values, &Z, &e));
    for (int i = 0; i < 20; i++) NEAR(values[i], number("eigenvalues", i), 1e-11 * number("eigenvalues", 19));
    gs_matrix_close(&A), gs_matrix_close(&C), gs_matrix_close(&Z);
}

/* Any columns against any columns, at offsets that are no multiples of a block. */
static void products(const gs_team *t)
{
    gs_err e;
    gs_matrix A = fill(t, 157, 20, 9, 3, fit_at), B = fill(t, 157, 20, 9, 5, right_at), C;
    CHECK(!gs_matrix_open(t, 7, 6, 2, 2, &C, &e));
    gs_product(&A, 4, 7, &B, 11, 6, &C);
    for (int i = 0; i < 7; i++)
        for (int j = 0; j < 6; j++) {
            double sum = 0, *at = gs_matrix_find(&C, i, j);
            for (int k = 0; k < 157; k++) sum += fit_at(k, 4 + i) * right_at(k, 11 + j);
            if (at) NEAR(*at, sum, 1e-9);
        }
    gs_matrix_close(&A), gs_matrix_close(&B), gs_matrix_close(&C);
}

static void numpy_fit(const gs_team *t, int br)
{
    double beta[5], r[25], rss, inverse[5];
    int column;
    gs_err e;
    json_t *f = json_object_get(golden, "fit");
    gs_matrix A = fill(t, 157, 5, br, 3, fit_at), b = fill(t, 157, 1, br, 1, right_at);
    CHECK(!gs_least_squares(&A, &b, beta, r, &rss, &column, &e) && column == -1);
    gs_inverse_diagonal(5, r, inverse);
    for (size_t i = 0; i < 5; i++) {
        NEAR(beta[i], json_number_value(json_array_get(json_object_get(f, "beta"), i)), 1e-12);
        double expected = json_number_value(json_array_get(json_object_get(f, "inverse"), i));
        NEAR(inverse[i], expected, 1e-10 * expected);
    }
    NEAR(rss, json_number_value(json_object_get(f, "rss")), 1e-8);
    gs_matrix_close(&A), gs_matrix_close(&b);
}

static double dependent_at(int i, int j) { return j == 3 ? fit_at(i, 0) - 2 * fit_at(i, 2) : fit_at(i, j); }
static void collinear(const gs_team *t)
{
    double beta[5], r[25], rss;
    int column;
    gs_err e;
    gs_matrix A = fill(t, 157, 5, 8, 8, dependent_at), b = fill(t, 157, 1, 8, 1, right_at);
    CHECK(gs_least_squares(&A, &b, beta, r, &rss, &column, &e) && column == 3);
    gs_matrix_close(&A), gs_matrix_close(&b);
}

/* Planted: three directions in 24 columns, on the team and on this rank alone. */
static void planted_rank(const gs_team *t, gs_spectrum_by by)
{
    gs_team alone = gs_team_alone();
    double here[24], there[24], v[24 * 3], w[24 * 3];
    gs_err e;
    gs_matrix A = fill(t, 700, 24, 16, 8, low_rank_at), B = fill(&alone, 700, 24, 16, 8, low_rank_at);
    CHECK(!gs_singular(&A, by, there, 3, v, &e) && !gs_singular(&B, GS_BY_QR, here, 3, w, &e));
    double small = (by == GS_BY_QR ? 1e-10 : 1e-6) * here[0];
    for (int i = 0; i < 3; i++) NEAR(there[i], here[i], by == GS_BY_QR ? 1e-10 * here[0] : 1e-7 * here[i]);
    for (int i = 3; i < 24; i++) CHECK(there[i] < small && here[i] < small);
    for (int i = 0; i < 72; i++) NEAR(v[i], w[i], 1e-8);
    CHECK(here[2] > 1);
    gs_matrix_close(&A), gs_matrix_close(&B);
}

/* Fewer rows than columns, fewer rows than ranks have blocks, one column. */
static void odd_shapes(const gs_team *t)
{
    gs_team alone = gs_team_alone();
    static const int shapes[][2] = {{5, 20}, {1, 1}, {3, 3}, {40, 1}, {64, 64}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        double here[64], there[64];
        gs_err e;
        gs_matrix A = fill(t, shapes[s][0], shapes[s][1], 16, 16, fit_at), B = fill(&alone, shapes[s][0], shapes[s][1], 16, 16, fit_at);
        CHECK(!gs_singular(&A, GS_BY_QR, there, 0, NULL, &e) && !gs_singular(&B, GS_BY_QR, here, 0, NULL, &e));
        for (int i = 0; i < shapes[s][1]; i++) NEAR(there[i], here[i], 1e-10 * here[0]);
        gs_matrix_close(&A), gs_matrix_close(&B);
    }
}

static void refusals(const gs_team *t)
{
    gs_err e;
    gs_matrix m;
    CHECK(gs_matrix_open(t, (int64_t)1 << 31, 4, 64, 4, &m, &e) && strstr(e.text, "2147483648 x 4"));
    CHECK(gs_matrix_open(t, 2000000000, 2000000000, 64, 64, &m, &e) && strstr(e.text, "use more ranks"));
    gs_error(&e, "rank %d cannot", t->rank);
    CHECK(gs_team_failed(t, t->rank == t->size - 1, &e) == -1 && !gs_team_failed(t, 0, &e));
    char *text = gs_text("rank %d cannot", t->size - 1);
    CHECK(!strcmp(e.text, text));
    free(text);
}

static void grids(void)
{
    static const int expected[][3] = {{1, 1, 1}, {2, 2, 1}, {3, 2, 1}, {4, 2, 2}, {5, 2, 2}, {6, 3, 2}, {8, 4, 2}, {9, 3, 3}, {12, 4, 3}, {1024, 32, 32}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        int rows, cols;
        gs_grid_shape(expected[i][0], GS_SHAPE_SQUARE, &rows, &cols);
        CHECK(rows == expected[i][1] && cols == expected[i][2]);
    }
}

static void all_of(gs_team *t)
{
    if (!t->size) return;
    double sum = t->rank + 1;
    gs_team_sum(t, &sum, 1);
    NEAR(sum, t->size * (t->size + 1) / 2.0, 0);
    numpy_spectrum(t, GS_BY_QR, 8, 4);
    numpy_spectrum(t, GS_BY_QR, 40, 20);
    numpy_spectrum(t, GS_BY_GRAM, 8, 4);
    numpy_eigen(t);
    products(t);
    numpy_fit(t, 8);
    numpy_fit(t, 64);
    collinear(t);
    planted_rank(t, GS_BY_QR);
    planted_rank(t, GS_BY_GRAM);
    odd_shapes(t);
    refusals(t);
}

int main(int argc, char **argv)
{
    golden = golden_load();
    gs_mpi_init(&argc, &argv);
    grids();
    gs_team alone = gs_team_alone();
    all_of(&alone);
    for (int shape = GS_SHAPE_SQUARE; shape <= GS_SHAPE_TALL; shape++)
        for (int most = gs_mpi_size(); most > 0; most -= 2) { /* fewer ranks than there are: the others are idle */
            gs_team t = gs_team_open(most, (gs_shape)shape);
            all_of(&t);
            gs_team_close(&t);
        }
    if (!gs_mpi_rank()) printf("%d ranks agree with NumPy\n", gs_mpi_size());
    json_decref(golden);
    return gs_mpi_finish(0);
}
