/* The master's side of a sweep: lock, plan, issue, journal, tables. Only rank 0 is here; it never trains while there are
 * workers, and the journal is written nowhere else. */
#include <inttypes.h>
#include <math.h>
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
    gs_speeds speeds;
    gs_queue *queue;
    double deadline_s, limit_s; /* by gs_clock_s; from the start to it */
    double next_refresh_s;      /* of the lock */
    bool late;        /* the time is over */
    bool ousted;      /* another process has the lock */
    bool interrupted; /* a run came back unfinished: a stop was asked of its worker */
    bool broken;      /* something in the folder could not be written */
    bool told;        /* that it stops */
    int *finished, finished_count; /* runs whose checkpoints go when their records are on the disk, owned */
    char *job; /* the job that is being handed out, owned */
};

static const double REFRESH_S = 10, MARGIN_S = 30, MARGIN_SHARE = 0.1, BLAME_S = 2;

int gs_run_shard(const gs_run_options *o) { return o->shards ? o->shard : GS_WHOLE; }

void gs_run_marker(const gs_run_options *o, bool there)
{
    static const char text[] = "The same command goes on.\n";
    gs_err e;
    char *path = o->shards ? gs_text("%s/RESUMABLE.%d", o->dir, o->shard) : gs_text("%s/RESUMABLE", o->dir);
    if (!there) unlink(path);
    else if (access(path, F_OK) && gs_file_write(path, text, strlen(text), &e)) gs_cli_error("%s", e.text);
    free(path);
}

static int take_folder(gs_campaign *c, gs_err *e)
{
    const gs_run_options *o = c->options;
    int shard = gs_run_shard(o);
    if (gs_folder_make(o->dir, e) || gs_lock_take(o->dir, shard, o->force_unlock, &c->lock, e) || gs_run_plan(o, c->session, o->retry, e) ||
        gs_journal_open(o->dir, shard, &c->journal, e))
        return -1;
    if (!o->shards) gs_session_tidy(c->session, o->dir);
    gs_records_free(&c->session->records); /* the plan has their states; they come back for the tables */
    return gs_session_save(c->session, o->dir, &o->sets, e);
}

int gs_run_plan(const gs_run_options *o, gs_session *s, bool retry, gs_err *e)
{
    if (gs_session_plan(s, o->dir, retry, e)) return -1;
    if (o->shards) gs_plan_share(s->plan, o->shard, o->shards);
    return 0;
}

/* The stop comes early enough for a step and a checkpoint. */
static void set_deadline(gs_campaign *c, double began_s)
{
    double slurm_s = gs_limit_slurm_s(), limit_s = c->options->limit_s > 0 ? c->options->limit_s : INFINITY;
    double whole_s = slurm_s < limit_s ? slurm_s : limit_s;
    double margin_s = MARGIN_SHARE * whole_s < MARGIN_S ? MARGIN_SHARE * whole_s : MARGIN_S;
    c->limit_s = whole_s - margin_s;
    c->deadline_s = began_s + c->limit_s;
    char text[32];
    if (isfinite(whole_s) && !c->options->quiet)
        fprintf(stderr, "gridshift: %s of time%s; the runs are asked to stop %.0f s before\n", gs_seconds_text(whole_s, text),
                slurm_s < limit_s ? " are left to the Slurm job" : "", margin_s);
}

int gs_campaign_open(const gs_run_options *o, gs_session *s, gs_campaign **out)
{
    gs_err e;
    gs_campaign *c = *out = gs_alloc(1, sizeof *c);
    c->options = o;
    c->session = s;
    set_deadline(c, gs_clock_s());
    if (take_folder(c, &e)) {
        gs_campaign_close(out);
        return gs_cli_error("%s", e.text);
    }
    if (s->plan->todo) gs_run_marker(o, true);
    if (gs_plan_too_large(s->plan, s->spec))
        fprintf(stderr, "gridshift: %d runs need more than budget.bytes (%lld) and will be recorded as failed\n",
                gs_plan_too_large(s->plan, s->spec), (long long)gs_spec_bytes(s->spec));
    c->queue = gs_queue_open(s->plan, s->grid, o->dir, gs_run_shard(o));
    c->next_refresh_s = gs_clock_s() + REFRESH_S;
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
    gs_queue_close(&(*c)->queue);
    gs_progress_free(&(*c)->progress);
    gs_speeds_free(&(*c)->speeds);
    gs_journal_close(&(*c)->journal);
    gs_lock_release(&(*c)->lock);
    free((*c)->job);
    free((*c)->finished);
    free(*c);
    *c = NULL;
}

static bool stops(const gs_campaign *c)
{
    return gs_stop_asked() || c->interrupted || c->broken || c->late || c->ousted;
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

static gs_time_left time_left(const gs_campaign *c, int rank)
{
    const gs_progress *p = &c->progress;
    double longest_s = gs_speeds_longest_s(&c->speeds, rank, p->todo_s - p->finished.predicted_s, p->workers);
    return (gs_time_left){c->deadline_s - gs_clock_s(), c->limit_s, gs_effort_ratio(p->finished), longest_s};
}

static bool next_job(void *context, int rank, int behind, int in_flight, gs_job *out)
{
    gs_campaign *c = context;
    int run;
    gs_time_left left = time_left(c, rank);
    if (stops(c) || !gs_queue_next(c->queue, behind, in_flight, &left, &run, &out->solo)) return false;
    free(c->job);
    const gs_spec *spec = c->session->spec;
    c->job = gs_job_pack((gs_run){c->session->grid, run}, gs_spec_wanted(spec), gs_spec_bytes(spec), c->options->dir, &out->length);
    out->id = run;
    out->data = c->job;
    out->seconds = gs_plan_cost(c->session->plan, run)->predicted_s;
    gs_progress_begin(&c->progress, rank, out->seconds);
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
    if (head.outcome != GS_RUN_RECORDED || c->broken || c->ousted)
        return;
    if (gs_journal_add(c->journal, result + sizeof head, length - sizeof head, &e))
        stop_for_storage(c, e.text);
    else if (head.checkpoints)
        remember_finished(c, head.run);
    gs_queue_done(c->queue, head.run);
    gs_progress_run(&c->progress, rank, gs_plan_cost(p, head.run)->predicted_s, head.ok, head.wall_s);
    if (head.ok) gs_speeds_add(&c->speeds, rank, gs_plan_cost(p, head.run)->predicted_s, head.wall_s);
}

/* A run that has ended three workers is a failed one. */
static void quarantine(gs_campaign *c, int run, const gs_loss *loss)
{
    gs_record r;
    gs_config config;
    gs_err e;
    gs_run_config((gs_run){c->session->grid, run}, &config);
    char *why = gs_text("quarantined: it ended its worker three times, at last: %s", loss->reason);
    gs_run_failed(&config, gs_spec_wanted(c->session->spec), why, &r);
    snprintf(r.host, sizeof r.host, "%.*s", (int)sizeof r.host - 1, loss->process.host);
    r.rank = loss->rank;
    char *json = gs_record_json(&r);
    if (gs_journal_add(c->journal, json, strlen(json), &e)) stop_for_storage(c, e.text);
    gs_progress_run(&c->progress, loss->rank, gs_plan_cost(c->session->plan, run)->predicted_s, false, 0);
    fprintf(stderr, "gridshift: run %.12s is quarantined: it ended its worker three times\n", r.id);
    free(why);
    free(json);
    gs_record_free(&r);
}

/* When the job itself is being ended, or the master was away, its workers' ends are nobody's fault. */
static void lost_worker(void *context, const gs_loss *loss)
{
    gs_campaign *c = context;
    char id[33] = "";
    gs_progress_lost(&c->progress, loss->rank);
    if (loss->count) gs_run_id((gs_run){c->session->grid, (int)loss->jobs[0]}, id);
    fprintf(stderr, "%sgridshift: rank %d (process %" PRId64 " on %s) is lost: %s%s%.12s%s\n", c->progress.terminal ? "\r\033[K" : "",
            loss->rank, loss->process.pid, loss->process.host, loss->reason, loss->count ? "; it was at run " : "", id,
            loss->count ? ", which goes to another worker" : "");
    for (int i = loss->count - 1; i >= 0; i--) {
        int run = (int)loss->jobs[i];
        if (i || loss->excused || stops(c)) gs_queue_return(c->queue, run);
        else if (gs_queue_blame(c->queue, run)) quarantine(c, run, loss);
    }
    c->progress.workers -= c->progress.workers > 1;
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

/* Who has lost the lock writes nothing any more. */
static void refresh_lock(gs_campaign *c)
{
    gs_err e;
    if (c->ousted || gs_clock_s() < c->next_refresh_s) return;
    c->next_refresh_s = gs_clock_s() + REFRESH_S;
    if (!gs_lock_refresh(c->lock, &e)) return;
    c->ousted = true;
    gs_cli_error("%s. This one stops at once and writes nothing more.", e.text);
}

/* Only after a while: when mpirun is killed its ranks are lost too, and this one is the last to know. */
static void save_losses(gs_campaign *c)
{
    gs_err e;
    if (gs_clock_s() - gs_queue_changed_s(c->queue) > BLAME_S && gs_queue_save(c->queue, &e)) gs_cli_error("%s", e.text);
}

static const char *why_stops(const gs_campaign *c)
{
    if (c->late) return "the time is over";
    return gs_stop_asked() ? "as asked" : "a worker was asked to";
}

static gs_stop on_tick(void *context)
{
    gs_campaign *c = context;
    refresh_lock(c);
    if (c->ousted) return GS_STOP_NOW;
    sync_journal(c);
    save_losses(c);
    c->late |= gs_clock_s() > c->deadline_s;
    if (stops(c) && !c->told) {
        c->told = true;
        fprintf(stderr, "%sgridshift: stopping, %s: the runs in progress leave a checkpoint; one signal more ends them at once\n",
                c->progress.terminal ? "\r\033[K" : "", why_stops(c));
    }
    gs_progress_show(&c->progress, false);
    return gs_stop_now() ? GS_STOP_NOW : stops(c) ? GS_STOP : GS_GO;
}

/* Where no master goes round while a run is at work. */
static void on_step(void *context)
{
    gs_campaign *c = context;
    refresh_lock(c);
    c->late |= gs_clock_s() > c->deadline_s;
    if (c->late || c->ousted) gs_stop_ask();
    gs_progress_show(&c->progress, false);
}

/* Between two runs a second signal has to wait until the first one's record is on the disk. */
static void run_here(gs_campaign *c)
{
    gs_executor execute = gs_execute;
    gs_job job;
    gs_stop_each(on_step, c);
    while (on_tick(c) == GS_GO && next_job(c, 0, 0, 0, &job)) {
        gs_bytes result = {0};
        gs_stop_hold(false);
        (c->options->isolate ? gs_job_isolate : gs_job_execute)(&execute, job.data, job.length, &result);
        gs_stop_hold(true);
        accept_result(c, result.data, result.length, 0);
        free(result.data);
    }
    gs_stop_each(NULL, NULL);
}

static int report_failures(const gs_session *s)
{
    if (!s->plan->failed)
        return GS_EXIT_FINE;
    fprintf(stderr, "gridshift: %d of %d runs failed (`--retry failed` runs them again):\n", s->plan->failed, gs_plan_total(s->plan));
    gs_session_failures(s, stderr);
    return GS_EXIT_FAILED;
}

static int report_left(const gs_run_options *o, int todo, int total)
{
    fprintf(stderr,
            "gridshift: stopped with %d of %d runs to do. The same command goes on; "
            "`gridshift tables --partial %s` shows what is there.\n", todo, total, o->dir);
    return GS_EXIT_STOPPED;
}

/* Every run is recorded; the tables are wrong to ask for, or cannot be written. */
static int tables_failed(gs_campaign *c, const gs_err *e)
{
    if (!e->system) return gs_cli_error("%s", e->text);
    stop_for_storage(c, e->text);
    return GS_EXIT_STOPPED;
}

/* What is missing after an interruption has no tables yet: they would change with every stop. */
int gs_campaign_report(gs_campaign *c)
{
    const gs_run_options *o = c->options;
    gs_session *s = c->session;
    gs_buf screen = {0};
    gs_err e;
    if (c->ousted) return GS_EXIT_STOPPED;
    if (gs_stop_now()) return gs_cli_error("stopped at once. The same command goes on."), GS_EXIT_STOPPED;
    s->metrics = !o->shards;
    if (gs_run_plan(o, s, false, &e) || gs_session_save(s, o->dir, &o->sets, &e)) {
        stop_for_storage(c, e.text);
        return GS_EXIT_STOPPED;
    }
    if (s->plan->todo) return report_left(o, s->plan->todo, gs_plan_total(s->plan));
    if (o->shards) {
        gs_run_marker(o, false);
        if (!o->quiet)
            printf("shard %d of %d is done: %d runs. When all are, `gridshift tables %s` writes the tables.\n", o->shard, o->shards,
                   gs_plan_total(s->plan), o->dir);
        return report_failures(s);
    }
    int code = gs_session_tables(s, o->dir, o->partial, &screen, &e) ? tables_failed(c, &e) : GS_EXIT_FINE;
    if (code != GS_EXIT_STOPPED) gs_run_marker(o, false);
    if (!code && !o->quiet)
        printf("%s\n%s/tables/ and %s/results.csv have everything.\n", screen.text ? screen.text : "", o->dir, o->dir);
    fflush(stdout);
    gs_buf_free(&screen);
    int failed = report_failures(s);
    return failed && code != GS_EXIT_STOPPED ? failed : code;
}

void gs_campaign_dispatch(gs_campaign *c, int workers)
{
    const gs_master_calls calls = {c, next_job, accept_result, lost_worker, on_tick};
    gs_err e;
    gs_progress_start(&c->progress, c->session->plan, workers, c->options->quiet);
    gs_stop_hold(true);
    if (workers > 0) gs_master(&calls, &c->options->protection); /* it stays held: the ranks end together */
    else run_here(c);
    if (!c->ousted) {
        sync_journal(c);
        if (gs_queue_save(c->queue, &e)) gs_cli_error("%s", e.text);
    }
    if (workers > 0 && gs_mpi_lost() == workers && !stops(c))
        gs_cli_error("all workers are lost. The same command goes on.");
    if (!workers) gs_stop_hold(false);
    gs_progress_end(&c->progress);
}
