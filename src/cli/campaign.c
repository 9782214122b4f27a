/* The master's side of a sweep: lock, plan, issue, journal, tables. Only rank 0 is here; it never trains while there are
 * workers, and the journal is written nowhere else. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/run.h"

struct gs_campaign {
    const gs_run_options *options; /* borrowed */
    gs_session *session;           /* borrowed */
    gs_lock *lock;
    gs_journal *journal;
    gs_progress progress;
    int next; /* into plan->order */
    bool told; /* that it stops */
    char *job; /* the job that is being handed out, owned */
};

static int take_folder(gs_campaign *c, gs_err *e)
{
    const gs_run_options *o = c->options;
    if (gs_folder_make(o->dir, e) || gs_lock_take(o->dir, &c->lock, e) || gs_session_plan(c->session, o->dir, o->retry, e) ||
        gs_journal_open(o->dir, &c->journal, e))
        return -1;
    return gs_session_save(c->session, o->dir, &o->sets, e);
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
    free(*c);
    *c = NULL;
}

static bool next_job(void *context, const char **job, size_t *length)
{
    gs_campaign *c = context;
    const gs_plan *p = c->session->plan;
    if (gs_stop_asked() || c->next >= p->todo)
        return false;
    free(c->job);
    gs_config config;
    gs_run_config((gs_run){c->session->grid, p->order[c->next++]}, &config);
    c->job = gs_job_text(&config, gs_spec_ablate(c->session->spec), c->options->dir);
    *job = c->job;
    *length = strlen(c->job);
    return true;
}

static double predicted_of(const gs_plan *p, const char *id)
{
    (void)id;
    return p->todo ? p->todo_s / p->todo : 0;
}

static void accept_result(void *context, const char *result, size_t length, int rank)
{
    gs_campaign *c = context;
    gs_record r = {0};
    gs_err e;
    if (gs_record_parse(result, length, &r, &e))
        gs_die("rank %d sent a record that does not read back: %s", rank, e.text);
    char *line = gs_text("%.*s", (int)length, result);
    if (gs_journal_append(c->journal, line, &e))
        gs_die("%s", e.text);
    free(line);
    gs_progress_run(&c->progress, predicted_of(c->session->plan, r.id), &r);
    gs_progress_show(&c->progress, false);
    gs_record_free(&r);
}

static bool on_tick(void *context)
{
    gs_campaign *c = context;
    if (gs_stop_asked() && !c->told) {
        c->told = true;
        fprintf(stderr, "%sgridshift: stopping when the runs in progress are finished; once more ends them at once\n",
                c->progress.terminal ? "\r\033[K" : "");
    }
    gs_progress_show(&c->progress, false);
    return gs_stop_asked();
}

static void run_here(gs_campaign *c)
{
    const char *job;
    size_t length;
    while (!on_tick(c) && next_job(c, &job, &length)) {
        gs_bytes result = {0};
        gs_job_execute(NULL, job, length, &result);
        accept_result(c, result.data, result.length, 0);
        free(result.data);
    }
}

static int report_failures(const gs_session *s)
{
    if (!s->plan->failed)
        return GS_EXIT_FINE;
    fprintf(stderr, "gridshift: %d of %d runs failed (`--retry failed` runs them again):\n", s->plan->failed, s->plan->count);
    gs_session_failures(s, stderr);
    return GS_EXIT_FAILED;
}

/* What is missing after an interruption has no tables yet: they would change with every stop. */
static int report(gs_campaign *c)
{
    const gs_run_options *o = c->options;
    gs_session *s = c->session;
    gs_buf screen = {0};
    gs_err e;
    if (gs_session_plan(s, o->dir, false, &e) || gs_session_save(s, o->dir, &o->sets, &e))
        gs_die("%s", e.text);
    if (s->plan->todo) {
        fprintf(stderr,
                "gridshift: stopped with %d of %d runs to do. The same command goes on; "
                "`gridshift tables --partial %s` shows what is there.\n",
                s->plan->todo, s->plan->count, o->dir);
        return GS_EXIT_STOPPED;
    }
    int code = gs_session_tables(s, o->dir, o->partial, &screen, &e) ? gs_cli_error("%s", e.text) : GS_EXIT_FINE;
    if (!code && !o->quiet)
        printf("%s\n%s/tables/ and %s/results.csv have everything.\n", screen.text ? screen.text : "", o->dir, o->dir);
    fflush(stdout);
    gs_buf_free(&screen);
    int failed = report_failures(s);
    return failed ? failed : code;
}

int gs_campaign_run(gs_campaign *c, int workers)
{
    const gs_master_calls calls = {c, next_job, accept_result, on_tick};
    gs_progress_start(&c->progress, c->session->plan, workers, c->options->quiet);
    if (workers > 0)
        gs_master(&calls);
    else
        run_here(c);
    gs_progress_end(&c->progress);
    return report(c);
}
