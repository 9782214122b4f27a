/* The naive twin of gemm: three loops, one fmaf chain per element. It stays as the oracle of the fast one. */
#include <cblas.h>
#include <math.h>
#include <string.h>

#include "gridshift/linalg.h"

void gs_gemm_ref(gs_gemm_op op, int M, int N, int K, const float *A, int lda, const float *B, int ldb, float *C, int ldc,
                 const float *bias, bool add)
{
    for (int m = 0; m < M; m++)
        for (int n = 0; n < N; n++) {
            float sum = add ? C[(ptrdiff_t)m * ldc + n] : bias ? bias[n] : 0;
            for (int k = 0; k < K; k++) {
                float a = op == GS_TN ? A[(ptrdiff_t)k * lda + m] : A[(ptrdiff_t)m * lda + k];
                float b = op == GS_NT ? B[(ptrdiff_t)n * ldb + k] : B[(ptrdiff_t)k * ldb + n];
                sum = fmaf(a, b, sum);
            }
            C[(ptrdiff_t)m * ldc + n] = sum;
        }
}

void gs_gemm_blas(gs_gemm_op op, int M, int N, int K, const float *A, int lda, const float *B, int ldb, float *C, int ldc,
                  const float *bias, bool add)
{
    if (M <= 0 || N <= 0) return;
    if (bias && !add)
        for (int m = 0; m < M; m++) memcpy(C + (ptrdiff_t)m * ldc, bias, (size_t)N * sizeof *C);
    cblas_sgemm(CblasRowMajor, op == GS_TN ? CblasTrans : CblasNoTrans, op == GS_NT ? CblasTrans : CblasNoTrans, M, N, K, 1, A, lda, B,
                ldb, add || bias ? 1 : 0, C, ldc);
}
