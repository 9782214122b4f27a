/* gridshift counts: config -> what a run costs, without a tensor. A library that any stage may include.
 *
 * Rows of the operator tables; implemented in src/nn/count.c. Everything is local. DESIGN section 8 (counts). */
#ifndef GRIDSHIFT_COUNT_H
#define GRIDSHIFT_COUNT_H
#include "gridshift/config.h"
#include "gridshift/metric.h"

/* What a task needs of a model. Implemented by the task table (src/task/). */
typedef struct gs_extent {
    int vocabulary, classes; /* tokens in, classes out */
    int length;              /* positions of one sequence */
    int first;               /* the first position that has a loss */
} gs_extent;
gs_extent gs_extent_of(const gs_config *c);
/* What no single key of the task's knows (the addend fits the digits, the length the alphabet, both splits hold a pair,
 * batch 0 has a training set): 0, or -1 with the text and *key, the key to blame (key may be NULL). Part of
 * gs_config_check. Implemented by the task table. */
int gs_task_check(const gs_config *c, gs_key *key, gs_err *e);
/* Bytes of the task's data while the run trains: batches and evaluation sets. Implemented by the task table. */
int64_t gs_task_bytes(const gs_config *c);
int gs_batch_size(const gs_config *c); /* sequences of a step: train.batch, or the whole training set. Task table */

typedef struct gs_counts {
    int64_t params_total;     /* every stored element; all rows of the position table; tied matrices once */
    int64_t params_active;    /* total minus (1 - k/E) of the experts */
    int64_t params_embedding; /* of the total: embedding, positions and readout */
    int64_t params_frozen;    /* of the total: what no step changes */
    int64_t flops_per_token;  /* forward: 2 per multiply-add of the matrices that a token meets, + 4 T D per layer */
    int64_t tokens_per_step;  /* batch x length */
    int64_t train_flops;      /* 3 x forward x tokens x steps; -1: more than 64 bits hold */
    int64_t bytes;            /* memory of the run while it trains: parameters, gradients, moments, activations, data */
} gs_counts;

void gs_count(const gs_config *c, gs_counts *out); /* c canonical and checked */
/* FLOPs of the products of one training step that are left after the reductions, as far as a config tells (gs_step_flops in nn.h without
 * tokens). c canonical and checked. */
double gs_step_performed(const gs_config *c);

/* What the whole run takes: counts.bytes, its curve and metrics, and the most of what happens beside the training (a checkpoint that is
 * read back, a measurement, the features). Known before anything is allocated. Implemented beside gs_execute, in src/cli/memory.c. */
int64_t gs_run_bytes(const gs_config *c, const gs_counts *n, gs_wanted w);

/* By name, for `match: count:` (params_total, params_active, flops_per_token); -1 when the name is no such count. */
int64_t gs_count_named(const gs_counts *n, const char *name);
#endif
