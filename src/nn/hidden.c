/* What a pass left inside of its feed-forward blocks, put in the order of the tokens. */
#include <string.h>

#include "nn_internal.h"

/* Row `row` of the block's arrays. */
static const float *unit(const gs_block_acts *a, gs_hidden what, size_t row, size_t width)
{
    if (what == GS_HIDDEN_GATE) return a->gate + row * width;
    if (what == GS_HIDDEN_UP) return a->pre + (2 * row + 1) * width;
    return a->h + row * width;
}

static void scatter(const gs_layer_acts *a, const gs_dims *d, gs_hidden what, int token, float *out)
{
    size_t width = (size_t)d->width;
    for (int j = 0; j < d->k; j++) {
        int i = token * d->k + j;
        if (a->moe.place[i] < 0) continue;
        memcpy(out + (size_t)a->moe.choice[i] * width, unit(&a->block, what, (size_t)a->moe.place[i], width), width * sizeof *out);
    }
}

void gs_pass_hidden(const gs_pass *p, int layer, gs_hidden what, float *out)
{
    const gs_dims *d = &p->m->d;
    const gs_layer_acts *a = &p->layer[layer];
    bool mixture = gs_ffn_of(&p->m->config)->mixture;
    int Q = d->T - a->first; /* a mixture numbers its choices by all positions */
    size_t units = (size_t)d->width * (size_t)(mixture ? d->E : 1);
    memset(out, 0, (size_t)p->n * (size_t)(d->T - d->first) * units * sizeof *out);
    for (int i = 0; i < p->n; i++)
        for (int t = d->first; t < d->T; t++, out += units) {
            if (mixture) scatter(a, d, what, i * d->T + t, out);
            else memcpy(out, unit(&a->block, what, (size_t)(i * Q + t - a->first), units), units * sizeof *out);
        }
}
