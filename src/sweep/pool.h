/* The runs of a sweep while they are made: the product, the include rows, and which of them stay. Local.
 *
 * Order: product under when x zip -> exclude -> include. A run that goes is only marked: match still looks at runs that --set
 * hid, so that a narrowed sweep gives its runs the widths and the ids that the whole sweep gives them. */
#ifndef GS_SWEEP_POOL_H
#define GS_SWEEP_POOL_H
#include "sweep/spec.h"

typedef enum gs_fate { GS_STAYS, GS_EXCLUDED, GS_HIDDEN, GS_DUPLICATE } gs_fate;
typedef struct gs_pool {
    int count, product; /* the first `product` runs are the product's, the others the include rows' */
    gs_configs configs; /* (count) */
    gs_fate *fate;      /* (count), owned */
    int *row;           /* (count), owned: the include row of a run, or -1 */
    double *mismatch;   /* (count), owned: of the runs that match solved, nan elsewhere; NULL without match */
} gs_pool;

/* Every combination that `when` lets through; more than GS_RUNS_MOST, or a `when` that decides itself, is an error. */
int gs_product_count(const gs_spec *s, bool with_sets, int64_t *out, gs_err *e);
void gs_product_fill(const gs_spec *s, bool with_sets, gs_configs *out); /* in file order */

/* A run's config out of the keys that it gives, over the file's defaults, over the task's: canonical. */
typedef struct gs_maker {
    gs_config start[GS_TASK_COUNT]; /* for each task, what a run that gives nothing has */
    int task;                       /* of a run that does not give it */
} gs_maker;
void gs_maker_open(const gs_spec *s, bool with_sets, gs_maker *out);
void gs_maker_config(const gs_maker *m, const gs_config *given, gs_config *out);

/* with_sets: over the defaults that --set replaced. Without: the file alone, which has to be sound: an exclude, or a selector
 * of match, that fits no run is an error. *out is to be freed after a failure too. */
int gs_pool_make(const gs_spec *s, bool with_sets, gs_pool *out, gs_err *e);
void gs_pool_hide(const gs_spec *s, gs_pool *p); /* the runs that --set leaves out */
void gs_pool_free(gs_pool *p);

/* Keys with more than one value among the runs (absent counts as one), of those that stay or of all but the excluded. */
int gs_pool_varying(const gs_pool *p, bool hidden_too, gs_key keys[GS_KEY_COUNT]);

/* Solves `match` in every run that stays and that it is for. */
int gs_match_apply(const gs_spec *s, gs_pool *p, gs_err *e);
/* Whether the run is a reference, and whether match changes it. */
bool gs_match_refers(const gs_spec *s, const gs_pool *p, int run);
bool gs_match_changes(const gs_spec *s, const gs_pool *p, int run);

/* "ffn.kind glu, seed 3": the run in words, for a message: those of the keys that the file lists values of. */
void gs_run_words(const gs_spec *s, const gs_config *c, const gs_key *keys, int count, char out[256]);
/* gs_config_check with the position of what gave the key to blame, and the run in words. row: of the pool; keys: of the words. */
int gs_run_check(const gs_spec *s, const gs_config *c, int row, const gs_key *keys, int count, gs_err *e);

/* How the number of runs comes about, one line a stage. */
char *gs_formula(const gs_spec *s, const gs_pool *p, int runs);
#endif
