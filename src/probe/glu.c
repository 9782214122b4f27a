/* A gated block taken apart: h = act(Wg x) * (Wu x). Gate (after its activation), up and their product are looked at one by one: how many
 * dimensions they use, how much of their units' variance the answer (and the operation) explains, what a linear probe (linear.c) reads off
 * them, and for modular tasks their Fourier concentration. Is the product opaque where its factors are not?
 *
 * The bilinear tensor B[c, i, j] = sum_h Wd[c, h] sym(Wg[h, :] x Wu[h, :]) is the block itself for ffn.activation: identity, and what
 * the weights give to it otherwise. Its unfolding over c has the Gram matrix Wd M Wd^T with M[h, h'] = ((g g')(u u') + (g u')(u g')) / 2,
 * whose eigenvalues are the squared singular values (symmetrised, as only B x x counts; after Pearce et al. 2024). Experts are averaged. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "linear.h"
#include "moments.h"
#include "rows.h"
#include "spectrum.h"

enum { PARTS = 3 };
static const char *const part_names[PARTS] = {"gate", "up", "product"};

/* -- the three parts -------------------------------------------------------------------------------------------------------- */

/* Mean over the units that vary of (variance between the label's classes / variance), over the rows that have the label. */
static double between(const gs_scene *s, const gs_label *l, const float *x)
{
    size_t n = (size_t)s->units, V = (size_t)l->values;
    double *sum = gs_alloc(V * n, 8), *all = gs_alloc(n, 8), *square = gs_alloc(n, 8), share = 0;
    int *count = gs_alloc(V, sizeof *count), rows = 0, units = 0;
    for (int r = 0; r < s->rows; r++) {
        int v = l->of[gs_scene_at(s, r)];
        if (v < 0) continue;
        count[v]++, rows++;
        for (size_t h = 0; h < n; h++) {
            double value = (double)x[(size_t)r * n + h];
            sum[(size_t)v * n + h] += value, all[h] += value, square[h] += value * value;
        }
    }
    for (size_t h = 0; h < n; h++) {
        double mean = all[h] / rows, variance = square[h] / rows - mean * mean, classes = 0;
        if (variance <= 1e-12 * (square[h] / rows + 1e-30)) continue;
        for (size_t v = 0; v < V; v++)
            if (count[v]) classes += (sum[v * n + h] / count[v] - mean) * (sum[v * n + h] / count[v] - mean) * count[v] / rows;
        share += classes / variance, units++;
    }
    free(sum), free(all), free(square), free(count);
    return units ? share / units : 0;
}

/* Linear probes of the operation, or of the answer where there is none; the Fourier concentration takes their place in modular tasks. */
static void read_off(gs_scene *s, const gs_label *labels, int count)
{
    gs_linear w;
    int which = -1;
    for (int k = 0; k < count; k++)
        if (!strcmp(labels[k].name, "op") || (which < 0 && !strcmp(labels[k].name, "answer"))) which = k;
    if (which < 0 || gs_is(s->c, GS_TASK, GS_TASK_MODULAR) || !gs_linear_open(&w, s, s->units)) return;
    gs_linear_labels(&w, &labels[which], which);
    for (int l = 0; l < s->d.L; l++)
        for (int part = 0; part < PARTS; part++) {
            const float *const x[PARTS] = {s->gate[l], s->up[l], s->hidden[l]};
            double train, held = gs_linear_fit(&w, x[part], s->units, &labels[which], w.y, &train);
            gs_tell(s, held, "accuracy", l, "part=%s,of=%s", part_names[part], labels[which].name);
        }
    gs_linear_close(&w);
}

static void concentration(gs_scene *s, int layer, const char *part, const float *x)
{
    gs_spectrum f;
    double two = 0, one = 0;
    int live = 0;
    gs_spectrum_of(s, s->units, x, &f);
    for (int h = 0; h < f.n; h++) {
        if (gs_power_total(&f, h) < GS_DEAD) continue;
        live++, two += gs_concentration(&f, h, 1, false), one += gs_concentration(&f, h, 1, true);
    }
    gs_tell(s, 1 - (double)live / f.n, "dead_units", layer, "part=%s", part);
    if (live) gs_tell(s, two / live, "concentration_live", layer, "part=%s", part);
    if (live) gs_tell(s, one / live, "concentration_live_one_sided", layer, "part=%s", part);
    gs_spectrum_free(&f);
}

static void one_part(gs_scene *s, int layer, int part, const gs_label *labels, int count)
{
    const float *const x[PARTS] = {s->gate[layer], s->up[layer], s->hidden[layer]};
    gs_moments m;
    gs_moments_of(s, s->rows, s->units, x[part], false, &m);
    gs_tell(s, gs_participation(m.n, m.values), "participation_ratio", layer, "part=%s", part_names[part]);
    gs_tell(s, gs_effective_rank(m.n, m.values), "effective_rank", layer, "part=%s", part_names[part]);
    gs_moments_free(&m);
    for (int k = 0; k < count; k++)
        if (!strcmp(labels[k].name, "answer") || !strcmp(labels[k].name, "op"))
            gs_tell(s, between(s, &labels[k], x[part]), "class_variance", layer, "part=%s,of=%s", part_names[part], labels[k].name);
    if (gs_is(s->c, GS_TASK, GS_TASK_MODULAR)) concentration(s, layer, part_names[part], x[part]);
}

/* -- the bilinear tensor ------------------------------------------------------------------------------------------------------ */

/* a b^T, both (H, D) -> (H, H) */
static double *products(int H, int D, const float *a, const float *b)
{
    double *out = gs_alloc((size_t)H * (size_t)H, sizeof *out), *turned = gs_alloc((size_t)H * (size_t)D, sizeof *turned);
    for (int j = 0; j < H; j++)
        for (int d = 0; d < D; d++) turned[d * H + j] = (double)b[j * D + d];
    for (int i = 0; i < H; i++)
        for (int d = 0; d < D; d++)
            for (int j = 0; j < H; j++) out[(size_t)i * (size_t)H + (size_t)j] += (double)a[i * D + d] * turned[d * H + j];
    free(turned);
    return out;
}

/* Squared singular values of one block's unfolding: (D), owned by the caller. */
static double *bilinear(const gs_scene *s, const char *at)
{
    static const char *const names[PARTS] = {"gate", "up", "down"};
    const float *w[PARTS];
    int H = s->d.width, D = s->d.D;
    char name[64];
    for (int i = 0; i < PARTS; i++) {
        snprintf(name, sizeof name, "%s%s.weight", at, names[i]);
        w[i] = s->m->param + gs_model_tensor(s->m, name)->at;
    }
    double *gg = products(H, D, w[0], w[0]), *uu = products(H, D, w[1], w[1]), *gu = products(H, D, w[0], w[1]);
    for (int i = 0; i < H; i++)
        for (int j = 0; j < H; j++) gg[i * H + j] = (gg[i * H + j] * uu[i * H + j] + gu[i * H + j] * gu[j * H + i]) / 2;
    double *half = gs_alloc((size_t)D * (size_t)H, 8), *gram = gs_alloc((size_t)D * (size_t)D, 8), *values = gs_alloc((size_t)D, 8);
    for (int c = 0; c < D; c++)
        for (int i = 0; i < H; i++)
            for (int j = 0; j < H; j++) half[c * H + j] += (double)w[2][c * H + i] * gg[i * H + j];
    for (int c = 0; c < D; c++)
        for (int b = 0; b < D; b++)
            for (int j = 0; j < H; j++) gram[c * D + b] += half[c * H + j] * (double)w[2][b * H + j];
    gs_eigen(D, gram, values, false);
    for (int i = 0; i < D; i++) values[i] = values[i] < 0 ? 0 : values[i];
    free(gg), free(uu), free(gu), free(half), free(gram);
    return values;
}

static void tensor(gs_scene *s, int layer)
{
    bool moe = gs_is_moe(s->c);
    int blocks = moe ? s->d.E : 1;
    double effective = 0, stable = 0;
    for (int e = 0; e < blocks; e++) {
        char at[48];
        if (moe) snprintf(at, sizeof at, "blocks.%d.ffn.experts.%d.", layer, e);
        else snprintf(at, sizeof at, "blocks.%d.ffn.", layer);
        double *values = bilinear(s, at);
        effective += gs_effective_rank(s->d.D, values) / blocks, stable += gs_stable_rank(s->d.D, values) / blocks;
        free(values);
    }
    gs_tell(s, effective, "bilinear_effective_rank", layer, "%s", "");
    gs_tell(s, stable, "bilinear_stable_rank", layer, "%s", "");
}

static int run(gs_scene *s, gs_err *e)
{
    (void)e;
    gs_label labels[GS_LABELS_MOST];
    int count = gs_labels(s, labels, GS_LABELS_MOST);
    for (int l = 0; l < s->d.L; l++) {
        for (int part = 0; part < PARTS; part++) one_part(s, l, part, labels, count);
        tensor(s, l);
    }
    read_off(s, labels, count);
    for (int k = 0; k < count; k++) gs_label_free(&labels[k]);
    return 0;
}

static size_t bytes(const gs_scene *s)
{
    size_t U = (size_t)s->units, H = (size_t)s->d.width, D = (size_t)s->d.D, V = (size_t)gs_label_values_most(s);
    size_t classes = (V + 2) * U * sizeof(double) + V * sizeof(int);
    size_t tensor = (3 * H * H + 2 * H * D + D * D + D) * sizeof(double) + gs_eigen_bytes(s->d.D, false);
    bool modular = gs_is(s->c, GS_TASK, GS_TASK_MODULAR);
    size_t rest = modular ? gs_spectrum_bytes((int)gs_int(s->c, GS_TASK_MODULUS), s->units) : gs_linear_bytes(s, s->units);
    return gs_labels_bytes(s) + gs_bytes_most(gs_bytes_most(gs_moments_bytes(s->units, false), classes), gs_bytes_most(tensor, rest));
}

static bool applies(const gs_config *c) { return gs_is(c, GS_FFN_KIND, GS_FFN_GLU) || gs_is(c, GS_FFN_KIND, GS_FFN_MOE_GLU); }

static const gs_metric_row metrics[] = {
    {"participation_ratio", "dimensions", 0, false, "of the covariance of a part: gate, up, product", "layer part"},
    {"effective_rank", "dimensions", 0, false, "exp of the entropy of its spectrum", "layer part"},
    {"class_variance", "fraction", 0, true, "share of a unit's variance between the classes of answer or op, mean over units that vary",
     "layer part of"},
    {"accuracy", "fraction", 1, true, "not modular: held-out accuracy of a linear probe of op, or of the answer", "layer part of"},
    {"dead_units", "fraction", 0, true, "modular: share of the part's units without a signal over the answers", "layer part"},
    {"concentration_live", "", 1, false, "modular: two-sided Fourier concentration, mean over live units", "layer part"},
    {"concentration_live_one_sided", "", 1, false, "modular: one-sided", "layer part"},
    {"bilinear_effective_rank", "dimensions", 0, false, "of the bilinear tensor, unfolded over the output", "layer"},
    {"bilinear_stable_rank", "dimensions", 0, false, "of the bilinear tensor: sum over largest squared singular value", "layer"},
    {0}};
const gs_probe gs_probe_glu = {"glu", "gate, up and product apart; the bilinear tensor's spectrum", "glu and moe_glu", applies, metrics,
                               run, GS_SEES_HIDDEN | GS_SEES_FACTORS, 8, bytes};
