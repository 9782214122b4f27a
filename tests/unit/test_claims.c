/* Claims on hand-made runs: what is compared with what, and when a claim is supported, contradicted or undecided. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tables/judge.h"
#include "tables_world.h"

static gs_value dense_value[] = {{.set = true, .i = GS_FFN_DENSE}}, moe_value[] = {{.set = true, .i = GS_FFN_MOE}};
static gs_term dense_term[] = {{GS_FFN_KIND, 1, dense_value, {0}}}, moe_term[] = {{GS_FFN_KIND, 1, moe_value, {0}}};
static char metric[] = "final.zero_ffn.accuracy", time_metric[] = "curve.clean.steps_to_99";

static gs_claim_spec claim(gs_expect expect, gs_claim_test test)
{
    return (gs_claim_spec){.name = "c", .metric = test >= GS_TEST_LOG_RANK ? time_metric : metric, .compare = {1, moe_term, {0}},
                           .against = {1, dense_term, {0}}, .expect = expect, .test = test, .margin = NAN, .where = {9, 4}};
}

/* dense and moe with `seeds` seeds; moe's accuracy is that of the dense run plus lift[seed]. */
static void pairs(world *w, const double *dense, const double *lift, int seeds)
{
    open_world(w);
    for (int moe = 0; moe < 2; moe++)
        for (int seed = 0; seed < seeds; seed++) {
            add_run(w, moe ? GS_FFN_MOE : GS_FFN_DENSE, 256, seed);
            measure(w, w->grid.count - 1, 1, dense[seed] + (moe ? lift[seed] : 0));
        }
    find_varying(w);
}

static gs_table judged(const world *w, const gs_claim_spec *c, int count)
{
    gs_table out = {0};
    gs_buf skipped = {0};
    gs_err e;
    bool built;
    for (int k = 0; k < count; k++)
        if (gs_claim_verify(&w->context, &c[k], &e)) fail_msg("%s", e.text);
    if (gs_claims_make(&w->context, c, count, w->points, w->grid.count, &out, &built, &skipped, &e)) fail_msg("%s", e.text);
    assert_true(built && !skipped.length);
    return out;
}

static const gs_cell *cell(const gs_table *t, int row, const char *column)
{
    for (int c = 0; c < t->column_count; c++)
        if (!strcmp(t->columns[c].name, column)) return &t->cells[row * t->column_count + c];
    fail_msg("there is no column %s", column);
    return NULL;
}

static void verdict_is(const gs_table *t, int row, const char *verdict) { assert_string_equal(cell(t, row, "verdict")->text, verdict); }

static void is_near(double got, double want)
{
    if (!(fabs(got - want) <= 1e-8 * fabs(want))) fail_msg("got %.17g, want %.17g", got, want);
}

static const double flat[12] = {.2, .21, .19, .22, .2, .18, .2, .2, .2, .2, .2, .2};
static const double up[] = {.31, .28, .25, .33, .3};
static const double noise[] = {.31, -.28, .25, -.33, .3}, small[] = {.01, -.02, .015, -.01, .005};

static void supported_and_contradicted(void **state)
{
    (void)state;
    world w;
    pairs(&w, flat, up, 5);
    const gs_claim_spec c[] = {claim(GS_EXPECT_GREATER, GS_TEST_PAIRED), claim(GS_EXPECT_LESS, GS_TEST_PAIRED),
                               claim(GS_EXPECT_DIFFERENT, GS_TEST_WELCH)};
    gs_table t = judged(&w, c, 3);
    verdict_is(&t, 0, "supported");
    verdict_is(&t, 1, "contradicted");
    verdict_is(&t, 2, "supported");
    const gs_estimate *e = &cell(&t, 0, "estimate")->estimate;
    is_near(e->mean, 29.4); /* in percentage points, t interval with 4 degrees */
    is_near(e->interval.low, 25.61343371836055);
    is_near(e->interval.high, 33.18656628163945);
    is_near(cell(&t, 0, "p")->r, 2.7389432628785245e-05); /* SciPy, as all numbers here */
    is_near(cell(&t, 2, "p")->r, 3.0453867346467544e-05);
    is_near(cell(&t, 2, "p (Holm)")->r, 3 * 2.7389432628785245e-05);
    assert_string_equal(cell(&t, 0, "n")->text, "5");
    assert_string_equal(cell(&t, 2, "n")->text, "5 + 5");
    gs_table_close(&t);
    close_world(&w);
}

static void undecided(void **state)
{
    (void)state;
    world w;
    pairs(&w, flat, noise, 5);
    const gs_claim_spec c[] = {claim(GS_EXPECT_GREATER, GS_TEST_PAIRED), claim(GS_EXPECT_DIFFERENT, GS_TEST_PERMUTATION)};
    gs_table t = judged(&w, c, 2);
    verdict_is(&t, 0, "undecided");
    verdict_is(&t, 1, "undecided");
    assert_string_equal(cell(&t, 1, "test")->text, "all sign flips");
    assert_int_equal(cell(&t, 0, "n needed")->i, cell(&t, 1, "n needed")->i);
    gs_table_close(&t);
    close_world(&w);
}

/* Against R's power.t.test(strict = TRUE): 334.2 pairs at 0.05, 405.0 at 0.05/2; and SciPy for TOST and Welch's test. */
static void seeds_that_would_decide(void **state)
{
    (void)state;
    world w;
    pairs(&w, flat, noise, 5);
    gs_claim_spec c[] = {claim(GS_EXPECT_GREATER, GS_TEST_PAIRED), claim(GS_EXPECT_EQUIVALENT, GS_TEST_PAIRED)};
    c[1].margin = 0.1;
    gs_table t = judged(&w, c, 1);
    assert_int_equal(cell(&t, 0, "n needed")->i, 335);
    gs_table_close(&t);
    t = judged(&w, c, 2);
    assert_int_equal(cell(&t, 0, "n needed")->i, 405);
    gs_table_close(&t);
    t = judged(&w, c + 1, 1);
    assert_int_equal(cell(&t, 0, "n needed")->i, 93);
    gs_table_close(&t);
    c[0].test = GS_TEST_WELCH;
    t = judged(&w, c, 1);
    assert_int_equal(cell(&t, 0, "n needed")->i, 315);
    gs_table_close(&t);
    c[0].test = GS_TEST_WILCOXON;
    t = judged(&w, c, 1);
    assert_int_equal(cell(&t, 0, "n needed")->i, 351); /* 335 pi / 3, up */
    gs_table_close(&t);
    close_world(&w);
}

/* Five sign flips cannot reach p < 0.05: undecided however large the difference, and six would do. */
static void too_few_for_an_exact_test(void **state)
{
    (void)state;
    world w;
    pairs(&w, flat, up, 5);
    const gs_claim_spec c = claim(GS_EXPECT_GREATER, GS_TEST_PERMUTATION);
    gs_table t = judged(&w, &c, 1);
    verdict_is(&t, 0, "undecided");
    is_near(cell(&t, 0, "p")->r, 0.0625);
    assert_int_equal(cell(&t, 0, "n needed")->i, 6);
    gs_table_close(&t);
    close_world(&w);
}

static void two_seeds_decide_nothing(void **state)
{
    (void)state;
    world w;
    const double same[] = {.3, .3001};
    pairs(&w, flat, same, 2);
    const gs_claim_spec c = claim(GS_EXPECT_GREATER, GS_TEST_PAIRED);
    gs_table t = judged(&w, &c, 1);
    assert_true(cell(&t, 0, "p (Holm)")->r < 0.05);
    verdict_is(&t, 0, "undecided");
    gs_table_close(&t);
    close_world(&w);
}

static void equivalence(void **state)
{
    (void)state;
    gs_claim_spec c = claim(GS_EXPECT_EQUIVALENT, GS_TEST_PAIRED);
    c.margin = 0.1;
    const double *lifts[] = {small, up, noise};
    static const char *const verdicts[] = {"supported", "contradicted", "undecided"};
    for (int k = 0; k < 3; k++) {
        world w;
        pairs(&w, flat, lifts[k], 5);
        gs_table t = judged(&w, &c, 1);
        verdict_is(&t, 0, verdicts[k]);
        assert_string_equal(cell(&t, 0, "expect")->text, "equivalent within 10 pp");
        assert_string_equal(cell(&t, 0, "test")->text, "TOST, paired t");
        if (k == 0) is_near(cell(&t, 0, "p")->r, 5.268575868387346e-05);
        gs_table_close(&t);
        close_world(&w);
    }
}

/* The verdict goes by the p of the whole family: 0.03 alone is not enough for two. */
static void the_family_counts(void **state)
{
    (void)state;
    static const double weak[] = {.1, .31, .02, .25, .3};
    world w;
    pairs(&w, flat, weak, 5);
    const gs_claim_spec c[] = {claim(GS_EXPECT_GREATER, GS_TEST_PAIRED), claim(GS_EXPECT_GREATER, GS_TEST_PERMUTATION)};
    gs_table t = judged(&w, c, 1);
    verdict_is(&t, 0, "supported");
    gs_table_close(&t);
    t = judged(&w, c, 2);
    verdict_is(&t, 0, "undecided");
    gs_table_close(&t);
    close_world(&w);
}

static void rank_tests_are_named(void **state)
{
    (void)state;
    world w;
    pairs(&w, flat, up, 5);
    const gs_claim_spec c[] = {claim(GS_EXPECT_GREATER, GS_TEST_WILCOXON), claim(GS_EXPECT_GREATER, GS_TEST_MANN_WHITNEY),
                               claim(GS_EXPECT_GREATER, GS_TEST_PERMUTATION_UNPAIRED)};
    gs_table t = judged(&w, c, 3);
    assert_string_equal(cell(&t, 0, "test")->text, "Wilcoxon, exact");
    assert_string_equal(cell(&t, 1, "test")->text, "Mann-Whitney, exact"); /* though the dense runs have ties */
    assert_string_equal(cell(&t, 2, "test")->text, "all splits");
    is_near(cell(&t, 2, "p")->r, 2.0 / 252);
    gs_table_close(&t);
    close_world(&w);
}

/* -- pairing ------------------------------------------------------------------------------------------------------- */

/* Runs of `compare` at two rates meet those of `against` at the same rate; `against` has a third, which nothing meets. */
static void matched_keys_meet(void **state)
{
    (void)state;
    for (int test = 0; test < 2; test++) {
        world w;
        open_world(&w);
        for (int moe = 0; moe < 2; moe++)
            for (int rate = 0; rate < (moe ? 2 : 3); rate++)
                for (int seed = 0; seed < 3; seed++) {
                    gs_config *c = add_run(&w, moe ? GS_FFN_MOE : GS_FFN_DENSE, 256, seed);
                    c->v[GS_TRAIN_LR].r = 0.001 * (rate + 1);
                    measure(&w, w.grid.count - 1, 1, rate == 2 ? 0.9 : 0.1 * rate + 0.01 * seed + (moe ? 0.2 + 0.02 * seed : 0));
                }
        find_varying(&w);
        const gs_claim_spec c = claim(GS_EXPECT_GREATER, test ? GS_TEST_WELCH : GS_TEST_PAIRED);
        gs_table t = judged(&w, &c, 1);
        is_near(cell(&t, 0, "estimate")->estimate.mean, 22);
        assert_string_equal(cell(&t, 0, "n")->text, test ? "3 + 3" : "3"); /* seeds, not runs */
        gs_table_close(&t);
        close_world(&w);
    }
}

static void pooled_on_purpose(void **state)
{
    (void)state;
    static gs_key width[] = {GS_FFN_WIDTH};
    world w;
    pairs(&w, flat, up, 5);
    for (int seed = 0; seed < 5; seed++) {
        add_run(&w, GS_FFN_MOE, 64, seed);
        measure(&w, w.grid.count - 1, 1, flat[seed] + up[seed] + 0.1);
    }
    find_varying(&w);
    gs_claim_spec c = claim(GS_EXPECT_GREATER, GS_TEST_PAIRED);
    gs_err e;
    assert_int_equal(gs_claim_verify(&w.context, &c, &e), -1); /* width 64 has no dense run */
    c.pool = width, c.pool_count = 1;
    gs_table t = judged(&w, &c, 1);
    is_near(cell(&t, 0, "estimate")->estimate.mean, 29.4 + 5);
    gs_table_close(&t);
    close_world(&w);
}

static void missing_runs_need_partial(void **state)
{
    (void)state;
    world w;
    pairs(&w, flat, up, 5);
    w.points[7].metrics = NULL;
    const gs_claim_spec c = claim(GS_EXPECT_GREATER, GS_TEST_PAIRED);
    gs_table t = {0};
    gs_buf skipped = {0};
    gs_err e;
    bool built;
    assert_int_equal(gs_claims_make(&w.context, &c, 1, w.points, w.grid.count, &t, &built, &skipped, &e), -1);
    const char *start = "s.yaml:9:4: claim c: row ffn.kind moe has no result for seed 2,";
    if (strncmp(e.text, start, strlen(start))) fail_msg("%s", e.text);
    w.context.partial = true;
    t = judged(&w, &c, 1);
    assert_string_equal(cell(&t, 0, "n")->text, "4");
    gs_table_close(&t);
    close_world(&w);
}

static void narrowed_claims_are_skipped(void **state)
{
    (void)state;
    world w;
    open_world(&w);
    add_run(&w, GS_FFN_MOE, 256, 0);
    measure(&w, 0, 1, 0.5);
    find_varying(&w);
    w.context.narrowed = true;
    const gs_claim_spec c = claim(GS_EXPECT_GREATER, GS_TEST_PAIRED);
    gs_table t = {0};
    gs_buf skipped = {0};
    gs_err e;
    bool built = true;
    assert_int_equal(gs_claim_verify(&w.context, &c, &e), 0);
    assert_int_equal(gs_claims_make(&w.context, &c, 1, w.points, 1, &t, &built, &skipped, &e), 0);
    assert_false(built);
    assert_string_equal(skipped.text, "Claim c is left out: --set left it no runs.\n");
    gs_buf_free(&skipped);
    close_world(&w);
}

/* -- times --------------------------------------------------------------------------------------------------------- */

/* moe always groks, the dense runs in half of the seeds; 0 stands for never, by step 40,000. */
static void times(world *w)
{
    static const int dense[] = {19600, 0, 12000, 0, 25000, 0, 0, 31000}, moe[] = {3900, 4900, 6900, 5000, 8000, 7000, 6000, 4000};
    open_world(w);
    for (int arm = 0; arm < 2; arm++)
        for (int seed = 0; seed < 8; seed++) {
            add_run(w, arm ? GS_FFN_MOE : GS_FFN_DENSE, 256, seed);
            int i = w->grid.count - 1, at = arm ? moe[seed] : dense[seed];
            if (at) gs_metrics_set(&w->metrics[i], at, "curve.clean.steps_to_99");
            gs_metrics_set(&w->metrics[i], 40000, "final.clean.step");
        }
    find_varying(w);
}

static void censored_times(void **state)
{
    (void)state;
    world w;
    times(&w);
    const gs_claim_spec c[] = {claim(GS_EXPECT_LESS, GS_TEST_LOG_RANK), claim(GS_EXPECT_GREATER, GS_TEST_LOG_RANK),
                               claim(GS_EXPECT_GREATER, GS_TEST_FISHER)};
    gs_table t = judged(&w, c, 3);
    verdict_is(&t, 0, "supported");
    verdict_is(&t, 1, "contradicted");
    verdict_is(&t, 2, "undecided");
    const gs_estimate *e = &cell(&t, 0, "estimate")->estimate;
    is_near(e->mean, 5712.5 - 30950); /* restricted to 40,000: moe's curve is 0 from 8000 on */
    is_near(cell(&t, 2, "estimate")->estimate.mean, 50);
    is_near(cell(&t, 2, "p")->r, 0.0769230769230769); /* 8 of 8 against 4 of 8 */
    assert_string_equal(cell(&t, 0, "n")->text, "8 + 8");
    assert_string_equal(cell(&t, 2, "test")->text, "Fisher, exact");
    gs_table_close(&t);
    close_world(&w);
}

/* Nobody got there: nothing is known, not even that there is no difference. */
static void nobody_gets_there(void **state)
{
    (void)state;
    world w;
    open_world(&w);
    for (int i = 0; i < 8; i++) {
        add_run(&w, i < 4 ? GS_FFN_MOE : GS_FFN_DENSE, 256, i % 4);
        gs_metrics_set(&w.metrics[i], 40000, "final.clean.step");
    }
    find_varying(&w);
    const gs_claim_spec c[] = {claim(GS_EXPECT_LESS, GS_TEST_LOG_RANK), claim(GS_EXPECT_DIFFERENT, GS_TEST_FISHER)};
    gs_table t = judged(&w, c, 2);
    verdict_is(&t, 0, "undecided");
    verdict_is(&t, 1, "undecided");
    assert_true(isnan(cell(&t, 0, "estimate")->estimate.mean) && isnan(cell(&t, 0, "estimate")->estimate.interval.low));
    assert_int_equal(cell(&t, 0, "n needed")->kind, GS_CELL_NONE);
    is_near(cell(&t, 1, "p")->r, 1);
    gs_table_close(&t);
    close_world(&w);
}

/* The last time of dense is an event before moe's censored one, so that the means are restricted to 9000, where moe's curve ends. */
static void restricted_to_what_is_known(void **state)
{
    (void)state;
    static const int dense[] = {1000, 2000, 3000}, moe[] = {4000, 6000, 0};
    world w;
    open_world(&w);
    for (int i = 0; i < 6; i++) {
        int at = i < 3 ? moe[i] : dense[i - 3];
        add_run(&w, i < 3 ? GS_FFN_MOE : GS_FFN_DENSE, 256, i % 3);
        if (at) gs_metrics_set(&w.metrics[i], at, "curve.clean.steps_to_99");
        gs_metrics_set(&w.metrics[i], i < 3 ? 9000 : 40000, "final.clean.step");
    }
    find_varying(&w);
    const gs_claim_spec c = claim(GS_EXPECT_GREATER, GS_TEST_LOG_RANK);
    gs_table t = judged(&w, &c, 1);
    is_near(cell(&t, 0, "estimate")->estimate.mean, (4000 + 6000 + 9000) / 3.0 - 2000);
    gs_table_close(&t);
    close_world(&w);
}

static void has_note(const gs_table *t, const char *start)
{
    for (int k = 0; k < t->note_count; k++)
        if (!strncmp(t->notes[k], start, strlen(start))) return;
    fail_msg("there is no note '%s'", start);
}

/* Three equal differences: t is infinite. The table says on what that rests. */
static void without_spread(void **state)
{
    (void)state;
    static const double equal[] = {.25, .25, .25}, base[] = {.5, .25, .75}, none[] = {0, 0, 0};
    world w;
    pairs(&w, base, equal, 3);
    gs_claim_spec c[] = {claim(GS_EXPECT_GREATER, GS_TEST_PAIRED), claim(GS_EXPECT_GREATER, GS_TEST_WELCH), claim(GS_EXPECT_GREATER, GS_TEST_WILCOXON)};
    gs_table t = judged(&w, c, 3);
    assert_string_equal(cell(&t, 0, "test")->text, "paired t, no spread");
    assert_string_equal(cell(&t, 1, "test")->text, "Welch t"); /* the values themselves differ */
    assert_true(cell(&t, 0, "p")->r == 0 && cell(&t, 2, "p")->r > 0.1); /* by ranks three seeds decide nothing */
    assert_int_equal(cell(&t, 0, "n needed")->i, 3);
    has_note(&t, "no spread: ");
    gs_table_close(&t);
    close_world(&w);
    pairs(&w, base, none, 3);
    c[0] = claim(GS_EXPECT_EQUIVALENT, GS_TEST_PAIRED), c[0].margin = 0.05;
    c[1] = claim(GS_EXPECT_DIFFERENT, GS_TEST_PAIRED);
    t = judged(&w, c, 2);
    verdict_is(&t, 0, "supported");
    assert_string_equal(cell(&t, 0, "test")->text, "TOST, paired t, no spread");
    verdict_is(&t, 1, "undecided");
    is_near(cell(&t, 1, "p")->r, 1);
    gs_table_close(&t);
    close_world(&w);
}

/* A metric that a run does not have, though it is done, and one that is no number. */
static void seeds_without_the_metric(void **state)
{
    (void)state;
    world w;
    pairs(&w, flat, up, 5);
    gs_metrics_free(&w.metrics[6]);
    gs_metrics_set(&w.metrics[6], 1, "final.clean.accuracy");
    gs_metrics_set(&w.metrics[8], NAN, "final.zero_ffn.accuracy");
    const gs_claim_spec c[] = {claim(GS_EXPECT_GREATER, GS_TEST_PAIRED), claim(GS_EXPECT_GREATER, GS_TEST_WELCH)};
    gs_table t = judged(&w, c, 2);
    assert_string_equal(cell(&t, 0, "n")->text, "3*");
    assert_string_equal(cell(&t, 1, "n")->text, "3 + 5*");
    is_near(cell(&t, 0, "estimate")->estimate.mean, (31 + 25 + 30) / 3.0);
    has_note(&t, "n*: ");
    gs_table_close(&t);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(supported_and_contradicted), cmocka_unit_test(undecided),        cmocka_unit_test(too_few_for_an_exact_test),
        cmocka_unit_test(two_seeds_decide_nothing),   cmocka_unit_test(equivalence),      cmocka_unit_test(the_family_counts),
        cmocka_unit_test(rank_tests_are_named),       cmocka_unit_test(seeds_that_would_decide),
              cmocka_unit_test(matched_keys_meet), cmocka_unit_test(pooled_on_purpose),
        cmocka_unit_test(missing_runs_need_partial),  cmocka_unit_test(narrowed_claims_are_skipped), cmocka_unit_test(censored_times),
        cmocka_unit_test(nobody_gets_there), cmocka_unit_test(restricted_to_what_is_known), cmocka_unit_test(without_spread),
        cmocka_unit_test(seeds_without_the_metric),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
