/* One checkpoint on one evaluation set, seen once: what every probe reads. Private to src/probe.
 *
 * The set is the widest that the task has (all pairs of modular, else the test set); rows are the positions from d.first on, where the
 * answer is read out: rows = n Q, Q = T - d.first, row i Q + (t - first) belongs to sequence i and position t. */
#ifndef GS_PROBE_SCENE_H
#define GS_PROBE_SCENE_H
#include "gridshift/probe.h"

enum { GS_LAYERS_MOST = 64 }; /* the key table's bound of model.layers */

/* What the pass keeps. */
enum { GS_SEES_BLOCKS = 1, GS_SEES_HIDDEN = 2, GS_SEES_FACTORS = 4, GS_SEES_ROUTES = 8, GS_SEES_LOGITS = 16, GS_SEES_PCA = 32,
       GS_SEES_EVERY = 64 };

struct gs_scene {
    const gs_measure *q;
    const gs_probe *probe; /* at work */
    const gs_model *m;
    const gs_config *c;
    gs_dims d;
    const gs_data *data;
    gs_metrics *out;
    int n, Q, rows, units; /* n: inputs; units: hidden units of a layer, E width */
    int most;              /* inputs of a pass */
    /* by layer; NULL unless a probe needs them */
    float *mix[GS_LAYERS_MOST], *attn[GS_LAYERS_MOST], *ffn[GS_LAYERS_MOST];     /* (rows, D): heads before o, the blocks' outputs */
    float *hidden[GS_LAYERS_MOST], *gate[GS_LAYERS_MOST], *up[GS_LAYERS_MOST]; /* (rows, units) */
    float *every[GS_LAYERS_MOST];                                              /* mixtures: hidden, had every token met every expert */
    int32_t *choice[GS_LAYERS_MOST];                                           /* (n T, k), all positions; -1: not routed */
    float *p[GS_LAYERS_MOST];                                                  /* (n T, E); NULL without a router */
    float *logits;                                                             /* (rows, C) */
    struct gs_moments *pca[GS_LAYERS_MOST]; /* of the hidden activations; made when first asked for */
    gs_arena arena;
};
/* Needs GS_SEES_HIDDEN and GS_SEES_PCA; borrowed, with vectors. */
const struct gs_moments *gs_scene_pca(gs_scene *s, int layer);

int gs_scene_open(gs_scene *s, const gs_measure *q, unsigned sees, gs_metrics *out, gs_err *e);
void gs_scene_close(gs_scene *s);
/* What gs_scene_open and gs_scene_pca allocate for it; of *s only c, d and the numbers up to `most` are filled. */
size_t gs_scene_bytes(gs_scene *s, const gs_config *c, unsigned sees);

/* CHECKPOINT.PROBE.METRIC[layer=L,STRATUM]: the layer only where there are several (-1: none); stratum "": none. */
void gs_tell(gs_scene *s, double value, const char *metric, int layer, const char *stratum, ...) __attribute__((format(printf, 5, 6)));

/* Row r: its place in the arrays (n, T) of the data. */
static inline size_t gs_scene_at(const gs_scene *s, int r)
{
    return (size_t)(r / s->Q) * (size_t)s->d.T + (size_t)(s->d.first + r % s->Q);
}

/* -- labels of tokens (labels.c) ------------------------------------------------------------------------------------ */

/* What is known of a token: its id, its position, its answer, or its place in a family of the task's strata (op, carry, cascade). */
typedef struct gs_label {
    char name[16];
    int values;     /* it is 0..values-1 */
    int32_t *of;    /* (n T), owned; -1: not defined for this token */
    char names[GS_STRATA_MOST][16]; /* families: of each value */
} gs_label;
/* At most `most`; those with one value alone are left out. -> how many. */
int gs_labels(const gs_scene *s, gs_label *out, int most);
/* One family of strata: those named FAMILY=VALUE; false: the task has none, or one value alone. */
bool gs_label_family(const gs_scene *s, const char *family, gs_label *out);
void gs_label_free(gs_label *l);
enum { GS_LABELS_MOST = 6 };
size_t gs_labels_bytes(const gs_scene *s); /* of GS_LABELS_MOST */
int gs_label_values_most(const gs_scene *s); /* of those that say what is to be answered: answer, op, carry, cascade */
static inline size_t gs_bytes_most(size_t a, size_t b) { return a > b ? a : b; }

/* Runs of the same config and seed draw the same. b: what for. */
typedef enum gs_probe_draw { GS_DRAW_NULL, GS_DRAW_DONOR = 64, GS_DRAW_SPLIT, GS_DRAW_CONTROL } gs_probe_draw;
static inline gs_rng gs_scene_rng(const gs_scene *s) { return gs_rng_of((uint32_t)gs_int(s->c, GS_SEED), GS_RNG_PROBE); }
#endif
