/* How often does this token occur in its sequence? Class count - 1 at every position.
 *
 * Backward sampling (arXiv 2407.11542): parts of the length over distinct tokens, shuffled. A part is uniform in 1..(what is left - 1),
 * a rest of 1 is the last part (both studies' code: the upper end of NumPy's randint is open), or, by task.parts, in 1..(what is left).
 * Training sequences live for task.refresh epochs; an evaluation set as long; the set of the final metrics belongs to no epoch. */
#include "rows.h"

static int length_of(const gs_config *c) { return (int)gs_int(c, GS_TASK_LENGTH); }

static int alphabet_of(const gs_config *c) { return (int)gs_int(c, GS_TASK_ALPHABET); }

static gs_extent extent(const gs_config *c) { return (gs_extent){alphabet_of(c), length_of(c), length_of(c), 0}; }

static int train_size(const gs_config *c) { return (int)gs_int(c, GS_TASK_SAMPLES); }

/* The largest part, where so many positions are left. */
static int most_of(const gs_config *c, int left) { return gs_is(c, GS_TASK_PARTS, GS_PARTS_PROPER) && left > 1 ? left - 1 : left; }

static int check(const gs_config *c, gs_key *key, gs_err *e)
{
    if (length_of(c) <= alphabet_of(c)) return 0;
    *key = GS_TASK_LENGTH;
    return gs_error(e, "task.length %d is more than task.alphabet %d: a sequence of distinct tokens must be possible; "
                    "shorten it, or enlarge the alphabet", length_of(c), alphabet_of(c));
}

/* -- drawing --------------------------------------------------------------------------------------------------- */

typedef struct stream {
    gs_rng rng;
    uint64_t a;
    uint32_t sample, draw; /* draw 0 is left to gs_data_pick */
} stream;

static int below(stream *s, int bound) { return (int)gs_rng_below(s->rng, s->a, s->sample, s->draw++, (uint32_t)bound); }

static void swap(int32_t *x, int32_t *y)
{
    int32_t kept = *x;
    *x = *y;
    *y = kept;
}

/* Parts and their tokens, not shuffled. The distinct tokens come from the head of a Fisher-Yates shuffle of all names, which
 * is undone afterwards: no draw depends on an earlier one. */
static void draw_parts(const gs_task *t, stream *s, int32_t *tokens, int32_t *targets)
{
    int32_t *names = t->histogram.names;
    int length = t->extent.length, filled = 0, parts = 0, swapped[GS_STRATA_MOST];
    while (filled < length) {
        int part = 1 + below(s, most_of(t->config, length - filled));
        swapped[parts] = parts + below(s, t->extent.vocabulary - parts);
        swap(&names[parts], &names[swapped[parts]]);
        for (int i = 0; i < part; i++, filled++) {
            tokens[filled] = names[parts];
            targets[filled] = part - 1;
        }
        parts++;
    }
    while (parts-- > 0) swap(&names[parts], &names[swapped[parts]]);
}

static void draw_sequence(const gs_task *t, const gs_data *d, int i, stream *s)
{
    size_t row = (size_t)i * (size_t)d->length;
    int32_t *tokens = d->tokens + row, *targets = d->targets + row;
    draw_parts(t, s, tokens, targets);
    for (int p = d->length - 1; p > 0; p--) {
        int other = below(s, p + 1);
        swap(&tokens[p], &tokens[other]);
        swap(&targets[p], &targets[other]);
    }
    if (!d->scored) return;
    for (int p = 0; p < d->length; p++) {
        d->scored[row + (size_t)p] = 1;
        d->strata[row + (size_t)p] = UINT64_C(1) << targets[p];
    }
}

static void draw(const gs_task *t, const gs_data *d, gs_purpose purpose, uint64_t a)
{
    for (int i = 0; i < d->n; i++) {
        stream s = {gs_rng_of(gs_data_seed(t->config), purpose), a, (uint32_t)i, 1};
        draw_sequence(t, d, i, &s);
    }
}

/* -- the data -------------------------------------------------------------------------------------------------- */

static void layout(gs_task *t)
{
    int samples = (int)gs_int(t->config, GS_EVAL_SAMPLES), test = (int)gs_int(t->config, GS_TASK_TEST);
    t->histogram.names = gs_arena_take(&t->arena, (size_t)t->extent.vocabulary, sizeof *t->histogram.names);
    gs_data_take(t, &t->histogram.pool, train_size(t->config), false);
    gs_data_take(t, &t->batch, (int)gs_int(t->config, GS_TRAIN_BATCH), false);
    gs_data_take(t, &t->curve, samples ? samples : test, true);
    gs_data_take(t, &t->test, test, true);
}

static void open_histogram(gs_task *t)
{
    for (int count = 1; count <= most_of(t->config, t->extent.length); count++) gs_stratum_add(t, false, "count=%d", count);
    for (int i = 0; i < t->extent.vocabulary; i++) t->histogram.names[i] = i;
    t->histogram.generation = -1;
    t->histogram.curve_key = GS_EVAL_FINAL;
    draw(t, &t->test, GS_RNG_EVAL, GS_EVAL_FINAL);
}

/* Epochs that are complete after so many steps. */
static int64_t epochs(const gs_config *c, int64_t steps)
{
    int64_t size = gs_int(c, GS_TRAIN_BATCH), samples = train_size(c);
    int64_t steps_per_epoch = size ? (samples + size - 1) / size : 1;
    return steps / steps_per_epoch;
}

static const gs_data *batch(gs_task *t, int64_t step)
{
    int64_t generation = epochs(t->config, step - 1) / gs_int(t->config, GS_TASK_REFRESH);
    if (generation != t->histogram.generation) draw(t, &t->histogram.pool, GS_RNG_BATCH, (uint64_t)generation);
    t->histogram.generation = generation;
    if (!t->batch.n) return &t->histogram.pool;
    gs_data_pick(gs_rng_of(gs_data_seed(t->config), GS_RNG_BATCH), (uint64_t)step, &t->histogram.pool, &t->batch);
    return &t->batch;
}

static const gs_data *set(gs_task *t, gs_set_kind kind, int64_t step)
{
    if (kind == GS_SET_TEST) return &t->test;
    if (kind != GS_SET_CURVE) return NULL;
    int64_t refresh = gs_int(t->config, GS_TASK_REFRESH);
    uint64_t key = (uint64_t)(gs_int(t->config, GS_EVAL_SAMPLES) ? step : epochs(t->config, step) / refresh);
    if (key != t->histogram.curve_key) draw(t, &t->curve, GS_RNG_EVAL, key);
    t->histogram.curve_key = key;
    return &t->curve;
}

const gs_task_row gs_task_histogram = {"histogram", extent, check, train_size, layout, open_histogram, batch, set};
