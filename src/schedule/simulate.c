/* The discrete-event model of a master and its workers. What it leaves out: ranks that are lost, runs that take longer than
 * predicted, and what other jobs do to the network and to the disk.
 *
 * Events, in the order of time: the master wakes and takes a turn; a batch of jobs reaches a worker; a worker is done
 * with a job. A processor that is shared is taken in the order in which it is asked for. */
#include "gridshift/schedule.h"

#include <math.h>
#include <stdlib.h>

/* As in src/mpi: how far a worker's queue goes, and how a rank naps. */
static const double QUEUE_S = 0.5, TICK_S = 0.05, NAP_FIRST_S = 50e-6, NAP_MOST_S = 2e-3, TINY_S = 0.02;
enum { QUEUE_MOST = 2048, QUEUES_MOST = 1 << 18, QUEUE_LEAST = 16 };

/* From `bench dispatch` with 1 to 128 workers on two cores of an AMD EPYC and a local disk. message_s and beat_s are estimates: about
 * twice what runs that do nothing showed in shared memory, as room for TCP; they were not measured over a network. run_s is that of a
 * run that found the caches cold; runs that do nothing one after the other take 30 to 40 us each. */
const gs_machine gs_machine_measured = {
    .workers = 1,
    .message_s = 5e-6,
    .job_s = 1e-6,
    .result_s = 2e-6,
    .seat_s = 25e-9,
    .beat_s = 10e-6,
    .wake_s = 10e-6,
    .sync_s = 2e-3,
    .record_s = 10e-6,
    .run_s = 200e-6,
    .latency_s = 50e-6,
};

typedef enum kind { MASTER_WAKES, COMMIT_IS_DUE, JOBS_ARRIVE, JOB_DONE } kind;

typedef struct event {
    double at;
    kind kind;
    int worker;
    long number; /* events of one time: as they were made */
} event;

typedef struct heap {
    event *at; /* (capacity), owned; at[0] is the next one */
    int count, capacity;
    long made;
} heap;

typedef struct desk {   /* a worker */
    int first, last;    /* of the runs that it has, a list through next_of; first is -1: none */
    int queued;         /* runs without a result, as the master knows it */
    double queued_s;
    bool busy, listed;  /* listed: in `changed` */
    int held, held_first; /* results that wait for others, and the run of the first one */
    double held_s;      /* when the last ones were sent */
    double idle_s;      /* since when it is not busy */
} desk;

typedef struct result {
    int worker, run;
} result;

typedef struct world {
    const double *seconds;
    int runs, next, accepted;
    gs_machine m;
    heap events;
    desk *desks;   /* (workers), owned */
    int *next_of;  /* (runs), owned: the run after this one on its desk; -1: none */
    result *inbox; /* (runs), owned: on their way to the master or there */
    int inbox_count, inbox_messages;
    int *changed, changed_count; /* (workers), owned: desks whose hunger the master has to look at */
    double *core_free; /* (cores), owned */
    double last_s;     /* of the last job that was issued */
    int queue_most;    /* of a desk */
    int waiting;       /* results that are not on the disk */
    double tick_s, told_s; /* when the next commit is due; the last time for which there is an event */
    double asleep_s;   /* since when the master sleeps; INFINITY: its next turn is an event */
    double busy_s, end_s;
} world;

static bool before(const event *a, const event *b) { return a->at != b->at ? a->at < b->at : a->number < b->number; }

static void push(heap *h, event e)
{
    e.number = h->made++;
    if (h->count == h->capacity) {
        h->capacity = h->capacity ? 2 * h->capacity : 1024;
        h->at = gs_grow(h->at, (size_t)h->capacity, sizeof *h->at);
    }
    int hole = h->count++;
    for (int up; hole && before(&e, &h->at[up = (hole - 1) / 2]); hole = up) h->at[hole] = h->at[up];
    h->at[hole] = e;
}

static event pop(heap *h)
{
    event top = h->at[0], e = h->at[--h->count];
    int hole = 0;
    for (int down; (down = 2 * hole + 1) < h->count; hole = down) {
        if (down + 1 < h->count && before(&h->at[down + 1], &h->at[down])) down++;
        if (!before(&h->at[down], &e)) break;
        h->at[hole] = h->at[down];
    }
    if (h->count) h->at[hole] = e;
    return top;
}

/* Processor time from `at` on: when it is over. */
static double compute(world *w, double at, double seconds)
{
    if (!w->m.cores) return at + seconds;
    int least = 0;
    for (int c = 1; c < w->m.cores; c++)
        if (w->core_free[c] < w->core_free[least]) least = c;
    double begin = w->core_free[least] > at ? w->core_free[least] : at;
    return w->core_free[least] = begin + seconds;
}

/* A rank that naps since `since` looks up at or after `at`: naps double from the first to the longest. */
static double look_up(double since, double at)
{
    double awake = since;
    for (double nap = NAP_FIRST_S; awake < at && nap < NAP_MOST_S; nap *= 2) awake += nap;
    if (awake < at) awake += ceil((at - awake) / NAP_MOST_S) * NAP_MOST_S;
    return awake;
}

/* What a turn costs whatever happens in it, with the workers' signs of life since the last one. */
static double idle_turn_s(const gs_machine *m) { return m->wake_s + m->workers * m->seat_s; }
static double beats(const gs_machine *m) { return m->workers * m->beat_s; }

static void wake_master(world *w, double at)
{
    if (w->asleep_s == INFINITY) return;
    double wakes = look_up(w->asleep_s, at), slept = wakes - w->asleep_s;
    w->busy_s += slept * fmin(1, idle_turn_s(&w->m) / NAP_MOST_S + beats(&w->m));
    w->asleep_s = INFINITY;
    push(&w->events, (event){.at = wakes, .kind = MASTER_WAKES});
}

/* -- the worker -------------------------------------------------------------------------------------------- */

static void start_job(world *w, int worker, double at)
{
    desk *d = &w->desks[worker];
    d->busy = true;
    push(&w->events, (event){.at = compute(w, at, w->m.run_s) + w->seconds[d->first], .kind = JOB_DONE, .worker = worker});
}

static void hand_in(world *w, int worker, double at)
{
    desk *d = &w->desks[worker];
    for (int run = d->held_first; d->held; run = w->next_of[run], d->held--) w->inbox[w->inbox_count++] = (result){worker, run};
    w->inbox_messages++;
    d->held_s = at;
    wake_master(w, at + w->m.latency_s);
}

/* The results of tiny jobs wait until the queue is empty, or for the next look of the thread that sends. */
static void job_done(world *w, int worker, double at)
{
    desk *d = &w->desks[worker];
    int run = d->first;
    if (!d->held++) d->held_first = run;
    d->first = w->next_of[run];
    d->busy = false;
    d->idle_s = at;
    if (w->seconds[run] >= TINY_S || d->first < 0 || at >= d->held_s + TINY_S) hand_in(w, worker, at);
    if (d->first >= 0) start_job(w, worker, at);
}

/* A busy worker sees them after its job. */
static void jobs_arrive(world *w, int worker, double at)
{
    desk *d = &w->desks[worker];
    if (!d->busy && d->first >= 0) start_job(w, worker, look_up(d->idle_s, at));
}

/* -- the master -------------------------------------------------------------------------------------------- */

static bool is_hungry(const world *w, const desk *d) { return d->queued <= w->queue_most / 2 && d->queued_s <= QUEUE_S / 2; }

static bool add_job(world *w, desk *d)
{
    if (w->next == w->runs || (d->queued && (d->queued == w->queue_most || d->queued_s + w->last_s > QUEUE_S))) return false;
    int run = w->next++;
    w->next_of[run] = -1;
    if (d->first < 0) d->first = run;
    else w->next_of[d->last] = run;
    d->last = run;
    d->queued++;
    d->queued_s += w->last_s = w->seconds[run];
    return true;
}

static int ascending(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

/* Of the changed desks the hungry ones stay, in the order of ranks. */
static void keep_hungry(world *w)
{
    int kept = 0;
    for (int i = 0; i < w->changed_count; i++) {
        desk *d = &w->desks[w->changed[i]];
        d->listed = false;
        if (is_hungry(w, d)) w->changed[kept++] = w->changed[i];
    }
    w->changed_count = kept;
    qsort(w->changed, (size_t)kept, sizeof *w->changed, ascending);
}

/* Deals out jobs to the hungry desks, one by one, and drops those that got none. -> jobs. */
static int issue(world *w)
{
    int jobs = 0, served = 0;
    keep_hungry(w);
    for (int more = 1, round = 0; more; round++) {
        more = 0;
        for (int i = 0; i < w->changed_count; i++) {
            if (!add_job(w, &w->desks[w->changed[i]])) continue;
            more++;
            if (!round) w->changed[served++] = w->changed[i];
        }
        if (!round) w->changed_count = served;
        jobs += more;
    }
    return jobs;
}

/* From `at` to `until`, one after the other. */
static void send(world *w, double at, double until)
{
    for (int i = 0; i < w->changed_count; i++) {
        double sent = at + (until - at) * (i + 1) / w->changed_count;
        push(&w->events, (event){.at = sent + w->m.latency_s, .kind = JOBS_ARRIVE, .worker = w->changed[i]});
    }
    w->changed_count = 0;
}

static int take_results(world *w)
{
    int count = w->inbox_count;
    for (int i = 0; i < count; i++) {
        desk *d = &w->desks[w->inbox[i].worker];
        d->queued--;
        d->queued_s = d->queued ? d->queued_s - w->seconds[w->inbox[i].run] : 0;
        if (!d->listed) w->changed[w->changed_count++] = w->inbox[i].worker;
        d->listed = true;
    }
    w->inbox_count = w->inbox_messages = 0;
    w->accepted += count;
    w->waiting += count;
    return count;
}

/* At `at`; -> when it is over. */
static double commit(world *w, double at)
{
    if (!w->waiting || (at < w->tick_s && w->accepted < w->runs)) return at;
    at += w->m.sync_s + w->waiting * w->m.record_s;
    w->waiting = 0;
    w->tick_s = at + TICK_S;
    return at;
}

static void rest(world *w, double at)
{
    if (w->inbox_count || w->changed_count) {
        push(&w->events, (event){.at = at, .kind = MASTER_WAKES});
        return;
    }
    w->asleep_s = at;
    if (!w->waiting || w->told_s == w->tick_s) return;
    w->told_s = w->tick_s;
    push(&w->events, (event){.at = fmax(at, w->tick_s), .kind = COMMIT_IS_DUE});
}

static void take_turn(world *w, double at)
{
    const gs_machine *m = &w->m;
    int jobs = issue(w), batches = w->changed_count;
    double sent = compute(w, at, batches * m->message_s + jobs * m->job_s);
    send(w, at, sent);
    int messages = w->inbox_messages, results = take_results(w);
    double taken = messages * m->message_s + results * m->result_s, calm = fmax(0.01, 1 - beats(m));
    double end = commit(w, compute(w, sent, (idle_turn_s(m) + taken) / calm));
    w->busy_s += end - at;
    w->end_s = end;
    rest(w, end);
}

/* -- all of it --------------------------------------------------------------------------------------------- */

static void open_world(world *w, const double *seconds, int runs, const gs_machine *m)
{
    *w = (world){.seconds = seconds, .runs = runs, .m = *m, .last_s = INFINITY, .tick_s = TICK_S, .asleep_s = INFINITY};
    int share = QUEUES_MOST / m->workers;
    w->queue_most = share > QUEUE_MOST ? QUEUE_MOST : share < QUEUE_LEAST ? QUEUE_LEAST : share;
    w->desks = gs_alloc((size_t)m->workers, sizeof *w->desks);
    w->changed = gs_alloc((size_t)m->workers, sizeof *w->changed);
    w->next_of = gs_alloc((size_t)runs + 1, sizeof *w->next_of);
    w->inbox = gs_alloc((size_t)runs + 1, sizeof *w->inbox);
    w->core_free = gs_alloc((size_t)m->cores + 1, sizeof *w->core_free);
    for (int i = 0; i < m->workers; i++) w->desks[i] = (desk){.first = -1, .listed = true};
    for (int i = 0; i < m->workers; i++) w->changed[i] = i;
    w->changed_count = m->workers;
    push(&w->events, (event){.kind = MASTER_WAKES});
}

static void close_world(world *w)
{
    free(w->desks);
    free(w->changed);
    free(w->next_of);
    free(w->inbox);
    free(w->core_free);
    free(w->events.at);
}

static void happen(world *w, const event *e)
{
    if (e->kind == MASTER_WAKES) take_turn(w, e->at);
    if (e->kind == COMMIT_IS_DUE) wake_master(w, e->at);
    if (e->kind == JOBS_ARRIVE) jobs_arrive(w, e->worker, e->at);
    if (e->kind == JOB_DONE) job_done(w, e->worker, e->at);
}

gs_forecast gs_simulate(const double *seconds, int runs, const gs_machine *machine)
{
    gs_forecast f = {0};
    world w;
    if (!runs) return f;
    open_world(&w, seconds, runs, machine);
    while (w.accepted < runs) {
        event e = pop(&w.events);
        happen(&w, &e);
    }
    for (int i = 0; i < runs; i++) f.work_s += seconds[i];
    f.makespan_s = w.end_s;
    f.efficiency = f.work_s / (machine->workers * w.end_s);
    f.master_busy = w.busy_s / w.end_s;
    close_world(&w);
    return f;
}

double gs_simulate_saturation(const gs_machine *m, double mean_s)
{
    return 1 / (m->beat_s + (2 * m->message_s + m->job_s + m->result_s + m->record_s) / mean_s);
}

int gs_simulate_workers(const double *seconds, int runs, const gs_machine *machine, int most, double least)
{
    gs_machine m = *machine;
    int best = 1;
    for (int step = 1; step <= most && step <= runs; step *= 2)
        for (int half = 0; half < 2; half++) {
            m.workers = half ? step + step / 2 : step;
            if (m.workers <= best || m.workers > most || m.workers > runs) continue;
            double efficiency = gs_simulate(seconds, runs, &m).efficiency;
            if (efficiency >= least) best = m.workers;
            if (efficiency < least / 2) return best; /* more only waste more: every run has a worker, or the master is the limit */
        }
    return best;
}
