/* What the files of this stage share: the operator tables and the activations of a pass. */
#ifndef GS_NN_INTERNAL_H
#define GS_NN_INTERNAL_H
#include "gridshift/nn.h"

/* -- declaration of tensors ----------------------------------------------------------------------------------- */

typedef struct gs_layout {
    gs_tensor *at; /* NULL: only counts */
    int count;
    size_t size;
    bool frozen, expert; /* of the tensors that are declared now */
} gs_layout;
void gs_declare(gs_layout *l, gs_role role, int rows, int cols, int fan_in, const char *name, ...) __attribute__((format(printf, 6, 7)));
void gs_declare_joined(gs_layout *l, int count); /* the last `count` matrices are one product */
void gs_declare_norm(gs_layout *l, int kind, int D, const char *name);
/* Every tensor of the config's model, in forward order. */
void gs_layout_model(gs_layout *l, const gs_config *c, const gs_dims *d);

/* -- feed-forward blocks: functions of single rows; a block alone or the inside of an expert --------------------- */

typedef struct gs_block_acts {
    float *pre;  /* gated: (rows, 2 width): gate and up projections */
    float *gate; /* gated: act(gate) (rows, width) */
    float *h;    /* (rows, width): the hidden activations, after gating and dropout */
    float *d;    /* (rows, width): act' */
} gs_block_acts;

typedef struct gs_product { /* a matrix of the model, with its gradient: NULL where it is frozen */
    int in, out;
    const float *w;      /* (out, in) */
    const float *packed; /* as gs_kernels.pack leaves it */
    const float *bias;   /* (out), or NULL */
    float *dw, *dbias;
    const float *base;   /* not NULL: row i of y starts from base[row[i]] (out) instead of the bias; dbase: its gradient */
    float *dbase;
    const int32_t *row;
} gs_product;

typedef struct gs_block_use { /* one block at work on some rows */
    gs_model *m;
    int tensor;          /* index of its first tensor */
    int rows;
    gs_product up, down; /* its first and last matrix; y and dy are as wide as down's `out` */
    const float *x;      /* (rows, D) */
    const float *mask;   /* (rows, width): dropout factors, or NULL */
    gs_block_acts a;     /* at its first row */
    float *dh;           /* (rows, width; 3 width when gated): scratch of backward */
    bool train;
    bool alone;          /* backward: dx = instead of += */
} gs_block_use;

typedef struct gs_block_row {
    int tensors; /* how many it declares */
    int down;    /* which of them is the last matrix */
    bool biased; /* a bias follows it */
    bool gated;
    void (*declare)(gs_layout *l, const char *at, int D, int width);
    void (*forward)(const gs_block_use *u, float *y);                     /* y (rows, out) = */
    void (*backward)(const gs_block_use *u, const float *dy, float *dx); /* dx (rows, D) +=, or =; parameters' gradients += */
} gs_block_row;
extern const gs_block_row gs_block_dense, gs_block_glu;

/* Hidden activations of `rows` rows in an arena, or (base NULL) their size. */
void gs_block_acts_take(gs_block_acts *a, gs_arena *arena, const gs_block_row *row, size_t rows, size_t width);
gs_block_acts gs_block_acts_at(const gs_block_acts *a, size_t first, size_t width);

/* -- activations ------------------------------------------------------------------------------------------------- */

typedef struct gs_moe_acts {
    float *p;         /* (M,E): softmax of the router; also without a router: NULL */
    float *lse;       /* (M): logsumexp of the router's logits */
    int32_t *choice;  /* (M,k) */
    float *weight;    /* (M,k): gate weights */
    int32_t *place;   /* (M,k): row of the assignment in the arrays sorted by expert */
    int32_t *token;   /* (M k): row in x of a sorted row */
    int32_t *row;     /* (M k): the table's row of it, where the heads are read */
    int32_t *first;   /* (E + 1): first sorted row of each expert */
    float *x, *y;     /* (M k, D): sorted inputs and outputs of the experts */
    float *dweight;   /* (M,k) */
    float *dp;        /* (M,E) */
} gs_moe_acts;

typedef struct gs_layer_acts { /* M = B T tokens come in, Mq = B (T - first) are computed from mid on */
    int first;            /* queries are the positions from here on */
    float *x;             /* (M,D): residual stream before the layer; NULL when the table stands for it */
    float *norm1;         /* (M,D): normalised; x itself without a norm */
    float *stats1, *stats2;
    float *qkv;           /* (M,3D) */
    float *w;             /* attention weights: (B,N,Q,S), S = gs_attention_stride(T); over pairs (B, T - from, T, N) */
    float *mix;           /* (Mq,D): heads before o */
    float *kept;          /* (Mq,D): rows of x that go on; x itself when that is all */
    float *mid, *norm2;   /* (Mq,D): stream after attention, normalised */
    float *mask_w, *mask_attn, *mask_ffn; /* dropout factors of the weights, of attention's and of the block's output */
    float *mask_h;        /* (rows, width): of the hidden activations */
    gs_block_acts block;
    gs_moe_acts moe;
} gs_layer_acts;

typedef struct gs_table { /* the first layer's inputs as (token, position) pairs: pairs.c */
    int rows;                      /* those that occur in the batch, by position, then token; at most V T */
    int from;                      /* the first position whose weights are needed */
    int32_t *id;                   /* (V T): row of position V + token */
    int32_t *token, *position;     /* (rows) */
    int32_t *start;                /* (T + 1): first row of each position */
    int32_t *row;                  /* (M): row of each token of the chunk */
    float *x, *norm, *stats, *qkv; /* (rows, D), (rows, D), (rows, 2), (rows, 3D) */
    float *dx, *dqkv;              /* gradients, summed over a whole batch */
    float *scores, *dscores;       /* (rows from `from` on, rows, N) */
    float *block, *packed;         /* scratch: (N, 16, rows), packed k of each head */
    float *dw;                     /* (n, T - from, T, N) */
    float *each, *deach;           /* (rows, N, E) */
} gs_table;

enum { GS_READER_ROUTER = -1 }; /* then the experts' first matrices, then (E) the readout */
typedef struct gs_readers { /* readers.c: arrays of all readers, one after the other */
    float *g, *base, *shift, *packed; /* (out, D), (rows, out), (out) */
    float *dg, *dbase, *dshift;
    int32_t *row;                     /* (Mq): the table's row of each row of mix */
} gs_readers;

typedef struct gs_fold { /* fold.c: F and f of every expert, with their gradients: (E, C, width), (E, C) */
    float *w, *bias, *dw, *dbias, *packed;
} gs_fold;

struct gs_pass {
    gs_model *m;
    int most, n;       /* sequences: room, and those of the last forward */
    bool train;
    gs_reductions reductions;
    gs_arena arena;
    gs_layer_acts *layer; /* (L + 1): the last has only x (Mq,D), the stream before the readout */
    gs_table table;
    gs_readers readers;
    gs_fold fold;
    float *mask_embed;
    /* readout */
    int rows;
    int32_t *row;                                  /* (rows): into the last stream */
    float *read, *read_norm, *read_stats, *logits; /* (M,D), (M,D), (M,2), (M,C) */
    int32_t *row_room, *target_room;               /* (M): for gs_gradient */
    uint8_t *right_room;                           /* (M) */
    /* scratch of backward */
    float *dx, *dnorm, *dqkv, *dmix, *dh, *sorted; /* (M,D), (M,D), (M,3D), (M,D), (rows, 1 or 3 width), (M k, D) */
    float *attention;                              /* scratch of one head */
    float *dread;                                  /* (C,D): gradient of a tied readout; else NULL */
    gs_routing routing;
};

typedef struct gs_ffn_use { /* one layer's feed-forward block in a pass */
    gs_pass *p;
    int layer, tensor; /* tensor: index of the block's first tensor */
    const int32_t *tokens;
    const float *x;    /* (rows, D): its (normalised) input, or (gs_direct) the heads */
    int rows, out;     /* out: width of the rows of y and dy, D or (folded) C */
    const gs_view *view;
} gs_ffn_use;

typedef struct gs_ffn_row {
    const char *name;
    const gs_block_row *block;
    bool mixture;
    void (*declare)(gs_layout *l, const gs_config *c, const gs_dims *d, const char *at);
    void (*take)(gs_layer_acts *a, gs_arena *arena, const gs_config *c, const gs_dims *d, size_t tokens);
    void (*forward)(const gs_ffn_use *u, float *y, gs_routing *routing);                         /* y (M,out) = */
    void (*backward)(const gs_ffn_use *u, const float *dy, float *dx, const gs_routing *routing); /* dx += */
} gs_ffn_row;
const gs_ffn_row *gs_ffn_of(const gs_config *c); /* the operator table: one row per ffn.kind */

void gs_moe_declare(gs_layout *l, const gs_config *c, const gs_dims *d, const char *at);
void gs_moe_take(gs_layer_acts *a, gs_arena *arena, const gs_config *c, const gs_dims *d, size_t tokens);
void gs_moe_forward(const gs_ffn_use *u, float *y, gs_routing *routing);
void gs_moe_backward(const gs_ffn_use *u, const float *dy, float *dx, const gs_routing *routing);
/* The router (router.c): fills choice, weight and, where there is one, p and lse; adds to the routing sums. */
void gs_route(const gs_ffn_use *u, gs_moe_acts *a, int tokens, gs_routing *routing);
/* dweight (M,k) -> gradient of the router's weight and of x. */
void gs_route_back(const gs_ffn_use *u, gs_moe_acts *a, int tokens, float *dx, const gs_routing *routing);
bool gs_has_router(const gs_config *c); /* learned or frozen */
gs_product gs_router_product(const gs_model *m, int layer);
int gs_routed_from(const gs_config *c, const gs_dims *d); /* the first position that counts in the routers' losses */
bool gs_balances(const gs_config *c);   /* its balancing loss has a gradient, which needs the fractions of the whole batch */

/* Attention's part of a layer: from norm1 (or the table) to the block's output (Mq,D), before dropout and the residual sum.
 * Backward: of the heads' inputs into dqkv, which the caller cleared; then into dx, of norm1's output. */
void gs_attention_inputs(gs_pass *p, int tensor, int rows, const float *norm, float *qkv);
void gs_attention_forward(gs_pass *p, int layer, const gs_view *view, float *out);
/* dout (n (T - first), D): gradient of attention's output -> that of the heads, in dmix; with a table on into its rows. Without one
 * gs_attention_heads_back goes on, to the normalised inputs: dx (n T, D) +=. */
void gs_attention_backward(gs_pass *p, int layer, const float *dout);
void gs_attention_heads_back(gs_pass *p, int layer, float *dx);
gs_product gs_attention_output(const gs_model *m, int layer);
void gs_attention_inputs_back(gs_pass *p, int tensor, int rows, const float *norm, const float *dqkv, float *dx);
int gs_attention_tensors(const gs_config *c);

/* The first query of the last layer. A router without `heads` needs the stream at every position that its losses count. */
int gs_first_query(const gs_config *c, const gs_dims *d, const gs_reductions *r);
size_t gs_pass_bytes(const gs_config *c, const gs_dims *d, int most, int batch); /* of a training pass */

/* After gs_readout, whose logits now hold their gradient: adds to m->grad; that of a tied readout goes to p->dread, so that
 * the embedding's gradient does not depend on how a batch is cut into chunks. */
void gs_backward(gs_pass *p, const int32_t *tokens, const gs_view *view, const gs_routing *routing);

/* The table (pairs.c). */
void gs_pairs_take(gs_pass *p, const gs_config *c, const gs_dims *d);
void gs_pairs_fill(gs_pass *p, const int32_t *tokens, int count); /* for the pairs of a batch's tokens (count), or (NULL) for all */
void gs_pairs_rows(gs_pass *p, const int32_t *tokens);            /* of a chunk */
void gs_pairs_weights(gs_pass *p, int from);                      /* of the queries from a position on, into the first layer's w */
void gs_pairs_mix(gs_pass *p, float *mix);                        /* (Mq,D): heads before o */
void gs_pairs_logits(gs_pass *p, float *r);                       /* (M,E): of the router, from position `from` on */
void gs_pairs_attention_back(gs_pass *p, const float *dmix);
void gs_pairs_clear(gs_pass *p);                                  /* before a batch */
void gs_pairs_back(gs_pass *p);                                   /* after its last chunk */

/* The readers of attention's heads (readers.c). */
void gs_readers_take(gs_pass *p, const gs_config *c, const gs_dims *d);
void gs_readers_fill(gs_pass *p, bool train); /* after the table's x */
void gs_readers_rows(gs_pass *p);             /* of a chunk */
void gs_readers_clear(gs_pass *p);
void gs_readers_back(gs_pass *p);
gs_product gs_reader(const gs_pass *p, int reader);
bool gs_direct(const gs_pass *p, const gs_view *view); /* the block and the readout read the heads */

/* Packs the matrices and fills the table: before the first chunk of a batch (tokens (n,T)) or of an evaluation set (NULL). */
void gs_prepare(gs_pass *p, const int32_t *tokens, int n);
void gs_normalise(const gs_pass *p, int tensor, int rows, const float *x, float *y, float *stats);
/* dy: gradient of the normalised rows; dx +=. */
void gs_normalise_back(const gs_pass *p, int tensor, int rows, const float *x, const float *stats, const float *dy, float *dx);
void gs_embed_back(const gs_pass *p, int token, int position, const float *dx);

/* The readout folded into the last feed-forward block (fold.c), in training where gs_reductions says so. begin and end: of a batch. */
void gs_fold_take(gs_pass *p, const gs_config *c, const gs_dims *d);
bool gs_folded(const gs_pass *p, int layer, const gs_view *view);
void gs_fold_begin(gs_pass *p);
void gs_fold_end(gs_pass *p);
void gs_fold_logits(gs_pass *p, const float *y, int rows); /* y (rows, C): the block's share */
float *gs_fold_readout(gs_pass *p, const int32_t *rows, int count);        /* as gs_readout; rows ascend */
void gs_fold_back(gs_pass *p);                                              /* logits' gradient -> dx, without the block's share */
gs_product gs_block_up(const gs_pass *p, int layer, int expert, const gs_view *view);   /* a block's first matrix */
gs_product gs_block_down(const gs_pass *p, int layer, int expert, const gs_view *view); /* a block's last matrix, folded or not */
int gs_block_tensor(const gs_model *m, int layer, int expert);              /* a block's first tensor */
gs_product gs_readout_product(const gs_pass *p);
void gs_readout_rows(gs_pass *p, const int32_t *rows, int count);           /* p->rows and p->row: rows of the last stream */

/* -- small shared things -------------------------------------------------------------------------------------------- */

static inline float *gs_param(const gs_model *m, int tensor) { return m->param + m->tensors[tensor].at; }
static inline float *gs_grad(const gs_model *m, int tensor) { return m->grad + m->tensors[tensor].at; }
enum { GS_GROUP = 144 }; /* rows of consecutive products that stay in the level-2 cache between them; whole register blocks */
/* Asks for floats that are about to be used in an order that the processor's prefetchers do not follow. */
static inline void gs_fetch(const float *x, size_t count)
{
    for (size_t i = 0; i < count; i += 64 / sizeof *x) __builtin_prefetch(x + i, 1, 2);
}
/* y(rows, out) = x(rows, in) W^T + bias, dx(rows, in) (+)= dy(rows, out) W, dW += dy^T x and dbias += column sums of dy; rows of y and dy
 * are ldy apart, those of x and dx `in`. By the config's `gemm`. */
void gs_linear(const gs_model *m, const gs_product *w, int rows, const float *x, float *y, int ldy);
void gs_linear_back(const gs_model *m, const gs_product *w, int rows, const float *dy, int ldy, float *dx, bool add);
/* The first and, not added, the second with what follows on the finished elements; rows of dx ldx apart. */
void gs_linear_then(const gs_model *m, const gs_product *w, int rows, const float *x, float *y, int ldy, const gs_epilogue *end);
void gs_linear_back_then(const gs_model *m, const gs_product *w, int rows, const float *dy, int ldy, float *dx, int ldx,
                         const gs_epilogue *end);
void gs_linear_grad(const gs_model *m, const gs_product *w, int rows, const float *dy, int ldy, const float *x);
/* The product that begins at a tensor; bias: the tensor of its bias, or -1. */
gs_product gs_product_of(const gs_model *m, int tensor, int bias);
void gs_gemm(const gs_model *m, gs_gemm_op op, int M, int N, int K, const float *A, int lda, const float *B, int ldb, float *C, int ldc,
             bool add);
void gs_model_pack(gs_model *m);
/* Dropout factors: 0, or 1 / (1 - rate). element counts from the first sequence of the batch. */
typedef enum gs_drop_site { GS_DROP_EMBED, GS_DROP_WEIGHTS, GS_DROP_ATTN, GS_DROP_HIDDEN, GS_DROP_FFN } gs_drop_site;
void gs_drop(const gs_model *m, gs_drop_site site, int layer, const gs_view *view, size_t first, size_t count, float *mask);
/* The same for the rows of a layer from its first query on: (n (T - first), width), keyed by the token in its batch. */
void gs_drop_rows(const gs_pass *p, gs_drop_site site, int layer, const gs_view *view, int width, float *mask);
/* Replaces (patch), stores (record) or shows (watch) the values of a site: x (n (T - first), D), the layer's positions from first on. */
void gs_visit(const gs_pass *p, const gs_view *view, gs_site site, int layer, float *x);
/* An ablated pass that begins at its site, in the first layer: the clean values of a site (gs_patch.resume). */
bool gs_resumes(const gs_view *view, int layer);
void gs_restore(const gs_pass *p, const gs_view *view, gs_site site, int layer, float *x);

/* The tensors of a layer, by their first index; layer L: only norm1, the norm before the readout. */
typedef struct gs_indices { int norm1, attention, norm2, ffn; } gs_indices;
gs_indices gs_layer_tensors(const gs_model *m, int layer);
int gs_readout_tensor(const gs_model *m);
#endif
