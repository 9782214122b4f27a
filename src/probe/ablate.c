/* Component ablation: one site at a time is replaced at all positions, and the model is scored as before. Zero removes the site's
 * output with its bias (an expert's with its gate weight kept); mean puts in the average of a clean pass per position and
 * layer; resample the values of another input, averaged over ablate.draws permutations. With several layers: all
 * layers at once, and each alone. */
#include <stdio.h>
#include <stdlib.h>

#include "gridshift/probe.h"

typedef struct work { /* one evaluation set of one checkpoint */
    const gs_measure *q;
    const gs_model *m;
    const gs_data *d;
    const char *split;
    bool record;   /* clean is filled: an ablated pass begins at its site */
    gs_clean clean;
    int32_t *from; /* (n) */
    gs_metrics *out;
} work;

static void store(const work *w, const gs_score *s, const char *subject)
{
    int count;
    const gs_stratum *strata = gs_task_strata(w->q->task, &count);
    char name[64];
    snprintf(name, sizeof name, "%s.%s", w->q->checkpoint, subject);
    gs_score_metrics(s, strata, count, name, w->split, w->out);
    if (!w->q->counts) return;
    const char *open = *w->split ? "[" : "", *close = *w->split ? "]" : "";
    gs_metrics_set(w->out, (double)s->right, "%s.correct%s%s%s", name, open, w->split, close);
    gs_metrics_set(w->out, (double)s->whole, "%s.whole_answer%s%s%s", name, open, w->split, close);
}

/* Sums of counts; the losses of equally large sets average. */
static void add(gs_score *sum, const gs_score *s, int draws)
{
    sum->scored += s->scored, sum->right += s->right, sum->inputs += s->inputs, sum->whole += s->whole, sum->targets += s->targets;
    sum->loss += s->loss / draws;
    for (int k = 0; k < GS_STRATA_MOST; k++) {
        sum->stratum_scored[k] += s->stratum_scored[k], sum->stratum_right[k] += s->stratum_right[k];
        sum->stratum_inputs[k] += s->stratum_inputs[k], sum->stratum_whole[k] += s->stratum_whole[k];
    }
}

static void one(const work *w, gs_patch patch, const char *subject)
{
    gs_score sum = {0}, s;
    const gs_config *c = &w->m->config;
    int draws = patch.mode == GS_MODE_RESAMPLE ? (int)gs_int(c, GS_ABLATE_DRAWS) : 1;
    patch.clean = &w->clean;
    patch.resume = w->record;
    patch.from = w->from;
    for (int draw = 0; draw < draws; draw++) {
        if (patch.mode == GS_MODE_RESAMPLE)
            gs_rng_permutation(gs_rng_of((uint32_t)gs_int(c, GS_SEED), GS_RNG_RESAMPLE), (uint64_t)draw, 0, w->d->n, w->from);
        gs_evaluate(w->q->pass, w->d, w->q->step, &patch, NULL, &s);
        add(&sum, &s, draws);
    }
    store(w, &sum, subject);
}

/* MODE_SITE, MODE_blockL_SITE: all layers, then each alone where there are several. */
static void every_layer(const work *w, gs_site site, gs_mode mode, int index, const char *word)
{
    char subject[48], number[12] = "";
    if (site == GS_SITE_ATTN_HEAD || site == GS_SITE_FFN_EXPERT) snprintf(number, sizeof number, "%d", index);
    for (int layer = -1; layer < (w->m->d.L > 1 ? w->m->d.L : 0); layer++) {
        if (layer < 0) snprintf(subject, sizeof subject, "%s_%s%s", gs_mode_names[mode], word, number);
        else snprintf(subject, sizeof subject, "%s_block%d_%s%s", gs_mode_names[mode], layer, word, number);
        one(w, (gs_patch){.site = site, .index = index, .mode = mode, .layer = layer}, subject);
    }
}

static void ablate(const work *w)
{
    bool moe = gs_is_moe(&w->m->config);
    const int counts[GS_SITE_COUNT] = {1, w->m->d.N, 1, moe ? w->m->d.E : 0};
    for (int site = 0; site < GS_SITE_COUNT; site++)
        for (int mode = 0; mode < GS_MODE_COUNT; mode++)
            for (int i = 0; w->q->ablate & GS_ABLATE(site, mode) && i < counts[site]; i++)
                every_layer(w, (gs_site)site, (gs_mode)mode, i, gs_site_words[site]);
}

static void clean(const work *w, gs_clean *record)
{
    gs_score s;
    gs_evaluate(w->q->pass, w->d, w->q->step, NULL, record, &s);
    store(w, &s, "clean");
    if (gs_is_moe(&w->m->config) && !*w->split) {
        gs_metrics_set(w->out, s.load_max, "%s.clean.router_load_max", w->q->checkpoint);
        gs_metrics_set(w->out, s.aux, "%s.clean.aux", w->q->checkpoint);
    }
    gs_evaluate_floor(w->d, w->m->d.C, &s);
    store(w, &s, "floor");
}

static bool asks_for(uint32_t ablate, gs_mode mode)
{
    for (int site = 0; site < GS_SITE_COUNT; site++)
        if (ablate & GS_ABLATE(site, mode)) return true;
    return false;
}

/* Needed for mean and resample; else only to save time, where it is small. */
static bool wants_record(uint32_t ablate, const gs_dims *d, int n)
{
    enum { SMALL = 64 * 1024 * 1024 };
    if (asks_for(ablate, GS_MODE_MEAN) || asks_for(ablate, GS_MODE_RESAMPLE)) return true;
    return ablate && (size_t)n * (size_t)(d->T * d->D * d->L) * 3 * sizeof(float) <= SMALL;
}

size_t gs_checkpoint_bytes(const gs_config *c, uint32_t ablate)
{
    gs_dims d = gs_dims_of(c);
    int sizes[GS_SET_KINDS];
    size_t most = 0, each = gs_evaluate_bytes(&d, gs_chunk(c, &d, gs_batch_size(c)));
    gs_task_sizes(c, sizes);
    for (int kind = GS_SET_TEST; kind < GS_SET_KINDS; kind++) {
        size_t bytes = (size_t)sizes[kind] * sizeof(int32_t);
        if (wants_record(ablate, &d, sizes[kind])) bytes += gs_clean_bytes(&d, sizes[kind]);
        if (bytes > most) most = bytes;
    }
    return most + each;
}

static int one_set(work *w, gs_err *e)
{
    w->record = wants_record(w->q->ablate, &w->m->d, w->d->n);
    if (w->record && gs_clean_open(&w->clean, &w->m->d, w->d->n, e)) return -1;
    w->from = gs_alloc((size_t)w->d->n, sizeof *w->from);
    clean(w, w->record ? &w->clean : NULL);
    if (asks_for(w->q->ablate, GS_MODE_MEAN)) gs_clean_means(&w->clean, &w->m->d);
    ablate(w);
    free(w->from);
    gs_clean_close(&w->clean);
    return 0;
}

int gs_measure_checkpoint(const gs_measure *q, gs_metrics *out, gs_err *e)
{
    gs_metrics_set(out, (double)q->step, "%s.clean.step", q->checkpoint);
    for (int kind = GS_SET_TEST; kind < GS_SET_KINDS; kind++) {
        work w = {.q = q, .m = gs_pass_model(q->pass), .d = gs_task_set(q->task, (gs_set_kind)kind, q->step),
                  .split = gs_set_split[kind], .out = out};
        if (w.d && one_set(&w, e)) return -1;
    }
    return 0;
}
