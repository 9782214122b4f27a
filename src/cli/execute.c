/* One run from its config to its record: train, measure each checkpoint, write DIR/runs/ID. What goes wrong is the record's reason. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint.h"
#include "cli.h"
#include "gridshift/analysis.h"
#include "gridshift/probe.h"
#include "places.h"

typedef struct job {
    const gs_work *work;
    const char *folder; /* DIR/runs/ID */
    gs_record *out;
    bool failed; /* out->reason says why */
    gs_buf routes[3]; /* of `kept`: what runs/ID/routes.CHECKPOINT.txt gets; empty: no such file */
    gs_places places;
    double counted_s; /* until when out->wall_s counts, monotonic */
    double written_s; /* when the last checkpoint was */
} job;

static const char *const kept[] = {"final", "best", "first99"}; /* checkpoints that every run has, if it comes so far */

static void fail(job *j, const char *why)
{
    j->failed = true;
    snprintf(j->out->reason, sizeof j->out->reason, "%.*s", (int)sizeof j->out->reason - 1, why);
}

enum { SCORES = 1, PROBES = 2 };

static void measure(job *j, gs_training *t, const char *checkpoint, int64_t step, int what)
{
    gs_err e;
    const gs_wanted *w = &j->work->wanted;
    gs_measure q = {.pass = t->pass, .task = t->task, .checkpoint = checkpoint, .step = step, .ablate = w->ablate, .probes = w->probes};
    if (j->failed) return;
    for (int k = 0; k < 3; k++)
        if (!strcmp(checkpoint, kept[k])) q.routes = &j->routes[k];
    if ((what & SCORES && gs_measure_checkpoint(&q, &j->out->metrics, &e)) ||
        (what & PROBES && gs_probe_checkpoint(&q, &j->out->metrics, &e)))
        fail(j, e.text);
}

static void at_step(void *context, gs_training *t)
{
    job *j = context;
    char name[32];
    int64_t record = gs_int(&t->config, GS_EVAL_RECORD), probe = j->work->wanted.probe_every;
    int what = (record && t->step % record == 0 ? SCORES : 0) | (probe && t->step % probe == 0 ? PROBES : 0);
    snprintf(name, sizeof name, "step%lld", (long long)t->step);
    measure(j, t, name, t->step, what);
}

/* The model's parameters are the final ones; a kept copy takes their place while it is measured. */
static void measure_copy(job *j, gs_training *t, float *copy, const char *checkpoint, int64_t step)
{
    if (!step) return;
    size_t bytes = t->model->size * sizeof *copy;
    float *final = gs_alloc(t->model->size, sizeof *final);
    memcpy(final, t->model->param, bytes);
    memcpy(t->model->param, copy, bytes);
    measure(j, t, checkpoint, step, SCORES | PROBES);
    memcpy(t->model->param, final, bytes);
    free(final);
}

static void milestones(const gs_training *t, gs_metrics *out)
{
    for (int i = 0; i < GS_MILESTONES; i++)
        if (t->milestone[i]) gs_metrics_set(out, (double)t->milestone[i], "curve.clean.steps_to_%.0f", 100 * gs_milestone_levels[i]);
}

static int write_text(const char *folder, const char *name, const char *text, gs_err *e)
{
    char *path = gs_text("%s/%s", folder, name);
    int failed = gs_file_write(path, text, strlen(text), e);
    free(path);
    return failed;
}

/* A flat YAML map of the canonical config, in the key table's order. */
static int write_config(const char *folder, const gs_config *c, gs_err *e)
{
    gs_buf b = {0};
    char value[64];
    for (int k = 0; k < GS_KEY_COUNT; k++)
        if (c->v[k].set) gs_buf_add(&b, "%s: %s\n", gs_keys[k].name, gs_value_text((gs_key)k, c->v[k], value));
    int failed = write_text(folder, "config.yaml", b.text, e);
    gs_buf_free(&b);
    return failed;
}

static int write_model(const char *folder, const char *name, const gs_training *t, const float *param, int64_t step, gs_err *e)
{
    char *path = gs_text("%s/%s", folder, name);
    int failed = gs_checkpoint_write(path, t->model, param, step, e);
    free(path);
    return failed;
}

static int write_routes(job *j, gs_err *e)
{
    for (int k = 0; k < 3; k++) {
        char *name = gs_text("routes.%s.txt", kept[k]);
        int result = j->routes[k].length ? write_text(j->folder, name, j->routes[k].text, e) : 0;
        free(name);
        if (result) return -1;
    }
    return 0;
}

static int write_features(const char *folder, const gs_training *t, gs_err *e)
{
    char *path = gs_text("%s/features.safetensors", folder);
    int failed = gs_features_write(path, t->pass, t->step, e);
    free(path);
    return failed;
}

static int write_run(const char *dir, const char *folder, const gs_training *t, gs_err *e)
{
    if (gs_folder_make_in(dir, folder, e)) return -1;
    gs_folder_tidy(folder);
    if (write_config(folder, &t->config, e)) return -1;
    char *curve = gs_curve_csv(t);
    int failed = write_text(folder, "curve.csv", curve, e);
    free(curve);
    if (!failed && !t->diverged && gs_is(&t->config, GS_ANALYSIS_FEATURES, 1)) failed = write_features(folder, t, e);
    if (failed || !gs_is(&t->config, GS_TRAIN_SAVE, 1)) return failed;
    if (t->best_step && write_model(folder, "model.best.safetensors", t, t->best, t->best_step, e)) return -1;
    return write_model(folder, "model.safetensors", t, t->model->param, t->step, e);
}

static void tell(const job *j, const char *line)
{
    if (j->work->tell) j->work->tell(j->work->context, line);
}

static void tell_lines(const job *j, gs_buf *notes)
{
    char *rest = notes->text;
    for (char *line; (line = strsep(&rest, "\n"));)
        if (*line) tell(j, line);
    gs_buf_free(notes);
}

static void count_time(job *j)
{
    double now_s = gs_clock_s();
    j->out->wall_s += now_s - j->counted_s;
    j->counted_s = now_s;
}

/* A checkpoint that cannot be written does the run no harm: it goes on, and the older one stays. */
static void write_snapshot(job *j, const gs_training *t, bool last)
{
    gs_buf notes = {0};
    gs_err e;
    count_time(j);
    j->written_s = j->counted_s;
    if (t->step > (last ? j->places.shared.step : gs_places_step(&j->places)) &&
        gs_places_write(&j->places, t, j->out, last, &notes, &e))
        tell(j, e.text);
    tell_lines(j, &notes);
}

static bool before_step(void *context, gs_training *t)
{
    job *j = context;
    bool stop = j->work->asked && j->work->asked(j->work->context);
    double every_s = 60 * gs_num(&t->config, GS_TRAIN_CHECKPOINT);
    if (stop || (every_s > 0 && gs_clock_s() - j->written_s >= every_s)) write_snapshot(j, t, stop);
    return stop;
}

static void resume(job *j, gs_training *t)
{
    gs_buf notes = {0};
    gs_places_resume(&j->places, t, j->out, &notes);
    tell_lines(j, &notes);
    j->written_s = gs_clock_s();
}

static gs_outcome train_and_measure(job *j, gs_training *t)
{
    const gs_train_calls calls = {j, j->work->wanted.probe_every, at_step, before_step};
    gs_err e;
    char why[64];
    resume(j, t);
    if (!gs_train(t, &calls)) return GS_RUN_INTERRUPTED;
    if (t->diverged) {
        snprintf(why, sizeof why, "diverged at step %lld: the loss is not finite", (long long)t->step);
        fail(j, why);
    } else {
        measure(j, t, "final", t->step, SCORES | PROBES);
        measure_copy(j, t, t->best, "best", t->best_step);
        measure_copy(j, t, t->first99, "first99", t->first99_step);
    }
    milestones(t, &j->out->metrics);
    if (write_run(j->work->dir, j->folder, t, &e) || write_routes(j, &e)) {
        snprintf(j->out->reason, sizeof j->out->reason, "%.*s", (int)sizeof j->out->reason - 1, e.text);
        return GS_RUN_STORAGE;
    }
    return GS_RUN_RECORDED;
}

static bool fits(job *j)
{
    gs_err e;
    const gs_work *w = j->work;
    if (!gs_memory_check(gs_run_bytes(w->config, &j->out->counts, w->wanted), w->budget_bytes, gs_memory_here(), &e)) return true;
    fail(j, e.text);
    return false;
}

static gs_outcome open_and_run(job *j)
{
    gs_training *t = NULL;
    gs_outcome outcome = GS_RUN_RECORDED;
    gs_err e;
    if (!fits(j)) return outcome;
    if (gs_training_open(j->work->config, &t, &e)) fail(j, e.text);
    else outcome = train_and_measure(j, t);
    gs_training_close(&t);
    return outcome;
}

gs_outcome gs_execute(const gs_work *w, gs_record *out)
{
    *out = (gs_record){.config = *w->config, .ablate = w->wanted.ablate, .probes = w->wanted.probes, .probe_every = w->wanted.probe_every};
    gs_config_id(w->config, out->id);
    gs_count(w->config, &out->counts);
    char *folder = gs_text("%s/runs/%s", w->dir, out->id);
    job j = {.work = w, .folder = folder, .out = out, .counted_s = gs_clock_s()};
    gs_places_open(&j.places, w->dir, out->id, gs_is(w->config, GS_TRAIN_KEEP, 1));
    gs_numeric_start();
    gs_outcome outcome = open_and_run(&j);
    out->ok = !j.failed;
    if (j.failed) gs_metrics_free(&out->metrics);
    out->checkpoints = j.places.shared.step > 0 && !gs_is(w->config, GS_TRAIN_KEEP, 1);
    gs_places_close(&j.places, outcome == GS_RUN_RECORDED);
    count_time(&j);
    for (int k = 0; k < 3; k++) gs_buf_free(&j.routes[k]);
    free(folder);
    return outcome;
}
