/* gridshift configuration: the key table and one run's typed config. A library that any stage may include.
 *
 * keys.def is the table; from it come parsing, validation, "did you mean", the canonical config, the run id, `gridshift
 * keys` and the columns of every export. Implemented in src/sweep/keys.c and src/sweep/config.c. Everything is local. */
#ifndef GRIDSHIFT_CONFIG_H
#define GRIDSHIFT_CONFIG_H
#include "gridshift/base.h"

typedef enum gs_key {
#define KEY(symbol, ...) GS_##symbol,
#include "gridshift/keys.def"
    GS_KEY_COUNT
} gs_key;

typedef enum gs_type { GS_TYPE_INT, GS_TYPE_REAL, GS_TYPE_BOOL, GS_TYPE_ENUM } gs_type;

/* The values of the ENUM keys that code branches on, in the order of their choices. */
enum { GS_TASK_ADDITION, GS_TASK_MODULAR, GS_TASK_HISTOGRAM, GS_TASK_COUNT };
enum { GS_LEAVE_NONE, GS_LEAVE_CARRY, GS_LEAVE_ONES, GS_LEAVE_DIGITS };
enum { GS_OP_ADD, GS_OP_SUBTRACT, GS_OP_MULTIPLY };
enum { GS_PARTS_PROPER, GS_PARTS_ANY };
enum { GS_NORM_NONE, GS_NORM_RMS, GS_NORM_LAYER };
enum { GS_MASK_CAUSAL, GS_MASK_FULL };
enum { GS_INIT_TORCH, GS_INIT_NANDA, GS_INIT_GPT2 };
enum { GS_FFN_DENSE, GS_FFN_GLU, GS_FFN_MOE, GS_FFN_MOE_GLU };
enum { GS_ACT_RELU, GS_ACT_GELU, GS_ACT_SILU, GS_ACT_IDENTITY, GS_ACT_GELU_TANH };
enum { GS_ROUTER_LEARNED, GS_ROUTER_FROZEN, GS_ROUTER_HASH, GS_ROUTER_UNIFORM };
enum { GS_GATE_RENORM, GS_GATE_RAW };
enum { GS_POSITIONS_ALL, GS_POSITIONS_LOSS };
enum { GS_SCHEDULE_CONSTANT, GS_SCHEDULE_COSINE };
enum { GS_STOP_END, GS_STOP_FIRST99 };
enum { GS_SELECT_EXACT, GS_SELECT_ACCURACY };
enum { GS_SPECTRA_OFF, GS_SPECTRA_QR, GS_SPECTRA_GRAM };
enum { GS_GEMM_OWN, GS_GEMM_BLAS };

typedef struct gs_value {
    bool set;  /* false: absent */
    int64_t i; /* INT; BOOL 0 or 1; ENUM the index of the choice */
    double r;  /* REAL */
} gs_value;

typedef struct gs_config {
    gs_value v[GS_KEY_COUNT]; /* plain data: copy by assignment */
} gs_config;

typedef struct gs_key_row {
    const char *name;
    gs_type type;
    const char *choices; /* ENUM: words separated by blanks */
    double low, high;    /* inclusive bounds of INT and REAL */
    const char *unit;
    const char *defaults[GS_TASK_COUNT]; /* "": none */
    const char *when_text;               /* the applicability in words, e.g. "ffn.kind is moe or moe_glu" */
    bool (*when)(const gs_config *c);
    bool identity;
    const char *doc;
} gs_key_row;

extern const gs_key_row gs_keys[GS_KEY_COUNT];

int gs_key_find(const char *name); /* -> gs_key, or -1 */
/* The nearest key name by edit distance, for "did you mean"; NULL when nothing is near. */
const char *gs_key_nearest(const char *name);
/* The word of list (count) that is nearest by edit distance (insert, delete, replace, swap); NULL when none is near. */
const char *gs_word_nearest(const char *word, const char *const *list, int count);
/* A word for something of a later version: a key, kind or choice of the design that this version refuses
 * ("sparse_gated", "text", "probe", ...). The caller then says "not in this version". */
bool gs_is_later(const char *word);

/* Text -> typed value by the row's type and bounds. Integers may be written 1e4; REAL takes what strtod takes, but not
 * nan, inf or hex; BOOL true or false. The error names the key, the value and what is allowed; it has no position. */
int gs_value_parse(gs_key key, const char *text, gs_value *out, gs_err *e);
const char *gs_value_text(gs_key key, gs_value v, char out[64]); /* back to text: shortest; "" when absent; returns out */
bool gs_value_same(gs_key key, gs_value a, gs_value b);

/* All defaults of a task (a GS_TASK_...), every key set that has one, whether it applies or not. */
void gs_config_defaults(int task, gs_config *out);
/* The canonical form, in place: keys that do not apply become absent, data_seed and init_seed that equal `seed` become
 * absent, model.positions 0 becomes the sequence's length. */
void gs_config_canonical(gs_config *c);
/* Everything that no single key's row can know: heads divide d_model, top_k <= experts, experts <= width, addend fits the
 * digits, positions hold the sequence, tied needs classes = vocabulary, ... On a canonical config. The text names the
 * keys. -> 0, or -1; *key (may be NULL) is the key to blame. */
int gs_config_check(const gs_config *c, gs_key *key, gs_err *e);
/* A flat JSON object of dotted keys (a checkpoint's metadata, a record) -> canonical, checked config. Missing keys take
 * the task's default. Keys that this version does not know are errors. */
int gs_config_from_json(const char *json, gs_config *out, gs_err *e);
/* The canonical text: one flat JSON object, keys in the order of their names, no blanks; what the id is the hash of.
 * identity_only leaves out the keys that change no metric. Owned by the caller. */
char *gs_config_json(const gs_config *c, bool identity_only);
/* 128-bit hash (XXH3) of the canonical identity JSON and GS_RESULT_VERSION: 32 hex digits. */
#define GS_RESULT_VERSION 2 /* raise it when the same config no longer gives the same metrics */
void gs_config_id(const gs_config *c, char id[33]);
/* The same for many configs: what two in a row share is written once. */
typedef struct gs_identity gs_identity;
gs_identity *gs_identity_open(void);
gs_hash gs_identity_of(gs_identity *w, const gs_config *c);
void gs_identity_close(gs_identity **w); /* nulls */

/* Shorthands. gs_int of an absent key is 0, gs_real_of 0.0: callers ask only where the key applies. */
static inline int64_t gs_int(const gs_config *c, gs_key k) { return c->v[k].set ? c->v[k].i : 0; }
static inline double gs_num(const gs_config *c, gs_key k) { return c->v[k].set ? c->v[k].r : 0.0; }
static inline bool gs_is(const gs_config *c, gs_key k, int64_t value) { return c->v[k].set && c->v[k].i == value; }
static inline bool gs_leaves_out(const gs_config *c) { return c->v[GS_TASK_LEAVE].set && c->v[GS_TASK_LEAVE].i != GS_LEAVE_NONE; }
static inline bool gs_is_moe(const gs_config *c) { return c->v[GS_FFN_KIND].i == GS_FFN_MOE || c->v[GS_FFN_KIND].i == GS_FFN_MOE_GLU; }
static inline uint32_t gs_data_seed(const gs_config *c)
{
    return (uint32_t)c->v[c->v[GS_TRAIN_DATA_SEED].set ? GS_TRAIN_DATA_SEED : GS_SEED].i;
}
static inline uint32_t gs_init_seed(const gs_config *c)
{
    return (uint32_t)c->v[c->v[GS_TRAIN_INIT_SEED].set ? GS_TRAIN_INIT_SEED : GS_SEED].i;
}
#endif
