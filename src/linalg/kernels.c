/* Element-wise kernels, row-wise sums, softmax, norms, the loss and the optimiser, for one instruction set. */
#include "gridshift/config.h"
#include "kernels.h"
#include "vec.h"

/* -- element-wise ------------------------------------------------------------------------------------------------------- */

static void k_exp(size_t n, const float *x, float *y) { EACH(n, OUT(y, v_exp(IN(x)));); }
static void k_erf(size_t n, const float *x, float *y) { EACH(n, OUT(y, v_erf(IN(x)));); }
static void k_sigmoid(size_t n, const float *x, float *y) { EACH(n, OUT(y, v_sigmoid(IN(x)));); }
static void k_tanh(size_t n, const float *x, float *y) { EACH(n, OUT(y, v_tanh(IN(x)));); }
static void k_add(size_t n, const float *x, float *y) { EACH(n, OUT(y, IN(y) + IN(x));); }
static void k_multiply(size_t n, const float *x, float *y) { EACH(n, OUT(y, IN(y) * IN(x));); }
static void k_scale_add(size_t n, float a, const float *x, float *y) { EACH(n, OUT(y, v_fma(v_all(a), IN(x), IN(y)));); }
static void k_product(size_t n, const float *x, const float *y, float *z) { EACH(n, OUT(z, IN(x) * IN(y));); }

static void k_adamw(size_t n, float *p, const float *g, float *m, float *v, const gs_adamw *a)
{
    const V b1 = v_all(a->beta1), c1 = v_all(1 - a->beta1), b2 = v_all(a->beta2), c2 = v_all(1 - a->beta2);
    EACH(n, {
        V grad = IN(g) * a->clip;
        V first = b1 * IN(m) + c1 * grad;
        V second = b2 * IN(v) + c2 * grad * grad;
        OUT(m, first);
        OUT(v, second);
        OUT(p, IN(p) * a->keep - a->step * first / (v_sqrt(second) * a->root + a->eps));
    });
}

/* -- sums in 16 virtual lanes ------------------------------------------------------------------------------------------ */

static inline void group(const float *x, size_t n, float fill, lanes *out)
{
    if (n >= LANES) {
        memcpy(out, x, sizeof *out);
        return;
    }
    float t[LANES];
    for (int i = 0; i < LANES; i++) t[i] = fill;
    memcpy(t, x, n * sizeof *x);
    memcpy(out, t, sizeof t);
}

static float k_dot(size_t n, const float *x, const float *y)
{
    lanes acc = {0};
    for (size_t i = 0; i < n; i += LANES) {
        lanes a, b;
        group(x + i, n - i, 0, &a);
        group(y + i, n - i, 0, &b);
        for (int p = 0; p < PARTS; p++) acc.v[p] = v_fma(a.v[p], b.v[p], acc.v[p]);
    }
    return lanes_sum(&acc);
}

static float row_sum(size_t n, const float *x)
{
    lanes acc = {0};
    for (size_t i = 0; i < n; i += LANES) {
        lanes a;
        group(x + i, n - i, 0, &a);
        for (int p = 0; p < PARTS; p++) acc.v[p] += a.v[p];
    }
    return lanes_sum(&acc);
}

static float row_max(size_t n, const float *x)
{
    lanes acc;
    group(x, n, -INFINITY, &acc);
    for (size_t i = LANES; i < n; i += LANES) {
        lanes a;
        group(x + i, n - i, -INFINITY, &a);
        for (int p = 0; p < PARTS; p++) acc.v[p] = v_choose(a.v[p] > acc.v[p], a.v[p], acc.v[p]);
    }
    return lanes_max(&acc);
}

static double tree(double acc[LANES])
{
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++) acc[i] += acc[i + half];
    return acc[0];
}

static double k_square_sum(size_t n, const float *x)
{
    double acc[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++) acc[l] += (double)x[i + l] * x[i + l];
    for (int l = 0; i < n; i++, l++) acc[l] += (double)x[i] * x[i];
    return tree(acc);
}

static double double_sum(size_t n, const float *x)
{
    double acc[LANES] = {0};
    for (size_t i = 0; i < n; i += LANES) {
        lanes a;
        float at[LANES];
        group(x + i, n - i, 0, &a);
        memcpy(at, &a, sizeof at);
        for (int l = 0; l < LANES; l++) acc[l] += (double)at[l];
    }
    return tree(acc);
}

static void k_column_sums(int M, int N, const float *x, int ldx, float *y)
{
    enum { WIDE = 4 }; /* vectors of sums that stay in registers */
    int n = 0;
    for (; n + WIDE * W <= N; n += WIDE * W) {
        V sum[WIDE];
        for (int j = 0; j < WIDE; j++) sum[j] = v_load(y + n + j * W);
        for (int m = 0; m < M; m++)
            for (int j = 0; j < WIDE; j++) sum[j] += v_load(x + (ptrdiff_t)m * ldx + n + j * W);
        for (int j = 0; j < WIDE; j++) v_store(y + n + j * W, sum[j]);
    }
    for (int m = 0; m < M; m++) k_add((size_t)(N - n), x + (ptrdiff_t)m * ldx + n, y + n);
}

/* -- softmax ------------------------------------------------------------------------------------------------------------ */

static void exp_shifted(size_t n, float shift, float *x) { EACH(n, OUT(x, v_exp(IN(x) - shift));); }

/* Four rows of four, by the tree of k_dot (whose lanes beyond the fourth add 0). */
static void softmax_back_4(const float *p, const float *dp, float *dx, int ld)
{
    const V4 zero = {0};
    V4 x[4];
    for (int i = 0; i < 4; i++) x[i] = v4_load(p + i * ld) * v4_load(dp + i * ld) + zero;
    v4_turn(x);
    V4 inner = (x[0] + x[2]) + (x[1] + x[3]);
    for (int i = 0; i < 4; i++) v4_store(dx + i * ld, v4_load(p + i * ld) * (v4_load(dp + i * ld) - inner[i]));
}

static void k_softmax_back(int M, int N, const float *p, const float *dp, float *dx, int ld)
{
    for (; N == 4 && M >= 4; M -= 4, p += 4 * ld, dp += 4 * ld, dx += 4 * ld) softmax_back_4(p, dp, dx, ld);
    for (int m = 0; m < M; m++, p += ld, dp += ld, dx += ld) {
        float inner = k_dot((size_t)N, p, dp);
        EACH((size_t)N, OUT(dx, IN(p) * (IN(dp) - inner)););
    }
}

/* With e_j = exp(l_j - max) and S the sum over all but the target y: loss = log1p(S / e_y), and dl_y = -S / (S + e_y):
 * no 1 - p, which would lose all digits once p rounds to 1. */
static double one_loss(int C, float *l, float top, int target, bool grad, float scale)
{
    float gap = l[target] - top;
    exp_shifted((size_t)C, top, l);
    float own = l[target];
    l[target] = 0;
    double others = double_sum((size_t)C, l), total = others + (double)own;
    if (grad) {
        float each = (float)((double)scale / total);
        EACH((size_t)C, OUT(l, IN(l) * each););
        l[target] = (float)(-(double)scale * others / total);
    }
    return gap == 0 ? gs_log1p(others) : gs_log(total) - (double)gap;
}

/* The first place of the row's largest value; a row of nan gives C - 1. */
static int place_of(int C, const float *l, float top)
{
    int i = 0;
    while (i < C - 1 && l[i] != top) i++;
    return i;
}

static double k_cross_entropy(double sum, int R, int C, float *logits, const int32_t *target, bool grad, float scale, uint8_t *right)
{
    for (int r = 0; r < R; r++, logits += C) {
        float top = row_max((size_t)C, logits);
        if (right) right[r] = place_of(C, logits, top) == target[r];
        sum += one_loss(C, logits, top, target[r], grad, scale);
    }
    return sum;
}

/* -- norms ---------------------------------------------------------------------------------------------------------------- */

/* RMSNorm (Zhang & Sennrich 2019) with eps = 2^-23 inside the root, LayerNorm (Ba et al. 2016) with eps = 1e-5 and the
 * biased variance: as torch has them. */
static void k_norm(int kind, int M, int D, const float *x, const float *w, const float *b, float *y, float *stats)
{
    size_t n = (size_t)D;
    for (int m = 0; m < M; m++, x += D, y += D, stats += 2) {
        float mean = kind == GS_NORM_LAYER ? row_sum(n, x) / (float)D : 0;
        EACH(n, OUT(y, IN(x) - mean););
        float square = k_dot(n, y, y) / (float)D;
        float root = 1 / sqrtf(square + (kind == GS_NORM_LAYER ? 1e-5f : 0x1p-23f));
        if (b) EACH(n, OUT(y, v_fma(IN(y) * root, IN(w), IN(b))););
        else EACH(n, OUT(y, IN(y) * root * IN(w)););
        stats[0] = mean;
        stats[1] = root;
    }
}

/* With z = (x - mean) root and dz = dy w: dx = root (dz - mean(dz) - z mean(dz z)); RMSNorm has no mean(dz). */
static void k_norm_back(int kind, int M, int D, const float *x, const float *w, const float *stats, const float *dy, float *dx,
                        float *dw, float *db)
{
    enum { D_MOST = 8192 }; /* the key table's bound of model.d_model */
    float z[D_MOST], dz[D_MOST];
    size_t n = (size_t)D;
    for (int m = 0; m < M; m++, x += D, dy += D, dx += D, stats += 2) {
        float mean = stats[0], root = stats[1];
        EACH(n, OUT(z, (IN(x) - mean) * root); OUT(dz, IN(dy) * IN(w)););
        float slope = k_dot(n, dz, z) / (float)D, shift = kind == GS_NORM_LAYER ? row_sum(n, dz) / (float)D : 0;
        if (dw) EACH(n, OUT(dw, v_fma(IN(dy), IN(z), IN(dw))););
        if (db) k_add(n, dy, db);
        EACH(n, OUT(dx, IN(dx) + root * (IN(dz) - shift - IN(z) * slope)););
    }
}

static double k_fma_loop(size_t n)
{
    enum { CHAINS = 12 }; /* latency x ports of the processors that we know */
    V acc[CHAINS], keep = v_all(0);
    for (int i = 0; i < CHAINS; i++) acc[i] = v_all((float)i);
    for (size_t k = 0; k < n; k++)
        for (int i = 0; i < CHAINS; i++) acc[i] = v_fma(acc[i], v_all(0.999f), v_all(1e-3f));
    for (int i = 0; i < CHAINS; i++) keep += acc[i];
    return keep[0] > -1 ? 2.0 * (double)n * CHAINS * W : 0; /* the sum is used, so that the loop stays */
}

#define GS_STRING_(x) #x
#define GS_STRING(x) GS_STRING_(x)
const gs_kernels GS_SET(gs_kernels) = {
    .isa = GS_STRING(GS_ISA), .gemm = GS_SET(gs_k_gemm), .pack = GS_SET(gs_k_pack), .gemm_packed = GS_SET(gs_k_gemm_packed),
    .exp = k_exp, .erf = k_erf, .sigmoid = k_sigmoid, .tanh = k_tanh, .epilogue = GS_SET(gs_k_epilogue),
    .add = k_add, .multiply = k_multiply, .scale_add = k_scale_add, .product = k_product, .dot = k_dot, .square_sum = k_square_sum,
    .column_sums = k_column_sums, .softmax_back = k_softmax_back, .norm = k_norm,
    .norm_back = k_norm_back, .cross_entropy = k_cross_entropy, .attention = GS_SET(gs_k_attention),
    .attention_back = GS_SET(gs_k_attention_back),
    .pair_weights = GS_SET(gs_k_pair_weights), .pair_scores_back = GS_SET(gs_k_pair_scores_back), .pair_mix = GS_SET(gs_k_pair_mix),
    .pair_mix_back = GS_SET(gs_k_pair_mix_back), .pair_logits = GS_SET(gs_k_pair_logits), .pair_logits_back = GS_SET(gs_k_pair_logits_back),
    .adamw = k_adamw, .fma_loop = k_fma_loop};
