#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gridshift/store.h"
#include "task_helpers.h"

/* -- addition of one operand ------------------------------------------------------------------------------------ */

static void add7_by_hand(void **state)
{
    (void)state;
    gs_config c = addition(1, 3, 7);
    gs_task *t = opened(&c);
    const gs_data *d = gs_task_set(t, GS_SET_TEST, 0);
    assert_int_equal(d->n, 1000);
    assert_int_equal(d->length, 8);
    const int32_t tokens[] = {5, 9, 9, 11, 2, 0, 0, 1}, targets[] = {-1, -1, -1, 2, 0, 0, 1, 11};
    assert_row(d->tokens + 995 * 8, tokens, 8);
    assert_row(d->targets + 995 * 8, targets, 8);
    for (int p = 0; p < 8; p++) assert_int_equal(d->scored[995 * 8 + p], p >= 3 && p < 7);
    assert_strata(t, d, 995, 3, "digit=0 carry=3 op=addend");
    assert_strata(t, d, 995, 4, "digit=1 carry=3 op=carry");
    assert_strata(t, d, 995, 6, "digit=3 carry=3 op=carry");
    assert_strata(t, d, 5, 4, "digit=1 carry=1 op=carry");
    assert_strata(t, d, 5, 5, "digit=2 carry=1 op=copy");
    assert_strata(t, d, 2, 4, "digit=1 carry=0 op=copy");
    assert_null(gs_task_set(t, GS_SET_TRAIN, 0));
    assert_null(gs_task_set(t, GS_SET_ALL, 0));
    gs_task_close(&t);
    assert_null(t);
}

static void add7_counts_and_floor(void **state)
{
    (void)state;
    gs_config c = addition(1, 3, 7);
    gs_task *t = opened(&c);
    const gs_data *d = gs_task_set(t, GS_SET_TEST, 0);
    const struct { const char *name; int count; } table[] = {
        {"carry=0", 300}, {"carry=1", 630}, {"carry=2", 63}, {"carry=3", 7}, {"op=addend", 1000}, {"op=carry", 777}, {"op=copy", 2223},
        {"digit=0", 1000}, {"digit=3", 1000}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) assert_int_equal(members(t, d, table[i].name), table[i].count);
    int32_t floor[8];
    gs_floor(d, 12, floor);
    int correct = 0;
    for (int i = 0; i < d->n; i++)
        for (int p = 0; p < 8; p++) correct += d->scored[i * 8 + p] && d->targets[i * 8 + p] == floor[p];
    assert_int_equal(correct, 1293); /* 0.32325 of 4,000 */
    assert_true(floor[0] == -1 && floor[7] == -1 && floor[3] == 0 && floor[6] == 0);
    gs_task_close(&t);
}

static void check_against(const gs_st_file *f, const char *name, const gs_data *d, int64_t (*ours)(const gs_data *d, int at))
{
    const gs_st_tensor *tensor = gs_st_find(f, name);
    assert_non_null(tensor);
    assert_int_equal(tensor->bytes, (size_t)d->n * (size_t)d->length * sizeof(int64_t));
    for (int at = 0; at < d->n * d->length; at++) {
        int64_t want;
        memcpy(&want, (const char *)tensor->data + (size_t)at * sizeof want, sizeof want);
        if (ours(d, at) != want) fail_msg("%s[%d]: %lld, not %lld", name, at, (long long)ours(d, at), (long long)want);
    }
}

static int64_t token_at(const gs_data *d, int at) { return d->tokens[at]; }
static int64_t target_at(const gs_data *d, int at) { return d->targets[at]; }
static int64_t scored_at(const gs_data *d, int at) { return d->scored[at]; }

/* The same 1,000 inputs as an independent program made them. */
static void add7_is_the_oracles(void **state)
{
    (void)state;
    gs_st_file f;
    gs_err e = {{0}};
    if (gs_st_read("tests/golden/checkpoints/add7_3digits.safetensors", &f, &e)) fail_msg("%s", e.text);
    gs_config c = addition(1, 3, 7);
    gs_task *t = opened(&c);
    const gs_data *d = gs_task_set(t, GS_SET_TEST, 0);
    check_against(&f, "tokens", d, token_at);
    check_against(&f, "targets", d, target_at);
    check_against(&f, "scored", d, scored_at);
    const gs_st_tensor *carry = gs_st_find(&f, "carry");
    assert_non_null(carry);
    for (int i = 0; i < 1000; i++) {
        int64_t length;
        memcpy(&length, (const char *)carry->data + (size_t)i * sizeof length, sizeof length);
        assert_true(d->strata[i * 8 + 3] >> (stratum(t, "carry=0") + (int)length) & 1);
    }
    gs_task_close(&t);
    gs_st_free(&f);
}

static void longer_addends(void **state)
{
    (void)state;
    gs_config c = addition(1, 3, 107);
    gs_task *t = opened(&c);
    const gs_data *d = gs_task_set(t, GS_SET_TEST, 0); /* 895 + 107 = 1002: carries into digits 1, 2 and 3 */
    assert_strata(t, d, 895, 3, "digit=0 carry=3 op=addend");
    assert_strata(t, d, 895, 4, "digit=1 carry=3 op=carry");
    assert_strata(t, d, 895, 5, "digit=2 carry=3 op=addend");
    assert_strata(t, d, 895, 6, "digit=3 carry=3 op=carry");
    assert_strata(t, d, 900, 4, "digit=1 carry=1 op=copy");
    gs_task_close(&t);
}

/* -- addition of two operands ----------------------------------------------------------------------------------- */

static void two_operands_by_hand(void **state)
{
    (void)state;
    gs_config c = addition(2, 2, 0);
    gs_task *t = opened(&c);
    const gs_data *d = gs_task_set(t, GS_SET_TEST, 0);
    assert_int_equal(d->n, 10000);
    assert_int_equal(d->length, 9);
    const int32_t tokens[] = {7, 5, 10, 3, 4, 11, 0, 0, 1}, targets[] = {-1, -1, -1, -1, -1, 0, 0, 1, 11};
    int i = 57 * 100 + 43; /* 57 + 43 = 100: 7 + 3 makes a carry, 5 + 4 hands it on */
    assert_row(d->tokens + i * 9, tokens, 9);
    assert_row(d->targets + i * 9, targets, 9);
    assert_strata(t, d, i, 5, "digit=0 cascade=2 digit=0,sub=ba digit=0,sub=mc1");
    assert_strata(t, d, i, 6, "digit=1 cascade=2 digit=1,sub=us9 digit=1,sub=ms9");
    assert_strata(t, d, i, 7, "digit=2 cascade=2 digit=2,sub=uc1");
    i = 12 * 100 + 34;
    assert_strata(t, d, i, 6, "digit=1 cascade=0 digit=1,sub=ba");
    assert_strata(t, d, i, 7, "digit=2 cascade=0 digit=2,sub=ba");
    i = 65 * 100 + 55; /* a carry of its own ends the first one's chain */
    assert_strata(t, d, i, 6, "digit=1 cascade=1 digit=1,sub=uc1 digit=1,sub=mc1");
    gs_task_close(&t);
}

/* Of 10^4 pairs: 4,500 carry out of digit 0; 1,000 have s = 9 there; a carry and s = 9 at digit 1: 450; a carry and not: 4,050. */
static void two_operands_counts(void **state)
{
    (void)state;
    gs_config c = addition(2, 2, 0);
    gs_task *t = opened(&c);
    const gs_data *d = gs_task_set(t, GS_SET_TEST, 0);
    const struct { const char *name; int count; } table[] = {
        {"digit=0,sub=ba", 10000}, {"digit=0,sub=mc1", 4500}, {"digit=0,sub=ms9", 1000},
        {"digit=1,sub=ba", 5500}, {"digit=1,sub=uc1", 4050}, {"digit=1,sub=us9", 450}, {"digit=1,sub=ms9", 1000},
        {"digit=2,sub=uc1", 4950}, {"cascade=2", 450}, {"digit=2", 10000}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) assert_int_equal(members(t, d, table[i].name), table[i].count);
    gs_task_close(&t);
}

static int64_t number_at(const int32_t *digits, int count)
{
    int64_t n = 0;
    while (count-- > 0) n = n * 10 + digits[count];
    return n;
}

static void six_digits_are_drawn(void **state)
{
    (void)state;
    gs_config c = addition(2, 6, 0);
    gs_task *t = opened(&c);
    int strata, large = 0, both = 0, cascades = 0;
    gs_task_strata(t, &strata);
    assert_int_equal(strata, 7 + 7 + 5 * 6);
    const gs_data *d = gs_task_set(t, GS_SET_TEST, 0);
    assert_int_equal(d->n, 10000);
    for (int i = 0; i < d->n; i++) {
        const int32_t *tokens = d->tokens + i * 21;
        assert_int_equal(number_at(tokens, 6) + number_at(tokens + 7, 6), number_at(tokens + 14, 7));
        assert_true(tokens[6] == 10 && tokens[13] == 11);
        large += number_at(tokens, 6) >= 500000;
        both += number_at(tokens, 6) >= 500000 && number_at(tokens + 7, 6) >= 500000;
    }
    for (int i = 0; i <= 6; i++) {
        char name[24];
        snprintf(name, sizeof name, "cascade=%d", i);
        cascades += members(t, d, name);
    }
    assert_int_equal(cascades, 10000);
    assert_in_range(large, 4800, 5200);
    assert_in_range(both, 2300, 2700); /* a quarter: the operands are independent */
    gs_task_close(&t);
}

static void addition_batches_are_pure(void **state)
{
    (void)state;
    gs_config c = addition(1, 3, 7), other = addition(1, 3, 7), sampled = addition(1, 3, 7);
    set_int(&other, GS_TRAIN_DATA_SEED, 43);
    set_int(&sampled, GS_EVAL_SAMPLES, 256);
    gs_task *a = opened(&c), *b = opened(&sampled), *o = opened(&other);
    assert_ptr_equal(gs_task_set(a, GS_SET_CURVE, 200), gs_task_set(a, GS_SET_TEST, 0));
    gs_task_batch(a, 9);
    gs_task_set(b, GS_SET_CURVE, 400);
    const gs_data *first = gs_task_batch(a, 5);
    assert_int_equal(first->n, 128);
    assert_null(first->scored);
    assert_true(same_data(first, gs_task_batch(b, 5)));
    assert_false(same_data(first, gs_task_batch(b, 6)));
    assert_false(same_data(first, gs_task_batch(o, 5)));
    const gs_data *curve = gs_task_set(b, GS_SET_CURVE, 200);
    assert_int_equal(curve->n, 256);
    int32_t kept[8];
    memcpy(kept, curve->tokens, sizeof kept);
    gs_task_set(b, GS_SET_CURVE, 400);
    assert_memory_not_equal(curve->tokens, kept, sizeof kept);
    gs_task_set(b, GS_SET_CURVE, 200);
    assert_memory_equal(curve->tokens, kept, sizeof kept);
    gs_task_close(&a);
    gs_task_close(&b);
    gs_task_close(&o);
}

/* -- parts that training leaves out ------------------------------------------------------------------------------- */

static int input_of(const gs_data *d, int i, int digits)
{
    int n = 0;
    for (int k = digits - 1; k >= 0; k--) n = 10 * n + d->tokens[i * d->length + k];
    return n;
}

static gs_config leaving(int digits, int what, int from, int to)
{
    gs_config c = addition(1, digits, 7);
    set_int(&c, GS_TASK_LEAVE, what), set_int(&c, GS_TASK_LEAVE_FROM, from), set_int(&c, GS_TASK_LEAVE_TO, to);
    return c;
}

static bool ones_from_3(int n) { return n % 10 >= 3; }
static bool two_carries(int n) { return n % 100 >= 93; }
static bool two_digits(int n) { return n > 9 && n < 100; }

static void parts_are_left_out(void **state)
{
    (void)state;
    const struct { int what, from, to, left; bool (*out)(int n); } table[] = {
        {GS_LEAVE_ONES, 3, 9, 700, ones_from_3}, {GS_LEAVE_CARRY, 2, 9, 70, two_carries}, {GS_LEAVE_DIGITS, 2, 2, 90, two_digits}};
    for (size_t k = 0; k < sizeof table / sizeof *table; k++) {
        gs_config c = leaving(3, table[k].what, table[k].from, table[k].to);
        gs_task *t = opened(&c);
        const gs_data *left = gs_task_set(t, GS_SET_LEFT, 0), *train = gs_task_set(t, GS_SET_TRAIN, 0);
        assert_int_equal(gs_task_set(t, GS_SET_TEST, 0)->n, 1000);
        assert_int_equal(left->n, table[k].left);
        assert_int_equal(train->n, 1000 - table[k].left);
        assert_ptr_equal(gs_task_set(t, GS_SET_CURVE, 200), train); /* the best checkpoint knows nothing of the part left out */
        for (int i = 0; i < left->n; i++) assert_true(table[k].out(input_of(left, i, 3)));
        for (int i = 0; i < train->n; i++) assert_false(table[k].out(input_of(train, i, 3)));
        for (int step = 1; step < 40; step++) {
            const gs_data *batch = gs_task_batch(t, step);
            for (int i = 0; i < batch->n; i++) assert_false(table[k].out(input_of(batch, i, 3)));
        }
        gs_task_close(&t);
    }
}

/* Beyond 10,000 inputs the parts are drawn, as the whole set is; and an evaluation's samples are of the part that is trained on. */
static void large_parts_are_drawn(void **state)
{
    (void)state;
    gs_config c = leaving(5, GS_LEAVE_ONES, 9, 9), whole = addition(1, 5, 7);
    set_int(&c, GS_EVAL_SAMPLES, 64);
    gs_task *t = opened(&c), *w = opened(&whole);
    assert_true(same_data(gs_task_set(t, GS_SET_TEST, 0), gs_task_set(w, GS_SET_TEST, 0)));
    const gs_data *left = gs_task_set(t, GS_SET_LEFT, 0), *train = gs_task_set(t, GS_SET_TRAIN, 0), *curve = gs_task_set(t, GS_SET_CURVE, 5);
    assert_true(left->n == 10000 && train->n == 10000 && curve->n == 64); /* of 10,000 and 90,000 */
    for (int i = 0; i < 10000; i++) assert_true(left->tokens[i * left->length] == 9 && train->tokens[i * train->length] != 9);
    for (int i = 0; i < 64; i++) assert_true(curve->tokens[i * curve->length] != 9);
    gs_task_close(&t), gs_task_close(&w);
}

static void both_parts_need_an_input(void **state)
{
    (void)state;
    gs_config all = leaving(3, GS_LEAVE_ONES, 0, 9), none = leaving(3, GS_LEAVE_CARRY, 5, 4);
    gs_err e = {{0}};
    gs_key key;
    assert_int_equal(gs_task_check(&all, &key, &e), -1);
    assert_int_equal(key, GS_TASK_LEAVE);
    assert_string_equal(e.text, "task.leave_out leaves out 1000 of the 1000 inputs, and both parts need one: change task.leave_from or "
                                "task.leave_to");
    assert_int_equal(gs_task_check(&none, &key, &e), -1);
    assert_non_null(strstr(e.text, "leaves out 0 of"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(add7_by_hand), cmocka_unit_test(add7_counts_and_floor), cmocka_unit_test(add7_is_the_oracles),
        cmocka_unit_test(longer_addends), cmocka_unit_test(two_operands_by_hand), cmocka_unit_test(two_operands_counts),
        cmocka_unit_test(six_digits_are_drawn), cmocka_unit_test(addition_batches_are_pure), cmocka_unit_test(parts_are_left_out),
        cmocka_unit_test(large_parts_are_drawn), cmocka_unit_test(both_parts_need_an_input)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
