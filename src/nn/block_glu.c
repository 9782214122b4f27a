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
    int H = m->d.width;
    gs_epilogue end = {.kind = GS_EPILOGUE_GATE, .act = (int)gs_int(&m->config, GS_FFN_ACTIVATION), .width = H, .mask = u->mask,
                       .d = u->train ? u->a.d : NULL, .gate = u->a.gate, .h = u->a.h};
    gs_linear_then(m, &u->up, u->rows, u->x, u->a.pre, 2 * H, &end);
    gs_linear(m, &u->down, u->rows, u->a.h, y, u->down.out);
}

static void backward(const gs_block_use *u, const float *dy, float *dx)
{
    const gs_model *m = u->m;
    int H = m->d.width;
    gs_epilogue end = {.kind = GS_EPILOGUE_GATE_SLOPE, .width = H, .mask = u->mask, .d = u->a.d, .gate = u->a.gate, .up = u->a.pre + H};
    gs_linear_back_then(m, &u->down, u->rows, dy, u->down.out, u->dh, 2 * H, &end);
    gs_linear_grad(m, &u->down, u->rows, dy, u->down.out, u->a.h);
    gs_linear_grad(m, &u->up, u->rows, u->dh, 2 * H, u->x);
    gs_linear_back(m, &u->up, u->rows, u->dh, 2 * H, dx, !u->alone);
}

const gs_block_row gs_block_glu = {TENSORS, DOWN, false, true, declare, forward, backward};
