/* The parts of `gridshift run`: run.c decides who does what, launch.c starts mpirun, campaign.c is the master's side (and the
 * whole of it in one process), job.c one run as bytes, stop.c the signals. */
#ifndef CLI_RUN_H
#define CLI_RUN_H
#include "cli/cli.h"
#include "gridshift/mpi.h"

/* -- job.c: local ------------------------------------------------------------------------------------------ */

typedef gs_outcome (*gs_executor)(const gs_work *w, gs_record *out); /* as gs_execute */

/* The run as bytes, owned by the caller. */
char *gs_job_pack(gs_run run, gs_wanted wanted, const char *dir, size_t *length);
/* What a worker does with it. context: a gs_executor *. -> a gs_result_head and gs_record_json, owned by *result. */
void gs_job_execute(void *context, const char *job, size_t length, gs_bytes *result);
typedef struct gs_result_head { /* what the master needs without reading the record */
    int32_t run;
    int32_t outcome; /* gs_outcome; then the record, or why the folder cannot be written, or nothing */
    int32_t ok;
    int32_t checkpoints; /* gs_record.checkpoints */
    double wall_s;
} gs_result_head;

/* -- stop.c: local ----------------------------------------------------------------------------------------- */

/* INT, TERM and USR1 set a flag; a second one ends the process at once. */
void gs_stop_install(void);
bool gs_stop_asked(void);

/* -- launch.c: local --------------------------------------------------------------------------------------- */

int gs_launch_cores(void); /* that this process may use */
/* mpirun with so many ranks of this program and these arguments; waits; -> exit code. */
int gs_launch(int ranks, char **argv);
bool gs_launch_terminal(void); /* is stderr a terminal, here or of the process that started mpirun? */

/* -- progress.c: rank 0 ------------------------------------------------------------------------------------ */

typedef struct gs_progress {
    bool quiet, terminal;
    int total, done, failed, workers;
    double todo_s;                 /* predicted core seconds of all runs to do */
    double predicted_s, actual_s;  /* of those that came back */
    double start_s, shown_s;       /* monotonic */
} gs_progress;
void gs_progress_start(gs_progress *p, const gs_plan *plan, int workers, bool quiet);
void gs_progress_run(gs_progress *p, double predicted_s, bool ok, double wall_s); /* one came back */
void gs_progress_show(gs_progress *p, bool now);                              /* when it is time, or now */
void gs_progress_end(gs_progress *p);
/* Wall seconds left, from the cost model scaled by what the finished runs took. */
double gs_progress_left_s(const gs_progress *p, double now_s);

/* -- campaign.c: rank 0 ------------------------------------------------------------------------------------ */

enum { GS_SHARDS_MOST = 100000 };

typedef struct gs_run_options {
    const char *sweep, *dir_given, *np_text, *retry_text;
    gs_sets sets;
    const char *shard_text;
    bool partial, quiet, retry;
    int np;    /* workers; -1: not given */
    int shard, shards; /* this process's part of the plan; shards is 0 for the whole */
    char *dir; /* owned: dir_given or runs/NAME */
} gs_run_options;

typedef struct gs_campaign gs_campaign;
/* gs_session_plan for this process's part. */
int gs_run_plan(const gs_run_options *o, gs_session *s, bool retry, gs_err *e);
/* Takes the folder's lock, plans anew and writes the sweep there. -> GS_EXIT_FINE, or another exit code with its message
 * printed. */
int gs_campaign_open(const gs_run_options *o, gs_session *s, gs_campaign **out);
/* Does what is missing: with workers through the MPI master, with 0 in this process. Everything is in the journal then. */
void gs_campaign_dispatch(gs_campaign *c, int workers);
int gs_campaign_report(gs_campaign *c); /* the tables, or what is left to do -> exit code */
void gs_campaign_close(gs_campaign **c);
#endif
