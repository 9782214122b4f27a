/* The master: hands out jobs, takes results, sleeps in between.
 *
 * A worker gets one job at a time, longest first. Only of short ones it has a queue, so that it need not wait for the next: never
 * more than QUEUE_S of them, which bounds by how much the last worker can end after the others and costs a longer job at most the
 * milliseconds that the master sleeps. Batches make one message of many tiny jobs.
 *
 * Invariants: nothing here blocks, so that no worker that is slow, stopped or lost can hold up the others; no step depends on how
 * many jobs there are. Idle workers stay until the last result is there, so that a job may be issued again. Deliberately not
 * here: what a job means, and what to do about a lost worker. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "wire.h"

typedef struct seat {
    int queued;      /* jobs without a result */
    double queued_s; /* what they take, about */
    bool open;       /* gets jobs in this round */
    bool told, gone; /* to leave; that it leaves */
    gs_batch batch;  /* jobs that are about to be sent */
    gs_transfer out, in;
} seat;

typedef struct master {
    const gs_master_calls *calls;
    int size;      /* ranks; seats[1..size-1] are the workers */
    seat *seats;   /* (size), owned */
    int queued;    /* jobs without a result, of all workers */
    int gone;      /* workers */
    double last_s; /* of the last job that was issued: later ones are not longer */
    bool dry;      /* no more jobs */
    bool stopped;  /* tick said so */
    double next_tick_s;
} master;

enum { TICK_MS = 50, QUEUE_MOST = 2048, BATCH_BYTES = 1 << 20 };
static const double QUEUE_S = 0.5;

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Half a queue is enough to go on with: a message then has the other half. */
static bool is_hungry(const seat *s)
{
    return !s->out.active && s->queued <= QUEUE_MOST / 2 && s->queued_s <= QUEUE_S / 2;
}

static bool has_room(const master *m, const seat *s)
{
    if (!s->queued) return true;
    return s->queued < QUEUE_MOST && s->queued_s + m->last_s <= QUEUE_S && s->batch.length < BATCH_BYTES;
}

static bool add_job(master *m, seat *s)
{
    gs_job job;
    if (m->dry || !has_room(m, s)) return false;
    m->dry = !m->calls->next(m->calls->context, &job);
    if (m->dry) return false;
    gs_batch_add(&s->batch, job.data, (gs_item){job.length, job.seconds});
    m->queued++;
    s->queued++;
    s->queued_s += job.seconds;
    m->last_s = job.seconds;
    return true;
}

/* Jobs for every worker that is short of them, dealt out one by one. */
static bool issue(master *m)
{
    bool any = false, more = !m->dry && !m->stopped;
    for (int rank = 1; rank < m->size; rank++) m->seats[rank].open = more && is_hungry(&m->seats[rank]);
    while (more) {
        more = false;
        for (int rank = 1; rank < m->size; rank++)
            more |= m->seats[rank].open && add_job(m, &m->seats[rank]);
        any |= more;
    }
    for (int rank = 1; any && rank < m->size; rank++) {
        seat *s = &m->seats[rank];
        if (!s->batch.length) continue;
        gs_transfer_free(&s->out);
        gs_transfer_send(&s->out, rank, GS_MSG_JOB, s->batch.data, s->batch.length);
        s->batch = (gs_batch){0};
    }
    return any;
}

/* At the end, or on a stop. */
static void dismiss(master *m)
{
    if (!m->stopped && (!m->dry || m->queued)) return;
    for (int rank = 1; rank < m->size; rank++) {
        seat *s = &m->seats[rank];
        if (s->told || s->out.active) continue;
        gs_transfer_free(&s->out);
        gs_transfer_send(&s->out, rank, GS_MSG_LEAVE, NULL, 0);
        s->told = true;
    }
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
        if (s->in.active) return moved; /* its last message has come, and is only to be looked at */
        if (s->gone) gs_die("rank %d sent a %s that is not due", status.MPI_SOURCE, gs_message_names[GS_MSG_RESULT]);
        gs_transfer_receive(&s->in, status.MPI_SOURCE, GS_MSG_RESULT);
        moved = true;
    }
}

static void take_results(master *m, seat *s, int rank)
{
    gs_batch batch = {.data = s->in.data, .length = s->in.length};
    gs_item item;
    for (const char *data; (data = gs_batch_next(&batch, &item));) {
        m->calls->accept(m->calls->context, data, item.length, rank);
        m->queued--;
        s->queued_s = --s->queued ? s->queued_s - item.seconds : 0;
    }
    s->gone = !batch.length;
    m->gone += s->gone;
    gs_transfer_free(&s->in);
}

static bool advance(master *m)
{
    bool moved = false;
    for (int rank = 1; rank < m->size; rank++) {
        seat *s = &m->seats[rank];
        if (s->out.active) moved |= gs_transfer_advance(&s->out);
        if (!s->in.active || !gs_transfer_advance(&s->in)) continue;
        take_results(m, s, rank);
        moved = true;
    }
    return moved;
}

static void tick(master *m)
{
    double now = now_s();
    if (now < m->next_tick_s) return;
    if (m->calls->tick(m->calls->context)) m->stopped = true;
    m->next_tick_s = now_s() + TICK_MS * 1e-3;
}

void gs_master(const gs_master_calls *calls)
{
    master m = {.calls = calls, .size = gs_mpi_size(), .last_s = INFINITY};
    if (m.size < 2) gs_die("a master without workers: one rank does its jobs itself");
    m.seats = gs_alloc((size_t)m.size, sizeof *m.seats);
    m.next_tick_s = now_s() + TICK_MS * 1e-3;
    gs_nap nap = {0};
    while (m.gone < m.size - 1) {
        bool moved = issue(&m);
        dismiss(&m);
        moved |= greet(&m);
        moved |= advance(&m);
        tick(&m);
        if (moved)
            nap = (gs_nap){0};
        else
            gs_nap_take(&nap);
    }
    for (int rank = 1; rank < m.size; rank++) gs_transfer_finish(&m.seats[rank].out);
    free(m.seats);
}
