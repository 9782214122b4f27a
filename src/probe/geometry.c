/* How many directions activations and weights use. Activations over all rows that are read out, centred; weights as they are, experts
 * averaged. With l the eigenvalues of the covariance (or the squared singular values): participation ratio (sum l)^2 / sum l^2, effective
 * rank exp(entropy of l / sum l), stable rank sum l / max l. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "moments.h"
#include "rows.h"

static void tell(gs_scene *s, int layer, const char *of, int n, const double *values)
{
    gs_tell(s, gs_participation(n, values), "participation_ratio", layer, "of=%s", of);
    gs_tell(s, gs_effective_rank(n, values), "effective_rank", layer, "of=%s", of);
    gs_tell(s, gs_stable_rank(n, values), "stable_rank", layer, "of=%s", of);
}

static void activations(gs_scene *s, int layer)
{
    gs_moments m;
    tell(s, layer, "hidden", s->units, gs_scene_pca(s, layer)->values);
    gs_moments_of(s, s->rows, s->d.D, s->attn[layer], false, &m);
    tell(s, layer, "attn", m.n, m.values);
    gs_moments_free(&m);
    gs_moments_of(s, s->rows, s->d.D, s->ffn[layer], false, &m);
    tell(s, layer, "ffn", m.n, m.values);
    gs_moments_free(&m);
}

/* "blocks.2.ffn.experts.0.up.weight" -> layer 2, "up"; "embed.weight" -> -1, "embed". False: no matrix. */
static bool name_of(const gs_tensor *t, int *layer, char word[16])
{
    const char *end = strstr(t->name, ".weight"), *start = end;
    if (!t->cols || !end || end[7]) return false;
    while (start > t->name && start[-1] != '.') start--;
    snprintf(word, 16, "%.*s", (int)(end - start), start);
    if (sscanf(t->name, "blocks.%d.", layer) != 1) *layer = -1;
    return true;
}

/* The same matrix of every expert of a layer counts as one: averaged at its first expert. */
static void weights(gs_scene *s)
{
    for (int i = 0; i < s->m->tensor_count; i++) {
        char word[16], other[16];
        int layer, at, count, experts = 0;
        double participation = 0, effective = 0, stable = 0;
        bool first = true;
        if (!name_of(&s->m->tensors[i], &layer, word)) continue;
        for (int j = 0; j < s->m->tensor_count; j++) {
            const gs_tensor *t = &s->m->tensors[j];
            if (!name_of(t, &at, other) || at != layer || strcmp(word, other)) continue;
            first = first && (experts || j == i);
            if (!first) break;
            double *values = gs_squared_singulars(t->rows, t->cols, s->m->param + t->at, &count);
            participation += gs_participation(count, values);
            effective += gs_effective_rank(count, values), stable += gs_stable_rank(count, values), experts++;
            free(values);
        }
        if (!first) continue;
        gs_tell(s, participation / experts, "weight_participation_ratio", layer, "of=%s", word);
        gs_tell(s, effective / experts, "weight_effective_rank", layer, "of=%s", word);
        gs_tell(s, stable / experts, "weight_stable_rank", layer, "of=%s", word);
    }
}

static int run(gs_scene *s, gs_err *e)
{
    (void)e;
    for (int l = 0; l < s->d.L; l++) activations(s, l);
    weights(s);
    return 0;
}

/* Every matrix has D rows or D columns. */
static size_t bytes(const gs_scene *s)
{
    size_t streams = gs_bytes_most(gs_moments_bytes(s->d.D, false), gs_singulars_bytes(s->d.D, s->d.D));
    return gs_bytes_most(gs_moments_bytes(s->units, true), streams);
}

static bool applies(const gs_config *c) { return (void)c, true; }

static const gs_metric_row metrics[] = {
    {"participation_ratio", "dimensions", 0, false, "of the activations: hidden, attn (attention's output), ffn (the block's output)",
     "layer of"},
    {"effective_rank", "dimensions", 0, false, "exp of the entropy of the covariance's spectrum", "layer of"},
    {"stable_rank", "dimensions", 0, false, "trace over largest eigenvalue of the covariance", "layer of"},
    {"weight_participation_ratio", "dimensions", 0, false, "of a weight matrix, from its squared singular values", "layer of"},
    {"weight_effective_rank", "dimensions", 0, false, "of a weight matrix, from its squared singular values: q, k, v, o, up, ...",
     "layer of"},
    {"weight_stable_rank", "dimensions", 0, false, "squared Frobenius over squared spectral norm of a weight matrix", "layer of"},
    {0}};
const gs_probe gs_probe_geometry = {"geometry", "how many directions activations and weights use", "every run", applies, metrics, run,
                                    GS_SEES_HIDDEN | GS_SEES_PCA | GS_SEES_BLOCKS, 6, bytes};
