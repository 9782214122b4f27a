#include <math.h>

#include "gridshift/train.h"

static void take(gs_optimiser *o)
{
    o->first = gs_arena_take(&o->arena, o->m->size, sizeof *o->first);
    o->second = gs_arena_take(&o->arena, o->m->size, sizeof *o->second);
}

int gs_optimiser_open(gs_optimiser *o, gs_model *m, gs_err *e)
{
    *o = (gs_optimiser){.m = m};
    take(o);
    if (gs_arena_open(&o->arena, e)) return -1;
    take(o);
    return 0;
}

void gs_optimiser_close(gs_optimiser *o) { gs_arena_close(&o->arena); }

double gs_learning_rate(const gs_config *c, int64_t step)
{
    double lr = gs_num(c, GS_TRAIN_LR);
    int64_t warm = gs_int(c, GS_TRAIN_WARMUP), all = gs_int(c, GS_TRAIN_STEPS);
    if (step < warm) return lr * (double)step / (double)warm;
    if (!gs_is(c, GS_TRAIN_SCHEDULE, GS_SCHEDULE_COSINE) || all <= warm) return lr;
    return lr * 0.5 * (1 + gs_cospi2(0.5 * (double)(step - warm) / (double)(all - warm)));
}

static double gradient_norm(const gs_model *m)
{
    double sum = 0;
    for (int i = 0; i < m->tensor_count; i++)
        if (!m->tensors[i].frozen) sum += m->kernels->square_sum(gs_tensor_size(&m->tensors[i]), m->grad + m->tensors[i].at);
    return sqrt(sum);
}

/* x^n by squaring: the C library's pow is not the same everywhere. */
static double power(double x, int64_t n)
{
    double result = 1;
    for (; n > 0; n >>= 1, x *= x)
        if (n & 1) result *= x;
    return result;
}

double gs_optimise(gs_optimiser *o)
{
    const gs_model *m = o->m;
    const gs_config *c = &m->config;
    double lr = gs_learning_rate(c, ++o->steps), b1 = gs_num(c, GS_TRAIN_BETA1), b2 = gs_num(c, GS_TRAIN_BETA2);
    double norm = gradient_norm(m), most = gs_num(c, GS_TRAIN_CLIP);
    double clip = most > 0 ? most / (norm + 1e-6) : 1; /* torch's clip_grad_norm_ */
    gs_adamw a = {.clip = (float)(clip < 1 ? clip : 1), .beta1 = (float)b1, .beta2 = (float)b2, .eps = (float)gs_num(c, GS_TRAIN_EPS),
                  .keep = (float)(1 - lr * gs_num(c, GS_TRAIN_DECAY)), .step = (float)(lr / (1 - power(b1, o->steps))),
                  .root = (float)(1 / sqrt(1 - power(b2, o->steps)))};
    for (int i = 0; i < m->tensor_count; i++) {
        const gs_tensor *t = &m->tensors[i];
        if (!t->frozen) m->kernels->adamw(gs_tensor_size(t), m->param + t->at, m->grad + t->at, o->first + t->at, o->second + t->at, &a);
    }
    return norm;
}
