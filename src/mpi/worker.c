/* A worker: one job after the other, asleep while it has none.
 *
 * While it works it takes in more jobs and hands out results between two jobs, so that tiny ones flow in batches; before a job
 * that is not tiny it waits until every result has gone, for a result that is under way moves only when somebody looks. */
#include <stdlib.h>

#include "wire.h"

typedef struct worker {
    void (*execute)(void *context, const char *job, size_t length, gs_bytes *result);
    void *context;
    gs_transfer in, out;
    gs_batch jobs, results; /* to do; not yet on their way */
    bool leaves;
} worker;

static const double TINY_S = 0.02;

static bool take_jobs(worker *w)
{
    if (w->leaves || !gs_transfer_advance(&w->in)) return false;
    if (w->in.kind == GS_MSG_JOB) gs_batch_append(&w->jobs, w->in.data, w->in.length);
    else if (w->in.kind == GS_MSG_LEAVE) w->leaves = true;
    else gs_die("the master sent message %d where a %s was due", w->in.kind, gs_message_names[GS_MSG_JOB]);
    gs_transfer_free(&w->in);
    if (!w->leaves) gs_transfer_receive(&w->in, 0, MPI_ANY_TAG);
    return true;
}

static bool hand_out(worker *w)
{
    if (w->out.active && !gs_transfer_advance(&w->out)) return false;
    gs_transfer_free(&w->out);
    if (!w->results.length) return false;
    gs_transfer_send(&w->out, 0, GS_MSG_RESULT, w->results.data, w->results.length);
    w->results = (gs_batch){0};
    return true;
}

/* Until every result has gone. */
static void hand_out_all(worker *w)
{
    do {
        gs_transfer_finish(&w->out);
    } while (hand_out(w));
}

static bool work(worker *w)
{
    gs_item item;
    const char *job = w->leaves ? NULL : gs_batch_next(&w->jobs, &item);
    if (!job) return false;
    if (!(item.seconds < TINY_S)) hand_out_all(w);
    gs_bytes result = {0};
    w->execute(w->context, job, item.length, &result);
    item.length = result.length;
    gs_batch_add(&w->results, result.data, item);
    free(result.data);
    return true;
}

void gs_worker(void (*execute)(void *context, const char *job, size_t length, gs_bytes *result), void *context)
{
    worker w = {.execute = execute, .context = context};
    gs_nap nap = {0};
    gs_transfer_receive(&w.in, 0, MPI_ANY_TAG);
    while (!w.leaves) {
        bool moved = take_jobs(&w);
        moved |= work(&w);
        moved |= hand_out(&w);
        if (moved)
            nap = (gs_nap){0};
        else
            gs_nap_take(&nap);
    }
    hand_out_all(&w);
    gs_transfer_send(&w.out, 0, GS_MSG_RESULT, NULL, 0);
    hand_out_all(&w);
    gs_batch_free(&w.jobs);
}
