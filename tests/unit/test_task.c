#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "task_helpers.h"

/* -- modular ----------------------------------------------------------------------------------------------------- */

static void modular_split(void **state)
{
    (void)state;
    gs_config c = modular(113, 0.3, GS_OP_ADD), other = modular(113, 0.3, GS_OP_ADD);
    set_int(&other, GS_SEED, 43);
    gs_task *t = opened(&c), *o = opened(&other);
    const gs_data *sets[2] = {gs_task_set(t, GS_SET_TRAIN, 0), gs_task_set(t, GS_SET_TEST, 0)};
    assert_int_equal(sets[0]->n, 3830);
    assert_int_equal(sets[1]->n, 8939);
    assert_ptr_equal(gs_task_set(t, GS_SET_CURVE, 100), sets[1]);
    static uint8_t seen[113 * 113];
    memset(seen, 0, sizeof seen);
    for (int s = 0; s < 2; s++)
        for (int i = 0, last = -1; i < sets[s]->n; i++) {
            const int32_t *x = sets[s]->tokens + i * 3, *y = sets[s]->targets + i * 3;
            int pair = x[0] * 113 + x[1];
            assert_true(pair > last && x[2] == 113 && y[0] == -1 && y[1] == -1 && y[2] == (x[0] + x[1]) % 113);
            seen[pair]++;
            last = pair;
        }
    for (int pair = 0; pair < 113 * 113; pair++) assert_int_equal(seen[pair], 1);
    assert_true(same_data(gs_task_batch(t, 1), sets[0]) && same_data(gs_task_batch(t, 77), sets[0]));
    assert_false(same_data(gs_task_set(o, GS_SET_TRAIN, 0), sets[0]));
    gs_task_close(&t);
    gs_task_close(&o);
}

static void modular_operations(void **state)
{
    (void)state;
    const struct { int op, a, b, result; } table[] = {
        {GS_OP_ADD, 5, 6, 4}, {GS_OP_SUBTRACT, 2, 5, 4}, {GS_OP_SUBTRACT, 5, 2, 3}, {GS_OP_MULTIPLY, 5, 6, 2}, {GS_OP_MULTIPLY, 0, 6, 0}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        gs_config c = modular(7, 0.5, table[i].op);
        gs_task *t = opened(&c);
        const gs_data *all = gs_task_set(t, GS_SET_ALL, 0);
        assert_int_equal(all->n, 49);
        const int32_t tokens[] = {table[i].a, table[i].b, 7}, targets[] = {-1, -1, table[i].result};
        int pair = table[i].a * 7 + table[i].b;
        assert_row(all->tokens + pair * 3, tokens, 3);
        assert_row(all->targets + pair * 3, targets, 3);
        assert_true(!all->scored[pair * 3] && !all->scored[pair * 3 + 1] && all->scored[pair * 3 + 2]);
        gs_task_close(&t);
    }
}

static bool holds(const gs_data *d, const int32_t *tokens)
{
    for (int i = 0; i < d->n; i++)
        if (!memcmp(d->tokens + i * d->length, tokens, (size_t)d->length * sizeof *tokens)) return true;
    return false;
}

static void modular_minibatches(void **state)
{
    (void)state;
    gs_config c = modular(23, 0.4, GS_OP_ADD);
    set_int(&c, GS_TRAIN_BATCH, 64);
    set_int(&c, GS_EVAL_SAMPLES, 100);
    gs_task *a = opened(&c), *b = opened(&c);
    const gs_data *batch = gs_task_batch(a, 3), *curve = gs_task_set(a, GS_SET_CURVE, 3);
    assert_int_equal(batch->n, 64);
    assert_int_equal(curve->n, 100);
    for (int i = 0; i < 64; i++) assert_true(holds(gs_task_set(a, GS_SET_TRAIN, 0), batch->tokens + i * 3));
    for (int i = 0; i < 100; i++) assert_true(holds(gs_task_set(a, GS_SET_TEST, 0), curve->tokens + i * 3) && curve->scored[i * 3 + 2]);
    assert_false(same_data(batch, gs_task_batch(b, 4)));
    assert_false(same_data(curve, gs_task_set(b, GS_SET_CURVE, 4)));
    assert_true(same_data(curve, gs_task_set(b, GS_SET_CURVE, 3)));
    assert_true(same_data(batch, gs_task_batch(b, 3)));
    gs_task_close(&a);
    gs_task_close(&b);
}

/* -- histogram --------------------------------------------------------------------------------------------------- */

static int count_in(const int32_t *row, int length, int32_t token)
{
    int count = 0;
    for (int p = 0; p < length; p++) count += row[p] == token;
    return count;
}

static void histogram_labels(void **state)
{
    (void)state;
    gs_config c = histogram(32, 10);
    gs_task *t = opened(&c);
    const gs_data *sets[] = {gs_task_set(t, GS_SET_TEST, 0), gs_task_set(t, GS_SET_CURVE, 10), gs_task_batch(t, 1)};
    assert_true(sets[0]->n == 3000 && sets[1]->n == 3000 && sets[2]->n == 10000);
    for (int s = 0; s < 3; s++)
        for (int at = 0; at < sets[s]->n * 10; at++)
            assert_int_equal(sets[s]->targets[at] + 1, count_in(sets[s]->tokens + at / 10 * 10, 10, sets[s]->tokens[at]));
    for (int at = 0; at < 30000; at++) {
        assert_int_equal(sets[0]->scored[at], 1);
        assert_true(sets[0]->strata[at] == UINT64_C(1) << sets[0]->targets[at]);
    }
    assert_int_equal(stratum(t, "count=1"), 0);
    assert_int_equal(stratum(t, "count=9"), 8);
    int strata;
    gs_task_strata(t, &strata);
    assert_int_equal(strata, 9); /* no sequence is one token ten times */
    gs_task_close(&t);
}

/* any: the first part is uniform in 1..10, the same token ten times 1 in 10; nine and one: 9 first, or 1 and then 9 of 1..9, 1/10 + 1/90.
 * proper: never ten; nine and one: 9 of 1..9 first, or 1 first and then never 9. Of n positions two count 1: f(n) is the mean over k in
 * 1..n-1 of (k = 1) + f(n - k), f(1) = 1, so f(n) = 2. */
static void histogram_distribution(void **state)
{
    (void)state;
    for (int parts = GS_PARTS_PROPER; parts <= GS_PARTS_ANY; parts++) {
        gs_config c = histogram(32, 10);
        set_int(&c, GS_TASK_PARTS, parts);
        gs_task *t = opened(&c);
        const gs_data *d = gs_task_batch(t, 1);
        int alone = 0, nine = 0, names[32] = {0}, first_is_lone = 0, ones = 0;
        for (int i = 0; i < d->n; i++) {
            const int32_t *row = d->tokens + i * 10, *targets = d->targets + i * 10;
            alone += targets[0] == 9;
            nine += count_in(targets, 10, 8) == 9;
            first_is_lone += targets[0] == 0 && count_in(targets, 10, 8) == 9;
            ones += count_in(targets, 10, 0);
            names[row[0]]++;
        }
        assert_in_range(nine, 960, 1270);           /* 0.1111 in both */
        assert_in_range(first_is_lone, 70, 155);    /* a tenth of these: the sequence is shuffled */
        if (parts == GS_PARTS_PROPER) assert_int_equal(alone, 0);
        else assert_in_range(alone, 850, 1150);
        if (parts == GS_PARTS_PROPER) assert_in_range(ones, 19500, 20500);
        else assert_in_range(ones, 9500, 10500); /* each of the ten counts as often */
        for (int name = 0; name < 32; name++) assert_in_range(names[name], 230, 400); /* 312.5 */
        gs_task_close(&t);
    }
}

static void histogram_generations(void **state)
{
    (void)state;
    gs_config c = histogram(32, 10), whole = histogram(4, 4), mini = histogram(32, 10);
    set_int(&mini, GS_TRAIN_BATCH, 1000);
    gs_task *a = opened(&c), *b = opened(&c), *w = opened(&whole), *m = opened(&mini);
    const gs_data *now = gs_task_batch(a, 50), *curve = gs_task_set(a, GS_SET_CURVE, 49);
    gs_task_batch(b, 51);
    gs_task_set(b, GS_SET_CURVE, 50);
    assert_false(same_data(now, gs_task_batch(b, 51)));
    assert_true(same_data(now, gs_task_batch(b, 1)));
    assert_false(same_data(curve, gs_task_set(b, GS_SET_CURVE, 50)));
    assert_true(same_data(curve, gs_task_set(b, GS_SET_CURVE, 0)));
    assert_false(same_data(curve, gs_task_set(b, GS_SET_TEST, 0)));
    for (int p = 0; p < 4; p++) assert_in_range(gs_task_batch(w, 1)->tokens[p], 0, 3);
    const gs_data *small = gs_task_batch(m, 500); /* the last step of epoch 50: still the first generation */
    assert_int_equal(small->n, 1000);
    for (int i = 0; i < 20; i++) assert_true(holds(now, small->tokens + i * 10));
    assert_false(holds(now, gs_task_batch(m, 501)->tokens) && holds(now, gs_task_batch(m, 501)->tokens + 10));
    gs_task_close(&a);
    gs_task_close(&b);
    gs_task_close(&w);
    gs_task_close(&m);
}

/* -- what every task has ------------------------------------------------------------------------------------------ */

static void extents_and_sizes(void **state)
{
    (void)state;
    gs_config configs[] = {addition(1, 3, 7), addition(2, 5, 0), modular(113, 0.3, GS_OP_ADD), histogram(32, 10)};
    const gs_extent want[] = {{12, 12, 8, 3}, {12, 12, 18, 11}, {114, 114, 3, 2}, {32, 10, 10, 0}};
    const int batch[] = {128, 128, 3830, 10000};
    for (int i = 0; i < 4; i++) {
        gs_extent got = gs_extent_of(&configs[i]);
        assert_memory_equal(&got, &want[i], sizeof got);
        assert_int_equal(gs_batch_size(&configs[i]), batch[i]);
        assert_true(gs_task_bytes(&configs[i]) >= (int64_t)batch[i] * want[i].length * 8);
        assert_true(gs_task_bytes(&configs[i]) < 20000000);
        assert_int_equal(gs_task_check(&configs[i], NULL, NULL), 0);
    }
}

static void impossible_tasks_are_refused(void **state)
{
    (void)state;
    gs_config configs[] = {addition(1, 2, 100), histogram(8, 9), modular(5, 0.03, GS_OP_ADD), addition(1, 3, 7)};
    set_int(&configs[3], GS_TRAIN_BATCH, 0);
    const struct { gs_key key; const char *text; } want[] = {
        {GS_TASK_ADDEND, "task.addend 100 has more than task.digits = 2 digits: lower the addend, or raise task.digits"},
        {GS_TASK_LENGTH, "task.length 9 is more than task.alphabet 8: a sequence of distinct tokens must be possible; "
                         "shorten it, or enlarge the alphabet"},
        {GS_TASK_FRACTION, "task.train_fraction leaves 0 of 25 pairs for training and 25 for the test: both need one; "
                           "change the fraction or task.modulus"},
        {GS_TRAIN_BATCH, "train.batch 0 means the whole training set, which task addition does not have: give the sequences of a step"}};
    for (int i = 0; i < 4; i++) {
        gs_key key = GS_SEED;
        gs_err e = {{0}};
        gs_task *t = NULL;
        assert_int_equal(gs_task_check(&configs[i], &key, &e), -1);
        assert_int_equal(key, want[i].key);
        assert_string_equal(e.text, want[i].text);
        assert_int_equal(gs_task_open(&configs[i], &t, &e), -1);
        assert_null(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modular_split), cmocka_unit_test(modular_operations), cmocka_unit_test(modular_minibatches),
        cmocka_unit_test(histogram_labels), cmocka_unit_test(histogram_distribution), cmocka_unit_test(histogram_generations),
        cmocka_unit_test(extents_and_sizes), cmocka_unit_test(impossible_tasks_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
