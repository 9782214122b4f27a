/* The grammar of metric names, and lists of named numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gridshift/metric.h"

static void names_in_parts(void **state)
{
    (void)state;
    static const struct {
        const char *full, *checkpoint, *subject, *metric, *stratum;
        int mode, site, block, index, step;
    } rows[] = {
        {"final.clean.accuracy", "final", "clean", "accuracy", "", -1, -1, -1, -1, -1},
        {"best.floor.exact_match", "best", "floor", "exact_match", "", -1, -1, -1, -1, -1},
        {"final.zero_ffn.accuracy[carry=2]", "final", "zero_ffn", "accuracy", "carry=2", GS_MODE_ZERO, GS_SITE_FFN_OUT, -1, -1, -1},
        {"step1000.mean_head3.loss", "step1000", "mean_head3", "loss", "", GS_MODE_MEAN, GS_SITE_ATTN_HEAD, -1, 3, 1000},
        {"first99.resample_block1_attn.accuracy[split=train,count=3]", "first99", "resample_block1_attn", "accuracy",
         "split=train,count=3", GS_MODE_RESAMPLE, GS_SITE_ATTN_OUT, 1, -1, -1},
        {"given.zero_block0_expert12.accuracy", "given", "zero_block0_expert12", "accuracy", "",
         GS_MODE_ZERO, GS_SITE_FFN_EXPERT, 0, 12, -1},
        {"best.norms.ratio[of=ffn,since=500]", "best", "norms", "ratio", "of=ffn,since=500", -1, -1, -1, -1, -1},
        {"first99_or_best.clean.loss", "first99_or_best", "clean", "loss", "", -1, -1, -1, -1, -1},
        {"curve.clean.steps_to_99", "curve", "clean", "steps_to_99", "", -1, -1, -1, -1, -1},
    };
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        gs_metric_name m;
        assert_int_equal(gs_metric_parse(rows[k].full, &m), 0);
        assert_string_equal(m.checkpoint, rows[k].checkpoint);
        assert_string_equal(m.subject, rows[k].subject);
        assert_string_equal(m.row->name, rows[k].metric);
        assert_string_equal(m.stratum, rows[k].stratum);
        assert_int_equal(m.mode, rows[k].mode);
        assert_int_equal(m.site, rows[k].site);
        assert_int_equal(m.block, rows[k].block);
        assert_int_equal(m.index, rows[k].index);
        assert_int_equal(m.step, rows[k].step);
    }
}

static void names_outside_the_grammar(void **state)
{
    (void)state;
    static const char *const names[] = {
        "", "accuracy", "clean.accuracy", "final.clean.speed", "last.clean.accuracy", "step.clean.accuracy", "step01.clean.accuracy",
        "final.dirty.accuracy", "final.zero.accuracy", "final.zero_.accuracy", "final.zero_head.accuracy", "final.zero_ffn1.accuracy",
        "final.mean_expert0.accuracy", "final.zero_block_ffn.accuracy", "final.zero_block1ffn.accuracy", "final.clean.accuracy[",
        "final.clean.accuracy[]", "final.clean.accuracy[carry]", "final.clean.accuracy[carry=2", "final.clean.accuracy[carry=2]x",
        "final.clean.accuracy[carry=2,]", "final.clean.accuracy[=2]", "final..accuracy", "final.clean.accuracy.more",
        "final.clean.accuracy ", "step99999999999.clean.accuracy", "final.norms.accuracy", "final.clean.norm", "final.zero_norms.norm"};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++)
        if (gs_metric_find(names[k])) fail_msg("%s was taken", names[k]);
}

static void a_name_is_stored_once(void **state)
{
    (void)state;
    gs_metrics m = {0};
    for (int k = 0; k < 100; k++) gs_metrics_set(&m, k, "step%d.clean.loss", k);
    gs_metrics_set(&m, -1, "step%d.clean.loss", 7);
    assert_int_equal(m.count, 100);
    assert_true(*gs_metrics_get(&m, "step7.clean.loss") == -1);
    assert_true(*gs_metrics_get(&m, "step99.clean.loss") == 99);
    assert_null(gs_metrics_get(&m, "step100.clean.loss"));
    assert_string_equal(m.at[7].name, "step7.clean.loss");
    gs_metrics_free(&m);
    assert_int_equal(m.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names_in_parts), cmocka_unit_test(names_outside_the_grammar),
                                       cmocka_unit_test(a_name_is_stored_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
