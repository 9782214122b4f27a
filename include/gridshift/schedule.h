/* gridshift schedule: gs_grid + what is done -> gs_plan: cost of each run, order of issue, budgets. Local. */
#ifndef GRIDSHIFT_SCHEDULE_H
#define GRIDSHIFT_SCHEDULE_H
#include "gridshift/count.h"
#include "gridshift/sweep.h"

typedef enum gs_state { GS_TODO, GS_DONE, GS_FAILED } gs_state;

typedef struct gs_planned {
    const gs_run *run; /* borrowed from the grid */
    gs_counts counts;
    double predicted_s; /* wall seconds of one core, from the cost model */
    gs_state state;
} gs_planned;

typedef struct gs_plan {
    int count;
    gs_planned *runs; /* (count), in plan order, owned */
    int *order;       /* (todo): indices into runs, longest predicted first, ties in plan order; owned */
    int done, failed, todo;
    double todo_s; /* sum of predicted seconds of the runs to do: core seconds */
} gs_plan;

/* state(context, run) says what the journal knows; NULL: everything is to do. ablate: mask of GS_ABLATE, for the cost. */
int gs_plan_make(const gs_grid *g, uint32_t ablate, gs_state (*state)(void *context, const gs_run *run), void *context,
                 gs_plan **out, gs_err *e);
void gs_plan_close(gs_plan **p);
/* The budget of the sweep file against what is left to do; the error has the numbers and what to change. */
int gs_plan_within(const gs_plan *p, const gs_spec *s, gs_err *e);
/* plan.csv: id, every varying key, state, counts, predicted seconds. The same text for `plan --csv`. */
void gs_plan_csv(const gs_plan *p, const gs_grid *g, gs_buf *out);
#endif
