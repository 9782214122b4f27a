/* The training loop: batch, gradient, step; evaluations, the best checkpoint, milestones, the reasons to stop. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gridshift/train.h"

const double gs_milestone_levels[GS_MILESTONES] = {0.5, 0.9, 0.99};

static int open_parts(gs_training *t, gs_err *e)
{
    const gs_config *c = &t->config;
    if (gs_task_open(c, &t->task, e)) return -1;
    gs_dims d = gs_dims_of(c);
    int batch = gs_batch_size(c);
    if (gs_model_open(c, d, true, &t->model, e)) return -1;
    if (gs_pass_open(t->model, gs_chunk(c, &d, batch), batch, true, &t->pass, e)) return -1;
    if (gs_optimiser_open(&t->optimiser, t->model, e)) return -1;
    t->best = gs_alloc(t->model->size, sizeof *t->best);
    t->first99 = gs_alloc(t->model->size, sizeof *t->first99);
    t->curve = gs_alloc((size_t)(gs_int(c, GS_TRAIN_STEPS) / gs_int(c, GS_EVAL_EVERY)) + 1, sizeof *t->curve);
    gs_model_init(t->model);
    return 0;
}

int gs_training_open(const gs_config *c, gs_training **out, gs_err *e)
{
    gs_training *t = gs_alloc(1, sizeof *t);
    t->config = *c;
    if (open_parts(t, e)) {
        gs_training_close(&t);
        return -1;
    }
    *out = t;
    return 0;
}

void gs_training_close(gs_training **out)
{
    gs_training *t = *out;
    if (!t) return;
    gs_optimiser_close(&t->optimiser);
    gs_pass_close(&t->pass);
    gs_model_close(&t->model);
    gs_task_close(&t->task);
    free(t->best);
    free(t->first99);
    free(t->curve);
    free(t);
    *out = NULL;
}

static void keep(const gs_training *t, float *copy) { memcpy(copy, t->model->param, t->model->size * sizeof *copy); }

/* Milestones, first99 and the best, from one evaluation: each is the first that qualifies. */
static void judge(gs_training *t, double accuracy, double exact)
{
    for (int i = 0; i < GS_MILESTONES; i++)
        if (!t->milestone[i] && accuracy > gs_milestone_levels[i]) t->milestone[i] = t->step;
    if (!t->first99_step && accuracy > 0.99) {
        t->first99_step = t->step;
        keep(t, t->first99);
    }
    double value = gs_is(&t->config, GS_EVAL_SELECT, GS_SELECT_EXACT) ? exact : accuracy;
    t->bad_evaluations++;
    if (t->best_step && value <= t->best_value) return;
    t->best_step = t->step;
    t->best_value = value;
    t->bad_evaluations = 0;
    keep(t, t->best);
}

static void evaluate(gs_training *t, const gs_losses *losses)
{
    gs_score s;
    gs_evaluate(t->pass, gs_task_set(t->task, GS_SET_CURVE, t->step), t->step, NULL, NULL, &s);
    double accuracy = (double)s.right / (double)s.scored, exact = (double)s.whole / (double)s.inputs;
    t->curve[t->curve_count++] = (gs_curve_row){t->step, gs_learning_rate(&t->config, t->step), losses->ce, losses->accuracy, losses->aux,
                                                s.loss, accuracy, exact};
    judge(t, accuracy, exact);
}

static bool stops(const gs_training *t)
{
    const gs_config *c = &t->config;
    int64_t patience = gs_int(c, GS_TRAIN_PATIENCE);
    if (patience && t->bad_evaluations >= patience) return true;
    return gs_is(c, GS_TRAIN_STOP, GS_STOP_FIRST99) && t->first99_step && t->step >= t->first99_step + gs_int(c, GS_TRAIN_EXTRA);
}

static gs_losses step(gs_training *t)
{
    const gs_data *d = gs_task_batch(t->task, t->step + 1);
    gs_losses losses = gs_gradient(t->pass, d->tokens, d->targets, d->n, t->step + 1);
    t->step++;
    t->diverged = !isfinite(losses.total) || !isfinite(gs_optimise(&t->optimiser));
    return losses;
}

bool gs_train(gs_training *t, const gs_train_calls *calls)
{
    static const gs_train_calls none;
    if (!calls) calls = &none;
    const gs_config *c = &t->config;
    int64_t all = gs_int(c, GS_TRAIN_STEPS), every = gs_int(c, GS_EVAL_EVERY), record = gs_int(c, GS_EVAL_RECORD);
    while (t->step < all && !t->diverged && !stops(t)) {
        if (calls->pause && calls->pause(calls->context, t)) return false;
        gs_losses losses = step(t);
        if (t->diverged) break;
        if (t->step % every == 0) evaluate(t, &losses);
        bool due = (record && t->step % record == 0) || (calls->every && t->step % calls->every == 0);
        if (calls->at && due) calls->at(calls->context, t);
    }
    return true;
}

char *gs_curve_csv(const gs_training *t)
{
    gs_buf b = {0};
    gs_buf_add(&b, "step,learning_rate,train_loss,train_accuracy,aux,loss,accuracy,exact_match\n");
    for (int i = 0; i < t->curve_count; i++) {
        const gs_curve_row *r = &t->curve[i];
        const double x[] = {r->learning_rate, r->train_loss, r->train_accuracy, r->aux, r->loss, r->accuracy, r->exact_match};
        char number[32];
        gs_buf_add(&b, "%lld", (long long)r->step);
        for (size_t k = 0; k < sizeof x / sizeof *x; k++) gs_buf_add(&b, ",%s", gs_real(x[k], number));
        gs_buf_add(&b, "\n");
    }
    return b.text;
}
