/* dense: y = W2 act(W1 x + b1) + b2. Backward, with u = W1 x + b1 and h = act(u): dh = dy W2, du = dh act'(u),
 * dW2 = dy^T h, dW1 = du^T x, dx = du W1. */
#include "nn_internal.h"

enum { UP, UP_BIAS, DOWN, DOWN_BIAS, TENSORS };

static void declare(gs_layout *l, const char *at, int D, int width)
{
    gs_declare(l, GS_ROLE_WEIGHT, width, D, D, "%s.up.weight", at);
    gs_declare(l, GS_ROLE_BIAS, width, 0, D, "%s.up.bias", at);
    gs_declare(l, GS_ROLE_WEIGHT, D, width, width, "%s.down.weight", at);
    gs_declare(l, GS_ROLE_BIAS, D, 0, width, "%s.down.bias", at);
}

static void forward(const gs_block_use *u, float *y)
{
    const gs_model *m = u->m;
    int H = m->d.width, act = (int)gs_int(&m->config, GS_FFN_ACTIVATION);
    size_t n = (size_t)u->rows * (size_t)H;
    gs_linear(m, &u->up, u->rows, u->x, u->a.h, H);
    m->kernels->activate(act, n, u->a.h, u->a.h, u->train ? u->a.d : NULL);
    if (u->mask) m->kernels->multiply(n, u->mask, u->a.h);
    gs_linear(m, &u->down, u->rows, u->a.h, y, u->down.out);
}

static void backward(const gs_block_use *u, const float *dy, float *dx)
{
    const gs_model *m = u->m;
    int H = m->d.width;
    size_t n = (size_t)u->rows * (size_t)H;
    gs_linear_back(m, &u->down, u->rows, dy, u->down.out, u->dh, false);
    gs_linear_grad(m, &u->down, u->rows, dy, u->down.out, u->a.h);
    if (u->mask) m->kernels->multiply(n, u->mask, u->dh);
    m->kernels->multiply(n, u->a.d, u->dh);
    gs_linear_grad(m, &u->up, u->rows, u->dh, H, u->x);
    gs_linear_back(m, &u->up, u->rows, u->dh, H, dx, true);
}

const gs_block_row gs_block_dense = {TENSORS, DOWN, true, false, declare, forward, backward};
