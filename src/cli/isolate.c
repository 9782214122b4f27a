/* --isolate: a process for each run, so that a crash inside of one is its own failed record.
 *
 * The child calls no MPI, ends by _exit, dies with its parent, and hands the result over through a pipe; a page that both see counts
 * its steps. Its signals are its own: it has a process group, and the parent passes a stop on. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/run.h"

enum { LOOK_MS = 20, BLOCK = 1 << 16 };

static void count_steps(void *shared) { atomic_store((atomic_uint_fast64_t *)shared, gs_stop_polls()); }

static _Noreturn void be_child(pid_t parent, int out, atomic_uint_fast64_t *steps, void *context, const char *job, size_t length)
{
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    sigset_t none;
    gs_bytes result = {0};
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1); /* it died before that */
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++) signal(crashes[i], SIG_DFL);
    gs_die_hook(NULL);
    gs_stop_hold(false);
    gs_stop_each(count_steps, steps);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    gs_job_execute(context, job, length, &result);
    _exit(gs_write_all(out, result.data, result.length) ? 1 : 0);
}

/* What the child writes until it closes the pipe. Meanwhile a stop is passed on, and its steps count as this process's. */
static void listen_to(pid_t child, int in, atomic_uint_fast64_t *steps, gs_buf *got)
{
    struct pollfd ready = {.fd = in, .events = POLLIN};
    uint64_t seen = 0;
    bool told = false;
    char *block = gs_alloc(BLOCK, 1);
    for (ssize_t n = 1; n != 0;) {
        uint64_t now = atomic_load(steps);
        if (now != seen) gs_stop_poll(NULL);
        seen = now;
        if (gs_stop_asked() && !told) told = !kill(child, SIGUSR1);
        if (poll(&ready, 1, LOOK_MS) <= 0) continue;
        n = read(in, block, BLOCK);
        if (n > 0) gs_buf_bytes(got, block, (size_t)n);
        else if (n < 0 && errno != EINTR) break;
    }
    free(block);
}

static int wait_for(pid_t child)
{
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    return status;
}

static void take(int status, gs_buf *got, const char *job, size_t length, gs_bytes *result)
{
    char why[128];
    /* A second signal ends a child at once; the stop that it was forked with counts as the first one. */
    bool stopped = gs_stop_asked() && WIFEXITED(status) && WEXITSTATUS(status) == GS_EXIT_STOPPED;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && got->length >= sizeof(gs_result_head)) {
        *result = (gs_bytes){got->text, got->length};
        return;
    }
    if (WIFSIGNALED(status))
        snprintf(why, sizeof why, "the run's process was ended by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(why, sizeof why, "the run's process ended with code %d", WEXITSTATUS(status));
    gs_buf_free(got);
    gs_job_fail(job, length, stopped ? GS_RUN_INTERRUPTED : GS_RUN_RECORDED, why, result);
}

void gs_job_isolate(void *context, const char *job, size_t length, gs_bytes *result)
{
    int ends[2];
    atomic_uint_fast64_t *steps = mmap(NULL, sizeof *steps, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (steps == MAP_FAILED || pipe(ends)) gs_die("no process for a run: %s", strerror(errno));
    pid_t parent = getpid(), child = fork();
    if (child < 0) gs_die("no process for a run: %s", strerror(errno));
    if (child == 0) be_child(parent, ends[1], steps, context, job, length);
    close(ends[1]);
    gs_buf got = {0};
    listen_to(child, ends[0], steps, &got);
    close(ends[0]);
    take(wait_for(child), &got, job, length, result);
    munmap(steps, sizeof *steps);
}
