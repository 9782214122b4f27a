/* The master's side of a sweep: lock, plan, issue, journal, tables. Only rank 0 is here; it never trains while there are
 * workers, and the journal is written nowhere else. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/run.h"
#include "cli/snapshot.h"

struct gs_campaign {
    const gs_run_options *options; /* borrowed */
    gs_session *session;           /* borrowed */
    gs_lock *lock;
    gs_journal *journal;
    gs_progress progress;
    int next; /* into plan->order */
    bool interrupted; /* a run came back unfinished: a stop was asked of its worker */
    bool broken;      /* something in the folder could not be written */
    bool told;        /* that it stops */
    int *finished, finished_count; /* runs whose checkpoints go when their records are on the disk, owned */
    char *job; /* the job that is being handed out, owned */
};

static bool is_recorded(void *context, const char *id)
{
    const gs_records *records = context;
    return gs_records_find(records, id) != NULL;
}

static bool keeps_checkpoints(const gs_grid *g)
{
    for (int i = 0; i < g->count; i++)
        if (gs_run_value((gs_run){g, i}, GS_TRAIN_KEEP).i)
            return true;
    return false;
}

/* What an earlier master left when it was killed. */
static void tidy(const gs_campaign *c)
{
    const char *dir = c->options->dir;
    if (c->options->shards) /* others are writing there */
        return;
    char *tables = gs_text("%s/tables", dir);
    gs_folder_tidy(dir);
    gs_folder_tidy(tables);
    if (!keeps_checkpoints(c->session->grid))
        gs_snapshots_clean(dir, is_recorded, &c->session->records);
    free(tables);
}

static int take_folder(gs_campaign *c, gs_err *e)
{
    const gs_run_options *o = c->options;
    int shard = o->shards ? o->shard : GS_WHOLE;
    if (gs_folder_make(o->dir, e) || gs_lock_take(o->dir, shard, &c->lock, e) || gs_run_plan(o, c->session, o->retry, e) ||
        gs_journal_open(o->dir, shard, &c->journal, e))
        return -1;
    tidy(c);
    gs_records_free(&c->session->records); /* the plan has their states; they come back for the tables */
    return gs_session_save(c->session, o->dir, &o->sets, e);
}

int gs_run_plan(const gs_run_options *o, gs_session *s, bool retry, gs_err *e)
{
    if (gs_session_plan(s, o->dir, retry, e)) return -1;
    if (o->shards) gs_plan_share(s->plan, o->shard, o->shards);
    return 0;
}

int gs_campaign_open(const gs_run_options *o, gs_session *s, gs_campaign **out)
{
    gs_err e;
    gs_campaign *c = *out = gs_alloc(1, sizeof *c);
    c->options = o;
    c->session = s;
    if (take_folder(c, &e)) {
        gs_campaign_close(out);
        return gs_cli_error("%s", e.text);
    }
    if (gs_journal_note(c->journal))
        fprintf(stderr, "gridshift: %s\n", gs_journal_note(c->journal));
    if (s->damage.length)
        fprintf(stderr, "%s", s->damage.text);
    return GS_EXIT_FINE;
}

void gs_campaign_close(gs_campaign **c)
{
    if (!*c)
        return;
    gs_journal_close(&(*c)->journal);
    gs_lock_release(&(*c)->lock);
    free((*c)->job);
    free((*c)->finished);
    free(*c);
    *c = NULL;
}

static bool stops(const gs_campaign *c)
{
    return gs_stop_asked() || c->interrupted || c->broken;
}

/* The folder cannot be written: no run can be recorded any more, and what is recorded stays. */
static void stop_for_storage(gs_campaign *c, const char *why)
{
    if (!c->broken)
        gs_cli_error("%s. The sweep stops; the same command goes on when that is mended.", why);
    c->broken = c->told = true;
}

static void remember_finished(gs_campaign *c, int run)
{
    c->finished = gs_grow(c->finished, (size_t)c->finished_count + 1, sizeof *c->finished);
    c->finished[c->finished_count++] = run;
}

static void remove_checkpoints(gs_campaign *c)
{
    for (int i = 0; i < c->finished_count; i++) {
        char id[33];
        gs_snapshots_remove(c->options->dir, gs_run_id((gs_run){c->session->grid, c->finished[i]}, id));
    }
    c->finished_count = 0;
}

static bool next_job(void *context, gs_job *out)
{
    gs_campaign *c = context;
    const gs_plan *p = c->session->plan;
    if (stops(c) || c->next >= p->todo)
        return false;
    int run = p->order[c->next++];
    free(c->job);
    c->job = gs_job_pack((gs_run){c->session->grid, run}, gs_spec_wanted(c->session->spec), c->options->dir, &out->length);
    out->data = c->job;
    out->seconds = gs_plan_cost(p, run)->predicted_s;
    return true;
}

static void accept_result(void *context, const char *result, size_t length, int rank)
{
    gs_campaign *c = context;
    const gs_plan *p = c->session->plan;
    gs_result_head head;
    gs_err e;
    if (length < sizeof head)
        gs_die("rank %d sent a result of %zu bytes", rank, length);
    memcpy(&head, result, sizeof head);
    if (head.run < 0 || head.run >= p->count)
        gs_die("rank %d sent a result of run %d", rank, head.run);
    if (head.outcome == GS_RUN_INTERRUPTED)
        c->interrupted = true;
    if (head.outcome == GS_RUN_STORAGE) {
        gs_error(&e, "%.*s", (int)(length - sizeof head), result + sizeof head);
        stop_for_storage(c, e.text);
    }
    if (head.outcome != GS_RUN_RECORDED || c->broken)
        return;
    if (gs_journal_add(c->journal, result + sizeof head, length - sizeof head, &e))
        stop_for_storage(c, e.text);
    else if (head.checkpoints)
        remember_finished(c, head.run);
    gs_progress_run(&c->progress, gs_plan_cost(p, head.run)->predicted_s, head.ok, head.wall_s);
}

/* Only what is on the disk is shown as done. */
static void sync_journal(gs_campaign *c)
{
    gs_err e;
    if (gs_journal_sync(c->journal, &e))
        stop_for_storage(c, e.text);
    else
        remove_checkpoints(c);
}

static bool on_tick(void *context)
{
    gs_campaign *c = context;
    sync_journal(c);
    if (stops(c) && !c->told) {
        c->told = true;
        fprintf(stderr, "%sgridshift: stopping: the runs in progress leave a checkpoint; once more ends them at once\n",
                c->progress.terminal ? "\r\033[K" : "");
    }
    gs_progress_show(&c->progress, false);
    return stops(c);
}

static void run_here(gs_campaign *c)
{
    gs_executor execute = gs_execute;
    gs_job job;
    while (!on_tick(c) && next_job(c, &job)) {
        gs_bytes result = {0};
        gs_job_execute(&execute, job.data, job.length, &result);
        accept_result(c, result.data, result.length, 0);
        free(result.data);
    }
}

static int report_failures(const gs_session *s)
{
    if (!s->plan->failed)
        return GS_EXIT_FINE;
    fprintf(stderr, "gridshift: %d of %d runs failed (`--retry failed` runs them again):\n", s->plan->failed, gs_plan_total(s->plan));
    gs_session_failures(s, stderr);
    return GS_EXIT_FAILED;
}

/* What is missing after an interruption has no tables yet: they would change with every stop. */
int gs_campaign_report(gs_campaign *c)
{
    const gs_run_options *o = c->options;
    gs_session *s = c->session;
    gs_buf screen = {0};
    gs_err e;
    if (gs_run_plan(o, s, false, &e) || gs_session_save(s, o->dir, &o->sets, &e)) {
        stop_for_storage(c, e.text);
        return GS_EXIT_STOPPED;
    }
    if (s->plan->todo) {
        fprintf(stderr,
                "gridshift: stopped with %d of %d runs to do. The same command goes on; "
                "`gridshift tables --partial %s` shows what is there.\n",
                s->plan->todo, gs_plan_total(s->plan), o->dir);
        return GS_EXIT_STOPPED;
    }
    if (o->shards) {
        if (!o->quiet)
            printf("shard %d of %d is done: %d runs. When all are, `gridshift tables %s` writes the tables.\n", o->shard, o->shards,
                   gs_plan_total(s->plan), o->dir);
        return report_failures(s);
    }
    int code = gs_session_tables(s, o->dir, o->partial, &screen, &e) ? gs_cli_error("%s", e.text) : GS_EXIT_FINE;
    if (!code && !o->quiet)
        printf("%s\n%s/tables/ and %s/results.csv have everything.\n", screen.text ? screen.text : "", o->dir, o->dir);
    fflush(stdout);
    gs_buf_free(&screen);
    int failed = report_failures(s);
    return failed ? failed : code;
}

void gs_campaign_dispatch(gs_campaign *c, int workers)
{
    const gs_master_calls calls = {c, next_job, accept_result, on_tick};
    gs_progress_start(&c->progress, c->session->plan, workers, c->options->quiet);
    if (workers > 0)
        gs_master(&calls);
    else
        run_here(c);
    sync_journal(c);
    gs_progress_end(&c->progress);
}
