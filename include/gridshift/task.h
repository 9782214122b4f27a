/* gridshift task: gs_config -> batches of (tokens, targets) and evaluation sets with their strata.
 *
 * Shapes: n sequences of T = length positions. Everything is local and a pure function of the config, the data seed and
 * the step. Sources: REFERENCE section 1.2; DESIGN sections 6 to 8. Adding a task is one file and one row
 * of the table in src/task/task.c. */
#ifndef GRIDSHIFT_TASK_H
#define GRIDSHIFT_TASK_H
#include "gridshift/count.h"

enum { GS_STRATA_MOST = 64 };

typedef struct gs_data {
    int n, length;
    int32_t *tokens;   /* (n, T) */
    int32_t *targets;  /* (n, T); -1: no loss at this position */
    uint8_t *scored;   /* (n, T): 1 where accuracy counts (a subset of the targets); NULL in training batches */
    uint64_t *strata;  /* (n, T): bit s: this scored position belongs to stratum s; NULL in training batches */
} gs_data;

typedef struct gs_stratum {
    char name[24];   /* "carry=2" */
    bool whole;      /* a property of the input, not of the position: exact_match is given for it too */
} gs_stratum;

typedef enum gs_set_kind {
    GS_SET_CURVE, /* what an evaluation at `step` of training uses (eval.samples, DESIGN section 8) */
    GS_SET_TEST,  /* whole set for final, best, ablations: addition: all; modular: the test split; histogram: fresh ones */
    GS_SET_TRAIN, /* modular: the training split; with task.leave_out: what training draws from; else none */
    GS_SET_ALL,   /* modular: all p^2 pairs; else none */
    GS_SET_LEFT,  /* with task.leave_out: the inputs that it leaves out; else none */
    GS_SET_KINDS
} gs_set_kind;
extern const char *const gs_set_split[GS_SET_KINDS]; /* the split's stratum: "", "", "split=train", "split=all", "split=left_out" */

typedef struct gs_task gs_task;

/* A task of one run; owns its data. c is canonical and checked, and borrowed until gs_task_close. */
int gs_task_open(const gs_config *c, gs_task **out, gs_err *e);
void gs_task_close(gs_task **t);

/* The data of step (from 1); borrowed, valid until the next call of gs_task_batch. */
const gs_data *gs_task_batch(gs_task *t, int64_t step);
/* An evaluation set; NULL when the task has none of this kind. Borrowed, valid until the next call with the same kind.
 * step matters to GS_SET_CURVE only. */
const gs_data *gs_task_set(gs_task *t, gs_set_kind kind, int64_t step);
/* The inputs of each set but GS_SET_CURVE's, whose n is 0, without opening the task; 0: it has none of this kind. */
void gs_task_sizes(const gs_config *c, int n[GS_SET_KINDS]);
const gs_stratum *gs_task_strata(const gs_task *t, int *count); /* bit s of gs_data.strata is strata[s]; borrowed */
/* The floor of DESIGN section 8: per scored position the most frequent label of the set (ties: lower); written as the
 * (T) prediction of a constant predictor, -1 where nothing is scored. */
void gs_floor(const gs_data *d, int classes, int32_t *prediction);
#endif
