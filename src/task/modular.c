/* (a op b) mod p: tokens a, b, "=" (p); loss and accuracy at "=" alone. The p^2 pairs are split once per data seed. */
#include "rows.h"

static int modulus_of(const gs_config *c) { return (int)gs_int(c, GS_TASK_MODULUS); }

static int pairs_of(const gs_config *c) { return modulus_of(c) * modulus_of(c); }

/* fraction is below 1 and p^2 about 10^6: the conversion truncates, which is floor. */
static int train_size(const gs_config *c) { return (int)(gs_num(c, GS_TASK_FRACTION) * pairs_of(c)); }

static gs_extent extent(const gs_config *c) { return (gs_extent){modulus_of(c) + 1, modulus_of(c) + 1, 3, 2}; }

static int check(const gs_config *c, gs_key *key, gs_err *e)
{
    int train = train_size(c), pairs = pairs_of(c);
    if (train > 0 && train < pairs) return 0;
    *key = GS_TASK_FRACTION;
    return gs_error(e, "task.train_fraction leaves %d of %d pairs for training and %d for the test: both need one; "
                    "change the fraction or task.modulus", train, pairs, pairs - train);
}

/* -- the data -------------------------------------------------------------------------------------------------- */

static void layout(gs_task *t)
{
    int pairs = pairs_of(t->config), train = train_size(t->config);
    t->modular.order = gs_arena_take(&t->arena, (size_t)pairs, sizeof *t->modular.order);
    t->modular.trained = gs_arena_take(&t->arena, (size_t)pairs, sizeof *t->modular.trained);
    gs_data_take(t, &t->all, pairs, true);
    gs_data_take(t, &t->train, train, true);
    gs_data_take(t, &t->test, pairs - train, true);
    gs_data_take(t, &t->curve, (int)gs_int(t->config, GS_EVAL_SAMPLES), true);
    gs_data_take(t, &t->batch, (int)gs_int(t->config, GS_TRAIN_BATCH), false);
}

static int32_t result(const gs_config *c, int64_t a, int64_t b)
{
    int64_t p = modulus_of(c);
    switch (gs_int(c, GS_TASK_OP)) {
    case GS_OP_SUBTRACT: return (int32_t)((a - b + p) % p);
    case GS_OP_MULTIPLY: return (int32_t)(a * b % p);
    default: return (int32_t)((a + b) % p);
    }
}

static void write_pair(const gs_task *t, int pair)
{
    int p = modulus_of(t->config), a = pair / p, b = pair % p;
    size_t row = (size_t)pair * 3;
    int32_t *tokens = t->all.tokens + row, *targets = t->all.targets + row;
    tokens[0] = a;
    tokens[1] = b;
    tokens[2] = p;
    targets[0] = targets[1] = -1;
    targets[2] = result(t->config, a, b);
    t->all.scored[row + 2] = 1;
}

/* The first floor(fraction p^2) of a permutation are trained on; each split is then in the order of its pairs. */
static void split(gs_task *t)
{
    int at[2] = {0, 0};
    gs_rng_permutation(gs_rng_of(gs_data_seed(t->config), GS_RNG_SPLIT), 0, 0, t->all.n, t->modular.order);
    for (int i = 0; i < t->train.n; i++) t->modular.trained[t->modular.order[i]] = 1;
    for (int pair = 0; pair < t->all.n; pair++) {
        int side = t->modular.trained[pair];
        gs_data_copy(&t->all, pair, side ? &t->train : &t->test, at[side]++);
    }
}

static void open_modular(gs_task *t)
{
    for (int pair = 0; pair < t->all.n; pair++) write_pair(t, pair);
    split(t);
    if (t->batch.n) return;
    t->batch = t->train;
    t->batch.scored = NULL;
    t->batch.strata = NULL;
}

static const gs_data *batch(gs_task *t, int64_t step)
{
    gs_rng r = gs_rng_of(gs_data_seed(t->config), GS_RNG_BATCH);
    if (gs_int(t->config, GS_TRAIN_BATCH)) gs_data_pick(r, (uint64_t)step, &t->train, &t->batch);
    return &t->batch;
}

static const gs_data *set(gs_task *t, gs_set_kind kind, int64_t step)
{
    if (kind == GS_SET_TRAIN) return &t->train;
    if (kind == GS_SET_ALL) return &t->all;
    if (kind == GS_SET_LEFT) return NULL;
    if (kind == GS_SET_TEST || !t->curve.n) return &t->test;
    gs_data_pick(gs_rng_of(gs_data_seed(t->config), GS_RNG_EVAL), (uint64_t)step, &t->test, &t->curve);
    return &t->curve;
}

const gs_task_row gs_task_modular = {"modular", extent, check, train_size, layout, open_modular, batch, set};
