/* The master: hands out jobs, takes results, sleeps in between.
 *
 * Invariants: a worker has at most one job; every worker starts idle and is idle again when its result has come whole; nothing
 * here blocks, so that no worker that is slow, stopped or lost can hold up the others. Idle workers stay until the very end, so
 * that a job may be issued again. Deliberately not here: what a job means, and what to do about a lost worker. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "wire.h"

typedef struct seat {
    bool busy;           /* has a job, or its result is under way */
    gs_transfer out, in; /* the job, the result */
} seat;

typedef struct master {
    const gs_master_calls *calls;
    int size;    /* ranks; seats[1..size-1] are the workers */
    seat *seats; /* (size), owned */
    int busy;    /* workers with a job */
    bool dry;    /* no more jobs: all are issued, or tick said stop */
    double next_tick_s;
} master;

enum { TICK_MS = 100 };

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static char *copy_of(const char *data, size_t length)
{
    char *copy = gs_alloc(length, 1);
    if (length) memcpy(copy, data, length);
    return copy;
}

/* A job for each idle worker, while there are jobs. */
static bool issue(master *m)
{
    bool moved = false;
    for (int rank = 1; rank < m->size && !m->dry; rank++) {
        seat *s = &m->seats[rank];
        if (s->busy || s->out.active) continue;
        const char *job;
        size_t length;
        m->dry = !m->calls->next(m->calls->context, &job, &length);
        if (m->dry) break;
        gs_transfer_free(&s->out);
        gs_transfer_send(&s->out, rank, GS_MSG_JOB, copy_of(job, length), length);
        s->busy = true;
        m->busy++;
        moved = true;
    }
    return moved;
}

/* Starts to receive the results that were announced. */
static bool greet(master *m)
{
    bool moved = false;
    for (;;) {
        int there;
        MPI_Status status;
        MPI_Iprobe(MPI_ANY_SOURCE, GS_MSG_RESULT, MPI_COMM_WORLD, &there, &status);
        if (!there) return moved;
        seat *s = &m->seats[status.MPI_SOURCE];
        if (!s->busy || s->in.active) gs_die("rank %d sent a %s without a job", status.MPI_SOURCE, gs_message_names[GS_MSG_RESULT]);
        gs_transfer_receive(&s->in, status.MPI_SOURCE, GS_MSG_RESULT);
        moved = true;
    }
}

static bool advance(master *m)
{
    bool moved = false;
    for (int rank = 1; rank < m->size; rank++) {
        seat *s = &m->seats[rank];
        if (s->out.active) moved |= gs_transfer_advance(&s->out);
        if (!s->in.active || !gs_transfer_advance(&s->in)) continue;
        m->calls->accept(m->calls->context, s->in.data, s->in.length, rank);
        gs_transfer_free(&s->in);
        s->busy = false;
        m->busy--;
        moved = true;
    }
    return moved;
}

static void tick(master *m)
{
    double now = now_s();
    if (now < m->next_tick_s) return;
    m->next_tick_s = now + TICK_MS * 1e-3;
    if (m->calls->tick(m->calls->context)) m->dry = true;
}

static void dismiss(master *m)
{
    for (int rank = 1; rank < m->size; rank++) {
        seat *s = &m->seats[rank];
        gs_transfer_finish(&s->out); /* its result is here, so that this has nothing to wait for */
        gs_transfer_free(&s->out);
        gs_transfer_send(&s->out, rank, GS_MSG_LEAVE, NULL, 0);
    }
    for (int rank = 1; rank < m->size; rank++) gs_transfer_finish(&m->seats[rank].out);
}

void gs_master(const gs_master_calls *calls)
{
    master m = {.calls = calls, .size = gs_mpi_size()};
    if (m.size < 2) gs_die("a master without workers: one rank does its jobs itself");
    m.seats = gs_alloc((size_t)m.size, sizeof *m.seats);
    m.next_tick_s = now_s() + TICK_MS * 1e-3;
    gs_nap nap = {0};
    while (issue(&m) || m.busy) {
        bool moved = greet(&m);
        moved |= advance(&m);
        tick(&m);
        if (moved)
            nap = (gs_nap){0};
        else
            gs_nap_take(&nap);
    }
    dismiss(&m);
    free(m.seats);
}
