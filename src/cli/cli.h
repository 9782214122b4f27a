/* gridshift cli: argv -> one call of the stages -> terminal and exit code.
 *
 * The only folder that parses argv, prints to the terminal, or chooses an exit code. One file per subcommand; main.c holds
 * the table of them. Everything is local unless it says otherwise. */
#ifndef CLI_CLI_H
#define CLI_CLI_H
#include <stdio.h>

#include "gridshift/schedule.h"
#include "gridshift/store.h"
#include "gridshift/tables.h"

enum {
    GS_EXIT_FINE = 0,
    GS_EXIT_BUG = 1,     /* ours, or a broken machine */
    GS_EXIT_INPUT = 2,   /* bad input: nothing was started */
    GS_EXIT_FAILED = 3,  /* some runs failed */
    GS_EXIT_STOPPED = 75 /* stopped early; the same command continues */
};

/* -- commands ---------------------------------------------------------------------------------------------- */

typedef struct gs_command {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0] is the command's name; -> exit code */
    const char *doc;
} gs_command;

/* Finds argv[1] in the table, which ends with a NULL name, and runs it; -> exit code. */
int gs_cli_main(const gs_command *commands, int argc, char **argv);

int gs_cmd_plan(int argc, char **argv);
int gs_cmd_run(int argc, char **argv); /* collective under mpirun or srun */
int gs_cmd_status(int argc, char **argv);
int gs_cmd_tables(int argc, char **argv);
int gs_cmd_analyze(int argc, char **argv); /* collective under mpirun or srun */
int gs_cmd_show(int argc, char **argv);
int gs_cmd_eval(int argc, char **argv);
int gs_cmd_keys(int argc, char **argv);
int gs_cmd_bench(int argc, char **argv); /* parts of it are collective under mpirun */
int gs_cmd_submit(int argc, char **argv);
int gs_cmd_doctor(int argc, char **argv);

/* -- one run (execute.c) ----------------------------------------------------------------------------------- */

typedef struct gs_work { /* borrowed throughout */
    const char *dir;
    const gs_config *config;
    gs_wanted wanted;
    int64_t budget_bytes;                           /* that a run may take; 0: any */
    bool (*asked)(void *context);                   /* polled before each step: end here, with a checkpoint? NULL: never */
    void (*tell)(void *context, const char *line);  /* what a user should know and no record holds; NULL: nobody listens */
    void *context;
} gs_work;
typedef enum gs_outcome {
    GS_RUN_RECORDED,    /* done or failed: *out says which */
    GS_RUN_INTERRUPTED, /* asked to: no record; the next execution goes on from its checkpoint */
    GS_RUN_STORAGE,     /* its folder cannot be written: no record, since no other run would fare better; out->reason says why */
} gs_outcome;
/* Train, measure, write DIR/runs/ID/. Prints nothing; a failure is in the record. *out is owned by the caller (gs_record_free)
 * whatever the outcome; its host and rank are the caller's to fill. */
gs_outcome gs_execute(const gs_work *w, gs_record *out);

/* -- memory of a run (memory.c) ----------------------------------------------------------------------------- */

typedef struct gs_room {
    int64_t bytes;      /* that one worker may still take */
    int workers;        /* that share the node; 0: not looked up */
    const char *source; /* what sets the limit */
} gs_room;
/* The least of MemAvailable and the cgroups' limits, shared by the workers, and RLIMIT_AS. root: "" or, in tests, a folder with proc/
 * and sys/. */
gs_room gs_memory_room(const char *root, int workers);
const gs_room *gs_memory_here(void); /* looked up at the first call, before the workers of this node take theirs */
int gs_memory_check(int64_t needed, int64_t budget, const gs_room *room, gs_err *e);

/* -- options (common.c) ------------------------------------------------------------------------------------ */

typedef struct gs_sets { /* every --set, in order */
    gs_set *at;          /* (count), owned; the texts are borrowed from argv or from `text` */
    int count;
    char *text;          /* owned: the file that they came from, or NULL */
} gs_sets;
void gs_sets_add(gs_sets *s, const char *text);
void gs_sets_free(gs_sets *s);

typedef enum gs_option_kind { GS_OPTION_FLAG, GS_OPTION_TEXT, GS_OPTION_SETS } gs_option_kind;
typedef struct gs_option {
    const char *name; /* without "--"; NULL ends the table */
    char letter;      /* 0: none */
    gs_option_kind kind;
    void *target;         /* bool *, const char ** or gs_sets * */
    const char *argument; /* what --help calls the argument; NULL for a flag */
    const char *doc;
} gs_option;
typedef struct gs_usage {
    const char *synopsis; /* "plan [options] SWEEP" */
    const char *about;    /* a sentence or two for --help */
    const gs_option *options;
    int least, most; /* operands */
} gs_usage;

/* Parses by getopt_long; operands gets up to `most` borrowed words, NULL for the absent ones. False: leave with *code
 * (--help was printed, or what is wrong). */
bool gs_cli_parse(const gs_usage *u, int argc, char **argv, const char **operands, int *code);
/* A whole number of at least `least` for option --name, or a message and false. */
bool gs_cli_int(const char *name, const char *text, int least, int *out);
/* "gridshift: TEXT" on stderr; -> GS_EXIT_INPUT. */
int gs_cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* -- text on the terminal (text.c) ------------------------------------------------------------------------- */

/* Aligned columns: the first row is the heading; a column of numbers is set to the right. Zero-initialise with columns. */
typedef struct gs_cells {
    int columns;
    size_t count; /* cells added so far */
    char **cell;  /* (count), owned */
} gs_cells;
void gs_cells_add(gs_cells *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void gs_cells_print(const gs_cells *t, FILE *to);
void gs_cells_free(gs_cells *t);

const char *gs_bytes_text(int64_t bytes, char out[32]);     /* "1.5 MiB" */
const char *gs_seconds_text(double seconds, char out[32]); /* "0.4 s", "42 s", "3:05", "2:03:05" */

/* -- plan --simulate (simulate.c) -------------------------------------------------------------------------- */

typedef struct gs_simulation {
    int workers[16], count; /* each is a row */
    double seconds;         /* of every run; below 0: as planned */
    int runs;               /* so many; 0: those to do */
    gs_machine machine;
} gs_simulation;
/* "workers=N[,...]"; NULL is none. False: leave with *code. */
bool gs_simulation_parse(const char *text, gs_simulation *out, int *code);
/* Below this, more workers do not pay. */
#define GS_EFFICIENCY_LEAST 0.75
void gs_simulation_print(const gs_simulation *s, const gs_plan *p, bool json);
/* What the runs to do take, in the order of issue; (todo), owned by the caller. scale: what runs took over what was predicted. */
double *gs_plan_seconds(const gs_plan *p, double scale);

/* -- a sweep and what its folder knows of it (session.c) --------------------------------------------------- */

typedef struct gs_session {
    gs_spec *spec;
    gs_grid *grid;
    gs_plan *plan;      /* NULL until gs_session_plan */
    gs_records records; /* of the folder */
    bool metrics;       /* the records are wanted with their metrics: for tables */
    gs_buf damage;      /* a line for each bad line of the journal */
} gs_session; /* zero-initialise */
/* Reads, expands and checks everything that needs no result. partial: unequal sets of seeds are no error. */
int gs_session_read(gs_session *s, const char *path, const gs_sets *sets, bool partial, gs_err *e);
/* The sweep that a folder holds: DIR/spec.yaml and DIR/set.txt. */
int gs_session_read_folder(gs_session *s, const char *dir, gs_err *e);
/* The journal of dir (NULL: none) -> states and plan; may be called again for the newest state. retry: failed runs are
 * to do. */
int gs_session_plan(gs_session *s, const char *dir, bool retry, gs_err *e);
void gs_session_close(gs_session *s);
/* Removes temporary files and the checkpoints of recorded runs, which a master that was killed has left in a planned folder. Nobody else
 * may be writing there. */
void gs_session_tidy(gs_session *s, const char *dir);
/* DIR/{spec.yaml, set.txt, plan.csv}. */
int gs_session_save(const gs_session *s, const char *dir, const gs_sets *sets, gs_err *e);
/* DIR/tables/, DIR/results.csv and DIR/timings.csv from the planned session; *screen gets the tables. */
int gs_session_tables(const gs_session *s, const char *dir, bool partial, gs_buf *screen, gs_err *e);
/* What runs took, beside what was predicted. */
typedef struct gs_effort {
    double predicted_s, actual_s; /* 0: of none */
} gs_effort;
static inline double gs_effort_ratio(gs_effort e) { return e.predicted_s > 0 ? e.actual_s / e.predicted_s : 1; }
typedef struct gs_pace { /* of the done runs */
    gs_effort done;
    int ranks; /* different workers that they ran on */
} gs_pace;
gs_pace gs_session_pace(const gs_session *s);
/* Is a varying key worth a reader's column? Not when its presence follows from other keys and it has one value wherever it
 * applies. */
bool gs_session_tells(const gs_session *s, gs_key key);
/* The runs that failed and why, one a line, with the keys that tell them from others. */
void gs_session_failures(const gs_session *s, FILE *to);
#endif
