/* Rank 1 never enters the sum that the others wait in: the watchdog must end them, say where they were, and leave the job with a code of its own.
 * Driven by watchdog.sh. */
#include <unistd.h>

#include "cli/analyze.h"
#include "gridshift/mpi.h"

int main(int argc, char **argv)
{
    gs_mpi_init(&argc, &argv);
    gs_team t = gs_team_open(gs_mpi_size(), GS_SHAPE_TALL);
    t.watch = gs_watchdog_step;
    gs_watchdog_start(300);
    double x = 1;
    gs_team_sum(&t, &x, 1); /* all are there */
    gs_watchdog_end();
    if (t.rank == 1) pause();
    gs_watchdog_start(2);
    gs_team_sum(&t, &x, 1);
    return 9; /* it cannot have ended */
}
