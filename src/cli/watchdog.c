/* Ends a rank that is stuck in a step which all ranks must enter. ScaLAPACK's calls cannot be left once a rank of the team is gone, so
 * the alarm's handler ends the process: everything before the step is on the disk. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/analyze.h"
#include "gridshift/mpi.h"

static const double FLOPS_LEAST = 1e8; /* a second, of a rank that shares its core with many others */

static int limit_s;
static char last_words[512]; /* made before the alarm: a handler may only write */
static size_t last_length;

static void give_up(int number)
{
    (void)number;
    ssize_t told = write(STDERR_FILENO, last_words, last_length);
    gs_mpi_leave(told < 0 ? GS_EXIT_BUG : GS_EXIT_STOPPED);
}

void gs_watchdog_start(int seconds)
{
    struct sigaction action = {.sa_handler = give_up};
    limit_s = seconds;
    sigaction(SIGALRM, &action, NULL);
    gs_watchdog_step("the start of the analysis", 0);
}

void gs_watchdog_step(const char *what, double flops)
{
    char host[64] = "";
    double seconds = limit_s + flops / FLOPS_LEAST;
    unsigned int wait = seconds < 1e9 ? (unsigned int)seconds : 1000000000u;
    alarm(0); /* the text must be whole when the handler reads it */
    gethostname(host, sizeof host - 1);
    int length = snprintf(last_words, sizeof last_words,
                          "gridshift: rank %d on %s: stuck for %u s in %s, so another rank is lost or hangs. The runs and all tables "
                              "are safe; "
                          "`gridshift analyze DIR` does the analysis again (--limit gives a step more time).\n",
                          gs_mpi_rank(), host, wait, what);
    last_length = length < (int)sizeof last_words ? (size_t)length : sizeof last_words - 1;
    alarm(wait);
}

void gs_watchdog_end(void) { alarm(0); }
