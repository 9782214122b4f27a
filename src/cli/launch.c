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
static _Noreturn void become_mpirun(int ranks, char **argv, bool recover, const sigset_t *mask)
{
    char count[16], self[4096];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    self[length > 0 ? length : 0] = 0;
    snprintf(count, sizeof count, "%d", ranks);
    int words = 0, at = 0;
    while (argv[words])
        words++;
    char **line = gs_alloc((size_t)words + 7, sizeof *line);
    char *head[] = {"mpirun", "--quiet", "-n", count, "--enable-recovery"};
    for (int i = 0; i < 4 + recover; i++) line[at++] = head[i];
    line[at++] = self;
    memcpy(line + at, argv, (size_t)words * sizeof *line);
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

typedef struct watch {
    pid_t mpirun;
    const char *status; /* the file of GS_MPI_STATUS_VARIABLE */
    int asked;          /* signals so far */
    double began_s, start_s; /* start_s: for the ranks to find each other */
    double over_s;      /* since when there is nothing to wait for; 0: there is */
} watch;

static const double START_S = 90, RANK_S = 1; /* for the ranks to find each other, and for each of them more */
static const double TERM_S = 10, KILL_S = 15; /* for mpirun to end after the master */

/* INT and TERM become USR1, which mpirun hands on to every rank at once; after the second one the ranks end themselves, so that
 * mpirun can clean up. A third ends mpirun, whatever it waits for. */
static void pass_on(watch *w, int number)
{
    if (number == SIGINT || number == SIGTERM || number == SIGUSR1)
        kill(w->mpirun, w->asked++ < 2 ? SIGUSR1 : SIGKILL);
}

/* A stopped rank, or one that was lost on another host, keeps mpirun for ever; its ranks end with it. Before they have started there is
 * nothing to wait for. */
static void hurry(watch *w)
{
    gs_mpi_status s = gs_mpi_status_read(w->status);
    double now = gs_clock_s();
    if (!s.ended && !s.started && (s.broken || now - w->began_s > w->start_s)) kill(w->mpirun, SIGKILL);
    if ((s.ended || s.broken) && !w->over_s) w->over_s = now;
    if (w->over_s && now - w->over_s > KILL_S) kill(w->mpirun, SIGKILL);
    else if (w->over_s && now - w->over_s > TERM_S) kill(w->mpirun, SIGTERM);
}

static int wait_for(watch *w, const sigset_t *waited)
{
    const struct timespec second = {1, 0};
    int status = 0;
    while (waitpid(w->mpirun, &status, WNOHANG) == 0) {
        pass_on(w, sigtimedwait(waited, NULL, &second));
        hurry(w);
    }
    bool exited = WIFEXITED(status);
    gs_mpi_status s = gs_mpi_status_read(w->status);
    if (s.ended)
        return s.code;
    if (w->asked > 1)
        return GS_EXIT_STOPPED;
    if (!s.started && exited && WEXITSTATUS(status) == GS_EXIT_INPUT) /* it could not be started */
        return GS_EXIT_INPUT;
    gs_cli_error("mpirun ended with %s %d before the master did: it was killed or crashed. What was finished is in the journal; the "
                 "same command goes on.", exited ? "code" : "signal", exited ? WEXITSTATUS(status) : WTERMSIG(status));
    return GS_EXIT_BUG;
}

/* The status file: made here, written by rank 0, owned by the caller. */
static char *make_status(void)
{
    const char *tmp = getenv("TMPDIR");
    char *path = gs_text("%s/gridshift-status-XXXXXX", tmp ? tmp : "/tmp");
    int fd = mkstemp(path);
    if (fd >= 0) {
        close(fd);
        setenv(GS_MPI_STATUS_VARIABLE, path, 1);
        return path;
    }
    gs_cli_error("%s: %s. Set TMPDIR to a folder that can be written.", path, strerror(errno));
    free(path);
    return NULL;
}

int gs_launch(int ranks, char **argv, bool recover)
{
    sigset_t waited, before;
    sigemptyset(&waited);
    sigaddset(&waited, SIGCHLD);
    sigaddset(&waited, SIGINT);
    sigaddset(&waited, SIGTERM);
    sigaddset(&waited, SIGUSR1);
    char *status = make_status();
    if (!status)
        return GS_EXIT_BUG;
    sigprocmask(SIG_BLOCK, &waited, &before);
    fflush(stdout);
    int code = GS_EXIT_BUG;
    pid_t child = fork();
    if (child == 0)
        become_mpirun(ranks, argv, recover, &before);
    if (child > 0)
        code = wait_for(&(watch){child, status, .began_s = gs_clock_s(), .start_s = START_S + RANK_S * ranks}, &waited);
    else
        gs_cli_error("mpirun could not be started: %s.", strerror(errno));
    unlink(status);
    free(status);
    return code;
}
