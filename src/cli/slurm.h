/* What gridshift knows of Slurm: the text of a job's script, sbatch and squeue. Local. */
#ifndef CLI_SLURM_H
#define CLI_SLURM_H
#include "cli/cli.h"

/* A job as `gridshift submit` writes it. All borrowed. */
typedef struct gs_slurm_job {
    const char *name, *about;  /* about: a line for the reader */
    const char *dir;           /* DIR, absolute: its scripts and logs are in DIR/slurm */
    const char *partition, *account, *after; /* NULL: not given */
    int nodes;                 /* 0: Slurm chooses */
    int tasks, array;          /* array 0: one job */
    int mib;                   /* of memory a task */
    int limit_s, signal_s;     /* the time limit; how long before it the job is told */
    const char *env;           /* a file that the job reads first; NULL: none */
    const char *program;       /* absolute */
    const char *const *words;  /* of `gridshift run`; NULL ends them */
} gs_slurm_job;
void gs_slurm_script(const gs_slurm_job *j, gs_buf *out);
/* The job that writes the tables when the tasks of an array have ended. */
void gs_slurm_tables_script(const gs_slurm_job *j, const char *array_id, gs_buf *out);

/* sbatch PATH -> the job's number. The error says what sbatch said. */
int gs_slurm_submit(const char *path, char id[32], gs_err *e);
/* DIR/slurm/jobs: "ID WHAT" a line. */
int gs_slurm_note(const char *dir, const char *id, const char *what, gs_err *e);
/* The jobs of DIR/slurm/jobs that are in the queue, on stdout; nothing when there is no such file. */
void gs_slurm_print_queue(const char *dir);
#endif
