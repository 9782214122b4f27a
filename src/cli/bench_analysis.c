/* gridshift bench analysis: products, QR, eigenvalues and messages over all ranks beside LAPACK on one,
 * and the cost model of a map from them. */
#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/analyze.h"
#include "cli/bench.h"
#include "cli/run.h"
#include "gridshift/mpi.h"

enum { FIGURES = 7, VECTORS = 5, REPEAT_MOST = 32, ORDER = 256, BLOCK = 64, SMALL_SUMS = 200, LARGE_SUM = 1 << 20 };

typedef struct choice {
    const char *np_text, *rows_text, *columns_text, *repeat_text, *runs_text, *ranks_text, *latency_text;
    int np, rows, columns, repeat, runs, ranks, latency_us;
} choice;

/* Rates of one rank; of a team: of each of its ranks. */
typedef struct rates {
    gs_spread gram, qr, eigen; /* GFLOP/s of the whole team */
    gs_spread latency_s, bytes_per_s; /* of a sum over the ranks: of one number, of a million */
    gs_spread by_qr_s, by_gram_s;     /* of a whole spectrum with 5 vectors */
} rates;

/* -- measuring --------------------------------------------------------------------------------------------------- */

static void fill(gs_matrix *m)
{
    gs_rng r = gs_rng_of(1, GS_RNG_BATCH);
    for (int j = 0; j < m->local_cols; j++)
        for (int i = 0; i < m->local_rows; i++)
            m->at[(size_t)i + (size_t)j * (size_t)m->local_rows] =
                gs_rng_uniform(r, (uint64_t)gs_matrix_row(m, i), (uint32_t)gs_matrix_col(m, j), 0) - 0.5;
}

static void open_or_die(const gs_team *t, int rows, int cols, int block_rows, int block_cols, gs_matrix *m)
{
    gs_err e;
    if (gs_matrix_open(t, rows, cols, block_rows, block_cols, m, &e)) gs_die("%s", e.text);
}

/* Seconds between two points that all ranks of the team have reached. */
static double since(const gs_team *t, double start_s)
{
    double meet = 0;
    gs_team_sum(t, &meet, 1);
    return gs_clock_s() - start_s;
}

static double start(const gs_team *t) { return since(t, 0); }

static double gram_s(const gs_team *t, gs_matrix *A, gs_matrix *C)
{
    fill(A);
    double now = start(t);
    gs_product(A, 0, A->cols, A, 0, A->cols, C);
    return since(t, now);
}

static double qr_s(const gs_team *t, gs_matrix *A)
{
    fill(A);
    double now = start(t);
    if (t->calls->qr(A)) gs_die("no QR");
    return since(t, now);
}

static double eigen_s(const gs_team *t, gs_matrix *S, gs_matrix *Z, double *values)
{
    gs_err e;
    fill(S); /* the upper triangle is a symmetric matrix */
    double now = start(t);
    if (gs_matrix_eigen(S, values, Z, &e)) gs_die("%s", e.text);
    return since(t, now);
}

static double spectrum_s(const gs_team *t, gs_matrix *A, gs_spectrum_by by)
{
    gs_err e;
    double *values = gs_alloc((size_t)A->cols, sizeof *values), *v = gs_alloc((size_t)A->cols * VECTORS, sizeof *v);
    fill(A);
    double now = start(t);
    if (gs_singular(A, by, values, VECTORS < A->cols ? VECTORS : A->cols, v, &e)) gs_die("%s", e.text);
    free(values), free(v);
    return since(t, now);
}

static void sums_s(const gs_team *t, double *room, double *latency, double *rate)
{
    double now = start(t);
    for (int i = 0; i < SMALL_SUMS; i++) gs_team_sum(t, room, 1);
    *latency = since(t, now) / SMALL_SUMS;
    now = start(t);
    gs_team_sum(t, room, LARGE_SUM);
    *rate = 8.0 * LARGE_SUM / since(t, now);
}

/* One round of everything. x: the figures of rates, in their order. */
static void round_of(const gs_team *t, const choice *c, double x[FIGURES])
{
    gs_matrix A, C, S, Z;
    double n = c->columns, *values = gs_alloc(ORDER, sizeof *values), *room = gs_alloc(LARGE_SUM, sizeof *room);
    open_or_die(t, c->rows, c->columns, (c->rows + t->size - 1) / t->size, BLOCK, &A);
    open_or_die(t, c->columns, c->columns, BLOCK, BLOCK, &C);
    open_or_die(t, ORDER, ORDER, BLOCK, BLOCK, &S);
    open_or_die(t, ORDER, ORDER, BLOCK, BLOCK, &Z);
    x[0] = c->rows * n * n * 1e-9 / gram_s(t, &A, &C);
    x[1] = 2 * n * n * (c->rows - n / 3) * 1e-9 / qr_s(t, &A);
    x[2] = 9.0 * ORDER * ORDER * ORDER * 1e-9 / eigen_s(t, &S, &Z, values);
    sums_s(t, room, &x[3], &x[4]);
    x[5] = spectrum_s(t, &A, GS_BY_QR);
    x[6] = spectrum_s(t, &A, GS_BY_GRAM);
    gs_matrix_close(&A), gs_matrix_close(&C), gs_matrix_close(&S), gs_matrix_close(&Z);
    free(values), free(room);
}

static rates summarise(double x[FIGURES][REPEAT_MOST], int n)
{
    return (rates){gs_spread_of(x[0], n), gs_spread_of(x[1], n), gs_spread_of(x[2], n), gs_spread_of(x[3], n), gs_spread_of(x[4], n),
                   gs_spread_of(x[5], n), gs_spread_of(x[6], n)};
}

/* -- printing: rank 0 ---------------------------------------------------------------------------------------------- */

static void add_rate(gs_cells *t, const gs_spread *s, double scale)
{
    gs_cells_add(t, "%.3g", s->median * scale);
    gs_cells_add(t, "%.3g-%.3g", s->low * scale, s->high * scale);
}

static void print_rates(const choice *c, const rates *alone, const rates *team, int ranks)
{
    gs_cells t = {.columns = 13};
    static const char *const heads[] = {"", "Gram GFLOP/s", "spread", "QR GFLOP/s", "spread", "eigen GFLOP/s", "spread", "spectrum by QR s",
                                        "spread", "by Gram s", "spread", "sum us", "sum GB/s"};
    for (int i = 0; i < t.columns; i++) gs_cells_add(&t, "%s", heads[i]);
    for (int k = 0; k < 2; k++) {
        const rates *r = k ? team : alone;
        if (k && ranks == 1) break;
        gs_cells_add(&t, k ? "ScaLAPACK, %d ranks" : "LAPACK, %d rank", k ? ranks : 1);
        add_rate(&t, &r->gram, 1), add_rate(&t, &r->qr, 1), add_rate(&t, &r->eigen, 1);
        add_rate(&t, &r->by_qr_s, 1), add_rate(&t, &r->by_gram_s, 1);
        gs_cells_add(&t, "%.2f", k ? r->latency_s.median * 1e6 : 0);
        gs_cells_add(&t, "%.2f", k ? r->bytes_per_s.median * 1e-9 : 0);
    }
    printf("%d x %d, eigenvalues of order %d with vectors; medians of %d interleaved rounds, wall time\n", c->rows, c->columns, ORDER,
           c->repeat);
    gs_cells_print(&t, stdout);
    gs_cells_free(&t);
}

/* Memory of a rank against the number of runs; 1024 rows of 64 features, and no bound. */
static void print_memory(const choice *c)
{
    static const int sizes[] = {30, 100, 300, 1000, 3000, 10000, 30000};
    gs_cells t = {.columns = 7};
    static const char *const heads[] = {"runs", "ranks", "features", "Gram panel", "similarity", "eigenvalues", "largest sum"};
    for (int i = 0; i < t.columns; i++) gs_cells_add(&t, "%s", heads[i]);
    for (size_t i = 0; i < 2 * sizeof sizes / sizeof *sizes; i++) {
        gs_map_cost m;
        gs_err e;
        char text[32];
        int ranks = i % 2 ? c->ranks : 1;
        if (gs_map_plan(sizes[i / 2], 1024, 64, ranks, INT64_C(1) << 50, &m, &e)) gs_die("%s", e.text);
        const int64_t bytes[] = {m.features, m.gram, m.similarity, m.eigen, m.bytes};
        gs_cells_add(&t, "%d", sizes[i / 2]);
        gs_cells_add(&t, "%d", ranks);
        for (int k = 0; k < 5; k++) gs_cells_add(&t, "%s", gs_bytes_text(bytes[k], text));
    }
    printf("\nmemory of a rank against the number of runs (1,024 rows, 64 features)\n");
    gs_cells_print(&t, stdout);
    gs_cells_free(&t);
}

/* What pdsyevd waits for beside its FLOPs, in sums over the ranks for each row: it reduces a row at a time. */
static double waits_of(const rates *alone, const rates *team, int ranks)
{
    double flops = 9.0 * ORDER * ORDER * ORDER * 1e-9;
    double wait = flops / team->eigen.median - flops / (alone->eigen.median * ranks);
    return wait > 0 ? wait / ORDER / team->latency_s.median : 0;
}

/* Time = FLOPs / rate of a rank + messages x latency + bytes / bandwidth, each as measured here; a sum and a broadcast take log2(ranks)
 * steps. */
static void print_model(const choice *c, const rates *alone, const rates *team, int ranks)
{
    gs_map_cost m;
    gs_err e;
    char bytes[32], sent[32], work[32], eigen[32], messages[32], moved[32], total[32];
    if (gs_map_plan(c->runs, 1024, 64, c->ranks, 1000000000, &m, &e)) {
        printf("\n%s\n", e.text);
        return;
    }
    double N = c->runs, solve = 9 * N * N * N / c->ranks, latency = c->latency_us > 0 ? c->latency_us * 1e-6 : team->latency_s.median;
    double steps = log2(c->ranks) / log2(ranks), waits = waits_of(alone, team, ranks);
    double products_s = (m.flops - solve) / (1e9 * alone->gram.median), messages_s = m.messages * latency;
    double solve_s = solve / (1e9 * alone->eigen.median) + N * waits * steps * latency, moved_s = m.sent / team->bytes_per_s.median;
    printf("\nmodel of a map: %d runs x 1,024 rows x 64 features on %d ranks, of one site and one rank; latency %.3g us%s\n"
           "  memory    %s; %d runs' features at a time, panels of %d\n  products  %.3g FLOPs: %s\n"
           "  eigen     %.3g FLOPs and %.0f x %.1f waits for a row: %s\n  messages  %.3g, %s sent: %s and %s\n  files     %lld read\n"
           "  in all    %s\n",
           c->runs, c->ranks, latency * 1e6, c->latency_us > 0 ? " (given)" : "", gs_bytes_text(m.bytes, bytes), m.resident, m.panel,
           m.flops - solve, gs_seconds_text(products_s, work), solve, waits, steps, gs_seconds_text(solve_s, eigen), m.messages,
           gs_bytes_text((int64_t)m.sent, sent), gs_seconds_text(messages_s, messages), gs_seconds_text(moved_s, moved), (long long)m.reads,
           gs_seconds_text(products_s + solve_s + messages_s + moved_s, total));
}

/* -- the command --------------------------------------------------------------------------------------------------- */

static void measure(const choice *c)
{
    double x[2][FIGURES][REPEAT_MOST], y[FIGURES] = {0};
    gs_team team = gs_team_open(gs_mpi_size(), GS_SHAPE_TALL), alone = gs_team_alone();
    for (int i = 0; i < c->repeat && team.size; i++)
        for (int k = 0; k < 2; k++) {
            if (k ? team.size > 1 : gs_mpi_rank() == 0) round_of(k ? &team : &alone, c, y);
            for (int f = 0; f < FIGURES; f++) x[k][f][i] = y[f];
            double meet = 0;
            gs_team_sum(&team, &meet, 1); /* nobody works beside rank 0 alone */
        }
    int ranks = team.size;
    gs_team_close(&team);
    if (gs_mpi_rank()) return;
    rates one = summarise(x[0], c->repeat), many = summarise(x[ranks > 1], c->repeat);
    print_rates(c, &one, &many, ranks);
    print_memory(c);
    if (ranks > 1) print_model(c, &one, &many, ranks);
}

static bool number(const char *name, const char *text, int least, int *out) { return !text || gs_cli_int(name, text, least, out); }

static bool parse(int argc, char **argv, choice *c, int *code)
{
    const gs_option options[] = {
        {"np", 0, GS_OPTION_TEXT, &c->np_text, "W", "ranks (2)"},
        {"rows", 0, GS_OPTION_TEXT, &c->rows_text, "M", "of the tall matrix (20000)"},
        {"columns", 0, GS_OPTION_TEXT, &c->columns_text, "N", "of it (512)"},
        {"repeat", 0, GS_OPTION_TEXT, &c->repeat_text, "N", "rounds (5)"},
        {"model-runs", 0, GS_OPTION_TEXT, &c->runs_text, "N", "runs of the model of a map (10000)"},
        {"model-ranks", 0, GS_OPTION_TEXT, &c->ranks_text, "P", "its ranks (1024)"},
        {"latency", 0, GS_OPTION_TEXT, &c->latency_text, "US", "of a message in the model, instead of the measured one"},
        {0}};
    const gs_usage usage = {"bench analysis [options]",
                            "Gram and QR of a tall matrix, eigenvalues and sums over the ranks, on one rank (LAPACK) and on all\n"
                            "(ScaLAPACK) in turn; then the memory of a rank against the number of runs, and the cost model of a map from\n"
                            "these figures.",
                            options, 0, 0};
    const char *none[1];
    if (!gs_cli_parse(&usage, argc, argv, none, code)) return false;
    *code = GS_EXIT_INPUT;
    if (!number("np", c->np_text, 1, &c->np) || !number("rows", c->rows_text, 4, &c->rows) || 
        !number("columns", c->columns_text, 1, &c->columns) ||
        !number("repeat", c->repeat_text, 1, &c->repeat) || !number("model-runs", c->runs_text, 2, &c->runs) ||
        !number("model-ranks", c->ranks_text, 1, &c->ranks) || !number("latency", c->latency_text, 1, &c->latency_us))
        return false;
    if (c->repeat <= REPEAT_MOST && c->columns <= c->rows) return true;
    gs_cli_error("command line: --repeat is at most %d, --columns at most --rows.", REPEAT_MOST);
    return false;
}

int gs_bench_analysis(int argc, char **argv)
{
    choice c = {.np = 2, .rows = 20000, .columns = 512, .repeat = 5, .runs = 10000, .ranks = 1024};
    int code = GS_EXIT_FINE;
    if (!getenv("OPENBLAS_NUM_THREADS")) openblas_set_num_threads(1);
    if (!gs_mpi_launched()) {
        if (!parse(argc, argv, &c, &code)) return code;
        char **words = gs_alloc((size_t)argc + 2, sizeof *words);
        words[0] = "bench";
        memcpy(words + 1, argv, (size_t)argc * sizeof *words);
        code = gs_launch(c.np, words, false);
        free(words);
        return code;
    }
    gs_mpi_init(&argc, &argv);
    bool go = gs_mpi_agree(gs_mpi_rank() == 0 && parse(argc, argv, &c, &code));
    if (!go) return gs_mpi_finish(gs_mpi_agree(code));
    gs_mpi_share(&c, sizeof c);
    measure(&c);
    return gs_mpi_finish(gs_mpi_agree(GS_EXIT_FINE));
}
