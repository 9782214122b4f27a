/* Activation patching: the output of attention, or of the feed-forward block, at one position is taken from another input (the donor), and
 * the prediction there is looked at. Flip rate: how often it becomes the donor's answer.
 *
 * A donor has the same key at the position and another answer, so that the answer cannot follow from the key: addition: the operands' digit
 * there (same digit, so another operation: arXiv 2605.09403); modular: the first operand; other tasks: the token itself. It is drawn
 * uniformly among those; a position without one is left out. With LD = logit(donor's answer) - logit(own answer): effect = sum (LD patched
 * - LD own) / sum (LD donor - LD own), 0 when the patch does nothing and 1 when it does all. The first inputs of the set, 16,384
 * positions at most, are patched; donors come from all of it. Where the task has operations, also by digit and operation of the patched
 * input: among three-digit numbers few carry far, so that a mean over all of a digit's inputs is one of inputs without a carry.
 *
 * flip_rate_first is the published rate: of a digit, the first five inputs with a carry into it are patched, each from each of the first
 * five without. Those donors are the smallest numbers (0 to 4 for the hundreds' 0), so that it is not the rate of any donor. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rows.h"
#include "scene.h"

enum { ROWS_MOST = 16384, SITES = 2, FEW = 5 };
static const gs_site sites[SITES] = {GS_SITE_ATTN_OUT, GS_SITE_FFN_OUT};
static const char *const site_names[SITES] = {"attn", "ffn"};

typedef struct sums { double pairs, flips, moved, whole; } sums;

typedef struct work {
    gs_scene *s;
    gs_clean clean;
    int n;                                   /* inputs that are patched */
    int32_t *key, *from, *bucket, *start;    /* (all): of this position; (all); (all): inputs by key; (keys + 1) */
    int keys;
    sums all[SITES], stratum[SITES][GS_STRATA_MOST];
    bool has_op;
    gs_label op;                             /* when has_op */
    sums *cell[SITES];                       /* (Q, op.values): by digit and operation */
    int carry, copy;                         /* values of op; -1: none */
    bool few_only;                           /* pairs of the first inputs are counted, and nothing else */
    sums *few[SITES];                        /* (Q): of those */
    int32_t *row;                            /* of a chunk */
} work;

/* What base and donor share at position t of input i; below `keys`. */
static int key_of(const gs_scene *s, int i, int t, int *keys)
{
    const int32_t *tokens = s->data->tokens + (size_t)i * (size_t)s->d.T;
    int digits = (int)gs_int(s->c, GS_TASK_DIGITS), place = t - s->d.first;
    *keys = s->d.V;
    if (gs_is(s->c, GS_TASK, GS_TASK_MODULAR)) return tokens[0];
    if (!gs_is(s->c, GS_TASK, GS_TASK_ADDITION)) return tokens[t];
    *keys = 100;
    if (place >= digits) return 0;
    return gs_int(s->c, GS_TASK_OPERANDS) == 2 ? tokens[place] * 10 + tokens[digits + 1 + place] : tokens[place];
}

static int32_t answer(const gs_scene *s, int i, int t) { return s->data->targets[(size_t)i * (size_t)s->d.T + (size_t)t]; }

static int op_of(const work *w, int i, int t) { return w->op.of[(size_t)i * (size_t)w->s->d.T + (size_t)t]; }

/* Inputs sorted by their key, stable. */
static void fill_buckets(work *w, int t)
{
    int all = w->s->data->n;
    for (int i = 0; i < all; i++) w->key[i] = key_of(w->s, i, t, &w->keys);
    memset(w->start, 0, (size_t)(w->keys + 1) * sizeof *w->start);
    for (int i = 0; i < all; i++) w->start[w->key[i] + 1]++;
    for (int k = 0; k < w->keys; k++) w->start[k + 1] += w->start[k];
    int32_t *next = gs_alloc((size_t)w->keys, sizeof *next);
    memcpy(next, w->start, (size_t)w->keys * sizeof *next);
    for (int i = 0; i < all; i++) w->bucket[next[w->key[i]]++] = i;
    free(next);
}

/* from[i]: the donor of input i at t, or i itself: none. */
static void draw_donors(work *w, int t)
{
    const gs_scene *s = w->s;
    fill_buckets(w, t);
    for (int i = 0; i < w->n; i++) {
        int first = w->start[w->key[i]], end = w->start[w->key[i] + 1], others = 0;
        w->from[i] = i;
        if (!s->data->scored[(size_t)i * (size_t)s->d.T + (size_t)t]) continue;
        for (int k = first; k < end; k++) others += answer(s, w->bucket[k], t) != answer(s, i, t);
        if (!others) continue;
        int left = (int)gs_rng_below(gs_scene_rng(s), (uint64_t)t, GS_DRAW_DONOR, (uint32_t)i, (uint32_t)others);
        for (int k = first; w->from[i] == i; k++)
            if (answer(s, w->bucket[k], t) != answer(s, i, t) && left-- == 0) w->from[i] = w->bucket[k];
    }
}

/* from[i], with the buckets of t: of each key, the `turn`th input without a carry for the first few with one. */
static void first_donors(work *w, int t, int turn)
{
    for (int i = 0; i < w->n; i++) w->from[i] = i;
    for (int key = 0; key < w->keys; key++) {
        int donor = -1, copies = 0, carries = 0;
        for (int k = w->start[key]; k < w->start[key + 1]; k++)
            if (op_of(w, w->bucket[k], t) == w->copy && copies++ == turn) donor = w->bucket[k];
        for (int k = w->start[key]; donor >= 0 && k < w->start[key + 1]; k++) {
            int i = w->bucket[k];
            if (i < w->n && op_of(w, i, t) == w->carry && carries++ < FEW) w->from[i] = donor;
        }
    }
}

static int argmax(int n, const float *x)
{
    int best = 0;
    for (int i = 1; i < n; i++)
        if (x[i] > x[best]) best = i;
    return best;
}

static void add(sums *to, const sums *x)
{
    to->pairs += x->pairs, to->flips += x->flips, to->moved += x->moved, to->whole += x->whole;
}

static void count(work *w, int site, int i, int t, const float *patched)
{
    const gs_scene *s = w->s;
    size_t C = (size_t)s->d.C, Q = (size_t)s->Q, place = (size_t)(t - s->d.first);
    int donor = w->from[i], own = answer(s, i, t), other = answer(s, donor, t);
    const float *mine = s->logits + ((size_t)i * Q + place) * C, *theirs = s->logits + ((size_t)donor * Q + place) * C;
    double base = (double)mine[other] - (double)mine[own];
    sums x = {1, argmax(s->d.C, patched) == other, (double)patched[other] - (double)patched[own] - base,
              (double)theirs[other] - (double)theirs[own] - base};
    size_t at = (size_t)i * (size_t)s->d.T + (size_t)t;
    if (w->few_only) {
        add(&w->few[site][place], &x);
        return;
    }
    add(&w->all[site], &x);
    for (uint64_t left = s->data->strata[at]; left; left &= left - 1) add(&w->stratum[site][__builtin_ctzll(left)], &x);
    if (w->has_op && w->op.of[at] >= 0) add(&w->cell[site][(int)place * w->op.values + w->op.of[at]], &x);
}

static bool has_donor(const work *w, int first, int n)
{
    for (int i = first; i < first + n; i++)
        if (w->from[i] != i) return true;
    return false;
}

static void patch_position(work *w, int site, int t)
{
    gs_scene *s = w->s;
    gs_pass *p = s->q->pass;
    int most = gs_pass_most(p);
    gs_patch patch = {.site = sites[site], .mode = GS_MODE_RESAMPLE, .layer = -1, .clean = &w->clean, .from = w->from, .one_position = true,
                      .position = t};
    for (int first = 0; first < w->n; first += most) {
        int n = w->n - first < most ? w->n - first : most;
        if (!has_donor(w, first, n)) continue;
        gs_view view = {.step = s->q->step, .first = first, .patch = &patch};
        gs_forward(p, s->data->tokens + (size_t)first * (size_t)s->d.T, n, &view, NULL);
        for (int i = 0; i < n; i++) w->row[i] = i * s->d.T + t;
        const float *logits = gs_readout(p, w->row, n);
        for (int i = 0; i < n; i++)
            if (w->from[first + i] != first + i) count(w, site, first + i, t, logits + (size_t)i * (size_t)s->d.C);
    }
}

static void tell(gs_scene *s, const sums *x, int site, const char *stratum)
{
    const char *comma = *stratum ? "," : "";
    if (x->pairs == 0) return;
    gs_tell(s, x->flips / x->pairs, "flip_rate", -1, "site=%s%s%s", site_names[site], comma, stratum);
    if (x->whole != 0) gs_tell(s, x->moved / x->whole, "effect", -1, "site=%s%s%s", site_names[site], comma, stratum);
    if (site == 0) gs_tell(s, x->pairs, "pairs", -1, "%s", stratum);
}

static int keys_most(const gs_scene *s) { return s->d.V > 100 ? s->d.V : 100; }

static int open_work(work *w, gs_scene *s, gs_err *e)
{
    size_t all = (size_t)s->data->n;
    gs_score ignored;
    *w = (work){.s = s, .n = s->data->n};
    if (w->n > ROWS_MOST / s->Q) w->n = ROWS_MOST / s->Q;
    if (gs_clean_open(&w->clean, &s->d, s->data->n, e)) return -1;
    gs_evaluate(s->q->pass, s->data, s->q->step, NULL, &w->clean, &ignored);
    w->key = gs_alloc(all, 4), w->from = gs_alloc(all, 4), w->bucket = gs_alloc(all, 4);
    w->start = gs_alloc((size_t)keys_most(s) + 1, 4);
    w->row = gs_alloc((size_t)gs_pass_most(s->q->pass), 4);
    w->has_op = gs_label_family(s, "op", &w->op);
    w->carry = w->copy = -1;
    for (int k = 0; w->has_op && k < w->op.values; k++) {
        if (!strcmp(w->op.names[k], "carry")) w->carry = k;
        if (!strcmp(w->op.names[k], "copy")) w->copy = k;
    }
    for (int site = 0; site < SITES; site++) {
        w->few[site] = gs_alloc((size_t)s->Q, sizeof(sums));
        if (w->has_op) w->cell[site] = gs_alloc((size_t)(s->Q * w->op.values), sizeof(sums));
    }
    return 0;
}

static void tell_site(const work *w, int site)
{
    int strata;
    const gs_stratum *name = gs_task_strata(w->s->q->task, &strata);
    tell(w->s, &w->all[site], site, "");
    for (int k = 0; k < strata; k++) tell(w->s, &w->stratum[site][k], site, name[k].name);
    for (int i = 0; w->has_op && i < w->s->Q * w->op.values; i++) {
        char both[48];
        snprintf(both, sizeof both, "digit=%d,op=%s", i / w->op.values, w->op.names[i % w->op.values]);
        tell(w->s, &w->cell[site][i], site, both);
    }
    for (int place = 0; place < w->s->Q; place++) {
        const sums *x = &w->few[site][place];
        if (x->pairs > 0) gs_tell(w->s, x->flips / x->pairs, "flip_rate_first", -1, "site=%s,digit=%d", site_names[site], place);
    }
}

static int run(gs_scene *s, gs_err *e)
{
    work w;
    if (open_work(&w, s, e)) return -1;
    for (int t = s->d.first; t < s->d.T; t++) {
        draw_donors(&w, t);
        for (int site = 0; site < SITES; site++) patch_position(&w, site, t);
        w.few_only = true;
        for (int turn = 0; turn < FEW && w.carry >= 0 && w.copy >= 0; turn++) {
            first_donors(&w, t, turn);
            for (int site = 0; site < SITES; site++) patch_position(&w, site, t);
        }
        w.few_only = false;
    }
    for (int site = 0; site < SITES; site++) tell_site(&w, site);
    for (int site = 0; site < SITES; site++) free(w.cell[site]), free(w.few[site]);
    gs_label_free(&w.op);
    free(w.key), free(w.from), free(w.bucket), free(w.start), free(w.row);
    gs_clean_close(&w.clean);
    return 0;
}

static size_t bytes(const gs_scene *s)
{
    size_t n = (size_t)s->n, ints = 3 * n + 2 * (size_t)keys_most(s) + 1 + (size_t)s->most + n * (size_t)s->d.T;
    size_t cells = SITES * (size_t)(s->Q * (gs_label_values_most(s) + 1)) * sizeof(sums);
    return gs_clean_bytes(&s->d, s->n) + gs_evaluate_bytes(&s->d, s->most) + ints * sizeof(int32_t) + cells;
}

static bool applies(const gs_config *c) { return (void)c, true; }

static const gs_metric_row metrics[] = {
    {"flip_rate", "fraction", 0, true, "share of the patched positions whose prediction becomes the donor's answer; site attn or ffn",
     "site *"},
    {"flip_rate_first", "fraction", 0, true,
     "the same, of the first five inputs of a digit with a carry into it, from each of the first five without", "site digit"},
    {"effect", "", 0, false, "logit difference that the patch moves, over the donor's whole difference", "site *"},
    {"pairs", "positions", 0, false, "positions with a donor", "*"},
    {0}};
const gs_probe gs_probe_patching = {"patching", "predictions after a block's output at one position comes from another input", "every run",
                                    applies, metrics, run, GS_SEES_LOGITS, 17, bytes};
