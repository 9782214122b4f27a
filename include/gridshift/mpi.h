/* gridshift mpi: runs as bytes -> master -> workers -> records as bytes. The only stage that includes <mpi.h>.
 *
 * Rank 0 is the master and sleeps between messages; every other rank works, on a thread beside the one that does its MPI. Pull
 * scheduling: a worker gets its next run when it hands in the last; of short ones it has a queue. Ranks that die, stop or hang are
 * found by their silence and lose their runs to the others. DESIGN section 5. */
#ifndef GRIDSHIFT_MPI_H
#define GRIDSHIFT_MPI_H
#include "gridshift/base.h"

/* Local, before or after MPI_Init: was this process started by mpirun or srun (as a rank of a job)? */
bool gs_mpi_launched(void);
void gs_mpi_init(int *argc, char ***argv); /* Collective. Installs the hook of gs_die, which ends the job (rank 0) or the rank. */
/* Collective, right after a gs_mpi_agree: the last call. -> what main returns. On rank 0, when a rank was lost, it does not return: it
 * ends mpirun and this process. */
int gs_mpi_finish(int code);
/* Local: leaves at once, from a signal handler too, with the others in a call that cannot end. Rank 0's code becomes the job's. */
_Noreturn void gs_mpi_leave(int code);
int gs_mpi_rank(void);
int gs_mpi_size(void);
bool gs_mpi_recovers(void); /* Local: was mpirun told --enable-recovery, so that ranks survive the death of one? */
int gs_mpi_lost(void);      /* Rank 0 only: how many ranks were lost */
/* Collective: rank 0's bytes become everyone's; waits asleep. A worker whose master dies meanwhile ends itself. */
void gs_mpi_share(void *bytes, int length);
/* The same for a code: "bad input: all ranks return the same code, one prints". */
int gs_mpi_agree(int code);

/* The file whose name this variable has (made by who starts mpirun) gets a line "rank PID" of each rank that begins, "master PID" when
 * they have found each other, and "code CODE" at the end: mpirun's own code is always 0 under recovery. */
#define GS_MPI_STATUS_VARIABLE "GRIDSHIFT_STATUS"
typedef struct gs_mpi_status {
    bool started; /* the ranks have found each other */
    bool ended;   /* with this code */
    int code;
    bool broken;  /* the master is gone; or, before it started, any rank, for which the others will wait for ever */
} gs_mpi_status;
gs_mpi_status gs_mpi_status_read(const char *path); /* Local, on the master's host */

typedef struct gs_bytes {
    char *data; /* owned by whoever holds the struct */
    size_t length;
} gs_bytes;

/* How ranks are found lost. The same on all ranks (gs_mpi_share). */
typedef struct gs_protection {
    bool off;       /* no signs of life, and jobs on the thread that does MPI: only to measure what protection costs */
    double lost_s;  /* a rank without a sign of life for so long is lost; also a master, for its workers on other hosts, after twice that */
    double stuck_s; /* a job that does not get on for so long hangs, and its rank is lost */
} gs_protection;

typedef struct gs_job {
    int64_t id;
    const char *data; /* borrowed until the next call */
    size_t length;
    double seconds; /* what it will take, about */
    bool solo;      /* nothing is queued behind it; only when next was called with behind == 0 */
} gs_job;

typedef struct gs_loss {
    int rank;
    gs_process process; /* pid 0: it never said who it is */
    char reason[128];   /* "its process is gone", ... */
    bool excused;       /* this rank was away for so long that the others had to take it for lost, and to leave */
    const int64_t *jobs; /* (count): without a result, in the order in which the worker does them; the first one was probably at work */
    int count;
} gs_loss;

typedef enum gs_stop { GS_GO, GS_STOP, GS_STOP_NOW } gs_stop;

/* Rank 0 only. next: the next job for the worker `rank`, which has `behind` jobs already, while in_flight have no result, or false:
 * none for it now; with in_flight 0 that is the end. accept: takes a finished job's bytes, at most once for each job that next gave, a
 * worker's jobs in their order. lost: a rank is gone; its jobs have no result and will have none. tick: called about every 50 ms
 * (progress, journal). GS_STOP: workers stop the job that they are at, hand it in as it is, and drop what they have queued.
 * GS_STOP_NOW: only what is finished is handed in. Returns when every worker has said that it leaves, or is lost. */
typedef struct gs_master_calls {
    void *context;
    bool (*next)(void *context, int rank, int behind, int in_flight, gs_job *out);
    void (*accept)(void *context, const char *result, size_t length, int rank);
    void (*lost)(void *context, const gs_loss *loss);
    gs_stop (*tick)(void *context);
} gs_master_calls;
void gs_master(const gs_master_calls *calls, const gs_protection *p);

/* Every rank but 0: executes jobs until told to leave. execute is called on another thread than the one that called gs_worker; stop (from
 * any thread) makes it end soon; progress counts its steps. -> false: it still works, so that the process has to end by _exit. */
typedef struct gs_worker_calls {
    void *context;
    void (*execute)(void *context, const char *job, size_t length, gs_bytes *result);
    void (*stop)(void);
    uint64_t (*progress)(void);
} gs_worker_calls;
bool gs_worker(const gs_worker_calls *calls, const gs_protection *p);
#endif
