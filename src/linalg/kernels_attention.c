/* Attention of one head and one sequence: T is small (8, 3, 10, 21), so a head's matrices stay in the level-1 cache. Rows of q, k and v
 * are gathered first (they may stand for many tokens at once). Queries are the positions from `first` on; Q = T - first.
 * Backward: o = (w m) v, w = softmax(s), s = q k^T / sqrt(K), m the dropout factor:
 * dv = (w m)^T do; dw = m (do v^T); ds = w (dw - sum_j dw w); dq = ds k / sqrt(K); dk = ds^T q / sqrt(K). */
#include "kernels.h"
#include "vec.h"

static int padded(int n) { return (n + LANES - 1) / LANES * LANES; }

typedef struct room { float *q, *k, *v, *turned, *dw, *dropped; int K; } room; /* K: the stride of a gathered row */

static room carve(const gs_head *h, float *at)
{
    size_t K = (size_t)padded(h->K), T = (size_t)h->T, S = (size_t)padded(h->T);
    return (room){at, at + T * K, at + 2 * T * K, at + 3 * T * K, at + 3 * T * K + K * S, at + 3 * T * K + K * S + T * S, (int)K};
}

static void gather(const gs_head *h, int first, const float *from, int K, float *to)
{
    for (int t = first; t < h->T; t++, to += K) {
        const float *row = from + (ptrdiff_t)(h->row ? h->row[t] : t) * h->ld;
        for (int j = 0; j < h->K; j += W) v_store(to + j, v_load(row + j));
    }
}

/* Four rows of four to four columns of four. */
static void turn4(const float *const from[4], int S, float *to)
{
    V4 rows[4];
    for (int i = 0; i < 4; i++) rows[i] = v4_load(from[i]);
    v4_turn(rows);
    for (int i = 0; i < 4; i++) v4_store(to + (ptrdiff_t)i * S, rows[i]);
}

/* to(K, S) = from(T, K)^T; rows beyond T count as 0 up to the next 4, what lies further is never read with a weight. */
static void turn(const gs_head *h, const float *from, int ld, float *to)
{
    static const float zeros[4];
    int S = padded(h->T);
    for (int t = 0; t < h->T; t += 4)
        for (int k = 0; k < h->K; k += 4) {
            const float *rows[4];
            for (int i = 0; i < 4; i++) rows[i] = t + i < h->T ? from + (t + i) * ld + k : zeros;
            turn4(rows, S, to + (ptrdiff_t)k * S + t);
        }
}

/* One row of G groups of 16 scores, its first `use` in use, to weights; the others become 0. */
static inline __attribute__((always_inline)) void weights_of(const int G, int use, float scale, float *w)
{
    static const float index[LANES] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    lanes top, sum = {0};
    for (int p = 0; p < PARTS; p++) top.v[p] = v_all(-INFINITY);
    for (int g = 0; g < G; g++)
        for (int p = 0; p < PARTS; p++) {
            float *at = w + g * LANES + p * W;
            V x = v_choose(v_load(index + p * W) < (float)(use - g * LANES), v_load(at) * scale, v_all(-INFINITY));
            top.v[p] = v_choose(x > top.v[p], x, top.v[p]);
            v_store(at, x);
        }
    float shift = lanes_max(&top);
    for (int g = 0; g < G; g++)
        for (int p = 0; p < PARTS; p++) {
            float *at = w + g * LANES + p * W;
            V e = v_exp(v_load(at) - shift);
            sum.v[p] += e;
            v_store(at, e);
        }
    float total = lanes_sum(&sum);
    for (int i = 0; i < G * LANES; i += W) v_store(w + i, v_load(w + i) / total);
}

static void weights(int S, int use, float scale, float *w)
{
    if (S == LANES) weights_of(1, use, scale, w);
    else weights_of(S / LANES, use, scale, w);
}

static const float *drop(int n, const float *w, const float *mask, float *out)
{
    if (!mask) return w;
    for (int i = 0; i < n; i++) out[i] = w[i] * mask[i];
    return out;
}

void GS_SET(gs_k_attention)(const gs_head *h, const float *q, const float *k, const float *v, float *w, const float *mask, float *o,
                            int ldo, float *scratch)
{
    room r = carve(h, scratch);
    int S = padded(h->T), Q = h->T - h->first;
    gather(h, h->first, q, r.K, r.q);
    gather(h, 0, k, r.K, r.k);
    gather(h, 0, v, r.K, r.v);
    turn(h, r.k, r.K, r.turned);
    GS_SET(gs_k_direct)(false, Q, S, h->K, r.q, r.K, r.turned, S, w, S);
    for (int i = 0; i < Q; i++) weights(S, h->causal ? h->first + i + 1 : h->T, 1 / sqrtf((float)h->K), w + i * S);
    GS_SET(gs_k_direct)(false, Q, h->K, h->T, drop(Q * S, w, mask, r.dropped), S, r.v, r.K, o, ldo);
}

/* rows of `from` added to the rows of `to` that they came from */
static void scatter(const gs_head *h, int first, const float *from, int K, float scale, float *to, int ldd)
{
    for (int t = first; t < h->T; t++, from += K) {
        float *row = to + (ptrdiff_t)(h->row ? h->row[t] : t) * ldd;
        int j = 0;
        for (; j + W <= h->K; j += W) v_store(row + j, v_fma(v_all(scale), v_load(from + j), v_load(row + j)));
        size_t rest = (size_t)(h->K - j);
        if (rest) v_store_part(row + j, v_fma(v_all(scale), v_part(from + j, rest), v_part(row + j, rest)), rest);
    }
}

/* ds = w (dw - sum dw w), in place of dw */
static void score_gradient(int S, const float *w, float *dw)
{
    lanes sum = {0};
    for (int at = 0; at < S; at += W) sum.v[at / W % PARTS] = v_fma(v_load(w + at), v_load(dw + at), sum.v[at / W % PARTS]);
    float inner = lanes_sum(&sum);
    for (int at = 0; at < S; at += W) v_store(dw + at, v_load(w + at) * (v_load(dw + at) - inner));
}

void GS_SET(gs_k_attention_back)(const gs_head *h, const float *q, const float *k, const float *v, const float *w, const float *mask,
                                 const float *dO, int ldo, float *dq, float *dk, float *dv, int ldd, float *scratch)
{
    room r = carve(h, scratch);
    int S = padded(h->T), Q = h->T - h->first;
    float scale = 1 / sqrtf((float)h->K);
    gather(h, h->first, q, r.K, r.q);
    gather(h, 0, k, r.K, r.k);
    gather(h, 0, v, r.K, r.v);
    turn(h, r.v, r.K, r.turned);
    GS_SET(gs_k_direct)(false, Q, S, h->K, dO, ldo, r.turned, S, r.dw, S);
    if (mask)
        for (int i = 0; i < Q * S; i++) r.dw[i] *= mask[i];
    GS_SET(gs_k_direct)(true, h->T, h->K, Q, drop(Q * S, w, mask, r.dropped), S, dO, ldo, r.v, r.K);
    scatter(h, 0, r.v, r.K, 1, dv, ldd);
    for (int i = 0; i < Q; i++) score_gradient(S, w + i * S, r.dw + i * S);
    GS_SET(gs_k_direct)(false, Q, h->K, h->T, r.dw, S, r.k, r.K, r.v, r.K);
    scatter(h, h->first, r.v, r.K, scale, dq, ldd);
    GS_SET(gs_k_direct)(true, h->T, h->K, Q, r.dw, S, r.q, r.K, r.v, r.K);
    scatter(h, 0, r.v, r.K, scale, dk, ldd);
}
