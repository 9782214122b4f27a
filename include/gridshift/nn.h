/* gridshift nn: gs_config + tokens -> logits, losses and gradients. DESIGN section 6; oracle: tests/golden.
 *
 * Shapes: B sequences, T positions, M = B T tokens, D d_model, N heads, K = D/N, H hidden width, E experts, k top_k,
 * V vocabulary, C classes, L layers, R rows that are read out. Everything is local; nothing here allocates after
 * gs_model_open and gs_pass_open. */
#ifndef GRIDSHIFT_NN_H
#define GRIDSHIFT_NN_H
#include "gridshift/count.h"
#include "gridshift/linalg.h"
#include "gridshift/metric.h"

typedef enum gs_role { GS_ROLE_EMBED, GS_ROLE_UNEMBED, GS_ROLE_WEIGHT, GS_ROLE_BIAS, GS_ROLE_ONE, GS_ROLE_ZERO } gs_role;

typedef struct gs_tensor {
    char name[56];  /* the name in a checkpoint, e.g. blocks.0.ffn.up.weight */
    int rows, cols; /* (out, in) as PyTorch has them; cols 0: a vector of `rows` */
    int fan_in;     /* of the linear map that it belongs to */
    gs_role role;
    int out;        /* rows of the product that begins here (q: those of q, k and v together); 0: inside such a product */
    bool expert;    /* inside one expert of a mixture */
    bool frozen;    /* no gradient, no decay, not in the clipping norm */
    size_t at;      /* first element in the parameter array */
} gs_tensor;
static inline size_t gs_tensor_size(const gs_tensor *t) { return (size_t)t->rows * (size_t)(t->cols ? t->cols : 1); }

typedef struct gs_dims {
    int T, V, C, D, N, K, H, E, k, L;
    int first;     /* the first position that is read out */
    int positions; /* rows of the position table */
    int width;     /* hidden units of one block: H, or floor(H / E) in an expert */
} gs_dims;
gs_dims gs_dims_of(const gs_config *c);

typedef struct gs_model {
    gs_config config;
    gs_dims d;
    const gs_kernels *kernels;
    int tensor_count;
    gs_tensor *tensors; /* (tensor_count), in forward order, contiguous in `param` */
    size_t size;        /* elements in all */
    float *param;       /* (size), owned */
    float *grad;        /* (size), owned; NULL unless opened for training. Frozen tensors stay 0 */
    float **packed;     /* (tensor_count): W^T as gs_kernels.pack leaves it; NULL where no product begins */
    int32_t *hash;      /* (V,k): experts of a token under router.mode hash, owned; else NULL */
    gs_arena arena;
} gs_model;

/* c canonical and checked; d: its dimensions, gs_dims_of(c), unless a checkpoint's tensors say otherwise. Parameters are
 * zero until gs_model_init or a checkpoint fills them. */
int gs_model_open(const gs_config *c, gs_dims d, bool train, gs_model **out, gs_err *e);
size_t gs_model_bytes(const gs_config *c, const gs_dims *d); /* of one that is not for training */
void gs_model_close(gs_model **m);
void gs_model_init(gs_model *m);                              /* by model.init and the init seed */
const gs_tensor *gs_model_tensor(const gs_model *m, const char *name); /* NULL: none */

/* Work that is skipped because no result needs it (`reductions`; the tests hold it against the plain algorithm):
 * - table: the first layer's q, k and v depend on (token, position) only. They are computed once per batch for the pairs that occur in
 *   it, and their gradients are summed by pair before they meet a matrix. Used when V T is below half of the batch's tokens and
 *   the embedding has no dropout. Sums run in another order than in the plain algorithm.
 * - pairs: the scores of two pairs are a table too. Up to GS_PAIR_KEYS positions, V^2 T at most 16 batch, no dropout of the weights.
 * - heads: a router's logits come straight from the heads of attention (src/nn/pairs.c), so that attention's output is made only from
 *   d.first on, and a balancing loss costs no second sweep over it. One layer, a table of pairs, no norm, no residual dropout.
 * - first: in the last layer only positions that are read out (from d.first on) need queries, attention's output, a
 *   feed-forward block and a readout. A router whose losses count all positions sees all of them, but its experts see only those.
 *   By itself the same bits as the plain algorithm.
 * - fold: in training, the readout is multiplied into the last feed-forward block's last matrix once per batch, and the block makes
 *   logits (src/nn/fold.c). Used without norm and residual dropout, where C is so far below D that it pays.
 * - direct: in training, attention's output matrix is multiplied once per batch into all that read it: the block's first matrix and the
 *   readout (src/nn/readers.c). One layer, a table of pairs, fold; where a batch has enough rows that it pays. */
typedef struct gs_reductions {
    bool table, pairs, heads;
    int first; /* 0: all positions */
    bool fold, direct;
} gs_reductions;
gs_reductions gs_reductions_of(const gs_config *c, const gs_dims *d, int batch);

/* -- one pass over some sequences -------------------------------------------------------------------------- */

/* What an ablation puts in place of a site: see gs_patch. Filled by a clean pass over the whole evaluation set. */
typedef struct gs_clean {
    int n;                 /* sequences of the set */
    float **site[3];       /* [attention's heads before o, attn.out, ffn.out][layer]: (n T, D) */
    float **mean[3];       /* the same, averaged over the sequences: (T, D) */
    gs_arena arena;
    float **pointers;
} gs_clean;

typedef struct gs_patch {
    gs_site site;
    int index;             /* head or expert */
    gs_mode mode;
    int layer;             /* -1: all */
    const gs_clean *clean; /* for mean and resample */
    const int32_t *from;   /* (n): resample: sequence i gets the site of sequence from[i] */
    bool one_position;     /* only at `position` */
    int position;
    bool resume;           /* clean holds this very set, by this pass and these parameters: what lies before the site in the first layer
                            * is taken from there, with the same bits */
} gs_patch;

/* Sees what a forward pass leaves at a site, after a patch: x (n (T - gs_pass_first(layer)), D). */
typedef struct gs_watch gs_watch;
struct gs_watch {
    void (*see)(gs_watch *w, gs_site site, int layer, const float *x);
};

typedef struct gs_view {
    bool train;            /* dropout on; activations kept for gs_backward */
    int64_t step;          /* keys dropout and the uniform router */
    int first;             /* index of the first sequence in its batch or set */
    const gs_patch *patch; /* NULL: none */
    gs_clean *record;      /* not NULL: the sites are stored here */
    gs_watch *watch;       /* may be NULL */
    bool routes_only;      /* stop at the last layer's router: for the sums that a balancing loss needs beforehand */
} gs_view;

/* Multiplications of matrices in one training step, in FLOPs (2 per multiply-add): those of the plain algorithm, and those that are
 * performed after gs_reductions_of, with the products that a reduction adds. The plain one reads out rows with a target alone.
 * tokens and targets are (batch, T), or NULL: every token at every position, a target wherever the task has losses. Attention's scores
 * and sums count in full (the mask is ignored), those of a table as they are made; element-wise work does not count. */
void gs_step_flops(const gs_config *c, const gs_dims *d, int batch, const int32_t *tokens, const int32_t *targets, double *plain,
                   double *performed);

typedef struct gs_pass gs_pass; /* activations of up to `most` sequences */
/* Sequences of one chunk, at most the batch: activations about as large as a level-2 cache. A pure function of the config. */
int gs_chunk(const gs_config *c, const gs_dims *d, int batch);
/* batch: sequences of a whole batch or set, for the choice of gs_reductions_of. */
int gs_pass_open(gs_model *m, int most, int batch, bool train, gs_pass **out, gs_err *e);
void gs_pass_close(gs_pass **p);
const gs_model *gs_pass_model(const gs_pass *p);
int gs_pass_most(const gs_pass *p);

/* Sums over the tokens of a batch that the losses of the routers need, per layer; zero it before the first chunk. */
typedef struct gs_routing {
    double *mass;    /* (L,E): sum of p over tokens */
    double *count;   /* (L,E): assignments */
    double *square;  /* (L): sum of squared logsumexp */
    double tokens;
} gs_routing;

/* tokens (n,T), n <= most. Leaves the residual stream in the pass. routing may be NULL. A view whose first is 0 begins a batch or a
 * set: the matrices are packed anew then, so parameters may have changed before it, and only before it. */
void gs_forward(gs_pass *p, const int32_t *tokens, int n, const gs_view *view, gs_routing *routing);
/* Reads out the tokens rows[0..count) (indices into n T, positions from d.first on): logits (count, C), owned by the pass. */
float *gs_readout(gs_pass *p, const int32_t *rows, int count);

typedef struct gs_losses {
    double total, ce, aux, z; /* total = ce + aux_weight aux + z_weight z; aux and z summed over layers, unweighted; z: 0 without weight */
    double accuracy;          /* over all targets of the batch */
} gs_losses;
/* Loss of a whole batch (tokens, targets (n,T), -1: none) and its gradient into m->grad, in chunks of the pass's size. */
gs_losses gs_gradient(gs_pass *p, const int32_t *tokens, const int32_t *targets, int n, int64_t step);

/* Mixtures, after gs_forward: choice (M,k), most probable first, and probabilities (M,E; NULL without a router). All positions from
 * gs_pass_routed on; after a patched pass only those that are read out. */
const int32_t *gs_pass_choice(const gs_pass *p, int layer);
const float *gs_pass_probability(const gs_pass *p, int layer);
int gs_pass_routed(const gs_pass *p, int layer);
int gs_pass_first(const gs_pass *p, int layer); /* the first position that the layer computes after attention */
/* The hidden activations of the last forward, from position d.first on: out (n (T - first), E width), owned by the caller. A unit of an
 * expert that the token did not meet is 0. GATE (act of it) and UP: the two factors of a gated block. */
typedef enum gs_hidden { GS_HIDDEN_ALL, GS_HIDDEN_GATE, GS_HIDDEN_UP } gs_hidden;
void gs_pass_hidden(const gs_pass *p, int layer, gs_hidden what, float *out);
/* Mixtures: the same (GS_HIDDEN_ALL) as if every token had met every expert, after a forward without a patch and not in training. */
void gs_pass_every_expert(const gs_pass *p, int layer, float *out);

/* Places for gs_view.record: n sequences. */
size_t gs_clean_bytes(const gs_dims *d, int n); /* what gs_clean_open will allocate */
int gs_clean_open(gs_clean *c, const gs_dims *d, int n, gs_err *e);
void gs_clean_means(gs_clean *c, const gs_dims *d); /* in double, in input order */
void gs_clean_close(gs_clean *c);
#endif
