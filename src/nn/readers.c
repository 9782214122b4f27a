/* Matrices that read the stream after attention, straight from the heads. A matrix M with bias b sees mid = x + Wo mix + bo, and x is one
 * of the table's rows:
 *   M mid + b = G mix + base[row],   G = M Wo (out, D),   base = x M^T + M bo + b (rows, out).
 * G and base are made once per batch. From dG, dbase and s, the sum of dbase over the rows:
 *   dM += dG Wo^T + dbase^T x + s bo^T,  db += s,  dWo += M^T dG,  dbo += M^T s,  dx += dbase M.
 * The readers are the router (`heads`), and in training (`direct`) the first matrix of every expert and the readout: the stream after
 * attention and its gradient are never made then. */
#include <string.h>

#include "nn_internal.h"

static int up_width(const gs_config *c, const gs_dims *d) { return d->width * (gs_ffn_of(c)->block->gated ? 2 : 1); }

/* Rows of the matrices of all readers: the router's first, then the experts', then the readout's. */
static size_t outs(const gs_config *c, const gs_dims *d, const gs_reductions *r)
{
    return (size_t)(r->heads ? d->E : 0) + (size_t)(r->direct ? d->E * up_width(c, d) + d->C : 0);
}

void gs_readers_take(gs_pass *p, const gs_config *c, const gs_dims *d)
{
    gs_readers *r = &p->readers;
    size_t all = outs(c, d, &p->reductions), P = (size_t)(d->V * d->T), D = (size_t)d->D;
    size_t sets = p->reductions.direct ? (size_t)d->E + 2 : 1;
    r->g = gs_arena_take(&p->arena, all * D, sizeof(float));
    r->base = gs_arena_take(&p->arena, all * P, sizeof(float));
    r->shift = gs_arena_take(&p->arena, all, sizeof(float));
    r->packed = gs_arena_take(&p->arena, (all + 31 * sets) * D, sizeof(float));
    r->row = gs_arena_take(&p->arena, (size_t)(p->most * (d->T - p->layer[0].first)), sizeof *r->row);
    if (!p->train) return;
    r->dg = gs_arena_take(&p->arena, all * D, sizeof(float));
    r->dbase = gs_arena_take(&p->arena, all * P, sizeof(float));
    r->dshift = gs_arena_take(&p->arena, all, sizeof(float));
}

static gs_product up_of(const gs_model *m, int expert)
{
    int up = gs_block_tensor(m, 0, expert);
    return gs_product_of(m, up, gs_ffn_of(&m->config)->block->biased ? up + 1 : -1);
}

static gs_product matrix_of(const gs_pass *p, int reader)
{
    if (reader == GS_READER_ROUTER) return gs_router_product(p->m, 0);
    return reader == p->m->d.E ? gs_readout_product(p) : up_of(p->m, reader);
}

/* The first row of a reader in the arrays of all. */
static size_t first_out(const gs_pass *p, int reader)
{
    const gs_dims *d = &p->m->d;
    if (reader == GS_READER_ROUTER) return 0;
    return (size_t)(p->reductions.heads ? d->E : 0) + (size_t)reader * (size_t)up_width(&p->m->config, d);
}

gs_product gs_reader(const gs_pass *p, int reader)
{
    const gs_readers *r = &p->readers;
    gs_product m = matrix_of(p, reader);
    size_t at = first_out(p, reader), D = (size_t)p->m->d.D, P = (size_t)(p->m->d.V * p->m->d.T);
    return (gs_product){.in = m.in, .out = m.out, .w = r->g + at * D, .packed = r->packed + (at + 31 * (size_t)(reader + 1)) * D,
                        .dw = r->dg ? r->dg + at * D : NULL, .base = r->base + at * P, .dbase = r->dbase ? r->dbase + at * P : NULL,
                        .row = r->row};
}

/* The readers that are in use, from first to before last; the first row of the table that a reader meets. */
static int first_reader(const gs_pass *p) { return p->reductions.heads ? GS_READER_ROUTER : 0; }
static int last_reader(const gs_pass *p, bool train) { return p->reductions.direct && train ? p->m->d.E + 1 : 0; }
static int first_row(const gs_pass *p, int reader)
{
    return p->table.start[reader == GS_READER_ROUTER ? p->table.from : p->layer[0].first];
}

void gs_readers_fill(gs_pass *p, bool train)
{
    const gs_model *m = p->m;
    const gs_table *t = &p->table;
    gs_product o = gs_attention_output(m, 0);
    int D = m->d.D;
    for (int i = first_reader(p); i < last_reader(p, train); i++) {
        gs_product M = matrix_of(p, i);
        size_t at = first_out(p, i);
        float *shift = p->readers.shift + at, *g = p->readers.g + at * (size_t)D;
        int first = first_row(p, i);
        gs_gemm(m, GS_NN, M.out, D, D, M.w, D, o.w, D, g, D, false);
        m->kernels->pack(M.out, D, g, D, p->readers.packed + (at + 31 * (size_t)(i + 1)) * (size_t)D);
        memset(shift, 0, (size_t)M.out * sizeof *shift);
        if (M.bias) memcpy(shift, M.bias, (size_t)M.out * sizeof *shift);
        gs_gemm(m, GS_NT, 1, M.out, D, o.bias, D, M.w, D, shift, M.out, true);
        M.bias = shift;
        float *base = p->readers.base + at * (size_t)(m->d.V * m->d.T) + (ptrdiff_t)first * M.out;
        gs_linear(m, &M, t->rows - first, t->x + (ptrdiff_t)first * D, base, M.out);
    }
}

void gs_readers_rows(gs_pass *p)
{
    int T = p->m->d.T, first = p->layer[0].first;
    int32_t *to = p->readers.row;
    for (int b = 0; b < p->n; b++)
        for (int t = first; t < T; t++) *to++ = p->table.row[b * T + t];
}

void gs_readers_clear(gs_pass *p)
{
    for (int i = first_reader(p); i < last_reader(p, true); i++) {
        gs_product r = gs_reader(p, i);
        memset(r.dw, 0, (size_t)r.out * (size_t)r.in * sizeof(float));
        memset(r.dbase, 0, (size_t)p->table.rows * (size_t)r.out * sizeof(float));
    }
}

static void one_back(gs_pass *p, int reader)
{
    const gs_model *m = p->m;
    const gs_table *t = &p->table;
    gs_product o = gs_attention_output(m, 0), M = matrix_of(p, reader), r = gs_reader(p, reader);
    int D = m->d.D, out = M.out, first = first_row(p, reader), rows = t->rows - first;
    float *s = p->readers.dshift + first_out(p, reader), *dbase = r.dbase + (ptrdiff_t)first * out;
    memset(s, 0, (size_t)out * sizeof *s);
    m->kernels->column_sums(rows, out, dbase, out, s);
    if (M.dbias) m->kernels->add((size_t)out, s, M.dbias);
    M.dbias = NULL;
    gs_linear_grad(m, &M, rows, dbase, out, t->x + (ptrdiff_t)first * D);
    gs_linear_back(m, &M, rows, dbase, out, t->dx + (ptrdiff_t)first * D, true);
    if (M.dw) {
        gs_gemm(m, GS_NT, out, D, D, r.dw, D, o.w, D, M.dw, D, true);
        gs_gemm(m, GS_TN, out, D, 1, s, out, o.bias, D, M.dw, D, true);
    }
    if (o.dw) gs_gemm(m, GS_TN, D, D, out, M.w, D, r.dw, D, o.dw, D, true);
    if (o.dbias) gs_gemm(m, GS_NN, 1, D, out, s, out, M.w, D, o.dbias, D, true);
}

void gs_readers_back(gs_pass *p)
{
    for (int i = first_reader(p); i < last_reader(p, true); i++) one_back(p, i);
}
