/* The cost model. It has to order runs and to bound a sweep, so it counts every pass through the model (the ablations of a
 * short run take longer than its training) and leaves out what is small beside one: a mean's sums, file writes. */
#include "cost.h"

#include "gridshift/metric.h"

enum { ADDITION_MOST = 10000 }; /* inputs of addition's evaluation set, DESIGN section 8 */
enum { RECORDED = 2 }; /* checkpoints that every run measures: final and best */

/* Sequences of the whole evaluation set. */
static double whole_set(const gs_config *c)
{
    if (gs_is(c, GS_TASK, GS_TASK_HISTOGRAM)) return (double)gs_int(c, GS_TASK_TEST);
    double modulus = (double)gs_int(c, GS_TASK_MODULUS), inputs = 1;
    if (gs_is(c, GS_TASK, GS_TASK_MODULAR)) return 2 * modulus * modulus; /* test, train, and all once more */
    for (int64_t i = gs_int(c, GS_TASK_DIGITS) * gs_int(c, GS_TASK_OPERANDS); i > 0; i--) inputs *= 10;
    return inputs < ADDITION_MOST ? inputs : ADDITION_MOST;
}

/* Sequences of an evaluation while it trains; modular's has both splits. */
static double curve_set(const gs_config *c)
{
    double whole = whole_set(c), samples = (double)gs_int(c, GS_EVAL_SAMPLES);
    if (gs_is(c, GS_TASK, GS_TASK_MODULAR)) whole /= 2;
    return samples > 0 && samples < whole ? samples : whole;
}

/* Passes over the set that the ablations of one checkpoint take: all layers together and, when there are several, each alone. */
static double ablation_passes(const gs_config *c, uint32_t ablate)
{
    const double sites[GS_SITE_COUNT] = {[GS_SITE_ATTN_OUT] = 1,
                                         [GS_SITE_ATTN_HEAD] = (double)gs_int(c, GS_MODEL_HEADS),
                                         [GS_SITE_FFN_OUT] = 1,
                                         [GS_SITE_FFN_EXPERT] = gs_is_moe(c) ? (double)gs_int(c, GS_FFN_EXPERTS) : 0};
    const double modes[GS_MODE_COUNT] = {1, 1, (double)gs_int(c, GS_ABLATE_DRAWS)};
    double layers = (double)gs_int(c, GS_MODEL_LAYERS), passes = 0;
    for (int site = 0; site < GS_SITE_COUNT; site++)
        for (int mode = 0; mode < GS_MODE_COUNT; mode++)
            if (ablate & GS_ABLATE(site, mode)) passes += sites[site] * modes[mode];
    return layers > 1 ? passes * (layers + 1) : passes;
}

static double probe_passes(const gs_config *c, uint32_t probes)
{
    double passes = 0;
    for (int i = 0; gs_probes[i]; i++)
        if (probes >> i & 1 && gs_probes[i]->applies(c)) passes += gs_probes[i]->passes;
    return passes;
}

double gs_cost_s(const gs_config *c, gs_wanted wanted)
{
    double steps = (double)gs_int(c, GS_TRAIN_STEPS), record = (double)gs_int(c, GS_EVAL_RECORD);
    double evaluations = steps / (double)gs_int(c, GS_EVAL_EVERY);
    double checkpoints = RECORDED + (record > 0 ? steps / record : 0);
    double sequences = evaluations * curve_set(c) + checkpoints * (1 + ablation_passes(c, wanted.ablate)) * whole_set(c);
    double probed = RECORDED + (wanted.probe_every ? steps / (double)wanted.probe_every : 0);
    double seen = gs_is(c, GS_TASK, GS_TASK_MODULAR) ? whole_set(c) / 2 : whole_set(c); /* probes look at one set */
    sequences += probed * probe_passes(c, wanted.probes) * seen;
    double passes = sequences / (3.0 * gs_batch_size(c)); /* in steps, of which forward is a third */
    return (steps + passes) * gs_step_performed(c) / GS_RATE_FLOPS + steps * GS_STEP_S;
}
