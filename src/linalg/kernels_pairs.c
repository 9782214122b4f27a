/* Attention over a table of (token, position) pairs, the queries of one position of many sequences at a time. The scores of two pairs lie
 * ready in a table, the heads side by side, so that 16 / N sequences share the vectors of a softmax. Formulas as in
 * kernels_attention.c; the scores' gradient ds = w (dw - sum_j dw w) is added to a table of the same shape. */
#include "kernels.h"
#include "vec.h"

enum { KEYS = GS_PAIR_KEYS, ROOM = 256 }; /* ROOM: floats of one key; the key table's bound of model.heads */

typedef struct group {
    _Alignas(64) float x[KEYS][ROOM];
    _Alignas(64) float y[KEYS][ROOM];
    int most, n; /* sequences at a time; floats of a key */
} group;

static void begin(group *g, const gs_pairs *p)
{
    g->most = p->N < LANES ? LANES / p->N : 1;
    g->n = (g->most * p->N + LANES - 1) / LANES * LANES;
    for (int j = 0; j < p->keys; j++) {
        memset(g->x[j], 0, (size_t)g->n * sizeof g->x[j][0]);
        memset(g->y[j], 0, (size_t)g->n * sizeof g->y[j][0]);
    }
}

static inline void copy(float *to, const float *from, int n)
{
    if (n == 4) memcpy(to, from, 16);
    else memcpy(to, from, (size_t)n * sizeof *to);
}

/* Of sequence i: the rows of its keys, and the scores of its query with row 0. */
static inline const int32_t *rows_of(const gs_pairs *p, int i) { return p->row + (ptrdiff_t)i * p->T; }
static inline ptrdiff_t scores_of(const gs_pairs *p, const int32_t *row)
{
    return (ptrdiff_t)(row[p->position] - p->first_query) * p->rows * p->N;
}

static inline void add(float *to, const float *x, int n)
{
    if (n == 4) v4_store(to, v4_load(to) + v4_load(x));
    else
        for (int i = 0; i < n; i++) to[i] += x[i];
}

static void softmax(group *g, int keys)
{
    for (int at = 0; at < g->n; at += W) {
        V top = v_load(g->x[0] + at), sum = v_all(0);
        for (int j = 1; j < keys; j++) {
            V x = v_load(g->x[j] + at);
            top = v_choose(x > top, x, top);
        }
        for (int j = 0; j < keys; j++) {
            V e = v_exp(v_load(g->x[j] + at) - top);
            sum += e;
            v_store(g->x[j] + at, e);
        }
        for (int j = 0; j < keys; j++) v_store(g->x[j] + at, v_load(g->x[j] + at) / sum);
    }
}

void GS_SET(gs_k_pair_weights)(const gs_pairs *p, const float *scores, float *w, int ldw)
{
    group g;
    begin(&g, p);
    for (int first = 0; first < p->n; first += g.most) {
        int count = p->n - first < g.most ? p->n - first : g.most;
        for (int i = 0; i < count; i++) {
            const int32_t *row = rows_of(p, first + i);
            const float *from = scores + scores_of(p, row);
            for (int j = 0; j < p->keys; j++) copy(g.x[j] + i * p->N, from + row[j] * p->N, p->N);
        }
        softmax(&g, p->keys);
        for (int i = 0; i < count; i++)
            for (int j = 0; j < p->keys; j++) copy(w + (ptrdiff_t)(first + i) * ldw + j * p->N, g.x[j] + i * p->N, p->N);
    }
}

static void softmax_back(group *g, int keys)
{
    for (int at = 0; at < g->n; at += W) {
        V inner = v_all(0);
        for (int j = 0; j < keys; j++) inner = v_fma(v_load(g->x[j] + at), v_load(g->y[j] + at), inner);
        for (int j = 0; j < keys; j++) v_store(g->y[j] + at, v_load(g->x[j] + at) * (v_load(g->y[j] + at) - inner));
    }
}

void GS_SET(gs_k_pair_scores_back)(const gs_pairs *p, const float *w, const float *dw, int ldw, float *dscores)
{
    group g;
    begin(&g, p);
    for (int first = 0; first < p->n; first += g.most) {
        int count = p->n - first < g.most ? p->n - first : g.most;
        for (int i = 0; i < count; i++)
            for (int j = 0; j < p->keys; j++) {
                copy(g.x[j] + i * p->N, w + (ptrdiff_t)(first + i) * ldw + j * p->N, p->N);
                copy(g.y[j] + i * p->N, dw + (ptrdiff_t)(first + i) * ldw + j * p->N, p->N);
            }
        softmax_back(&g, p->keys);
        for (int i = 0; i < count; i++) {
            const int32_t *row = rows_of(p, first + i);
            float *to = dscores + scores_of(p, row);
            for (int j = 0; j < p->keys; j++) add(to + row[j] * p->N, g.y[j] + i * p->N, p->N);
        }
    }
}

/* -- values ------------------------------------------------------------------------------------------------------------- */

static inline V part(const float *p, int n) { return n >= W ? v_load(p) : v_part(p, (size_t)n); }
static inline void store(float *p, V x, int n)
{
    if (n >= W) v_store(p, x);
    else v_store_part(p, x, (size_t)n);
}

void GS_SET(gs_k_pair_mix)(const gs_pairs *p, const float *w, int ldw, const float *v, int ldv, float *o, int ldo)
{
    for (int i = 0; i < p->n; i++, w += ldw, o += ldo) {
        const int32_t *row = p->row + (ptrdiff_t)i * p->T;
        for (int h = 0; h < p->N; h++)
            for (int at = 0; at < p->K; at += W) {
                const float *from = v + h * p->K + at;
                V sum = v_all(0);
                for (int j = 0; j < p->keys; j++)
                    sum = v_fma(v_all(w[j * p->N + h]), part(from + (ptrdiff_t)row[j] * ldv, p->K - at), sum);
                store(o + h * p->K + at, sum, p->K - at);
            }
    }
}

/* dv_j += w_j do, and the lanes of do . v_j */
static inline lanes value_back(int K, float w, const float *d, const float *v, float *dv)
{
    lanes sum = {0};
    for (int at = 0; at < K; at += W) {
        V x = part(d + at, K - at);
        sum.v[at / W % PARTS] = v_fma(x, part(v + at, K - at), sum.v[at / W % PARTS]);
        store(dv + at, v_fma(v_all(w), x, part(dv + at, K - at)), K - at);
    }
    return sum;
}

/* One key: dw of its heads, four at a time. */
static void key_back(int N, int K, const float *w, const float *d, const float *v, float *dv, float *dw)
{
    int h = 0;
    for (; h + 4 <= N; h += 4) {
        lanes sum[4];
        for (int i = 0; i < 4; i++) sum[i] = value_back(K, w[h + i], d + (h + i) * K, v + (h + i) * K, dv + (h + i) * K);
        v4_store(dw + h, lanes_sum4(sum));
    }
    for (; h < N; h++) {
        lanes sum = value_back(K, w[h], d + h * K, v + h * K, dv + h * K);
        dw[h] = lanes_sum(&sum);
    }
}

void GS_SET(gs_k_pair_mix_back)(const gs_pairs *p, const float *w, int ldw, const float *v, float *dv, int ldv, const float *d, int ldo,
                                float *dw)
{
    for (int i = 0; i < p->n; i++, w += ldw, dw += ldw, d += ldo) {
        const int32_t *row = p->row + (ptrdiff_t)i * p->T;
        for (int j = 0; j < p->keys; j++) {
            ptrdiff_t at = (ptrdiff_t)row[j] * ldv;
            key_back(p->N, p->K, w + j * p->N, d, v + at, dv + at, dw + j * p->N);
        }
    }
}

/* -- logits of a router, straight from the heads ---------------------------------------------------------------------------- */

/* Four experts, four sequences at a time, so that four chains run beside each other. */
static int four_by_four(const gs_pairs *p, const float *w, int ldw, const float *base, const float *each, float *r, int ldr)
{
    int i = 0, N = p->N;
    for (; i + 4 <= p->n; i += 4, w += 4 * ldw, r += 4 * ldr) {
        V4 sum[4];
        for (int q = 0; q < 4; q++) sum[q] = v4_load(base + (ptrdiff_t)rows_of(p, i + q)[p->position] * 4);
        for (int j = 0; j < p->keys; j++) {
            const float *from[4];
            for (int q = 0; q < 4; q++) from[q] = each + (ptrdiff_t)rows_of(p, i + q)[j] * N * 4;
            for (int h = 0; h < N; h++)
                for (int q = 0; q < 4; q++) sum[q] = v4_fma(v4_all(w[q * ldw + j * N + h]), v4_load(from[q] + h * 4), sum[q]);
        }
        for (int q = 0; q < 4; q++) v4_store(r + (ptrdiff_t)q * ldr, sum[q]);
    }
    return i;
}

void GS_SET(gs_k_pair_logits)(const gs_pairs *p, const float *w, int ldw, const float *base, const float *each, float *r, int ldr)
{
    int N = p->N, E = p->E, done = E == 4 ? four_by_four(p, w, ldw, base, each, r, ldr) : 0;
    w += (ptrdiff_t)done * ldw, r += (ptrdiff_t)done * ldr;
    for (int i = done; i < p->n; i++, w += ldw, r += ldr) {
        const int32_t *row = p->row + (ptrdiff_t)i * p->T;
        memcpy(r, base + (ptrdiff_t)row[p->position] * E, (size_t)E * sizeof *r);
        for (int j = 0; j < p->keys; j++)
            for (int h = 0; h < N; h++) {
                const float *from = each + ((ptrdiff_t)row[j] * N + h) * E;
                for (int e = 0; e < E; e++) r[e] = fmaf(w[j * N + h], from[e], r[e]);
            }
    }
}

/* Four experts, four heads: the sums over the experts stand in one vector of heads. */
static void back_of_four(const gs_pairs *p, const int32_t *row, const float *w, const float *dr, const float *each, float *deach, float *dw)
{
    V4 d = v4_load(dr);
    for (int j = 0; j < p->keys; j++) {
        ptrdiff_t at = (ptrdiff_t)row[j] * 16;
        V4 e[4], sum = v4_load(dw + j * 4);
        for (int h = 0; h < 4; h++) {
            e[h] = v4_load(each + at + h * 4);
            v4_store(deach + at + h * 4, v4_fma(v4_all(w[j * 4 + h]), d, v4_load(deach + at + h * 4)));
        }
        v4_turn(e);
        for (int x = 0; x < 4; x++) sum = v4_fma(v4_all(dr[x]), e[x], sum);
        v4_store(dw + j * 4, sum);
    }
}

void GS_SET(gs_k_pair_logits_back)(const gs_pairs *p, const float *w, int ldw, const float *dr, int ldr, const float *each, float *dbase,
                                   float *deach, float *dw)
{
    int N = p->N, E = p->E;
    for (int i = 0; i < p->n; i++, w += ldw, dw += ldw, dr += ldr) {
        const int32_t *row = p->row + (ptrdiff_t)i * p->T;
        float *own = dbase + (ptrdiff_t)row[p->position] * E;
        add(own, dr, E);
        if (E == 4 && N == 4) {
            back_of_four(p, row, w, dr, each, deach, dw);
            continue;
        }
        for (int j = 0; j < p->keys; j++)
            for (int h = 0; h < N; h++) {
                ptrdiff_t at = ((ptrdiff_t)row[j] * N + h) * E;
                float sum = dw[j * N + h];
                for (int e = 0; e < E; e++) {
                    sum = fmaf(dr[e], each[at + e], sum);
                    deach[at + e] = fmaf(w[j * N + h], dr[e], deach[at + e]);
                }
                dw[j * N + h] = sum;
            }
    }
}
