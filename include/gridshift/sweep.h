/* gridshift sweep: sweep.yaml -> gs_spec -> gs_grid of configs.
 *
 * Reads and checks a sweep file completely, expands it in the fixed order (defaults -> product under when x zip -> exclude ->
 * include -> match -> validate -> dedup -> order), and gives each run its canonical config and id. Everything is local,
 * and every error names file:line:column and what to do. DESIGN section 3. */
#ifndef GRIDSHIFT_SWEEP_H
#define GRIDSHIFT_SWEEP_H
#include "gridshift/configs.h"
#include "gridshift/metric.h"

typedef struct gs_where {
    int line, column; /* both from 1; 0: from the command line (--set) */
} gs_where;

/* {ffn.kind: moe, ffn.top_k: [1, 2]}: a run fits when each key has one of its values. */
typedef struct gs_term {
    gs_key key;
    int count;
    gs_value *values; /* (count), owned */
    gs_where where;
} gs_term;
typedef struct gs_selector {
    int count;
    gs_term *terms; /* (count), owned */
    gs_where where;
} gs_selector;
bool gs_selects(const gs_selector *s, const gs_config *c); /* an absent key fits no value */

/* CLAIM: the two sides of a claim; the tables make it, no sweep file names it. */
typedef enum gs_table_kind { GS_TABLE_COMPARISON, GS_TABLE_SCALING, GS_TABLE_REGRESSION, GS_TABLE_CLAIM } gs_table_kind;
/* What a regression explains a metric by. */
typedef enum gs_term_kind {
    GS_TERM_VALUE,        /* KEY: its number; of an ENUM or BOOL an indicator for each value but the first (0 where it does not apply) */
    GS_TERM_LOG2,         /* log2(KEY) */
    GS_TERM_ACTIVE_SHARE, /* active_share: params_active / params_total */
    GS_TERM_SPARSITY      /* sparsity: 1 - top_k / experts; 0 without a mixture */
} gs_term_kind;
typedef struct gs_regressor {
    gs_term_kind kind;
    gs_key key;
} gs_regressor;
/* A number that somebody else published for a row of a table. sd is the population's (divisor n). Of a milestone: over the n of
 * `of` seeds that got there. */
typedef struct gs_published {
    gs_selector row;
    char *metric, *source; /* owned; source may be NULL */
    double mean, sd;       /* in the metric's unit: 0.119, not 11.9 %; nan: not known */
    int n, of;             /* seeds; of 0: not known; n 0: with `of`, none of them, else not known */
    gs_where where;
} gs_published;
typedef enum gs_interval_kind { GS_INTERVAL_T, GS_INTERVAL_BCA, GS_INTERVAL_PERCENTILE, GS_INTERVAL_COUNT } gs_interval_kind;
typedef enum gs_extra { GS_EXTRA_MEDIAN, GS_EXTRA_IQM, GS_EXTRA_MIN, GS_EXTRA_MAX, GS_EXTRA_COUNT } gs_extra;
extern const char *const gs_interval_names[GS_INTERVAL_COUNT]; /* "t", "bca", "percentile" */
extern const char *const gs_extra_names[GS_EXTRA_COUNT];       /* "median", "iqm", "min", "max" */
typedef struct gs_table_spec {
    char *name;
    gs_table_kind kind;
    int row_count;
    gs_key *rows; /* comparison: the keys that make a row; scaling: the keys that make a series */
    gs_key x;     /* scaling: the width-like key (INT or REAL) */
    int on_count;
    gs_regressor *on; /* regression: (on_count), owned */
    int metric_count;
    char **metrics;       /* full names */
    gs_selector baseline; /* comparison; count 0: none */
    gs_selector only;     /* claim: the runs that are compared; count 0: all */
    int pool_count;
    gs_key *pool; /* keys averaged over on purpose */
    gs_interval_kind interval; /* of means and differences */
    uint32_t extras;           /* comparison: more statistics of each metric, mask of 1 << GS_EXTRA */
    int published_count;
    gs_published *published; /* comparison */
    gs_where where;
} gs_table_spec;

/* A claim is stated before the run and judged after it: a run of `compare` meets the runs of `against` that agree in every varying key
 * that neither names. */
typedef enum gs_expect { GS_EXPECT_GREATER, GS_EXPECT_LESS, GS_EXPECT_EQUIVALENT, GS_EXPECT_DIFFERENT, GS_EXPECT_COUNT } gs_expect;
typedef enum gs_claim_test {
    GS_TEST_PAIRED,               /* t test of the seeds' differences */
    GS_TEST_WELCH,                /* t test of two samples; seeds need not be the same */
    GS_TEST_WILCOXON,             /* signed ranks of the differences */
    GS_TEST_MANN_WHITNEY,         /* ranks of two samples */
    GS_TEST_PERMUTATION,          /* sign flips of the differences */
    GS_TEST_PERMUTATION_UNPAIRED, /* splits of two samples */
    GS_TEST_LOG_RANK,             /* of curve.clean.steps_to_N, censored at the steps done; its default */
    GS_TEST_FISHER,               /* of curve.clean.steps_to_N: how many seeds reach it */
    GS_TEST_COUNT
} gs_claim_test;
extern const char *const gs_expect_names[GS_EXPECT_COUNT];
extern const char *const gs_claim_test_names[GS_TEST_COUNT];
typedef struct gs_claim_spec {
    char *name, *metric; /* owned */
    gs_selector compare, against;
    gs_expect expect;
    gs_claim_test test;
    double margin; /* EQUIVALENT: in the metric's unit; else nan */
    int pool_count;
    gs_key *pool; /* keys averaged over on purpose */
    gs_where where;
} gs_claim_spec;

typedef struct gs_spec gs_spec; /* opaque: src/sweep/spec.h */

/* One `--set key=value[,value]` of the command line: replaces a default, or hides the runs of a listed key that have another value.
 * Hidden runs are still references for match, so that a narrowed sweep gives its runs the widths and ids of the whole one. */
typedef struct gs_set {
    const char *text; /* borrowed */
} gs_set;

/* Reads a sweep file. Refuses more than 4 MB, more than 64 levels, and everything that DESIGN section 3 lists. */
int gs_spec_load(const char *path, const gs_set *sets, int set_count, gs_spec **out, gs_err *e);
void gs_spec_close(gs_spec **s); /* nulls */
const char *gs_spec_name(const gs_spec *s);         /* `name:` of the file, else the file's name without .yaml */
const char *gs_spec_path(const gs_spec *s);         /* as it was given to gs_spec_load; borrowed: error texts begin with it */
bool gs_spec_narrowed(const gs_spec *s);            /* a --set was given: tables may have lost their runs or their baseline */
const char *gs_spec_text(const gs_spec *s, size_t *length); /* the file, byte for byte; borrowed */
gs_wanted gs_spec_wanted(const gs_spec *s);         /* of `ablate:` and `probe:` */
double gs_spec_core_hours(const gs_spec *s);        /* budget.core_hours; 0: none */
int64_t gs_spec_bytes(const gs_spec *s);            /* budget.bytes of one run; 0: none */
const gs_table_spec *gs_spec_tables(const gs_spec *s, int *count); /* in file order; borrowed */
const gs_claim_spec *gs_spec_claims(const gs_spec *s, int *count);  /* in file order; borrowed */

typedef struct gs_grid {
    int count;
    gs_configs configs; /* (count), in plan order: file order, parameters before zip, include last */
    gs_hash *ids;       /* (count), owned */
    double *mismatch;   /* (count), owned: (count - reference)/reference where `match` solved a key, nan elsewhere; NULL: no match */
    int varying_count;
    gs_key *varying;  /* keys with more than one value (absent counts as one) over the runs, in the key table's order */
    int duplicates;   /* runs that dedup removed */
    char *formula;    /* one or more lines: how the count comes about, stage by stage; owned */
} gs_grid;
int gs_grid_expand(const gs_spec *s, gs_grid **out, gs_err *e); /* at most 1,000,000 runs */
void gs_grid_close(gs_grid **g);

/* One run of a grid: a handle, passed by value. A grid holds no whole configs. */
typedef struct gs_run {
    const gs_grid *grid; /* borrowed */
    int index;           /* plan order */
} gs_run;
gs_value gs_run_value(gs_run r, gs_key key);
void gs_run_config(gs_run r, gs_config *out);
const char *gs_run_id(gs_run r, char id[33]);      /* returns id */
bool gs_run_matched(gs_run r, double *mismatch);   /* did `match` solve a key of this run? */
bool gs_run_fits(gs_run r, const gs_selector *s);  /* gs_selects on the run */
#endif
