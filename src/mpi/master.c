/* The master: hands out jobs, takes results, sleeps in between, and notices who is lost.
 *
 * A worker gets one job at a time, longest first. Only of short ones it has a queue, so that it need not wait for the next: never
 * more than QUEUE_S of them, which bounds by how much the last worker can end after the others and costs a longer job at most the
 * milliseconds that the master sleeps. Batches make one message of many tiny jobs.
 *
 * Invariants: nothing here blocks, so that no worker that is slow, stopped or lost can hold up the others; no step depends on how
 * many jobs there are; what lies in queues is bounded for all workers together (QUEUES_MOST); a job has one worker at a time, and
 * what another one says of it is ignored. Nothing is sent to a lost worker but the answer to its own sign of life; its requests are
 * left alone, for they may never end. Idle workers stay until the last result is there, so that a job may be issued again.
 * Deliberately not here: what a job means, and when to issue it again. */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire.h"

typedef struct seat {
    int64_t *jobs;          /* (capacity), owned: jobs[first..first+queued-1] have no result yet, in their order */
    int first, queued, capacity;
    double queued_s;        /* what they take, about */
    bool open;              /* gets jobs in this round */
    bool solo;              /* the one job that it has bears no other behind it */
    gs_stop told;           /* to leave */
    bool gone, lost;        /* it leaves of itself; it is given up */
    gs_batch batch;         /* jobs that are about to be sent */
    gs_transfer out, in;
    double silent_s;        /* since its last sign of life, as far as this rank was awake */
    gs_beat beat;           /* the last one; its process has pid 0 before the first */
    gs_answer answer;
    MPI_Request answering;
} seat;

typedef struct master {
    const gs_master_calls *calls;
    const gs_protection *protection;
    int size;      /* ranks; seats[1..size-1] are the workers */
    seat *seats;   /* (size), owned */
    int queued;    /* jobs without a result, of all workers */
    int left;      /* workers that are neither gone nor lost */
    int queue_most; /* jobs of a worker */
    double last_s; /* of the last job that was issued */
    bool waits;    /* no job for an idle worker until something comes back */
    gs_stop stop;
    double next_tick_s, next_look_s, looked_s, patience_s;
    double excuse_s; /* until then workers may be gone because this rank was */
} master;

enum { TICK_MS = 50, QUEUE_LEAST = 16, QUEUE_MOST = 2048, QUEUES_MOST = 1 << 18, BATCH_BYTES = 1 << 20 };
static const double QUEUE_S = 0.5, NOW_S = 3, EXCUSE_S = 10; /* NOW_S: to hand in what is finished; EXCUSE_S: for a worker to leave */

static bool is_in(const seat *s) { return !s->gone && !s->lost; }

/* -- jobs ------------------------------------------------------------------------------------------------------ */

/* Half a queue is enough to go on with: a message then has the other half. */
static bool is_hungry(const master *m, const seat *s)
{
    return is_in(s) && !s->told && !s->out.active && s->queued <= m->queue_most / 2 && s->queued_s <= QUEUE_S / 2;
}

static bool has_room(const master *m, const seat *s)
{
    if (!s->queued) return true;
    return !s->solo && s->queued < m->queue_most && s->queued_s + m->last_s <= QUEUE_S && s->batch.length < BATCH_BYTES;
}

static void remember(seat *s, int64_t id)
{
    if (s->first + s->queued == s->capacity) {
        if (s->first > s->capacity / 2) {
            memmove(s->jobs, s->jobs + s->first, (size_t)s->queued * sizeof *s->jobs);
            s->first = 0;
        } else {
            s->capacity = 2 * s->capacity + 4;
            s->jobs = gs_grow(s->jobs, (size_t)s->capacity, sizeof *s->jobs);
        }
    }
    s->jobs[s->first + s->queued++] = id;
}

static bool add_job(master *m, seat *s)
{
    gs_job job = {0};
    if ((m->waits && !s->queued) || !has_room(m, s)) return false;
    if (!m->calls->next(m->calls->context, (int)(s - m->seats), s->queued, m->queued, &job)) {
        m->waits |= !s->queued;
        return false;
    }
    gs_batch_add(&s->batch, job.data, (gs_item){job.length, job.id, job.seconds});
    remember(s, job.id);
    m->queued++;
    s->queued_s += job.seconds;
    s->solo = job.solo;
    m->last_s = job.seconds;
    return true;
}

/* Jobs for every worker that is short of them, dealt out one by one. */
static bool issue(master *m)
{
    bool any = false, more = !m->stop;
    for (int rank = 1; rank < m->size; rank++) m->seats[rank].open = more && is_hungry(m, &m->seats[rank]);
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
    bool over = m->waits && !m->queued;
    if (!m->stop && !over) return;
    gs_stop how = m->stop ? m->stop : GS_STOP;
    for (int rank = 1; rank < m->size; rank++) {
        seat *s = &m->seats[rank];
        if (!is_in(s) || s->told >= how || s->out.active) continue;
        gs_transfer_free(&s->out);
        gs_transfer_send(&s->out, rank, how == GS_STOP_NOW ? GS_MSG_NOW : GS_MSG_LEAVE, NULL, 0);
        s->told = how;
    }
}

/* -- results --------------------------------------------------------------------------------------------------- */

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

static void take_result(master *m, seat *s, const gs_item *item, const char *data, int rank)
{
    if (!s->queued || s->jobs[s->first] != item->id)
        gs_die("rank %d sent the result of job %lld, which is not due", rank, (long long)item->id);
    m->queued--;
    s->first++;
    s->queued_s = --s->queued ? s->queued_s - item->seconds : 0;
    s->solo &= s->queued > 0;
    m->waits = false;
    m->calls->accept(m->calls->context, data, item->length, rank);
}

static void take_results(master *m, seat *s, int rank)
{
    gs_batch batch = {.data = s->in.data, .length = s->in.header.length};
    gs_item item;
    for (const char *data; !s->lost && (data = gs_batch_next(&batch, &item));) take_result(m, s, &item, data, rank);
    if (!batch.length && is_in(s)) {
        s->gone = true;
        m->left--;
    }
    s->silent_s = 0;
    gs_transfer_free(&s->in);
}

static bool advance(master *m)
{
    bool moved = false;
    for (int rank = 1; rank < m->size; rank++) {
        seat *s = &m->seats[rank];
        if (s->out.active && !s->lost) moved |= gs_transfer_advance(&s->out);
        if (!s->in.active || !gs_transfer_advance(&s->in)) continue;
        take_results(m, s, rank);
        moved = true;
    }
    return moved;
}

/* -- signs of life --------------------------------------------------------------------------------------------- */

/* Its jobs go to others. Under recovery its process is ended where that can be done: stopped or hanging, it would keep its memory, and
 * without recovery its end would be everyone's. */
static void lose(master *m, int rank, const char *reason)
{
    seat *s = &m->seats[rank];
    gs_loss loss = {.rank = rank, .process = s->beat.process, .jobs = s->jobs + s->first, .count = s->queued};
    loss.excused = !s->beat.stuck && m->looked_s < m->excuse_s;
    snprintf(loss.reason, sizeof loss.reason, "%s", reason);
    s->lost = true;
    m->left--;
    gs_world_lost(rank);
    if (s->beat.stuck) gs_world_found(rank);
    if (s->beat.process.pid && gs_mpi_recovers() && gs_process_near(&s->beat.process) && gs_process_lives(&s->beat.process))
        kill((pid_t)s->beat.process.pid, SIGKILL);
    m->queued -= s->queued;
    s->queued = 0;
    m->waits = false;
    gs_batch_free(&s->batch);
    m->calls->lost(m->calls->context, &loss);
}

/* The answer to the last beat has arrived, or this beat would not have been sent; MPI just has not looked at it yet. */
static void answer(seat *s, int rank)
{
    if (s->lost) gs_world_found(rank);
    MPI_Wait(&s->answering, MPI_STATUS_IGNORE);
    s->answer = (gs_answer){s->beat.number, s->lost};
    MPI_Isend(&s->answer, sizeof s->answer, MPI_BYTE, rank, GS_MSG_ANSWER, MPI_COMM_WORLD, &s->answering);
}

static bool hear(master *m)
{
    bool moved = false;
    for (;; moved = true) {
        int there;
        MPI_Status status;
        MPI_Iprobe(MPI_ANY_SOURCE, GS_MSG_ALIVE, MPI_COMM_WORLD, &there, &status);
        if (!there) return moved;
        seat *s = &m->seats[status.MPI_SOURCE];
        MPI_Recv(&s->beat, sizeof s->beat, MPI_BYTE, status.MPI_SOURCE, GS_MSG_ALIVE, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        s->silent_s = 0;
        answer(s, status.MPI_SOURCE);
    }
}

static void judge(master *m, int rank, double passed_s)
{
    seat *s = &m->seats[rank];
    char reason[96];
    s->silent_s += passed_s;
    if (s->beat.stuck)
        snprintf(reason, sizeof reason, "its run did not get on for %g s", m->protection->stuck_s);
    else if (s->beat.process.pid && gs_process_near(&s->beat.process) && !gs_process_lives(&s->beat.process))
        snprintf(reason, sizeof reason, "its process is gone");
    else if (s->silent_s > m->protection->lost_s)
        snprintf(reason, sizeof reason, "no sign of life for %g s", m->protection->lost_s);
    else
        return;
    lose(m, rank, reason);
}

static void look_around(master *m)
{
    double now = gs_clock_s();
    if (m->protection->off || now < m->next_look_s) return;
    if (now - m->looked_s > m->protection->lost_s) m->excuse_s = now + m->protection->lost_s + EXCUSE_S; /* stopped, or its disk hung */
    double passed_s = gs_elapsed_s(&m->looked_s);
    for (int rank = 1; rank < m->size; rank++)
        if (is_in(&m->seats[rank])) judge(m, rank, passed_s);
    m->next_look_s = now + GS_BEAT_S / 2;
}

static void tick(master *m)
{
    double now = gs_clock_s();
    if (now < m->next_tick_s) return;
    gs_stop stop = m->calls->tick(m->calls->context);
    if (stop == GS_STOP_NOW && m->stop < stop) m->patience_s = gs_clock_s() + NOW_S;
    if (stop > m->stop) m->stop = stop;
    m->next_tick_s = gs_clock_s() + TICK_MS * 1e-3;
}

/* A stop at once waits for nobody: who has not handed in by now is left behind. */
static bool goes_on(const master *m)
{
    return m->left > 0 && !(m->stop == GS_STOP_NOW && gs_clock_s() > m->patience_s);
}

static seat *volatile kept_seats; /* a request towards a lost worker may still point into them; in sight of leak checkers */

static void close_seats(master *m)
{
    gs_nap nap = {0};
    bool all_gone = true;
    for (int rank = 1; rank < m->size; rank++) {
        seat *s = &m->seats[rank];
        if (is_in(s)) gs_world_lost(rank);
        all_gone &= s->gone;
        while (s->gone && s->out.active && !gs_transfer_advance(&s->out)) gs_nap_take(&nap);
        free(s->jobs);
        gs_batch_free(&s->batch);
        if (s->gone) gs_transfer_free(&s->out);
    }
    if (all_gone) free(m->seats);
    else kept_seats = m->seats;
}

void gs_master(const gs_master_calls *calls, const gs_protection *p)
{
    master m = {.calls = calls, .protection = p, .size = gs_mpi_size(), .left = gs_mpi_size() - 1, .last_s = INFINITY};
    if (m.size < 2) gs_die("a master without workers: one rank does its jobs itself");
    m.seats = gs_alloc((size_t)m.size, sizeof *m.seats);
    int share = QUEUES_MOST / m.size;
    m.queue_most = share > QUEUE_MOST ? QUEUE_MOST : share < QUEUE_LEAST ? QUEUE_LEAST : share;
    for (int rank = 0; rank < m.size; rank++) m.seats[rank].answering = MPI_REQUEST_NULL;
    m.looked_s = gs_clock_s();
    m.next_tick_s = m.looked_s + TICK_MS * 1e-3;
    gs_nap nap = {0};
    while (goes_on(&m)) {
        bool moved = issue(&m);
        dismiss(&m);
        moved |= greet(&m);
        moved |= advance(&m);
        moved |= hear(&m);
        tick(&m);
        look_around(&m);
        if (moved) nap = (gs_nap){0};
        else gs_nap_take(&nap);
    }
    close_seats(&m);
}
