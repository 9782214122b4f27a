/* glu (Shazeer 2020): y = W2 (act(Wg x) * (Wu x)), no biases. Wg and Wu lie side by side: one product makes both.
 * Backward, with g = Wg x, v = Wu x, h = act(g) v: dh = dy W2, dg = dh v act'(g), dv = dh act(g). */
#include "nn_internal.h"

enum { GATE, UP, DOWN, TENSORS };

static void declare(gs_layout *l, const char *at, int D, int width)
{
    gs_declare(l, GS_ROLE_WEIGHT, width, D, D, "%s.gate.weight", at);
    gs_declare(l, GS_ROLE_WEIGHT, width, D, D, "%s.up.weight", at);
    gs_declare_joined(l, 2);
    gs_declare(l, GS_ROLE_WEIGHT, D, width, width, "%s.down.weight", at);
}

static void forward(const gs_block_use *u, float *y)
{
    const gs_model *m = u->m;
    const gs_kernels *k = m->kernels;
    int H = m->d.width, act = (int)gs_int(&m->config, GS_FFN_ACTIVATION);
    gs_linear(m, &u->up, u->rows, u->x, u->a.pre, 2 * H);
    for (int r = 0; r < u->rows; r++) {
        ptrdiff_t at = (ptrdiff_t)r * H;
        k->activate(act, (size_t)H, u->a.pre + 2 * at, u->a.gate + at, u->train ? u->a.d + at : NULL);
        k->product((size_t)H, u->a.gate + at, u->a.pre + 2 * at + H, u->a.h + at);
    }
    if (u->mask) k->multiply((size_t)u->rows * (size_t)H, u->mask, u->a.h);
    gs_linear(m, &u->down, u->rows, u->a.h, y, u->down.out);
}

static void backward(const gs_block_use *u, const float *dy, float *dx)
{
    const gs_model *m = u->m;
    const gs_kernels *k = m->kernels;
    int H = m->d.width;
    float *dh = u->dh + (ptrdiff_t)u->rows * 2 * H;
    gs_linear_back(m, &u->down, u->rows, dy, u->down.out, dh, false);
    gs_linear_grad(m, &u->down, u->rows, dy, u->down.out, u->a.h);
    for (int r = 0; r < u->rows; r++) {
        ptrdiff_t at = (ptrdiff_t)r * H;
        float *dg = u->dh + 2 * at;
        if (u->mask) k->multiply((size_t)H, u->mask + at, dh + at);
        k->product((size_t)H, dh + at, u->a.gate + at, dg + H);
        k->product((size_t)H, dh + at, u->a.pre + 2 * at + H, dg);
        k->multiply((size_t)H, u->a.d + at, dg);
    }
    gs_linear_grad(m, &u->up, u->rows, u->dh, 2 * H, u->x);
    gs_linear_back(m, &u->up, u->rows, u->dh, 2 * H, dx, true);
}

const gs_block_row gs_block_glu = {TENSORS, DOWN, false, true, declare, forward, backward};
