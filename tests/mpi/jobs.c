/* Drives gs_master and gs_worker with fake jobs, at any number of ranks: every job exactly once, results of any size, a stop,
 * nothing to do, and that whoever waits sleeps. Each rank checks itself; one failure fails the job.
 *
 *   mpirun -n N jobs     |     jobs --alone: outside of MPI */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "gridshift/mpi.h"

#define CHECK(condition)                                                         \
    do {                                                                         \
        if (!(condition)) gs_die("rank %d: not " #condition, gs_mpi_rank());     \
    } while (0)

static const double CPU_SHARE_MOST = 0.05;
static const size_t sizes[] = {0, 1, 4095, 65536, (4 << 20) - 1, 4 << 20, (4 << 20) + 1, 10000000};
enum { SIZES = sizeof sizes / sizeof *sizes };

typedef struct job {
    int index, sleep_ms;
    size_t answer; /* bytes of the result beside its index */
} job;

static double cpu_s(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

static char pattern(int index, size_t at) { return (char)((unsigned)index * 31 + (unsigned)(at * 2654435761u >> 13)); }

static void fill(char *bytes, int index, size_t length)
{
    for (size_t i = 0; i < length; i++) bytes[i] = pattern(index, i);
}

static bool fits(const char *bytes, int index, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (bytes[i] != pattern(index, i)) return false;
    return true;
}

/* -- the worker's side --------------------------------------------------------------------------------------- */

typedef struct effort {
    double wall_s, cpu_s; /* spent inside of jobs */
} effort;

static void execute(void *context, const char *bytes, size_t length, gs_bytes *result)
{
    effort *spent = context;
    double wall = gs_clock_s(), cpu = cpu_s();
    job j;
    CHECK(length >= sizeof j);
    memcpy(&j, bytes, sizeof j);
    CHECK(fits(bytes + sizeof j, j.index, length - sizeof j));
    usleep((useconds_t)j.sleep_ms * 1000);
    result->length = sizeof j.index + j.answer;
    result->data = gs_alloc(result->length, 1);
    memcpy(result->data, &j.index, sizeof j.index);
    fill(result->data + sizeof j.index, j.index, j.answer);
    spent->wall_s += gs_clock_s() - wall;
    spent->cpu_s += cpu_s() - cpu;
}

/* -- the master's side --------------------------------------------------------------------------------------- */

typedef struct sweep {
    const job *jobs;
    int count, issued, accepted, ticks, stop_after; /* stop_after: ticks, 0: never */
    size_t padding;                                  /* bytes of each job beside its struct */
    int *seen;                                       /* (count) */
    int rank_of[3];                                  /* of the first jobs */
    char *bytes;
} sweep;

static bool next(void *context, int rank, int behind, int in_flight, gs_job *out)
{
    CHECK(rank > 0 && rank < gs_mpi_size());
    sweep *s = context;
    CHECK(behind >= 0 && behind <= in_flight && in_flight <= s->issued - s->accepted);
    if (s->issued == s->count) return false;
    job j = s->jobs[s->issued++];
    out->id = j.index;
    out->length = sizeof j + s->padding;
    out->seconds = j.sleep_ms * 1e-3;
    s->bytes = gs_grow(s->bytes, out->length, 1); /* the same memory again: the master must have copied the last one */
    memcpy(s->bytes, &j, sizeof j);
    fill(s->bytes + sizeof j, j.index, s->padding);
    out->data = s->bytes;
    return true;
}

static void accept_result(void *context, const char *result, size_t length, int rank)
{
    sweep *s = context;
    int index;
    CHECK(rank > 0 && rank < gs_mpi_size());
    CHECK(length >= sizeof index);
    memcpy(&index, result, sizeof index);
    CHECK(index >= 0 && index < s->count);
    CHECK(length == sizeof index + s->jobs[index].answer);
    CHECK(fits(result + sizeof index, index, length - sizeof index));
    s->seen[index]++;
    if (index < 3) s->rank_of[index] = rank;
    s->accepted++;
}

static gs_stop tick(void *context)
{
    sweep *s = context;
    return ++s->ticks == s->stop_after ? GS_STOP : GS_GO;
}

static void nobody_is_lost(void *context, const gs_loss *loss)
{
    (void)context;
    gs_die("rank %d was lost: %s", loss->rank, loss->reason);
}

static void stop(void) {}
static uint64_t progress(void) { return 0; }
static const gs_protection protection = {false, 60, 600};

/* -> the share of a core that this rank took while it was not in a job. The jobs' array is read on rank 0 only. */
static double drive(sweep *s)
{
    effort spent = {0};
    double wall = gs_clock_s(), cpu = cpu_s();
    if (gs_mpi_rank()) {
        CHECK(gs_worker(&(gs_worker_calls){&spent, execute, stop, progress}, &protection));
    } else {
        s->seen = gs_alloc((size_t)s->count, sizeof *s->seen);
        gs_master(&(gs_master_calls){s, next, accept_result, nobody_is_lost, tick}, &protection);
        CHECK(s->stop_after || s->accepted == s->issued);
        int seen = 0;
        for (int i = 0; i < s->count; i++) {
            CHECK(s->stop_after ? s->seen[i] <= (i < s->issued) : s->seen[i] == (i < s->issued));
            seen += s->seen[i];
        }
        CHECK(seen == s->accepted);
        free(s->seen);
        free(s->bytes);
    }
    return (cpu_s() - cpu - spent.cpu_s) / (gs_clock_s() - wall);
}

static void drive_many(void)
{
    enum { COUNT = 48 };
    job jobs[COUNT];
    for (int i = 0; i < COUNT; i++) jobs[i] = (job){i, (i * 7) % 5, sizes[(size_t)i % SIZES]};
    sweep s = {.jobs = jobs, .count = COUNT, .padding = 5000};
    drive(&s);
    sweep few = {.jobs = jobs, .count = 2, .padding = 10000000};
    drive(&few);
    sweep none = {.jobs = jobs};
    drive(&none);
}

/* Tiny jobs travel in batches and lie in queues. */
static void drive_tiny(void)
{
    enum { COUNT = 20000 };
    static job jobs[COUNT];
    for (int i = 0; i < COUNT; i++) jobs[i] = (job){i, 0, (size_t)i % 700};
    sweep s = {.jobs = jobs, .count = COUNT, .padding = 300};
    drive(&s);
}

static void drive_stopped(void)
{
    enum { COUNT = 1000 };
    static job jobs[COUNT];
    for (int i = 0; i < COUNT; i++) jobs[i] = (job){i, 20, 8};
    sweep s = {.jobs = jobs, .count = COUNT, .stop_after = 2};
    drive(&s);
    if (gs_mpi_rank()) return;
    int workers = gs_mpi_size() - 1;
    CHECK(s.accepted >= workers && s.issued < COUNT && s.ticks >= 2);
    CHECK(s.issued > s.accepted + workers); /* there were queues, and they were dropped */
}

/* Behind a job of a second nothing is queued: the one worker does it, the other one both short ones. */
static void drive_unequal(void)
{
    job jobs[] = {{0, 1000, 0}, {1, 300, 0}, {2, 300, 0}};
    sweep s = {.jobs = jobs, .count = 3};
    drive(&s);
    if (!gs_mpi_rank() && gs_mpi_size() > 2) CHECK(s.rank_of[1] != s.rank_of[0] && s.rank_of[2] != s.rank_of[0]);
}

/* One worker sleeps for two seconds; the others and the master have nothing to do. */
static void drive_idle(void)
{
    job one = {0, 2000, 0};
    sweep s = {.jobs = &one, .count = 1};
    double began = gs_clock_s(), share = drive(&s);
    printf("rank %d of %d waited with %.2f %% of a core\n", gs_mpi_rank(), gs_mpi_size(), 100 * share);
    CHECK(share < CPU_SHARE_MOST);
    if (!gs_mpi_rank()) CHECK(s.ticks >= 2 && s.ticks <= (gs_clock_s() - began) / 0.05 + 2);
}

static void agree_asleep(void)
{
    double wall = gs_clock_s(), cpu = cpu_s();
    if (!gs_mpi_rank()) usleep(1000000);
    CHECK(gs_mpi_agree(gs_mpi_rank() ? 1 : 42) == 42);
    CHECK((cpu_s() - cpu) / (gs_clock_s() - wall) < CPU_SHARE_MOST);
}

/* One rank has no worker: gs_master must die, not wait. */
static void refused(void)
{
    exit(gs_mpi_finish(0));
}

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "--alone"))
        return gs_mpi_launched() || gs_mpi_rank() != 0 || gs_mpi_size() != 1 || gs_mpi_agree(5) != 5;
    if (!gs_mpi_launched()) return 3;
    gs_mpi_init(&argc, &argv);
    agree_asleep();
    if (gs_mpi_size() == 1) {
        gs_die_hook(refused);
        gs_master(&(gs_master_calls){NULL, next, accept_result, nobody_is_lost, tick}, &protection);
        return 4;
    }
    drive_many();
    drive_tiny();
    drive_unequal();
    drive_stopped();
    drive_idle();
    return gs_mpi_finish(gs_mpi_agree(0));
}
