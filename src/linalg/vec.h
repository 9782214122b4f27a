/* Vectors of the instruction set that this file is compiled for. W lanes; the result of an operation on a lane does not depend on W:
 * +, -, *, / are IEEE, fused multiply-add is exact by intrinsic or fmaf, and the compiler may not contract. */
#ifndef GS_VEC_H
#define GS_VEC_H
#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(GS_ISA_avx512) || defined(GS_ISA_avx2)
#include <immintrin.h>
#endif

#if defined(GS_ISA_avx512)
enum { W = 16 };
#elif defined(GS_ISA_avx2)
enum { W = 8 };
#else
enum { W = 4 };
#endif
enum { LANES = 16 }; /* virtual lanes of a sum, on every instruction set */

typedef float V __attribute__((vector_size(W * 4)));
typedef int32_t VI __attribute__((vector_size(W * 4)));

static inline V v_fma(V a, V b, V c)
{
#if defined(GS_ISA_avx512)
    return (V)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(GS_ISA_avx2)
    return (V)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
    for (int i = 0; i < W; i++) c[i] = fmaf(a[i], b[i], c[i]);
    return c;
#endif
}

static inline V v_sqrt(V a)
{
#if defined(GS_ISA_avx512)
    return (V)_mm512_sqrt_ps((__m512)a);
#elif defined(GS_ISA_avx2)
    return (V)_mm256_sqrt_ps((__m256)a);
#else
    for (int i = 0; i < W; i++) a[i] = sqrtf(a[i]);
    return a;
#endif
}

static inline V v_load(const float *p) { V v; memcpy(&v, p, sizeof v); return v; }
static inline void v_store(float *p, V v) { memcpy(p, &v, sizeof v); }
static inline V v_all(float x) { return x - (V){0}; }
/* n < W floats, the rest 0; nothing beyond them is touched. */
#if defined(GS_ISA_avx512)
static inline __mmask16 v_first(size_t n) { return (__mmask16)((1u << n) - 1); }
static inline V v_part(const float *p, size_t n) { return (V)_mm512_maskz_loadu_ps(v_first(n), p); }
static inline void v_store_part(float *p, V v, size_t n) { _mm512_mask_storeu_ps(p, v_first(n), (__m512)v); }
#elif defined(GS_ISA_avx2)
static inline __m256i v_first(size_t n) { return (__m256i)((VI){0, 1, 2, 3, 4, 5, 6, 7} < (int32_t)n); }
static inline V v_part(const float *p, size_t n) { return (V)_mm256_maskload_ps(p, v_first(n)); }
static inline void v_store_part(float *p, V v, size_t n) { _mm256_maskstore_ps(p, v_first(n), (__m256)v); }
#else
static inline V v_part(const float *p, size_t n) { V v = {0}; memcpy(&v, p, n * 4); return v; }
static inline void v_store_part(float *p, V v, size_t n) { memcpy(p, &v, n * 4); }
#endif

/* BODY over n elements: whole vectors, then a zero-padded rest, so that every element meets the same operations. */
#define EACH(n, BODY)                                                                                            \
    do {                                                                                                          \
        size_t i = 0;                                                                                             \
        for (; i + W <= (n); i += W) { size_t c = W; (void)c; BODY }                                              \
        if (i < (n)) { size_t c = (n) - i; BODY }                                                                 \
    } while (0)
#define IN(p) (c == W ? v_load((p) + i) : v_part((p) + i, c))
#define OUT(p, value) do { V out_ = (value); if (c == W) v_store((p) + i, out_); else v_store_part((p) + i, out_, c); } while (0)

#if defined(GS_ISA_avx512)
static inline V v_choose(VI mask, V yes, V no)
{
    return (V)_mm512_mask_blend_ps(_mm512_movepi32_mask((__m512i)mask), (__m512)no, (__m512)yes);
}
#else
static inline V v_choose(VI mask, V yes, V no) { return (V)((mask & (VI)yes) | (~mask & (VI)no)); }
#endif
static inline V v_abs(V x) { return (V)((VI)x & 0x7fffffff); }

/* Four floats, on every instruction set. */
typedef float V4 __attribute__((vector_size(16)));
typedef int32_t I4 __attribute__((vector_size(16)));
static inline V4 v4_load(const float *p) { V4 v; memcpy(&v, p, sizeof v); return v; }
static inline void v4_store(float *p, V4 v) { memcpy(p, &v, sizeof v); }
static inline V4 v4_all(float x) { return x - (V4){0}; }
static inline V4 v4_fma(V4 a, V4 b, V4 c)
{
#if defined(GS_ISA_avx512) || defined(GS_ISA_avx2)
    return (V4)_mm_fmadd_ps((__m128)a, (__m128)b, (__m128)c);
#else
    for (int i = 0; i < 4; i++) c[i] = fmaf(a[i], b[i], c[i]);
    return c;
#endif
}

/* Rows to columns. */
static inline void v4_turn(V4 r[4])
{
    V4 ab = __builtin_shufflevector(r[0], r[1], 0, 4, 1, 5), cd = __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5);
    V4 AB = __builtin_shufflevector(r[0], r[1], 2, 6, 3, 7), CD = __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7);
    r[0] = __builtin_shufflevector(ab, cd, 0, 1, 4, 5), r[1] = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
    r[2] = __builtin_shufflevector(AB, CD, 0, 1, 4, 5), r[3] = __builtin_shufflevector(AB, CD, 2, 3, 6, 7);
}

/* exp: x = n ln2 + r, Taylor to r^7 (|r| <= 0.35: below 2e-9 relative), times 2^n: a normal number for x from -87.3 to 88. */
static inline V v_exp(V x)
{
    const V magic = v_all(0x1.8p23f); /* its last bits are 0, so that t << 23 is n << 23 */
    V t = v_fma(x, v_all(0x1.715476p+0f), magic);
    V k = t - magic;
    V r = v_fma(k, v_all(-0x1.62e400p-1f), x);
    r = v_fma(k, v_all(-0x1.7f7d1cp-20f), r);
    V p = v_all(1.0f / 5040);
    p = v_fma(p, r, v_all(1.0f / 720));
    p = v_fma(p, r, v_all(1.0f / 120));
    p = v_fma(p, r, v_all(1.0f / 24));
    p = v_fma(p, r, v_all(1.0f / 6));
    p = v_fma(p, r, v_all(0.5f));
    p = v_fma(p * r, r, r) + 1.0f;
    return v_choose(x < -87.3f, v_all(0), p * (V)(((VI)t + 127) << 23));
}

/* erf: a + a P(a^2) up to 1; 1 - exp(Q(|a| - 2.5)) up to 4; 1 above. P and Q interpolate at Chebyshev nodes. */
static inline V v_erf(V a)
{
    V s = a * a, t = v_abs(a);
    V p = v_all(7.875874871e-05f);
    p = v_fma(p, s, v_all(-8.016864303e-04f));
    p = v_fma(p, s, v_all(5.189087242e-03f));
    p = v_fma(p, s, v_all(-2.685421146e-02f));
    p = v_fma(p, s, v_all(1.128359437e-01f));
    p = v_fma(p, s, v_all(-3.761262596e-01f));
    p = v_fma(p, s, v_all(1.283791661e-01f));
    p = v_fma(p, a, a);
    V u = v_choose(t > 4.0f, v_all(1.5f), t - 2.5f);
    V q = v_all(1.637151399e-06f);
    q = v_fma(q, u, v_all(-1.331501426e-05f));
    q = v_fma(q, u, v_all(7.729137724e-05f));
    q = v_fma(q, u, v_all(-4.201225238e-04f));
    q = v_fma(q, u, v_all(2.165303566e-03f));
    q = v_fma(q, u, v_all(-1.085854135e-02f));
    q = v_fma(q, u, v_all(-9.438937306e-01f));
    q = v_fma(q, u, v_all(-5.352680683e+00f));
    q = v_fma(q, u, v_all(-7.806815147e+00f));
    V large = 1.0f - v_exp(q);
    large = (V)((VI)large | ((VI)a & (VI)v_all(-0.0f)));
    return v_choose(t > 1.0f, large, p);
}

static inline V v_sigmoid(V x)
{
    V e = v_exp(-v_abs(x)); /* in (0, 1]: no overflow */
    return v_choose(x < 0, e, v_all(1)) / (1.0f + e);
}

/* tanh: x + x^3 P(x^2) up to 0.625 (P as in Cephes' tanhf); 1 - 2 / (exp(2 |x|) + 1) above, and 1 from 10 on. */
static inline V v_tanh(V x)
{
    V s = x * x, t = v_abs(x);
    V p = v_all(-5.70498872745e-3f);
    p = v_fma(p, s, v_all(2.06390887954e-2f));
    p = v_fma(p, s, v_all(-5.37397155531e-2f));
    p = v_fma(p, s, v_all(1.33314422036e-1f));
    p = v_fma(p, s, v_all(-3.33332819422e-1f));
    p = v_fma(p * s, x, x);
    V u = v_choose(t > 10.0f, v_all(10.0f), t);
    V large = 1.0f - 2.0f / (v_exp(u + u) + 1.0f);
    large = (V)((VI)large | ((VI)x & (VI)v_all(-0.0f)));
    return v_choose(t > 0.625f, large, p);
}

/* Sums of 16 virtual lanes: acc[i] holds lanes i W .. i W + W - 1. The tree: lane l + lane l + 8, then + 4, + 2, + 1. */
enum { PARTS = LANES / W };
typedef struct lanes { V v[PARTS]; } lanes;

#if defined(GS_ISA_avx512)
#define LANES_FOLD(NAME, OP256, OP128, OPSS)                                                              \
    static inline float NAME(const lanes *a)                                                                      \
    {                                                                                                             \
        __m512 x = (__m512)a->v[0];                                                                               \
        __m256 y = OP256(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));                                \
        __m128 z = OP128(_mm256_castps256_ps128(y), _mm256_extractf128_ps(y, 1));                                 \
        z = OP128(z, _mm_movehl_ps(z, z));                                                                        \
        return _mm_cvtss_f32(OPSS(z, _mm_movehdup_ps(z)));                                                        \
    }
LANES_FOLD(lanes_sum, _mm256_add_ps, _mm_add_ps, _mm_add_ss)
LANES_FOLD(lanes_max, _mm256_max_ps, _mm_max_ps, _mm_max_ss)
#else
#define LANES_FOLD(NAME, EXPRESSION)                                                                              \
    static inline float NAME(const lanes *a)                                                                      \
    {                                                                                                             \
        float x[LANES];                                                                                           \
        memcpy(x, a, sizeof x);                                                                                   \
        for (int half = 8; half > 0; half /= 2)                                                                   \
            for (int i = 0; i < half; i++) x[i] = EXPRESSION;                                                     \
        return x[0];                                                                                              \
    }
LANES_FOLD(lanes_sum, x[i] + x[i + half])
LANES_FOLD(lanes_max, x[i] > x[i + half] ? x[i] : x[i + half])
#endif

/* Four such sums, by the same tree. */
static inline V4 lanes_sum4(const lanes a[4])
{
    V4 r[4];
#if defined(GS_ISA_avx512)
    for (int i = 0; i < 4; i++) {
        __m512 x = (__m512)a[i].v[0];
        __m256 y = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
        r[i] = (V4)_mm_add_ps(_mm256_castps256_ps128(y), _mm256_extractf128_ps(y, 1));
    }
#else
    for (int i = 0; i < 4; i++) {
        float x[LANES];
        memcpy(x, &a[i], sizeof x);
        for (int half = 8; half > 2; half /= 2)
            for (int l = 0; l < half; l++) x[l] += x[l + half];
        r[i] = v4_load(x);
    }
#endif
    v4_turn(r);
    return (r[0] + r[2]) + (r[1] + r[3]);
}
#endif
