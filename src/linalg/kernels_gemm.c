/* GEMM for the shapes of a training step: the right matrix goes by in panels of NR columns x KC rows (32 KB, level-1 cache),
 * and a block of MR x NR results stays in registers. Every element is one chain of fused multiply-adds over k
 * in order, whatever MR, NR, KC and W are: a block that continues a chain starts from C. */
#include "kernels.h"
#include "vec.h"

#if defined(GS_ISA_avx512)
enum { MR = 12, NV = 2 };
#elif defined(GS_ISA_avx2)
enum { MR = 6, NV = 2 };
#else
enum { MR = 2, NV = 2 };
#endif
enum { NR = NV * W, KC = 256 };
enum { MC = 144 }; /* rows of the left matrix that stay in the level-2 cache while the panels go by */

/* The left matrix as rows x k by two strides, so that its transpose is the same code. */
typedef struct left { const float *at; ptrdiff_t row, k; } left;

/* Where a product goes. */
typedef struct target {
    float *C;               /* at `row` and `column` of the product */
    int ldc, row, column;
    const float *bias;      /* at `column`, or NULL */
    bool add;               /* continue from C */
    const gs_epilogue *end; /* of the finished elements, or NULL */
} target;

typedef struct block {
    int K, N;            /* N: columns in use, at most NR */
    const float *panel;  /* (K, at least N rounded up to W), rows `stride` apart */
    ptrdiff_t stride;
    target to;
    gs_k_rows soon[GS_K_STREAMS + 1]; /* what the next block of rows will touch: its elements and what the epilogue meets there */
    int streams, rows;                /* of them; their rows that are left. No streams: nothing has to be asked for */
    gs_k_rows next;                   /* the next panel */
    int ahead, left;                  /* rows of it to ask for with one of `soon`; those that are left */
} block;

/* How the chains of a block begin. WHOLE: all columns of the panel are in use, and it is known how; ANY: neither is known. */
typedef enum begins { WHOLE_ZERO, WHOLE_BIAS, WHOLE_ADD, ANY } begins;

static inline __attribute__((always_inline)) V start(const begins how, const block *b, const float *row, int j)
{
    if (how == WHOLE_ZERO) return v_all(0);
    if (how == WHOLE_BIAS) return v_load(b->to.bias + j * W);
    if (how == WHOLE_ADD) return v_load(row + j * W);
    const float *from = b->to.add ? row : b->to.bias;
    int rest = b->N - j * W;
    return !from || rest <= 0 ? v_all(0) : rest >= W ? v_load(from + j * W) : v_part(from + j * W, (size_t)rest);
}

static inline __attribute__((always_inline)) void finish(const begins how, const block *b, float *to, int j, V value)
{
    int rest = how == ANY ? b->N - j * W : W;
    if (rest >= W) v_store(to + j * W, value);
    else if (rest > 0) v_store_part(to + j * W, value, (size_t)rest);
}

/* Asks for row i of what comes next. A row at a time between the steps of a sum: the processor waits when more lines than it can have
 * on their way are asked for at once. */
static inline __attribute__((always_inline)) void ask(block *b, int i)
{
    for (int s = 0; i < b->rows && s < b->streams; s++) gs_k_fetch(b->soon[s].at + i * b->soon[s].ld, NR, 1);
    for (int n = b->ahead < b->left ? b->ahead : b->left; n > 0; n--, b->left--, b->next.at += b->next.ld) gs_k_fetch(b->next.at, NR, 0);
}

/* mr, nv and how are constants at every call, so the accumulators live in registers: once the loops over them are unrolled, which the
 * compiler does too late by itself. */
#define EACH_SUM(mr, nv, BODY)                                                                                   \
    do {                                                                                                          \
        _Pragma("GCC unroll 12") for (int i = 0; i < (mr); i++)                                                   \
            _Pragma("GCC unroll 2") for (int j = 0; j < (nv); j++) { BODY }                                       \
    } while (0)
static inline __attribute__((always_inline)) void tile(const int mr, const int nv, const begins how, block *b, left a)
{
    V acc[MR][NV];
    EACH_SUM(mr, nv, acc[i][j] = start(how, b, b->to.C + (ptrdiff_t)i * b->to.ldc, j););
    const float *panel = b->panel, *at[(MR + 2) / 3];
    const ptrdiff_t stride = b->stride, row = a.row, step = a.k;
    _Pragma("GCC unroll 4") for (int g = 0; g < (mr + 2) / 3; g++) at[g] = a.at + 3 * g * row;
    const int part = b->streams && b->K >= 4 * mr ? b->K / mr : b->K; /* shorter sums are done before anything comes */
    for (int turn = 0, k = 0; k < b->K; turn++) {
        if (part < b->K) ask(b, turn);
        for (const int end = turn < mr - 1 ? k + part : b->K; k < end; k++, panel += stride) {
            V right[NV];
            for (int j = 0; j < nv; j++) right[j] = v_load(panel + j * W);
            EACH_SUM(mr, nv, acc[i][j] = v_fma(v_all(at[i / 3][i % 3 * row]), right[j], acc[i][j]););
            _Pragma("GCC unroll 4") for (int g = 0; g < (mr + 2) / 3; g++) {
                at[g] += step;
                __asm__("" : "+r"(at[g])); /* three rows of one pointer: more pointers would not fit the registers */
            }
        }
    }
    EACH_SUM(mr, nv, finish(how, b, b->to.C + (ptrdiff_t)i * b->to.ldc, j, acc[i][j]););
}

#define CASE(m) case m: if (b->N > W) tile(m, NV, ANY, b, a); else tile(m, 1, ANY, b, a); break;
static void rows(int mr, block *b, left a)
{
    switch (mr) {
        CASE(1) CASE(2)
#if !defined(GS_ISA_scalar)
        CASE(3) CASE(4) CASE(5) CASE(6)
#endif
#if defined(GS_ISA_avx512)
        CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12)
#endif
    }
}

/* mr rows are done. */
static inline void go_on(block *b, int mr)
{
    target *to = &b->to;
    if (to->end) GS_SET(gs_k_epilogue)(to->end, to->row, to->column, mr, b->N, to->C, to->ldc);
    to->C += (ptrdiff_t)mr * to->ldc;
    to->row += mr;
    for (int i = 0; i < b->streams; i++) b->soon[i].at += mr * b->soon[i].ld;
}

/* Whole blocks of MR rows in one loop, the rest by its number of rows. */
static inline __attribute__((always_inline)) void blocks_of(const int nv, const begins how, block *b, int M, left a)
{
    for (; M >= MR; M -= MR, a.at += MR * a.row) {
        b->rows = M - MR;
        tile(MR, nv, how, b, a);
        go_on(b, MR);
    }
    if (!M) return;
    b->rows = 0;
    rows(M, b, a);
    go_on(b, M);
}

static void row_blocks(block *b, int M, left a)
{
    if (b->N <= W) blocks_of(1, ANY, b, M, a);
    else if (b->N < NR) blocks_of(NV, ANY, b, M, a);
    else if (b->to.add) blocks_of(NV, WHOLE_ADD, b, M, a);
    else if (b->to.bias) blocks_of(NV, WHOLE_BIAS, b, M, a);
    else blocks_of(NV, WHOLE_ZERO, b, M, a);
}

/* -- packing -------------------------------------------------------------------------------------------------------- */

/* panel(k, j) = B(k, j) for columns in use, 0 beyond. B is (K,N), or (N,K) when transposed. */
static void pack_panel(bool transposed, int K, int N, const float *B, int ldb, float *panel)
{
    if (N < NR) memset(panel, 0, (size_t)K * NR * sizeof *panel);
    if (!transposed) {
        for (int k = 0; k < K; k++) memcpy(panel + (ptrdiff_t)k * NR, B + (ptrdiff_t)k * ldb, (size_t)N * sizeof *panel);
        return;
    }
    int j = 0;
    for (; j + 4 <= N; j += 4) {
        const float *b0 = B + (ptrdiff_t)j * ldb, *b1 = b0 + ldb, *b2 = b1 + ldb, *b3 = b2 + ldb;
        float *to = panel + j;
        int k = 0;
        for (; k + 4 <= K; k += 4, to += 4 * NR) {
            V4 r[4] = {v4_load(b0 + k), v4_load(b1 + k), v4_load(b2 + k), v4_load(b3 + k)};
            v4_turn(r);
            for (int i = 0; i < 4; i++) v4_store(to + i * NR, r[i]);
        }
        for (; k < K; k++, to += NR) to[0] = b0[k], to[1] = b1[k], to[2] = b2[k], to[3] = b3[k];
    }
    for (; j < N; j++)
        for (int k = 0; k < K; k++) panel[(ptrdiff_t)k * NR + j] = B[(ptrdiff_t)j * ldb + k];
}

/* Rows of the block that begins at k. */
static int depth(int K, int k) { return K - k < KC ? K - k : KC; }

/* Where the panel of rows k.. and columns n.. begins in a packed matrix: blocks of KC rows, in them panels of NR columns. */
static size_t panel_at(int N, int K, int k, int n)
{
    return (size_t)k * (size_t)((N + NR - 1) / NR * NR) + (size_t)n * (size_t)depth(K, k);
}

void GS_SET(gs_k_pack)(int N, int K, const float *B, int ldb, float *packed)
{
    for (int k = 0; k < K; k += KC)
        for (int n = 0; n < N; n += NR)
            pack_panel(true, depth(K, k), N - n < NR ? N - n : NR, B + (ptrdiff_t)n * ldb + k, ldb,
                       packed + panel_at(N, K, k, n));
}

/* -- products ---------------------------------------------------------------------------------------------------------- */

/* The rows k.. of a product's sums: they start as it does, or go on; the last of them end as it does. */
static target of_depth(target to, int K, int k)
{
    if (k) to.bias = NULL, to.add = true;
    if (k + KC < K) to.end = NULL;
    return to;
}

static target at_rows(target to, int m)
{
    to.C += (ptrdiff_t)m * to.ldc;
    to.row = m;
    return to;
}

static block at_column(target to, int K, int N, int n)
{
    to.C += n;
    to.column = n;
    if (to.bias) to.bias += n;
    return (block){.K = K, .N = N - n < NR ? N - n : NR, .to = to};
}

/* next: the panel after this one, in rows ld apart, or NULL. */
static void look_ahead(block *b, int M, const float *next, ptrdiff_t ld)
{
    const target *to = &b->to;
    b->soon[0] = (gs_k_rows){to->C + MR * (ptrdiff_t)to->ldc, to->ldc};
    b->streams = 1 + (to->end ? GS_SET(gs_k_epilogue_rows)(to->end, to->row + MR, to->column, b->soon + 1) : 0);
    b->next = (gs_k_rows){next, ld};
    b->left = next ? b->K : 0;
    b->ahead = (b->left + M - 1) / M;
}

/* One block of K: every panel of columns. A right matrix whose rows run along the columns is read where it is (the prefetchers
 * follow it); a transposed one, and the last columns, whose vectors would read past the end, go through a packed panel. */
static void columns(gs_gemm_op op, int M, int N, int K, left a, const float *B, int ldb, target to)
{
    _Alignas(64) float panel[KC * NR];
    for (int n = 0; n < N; n += NR) {
        block b = at_column(to, K, N, n);
        bool direct = op != GS_NT && b.N == NR;
        b.panel = direct ? B + n : panel;
        b.stride = direct ? ldb : NR;
        look_ahead(&b, M, n + NR < N && op != GS_NT ? B + n + NR : NULL, ldb);
        if (!direct) pack_panel(op == GS_NT, K, b.N, op == GS_NT ? B + (ptrdiff_t)n * ldb : B + n, ldb, panel);
        row_blocks(&b, M, a);
    }
}

static void any_rows(gs_gemm_op op, int M, int N, int K, const float *A, int lda, const float *B, int ldb, target to)
{
    int k = 0;
    do { /* at least once: K = 0 still writes bias or zeros */
        left a = op == GS_TN ? (left){A + (ptrdiff_t)k * lda, 1, lda} : (left){A + k, lda, 1};
        columns(op, M, N, depth(K, k), a, op == GS_NT ? B + k : B + (ptrdiff_t)k * ldb, ldb, of_depth(to, K, k));
        k += KC;
    } while (k < K);
}

/* In groups of rows where a panel costs nothing to begin: packing it again would, and a transposed left matrix is read by columns. */
void GS_SET(gs_k_gemm)(gs_gemm_op op, int M, int N, int K, const float *A, int lda, const float *B, int ldb, float *C, int ldc,
                       const float *bias, bool add, const gs_epilogue *end)
{
    const int step = op == GS_NN ? MC : M;
    const target to = {.C = C, .ldc = ldc, .bias = bias, .add = add, .end = end};
    for (int m = 0; m < M; m += step)
        any_rows(op, M - m < step ? M - m : step, N, K, A + (ptrdiff_t)m * lda, lda, B, ldb, at_rows(to, m));
}

static void packed_rows(int M, int N, int K, const float *A, int lda, const float *packed, target to)
{
    for (int k = 0; k < K; k += KC)
        for (int n = 0; n < N; n += NR) {
            block b = at_column(of_depth(to, K, k), depth(K, k), N, n);
            b.panel = packed + panel_at(N, K, k, n);
            b.stride = NR;
            look_ahead(&b, M, n + NR < N ? b.panel + b.K * NR : NULL, NR);
            row_blocks(&b, M, (left){A + k, lda, 1});
        }
}

void GS_SET(gs_k_gemm_packed)(int M, int N, int K, const float *A, int lda, const float *packed, float *C, int ldc,
                              const float *bias, bool add, const gs_epilogue *end)
{
    const target to = {.C = C, .ldc = ldc, .bias = bias, .add = add, .end = end};
    for (int m = 0; m < M; m += MC)
        packed_rows(M - m < MC ? M - m : MC, N, K, A + (ptrdiff_t)m * lda, lda, packed, at_rows(to, m));
}

void GS_SET(gs_k_direct)(bool transposed, int M, int N, int K, const float *A, int lda, const float *B, int ldb, float *C, int ldc)
{
    left a = transposed ? (left){A, 1, lda} : (left){A, lda, 1};
    for (int n = 0; n < N; n += NR) {
        block b = at_column((target){.C = C, .ldc = ldc}, K, N, n);
        b.panel = B + n;
        b.stride = ldb;
        row_blocks(&b, M, a);
    }
}
