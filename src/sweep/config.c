/* One run's config: defaults, canonical form, and the checks that no single key's row can make. */
#include <inttypes.h>

#include "gridshift/count.h"

void gs_config_defaults(int task, gs_config *out)
{
    *out = (gs_config){0};
    for (int k = 0; k < GS_KEY_COUNT; k++) {
        gs_err e;
        const char *text = gs_keys[k].defaults[task];
        if (*text && gs_value_parse((gs_key)k, text, &out->v[k], &e)) gs_die("keys.def: %s", e.text);
    }
    out->v[GS_TASK] = (gs_value){.set = true, .i = task};
}

void gs_config_canonical(gs_config *c)
{
    for (int k = 0; k < GS_KEY_COUNT; k++) /* in table order: a predicate looks only at keys above its row */
        if (c->v[k].set && !gs_keys[k].when(c)) c->v[k] = (gs_value){0};
    static const gs_key seeds[] = {GS_TRAIN_DATA_SEED, GS_TRAIN_INIT_SEED};
    for (int s = 0; s < 2; s++)
        if (gs_value_same(GS_SEED, c->v[seeds[s]], c->v[GS_SEED])) c->v[seeds[s]] = (gs_value){0};
    if (gs_is(c, GS_MODEL_POSITIONS, 0)) c->v[GS_MODEL_POSITIONS].i = gs_extent_of(c).length;
}

static int blame(gs_key *out, gs_key key)
{
    if (out) *out = key;
    return -1;
}

static int check_model(const gs_config *c, gs_key *key, gs_err *e)
{
    gs_extent extent = gs_extent_of(c);
    int64_t d = gs_int(c, GS_MODEL_D), heads = gs_int(c, GS_MODEL_HEADS), rows = gs_int(c, GS_MODEL_POSITIONS);
    if (d % heads) {
        gs_error(e, "model.d_model %" PRId64 " is not a multiple of model.heads %" PRId64, d, heads);
        return blame(key, GS_MODEL_HEADS);
    }
    if (rows < extent.length) {
        gs_error(e, "model.positions %" PRId64 " is less than the %d positions of the task's sequence; 0 takes its length", rows,
                 extent.length);
        return blame(key, GS_MODEL_POSITIONS);
    }
    if (gs_is(c, GS_MODEL_TIED, 1) && extent.classes != extent.vocabulary) {
        gs_error(e, "model.tied needs as many classes as tokens, and this task has %d and %d; set model.tied to false", extent.classes,
                 extent.vocabulary);
        return blame(key, GS_MODEL_TIED);
    }
    return 0;
}

static int check_experts(const gs_config *c, gs_key *key, gs_err *e)
{
    int64_t experts = gs_int(c, GS_FFN_EXPERTS), k = gs_int(c, GS_FFN_TOP_K), width = gs_int(c, GS_FFN_WIDTH);
    if (!gs_is_moe(c)) return 0;
    if (k > experts) {
        gs_error(e, "ffn.top_k %" PRId64 " is more than ffn.experts %" PRId64, k, experts);
        return blame(key, GS_FFN_TOP_K);
    }
    if (experts > width) {
        gs_error(e, "ffn.experts %" PRId64 " is more than ffn.width %" PRId64 ", so that an expert would have no unit", experts, width);
        return blame(key, GS_FFN_EXPERTS);
    }
    return 0;
}

static int check_training(const gs_config *c, gs_key *key, gs_err *e)
{
    int64_t steps = gs_int(c, GS_TRAIN_STEPS), warmup = gs_int(c, GS_TRAIN_WARMUP);
    if (!gs_is(c, GS_TRAIN_SCHEDULE, GS_SCHEDULE_COSINE) || !steps || warmup < steps) return 0;
    gs_error(e, "train.warmup %" PRId64 " leaves no step of train.steps %" PRId64 " to the cosine", warmup, steps);
    return blame(key, GS_TRAIN_WARMUP);
}

static int check_analysis(const gs_config *c, gs_key *key, gs_err *e)
{
    if (!gs_int(c, GS_ANALYSIS_SPECTRA) || gs_int(c, GS_TRAIN_SAVE)) return 0;
    if (key) *key = GS_ANALYSIS_SPECTRA;
    return gs_error(e, "analysis.spectra needs the saved models: give train.save: true too");
}

int gs_config_check(const gs_config *c, gs_key *key, gs_err *e)
{
    if (gs_task_check(c, key, e)) return -1;
    if (check_model(c, key, e) || check_experts(c, key, e)) return -1;
    return check_training(c, key, e) || check_analysis(c, key, e) ? -1 : 0;
}
