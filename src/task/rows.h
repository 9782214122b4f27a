/* What the files of the task stage share: the state of one run's task, its data, and the rows of the table. Private. */
#ifndef GRIDSHIFT_TASK_ROWS_H
#define GRIDSHIFT_TASK_ROWS_H
#include "gridshift/task.h"

enum { GS_ADDITION_DIGITS = 7, GS_ADDITION_SUBS = 5 }; /* answer digits at most; sub-tasks of two operands */

/* Data of GS_RNG_EVAL that belongs to no step: a counter that no step or epoch has. */
#define GS_EVAL_FINAL UINT64_MAX

struct gs_task {
    const gs_config *config; /* borrowed */
    gs_extent extent;
    gs_arena arena; /* every array below */
    int strata_count;
    gs_stratum strata[GS_STRATA_MOST];
    gs_data batch, curve, test, train, all, left; /* n is 0 where the task has none */
    struct {
        int sub[GS_ADDITION_SUBS][GS_ADDITION_DIGITS]; /* the stratum of each sub-task and answer digit; -1: impossible */
        int kept_count, left_count;
        int32_t *kept, *left; /* with task.leave_out: the inputs that training draws from, and the others; ascending */
    } addition;
    struct {
        int32_t *order;   /* (p^2) the permutation that the split is made of */
        uint8_t *trained; /* (p^2) 1: pair a p + b is in the training split */
    } modular;
    struct {
        gs_data pool;       /* the training sequences that are alive */
        int32_t *names;     /* (alphabet) 0, 1, 2, ... between two draws */
        int64_t generation; /* of the pool; -1: not drawn yet */
        uint64_t curve_key; /* of the curve's set; GS_EVAL_FINAL: not drawn yet */
    } histogram;
};

/* A row of the table in task.c. The config is canonical. */
typedef struct gs_task_row {
    const char *name;
    gs_extent (*extent)(const gs_config *c);
    int (*check)(const gs_config *c, gs_key *key, gs_err *e); /* what no single key knows; *key is the key to blame */
    int (*train_size)(const gs_config *c);                    /* sequences of the training set; 0: every batch is fresh */
    void (*layout)(gs_task *t);                               /* takes every buffer from the task's arena; run to measure, then to carve */
    void (*open)(gs_task *t);                                 /* the strata and the data that never changes */
    const gs_data *(*batch)(gs_task *t, int64_t step);        /* step from 1; no allocation */
    const gs_data *(*set)(gs_task *t, gs_set_kind kind, int64_t step); /* NULL: the task has no such set */
} gs_task_row;
extern const gs_task_row gs_task_addition, gs_task_modular, gs_task_histogram;

/* -- data.c -------------------------------------------------------------------------------------------------- */

/* n sequences from the task's arena; an evaluation set has `scored` and `strata` too. */
void gs_data_take(gs_task *t, gs_data *d, int n, bool evaluation);
/* Sequence `i` of `from` becomes sequence `j` of `to`; what `to` has no array for is left out. */
void gs_data_copy(const gs_data *from, int i, const gs_data *to, int j);
/* Fills `to` with sequences of `from`, drawn with replacement: draw 0 of (a, sample). */
void gs_data_pick(gs_rng r, uint64_t a, const gs_data *from, const gs_data *to);
/* Adds a stratum and returns its index. */
int gs_stratum_add(gs_task *t, bool whole, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* -- addition_strata.c --------------------------------------------------------------------------------------- */

void gs_addition_strata(gs_task *t);
/* The strata of each answer digit of a + b, least significant first: labels is (digits + 1). */
int gs_addition_carries(int digits, int64_t n, int64_t addend); /* of n + addend */
void gs_addition_label(const gs_task *t, int64_t a, int64_t b, uint64_t *labels);
#endif
