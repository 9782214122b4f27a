/* Heads and experts by what they do: each is taken out alone (zero, as the ablation attn.head and ffn.expert), and its drop in accuracy is
 * counted over all tokens and, where the task has operations, for each of them.
 *
 * Seeds number their heads at will, so that a mean over seeds needs an order: rank (1: the largest drop over all tokens), and role (the one
 * with the largest drop on that operation; ties: the lower index; one may have several roles). */
#include <stdlib.h>
#include <string.h>

#include "rows.h"
#include "scene.h"

enum { OPS = 8 };

typedef struct work {
    gs_scene *s;
    int ops, op[OPS];            /* strata of the operations */
    char name[OPS][16];
    double clean[OPS + 1];
    int count;                   /* heads or experts, of all layers */
    double (*drop)[OPS + 1];     /* (count): by operation; the last is over all tokens */
} work;

static void find_ops(work *w)
{
    int count;
    const gs_stratum *strata = gs_task_strata(w->s->q->task, &count);
    for (int k = 0; k < count && w->ops < OPS; k++) {
        if (strncmp(strata[k].name, "op=", 3)) continue;
        strcpy(w->name[w->ops], strata[k].name + 3);
        w->op[w->ops++] = k;
    }
}

static void accuracies(const work *w, const gs_patch *patch, double out[OPS + 1])
{
    gs_score x;
    gs_evaluate(w->s->q->pass, w->s->data, w->s->q->step, patch, NULL, &x);
    for (int i = 0; i < w->ops; i++)
        out[i] = x.stratum_scored[w->op[i]] ? (double)x.stratum_right[w->op[i]] / (double)x.stratum_scored[w->op[i]] : 0;
    out[w->ops] = (double)x.right / (double)x.scored;
}

static void take_out(work *w, gs_site site, int each)
{
    w->count = 0;
    for (int l = 0; l < w->s->d.L; l++)
        for (int i = 0; i < each; i++, w->count++) {
            double x[OPS + 1];
            accuracies(w, &(gs_patch){.site = site, .index = i, .mode = GS_MODE_ZERO, .layer = l}, x);
            for (int k = 0; k <= w->ops; k++) w->drop[w->count][k] = w->clean[k] - x[k];
        }
}

static int largest(const work *w, int k, const bool *taken)
{
    int best = -1;
    for (int i = 0; i < w->count; i++)
        if (!(taken && taken[i]) && (best < 0 || w->drop[i][k] > w->drop[best][k])) best = i;
    return best;
}

static void tell(const work *w, const char *drop, const char *roles)
{
    bool *taken = gs_alloc((size_t)w->count, sizeof *taken);
    int distinct = 0;
    for (int rank = 1; rank <= w->count; rank++) {
        int i = largest(w, w->ops, taken);
        taken[i] = true;
        gs_tell(w->s, w->drop[i][w->ops], drop, -1, "rank=%d", rank);
    }
    memset(taken, 0, (size_t)w->count * sizeof *taken);
    for (int role = 0; role < w->ops; role++) {
        int i = largest(w, role, NULL);
        distinct += !taken[i], taken[i] = true;
        for (int k = 0; k < w->ops; k++) gs_tell(w->s, w->drop[i][k], drop, -1, "role=%s,op=%s", w->name[role], w->name[k]);
    }
    if (w->ops) gs_tell(w->s, distinct, roles, -1, "%s", "");
    free(taken);
}

static int parts_most(const gs_scene *s) { return s->d.L * (s->d.N > s->d.E ? s->d.N : s->d.E); }

static int run(gs_scene *s, gs_err *e)
{
    (void)e;
    work w = {.s = s};
    w.drop = gs_alloc((size_t)parts_most(s), sizeof *w.drop);
    find_ops(&w);
    accuracies(&w, NULL, w.clean);
    take_out(&w, GS_SITE_ATTN_HEAD, s->d.N);
    tell(&w, "head_drop", "heads_with_roles");
    if (gs_is_moe(s->c)) {
        take_out(&w, GS_SITE_FFN_EXPERT, s->d.E);
        tell(&w, "expert_drop", "experts_with_roles");
    }
    free(w.drop);
    return 0;
}

static size_t bytes(const gs_scene *s)
{
    return (size_t)parts_most(s) * ((OPS + 1) * sizeof(double) + sizeof(bool)) + gs_evaluate_bytes(&s->d, s->most);
}

static bool applies(const gs_config *c) { return (void)c, true; }

static const gs_metric_row metrics[] = {
    {"head_drop", "fraction", 0, true, "accuracy lost without one head, by rank over all tokens, or of a role's head on an operation",
     "rank role op"},
    {"heads_with_roles", "heads", 0, false, "different heads among those of the roles", NULL},
    {"expert_drop", "fraction", 0, true, "the same without one expert", "rank role op"},
    {"experts_with_roles", "experts", 0, false, "different experts among those of the roles", NULL},
    {0}};
const gs_probe gs_probe_roles = {"roles", "heads and experts taken out one by one, sorted by what they do", "every run", applies, metrics,
                                 run, 0, 9, bytes};
