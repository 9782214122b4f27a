/* tables, private: runs with their results -> frame (what is aggregated, what is matched) -> one table in memory -> md, csv,
 * tex, json. */
#ifndef GRIDSHIFT_TABLES_TABLE_H
#define GRIDSHIFT_TABLES_TABLE_H
#include "gridshift/tables.h"

/* What all tables of a sweep share. */
typedef struct gs_context {
    const char *path; /* the sweep file, as the error texts name it */
    const gs_grid *grid;
    gs_wanted wanted; /* what the sweep measures */
    bool narrowed;    /* --set was given: a baseline or a metric may have lost its runs */
    bool partial;     /* unequal seed sets are marked, not refused */
} gs_context;
/* "FILE:LINE:COLUMN: table NAME: " and the text; always -1. */
int gs_table_error(const gs_context *c, const gs_table_spec *t, gs_err *e, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* -- pooling.c: which runs are a row, and which run of the baseline each one meets ----------------------------- */

typedef struct gs_point {
    gs_run run;
    const gs_counts *counts;   /* NULL: before anything ran */
    const gs_metrics *metrics; /* NULL: failed, or not there yet */
    bool failed;
} gs_point;
typedef struct gs_points {
    int count;
    const gs_point **at; /* (count), owned; the points are borrowed */
} gs_points;
typedef struct gs_keyset {
    int count;
    gs_key at[GS_KEY_COUNT];
} gs_keyset;

/* The runs of one table, grouped. A group is a row: the runs that agree in `by`. A claim is a table with two groups: the runs of `compare`
 * and those of `against`, which are its baseline. */
typedef struct gs_frame {
    const gs_context *context;
    const gs_table_spec *spec;
    gs_keyset by;       /* the table's rows; scaling: and x */
    gs_keyset arm;      /* every varying key but the seed: runs that agree in these differ in the seed alone */
    gs_points all;      /* the table's runs, in plan order */
    gs_points baseline; /* count 0: none */
    int64_t *seeds;     /* (seed_count), owned: those for which any run of the table has a result, ascending */
    int seed_count;
    int group_count;
    gs_points *groups; /* in order of first appearance, each in plan order; owned */
    int without_x;     /* scaling: runs that have no x */
} gs_frame;
/* Groups and checks that nothing is pooled silently. Points in plan order, borrowed. */
int gs_frame_open(const gs_context *c, const gs_table_spec *t, const gs_point *points, int count, gs_frame *out, gs_err *e);
void gs_frame_close(gs_frame *f);
/* The seeds of gs_frame: ascending, each once; owned by the caller. */
int64_t *gs_seeds_with_results(const gs_points *all, int *count);
/* Every arm has results for the same seeds; the error names the row and what it lacks. */
int gs_frame_seeds_equal(const gs_frame *f, gs_err *e);
/* The group's arms all have results for every seed that any arm of the table has. */
bool gs_group_whole(const gs_frame *f, int group);

/* One row beside its baseline. */
typedef struct gs_side {
    gs_keyset matched; /* a run meets the baseline's runs that agree in these; empty without a baseline */
    gs_points runs;    /* by (seed, matched, pool) */
    gs_points against; /* the baseline's, by (matched, seed, pool); empty without a baseline */
    int arms;
} gs_side;
void gs_side_open(const gs_frame *f, int group, gs_side *out);
void gs_side_close(gs_side *s);
/* The baseline's runs that some run of s meets, as a side of their own, without a baseline. */
void gs_side_turn(const gs_frame *f, const gs_side *s, gs_side *out);
int gs_points_block(const gs_points *p, int at, const gs_keyset *keys); /* how many points from `at` on agree in the keys */
bool gs_points_spread(const gs_points *p, const gs_keyset *keys); /* they do not all agree in the keys */
/* Where in s->against the runs begin that agree with r in the keys, a prefix of its order; -1: there are none. */
int gs_side_find(const gs_side *s, const gs_keyset *keys, gs_run r);

/* sample.c: one number per seed: the mean over the matched keys of the means over the pooled ones. A seed counts only where
 * all its runs have the number. */
typedef struct gs_sample {
    int n, of;     /* seeds with the number; seeds with all their results */
    double *x;     /* (n), owned */
} gs_sample;
gs_sample gs_sample_values(const gs_side *s, const char *metric);
gs_sample gs_sample_differences(const gs_side *s, const char *metric); /* from the baseline, on common seeds */
/* Times to a milestone, one per seed: the mean over its runs, censored where one of them never got there. */
typedef struct gs_times {
    int n, reached;
    gs_time *x; /* (n), owned */
} gs_times;
bool gs_metric_is_time(const gs_metric_name *m); /* curve.clean.steps_to_N */
/* A number of a run, nan when it does not have it: stored, or made here of others (above_floor, first99_or_best). */
double gs_metric_value(const gs_metrics *m, const char *metric);
gs_times gs_sample_times(const gs_side *s, const char *metric);
/* What `match` achieved, else (params_total - the baseline's)/the baseline's; the largest in size over the runs. False: there
 * is neither. */
bool gs_side_mismatch(const gs_side *s, double *out);
int gs_side_seeds(const gs_side *s); /* seeds with all their results */

int gs_keys_compare(const gs_keyset *k, gs_run a, gs_run b); /* < 0, 0, > 0; an absent key is below all */
bool gs_keys_have(const gs_keyset *k, gs_key key);
void gs_keys_add(gs_keyset *k, gs_key key);
void gs_keys_text(const gs_keyset *k, gs_run r, gs_buf *out); /* "ffn.kind moe, ffn.width 256"; absent keys are left out */

/* -- a table in memory ---------------------------------------------------------------------------------------- */

enum { GS_IN_MD = 1, GS_IN_CSV = 2, GS_IN_TEX = 4, GS_IN_JSON = 8, GS_IN_ALL = 15 };
typedef enum gs_cell_kind { GS_CELL_NONE, GS_CELL_TEXT, GS_CELL_INT, GS_CELL_REAL, GS_CELL_ESTIMATE } gs_cell_kind;

typedef struct gs_estimate {
    double mean, spread; /* nan: not known */
    gs_interval interval;
    int n, of;
} gs_estimate;
typedef struct gs_column {
    char *name, *unit;  /* owned; unit "": none */
    const char *brief;  /* md and tex, where it follows its metric: "redistribution"; NULL: the name */
    bool text;          /* aligned left */
    bool percent;       /* two decimals */
    int digits;         /* REAL cells: significant digits in md and tex; 0: all */
    bool change;        /* a difference or a slope: printed with its sign, without its spread */
    const char *spread; /* "sd" or "se"; NULL: the cells are no estimates */
    const char *centre; /* what the estimate is, where it is no mean: "median" */
    unsigned in;        /* mask of GS_IN */
} gs_column;
typedef struct gs_cell {
    gs_cell_kind kind;
    char *text;      /* TEXT, owned */
    int64_t i, high; /* INT; high > i: a range */
    double r;        /* REAL */
    gs_estimate estimate;
    bool mark;       /* INT: the row lacks seeds */
    bool again;      /* the same as in the row above: md and tex leave it blank */
} gs_cell;
typedef struct gs_table {
    char *name; /* owned */
    const char *kind;
    int column_count, row_count, note_count;
    int key_count; /* the first columns */
    gs_column *columns;
    gs_cell *cells; /* (row_count, column_count), owned */
    char **notes;   /* whole sentences, owned */
} gs_table;

/* comparison.c, scaling.c: the table from a frame; the caller closes it. */
void gs_comparison_make(const gs_frame *f, gs_table *out);
void gs_scaling_make(const gs_frame *f, gs_table *out);
/* regression.c: from all points; verify: what needs no result. */
int gs_regression_verify(const gs_context *c, const gs_table_spec *t, gs_err *e);
int gs_regression_make(const gs_table_spec *t, const gs_point *points, int count, gs_table *out, bool *built, gs_err *e);
/* table.c */
gs_column *gs_table_column(gs_table *t, const char *unit, const char *name, ...) __attribute__((format(printf, 3, 4)));
void gs_table_rows(gs_table *t, int count); /* after the last column */
gs_cell *gs_table_cell(gs_table *t, int row, int column);
void gs_table_note(gs_table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void gs_table_close(gs_table *t);
void gs_table_key_columns(gs_table *t, const gs_keyset *keys);
void gs_table_key_cells(gs_table *t, int row, const gs_keyset *keys, gs_run run);
/* A metric of a table and where its columns are. Beside an ablation stand the clean value and the floor, which the table does not list. */
typedef struct gs_shown {
    const char *metric;
    char *owned; /* the name, where it was made here */
    gs_metric_name name;
    bool beside;
    bool change; /* a second column: the difference, or the slope */
    bool time;   /* a milestone, which may be censored */
    unsigned in;
    int column; /* of the estimate; the second follows, then more statistics, then what was published */
} gs_shown;
gs_shown *gs_shown_metrics(const gs_table_spec *t, int *count); /* owned by the caller: gs_shown_free */
void gs_shown_free(gs_shown *m, int count);
/* times.c: a milestone's Kaplan-Meier median with how many got there, the share that did, and the difference of restricted means. */
gs_estimate gs_times_median(const gs_times *x);
gs_estimate gs_times_share(const gs_times *x); /* in percent, with Wilson's interval */
gs_estimate gs_times_difference(const gs_times *x, const gs_times *y); /* restricted to where both curves are known */
/* published.c: columns of what a table's spec says was published, and our difference from it. */
bool gs_published_any(const gs_table_spec *t, const char *metric);
void gs_published_columns(gs_table *t, const gs_table_spec *spec, const gs_metric_name *m, const char *metric);
void gs_published_cells(gs_table *t, int row, int column, const gs_frame *f, int group, const gs_shown *m, const gs_sample *ours);
int gs_published_verify(const gs_frame *f, gs_err *e); /* each entry has a row, and no row two */
/* matching.c: what the rows of a comparison have besides their keys, against the baseline. */
void gs_matching_make(const gs_frame *f, gs_table *out);
gs_column *gs_table_metric_column(gs_table *t, const gs_metric_name *m, const char *metric, const char *change);
gs_estimate gs_estimate_of(const gs_sample *s, double scale, gs_interval_kind interval);
const char *gs_interval_text(gs_interval_kind interval); /* "95 % t interval", for the notes */
void gs_table_seed_columns(gs_table *t);
void gs_table_seed_cells(gs_table *t, int row, int first, const gs_frame *f, int group, int seeds);
void gs_table_common_notes(gs_table *t, const gs_frame *f);

/* claims.c, judge.c: the claims of a sweep file. verify: everything that needs no result. built: false when --set left no claim its runs;
 * skipped gets a line for each that lost them. */
int gs_claim_verify(const gs_context *c, const gs_claim_spec *claim, gs_err *e);
int gs_claims_make(const gs_context *c, const gs_claim_spec *claims, int claim_count, const gs_point *points, int count,
                   gs_table *out, bool *built, gs_buf *skipped, gs_err *e);
void gs_selector_text(const gs_selector *s, gs_buf *out); /* "ffn.kind moe, ffn.top_k 1 or 2" */
/* check.c: everything that needs no result */
int gs_table_verify(const gs_context *c, const gs_table_spec *t, gs_err *e);
/* Pooling, and the same seeds in every arm where it is asked for. */
int gs_frame_verify(const gs_context *c, const gs_table_spec *t, bool equal_seeds, gs_err *e);
/* A metric that the sweep measures, and that a run which fits `runs` (NULL: any) gives. where: "of the sweep", for the message. */
int gs_metric_verify(const gs_context *c, const gs_table_spec *t, const char *metric, const gs_selector *runs, const char *where,
                     gs_err *e);
/* A table's md, csv, tex and json; appended. */
void gs_table_md(const gs_table *t, gs_buf *out);
void gs_table_csv(const gs_table *t, gs_buf *out);
void gs_table_tex(const gs_table *t, gs_buf *out);
void gs_table_json(const gs_table *t, gs_buf *out);
void gs_table_screen(const gs_table *t, gs_buf *out); /* for a terminal */
int gs_text_width(const char *text);                  /* in characters */
/* The header of a column in md and tex. */
void gs_head_text(const gs_column *c, gs_buf *out);
/* Rounded for people: the text of a cell in md and tex. plus_minus and dash are the format's signs. */
void gs_cell_text(const gs_column *c, const gs_cell *cell, const char *plus_minus, const char *dash, gs_buf *out);
void gs_csv_field(const char *text, gs_buf *out); /* RFC 4180: quoted where it must be */

/* write.c: one table of a sweep; *built is false when --set left it without runs. matching (may be NULL): the one beside it, where there
 * is a baseline. */
int gs_table_make(const gs_context *c, const gs_table_spec *t, const gs_point *points, int count, gs_table *out, bool *built,
                  gs_table *matching, gs_err *e);
/* The table of a sweep that names none: all varying keys but the seed, clean accuracy and the ablations of whole sites. */
gs_table_spec gs_table_default(const gs_grid *g, const gs_point *points, int count);
void gs_table_default_free(gs_table_spec *t);
/* results.c */
/* Agreement of routing between the runs of each arm, from the folder's runs/ID/routes.*.txt; *csv and *md get a table each. -> its rows */
int gs_agreement(const char *dir, const gs_grid *g, const gs_entry *entries, int count, gs_buf *csv, gs_buf *md);
void gs_results_csv(const gs_entry *entries, int count, gs_buf *out);
#endif
