/* Every kernel of every instruction set against a plain computation in double, and bit for bit against the others. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gridshift/config.h"
#include "gridshift/linalg.h"

static const gs_kernels *sets[3];
static int set_count;

static float *noise(size_t n, uint32_t stream)
{
    float *x = gs_alloc(n + 1, sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = (float)gs_rng_normal(gs_rng_of(1, GS_RNG_INIT), stream, 0, (uint32_t)i);
    return x;
}

static void all_sets(void **state)
{
    (void)state;
    const char *names[] = {"avx512", "avx2", "scalar"};
    gs_err e;
    for (int i = 0; i < 3; i++) {
        const gs_kernels *k = gs_kernels_choose(names[i], &e);
        if (k) sets[set_count++] = k;
    }
    assert_true(set_count >= 1);
    assert_null(gs_kernels_choose("nonsense", &e));
    assert_non_null(strstr(e.text, "GRIDSHIFT_ISA=nonsense"));
}

static void one_gemm(gs_gemm_op op, int M, int N, int K, bool add, bool with_bias)
{
    float *A = noise((size_t)M * K, 1), *B = noise((size_t)N * K, 2), *bias = noise((size_t)N, 3);
    float *want = noise((size_t)M * N, 4), *blas = noise((size_t)M * N, 4);
    int lda = op == GS_TN ? M : K, ldb = op == GS_NT ? K : N;
    gs_gemm_ref(op, M, N, K, A, lda, B, ldb, want, N, with_bias ? bias : NULL, add);
    gs_gemm_blas(op, M, N, K, A, lda, B, ldb, blas, N, with_bias ? bias : NULL, add);
    for (int i = 0; i < M * N; i++) assert_true(fabsf(blas[i] - want[i]) < 1e-4f * (1 + sqrtf((float)K)));
    for (int s = 0; s < set_count; s++) {
        float *got = noise((size_t)M * N, 4);
        sets[s]->gemm(op, M, N, K, A, lda, B, ldb, got, N, with_bias ? bias : NULL, add, NULL);
        assert_memory_equal(got, want, (size_t)M * N * sizeof *got);
        free(got);
        if (op != GS_NT || !K) continue;
        float *packed = noise(gs_packed_size(N, K), 5), *again = noise((size_t)M * N, 4);
        sets[s]->pack(N, K, B, ldb, packed);
        sets[s]->gemm_packed(M, N, K, A, lda, packed, again, N, with_bias ? bias : NULL, add, NULL);
        assert_memory_equal(again, want, (size_t)M * N * sizeof *again);
        free(packed), free(again);
    }
    free(A), free(B), free(bias), free(want), free(blas);
}

static void gemm_is_the_reference_bit_for_bit(void **state)
{
    (void)state;
    const int shapes[][3] = {{1, 1, 1}, {12, 32, 256}, {13, 33, 257}, {5, 12, 64}, {100, 4, 24}, {97, 170, 64}, {24, 48, 600}, {200, 65, 3}, {7, 16, 0}, {37, 31, 513}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int op = 0; op < 3; op++) {
            one_gemm((gs_gemm_op)op, shapes[i][0], shapes[i][1], shapes[i][2], false, false);
            one_gemm((gs_gemm_op)op, shapes[i][0], shapes[i][1], shapes[i][2], true, false);
            one_gemm((gs_gemm_op)op, shapes[i][0], shapes[i][1], shapes[i][2], false, true);
        }
}

/* h = act(x), d = act'(x) */
static void activate(const gs_kernels *k, int act, int n, const float *x, float *h, float *d)
{
    const gs_epilogue e = {.kind = GS_EPILOGUE_ACTIVATE, .act = act, .width = n, .d = d};
    memcpy(h, x, (size_t)n * sizeof *h);
    k->epilogue(&e, 0, 0, 1, n, h, n);
}

/* The plain twins of the epilogues, over the rows of a product that is done. */
static void plain_gates(const gs_epilogue *e, int M, const float *C)
{
    for (int m = 0; m < M; m++) {
        const float *g = C + (ptrdiff_t)m * 2 * e->width, *v = g + e->width;
        size_t at = (size_t)m * (size_t)e->width;
        activate(sets[0], e->act, e->width, g, e->gate + at, e->d + at);
        for (int i = 0; i < e->width; i++) e->h[at + i] = e->gate[at + i] * v[i] * (e->mask ? e->mask[at + i] : 1);
    }
}

static void plain_slopes(const gs_epilogue *e, int M, float *C)
{
    bool gated = e->kind == GS_EPILOGUE_GATE_SLOPE;
    for (int m = 0; m < M; m++)
        for (int i = 0; i < e->width; i++) {
            size_t at = (size_t)m * (size_t)e->width + i, row = at + (gated ? (size_t)m * (size_t)e->width : 0);
            float dh = C[row] * (e->mask ? e->mask[at] : 1);
            C[row] = gated ? dh * e->up[row] * e->d[at] : dh * e->d[at];
            if (gated) C[row + e->width] = dh * e->gate[at];
        }
}

/* A product with its epilogue on every set, against the plain product and the plain twin. */
typedef struct fused { int M, H, K, act; bool masked; } fused;

static void forward_epilogue(const fused *f, bool gated)
{
    int M = f->M, H = f->H, K = f->K, N = gated ? 2 * H : H;
    size_t n = (size_t)M * (size_t)H;
    float *x = noise((size_t)M * K, 1), *W = noise((size_t)N * K, 2), *bias = noise((size_t)N, 3), *mask = noise(n, 4);
    float *C = noise((size_t)M * N, 5), *want = noise(3 * n, 6), *got = noise(3 * n, 6), *packed = noise(gs_packed_size(N, K), 7);
    const gs_epilogue_kind kind = gated ? GS_EPILOGUE_GATE : GS_EPILOGUE_ACTIVATE;
    gs_epilogue e = {kind, f->act, H, f->masked ? mask : NULL, want, want + n, want + 2 * n, NULL};
    gs_gemm_ref(GS_NT, M, N, K, x, K, W, K, C, N, bias, false);
    if (gated) plain_gates(&e, M, C);
    else {
        activate(sets[0], f->act, (int)n, C, want + 2 * n, want);
        for (size_t i = 0; f->masked && i < n; i++) want[2 * n + i] *= mask[i];
    }
    e.d = got, e.gate = got + n, e.h = got + 2 * n;
    for (int s = 0; s < set_count; s++)
        for (int way = 0; way < 2; way++) {
            float *out = gated ? C : got + 2 * n;
            memset(got, 0xff, 2 * n * sizeof *got);
            if (!gated) memcpy(got + n, want + n, n * sizeof *got); /* no gate */
            sets[s]->pack(N, K, W, K, packed);
            if (way == 0) sets[s]->gemm_packed(M, N, K, x, K, packed, out, N, bias, false, &e);
            else sets[s]->gemm(GS_NT, M, N, K, x, K, W, K, out, N, bias, false, &e);
            assert_memory_equal(got, want, 3 * n * sizeof *got);
        }
    free(x), free(W), free(bias), free(mask), free(C), free(want), free(got), free(packed);
}

static void backward_epilogue(const fused *f, bool gated)
{
    int M = f->M, H = f->H, K = f->K, N = gated ? 2 * H : H;
    size_t n = (size_t)M * (size_t)H, all = (size_t)M * (size_t)N;
    float *dy = noise((size_t)M * K, 1), *W = noise((size_t)K * H, 2), *mask = noise(n, 4), *d = noise(n, 5), *gate = noise(n, 6);
    float *up = noise(2 * n, 7), *want = noise(all, 8), *got = noise(all, 8);
    const gs_epilogue e = {gated ? GS_EPILOGUE_GATE_SLOPE : GS_EPILOGUE_SLOPE, 0, H, f->masked ? mask : NULL, d, gate, NULL, up};
    gs_gemm_ref(GS_NN, M, H, K, dy, K, W, H, want, N, NULL, false);
    plain_slopes(&e, M, want);
    for (int s = 0; s < set_count; s++)
        for (int way = 0; way < 2; way++) {
            memset(got, 0xff, all * sizeof *got);
            sets[s]->gemm(GS_NN, M, H, K, dy, K, W, H, got, N, NULL, false, way ? NULL : &e);
            if (way) sets[s]->epilogue(&e, 0, 0, M, H, got, N); /* as after a BLAS */
            assert_memory_equal(got, want, all * sizeof *got);
        }
    free(dy), free(W), free(mask), free(d), free(gate), free(up), free(want), free(got);
}

static void epilogues_are_the_passes_that_they_replace(void **state)
{
    (void)state;
    const int shapes[][3] = {{1, 1, 1}, {13, 12, 5}, {12, 32, 64}, {37, 42, 257}, {150, 37, 24}, {29, 100, 520}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int act = 0; act < 5; act++)
            for (int way = 0; way < 4; way++) {
                fused f = {shapes[i][0], shapes[i][1], shapes[i][2], act, way & 1};
                forward_epilogue(&f, way & 2);
                backward_epilogue(&f, way & 2);
            }
}

/* The distance in units of the last place of the truth's binade, as a float32 has it. */
static double ulps(float got, double want)
{
    uint64_t bits;
    memcpy(&bits, &want, 8);
    int exponent = (int)(bits >> 52 & 2047) - 1023;
    if (want == 0) return got == 0 ? 0 : INFINITY;
    bits = (uint64_t)((exponent < -126 ? -126 : exponent) - 23 + 1023) << 52;
    double unit;
    memcpy(&unit, &bits, 8);
    return fabs((double)got - want) / unit;
}

/* The activations and their derivatives in double. */
static double activation(int kind, double x)
{
    switch (kind) {
    case GS_ACT_RELU: return x > 0 ? x : 0;
    case GS_ACT_GELU: return x * erfc(-x / sqrt(2)) / 2;
    case GS_ACT_SILU: return x / (1 + exp(-x));
    case GS_ACT_GELU_TANH: return x * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x))) / 2;
    default: return x;
    }
}

static void activations_and_their_slopes(void **state)
{
    (void)state;
    enum { n = 2001 };
    float x[n], h[n], d[n];
    for (int i = 0; i < n; i++) x[i] = (float)(i - 1000) / 100 + 1e-3f;
    for (int kind = 0; kind < 5; kind++) {
        activate(sets[0], kind, n, x, h, d);
        for (int i = 0; i < n; i++) {
            double slope = (activation(kind, (double)x[i] + 1e-5) - activation(kind, (double)x[i] - 1e-5)) / 2e-5;
            assert_true(fabs((double)h[i] - activation(kind, (double)x[i])) < 3e-7 * (1 + fabs((double)x[i])));
            assert_true(fabs((double)d[i] - slope) < 2e-6);
        }
    }
}

typedef void (*function)(size_t, const float *, float *);
static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

/* Every 1,009th float32 in the range (all of them with GRIDSHIFT_EXHAUSTIVE=1): the largest error in ulp. */
static double worst_ulp(function f, double (*truth)(double), float low, float high)
{
    enum { BLOCK = 1024 };
    uint32_t stride = getenv("GRIDSHIFT_EXHAUSTIVE") ? 1 : 1009;
    double worst = 0;
    float x[BLOCK], y[BLOCK];
    size_t n = 0;
    for (uint64_t bits = 0; bits < 0x100000000ull; bits += stride) {
        uint32_t b = (uint32_t)bits;
        memcpy(&x[n], &b, 4);
        if (x[n] >= low && x[n] <= high && (x[n] == 0 || fabsf(x[n]) >= 1e-37f)) n++;
        if (n < BLOCK && bits + stride < 0x100000000ull) continue;
        f(n, x, y);
        for (size_t i = 0; i < n; i++) worst = fmax(worst, ulps(y[i], truth((double)x[i])));
        n = 0;
    }
    return worst;
}

static void functions_keep_their_ulp(void **state)
{
    (void)state;
    const gs_kernels *k = sets[0];
    double e = worst_ulp(k->exp, exp, -87, 88), r = worst_ulp(k->erf, erf, -10, 10), s = worst_ulp(k->sigmoid, sigmoid, -86, 86);
    double t = worst_ulp(k->tanh, tanh, -INFINITY, INFINITY);
    printf("# %s: exp %.2f ulp, erf %.2f ulp, sigmoid %.2f ulp, tanh %.2f ulp\n", k->isa, e, r, s, t);
    assert_true(e <= 1.1 && r <= 2 && s <= 2.5 && t <= 1.5);
}

/* Runs one kernel on every set and compares the bytes with the first one's. */
#define SAME(n, out, CALL)                                                                       \
    do {                                                                                          \
        float *first = NULL;                                                                      \
        for (int s = 0; s < set_count; s++) {                                                     \
            const gs_kernels *k = sets[s];                                                        \
            float *out = noise((size_t)(n), 9);                                                   \
            CALL;                                                                                 \
            if (first) assert_memory_equal(first, out, (size_t)(n) * sizeof *out), free(out);     \
            else first = out;                                                                     \
        }                                                                                         \
        free(first);                                                                              \
    } while (0)

static void sets_agree_bit_for_bit(void **state)
{
    (void)state;
    enum { M = 7, N = 37, n = M * N };
    float *x = noise(n, 1), *y = noise(n, 2), *w = noise(N, 3), *b = noise(N, 4);
    for (int i = 0; i < n; i++) x[i] *= 4;
    for (int kind = 0; kind < 5; kind++) SAME(2 * n, out, activate(k, kind, n, x, out, out + n));
    SAME(n, out, k->exp(n, x, out));
    SAME(n, out, k->erf(n, x, out));
    SAME(n, out, k->sigmoid(n, x, out));
    SAME(n, out, k->tanh(n, x, out));
    SAME(n, out, k->add(n, x, out));
    SAME(n, out, k->scale_add(n, 0.3f, x, out));
    SAME(n, out, out[0] = k->dot(n, x, y));
    SAME(n, out, out[0] = (float)k->square_sum(n, x));
    SAME(n, out, k->column_sums(M, N, x, N, out));
    SAME(n, out, k->column_sums(2, n / 2, x, n / 2, out));
    SAME(n, out, k->softmax_back(M, N, x, y, out, N));
    float *rows = noise(4 * M, 5); /* four columns go by in fours: the bits of one row at a time */
    for (int m = 0; m < M; m++) sets[0]->softmax_back(1, 4, x + 4 * m, y + 4 * m, rows + 4 * m, 4);
    for (int s = 0; s < set_count; s++) {
        float *again = noise(4 * M, 6);
        sets[s]->softmax_back(M, 4, x, y, again, 4);
        assert_memory_equal(rows, again, 4 * M * sizeof *rows);
        free(again);
    }
    free(rows);
    SAME(n + 2 * M, out, k->norm(GS_NORM_LAYER, M, N, x, w, b, out, out + n));
    SAME(n + 2 * M, out, k->norm(GS_NORM_RMS, M, N, x, w, NULL, out, out + n));
    SAME(n + 2 * N, out, k->norm_back(GS_NORM_LAYER, M, N, x, w, b, y, out, out + n, out + n + N));
    const int32_t target[M] = {0, 36, 5, 16, 17, 3, 2};
    SAME(n + 1, out, out[n] = (float)k->cross_entropy(0, M, N, out, target, true, 0.1f, NULL));
    const gs_adamw a = {0.5f, 0.9f, 0.999f, 1e-8f, 0.99f, 0.001f, 3};
    SAME(3 * n, out, k->multiply(n, out + 2 * n, out + 2 * n); k->adamw(n, out, x, out + n, out + 2 * n, &a));
    free(x), free(y), free(w), free(b);
}

static void cross_entropy_keeps_small_losses(void **state)
{
    (void)state;
    float sure[3] = {0, 40, 1}, wrong[3] = {5, -3, 0}, tie[3] = {1, 1, 0};
    const int32_t one = 1;
    uint8_t right;
    double loss = sets[0]->cross_entropy(0, 1, 3, sure, &one, true, 1, &right);
    double want = log1p(exp(-40) + exp(-39));
    assert_true(fabs(loss / want - 1) < 1e-6 && right == 1);
    assert_true(fabs((double)sure[1] / -want - 1) < 1e-6 && sure[0] > 0);
    loss = sets[0]->cross_entropy(0, 1, 3, wrong, &one, true, 1, &right);
    assert_true(fabs(loss - (log(exp(5) + exp(-3) + 1) + 3)) < 1e-6 && right == 0);
    assert_true(fabsf(wrong[0] + wrong[1] + wrong[2]) < 1e-6f);
    sets[0]->cross_entropy(0, 1, 3, tie, &one, false, 1, &right);
    assert_int_equal(right, 0); /* ties break to the lower index */
}

/* a = sum_i values[i] v_i v_i^T over planted orthonormal v (reflected unit vectors) -> the values back, and vectors with a v = value v. */
static void one_eigen(int n, const double *planted, double tolerance)
{
    size_t N = (size_t)n;
    double *a = gs_alloc(N * N, 8), *kept = gs_alloc(N * N, 8), *values = gs_alloc(N, 8), *u = gs_alloc(N, 8), square = 0;
    for (int i = 0; i < n; i++) u[i] = gs_rng_normal(gs_rng_of(2, GS_RNG_INIT), 0, 0, (uint32_t)i), square += u[i] * u[i];
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            for (int k = 0; k < n; k++)
                a[i * n + j] += planted[k] * ((i == k) - 2 * u[i] * u[k] / square) * ((j == k) - 2 * u[j] * u[k] / square);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++) a[i * n + j] = a[j * n + i];
    memcpy(kept, a, N * N * 8);
    gs_eigen(n, a, values, true);
    for (int i = 0; i < n; i++) {
        if (fabs(values[i] - planted[i]) > tolerance) fail_msg("%d of %d: %.17g, not %.17g", i, n, values[i], planted[i]);
        for (int j = 0; j < n; j++) {
            double inner = 0, image = 0;
            for (int k = 0; k < n; k++) inner += a[i * n + k] * a[j * n + k], image += kept[j * n + k] * a[i * n + k];
            assert_true(fabs(inner - (i == j)) < 1e-12);
            assert_true(fabs(image - values[i] * a[i * n + j]) <= tolerance);
        }
    }
    double *alone = gs_alloc(N, 8);
    gs_eigen(n, kept, alone, false);
    assert_memory_equal(alone, values, N * 8); /* the same bits with and without vectors */
    free(a), free(kept), free(values), free(u), free(alone);
}

static void eigenvalues_come_back(void **state)
{
    (void)state;
    double spread[64], pairs[33], flat[20], none[5] = {0}, one[1] = {-7}, two[2] = {3, -1};
    for (int i = 0; i < 64; i++) spread[i] = exp(-i / 3.0);
    for (int i = 0; i < 33; i++) pairs[i] = 10 - i / 2; /* each twice, as cosine and sine are */
    for (int i = 0; i < 20; i++) flat[i] = 2;
    one_eigen(64, spread, 1e-14), one_eigen(33, pairs, 1e-13), one_eigen(20, flat, 1e-14);
    one_eigen(5, none, 0), one_eigen(1, one, 0), one_eigen(2, two, 1e-15);
    double broken[4] = {1, NAN, NAN, 1}, values[2];
    gs_eigen(2, broken, values, true);
    assert_true(isnan(values[0]) && isnan(values[1]));
}

/* Against every permutation, and a planted renaming. */
static double best_by_trying(int n, const double *gain, int row, uint32_t used)
{
    double best = row == n ? 0 : -INFINITY;
    for (int j = 0; j < n && row < n; j++)
        if (!(used >> j & 1)) {
            double rest = gain[row * n + j] + best_by_trying(n, gain, row + 1, used | 1u << j);
            best = rest > best ? rest : best;
        }
    return best;
}

static void assignments_are_the_best(void **state)
{
    (void)state;
    double gain[49], planted[64 * 64];
    int column_of[64];
    for (int trial = 0; trial < 200; trial++) {
        int n = 1 + trial % 7;
        for (int i = 0; i < n * n; i++) gain[i] = floor(10 * gs_rng_normal(gs_rng_of(3, GS_RNG_INIT), (uint64_t)trial, 0, (uint32_t)i));
        double sum = gs_assign(n, gain, column_of), again = 0;
        uint32_t seen = 0;
        for (int i = 0; i < n; i++) again += gain[i * n + column_of[i]], seen |= 1u << column_of[i];
        assert_true(seen == (1u << n) - 1 && sum == again && sum == best_by_trying(n, gain, 0, 0));
    }
    for (int i = 0; i < 64; i++)
        for (int j = 0; j < 64; j++) planted[i * 64 + j] = j == (i * 5 + 3) % 64 ? 2 : (i + j) % 2;
    assert_true(gs_assign(64, planted, column_of) == 128);
    for (int i = 0; i < 64; i++) assert_int_equal(column_of[i], (i * 5 + 3) % 64);
}

int main(void)
{
    gs_numeric_start();
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_sets), cmocka_unit_test(gemm_is_the_reference_bit_for_bit),
                                       cmocka_unit_test(epilogues_are_the_passes_that_they_replace),
                                       cmocka_unit_test(functions_keep_their_ulp), cmocka_unit_test(activations_and_their_slopes),
                                       cmocka_unit_test(sets_agree_bit_for_bit),
                                       cmocka_unit_test(cross_entropy_keeps_small_losses), cmocka_unit_test(eigenvalues_come_back),
                                       cmocka_unit_test(assignments_are_the_best)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
