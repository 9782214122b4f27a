/* Weight norms by part of the model, and their ratio to those of another step: of the initialisation, and of every stepN that the run
 * has measured before (`probe: every`), e.g. final.norms.ratio[since=5000] (arXiv 2605.09403 compares epochs 40,000 and 5,000). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rows.h"
#include "scene.h"

enum { TOTAL, EMBED, ATTN, FFN, ROUTER, UNEMBED, NORM, PARTS };
static const char *const names[PARTS] = {"", "embed", "attn", "ffn", "router", "unembed", "norm"};

static int part_of(const gs_tensor *t)
{
    if (t->role == GS_ROLE_EMBED) return EMBED;
    if (t->role == GS_ROLE_UNEMBED) return UNEMBED;
    if (strstr(t->name, ".attn.")) return ATTN;
    if (strstr(t->name, ".router.")) return ROUTER;
    return strstr(t->name, ".ffn.") ? FFN : NORM;
}

static void norms(const gs_model *m, double out[PARTS])
{
    memset(out, 0, PARTS * sizeof *out);
    for (int i = 0; i < m->tensor_count; i++) {
        double square = m->kernels->square_sum(gs_tensor_size(&m->tensors[i]), m->param + m->tensors[i].at);
        out[part_of(&m->tensors[i])] += square;
        out[TOTAL] += square;
    }
    for (int k = 0; k < PARTS; k++) out[k] = sqrt(out[k]);
}

static void tell(gs_scene *s, const char *metric, int part, double value, const char *since)
{
    const char *comma = *since && part ? "," : "";
    gs_tell(s, value, metric, -1, "%s%s%s%s", part ? "of=" : "", names[part], comma, since);
}

static int since_start(gs_scene *s, const double now[PARTS], gs_err *e)
{
    gs_model *start;
    double then[PARTS];
    if (gs_model_open(s->c, s->d, false, &start, e)) return -1;
    gs_model_init(start);
    norms(start, then);
    for (int k = 0; k < PARTS; k++)
        if (then[k] > 0) tell(s, "ratio_init", k, now[k] / then[k], "");
    gs_model_close(&start);
    return 0;
}

/* Every stepN whose norms are among the run's metrics. */
static void since_steps(gs_scene *s, const double now[PARTS])
{
    size_t count = s->out->count; /* grows below */
    for (size_t i = 0; i < count; i++) {
        long long step;
        int end = 0;
        const char *name = s->out->at[i].name;
        if (sscanf(name, "step%lld.norms.norm%n", &step, &end) != 1 || !end || step >= s->q->step) continue;
        double then = s->out->at[i].value;
        for (int k = 0; k < PARTS; k++) {
            char stratum[32], since[40];
            snprintf(stratum, sizeof stratum, k ? "[of=%s]" : "%s", names[k]);
            snprintf(since, sizeof since, "since=%lld", step);
            if (!strcmp(name + end, stratum) && then > 0) tell(s, "ratio", k, now[k] / then, since);
        }
    }
}

static int run(gs_scene *s, gs_err *e)
{
    double now[PARTS];
    norms(s->m, now);
    for (int k = 0; k < PARTS; k++)
        if (now[k] > 0) tell(s, "norm", k, now[k], "");
    since_steps(s, now);
    return since_start(s, now, e);
}

static size_t bytes(const gs_scene *s) { return gs_model_bytes(s->c, &s->d); }

static bool applies(const gs_config *c) { return (void)c, true; }

static const gs_metric_row metrics[] = {
    {"norm", "", 0, false, "Frobenius norm of all weights, or of a part: embed (with positions), attn, ffn, router, unembed, norm", "of"},
    {"ratio", "", 0, false, "this norm over that of an earlier measured step of the run", "of since"},
    {"ratio_init", "", 0, false, "this norm over that of the initialisation", "of"},
    {0}};
const gs_probe gs_probe_norms = {"norms", "weight norms, and their ratio between two steps", "every run", applies, metrics, run, 0,
                                 0.05, bytes};
