/* Start, end and agreement of the ranks.
 *
 * Open MPI returns no error towards a dead rank, and a collective with one in it never ends. So nothing here is collective in MPI's
 * sense but Init and Finalize: rank 0 sends to each of the others, and they wait only while it lives. When a rank was lost, the
 * end is rank 0's own: it writes its exit code to the status file that `gridshift run` has named, ends mpirun and itself. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "wire.h"

static struct world {
    bool up, recovers;
    int rank, size;
    gs_process master;
    bool master_near; /* and so it can be seen whether it lives */
    bool *lost;       /* (size), rank 0 only */
    int lost_count;
    pthread_t thread; /* the only one that may call MPI */
} world = {.size = 1};

enum { SEND_TRIES = 2500 }; /* 5 s of naps: a small message leaves at once, or never */

bool gs_mpi_launched(void)
{
    return getenv("OMPI_COMM_WORLD_SIZE") || getenv("PMI_RANK") || (getenv("PMIX_RANK") && getenv("SLURM_STEP_ID"));
}

int gs_mpi_rank(void) { return world.rank; }
int gs_mpi_size(void) { return world.size; }
bool gs_mpi_recovers(void) { return world.recovers; }
int gs_mpi_lost(void) { return world.lost_count; }

void gs_world_lost(int rank)
{
    world.lost_count += !world.lost[rank];
    world.lost[rank] = true;
}

void gs_world_found(int rank)
{
    if (world.recovers) return; /* then it ends alone */
    world.lost_count -= world.lost[rank];
    world.lost[rank] = false;
}

bool gs_world_master_lives(void) { return !world.master_near || gs_process_lives(&world.master); }

/* -- rank 0's exit code, where mpirun's own says nothing --------------------------------------------------------- */

static void note_status(const char *word, long long value)
{
    const char *path = getenv(GS_MPI_STATUS_VARIABLE);
    char line[64];
    int length = snprintf(line, sizeof line, "%s %lld\n", word, value);
    int fd = path ? open(path, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;
    if (fd < 0) return;
    if (write(fd, line, (size_t)length) != length) fprintf(stderr, "gridshift: %s: cannot write it\n", path);
    close(fd);
}

static bool is_gone(int64_t pid) { return kill((pid_t)pid, 0) && errno == ESRCH; }

gs_mpi_status gs_mpi_status_read(const char *path)
{
    gs_mpi_status s = {0};
    char *text = NULL, word[8];
    size_t length;
    if (gs_file_read(path, 1 << 24, &text, &length, NULL)) return s;
    char *rest = text;
    long long value;
    bool rank_gone = false;
    for (char *line; (line = strsep(&rest, "\n"));) {
        if (sscanf(line, "%7s %lld", word, &value) != 2) continue;
        if (!strcmp(word, "rank")) rank_gone |= is_gone(value);
        if (!strcmp(word, "master")) s.started = true, s.broken = is_gone(value);
        if (!strcmp(word, "code")) s.ended = true, s.code = (int)value;
    }
    s.broken |= !s.started && rank_gone;
    free(text);
    return s;
}

static bool parent_is_mpirun(void)
{
    char path[64], name[32] = "";
    snprintf(path, sizeof path, "/proc/%ld/comm", (long)getppid());
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, name, sizeof name - 1);
    if (fd >= 0) close(fd);
    name[n > 0 ? n - 1 : 0] = 0;
    return !strcmp(name, "mpirun") || !strcmp(name, "orterun") || !strcmp(name, "mpiexec") || !strcmp(name, "prterun");
}

/* Ends the whole job, also with ranks that will never answer. Under recovery MPI_Abort would hang. */
static _Noreturn void end_all(int code)
{
    fflush(NULL);
    note_status("code", code);
    if (world.recovers && parent_is_mpirun()) kill(getppid(), SIGTERM);
    else if (!world.recovers && pthread_equal(pthread_self(), world.thread)) MPI_Abort(MPI_COMM_WORLD, code ? code : 1); /* 0: it hangs */
    _exit(code);
}

_Noreturn void gs_mpi_leave(int code)
{
    if (world.up && !world.rank) note_status("code", code);
    if (world.up && !world.rank && world.recovers && parent_is_mpirun()) kill(getppid(), SIGTERM);
    _exit(code);
}

/* gs_die has printed what and where in the source; a job of many ranks needs who, too. A worker's end is for the master to see. */
static void on_death(void)
{
    if (!world.up) return;
    fprintf(stderr, "gridshift: that was rank %d on %s\n", world.rank, gs_process_self().host);
    fflush(stderr);
    if (!world.rank) end_all(1);
    _exit(1);
}

/* -- one to all ------------------------------------------------------------------------------------------------ */

/* The bytes are a copy that stays when somebody never takes them. */
static void send_share(const void *bytes, int length)
{
    MPI_Request *sent = gs_alloc((size_t)world.size, sizeof *sent);
    char *copy = gs_alloc((size_t)length, 1);
    memcpy(copy, bytes, (size_t)length);
    for (int rank = 0; rank < world.size; rank++) {
        sent[rank] = MPI_REQUEST_NULL;
        if (rank && !world.lost[rank]) MPI_Isend(copy, length, MPI_BYTE, rank, GS_MSG_SHARE, MPI_COMM_WORLD, &sent[rank]);
    }
    int done = 0;
    gs_nap nap = {0};
    for (int i = 0; !done && i < SEND_TRIES; i++) {
        MPI_Testall(world.size, sent, &done, MPI_STATUSES_IGNORE);
        if (!done) gs_nap_take(&nap);
    }
    if (!done) return;
    free(sent);
    free(copy);
}

static void receive_share(void *bytes, int length)
{
    MPI_Request come;
    gs_nap nap = {0};
    double looked_s = gs_clock_s();
    int done = 0;
    MPI_Irecv(bytes, length, MPI_BYTE, 0, GS_MSG_SHARE, MPI_COMM_WORLD, &come);
    for (MPI_Test(&come, &done, MPI_STATUS_IGNORE); !done; MPI_Test(&come, &done, MPI_STATUS_IGNORE)) {
        gs_nap_take(&nap);
        if (gs_clock_s() - looked_s < GS_BEAT_S) continue;
        looked_s = gs_clock_s();
        if (!gs_world_master_lives()) gs_world_orphan("the master is gone", true);
    }
}

_Noreturn void gs_world_orphan(const char *why, bool master_gone)
{
    fprintf(stderr, "gridshift: rank %d on %s leaves: %s\n", world.rank, gs_process_self().host, why);
    fflush(stderr);
    if (master_gone || world.recovers) _exit(1);
    int code;
    receive_share(&code, sizeof code);
    MPI_Finalize();
    _exit(0);
}

void gs_mpi_share(void *bytes, int length)
{
    if (!world.up) return;
    if (world.rank) receive_share(bytes, length);
    else send_share(bytes, length);
}

int gs_mpi_agree(int code)
{
    gs_mpi_share(&code, sizeof code);
    return code;
}

/* -- start and end --------------------------------------------------------------------------------------------- */

static bool is_set(const char *variable)
{
    const char *value = getenv(variable);
    return value && strcmp(value, "0") && strcmp(value, "false");
}

void gs_mpi_init(int *argc, char ***argv)
{
    int level;
    signal(SIGPIPE, SIG_IGN); /* a write to a lost rank's socket must not kill this one */
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* mpirun is gone: also when this rank is stopped */
    note_status("rank", getpid()); /* MPI_Init waits for ever for a rank that dies in it */
    MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &level);
    MPI_Comm_rank(MPI_COMM_WORLD, &world.rank);
    MPI_Comm_size(MPI_COMM_WORLD, &world.size);
    world.up = true;
    world.thread = pthread_self();
    world.recovers = is_set("OMPI_MCA_orte_enable_recovery");
    world.lost = gs_alloc((size_t)world.size, sizeof *world.lost);
    gs_die_hook(on_death);
    if (level < MPI_THREAD_FUNNELED) gs_die("this MPI cannot be used beside other threads (level %d)", level);
    gs_process master = gs_process_self();
    if (!world.rank) {
        prctl(PR_SET_PDEATHSIG, 0); /* it still has a journal to close */
        note_status("master", master.pid);
    }
    gs_mpi_share(&master, sizeof master);
    world.master_near = gs_process_near(&master);
    world.master = master;
}

int gs_mpi_finish(int code)
{
    if (!world.up) return code;
    if (!world.rank && world.lost_count) end_all(code);
    if (!world.rank) note_status("code", code);
    MPI_Finalize();
    world.up = false;
    free(world.lost);
    world.lost = NULL;
    return getenv(GS_MPI_STATUS_VARIABLE) ? 0 : code; /* mpirun has much to say about a rank with another code */
}
