/* gridshift schedule: gs_grid + what is done -> gs_plan: cost of each run, order of issue, budgets; plan -> forecast. Local. */
#ifndef GRIDSHIFT_SCHEDULE_H
#define GRIDSHIFT_SCHEDULE_H
#include "gridshift/count.h"
#include "gridshift/sweep.h"

typedef enum gs_state { GS_TODO, GS_DONE, GS_FAILED } gs_state;

/* What runs cost that differ in their seeds and the like alone. */
typedef struct gs_cost {
    gs_counts counts;
    int64_t bytes;      /* gs_run_bytes */
    double predicted_s; /* wall seconds of one core, from the cost model */
} gs_cost;

typedef struct gs_plan {
    int count;
    uint8_t *state; /* (count): a gs_state of each run, in plan order, owned */
    int *cost_of;   /* (count): index into costs, owned */
    gs_cost *costs; /* (cost_count), owned */
    int cost_count;
    int *order; /* (todo): runs, longest predicted first, ties in plan order; owned */
    int done, failed, todo;
    double todo_s; /* sum of predicted seconds of the runs to do: core seconds */
    int shard, shards; /* order, done, failed, todo and todo_s are of the runs with run % shards == shard; 0 of 1: of all */
} gs_plan;
static inline const gs_cost *gs_plan_cost(const gs_plan *p, int run) { return &p->costs[p->cost_of[run]]; }
extern const char *const gs_state_names[]; /* "todo", "done", "failed" */

/* state(context, run) says what the journal knows; NULL: everything is to do. wanted: for the cost. */
int gs_plan_make(const gs_grid *g, gs_wanted wanted, gs_state (*state)(void *context, gs_run run), void *context, gs_plan **out,
                 gs_err *e);
void gs_plan_close(gs_plan **p);
/* Keeps the runs of one shard, of 0..shards-1; once. */
void gs_plan_share(gs_plan *p, int shard, int shards);
static inline int gs_plan_total(const gs_plan *p) { return p->done + p->failed + p->todo; }
static inline bool gs_plan_has(const gs_plan *p, int run) { return run % p->shards == p->shard; }
/* The budget of the sweep file against what is left to do; the error has the numbers and what to change. */
int gs_plan_within(const gs_plan *p, const gs_spec *s, gs_err *e);
int gs_plan_too_large(const gs_plan *p, const gs_spec *s); /* runs to do that need more than budget.bytes: each will be a failed record */
/* plan.csv: id, every varying key, state, counts, predicted seconds. The same text for `plan --csv`. */
void gs_plan_csv(const gs_plan *p, const gs_grid *g, gs_buf *out);

/* -- simulate.c: what a master and its workers would do with the time ----------------------------------------
 *
 * A discrete-event model of src/mpi/{master,worker}.c and of the journal's group commit. It costs about a microsecond a run, so
 * that ten thousand workers can be tried before a job is submitted. Deterministic. */

/* What the parts cost, in seconds. gs_machine_measured has what `gridshift bench dispatch` measures. */
typedef struct gs_machine {
    int workers; /* ranks that work; the master is one more */
    int cores;   /* that all ranks share; 0: each rank has its own */
    /* the master's processor time */
    double message_s; /* of a message, in or out */
    double job_s;     /* of a job in a message: pack it, find a place for it */
    double result_s;  /* of a result: check it, put it into the journal, move the progress */
    double seat_s;    /* of a worker that is only looked at, each time that the master is awake */
    double beat_s;    /* of one worker's signs of life, a second */
    double wake_s;    /* of a sleep */
    /* elsewhere */
    double sync_s;    /* a group commit: the disk, while the master waits */
    double record_s;  /* of a record in it */
    double run_s;     /* a worker's processor time of a run beside the run: unpack, record, send */
    double latency_s; /* of a message on its way */
} gs_machine;
extern const gs_machine gs_machine_measured;

typedef struct gs_forecast {
    double makespan_s;  /* until the last result is on the disk */
    double work_s;      /* of all runs */
    double efficiency;  /* work_s / (workers * makespan_s) */
    double master_busy; /* the part of the time in which the master works or waits for the disk */
} gs_forecast;

/* seconds: (runs), in the order of issue: what a run takes, which is also what the master expects of it. workers >= 1. */
gs_forecast gs_simulate(const double *seconds, int runs, const gs_machine *machine);

/* How many workers with runs of mean_s a master can serve at most: signs of life, messages and records take all of its time. */
double gs_simulate_saturation(const gs_machine *machine, double mean_s);
/* The most workers that still pay: of 1, 2, 3, 4, 6, 8, 12, ... up to `most`, the last for which the efficiency reaches `least`. */
int gs_simulate_workers(const double *seconds, int runs, const gs_machine *machine, int most, double least);
#endif
