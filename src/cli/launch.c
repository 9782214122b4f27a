#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/run.h"

#define TERMINAL_VARIABLE "GRIDSHIFT_TERMINAL"

int gs_launch_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set))
        return 1;
    return CPU_COUNT(&set);
}

bool gs_launch_terminal(void)
{
    return isatty(STDERR_FILENO) || getenv(TERMINAL_VARIABLE);
}

/* What the user has set stays. */
static void set_environment(void)
{
    setenv("OMPI_MCA_rmaps_base_oversubscribe", "1", 0);
    setenv("OMPI_MCA_hwloc_base_binding_policy", "none", 0);
    setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0);
    setenv("OPENBLAS_NUM_THREADS", "1", 0); /* a core has one rank */
    if (geteuid() == 0) {                   /* containers */
        setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 0);
        setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 0);
    }
    if (isatty(STDERR_FILENO))
        setenv(TERMINAL_VARIABLE, "1", 0); /* the ranks see mpirun's pipe only */
}

/* In the child: becomes mpirun. Its own process group, so that Ctrl-C reaches the parent alone. */
static _Noreturn void become_mpirun(int ranks, char **argv, const sigset_t *mask)
{
    char count[16], self[4096];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    self[length > 0 ? length : 0] = 0;
    snprintf(count, sizeof count, "%d", ranks);
    int words = 0;
    while (argv[words])
        words++;
    char **line = gs_alloc((size_t)words + 6, sizeof *line);
    char *head[] = {"mpirun", "--quiet", "-n", count, self};
    memcpy(line, head, sizeof head);
    memcpy(line + 5, argv, (size_t)words * sizeof *line);
    set_environment();
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    int none = open("/dev/null", O_RDONLY);
    dup2(none, STDIN_FILENO);
    sigprocmask(SIG_SETMASK, mask, NULL);
    execvp("mpirun", line);
    gs_cli_error("mpirun could not be started: %s. Install Open MPI (.ci/deps), or work in one process with --np 0.", strerror(errno));
    _exit(GS_EXIT_INPUT);
}

/* INT and TERM become USR1, which mpirun hands on to every rank at once; at the second one the ranks end themselves, so that
 * mpirun can clean up. A third ends mpirun, whatever it waits for. */
static int wait_for(pid_t mpirun, const sigset_t *waited)
{
    int status = 0, asked = 0;
    while (waitpid(mpirun, &status, WNOHANG) == 0) {
        int number = sigwaitinfo(waited, NULL);
        if (number == SIGINT || number == SIGTERM || number == SIGUSR1)
            kill(mpirun, asked++ < 2 ? SIGUSR1 : SIGKILL);
    }
    if (asked > 1)
        return GS_EXIT_STOPPED;
    if (WIFEXITED(status) && (WEXITSTATUS(status) <= GS_EXIT_FAILED || WEXITSTATUS(status) == GS_EXIT_STOPPED))
        return WEXITSTATUS(status);
    gs_cli_error("mpirun ended with %s %d: a rank was killed or crashed. What was finished is in the journal; the same command goes on.",
                 WIFEXITED(status) ? "code" : "signal", WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    return GS_EXIT_BUG;
}

int gs_launch(int ranks, char **argv)
{
    sigset_t waited, before;
    sigemptyset(&waited);
    sigaddset(&waited, SIGCHLD);
    sigaddset(&waited, SIGINT);
    sigaddset(&waited, SIGTERM);
    sigaddset(&waited, SIGUSR1);
    sigprocmask(SIG_BLOCK, &waited, &before);
    fflush(stdout);
    pid_t child = fork();
    if (child < 0) {
        gs_cli_error("mpirun could not be started: %s.", strerror(errno));
        return GS_EXIT_BUG;
    }
    if (child == 0)
        become_mpirun(ranks, argv, &before);
    return wait_for(child, &waited);
}
