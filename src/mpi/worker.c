/* A worker: one job after the other on a thread of its own, while this one does MPI: jobs in, results out, signs of life.
 *
 * Invariants: only the thread that called gs_worker calls MPI. A job is begun only with a lease (wire.h). Neither thread waits for the
 * other but asleep, and never for a lost master: the sign of life that is not answered ends the worker. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "wire.h"

typedef struct worker {
    const gs_worker_calls *calls;
    const gs_protection *protection;
    gs_transfer in, out;
    bool leaves, now;  /* told so */
    bool said;         /* that it leaves */
    gs_beat beat;      /* the last one that was sent */
    gs_answer answer;
    MPI_Request sending, hearing;
    bool unanswered;
    double sent_s, clock_s, silent_s;
    uint64_t progress; /* as it was when it was looked at last */
    double still_s;    /* since it grew */
    double looked_s;
    /* shared with the thread of the jobs, under lock */
    pthread_mutex_t lock;
    pthread_cond_t more, news; /* there may be something to do; there is a result to send */
    gs_batch jobs, results;
    char *job;         /* the one at work, owned */
    bool busy, tiny, ends;
    double lease_s;    /* until then a job may begin */
} worker;

static const double TINY_S = 0.02, ORPHAN_S = 5; /* ORPHAN_S: for a checkpoint before it leaves without a master */
enum { IDLE_US = 2000, BUSY_US = 20000, STACK_BYTES = 16 << 20 };

/* -- the thread of the jobs; the lock is held where nothing else is said ----------------------------------------- */

static bool may_begin(const worker *w)
{
    return w->jobs.at < w->jobs.length && (w->protection->off || gs_clock_s() < w->lease_s);
}

static void do_job(worker *w)
{
    gs_item item;
    gs_bytes result = {0};
    const char *job = gs_batch_next(&w->jobs, &item);
    w->job = gs_grow(w->job, item.length + 1, 1);
    memcpy(w->job, job, item.length);
    w->busy = true;
    w->tiny = item.seconds < TINY_S;
    pthread_mutex_unlock(&w->lock);
    w->calls->execute(w->calls->context, w->job, item.length, &result);
    pthread_mutex_lock(&w->lock);
    item.length = result.length;
    gs_batch_add(&w->results, result.data, item);
    free(result.data);
    w->busy = false;
    if (!w->tiny || w->jobs.at == w->jobs.length) pthread_cond_signal(&w->news);
}

static void *do_jobs(void *context)
{
    worker *w = context;
    pthread_mutex_lock(&w->lock);
    while (!w->ends) {
        if (may_begin(w)) do_job(w);
        else pthread_cond_wait(&w->more, &w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* -- the thread of MPI ------------------------------------------------------------------------------------------- */

/* Drops what is queued, and stops what is at work. */
static void leave(worker *w)
{
    w->leaves = true;
    pthread_mutex_lock(&w->lock);
    w->ends = true;
    w->jobs.at = w->jobs.length;
    pthread_cond_signal(&w->more);
    pthread_mutex_unlock(&w->lock);
    w->calls->stop();
}

static bool is_busy(worker *w)
{
    pthread_mutex_lock(&w->lock);
    bool busy = w->busy;
    pthread_mutex_unlock(&w->lock);
    return busy;
}

/* Told to leave, it listens only while the master may still say "at once": a receive left open would swallow the first job of the
 * next gs_worker, which the master may send before this one has returned. */
static void listen(worker *w)
{
    int there = !w->leaves;
    if (!there && !w->now && !w->said) MPI_Iprobe(0, GS_MSG_JOB, MPI_COMM_WORLD, &there, MPI_STATUS_IGNORE);
    if (there) gs_transfer_receive(&w->in, 0, GS_MSG_JOB);
}

static bool take_jobs(worker *w)
{
    if (!w->in.active) listen(w);
    if (!w->in.active || !gs_transfer_advance(&w->in)) return false;
    uint64_t kind = w->in.header.kind;
    if (kind == GS_MSG_JOB && !w->leaves) {
        pthread_mutex_lock(&w->lock);
        gs_batch_append(&w->jobs, w->in.data, w->in.header.length);
        pthread_cond_signal(&w->more);
        pthread_mutex_unlock(&w->lock);
    } else if (kind == GS_MSG_LEAVE || kind == GS_MSG_NOW) {
        w->now = kind == GS_MSG_NOW;
        leave(w);
    } else {
        gs_die("the master sent a %s where a %s was due", kind < GS_MSG_COUNT ? gs_message_names[kind] : "?",
               gs_message_names[GS_MSG_JOB]);
    }
    gs_transfer_free(&w->in);
    return true;
}

/* The last message is an empty one. */
static bool hand_out(worker *w)
{
    if (w->out.active && !gs_transfer_advance(&w->out)) return false;
    if (w->said) return false;
    gs_transfer_free(&w->out);
    pthread_mutex_lock(&w->lock);
    gs_batch ready = w->results;
    bool over = w->leaves && (w->now || !w->busy);
    w->results = (gs_batch){0};
    pthread_mutex_unlock(&w->lock);
    if (!ready.length && !over) return false;
    w->said = !ready.length;
    gs_transfer_send(&w->out, 0, GS_MSG_RESULT, ready.data, ready.length);
    return true;
}

static void send_beat(worker *w)
{
    w->beat.number++;
    w->sent_s = w->clock_s;
    w->unanswered = true;
    MPI_Isend(&w->beat, sizeof w->beat, MPI_BYTE, 0, GS_MSG_ALIVE, MPI_COMM_WORLD, &w->sending);
    MPI_Irecv(&w->answer, sizeof w->answer, MPI_BYTE, 0, GS_MSG_ANSWER, MPI_COMM_WORLD, &w->hearing);
}

static void hear(worker *w)
{
    int done, sent;
    MPI_Test(&w->sending, &sent, MPI_STATUS_IGNORE);
    MPI_Test(&w->hearing, &done, MPI_STATUS_IGNORE);
    if (!sent || !done) return;
    if (w->answer.lost) leave(w);
    if (w->answer.lost) gs_world_orphan("the master counts it as lost", false);
    if (w->beat.stuck) gs_world_orphan("its run does not get on", false);
    w->unanswered = false;
    w->silent_s = 0;
    pthread_mutex_lock(&w->lock);
    w->lease_s = w->sent_s + w->protection->lost_s;
    pthread_cond_signal(&w->more);
    pthread_mutex_unlock(&w->lock);
}

/* What was computed so far may become a checkpoint. */
static void leave_orphan(worker *w, const char *why)
{
    leave(w);
    gs_nap nap = {0};
    for (double began = gs_clock_s(); is_busy(w) && gs_clock_s() - began < ORPHAN_S;) gs_nap_take(&nap);
    gs_world_orphan(why, true);
}

static void look_around(worker *w, double passed_s)
{
    uint64_t progress = w->calls->progress();
    w->still_s = is_busy(w) && progress == w->progress ? w->still_s + passed_s : 0;
    w->progress = progress;
    w->beat.stuck = w->still_s > w->protection->stuck_s;
    w->silent_s += passed_s;
    if (!gs_world_master_lives()) leave_orphan(w, "the master is gone");
    if (w->silent_s > 2 * w->protection->lost_s) leave_orphan(w, "no answer from the master");
}

static void keep_in_touch(worker *w)
{
    if (w->protection->off) return;
    w->clock_s = gs_clock_s();
    if (w->clock_s - w->looked_s > GS_BEAT_S / 2) look_around(w, gs_elapsed_s(&w->looked_s));
    if (w->unanswered) hear(w);
    else if (w->clock_s - w->sent_s > GS_BEAT_S) send_beat(w);
}

/* Sleeps until there is a result, or for a moment. */
static void rest(worker *w, gs_nap *nap)
{
    struct timespec until;
    pthread_mutex_lock(&w->lock);
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += gs_nap_next_us(nap, w->busy && !w->tiny ? BUSY_US : IDLE_US) * 1000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    if (!w->results.length || w->out.active) pthread_cond_timedwait(&w->news, &w->lock, &until);
    pthread_mutex_unlock(&w->lock);
}

/* For a measurement without protection: the job on this thread. */
static bool do_job_here(worker *w)
{
    pthread_mutex_lock(&w->lock);
    bool begins = w->protection->off && may_begin(w);
    if (begins) do_job(w);
    pthread_mutex_unlock(&w->lock);
    return begins;
}

static void start_thread(worker *w, pthread_t *thread)
{
    sigset_t all, before;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the other thread */
    int failed = pthread_create(thread, &attributes, do_jobs, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) gs_die("no thread for the runs: %s", strerror(failed));
    pthread_setname_np(*thread, "runs"); /* for debuggers and top -H */
    pthread_attr_destroy(&attributes);
}

static worker *open_worker(const gs_worker_calls *calls, const gs_protection *p)
{
    worker *w = gs_alloc(1, sizeof *w);
    pthread_condattr_t monotonic;
    *w = (worker){.calls = calls, .protection = p, .sending = MPI_REQUEST_NULL, .hearing = MPI_REQUEST_NULL};
    w->beat.process = gs_process_self();
    w->looked_s = gs_clock_s();
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&w->more, &monotonic);
    pthread_cond_init(&w->news, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return w;
}

static void forget(MPI_Request *request)
{
    if (*request == MPI_REQUEST_NULL) return;
    MPI_Cancel(request);
    MPI_Request_free(request);
}

static void close_worker(worker *w)
{
    if (w->in.active) forget(&w->in.request);
    forget(&w->hearing);
    if (w->sending != MPI_REQUEST_NULL) MPI_Request_free(&w->sending);
    gs_batch_free(&w->jobs);
    gs_batch_free(&w->results);
    free(w->job);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->more);
    pthread_cond_destroy(&w->news);
    free(w);
}

bool gs_worker(const gs_worker_calls *calls, const gs_protection *p)
{
    worker *w = open_worker(calls, p);
    pthread_t thread;
    gs_nap nap = {0};
    if (!p->off) start_thread(w, &thread);
    while (!w->said || w->out.active) {
        bool moved = take_jobs(w);
        moved |= do_job_here(w);
        moved |= hand_out(w);
        keep_in_touch(w);
        if (moved) nap = (gs_nap){0};
        else rest(w, &nap);
    }
    if (is_busy(w)) return false; /* its thread has it still */
    if (!p->off) pthread_join(thread, NULL);
    close_worker(w);
    return true;
}
