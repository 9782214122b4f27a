/* What the files of one instruction set share. All of it is local to that set: names get the set's suffix. */
#ifndef GS_KERNELS_H
#define GS_KERNELS_H
#include "gridshift/linalg.h"

#define GS_PASTE_(a, b) a##_##b
#define GS_PASTE(a, b) GS_PASTE_(a, b)
#define GS_SET(name) GS_PASTE(name, GS_ISA)

void GS_SET(gs_k_gemm)(gs_gemm_op op, int M, int N, int K, const float *A, int lda, const float *B, int ldb, float *C, int ldc,
                       const float *bias, bool add, const gs_epilogue *end);
void GS_SET(gs_k_pack)(int N, int K, const float *B, int ldb, float *packed);
void GS_SET(gs_k_gemm_packed)(int M, int N, int K, const float *A, int lda, const float *packed, float *C, int ldc,
                              const float *bias, bool add, const gs_epilogue *end);
void GS_SET(gs_k_epilogue)(const gs_epilogue *e, int row, int column, int M, int N, float *C, int ldc);
/* Rows of floats that a product will touch. Too far apart for the processor's own prefetchers. */
typedef struct gs_k_rows { const float *at; ptrdiff_t ld; } gs_k_rows;
enum { GS_K_STREAMS = 4 }; /* at most, of an epilogue */
/* What an epilogue meets from this row and column on beside the product, but for `up`: asking for it gains nothing. Returns how many. */
int GS_SET(gs_k_epilogue_rows)(const gs_epilogue *e, int row, int column, gs_k_rows *rows);
/* n floats on their way to the cache; write: the nearest one, and to be written. */
static inline void gs_k_fetch(const float *x, int n, const int write)
{
    for (int i = 0; i < n; i += 16)
        if (write) __builtin_prefetch(x + i, 1, 3);
        else __builtin_prefetch(x + i, 0, 2);
}
/* C(M,N) = A(M,K) B(K,N), A (K,M) when transposed, without packing: for matrices in the level-1 cache. Rows of B are read up to
 * the next multiple of the vector's width. */
void GS_SET(gs_k_direct)(bool transposed, int M, int N, int K, const float *A, int lda, const float *B, int ldb, float *C, int ldc);
void GS_SET(gs_k_attention)(const gs_head *h, const float *q, const float *k, const float *v, float *w, const float *mask, float *o,
                            int ldo, float *scratch);
void GS_SET(gs_k_attention_back)(const gs_head *h, const float *q, const float *k, const float *v, const float *w, const float *mask,
                                 const float *dO, int ldo, float *dq, float *dk, float *dv, int ldd, float *scratch);
void GS_SET(gs_k_pair_weights)(const gs_pairs *p, const float *scores, float *w, int ldw);
void GS_SET(gs_k_pair_scores_back)(const gs_pairs *p, const float *w, const float *dw, int ldw, float *dscores);
void GS_SET(gs_k_pair_mix)(const gs_pairs *p, const float *w, int ldw, const float *v, int ldv, float *o, int ldo);
void GS_SET(gs_k_pair_mix_back)(const gs_pairs *p, const float *w, int ldw, const float *v, float *dv, int ldv, const float *d, int ldo,
                                float *dw);
void GS_SET(gs_k_pair_logits)(const gs_pairs *p, const float *w, int ldw, const float *base, const float *each, float *r, int ldr);
void GS_SET(gs_k_pair_logits_back)(const gs_pairs *p, const float *w, int ldw, const float *dr, int ldr, const float *each, float *dbase,
                                   float *deach, float *dw);
extern const gs_kernels GS_SET(gs_kernels);
#endif
