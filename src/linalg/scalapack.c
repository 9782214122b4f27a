/* A team of several ranks: PBLAS and ScaLAPACK on a BLACS grid over a communicator of its own. The only file with their prototypes,
 * for which no C header exists, and the only one outside of src/mpi that includes mpi.h.
 *
 * BLACS answers a bad argument with MPI_Abort on the world, so matrix.c and decompose.c check all of them. Csys2blacs_handle gives the
 * same handle for the same communicator: each team has its own communicator and frees its handle once. */
#include <mpi.h>
#include <stdlib.h>
#include <string.h>

#include "gridshift/matrix.h"

static bool parallel(void)
{
    int up, down, size = 1;
    MPI_Initialized(&up);
    MPI_Finalized(&down);
    if (up && !down) MPI_Comm_size(MPI_COMM_WORLD, &size);
    return size > 1;
}

static int own_rank(void)
{
    int rank;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    return rank;
}

#if !GS_HAVE_SCALAPACK
gs_team gs_team_open(int most, gs_shape shape)
{
    (void)most, (void)shape;
    return parallel() && own_rank() ? (gs_team){0} : gs_team_alone();
}
#else

int Csys2blacs_handle(MPI_Comm comm);
void Cfree_blacs_system_handle(int handle);
void Cblacs_gridinit(int *context, const char *order, int rows, int cols);
void Cblacs_gridinfo(int context, int *rows, int *cols, int *row, int *col);
void Cblacs_gridexit(int context);
void pdgemm_(const char *ta, const char *tb, const int *m, const int *n, const int *k, const double *alpha, const double *a, const int *ia,
             const int *ja, const int *desca, const double *b, const int *ib, const int *jb, const int *descb, const double *beta,
                 double *c,
             const int *ic, const int *jc, const int *descc);
void pdsyrk_(const char *uplo, const char *trans, const int *n, const int *k, const double *alpha, const double *a, const int *ia,
             const int *ja, const int *desca, const double *beta, double *c, const int *ic, const int *jc, const int *descc);
void pdsyevd_(const char *job, const char *uplo, const int *n, double *a, const int *ia, const int *ja, const int *desca, double *w,
              double *z,
              const int *iz, const int *jz, const int *descz, double *work, const int *lwork, int *iwork, const int *liwork, int *info);
void pdgeqrf_(const int *m, const int *n, double *a, const int *ia, const int *ja, const int *desca, double *tau, double *work,
              const int *lwork, int *info);
void pdgels_(const char *trans, const int *m, const int *n, const int *nrhs, double *a, const int *ia, const int *ja, const int *desca,
             double *b, const int *ib, const int *jb, const int *descb, double *work, const int *lwork, int *info);

static const int ONE = 1;
static const double REAL_ONE = 1, REAL_ZERO = 0;

typedef struct communicator {
    MPI_Comm comm;
    int blacs; /* the system handle, freed once */
} communicator;

typedef struct desc {
    int v[9];
} desc;
/* What descinit would write: dense, context, sizes, blocks, source process (0, 0), leading dimension. */
static desc desc_of(const gs_matrix *m)
{
    int leading = m->local_rows > 1 ? m->local_rows : 1;
    return (desc){{1, m->team->context, m->rows, m->cols, m->block_rows, m->block_cols, 0, 0, leading}};
}

static const size_t PIECE = (size_t)1 << 28; /* MPI counts in int */

static void sum(const gs_team *t, double *x, size_t count)
{
    const communicator *c = t->handle;
    for (size_t at = 0; at < count; at += PIECE)
        MPI_Allreduce(MPI_IN_PLACE, x + at, (int)(count - at < PIECE ? count - at : PIECE), MPI_DOUBLE, MPI_SUM, c->comm);
}

static void share(const gs_team *t, void *x, size_t bytes)
{
    const communicator *c = t->handle;
    for (size_t at = 0; at < bytes; at += PIECE)
        MPI_Bcast((char *)x + at, (int)(bytes - at < PIECE ? bytes - at : PIECE), MPI_BYTE, 0, c->comm);
}

static void product(const gs_matrix *A, int a, int m, const gs_matrix *B, int b, int n, gs_matrix *C)
{
    desc da = desc_of(A), db = desc_of(B), dc = desc_of(C);
    int ja = a + 1, jb = b + 1;
    if (A->at == B->at && a == b) pdsyrk_("U", "T", &n, &A->rows, &REAL_ONE, A->at, &ONE, &ja, da.v, &REAL_ZERO, C->at, &ONE, &ONE, dc.v);
    else
        pdgemm_("T", "N", &m, &n, &A->rows, &REAL_ONE, A->at, &ONE, &ja, da.v, B->at, &ONE, &jb, db.v, &REAL_ZERO, C->at, &ONE, &ONE, dc.v);
}

static int eigen(gs_matrix *A, double *ascending, gs_matrix *Z)
{
    desc da = desc_of(A), dz = desc_of(Z);
    double ask[2] = {0};
    int ask_whole[2] = {0}, query = -1, info;
    pdsyevd_("V", "U", &A->rows, A->at, &ONE, &ONE, da.v, ascending, Z->at, &ONE, &ONE, dz.v, ask, &query, ask_whole, &query, &info);
    /* The answer of 2.2.1 forgets what pdormtr needs, (NP + NQ + NB) NB: refused there on 2 x 2 ranks, arrays overrun on 6 x 1. */
    int nb = A->block_rows, size = (int)ask[0] + (A->local_rows + A->local_cols + 3 * nb) * nb + 1, whole = ask_whole[0] + 1;
    double *work = gs_alloc((size_t)size, sizeof *work);
    int *iwork = gs_alloc((size_t)whole, sizeof *iwork);
    pdsyevd_("V", "U", &A->rows, A->at, &ONE, &ONE, da.v, ascending, Z->at, &ONE, &ONE, dz.v, work, &size, iwork, &whole, &info);
    free(work), free(iwork);
    return info;
}

static int qr(gs_matrix *A)
{
    desc d = desc_of(A);
    double ask[2] = {0};
    int query = -1, info;
    double *tau = gs_alloc((size_t)A->local_cols + 1, sizeof *tau);
    pdgeqrf_(&A->rows, &A->cols, A->at, &ONE, &ONE, d.v, tau, ask, &query, &info);
    int size = (int)ask[0] + 1;
    double *work = gs_alloc((size_t)size, sizeof *work);
    pdgeqrf_(&A->rows, &A->cols, A->at, &ONE, &ONE, d.v, tau, work, &size, &info);
    free(work), free(tau);
    return info;
}

static int solve(gs_matrix *A, gs_matrix *b)
{
    desc da = desc_of(A), db = desc_of(b);
    double ask[2] = {0};
    int query = -1, info;
    pdgels_("N", &A->rows, &A->cols, &ONE, A->at, &ONE, &ONE, da.v, b->at, &ONE, &ONE, db.v, ask, &query, &info);
    int size = (int)ask[0] + 1;
    double *work = gs_alloc((size_t)size, sizeof *work);
    pdgels_("N", &A->rows, &A->cols, &ONE, A->at, &ONE, &ONE, da.v, b->at, &ONE, &ONE, db.v, work, &size, &info);
    free(work);
    return info;
}

static void leave(gs_team *t)
{
    communicator *c = t->handle;
    Cblacs_gridexit(t->context);
    Cfree_blacs_system_handle(c->blacs);
    MPI_Comm_free(&c->comm);
    free(c);
}

static const gs_team_calls scalapack_calls = {sum, share, product, eigen, qr, solve, leave};

gs_team gs_team_open(int most, gs_shape shape)
{
    if (!parallel()) return gs_team_alone();
    int ranks, rank = own_rank(), rows, cols;
    MPI_Comm comm;
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    gs_grid_shape(most < ranks ? most : ranks, shape, &rows, &cols);
    MPI_Comm_split(MPI_COMM_WORLD, rank < rows * cols ? 0 : MPI_UNDEFINED, rank, &comm);
    if (rank >= rows * cols) return (gs_team){0};
    if (rows * cols == 1) {
        MPI_Comm_free(&comm);
        return gs_team_alone();
    }
    communicator *c = gs_alloc(1, sizeof *c);
    *c = (communicator){comm, Csys2blacs_handle(comm)};
    gs_team t = {.size = rows * cols, .rank = rank, .rows = rows, .cols = cols, .calls = &scalapack_calls, .context = c->blacs,
                 .handle = c};
    Cblacs_gridinit(&t.context, "Row", rows, cols);
    Cblacs_gridinfo(t.context, &rows, &cols, &t.row, &t.col);
    return t;
}
#endif
