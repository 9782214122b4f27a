/* The table of tasks, and what does not depend on the task.
 *
 * Every array of a task comes from one arena that its row's `layout` measures first, so that gs_task_bytes is exact and a
 * batch never allocates. All random numbers are functions of (data seed, purpose, step or epoch, sample, draw): a batch or
 * an evaluation set does not depend on which ones were asked for before it. */
#include <stdlib.h>

#include "rows.h"

static const gs_task_row *const tasks[GS_TASK_COUNT] = {
    [GS_TASK_ADDITION] = &gs_task_addition, [GS_TASK_MODULAR] = &gs_task_modular, [GS_TASK_HISTOGRAM] = &gs_task_histogram};

const char *const gs_set_split[GS_SET_KINDS] = {"", "", "split=train", "split=all", "split=left_out"};

static const gs_task_row *row_of(const gs_config *c) { return tasks[gs_int(c, GS_TASK)]; }

gs_extent gs_extent_of(const gs_config *c) { return row_of(c)->extent(c); }

int gs_batch_size(const gs_config *c)
{
    int64_t batch = gs_int(c, GS_TRAIN_BATCH);
    return batch ? (int)batch : row_of(c)->train_size(c);
}

int gs_task_check(const gs_config *c, gs_key *key, gs_err *e)
{
    gs_key unused;
    if (!key) key = &unused;
    if (row_of(c)->check(c, key, e)) return -1;
    if (gs_batch_size(c)) return 0;
    *key = GS_TRAIN_BATCH;
    return gs_error(e, "train.batch 0 means the whole training set, which task %s does not have: give the sequences of a step",
                    row_of(c)->name);
}

/* An arena that only measures: with no base, every array of *t is NULL. */
static void measure(const gs_config *c, gs_task *t)
{
    *t = (gs_task){.config = c, .extent = gs_extent_of(c)};
    row_of(c)->layout(t);
}

int64_t gs_task_bytes(const gs_config *c)
{
    gs_task t;
    measure(c, &t);
    return (int64_t)t.arena.used;
}

void gs_task_sizes(const gs_config *c, int n[GS_SET_KINDS])
{
    gs_task t;
    measure(c, &t);
    n[GS_SET_CURVE] = 0;
    for (int kind = GS_SET_TEST; kind < GS_SET_KINDS; kind++) {
        const gs_data *d = row_of(c)->set(&t, (gs_set_kind)kind, 0);
        n[kind] = d ? d->n : 0;
    }
}

int gs_task_open(const gs_config *c, gs_task **out, gs_err *e)
{
    *out = NULL;
    if (gs_task_check(c, NULL, e)) return -1;
    gs_task *t = gs_alloc(1, sizeof *t);
    measure(c, t);
    if (gs_arena_open(&t->arena, e)) {
        free(t);
        return -1;
    }
    row_of(c)->layout(t);
    row_of(c)->open(t);
    *out = t;
    return 0;
}

void gs_task_close(gs_task **t)
{
    if (!*t) return;
    gs_arena_close(&(*t)->arena);
    free(*t);
    *t = NULL;
}

const gs_data *gs_task_batch(gs_task *t, int64_t step) { return row_of(t->config)->batch(t, step); }

const gs_data *gs_task_set(gs_task *t, gs_set_kind kind, int64_t step) { return row_of(t->config)->set(t, kind, step); }

const gs_stratum *gs_task_strata(const gs_task *t, int *count)
{
    *count = t->strata_count;
    return t->strata;
}
