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
    int H = m->d.width;
    gs_epilogue end = {.kind = GS_EPILOGUE_ACTIVATE, .act = (int)gs_int(&m->config, GS_FFN_ACTIVATION), .width = H, .mask = u->mask,
                       .d = u->train ? u->a.d : NULL};
    gs_linear_then(m, &u->up, u->rows, u->x, u->a.h, H, &end);
    gs_linear(m, &u->down, u->rows, u->a.h, y, u->down.out);
}

static void backward(const gs_block_use *u, const float *dy, float *dx)
{
    const gs_model *m = u->m;
    int H = m->d.width;
    gs_epilogue end = {.kind = GS_EPILOGUE_SLOPE, .width = H, .mask = u->mask, .d = u->a.d};
    gs_linear_back_then(m, &u->down, u->rows, dy, u->down.out, u->dh, H, &end);
    gs_linear_grad(m, &u->down, u->rows, dy, u->down.out, u->a.h);
    gs_linear_grad(m, &u->up, u->rows, u->dh, H, u->x);
    gs_linear_back(m, &u->up, u->rows, u->dh, H, dx, !u->alone);
}

const gs_block_row gs_block_dense = {TENSORS, DOWN, true, false, declare, forward, backward};
