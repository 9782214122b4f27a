/* Attention of one head and one sequence: T is small (8, 3, 10, 21), so a head's matrices stay in the level-1 cache and
 * the products are the general ones. Backward: o = (w m) v, w = softmax(s), s = q k^T / sqrt(K), m the dropout factor:
 * dv = (w m)^T do; dw = m (do v^T); ds = w (dw - sum_j dw w); dq = ds k / sqrt(K); dk = ds^T q / sqrt(K). */
#include "kernels.h"
#include "vec.h"

#define gemm GS_SET(gs_k_gemm)

static void times(int n, float a, float *x)
{
    for (int i = 0; i < n; i++) x[i] *= a;
}

/* out = w, or w x mask under dropout */
static const float *dropped(int T, const float *w, int ldw, const float *mask, float *out)
{
    if (!mask) return w;
    for (int i = 0; i < T * ldw; i++) out[i] = w[i] * mask[i];
    return out;
}

void GS_SET(gs_k_attention)(int T, int K, bool causal, const float *q, const float *k, const float *v, int ld, float *o, int ldo,
                            float *w, int ldw, const float *mask, float *scratch)
{
    int *use = (int *)(scratch + T * ldw);
    for (int i = 0; i < T; i++) use[i] = causal ? i + 1 : T;
    gemm(GS_NT, T, T, K, q, ld, k, ld, w, ldw, NULL, false);
    times(T * ldw, 1 / sqrtf((float)K), w);
    GS_SET(gs_k_softmax)(T, T, w, ldw, use);
    gemm(GS_NN, T, K, T, dropped(T, w, ldw, mask, scratch), ldw, v, ld, o, ldo, NULL, false);
}

void GS_SET(gs_k_attention_back)(int T, int K, const float *q, const float *k, const float *v, int ld, const float *w, int ldw,
                                 const float *mask, const float *dO, int ldo, float *dq, float *dk, float *dv, int ldd,
                                 float *scratch)
{
    float *dw = scratch + T * ldw;
    gemm(GS_TN, T, K, T, dropped(T, w, ldw, mask, scratch), ldw, dO, ldo, dv, ldd, NULL, false);
    gemm(GS_NT, T, T, K, dO, ldo, v, ld, dw, ldw, NULL, false);
    if (mask)
        for (int i = 0; i < T * ldw; i++) dw[i] *= mask[i];
    GS_SET(gs_k_softmax_back)(T, T, w, dw, dw, ldw);
    times(T * ldw, 1 / sqrtf((float)K), dw);
    gemm(GS_NN, T, K, T, dw, ldw, k, ld, dq, ldd, NULL, false);
    gemm(GS_TN, T, K, T, dw, ldw, q, ld, dk, ldd, NULL, false);
}
