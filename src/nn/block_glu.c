/* glu (Shazeer 2020): y = W2 (act(Wg x) * (Wu x)), no biases. Wg and Wu lie side by side: one product makes both.
 * Backward, with g = Wg x, v = Wu x, h = act(g) v: dh = dy W2, dg = dh v act'(g), dv = dh act(g). */
#include "nn_internal.h"

enum { GATE, UP, DOWN, TENSORS };

static void declare(gs_layout *l, const char *at, int D, int width)
{
    gs_declare(l, GS_ROLE_WEIGHT, width, D, D, "%s.gate.weight", at);
    gs_declare(l, GS_ROLE_WEIGHT, width, D, D, "%s.up.weight", at);
    gs_declare(l, GS_ROLE_WEIGHT, D, width, width, "%s.down.weight", at);
}

static void forward(const gs_block_use *u, float *y)
{
    const gs_model *m = u->m;
    const gs_kernels *k = m->kernels;
    int D = m->d.D, H = m->d.width, act = (int)gs_int(&m->config, GS_FFN_ACTIVATION);
    gs_product(m, GS_NT, u->rows, 2 * H, D, u->x, D, gs_param(m, u->tensor + GATE), D, u->a.pre, 2 * H, NULL, false);
    for (int r = 0; r < u->rows; r++) {
        ptrdiff_t at = (ptrdiff_t)r * H;
        k->activate(act, (size_t)H, u->a.pre + 2 * at, u->a.gate + at, u->train ? u->a.d + at : NULL);
        k->product((size_t)H, u->a.gate + at, u->a.pre + 2 * at + H, u->a.h + at);
    }
    if (u->mask) k->multiply((size_t)u->rows * (size_t)H, u->mask, u->a.h);
    gs_product(m, GS_NT, u->rows, D, H, u->a.h, H, gs_param(m, u->tensor + DOWN), H, y, D, NULL, false);
}

static void backward(const gs_block_use *u, const float *dy, float *dx)
{
    const gs_model *m = u->m;
    const gs_kernels *k = m->kernels;
    int D = m->d.D, H = m->d.width;
    gs_product(m, GS_NN, u->rows, H, D, dy, D, gs_param(m, u->tensor + DOWN), H, u->dh, 2 * H, NULL, false);
    if (!u->frozen) gs_product(m, GS_TN, D, H, u->rows, dy, D, u->a.h, H, gs_grad(m, u->tensor + DOWN), H, NULL, true);
    for (int r = 0; r < u->rows; r++) {
        ptrdiff_t at = (ptrdiff_t)r * H;
        float *dg = u->dh + 2 * at, *dv = dg + H;
        if (u->mask) k->multiply((size_t)H, u->mask + at, dg);
        k->product((size_t)H, dg, u->a.gate + at, dv);
        k->multiply((size_t)H, u->a.pre + 2 * at + H, dg);
        k->multiply((size_t)H, u->a.d + at, dg);
    }
    if (!u->frozen) gs_product(m, GS_TN, 2 * H, D, u->rows, u->dh, 2 * H, u->x, D, gs_grad(m, u->tensor + GATE), D, NULL, true);
    gs_product(m, GS_NN, u->rows, D, 2 * H, u->dh, 2 * H, gs_param(m, u->tensor + GATE), D, dx, D, NULL, true);
}

const gs_block_row gs_block_glu = {TENSORS, true, declare, forward, backward};
