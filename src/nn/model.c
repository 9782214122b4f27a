/* A model: its tensors in one arena, and the choices that hold for its life. */
#include <stdlib.h>
#include <string.h>

#include "nn_internal.h"

static void take(gs_model *m, bool train)
{
    m->param = gs_arena_take(&m->arena, m->size, sizeof *m->param);
    if (train) m->grad = gs_arena_take(&m->arena, m->size, sizeof *m->grad);
    for (int i = 0; i < m->tensor_count; i++) {
        const gs_tensor *t = &m->tensors[i];
        if (t->out) m->packed[i] = gs_arena_take(&m->arena, gs_packed_size(t->out, t->cols), sizeof(float));
    }
    if (gs_is(&m->config, GS_ROUTER_MODE, GS_ROUTER_HASH))
        m->hash = gs_arena_take(&m->arena, (size_t)m->d.V * (size_t)m->d.k, sizeof *m->hash);
}

/* The first k of a permutation of the experts, keyed by the token id (Roller et al. 2021, random hash). */
static void fill_hash(gs_model *m)
{
    int32_t order[256]; /* the key table's bound of ffn.experts */
    for (int v = 0; v < m->d.V; v++) {
        gs_rng_permutation(gs_rng_of(gs_init_seed(&m->config), GS_RNG_ROUTE), (uint64_t)v, 0, m->d.E, order);
        memcpy(m->hash + (ptrdiff_t)v * m->d.k, order, (size_t)m->d.k * sizeof *order);
    }
}

int gs_model_open(const gs_config *c, gs_dims d, bool train, gs_model **out, gs_err *e)
{
    const gs_kernels *kernels = gs_kernels_choose(NULL, e);
    if (!kernels) return -1;
    gs_model *m = gs_alloc(1, sizeof *m);
    *m = (gs_model){.config = *c, .d = d, .kernels = kernels};
    gs_layout l = {0};
    gs_layout_model(&l, c, &m->d);
    m->tensors = gs_alloc((size_t)l.count, sizeof *m->tensors);
    m->packed = gs_alloc((size_t)l.count, sizeof *m->packed);
    l = (gs_layout){.at = m->tensors};
    gs_layout_model(&l, c, &m->d);
    m->tensor_count = l.count;
    m->size = l.size;
    take(m, train);
    if (gs_arena_open(&m->arena, e)) {
        gs_model_close(&m);
        return -1;
    }
    take(m, train);
    if (m->hash) fill_hash(m);
    *out = m;
    return 0;
}

void gs_model_close(gs_model **m)
{
    if (!*m) return;
    gs_arena_close(&(*m)->arena);
    free((*m)->tensors);
    free((*m)->packed);
    free(*m);
    *m = NULL;
}

const gs_tensor *gs_model_tensor(const gs_model *m, const char *name)
{
    for (int i = 0; i < m->tensor_count; i++)
        if (!strcmp(m->tensors[i].name, name)) return &m->tensors[i];
    return NULL;
}

static bool by_blas(const gs_model *m) { return gs_is(&m->config, GS_GEMM, GS_GEMM_BLAS); }

void gs_model_pack(gs_model *m)
{
    if (by_blas(m)) return;
    for (int i = 0; i < m->tensor_count; i++) {
        const gs_tensor *t = &m->tensors[i];
        if (m->packed[i]) m->kernels->pack(t->out, t->cols, gs_param(m, i), t->cols, m->packed[i]);
    }
}

void gs_linear(const gs_model *m, int tensor, int rows, const float *x, float *y, int ldy, const float *bias)
{
    int in = m->tensors[tensor].cols, out = m->tensors[tensor].out;
    if (by_blas(m)) gs_gemm_blas(GS_NT, rows, out, in, x, in, gs_param(m, tensor), in, y, ldy, bias, false);
    else m->kernels->gemm_packed(rows, out, in, x, in, m->packed[tensor], y, ldy, bias, false);
}

void gs_linear_back(const gs_model *m, int tensor, int rows, const float *dy, int ldy, float *dx, bool add)
{
    int in = m->tensors[tensor].cols, out = m->tensors[tensor].out;
    if (by_blas(m)) gs_gemm_blas(GS_NN, rows, in, out, dy, ldy, gs_param(m, tensor), in, dx, in, NULL, add);
    else m->kernels->gemm(GS_NN, rows, in, out, dy, ldy, gs_param(m, tensor), in, dx, in, NULL, add);
}

void gs_linear_grad(const gs_model *m, int rows, int out, int in, const float *dy, int ldy, const float *x, float *dw)
{
    if (by_blas(m)) gs_gemm_blas(GS_TN, out, in, rows, dy, ldy, x, in, dw, in, NULL, true);
    else m->kernels->gemm(GS_TN, out, in, rows, dy, ldy, x, in, dw, in, NULL, true);
}
