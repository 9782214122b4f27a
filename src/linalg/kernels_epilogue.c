/* What a product does with its finished elements: a function per gs_epilogue_kind, over a tile of the product that is still in the
 * level-1 cache. The activations of the feed-forward blocks and their gates forward, their slopes backward. */
#include "gridshift/config.h"
#include "kernels.h"
#include "vec.h"

/* -- activations ---------------------------------------------------------------------------------------------------------- */

/* gelu = x F(x), F the normal distribution; gelu' = F + x f, f its density. With t = |x|, e = exp(-t^2 / 2), w = 1 / (1 + 0.26 t):
 * F(-t) = e w Q(w), Q interpolated at Chebyshev nodes of t in 0..9.5 (relative error 3e-8). */
static inline V gelu(V x, V *d)
{
    V e = v_exp(v_all(-0.5f) * x * x);
    V w = 1.0f / v_fma(v_abs(x), v_all(0.26f), v_all(1));
    V q = v_fma(w, v_all(3.338671103e-02f), v_all(-1.672229618e-01f));
    q = v_fma(q, w, v_all(2.822089195e-01f));
    q = v_fma(q, w, v_all(-1.874749064e-01f));
    q = v_fma(q, w, v_all(1.873788834e-01f));
    q = v_fma(q, w, v_all(3.912469372e-02f));
    q = v_fma(q, w, v_all(1.062845737e-01f));
    q = v_fma(q, w, v_all(1.025232449e-01f));
    q = v_fma(q, w, v_all(1.037908345e-01f));
    V tail = e * w * q;
    V F = v_choose(x < 0, tail, 1.0f - tail);
    *d = v_fma(x * 0x1.988454p-2f, e, F);
    return x * F;
}

/* silu = x s, s the logistic function; silu' = s (1 + x (1 - s)) */
static inline V silu(V x, V *d)
{
    V s = v_sigmoid(x);
    *d = s * v_fma(x, 1.0f - s, v_all(1));
    return x * s;
}

/* x (1 + tanh(u)) / 2 = x s with s = sigmoid(2 u), u = sqrt(2/pi) (x + 0.044715 x^3); derivative s + x s (1 - s) 2 u'
 * (Hendrycks & Gimpel 2016). */
static inline V gelu_tanh(V x, V *d)
{
    V square = x * x;
    V s = v_sigmoid(x * v_fma(square, v_all(0.0713548163f), v_all(1.5957691216f)));
    *d = v_fma(x * s * (1.0f - s), v_fma(square, v_all(0.2140644488f), v_all(1.5957691216f)), s);
    return x * s;
}

static inline V relu(V x, V *d)
{
    VI on = x > 0;
    *d = v_choose(on, v_all(1), v_all(0));
    return v_choose(on, x, v_all(0));
}

static inline V identity(V x, V *d)
{
    *d = v_all(1);
    return x;
}

typedef struct sheet { /* h = act(u), d = act'(u) unless it is NULL: M rows and N columns; h may be u */
    int M, N;
    const float *u;
    float *h, *d;
    ptrdiff_t ldu, ldh, ldd;
} sheet;

static inline __attribute__((always_inline)) void over(V (*const act)(V, V *), const sheet *s)
{
    for (int m = 0; m < s->M; m++) {
        const float *u = s->u + m * s->ldu;
        float *h = s->h + m * s->ldh, *d = s->d ? s->d + m * s->ldd : NULL;
        EACH((size_t)s->N, {
            V slope;
            OUT(h, act(IN(u), &slope));
            if (d) OUT(d, slope);
        });
    }
}

static void over_relu(const sheet *s) { over(relu, s); }
static void over_gelu(const sheet *s) { over(gelu, s); }
static void over_silu(const sheet *s) { over(silu, s); }
static void over_gelu_tanh(const sheet *s) { over(gelu_tanh, s); }
static void over_identity(const sheet *s) { over(identity, s); }
static void (*const acts[])(const sheet *) = {[GS_ACT_RELU] = over_relu, [GS_ACT_GELU] = over_gelu, [GS_ACT_SILU] = over_silu,
                                              [GS_ACT_GELU_TANH] = over_gelu_tanh, [GS_ACT_IDENTITY] = over_identity};

/* -- epilogues: M rows and N columns of the product, from `row` and `column` on, at C -------------------------------------- */

static inline size_t place(const gs_epilogue *e, int row, int column) { return (size_t)row * (size_t)e->width + (size_t)column; }

static float *at(float *x, size_t i) { return x ? x + i : NULL; }

static void times_mask(const gs_epilogue *e, int row, int column, int M, int N, float *x, int ldx)
{
    if (!e->mask) return;
    for (int m = 0; m < M; m++, x += ldx) {
        const float *mask = e->mask + place(e, row + m, column);
        EACH((size_t)N, OUT(x, IN(x) * IN(mask)););
    }
}

static void activate(const gs_epilogue *e, int row, int column, int M, int N, float *C, int ldc)
{
    const sheet s = {M, N, C, C, at(e->d, place(e, row, column)), ldc, ldc, e->width};
    acts[e->act](&s);
    times_mask(e, row, column, M, N, C, ldc);
}

static void open_gate(const gs_epilogue *e, int row, int column, int M, int N, const float *C, int ldc)
{
    size_t i = place(e, row, column);
    const sheet s = {M, N, C, e->gate + i, at(e->d, i), ldc, e->width, e->width};
    acts[e->act](&s);
}

static void through_gate(const gs_epilogue *e, int row, int column, int M, int N, const float *C, int ldc)
{
    size_t first = place(e, row, column);
    const float *gate = e->gate + first;
    float *h = e->h + first;
    for (int m = 0; m < M; m++, C += ldc, gate += e->width, h += e->width) EACH((size_t)N, OUT(h, IN(gate) * IN(C)););
    times_mask(e, row, column, M, N, e->h + first, e->width);
}

/* Columns come in ascending order: a gate is there before what passes it. */
static void gate(const gs_epilogue *e, int row, int column, int M, int N, float *C, int ldc)
{
    int gates = e->width - column < N ? e->width - column : N;
    if (gates > 0) open_gate(e, row, column, M, gates, C, ldc);
    if (gates < 0) gates = 0;
    if (gates < N) through_gate(e, row, column + gates - e->width, M, N - gates, C + gates, ldc);
}

static void slope(const gs_epilogue *e, int row, int column, int M, int N, float *C, int ldc)
{
    const float *d = e->d + place(e, row, column);
    times_mask(e, row, column, M, N, C, ldc);
    for (int m = 0; m < M; m++, C += ldc, d += e->width) EACH((size_t)N, OUT(C, IN(C) * IN(d)););
}

static void gate_slope(const gs_epilogue *e, int row, int column, int M, int N, float *C, int ldc)
{
    size_t first = place(e, row, column);
    const float *d = e->d + first, *gate = e->gate + first, *up = e->up + (ptrdiff_t)row * 2 * e->width + column;
    times_mask(e, row, column, M, N, C, ldc);
    for (int m = 0; m < M; m++, C += ldc, d += e->width, gate += e->width, up += 2 * e->width)
        EACH((size_t)N, {
            V dh = IN(C);
            OUT(C + e->width, dh * IN(gate));
            OUT(C, dh * IN(up) * IN(d));
        });
}

void GS_SET(gs_k_epilogue)(const gs_epilogue *e, int row, int column, int M, int N, float *C, int ldc)
{
    static void (*const kinds[])(const gs_epilogue *, int, int, int, int, float *, int) = {
        [GS_EPILOGUE_ACTIVATE] = activate, [GS_EPILOGUE_GATE] = gate, [GS_EPILOGUE_SLOPE] = slope, [GS_EPILOGUE_GATE_SLOPE] = gate_slope};
    kinds[e->kind](e, row, column, M, N, C, ldc);
}

int GS_SET(gs_k_epilogue_rows)(const gs_epilogue *e, int row, int column, gs_k_rows *rows)
{
    bool passes = e->kind == GS_EPILOGUE_GATE && column >= e->width;
    const float *all[GS_K_STREAMS] = {passes ? NULL : e->d, e->gate, passes ? e->h : NULL, e->mask};
    int count = 0;
    for (int i = 0; i < GS_K_STREAMS; i++)
        if (all[i]) rows[count++] = (gs_k_rows){all[i] + place(e, row, passes ? column - e->width : column), e->width};
    return count;
}
