/* What the files of one instruction set share. All of it is local to that set: names get the set's suffix. */
#ifndef GS_KERNELS_H
#define GS_KERNELS_H
#include "gridshift/linalg.h"

#define GS_PASTE_(a, b) a##_##b
#define GS_PASTE(a, b) GS_PASTE_(a, b)
#define GS_SET(name) GS_PASTE(name, GS_ISA)

void GS_SET(gs_k_gemm)(gs_gemm_op op, int M, int N, int K, const float *A, int lda, const float *B, int ldb, float *C, int ldc,
                       const float *bias, bool add);
void GS_SET(gs_k_attention)(int T, int K, bool causal, const float *q, const float *k, const float *v, int ld, float *o, int ldo,
                            float *w, int ldw, const float *mask, float *scratch);
void GS_SET(gs_k_attention_back)(int T, int K, const float *q, const float *k, const float *v, int ld, const float *w, int ldw,
                                 const float *mask, const float *dO, int ldo, float *dq, float *dk, float *dv, int ldd,
                                 float *scratch);
void GS_SET(gs_k_softmax)(int M, int N, float *x, int ldx, const int *use);
void GS_SET(gs_k_softmax_back)(int M, int N, const float *p, const float *dp, float *dx, int ld);
extern const gs_kernels GS_SET(gs_kernels);
#endif
