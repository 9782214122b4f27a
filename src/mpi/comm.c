/* Start, end and agreement of the ranks. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "wire.h"

bool gs_mpi_launched(void)
{
    return getenv("OMPI_COMM_WORLD_SIZE") || getenv("PMI_RANK") || (getenv("PMIX_RANK") && getenv("SLURM_STEP_ID"));
}

static bool running(void)
{
    int up, down;
    MPI_Initialized(&up);
    MPI_Finalized(&down);
    return up && !down;
}

/* gs_die has printed what and where in the source; a job of many ranks needs who, too. */
static void abort_all(void)
{
    if (!running()) return;
    char host[MPI_MAX_PROCESSOR_NAME] = "";
    int length;
    MPI_Get_processor_name(host, &length);
    fprintf(stderr, "gridshift: rank %d on %s ends the whole job\n", gs_mpi_rank(), host);
    fflush(stderr);
    MPI_Abort(MPI_COMM_WORLD, 1);
}

void gs_mpi_init(int *argc, char ***argv)
{
    int level;
    signal(SIGPIPE, SIG_IGN); /* a write to a lost rank's socket must not kill this one */
    MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &level);
    gs_die_hook(abort_all);
    if (level < MPI_THREAD_FUNNELED) gs_die("this MPI cannot be used beside BLAS threads (level %d)", level);
}

/* MPI_Finalize waits for all ranks, and spins while it does; so they meet asleep first. */
void gs_mpi_finish(void)
{
    if (!running()) return;
    MPI_Request all;
    MPI_Ibarrier(MPI_COMM_WORLD, &all);
    gs_wait_asleep(&all);
    MPI_Finalize();
}

int gs_mpi_rank(void)
{
    int rank = 0;
    if (running()) MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    return rank;
}

int gs_mpi_size(void)
{
    int size = 1;
    if (running()) MPI_Comm_size(MPI_COMM_WORLD, &size);
    return size;
}

int gs_mpi_agree(int code)
{
    if (!running()) return code;
    MPI_Request all;
    MPI_Ibcast(&code, 1, MPI_INT, 0, MPI_COMM_WORLD, &all);
    gs_wait_asleep(&all);
    return code;
}
