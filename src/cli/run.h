/* The parts of `gridshift run`: run.c decides who does what, launch.c starts mpirun, campaign.c is the master's side (and the
 * whole of it in one process), queue.c what comes next, limit.c the time that is left, job.c one run as bytes, isolate.c in a
 * process of its own, stop.c the signals. */
#ifndef CLI_RUN_H
#define CLI_RUN_H
#include "cli/cli.h"
#include "gridshift/mpi.h"

/* -- job.c: local ------------------------------------------------------------------------------------------ */

typedef gs_outcome (*gs_executor)(const gs_work *w, gs_record *out); /* as gs_execute */

/* The run as bytes, owned by the caller. */
char *gs_job_pack(gs_run run, gs_wanted wanted, int64_t budget_bytes, const char *dir, size_t *length);
/* What a worker does with it. context: a gs_executor *. -> a gs_result_head and gs_record_json, owned by *result. */
void gs_job_execute(void *context, const char *job, size_t length, gs_bytes *result);
/* The same in a process of its own (isolate.c): its end by a signal is a failed record. */
void gs_job_isolate(void *context, const char *job, size_t length, gs_bytes *result);
/* The result of a job that was ended from without: a failed record with this reason, or, when a stop ended it, none. */
void gs_job_fail(const char *job, size_t length, gs_outcome outcome, const char *why, gs_bytes *result);
/* The record of such a run; owned by the caller, its host and rank for the caller to fill. */
void gs_run_failed(const gs_config *c, gs_wanted w, const char *why, gs_record *out);
typedef struct gs_result_head { /* what the master needs without reading the record */
    int32_t run;
    int32_t outcome; /* gs_outcome; then the record, or why the folder cannot be written, or nothing */
    int32_t ok;
    int32_t checkpoints; /* gs_record.checkpoints */
    double wall_s;
} gs_result_head;

/* -- stop.c: local, any thread ------------------------------------------------------------------------------ */

/* INT, TERM and USR1 ask this process to stop; a second one ends it at once, or when it is no longer held; a third one at once. */
void gs_stop_install(void);
void gs_stop_ask(void);
bool gs_stop_asked(void);
bool gs_stop_now(void);        /* asked twice */
void gs_stop_hold(bool hold);  /* something is under way that has to be finished first */
bool gs_stop_poll(void *ignored); /* gs_stop_asked, and a sign that the run gets on: what a run calls before each step */
uint64_t gs_stop_polls(void);     /* so far */
/* In a single process: what is to be done at every poll, by the thread that polls; NULL: nothing. */
void gs_stop_each(void (*call)(void *context), void *context);

/* -- limit.c: local ---------------------------------------------------------------------------------------- */

/* "90", "90s", "15m", "2h", "1d", "MM:SS", "H:MM:SS", "D-HH:MM:SS" -> seconds; false: it is none of them. */
bool gs_limit_parse(const char *text, double *seconds);
double gs_limit_slurm_s(void); /* what Slurm leaves this job, in seconds; INFINITY: no limit, or no Slurm */

/* -- queue.c: rank 0 --------------------------------------------------------------------------------------- */

/* A run fits when its predicted seconds times ratio are within left_s; one that takes longer than whole_s, a whole session, always:
 * it can get on only by its checkpoints. */
typedef struct gs_time_left {
    double left_s, whole_s, ratio;
    double longest_s; /* predicted seconds that this worker should not go beyond, while there are shorter runs; 0: as it comes */
} gs_time_left;
typedef struct gs_queue gs_queue;
gs_queue *gs_queue_open(const gs_plan *plan, const gs_grid *grid, const char *dir, int shard); /* plan and grid are borrowed */
void gs_queue_close(gs_queue **q);                                                             /* nulls */
/* As gs_master_calls.next. */
bool gs_queue_next(gs_queue *q, int behind, int in_flight, const gs_time_left *t, int *run, bool *solo);
void gs_queue_return(gs_queue *q, int run); /* it was issued and has no result: it comes again */
bool gs_queue_blame(gs_queue *q, int run);  /* and its worker was lost. True: the third time, it does not come again */
void gs_queue_done(gs_queue *q, int run);   /* it has a result */
int gs_queue_save(gs_queue *q, gs_err *e);  /* DIR/losses.txt, when it changed */
double gs_queue_changed_s(const gs_queue *q); /* since when it is not saved, by gs_clock_s; now: it is saved */

/* -- speed.c: rank 0 --------------------------------------------------------------------------------------- */

typedef struct gs_speeds { /* zero-initialise */
    int ranks;
    gs_effort *of, all; /* (ranks), owned; of all together */
} gs_speeds;
void gs_speeds_add(gs_speeds *s, int rank, double predicted_s, double actual_s); /* a run that came back */
double gs_speeds_of(const gs_speeds *s, int rank); /* beside all ranks together; 1 before its first run */
/* For gs_time_left: a rank that is slow gets no run that it would still be at when the others have done the rest, which is left_s of
 * predicted seconds. 0: it is not slow. */
double gs_speeds_longest_s(const gs_speeds *s, int rank, double left_s, int workers);
void gs_speeds_free(gs_speeds *s);

/* -- launch.c: local --------------------------------------------------------------------------------------- */

int gs_launch_cores(void); /* that this process may use */
/* mpirun with so many ranks of this program and these arguments; waits; -> exit code. */
int gs_launch(int ranks, char **argv, bool recover); /* recover: the ranks survive the death of one */
bool gs_launch_terminal(void); /* is stderr a terminal, here or of the process that started mpirun? */

/* -- progress.c: rank 0 ------------------------------------------------------------------------------------ */

typedef struct gs_under_way { /* of a rank */
    int runs;           /* that it has; 0: it waits */
    double predicted_s; /* of them */
    double began_s;     /* the first one, monotonic */
} gs_under_way;
typedef struct gs_progress {
    bool quiet, terminal;
    int total, done, failed, workers;
    double todo_s;        /* predicted core seconds of all runs to do but the failed ones */
    gs_effort finished;   /* of those that came back, without the failed ones */
    double start_s, shown_s; /* monotonic */
    int ranks;
    gs_under_way *at;     /* (ranks), owned */
} gs_progress;
void gs_progress_start(gs_progress *p, const gs_plan *plan, int workers, bool quiet);
void gs_progress_begin(gs_progress *p, int rank, double predicted_s); /* a run went to this rank */
void gs_progress_run(gs_progress *p, int rank, double predicted_s, bool ok, double wall_s); /* and came back */
void gs_progress_lost(gs_progress *p, int rank);                      /* its runs are not under way any more */
void gs_progress_show(gs_progress *p, bool now);                      /* when it is time, or now */
void gs_progress_end(gs_progress *p);
/* Wall seconds left: the cost model, scaled by what the finished runs took and by the time of those that take longer already. 0: all
 * that is left takes longer than it should, nobody knows by how much. */
double gs_progress_left_s(const gs_progress *p, double now_s);
void gs_progress_free(gs_progress *p);

/* -- campaign.c: rank 0 ------------------------------------------------------------------------------------ */

enum { GS_SHARDS_MOST = 100000 };

typedef struct gs_run_options {
    const char *sweep, *dir_given, *np_text, *retry_text;
    gs_sets sets;
    const char *shard_text, *limit_text, *lost_text, *stuck_text;
    bool partial, quiet, retry, force_unlock, isolate;
    double limit_s; /* 0: none */
    gs_protection protection;
    int np;    /* workers; -1: not given */
    int shard, shards; /* this process's part of the plan; shards is 0 for the whole */
    char *dir; /* owned: dir_given or runs/NAME */
} gs_run_options;

extern const gs_protection gs_protection_default;

typedef struct gs_campaign gs_campaign;
int gs_run_shard(const gs_run_options *o); /* or GS_WHOLE */
/* DIR/RESUMABLE, for scripts: while it is there, the same command has something to do, however the last one ended. */
void gs_run_marker(const gs_run_options *o, bool there);
/* A folder holds one sweep. An edited file of the same name continues it. A file without `name:` takes its file's name,
 * which spec.yaml has lost. -> -1: the folder holds another sweep. */
int gs_run_check_folder(const char *dir, const gs_spec *spec, gs_err *e);
/* gs_session_plan for this process's part. */
int gs_run_plan(const gs_run_options *o, gs_session *s, bool retry, gs_err *e);
/* Takes the folder's lock, plans anew and writes the sweep there. -> GS_EXIT_FINE, or another exit code with its message
 * printed. */
int gs_campaign_open(const gs_run_options *o, gs_session *s, gs_campaign **out);
/* Does what is missing: with workers through the MPI master, with 0 in this process. Everything is in the journal then. A stop of any
 * kind ends it early. */
void gs_campaign_dispatch(gs_campaign *c, int workers);
int gs_campaign_report(gs_campaign *c); /* the tables, or what is left to do -> exit code */
void gs_campaign_close(gs_campaign **c);
#endif
