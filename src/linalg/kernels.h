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
/* 32 floats of each of M rows on their way to the cache: they are too far apart for the processor's prefetchers. */
static inline void gs_k_fetch(const float *x, int M, ptrdiff_t ld)
{
    for (int m = 0; m < M; m++, x += ld) {
        __builtin_prefetch(x, 1, 3);
        __builtin_prefetch(x + 16, 1, 3);
    }
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
