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

/* The tensors and where they are; what `take` needs. */
static void describe(gs_model *m, const gs_config *c, const gs_dims *d)
{
    gs_layout l = {0};
    *m = (gs_model){.config = *c, .d = *d};
    gs_layout_model(&l, c, d);
    m->tensors = gs_alloc((size_t)l.count, sizeof *m->tensors);
    m->packed = gs_alloc((size_t)l.count, sizeof *m->packed);
    l = (gs_layout){.at = m->tensors};
    gs_layout_model(&l, c, d);
    m->tensor_count = l.count;
    m->size = l.size;
}

int gs_model_open(const gs_config *c, gs_dims d, bool train, gs_model **out, gs_err *e)
{
    const gs_kernels *kernels = gs_kernels_choose(NULL, e);
    if (!kernels) return -1;
    gs_model *m = gs_alloc(1, sizeof *m);
    describe(m, c, &d);
    m->kernels = kernels;
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

size_t gs_model_bytes(const gs_config *c, const gs_dims *d)
{
    gs_model m;
    describe(&m, c, d);
    take(&m, false);
    free(m.tensors);
    free(m.packed);
    return sizeof m + m.arena.used + (size_t)m.tensor_count * (sizeof *m.tensors + sizeof *m.packed);
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

gs_product gs_product_of(const gs_model *m, int tensor, int bias)
{
    const gs_tensor *t = &m->tensors[tensor];
    bool learned = m->grad && !t->frozen;
    return (gs_product){.in = t->cols, .out = t->out, .w = gs_param(m, tensor), .packed = m->packed[tensor],
                        .bias = bias < 0 ? NULL : gs_param(m, bias), .dw = learned ? gs_grad(m, tensor) : NULL,
                        .dbias = learned && bias >= 0 ? gs_grad(m, bias) : NULL};
}

void gs_gemm(const gs_model *m, gs_gemm_op op, int M, int N, int K, const float *A, int lda, const float *B, int ldb, float *C, int ldc,
             bool add)
{
    if (by_blas(m)) gs_gemm_blas(op, M, N, K, A, lda, B, ldb, C, ldc, NULL, add);
    else m->kernels->gemm(op, M, N, K, A, lda, B, ldb, C, ldc, NULL, add, NULL);
}

/* One row of the base for all rows (a task's last token is often the same) is a bias. */
static bool one_base(const gs_product *w, int rows)
{
    for (int i = 1; i < rows; i++)
        if (w->row[i] != w->row[0]) return false;
    return rows > 0;
}

void gs_linear_then(const gs_model *m, const gs_product *w, int rows, const float *x, float *y, int ldy, const gs_epilogue *end)
{
    bool one = w->base && one_base(w, rows), add = w->base && !one;
    const float *bias = one ? w->base + (ptrdiff_t)w->row[0] * w->out : w->bias;
    for (int i = 0; add && i < rows; i++)
        memcpy(y + (ptrdiff_t)i * ldy, w->base + (ptrdiff_t)w->row[i] * w->out, (size_t)w->out * sizeof *y);
    if (by_blas(m)) gs_gemm_blas(GS_NT, rows, w->out, w->in, x, w->in, w->w, w->in, y, ldy, bias, add);
    else m->kernels->gemm_packed(rows, w->out, w->in, x, w->in, w->packed, y, ldy, bias, add, end);
    if (by_blas(m) && end) m->kernels->epilogue(end, 0, 0, rows, w->out, y, ldy);
}

void gs_linear(const gs_model *m, const gs_product *w, int rows, const float *x, float *y, int ldy)
{
    gs_linear_then(m, w, rows, x, y, ldy, NULL);
}

void gs_linear_back_then(const gs_model *m, const gs_product *w, int rows, const float *dy, int ldy, float *dx, int ldx,
                         const gs_epilogue *end)
{
    if (by_blas(m)) {
        gs_gemm_blas(GS_NN, rows, w->in, w->out, dy, ldy, w->w, w->in, dx, ldx, NULL, false);
        m->kernels->epilogue(end, 0, 0, rows, w->in, dx, ldx);
    } else m->kernels->gemm(GS_NN, rows, w->in, w->out, dy, ldy, w->w, w->in, dx, ldx, NULL, false, end);
}

void gs_linear_back(const gs_model *m, const gs_product *w, int rows, const float *dy, int ldy, float *dx, bool add)
{
    gs_gemm(m, GS_NN, rows, w->in, w->out, dy, ldy, w->w, w->in, dx, w->in, add);
}

void gs_linear_grad(const gs_model *m, const gs_product *w, int rows, const float *dy, int ldy, const float *x)
{
    if (w->dw) gs_gemm(m, GS_TN, w->out, w->in, rows, dy, ldy, x, w->in, w->dw, w->in, true);
    if (w->dbias) m->kernels->column_sums(rows, w->out, dy, ldy, w->dbias);
    if (w->dbase && one_base(w, rows)) m->kernels->column_sums(rows, w->out, dy, ldy, w->dbase + (ptrdiff_t)w->row[0] * w->out);
    else if (w->dbase)
        for (int i = 0; i < rows; i++)
            m->kernels->add((size_t)w->out, dy + (ptrdiff_t)i * ldy, w->dbase + (ptrdiff_t)w->row[i] * w->out);
}
