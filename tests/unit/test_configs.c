/* The column store of configs, against the configs themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gridshift/configs.h"

enum { COUNT = 300 };

/* Every seventh is another task, so that many keys vary and many are absent. */
static gs_config make(int i)
{
    gs_config c;
    gs_config_defaults(i % 7 == 6 ? GS_TASK_MODULAR : GS_TASK_ADDITION, &c);
    c.v[GS_SEED].i = i % 5;
    c.v[GS_FFN_KIND].i = i / 5 % 2 ? GS_FFN_MOE : GS_FFN_DENSE;
    c.v[GS_TRAIN_LR].r = i / 10 % 3 / 1000.0;
    gs_config_canonical(&c);
    return c;
}

static void assert_config(const gs_configs *s, int index, const gs_config *want)
{
    gs_config got;
    gs_configs_get(s, index, &got);
    for (int k = 0; k < GS_KEY_COUNT; k++) {
        assert_true(gs_value_same((gs_key)k, got.v[k], want->v[k]));
        assert_true(gs_value_same((gs_key)k, gs_configs_value(s, index, (gs_key)k), want->v[k]));
    }
}

static gs_configs make_all(void)
{
    gs_configs s = {0};
    for (int i = 0; i < COUNT; i++) {
        gs_config c = make(i);
        gs_configs_add(&s, &c);
    }
    return s;
}

static void what_goes_in_comes_out(void **state)
{
    (void)state;
    gs_configs s = make_all();
    for (int i = 0; i < COUNT; i++) {
        gs_config c = make(i);
        assert_config(&s, i, &c);
    }
    assert_non_null(s.columns[GS_SEED]);
    assert_non_null(s.columns[GS_FFN_EXPERTS]); /* absent where the block is dense */
    assert_null(s.columns[GS_MODEL_HEADS]);
    gs_config changed = make(17);
    changed.v[GS_MODEL_HEADS].i = 2;
    gs_configs_set(&s, 17, GS_MODEL_HEADS, changed.v[GS_MODEL_HEADS]);
    assert_config(&s, 17, &changed);
    gs_config other = make(18);
    assert_config(&s, 18, &other);
    gs_configs_free(&s);
}

static void some_are_kept_in_another_order(void **state)
{
    (void)state;
    gs_configs s = make_all();
    int order[COUNT], count = 0;
    for (int i = COUNT - 1; i >= 0; i--)
        if (i % 5 == 3 && i % 7 != 6) order[count++] = i;
    gs_configs_keep(&s, order, count);
    assert_int_equal(s.count, count);
    for (int i = 0; i < count; i++) {
        gs_config c = make(order[i]);
        assert_config(&s, i, &c);
    }
    assert_null(s.columns[GS_SEED]); /* all have seed 3 now */
    gs_config more = make(0);
    gs_configs_add(&s, &more);
    assert_config(&s, count, &more);
    gs_configs_free(&s);
}

static void classes_agree_but_for_the_ignored_keys(void **state)
{
    (void)state;
    static const gs_key ignored[] = {GS_SEED, GS_TRAIN_LR};
    gs_configs s = make_all();
    gs_classes c = gs_configs_classes(&s, ignored, 2);
    assert_int_equal(c.count, 4); /* two tasks, two blocks */
    for (int i = 0; i < COUNT; i++) {
        assert_true(c.first[c.of[i]] <= i);
        bool modular = i % 7 == 6, other = c.first[c.of[i]] % 7 == 6;
        assert_int_equal(modular, other);
        assert_int_equal(i / 5 % 2, c.first[c.of[i]] / 5 % 2);
    }
    gs_classes_free(&c);
    c = gs_configs_classes(&s, NULL, 0);
    assert_int_equal(c.count, 4 * 5 * 3);
    gs_classes_free(&c);
    gs_configs_free(&s);
}

static void real_values_survive(void **state)
{
    (void)state;
    static const double values[] = {0, 1e-300, 0.1, 1.0 / 3, 5e-324, 1.7976931348623157e308};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        gs_value v = gs_value_unpack(GS_TRAIN_LR, gs_value_pack(GS_TRAIN_LR, (gs_value){.set = true, .r = values[i]}));
        assert_true(v.set && v.r == values[i]);
    }
    assert_false(gs_value_unpack(GS_TRAIN_LR, gs_value_pack(GS_TRAIN_LR, (gs_value){0})).set);
    assert_false(gs_value_unpack(GS_SEED, gs_value_pack(GS_SEED, (gs_value){0})).set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_goes_in_comes_out), cmocka_unit_test(some_are_kept_in_another_order),
                                       cmocka_unit_test(classes_agree_but_for_the_ignored_keys), cmocka_unit_test(real_values_survive)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
