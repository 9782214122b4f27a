/* Direct logit attribution: what the embedding, each attention head and the feed-forward block put into the logit of the right answer.
 *
 * The readout is linear in the residual stream once the final norm's scale is frozen at its value for the row, so the logit of class y is a
 * sum over the stream's parts: logit = scale * A_y . part, with A_y the row of the readout times the norm's weights (its mean taken off for
 * layernorm, whose centring is linear too; its bias is no part). Centred: A_y minus the mean over the classes, which a softmax does not
 * see. attention_fraction = sum |attention| / (sum |attention| + sum |ffn|) over the tokens, layers added up first. By the strata, and
 * by position where no stratum is a digit's place. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rows.h"
#include "scene.h"

enum { EMBED, ATTN, FFN, ATTN_CENTRED, FFN_CENTRED, PARTS };

typedef struct sums { double signed_sum[PARTS], size[PARTS], n, *head; } sums; /* head: (L N), of one row or of all */

typedef struct work {
    gs_scene *s;
    double *readout;  /* (C + 1, D): A_y; the last row is their mean */
    double *of_mix;   /* (L, C, D): A_y times the layer's o: the heads' share */
    int strata, groups;
    const gs_stratum *name;
    sums *group;      /* (groups): all rows; those of each stratum; those of each position */
    double *heads;    /* (groups, L N) */
} work;

static void open_readout(work *w)
{
    const gs_scene *s = w->s;
    const gs_model *m = s->m;
    int D = s->d.D, C = s->d.C;
    const gs_tensor *u = gs_model_tensor(m, "unembed.weight"), *norm = gs_model_tensor(m, "norm_out.weight");
    const float *U = m->param + (u ? u->at : m->tensors[0].at);
    w->readout = gs_alloc((size_t)(C + 1) * (size_t)D, sizeof(double));
    for (int c = 0; c < C; c++) {
        double *to = w->readout + (size_t)c * (size_t)D, mean = 0;
        for (int d = 0; d < D; d++) {
            to[d] = (double)U[(size_t)c * (size_t)D + (size_t)d] * (norm ? (double)m->param[norm->at + (size_t)d] : 1);
            mean += to[d] / D;
        }
        for (int d = 0; d < D && gs_is(s->c, GS_MODEL_NORM, GS_NORM_LAYER); d++) to[d] -= mean;
        for (int d = 0; d < D; d++) w->readout[(size_t)C * (size_t)D + (size_t)d] += to[d] / C;
    }
}

static void open_heads(work *w)
{
    const gs_scene *s = w->s;
    size_t D = (size_t)s->d.D, C = (size_t)s->d.C;
    w->of_mix = gs_alloc((size_t)s->d.L * C * D, sizeof(double));
    for (int l = 0; l < s->d.L; l++) {
        char name[40];
        snprintf(name, sizeof name, "blocks.%d.attn.o.weight", l);
        const float *o = s->m->param + gs_model_tensor(s->m, name)->at;
        for (size_t c = 0; c < C; c++)
            for (size_t d = 0; d < D; d++)
                for (size_t j = 0; j < D; j++)
                    w->of_mix[((size_t)l * C + c) * D + j] += w->readout[c * D + d] * (double)o[d * D + j];
    }
}

static double dot(int n, const double *a, const double *b)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

/* 1 / root of the final norm for this row; 1 without a norm. */
static double scale_of(const work *w, const double *stream)
{
    int D = w->s->d.D;
    double mean = 0, square = 0;
    if (gs_is(w->s->c, GS_MODEL_NORM, GS_NORM_NONE)) return 1;
    for (int d = 0; d < D; d++) mean += stream[d] / D;
    if (gs_is(w->s->c, GS_MODEL_NORM, GS_NORM_RMS)) mean = 0;
    for (int d = 0; d < D; d++) square += (stream[d] - mean) * (stream[d] - mean) / D;
    return 1 / sqrt(square + (gs_is(w->s->c, GS_MODEL_NORM, GS_NORM_LAYER) ? 1e-5 : 0x1p-23));
}

static void open_groups(work *w)
{
    size_t heads = (size_t)(w->s->d.L * w->s->d.N);
    w->name = gs_task_strata(w->s->q->task, &w->strata);
    w->groups = 1 + w->strata + w->s->Q;
    w->group = gs_alloc((size_t)w->groups, sizeof *w->group);
    w->heads = gs_alloc((size_t)w->groups * heads, sizeof *w->heads);
    for (int g = 0; g < w->groups; g++) w->group[g].head = w->heads + (size_t)g * heads;
}

static void add(const work *w, sums *to, const sums *x)
{
    for (int i = 0; i < PARTS; i++) to->signed_sum[i] += x->signed_sum[i], to->size[i] += fabs(x->signed_sum[i]);
    for (int h = 0; h < w->s->d.L * w->s->d.N; h++) to->head[h] += x->head[h];
    to->n++;
}

static void row_heads(const work *w, size_t row, int y, double scale, double *head)
{
    const gs_scene *s = w->s;
    int D = s->d.D, K = s->d.K;
    memset(head, 0, (size_t)(s->d.L * s->d.N) * sizeof *head);
    for (int l = 0; l < s->d.L; l++)
        for (int j = 0; j < D; j++)
            head[l * s->d.N + j / K] += scale * w->of_mix[((size_t)l * (size_t)s->d.C + (size_t)y) * (size_t)D + (size_t)j] *
                                        (double)s->mix[l][row + (size_t)j];
}

static void one_row(work *w, int r, double *part, sums *one)
{
    const gs_scene *s = w->s;
    int D = s->d.D;
    size_t at = gs_scene_at(s, r), row = (size_t)r * (size_t)D;
    const float *tok = s->m->param + s->m->tensors[0].at + (size_t)s->data->tokens[at] * (size_t)D;
    const float *pos = s->m->param + s->m->tensors[1].at + at % (size_t)s->d.T * (size_t)D;
    double *embed = part, *attn = part + D, *ffn = attn + D, *stream = ffn + D;
    memset(part, 0, (size_t)(4 * D) * sizeof *part);
    for (int d = 0; d < D; d++) {
        embed[d] = (double)tok[d] + (double)pos[d];
        for (int l = 0; l < s->d.L; l++) attn[d] += (double)s->attn[l][row + (size_t)d], ffn[d] += (double)s->ffn[l][row + (size_t)d];
        stream[d] = embed[d] + attn[d] + ffn[d];
    }
    int y = s->data->targets[at];
    const double *A = w->readout + (size_t)y * (size_t)D, *mean = w->readout + (size_t)s->d.C * (size_t)D;
    double scale = scale_of(w, stream), *x = one->signed_sum;
    x[EMBED] = scale * dot(D, A, embed), x[ATTN] = scale * dot(D, A, attn), x[FFN] = scale * dot(D, A, ffn);
    x[ATTN_CENTRED] = x[ATTN] - scale * dot(D, mean, attn), x[FFN_CENTRED] = x[FFN] - scale * dot(D, mean, ffn);
    row_heads(w, row, y, scale, one->head);
    add(w, &w->group[0], one);
    for (uint64_t left = s->data->strata[at]; left; left &= left - 1) add(w, &w->group[1 + __builtin_ctzll(left)], one);
    add(w, &w->group[1 + w->strata + r % s->Q], one);
}

static void tell(gs_scene *s, const sums *x, const char *stratum)
{
    static const char *const parts[] = {"embed", "attn", "ffn"};
    const char *comma = *stratum ? "," : "";
    if (x->n == 0) return;
    for (int i = EMBED; i <= FFN; i++) gs_tell(s, x->signed_sum[i] / x->n, "logit", -1, "part=%s%s%s", parts[i], comma, stratum);
    double raw = x->size[ATTN] + x->size[FFN], centred = x->size[ATTN_CENTRED] + x->size[FFN_CENTRED];
    if (raw > 0) gs_tell(s, x->size[ATTN] / raw, "attention_fraction", -1, "%s", stratum);
    if (centred > 0) gs_tell(s, x->size[ATTN_CENTRED] / centred, "attention_fraction_centred", -1, "%s", stratum);
    for (int l = 0; l < s->d.L; l++)
        for (int h = 0; h < s->d.N; h++) gs_tell(s, x->head[l * s->d.N + h] / x->n, "logit", l, "part=head,head=%d%s%s", h, comma, stratum);
}

static int run(gs_scene *s, gs_err *e)
{
    (void)e;
    work w = {.s = s};
    double *part = gs_alloc((size_t)(4 * s->d.D), sizeof *part);
    sums one = {.head = gs_alloc((size_t)(s->d.L * s->d.N), sizeof *one.head)};
    bool digits = false;
    open_readout(&w), open_heads(&w), open_groups(&w);
    for (int r = 0; r < s->rows; r++)
        if (s->data->scored[gs_scene_at(s, r)]) one_row(&w, r, part, &one);
    tell(s, &w.group[0], "");
    for (int k = 0; k < w.strata; k++) tell(s, &w.group[1 + k], w.name[k].name), digits |= !strncmp(w.name[k].name, "digit=", 6);
    for (int q = 0; q < s->Q && s->Q > 1 && !digits; q++) {
        char name[24];
        snprintf(name, sizeof name, "position=%d", s->d.first + q);
        tell(s, &w.group[1 + w.strata + q], name);
    }
    free(part), free(one.head), free(w.readout), free(w.of_mix), free(w.group), free(w.heads);
    return 0;
}

static size_t bytes(const gs_scene *s)
{
    size_t D = (size_t)s->d.D, C = (size_t)s->d.C, L = (size_t)s->d.L, groups = (size_t)(1 + GS_STRATA_MOST + s->Q);
    return (4 * D + (C + 1) * D + L * C * D + (groups + 1) * L * (size_t)s->d.N) * sizeof(double) + groups * sizeof(sums);
}

static bool applies(const gs_config *c) { return (void)c, true; }

static const gs_metric_row metrics[] = {
    {"logit", "", 0, false, "mean direct contribution to the right answer's logit: part embed, attn (bias included), ffn, or one head",
     "layer part head position *"},
    {"attention_fraction", "", 0, false, "sum |attention| / (sum |attention| + sum |ffn|) of these contributions", "position *"},
    {"attention_fraction_centred", "", 0, false, "the same with the mean logit over the classes taken off", "position *"},
    {0}};
const gs_probe gs_probe_attribution = {"attribution", "direct contributions to the right logit", "every run", applies, metrics, run,
                                       GS_SEES_BLOCKS, 2, bytes};
