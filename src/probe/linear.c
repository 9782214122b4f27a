/* Linear probes: can a label be read off the output of attention, or of the feed-forward block, by a linear map? Multinomial logistic
 * regression (logistic.h) on inputs that are standardised by the training part.
 *
 * Labels: addition: op and carry (two operands: cascade and answer); other tasks: the answer. Inputs (whole sequences, so that no token's
 * neighbour is in both parts) are permuted; the first ones that have 2,048 scored tokens are used, one half to train and one held out. The
 * control task (Hewitt & Liang 2019) gives each kind of token, its id and position, a label of its own, drawn like the real ones: what a
 * probe gets there it has memorised. Selectivity = accuracy - control accuracy, both held out. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "linear.h"
#include "logistic.h"
#include "rows.h"

enum { TOKENS = 2048 };

static int scored_in(const gs_scene *s, int sequence)
{
    int count = 0;
    for (int q = 0; q < s->Q; q++) count += s->data->scored[gs_scene_at(s, sequence * s->Q + q)];
    return count;
}

static void split(gs_linear *w)
{
    gs_scene *s = w->s;
    int n = s->data->n, used = 0, tokens = 0;
    int32_t *order = gs_alloc((size_t)n, sizeof *order);
    gs_rng_permutation(gs_scene_rng(s), 0, GS_DRAW_SPLIT, n, order);
    while (used < n && tokens < TOKENS) tokens += scored_in(s, order[used++]);
    w->row = gs_alloc((size_t)tokens, sizeof *w->row);
    for (int i = 0; i < used; i++)
        for (int q = 0; q < s->Q; q++) {
            int row = order[i] * s->Q + q;
            if (!s->data->scored[gs_scene_at(s, row)]) continue;
            w->row[w->train + w->held] = row;
            *(i < used / 2 ? &w->train : &w->held) += 1;
        }
    free(order);
}

static int classes_most(const gs_scene *s) { return s->d.C > GS_STRATA_MOST ? s->d.C : GS_STRATA_MOST; }

size_t gs_linear_bytes(const gs_scene *s, int width)
{
    size_t tokens = (size_t)(s->rows < TOKENS + s->Q ? s->rows : TOKENS + s->Q), W = (size_t)width;
    return (size_t)s->n * sizeof(int32_t) + tokens * (W * sizeof(double) + sizeof(int32_t) + 2 * sizeof(int)) +
           (size_t)classes_most(s) * (W + 1) * sizeof(double) + gs_logistic_bytes(width, gs_label_values_most(s));
}

bool gs_linear_open(gs_linear *w, gs_scene *s, int width)
{
    *w = (gs_linear){.s = s, .width = width};
    split(w);
    size_t n = (size_t)(w->train + w->held);
    w->x = gs_alloc(n * (size_t)width, sizeof *w->x);
    w->weights = gs_alloc((size_t)classes_most(s) * (size_t)(width + 1), sizeof *w->weights);
    w->y = gs_alloc(n, sizeof *w->y), w->control = gs_alloc(n, sizeof *w->control);
    if (w->train && w->held) return true;
    gs_linear_close(w);
    return false;
}

void gs_linear_close(gs_linear *w)
{
    free(w->row), free(w->x), free(w->y), free(w->control), free(w->weights);
    *w = (gs_linear){0};
}

static void standardise(gs_linear *w, const float *from, int n)
{
    size_t N = (size_t)n;
    for (size_t j = 0; j < N; j++) {
        double mean = 0, square = 0;
        for (int i = 0; i < w->train; i++) mean += (double)from[(size_t)w->row[i] * N + j] / w->train;
        for (int i = 0; i < w->train; i++) {
            double d = (double)from[(size_t)w->row[i] * N + j] - mean;
            square += d * d / w->train;
        }
        double scale = square > 1e-20 ? 1 / sqrt(square) : 0;
        for (int i = 0; i < w->train + w->held; i++)
            w->x[(size_t)i * N + j] = ((double)from[(size_t)w->row[i] * N + j] - mean) * scale;
    }
}

/* y, and a control label for each (token, position) that occurs: the label of a training token drawn at random. */
void gs_linear_labels(gs_linear *w, const gs_label *l, int which)
{
    gs_scene *s = w->s;
    int n = w->train + w->held;
    for (int i = 0; i < n; i++) w->y[i] = l->of[gs_scene_at(s, w->row[i])];
    for (int i = 0; i < n; i++) {
        size_t at = gs_scene_at(s, w->row[i]);
        uint32_t kind = (uint32_t)s->data->tokens[at] * (uint32_t)s->d.T + (uint32_t)(at % (size_t)s->d.T);
        w->control[i] = w->y[gs_rng_below(gs_scene_rng(s), (uint64_t)which, GS_DRAW_CONTROL, kind, (uint32_t)w->train)];
    }
}

double gs_linear_fit(gs_linear *w, const float *from, int n, const gs_label *l, const int *y, double *on_train)
{
    standardise(w, from, n);
    gs_logistic_fit(w->train, n, l->values, w->x, y, w->weights);
    *on_train = (double)gs_logistic_right(w->train, n, l->values, w->x, y, w->weights) / w->train;
    return (double)gs_logistic_right(w->held, n, l->values, w->x + (size_t)w->train * (size_t)n, y + w->train, w->weights) / w->held;
}

/* Share of the held-out tokens that have the most frequent label of the training part. */
static double majority(const gs_linear *w, int values)
{
    int *count = gs_alloc((size_t)values, sizeof *count), best = 0, right = 0;
    for (int i = 0; i < w->train; i++) count[w->y[i]]++;
    for (int v = 1; v < values; v++)
        if (count[v] > count[best]) best = v;
    for (int i = w->train; i < w->train + w->held; i++) right += w->y[i] == best;
    free(count);
    return (double)right / w->held;
}

static void one_label(gs_linear *w, const gs_label *l, int which)
{
    gs_scene *s = w->s;
    gs_linear_labels(w, l, which);
    gs_tell(s, majority(w, l->values), "majority", -1, "of=%s", l->name);
    for (int layer = 0; layer < s->d.L; layer++)
        for (int site = 0; site < 2; site++) {
            const char *name = site ? "ffn" : "attn";
            double train, ignored;
            const float *from = site ? s->ffn[layer] : s->attn[layer];
            double accuracy = gs_linear_fit(w, from, s->d.D, l, w->y, &train);
            double control = gs_linear_fit(w, from, s->d.D, l, w->control, &ignored);
            gs_tell(s, accuracy, "accuracy", layer, "site=%s,of=%s", name, l->name);
            gs_tell(s, train, "train_accuracy", layer, "site=%s,of=%s", name, l->name);
            gs_tell(s, control, "control_accuracy", layer, "site=%s,of=%s", name, l->name);
            gs_tell(s, accuracy - control, "selectivity", layer, "site=%s,of=%s", name, l->name);
        }
}

static bool has(const gs_label *labels, int count, const char *name)
{
    for (int k = 0; k < count; k++)
        if (!strcmp(labels[k].name, name)) return true;
    return false;
}

static int run(gs_scene *s, gs_err *e)
{
    (void)e;
    gs_label labels[GS_LABELS_MOST];
    gs_linear w;
    int count = gs_labels(s, labels, GS_LABELS_MOST);
    bool op = has(labels, count, "op"), open = gs_linear_open(&w, s, s->d.D);
    for (int k = 0; k < count; k++) {
        bool answer = !strcmp(labels[k].name, "answer"), place = !strcmp(labels[k].name, "token") || !strcmp(labels[k].name, "position");
        if (open && !place && !(answer && op)) one_label(&w, &labels[k], k);
        gs_label_free(&labels[k]);
    }
    if (open) gs_linear_close(&w);
    return 0;
}

static size_t bytes(const gs_scene *s) { return gs_labels_bytes(s) + gs_linear_bytes(s, s->d.D); }

/* Of p classes and more a probe would take longer than all others: the Fourier probe regresses on the answer's features instead. */
static bool applies(const gs_config *c) { return !gs_is(c, GS_TASK, GS_TASK_MODULAR); }

static const gs_metric_row metrics[] = {
    {"accuracy", "fraction", 1, true, "held-out accuracy of a logistic probe; site attn or ffn; of op, carry, cascade or answer",
     "layer site of"},
    {"train_accuracy", "fraction", 1, true, "its accuracy on its training part (the published figure)", "layer site of"},
    {"control_accuracy", "fraction", 0, true, "held-out accuracy on the control task", "layer site of"},
    {"selectivity", "fraction", 1, true, "held-out accuracy minus that of the control task", "layer site of"},
    {"majority", "fraction", 0, true, "held-out share of the most frequent label", "of"},
    {0}};
const gs_probe gs_probe_linear = {"linear", "what a linear map reads off the blocks' outputs", "addition and histogram", applies, metrics,
                                  run, GS_SEES_BLOCKS, 30, bytes};
