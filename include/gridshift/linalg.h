/* gridshift linalg: the arithmetic of a training step. A library that any stage may include. Everything is local.
 *
 * Same bits on every processor: the kernels exist once as C and are compiled per instruction set (plain C, AVX2, AVX-512).
 * Every element of a matrix product is one chain of fused multiply-adds over k in order; sums over an axis use 16 virtual
 * lanes, added in a fixed tree; exp and erf are our own. The matrices are row-major, float32. M rows, N columns, K the
 * summed dimension; ld is the distance of two rows in elements. */
#ifndef GRIDSHIFT_LINALG_H
#define GRIDSHIFT_LINALG_H
#include "gridshift/base.h"

typedef enum gs_gemm_op {
    GS_NT, /* C(M,N) = A(M,K) B(N,K)^T:  y = x W^T */
    GS_NN, /* C(M,N) = A(M,K) B(K,N):    dx = dy W */
    GS_TN  /* C(M,N) = A(K,M)^T B(K,N):  dW = dy^T x */
} gs_gemm_op;

/* What happens to the elements of a product C once their sums are done, tile by tile while they are in the level-1 cache: the parts of a
 * feed-forward block between its matrices. All arrays have a row for each of the product's. A kind is a function and a row of the table
 * in src/linalg/kernels_epilogue.c. */
typedef enum gs_epilogue_kind {
    GS_EPILOGUE_ACTIVATE,  /* C(M,H) = u -> C = act(u) mask, d = act'(u) */
    GS_EPILOGUE_GATE,      /* C(M,2H) = g, v, which stay -> gate = act(g), d = act'(g), h = gate v mask */
    GS_EPILOGUE_SLOPE,     /* C(M,H) = dh -> du = dh mask d */
    GS_EPILOGUE_GATE_SLOPE /* C(M,H) = dh, in rows of 2 H -> C(M,2H) = dg, dv: dh mask v d, dh mask gate */
} gs_epilogue_kind;
typedef struct gs_epilogue {
    gs_epilogue_kind kind;
    int act, width;        /* GS_ACT_...; H */
    const float *mask;     /* (M,H): factors of dropout; NULL: 1 */
    float *d;              /* (M,H); forward NULL: not wanted */
    float *gate, *h;       /* (M,H) */
    const float *up;       /* v, in rows of 2 H */
} gs_epilogue;

typedef struct gs_adamw {
    float clip, beta1, beta2, eps;
    float keep;      /* 1 - lr decay */
    float step;      /* lr / (1 - beta1^t) */
    float root;      /* 1 / sqrt(1 - beta2^t) */
} gs_adamw;

typedef struct gs_head {
    int T, K;           /* positions of the sequence, width of the head */
    int first;          /* queries are the positions from here on; Q = T - first */
    bool causal;
    const int32_t *row; /* (T): the row of each position in q, k and v; NULL: its number */
    int ld;             /* distance of two rows of q, k, v */
} gs_head;

enum { GS_PAIR_KEYS = 16 }; /* positions of a sequence at most, for the kernels over pairs */
typedef struct gs_pairs {
    int n, T;             /* sequences, and their length */
    const int32_t *row;   /* (n,T): the table's row of each token */
    int position, keys;   /* the query's position; its keys are the positions 0..keys-1 */
    int N, K, E;          /* heads, width of one, experts */
    int rows;             /* of the table; scores (rows - first_query, rows, N): those of query row first_query + q and key row k */
    int first_query;
} gs_pairs;

/* One instruction set's kernels. All arrays may be unaligned; n may be any number >= 0. */
typedef struct gs_kernels {
    const char *isa; /* "scalar", "avx2", "avx512" */
    /* bias (N) or NULL starts each row; add: C is added to (bias must be NULL then). end: NULL, or what follows. */
    void (*gemm)(gs_gemm_op op, int M, int N, int K, const float *A, int lda, const float *B, int ldb, float *C, int ldc,
                 const float *bias, bool add, const gs_epilogue *end);
    /* B (N,K) of y = x B^T, which many products share, into gs_packed_size floats. */
    void (*pack)(int N, int K, const float *B, int ldb, float *packed);
    void (*gemm_packed)(int M, int N, int K, const float *A, int lda, const float *packed, float *C, int ldc, const float *bias, bool add,
                        const gs_epilogue *end);
    /* The same for a product that is done: its M rows and N columns from `row` and `column` on, at C. */
    void (*epilogue)(const gs_epilogue *e, int row, int column, int M, int N, float *C, int ldc);
    /* The largest errors over all float32 (test linalg with GRIDSHIFT_EXHAUSTIVE=1). */
    void (*exp)(size_t n, const float *x, float *y);     /* at most 1.07 ulp off, 0 below -87.3; x <= 88 */
    void (*erf)(size_t n, const float *x, float *y);     /* at most 1.91 ulp off */
    void (*sigmoid)(size_t n, const float *x, float *y); /* at most 2.40 ulp off for x > -87 */
    void (*tanh)(size_t n, const float *x, float *y);    /* at most 1.33 ulp off, for every x */
    void (*add)(size_t n, const float *x, float *y);                          /* y += x */
    void (*multiply)(size_t n, const float *x, float *y);                     /* y *= x */
    void (*scale_add)(size_t n, float a, const float *x, float *y);           /* y = fma(a, x, y) */
    void (*product)(size_t n, const float *x, const float *y, float *z);      /* z = x y */
    float (*dot)(size_t n, const float *x, const float *y);                   /* sum x y, 16 lanes */
    double (*square_sum)(size_t n, const float *x);                           /* sum x^2 in double, 16 lanes */
    void (*column_sums)(int M, int N, const float *x, int ldx, float *y);     /* y(N) += sum over rows of x(M,N), in order */
    /* dx = p (dp - sum dp p), row-wise; dx may be dp. */
    void (*softmax_back)(int M, int N, const float *p, const float *dp, float *dx, int ld);
    /* Norms over rows of x(M,D): y = norm(x) w + b; stats (M,2): mean and 1/root. kind GS_NORM_RMS or GS_NORM_LAYER. */
    void (*norm)(int kind, int M, int D, const float *x, const float *w, const float *b, float *y, float *stats);
    /* dx += gradient; dw, db += (either may be NULL). */
    void (*norm_back)(int kind, int M, int D, const float *x, const float *w, const float *stats, const float *dy, float *dx,
                      float *dw, float *db);
    /* Fused softmax and cross-entropy (DESIGN section 8): logits(R,C) become gradient x scale when grad; returns sum + the losses,
     * added one by one in double; *right (R, may be NULL): 1 where the largest logit (ties: lower) is the target. */
    double (*cross_entropy)(double sum, int R, int C, float *logits, const int32_t *target, bool grad, float scale, uint8_t *right);
    /* One head of attention for one sequence (gs_head says which rows); q, k, v point at the head's columns. w (Q,S), S = T
     * rounded up to 16: keeps the weights; mask (Q,S): dropout factors or NULL; o (Q,K) rows ldo apart; scratch:
     * gs_attention_scratch floats. Up to 15 floats behind a row of q, k, v and of o's gradient may be read. */
    void (*attention)(const gs_head *h, const float *q, const float *k, const float *v, float *w, const float *mask, float *o, int ldo,
                      float *scratch);
    /* dq, dk, dv += , rows ldd apart, by the same row numbers. */
    void (*attention_back)(const gs_head *h, const float *q, const float *k, const float *v, const float *w, const float *mask,
                           const float *dO, int ldo, float *dq, float *dk, float *dv, int ldd, float *scratch);
    /* Attention over a table of (token, position) pairs; weights (keys,N) of each sequence's query, ldw apart; v as in attention. */
    void (*pair_weights)(const gs_pairs *p, const float *scores, float *w, int ldw);
    void (*pair_scores_back)(const gs_pairs *p, const float *w, const float *dw, int ldw, float *dscores); /* dscores += */
    void (*pair_mix)(const gs_pairs *p, const float *w, int ldw, const float *v, int ldv, float *o, int ldo);
    /* dw =, dv += */
    void (*pair_mix_back)(const gs_pairs *p, const float *w, int ldw, const float *v, float *dv, int ldv, const float *d, int ldo,
                          float *dw);
    /* r(E) = base[query] + sum over keys and heads of w each[key, head]; base (rows,E), each (rows,N,E) */
    void (*pair_logits)(const gs_pairs *p, const float *w, int ldw, const float *base, const float *each, float *r, int ldr);
    /* dbase, deach, dw += */
    void (*pair_logits_back)(const gs_pairs *p, const float *w, int ldw, const float *dr, int ldr, const float *each, float *dbase,
                             float *deach, float *dw);
    /* One AdamW step over n elements (decoupled decay): g is scaled by clip first. */
    void (*adamw)(size_t n, float *p, const float *g, float *m, float *v, const gs_adamw *a);
    double (*fma_loop)(size_t n); /* n rounds of independent multiply-adds in registers: the FLOPs done. For benchmarks */
} gs_kernels;

/* The best set that this processor runs; GRIDSHIFT_ISA=scalar|avx2|avx512 forces one (an unknown or impossible one: NULL
 * and *e). name NULL: from the environment. */
const gs_kernels *gs_kernels_choose(const char *name, gs_err *e);
/* Denormals flush to zero, rounding to nearest: the state that the promise of equal bits assumes. Call once per process. */
void gs_numeric_start(void);

size_t gs_attention_scratch(int T, int K); /* floats */
static inline int gs_attention_stride(int T) { return (T + 15) / 16 * 16; }
static inline size_t gs_packed_size(int N, int K) { return (size_t)((N + 31) / 32 * 32) * (size_t)K; } /* floats */

/* Eigenvalues of a symmetric matrix a(n,n), in double, the same bits everywhere (no LAPACK: see eigen.c). values (n), largest first; all
 * nan where an element is not finite. a is used up; with `vectors` its row i becomes the unit eigenvector of values[i] (its sign is
 * arbitrary). About 3 n^3 FLOPs, 12 n^3 with vectors; allocates. */
void gs_eigen(int n, double *a, double *values, bool vectors);
size_t gs_eigen_bytes(int n, bool vectors); /* what it allocates meanwhile */

/* The assignment of rows to columns of gain(n,n) with the largest sum, which is returned; column_of (n). Ties: deterministic. */
double gs_assign(int n, const double *gain, int *column_of);

/* The same product through the installed BLAS, and as three plain loops with one fmaf chain per element (the oracle). */
void gs_gemm_blas(gs_gemm_op op, int M, int N, int K, const float *A, int lda, const float *B, int ldb, float *C, int ldc,
                  const float *bias, bool add);
void gs_gemm_ref(gs_gemm_op op, int M, int N, int K, const float *A, int lda, const float *B, int ldb, float *C, int ldc,
                 const float *bias, bool add);
#endif
