/* The initialisations. Every element is a pure function of (init seed, tensor's name, index), so that two models share the
 * values of every tensor whose name and shape agree. */
#include <math.h>

#include "nn_internal.h"

static float torch_value(const gs_tensor *t, gs_rng r, uint64_t name, uint32_t i)
{
    if (t->role == GS_ROLE_EMBED) return (float)gs_rng_normal(r, name, 0, i);
    return (float)((2 * gs_rng_uniform(r, name, 0, i) - 1) / sqrt(t->fan_in));
}

/* Nanda et al. 2023 (1/sqrt(d_model), readout 1/sqrt(classes)) and GPT-2 (0.02): normal weights, zero biases. */
static float normal_value(const gs_tensor *t, gs_rng r, uint64_t name, uint32_t i, int init, const gs_dims *d)
{
    if (t->role == GS_ROLE_BIAS) return 0;
    double sd = init == GS_INIT_GPT2 ? 0.02 : 1 / sqrt(t->role == GS_ROLE_UNEMBED ? d->C : d->D);
    return (float)(sd * gs_rng_normal(r, name, 0, i));
}

void gs_model_init(gs_model *m)
{
    gs_rng r = gs_rng_of(gs_init_seed(&m->config), GS_RNG_INIT);
    int init = (int)gs_int(&m->config, GS_MODEL_INIT);
    for (int k = 0; k < m->tensor_count; k++) {
        const gs_tensor *t = &m->tensors[k];
        float *p = gs_param(m, k);
        uint64_t name = gs_hash64(t->name);
        for (size_t i = 0; i < gs_tensor_size(t); i++)
            p[i] = t->role == GS_ROLE_ONE ? 1 : t->role == GS_ROLE_ZERO ? 0
                 : init == GS_INIT_TORCH ? torch_value(t, r, name, (uint32_t)i) : normal_value(t, r, name, (uint32_t)i, init, &m->d);
    }
}
