/* A model: its tensors in one arena, and the choices that hold for its life. */
#include <stdlib.h>
#include <string.h>

#include "nn_internal.h"

static void take(gs_model *m, bool train)
{
    m->param = gs_arena_take(&m->arena, m->size, sizeof *m->param);
    if (train) m->grad = gs_arena_take(&m->arena, m->size, sizeof *m->grad);
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
    free(*m);
    *m = NULL;
}

const gs_tensor *gs_model_tensor(const gs_model *m, const char *name)
{
    for (int i = 0; i < m->tensor_count; i++)
        if (!strcmp(m->tensors[i].name, name)) return &m->tensors[i];
    return NULL;
}

void gs_product(const gs_model *m, gs_gemm_op op, int M, int N, int K, const float *A, int lda, const float *B, int ldb, float *C,
                int ldc, const float *bias, bool add)
{
    if (gs_is(&m->config, GS_GEMM, GS_GEMM_BLAS)) gs_gemm_blas(op, M, N, K, A, lda, B, ldb, C, ldc, bias, add);
    else m->kernels->gemm(op, M, N, K, A, lda, B, ldb, C, ldc, bias, add);
}

void gs_drop(const gs_model *m, gs_drop_site site, int layer, const gs_view *view, size_t first, size_t count, float *mask)
{
    static const gs_key keys[] = {GS_EMBED_DROPOUT, GS_ATTN_DROPOUT, GS_RESID_DROPOUT, GS_FFN_DROPOUT, GS_RESID_DROPOUT};
    double rate = gs_num(&m->config, keys[site]);
    gs_rng r = gs_rng_of((uint32_t)gs_int(&m->config, GS_SEED), GS_RNG_DROPOUT);
    float kept = (float)(1 / (1 - rate));
    for (size_t i = 0; i < count; i++) {
        size_t element = first + i;
        uint64_t a = (uint64_t)view->step | (uint64_t)(element >> 32) << 32;
        mask[i] = gs_rng_uniform(r, a, (uint32_t)site + 8 * (uint32_t)layer, (uint32_t)element) < rate ? 0 : kept;
    }
}
