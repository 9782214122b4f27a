/* gridshift mpi: runs as bytes -> master -> workers -> records as bytes. The only stage that includes <mpi.h>.
 *
 * Rank 0 is the master and sleeps between messages; every other rank works. Pull scheduling: a worker gets its next run
 * when it hands in the last; of short ones it has a queue. DESIGN section 5. */
#ifndef GRIDSHIFT_MPI_H
#define GRIDSHIFT_MPI_H
#include "gridshift/base.h"

/* Local, before or after MPI_Init: was this process started by mpirun or srun (as a rank of a job)? */
bool gs_mpi_launched(void);
void gs_mpi_init(int *argc, char ***argv); /* Collective. Installs the hook of gs_die (MPI_Abort). */
void gs_mpi_finish(void);                  /* Collective. */
int gs_mpi_rank(void);
int gs_mpi_size(void);
/* Collective: rank 0's code becomes everyone's; waits asleep. For "bad input: all ranks return the same code, one prints". */
int gs_mpi_agree(int code);

typedef struct gs_bytes {
    char *data; /* owned by whoever holds the struct */
    size_t length;
} gs_bytes;

typedef struct gs_job {
    const char *data; /* borrowed until the next call */
    size_t length;
    double seconds; /* what it will take, about */
} gs_job;

/* Rank 0 only. next: the next job, or false when none is left; accept: takes a finished job's bytes, a job's results in the order in
 * which it was issued to its worker; tick: called about every 50 ms (progress, journal). A true result of tick stops: a worker
 * finishes the job that it is at and drops what it has queued. Returns when every worker has said that it leaves. */
typedef struct gs_master_calls {
    void *context;
    bool (*next)(void *context, gs_job *out);
    void (*accept)(void *context, const char *result, size_t length, int rank);
    bool (*tick)(void *context);
} gs_master_calls;
void gs_master(const gs_master_calls *calls);
/* Every rank but 0: executes jobs until told to leave. */
void gs_worker(void (*execute)(void *context, const char *job, size_t length, gs_bytes *result), void *context);
#endif
