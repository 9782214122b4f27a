/* Regression tables: planted coefficients, errors known in closed form, terms that say nothing new. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tables_world.h"

static gs_regressor on[] = {{GS_TERM_LOG2, GS_FFN_WIDTH}, {GS_TERM_VALUE, GS_FFN_KIND}, {GS_TERM_SPARSITY, 0}, {GS_TERM_ACTIVE_SHARE, 0}};
static char *metrics[] = {"final.clean.accuracy"};

static gs_table_spec spec(const gs_regressor *terms, int count)
{
    return (gs_table_spec){.name = "r", .kind = GS_TABLE_REGRESSION, .on_count = count, .on = (gs_regressor *)terms, .metric_count = 1, .metrics = metrics};
}

static const gs_cell *find(const gs_table *t, const char *term)
{
    for (int r = 0; r < t->row_count; r++)
        if (!strcmp(gs_table_cell((gs_table *)t, r, 0)->text, term)) return gs_table_cell((gs_table *)t, r, 1);
    fail_msg("no term %s", term);
    return NULL;
}

/* accuracy = 0.1 + 0.05 log2(width) + 0.2 [glu], exactly: in percent. */
static void planted_coefficients_come_back(void **state)
{
    (void)state;
    static const int widths[] = {64, 128, 256, 512};
    world w;
    open_world(&w);
    for (int kind = 0; kind < 2; kind++)
        for (int k = 0; k < 4; k++) {
            add_run(&w, kind ? GS_FFN_GLU : GS_FFN_DENSE, widths[k], 1);
            measure(&w, w.grid.count - 1, 0.1 + 0.05 * (6 + k) + 0.2 * kind, 0);
        }
    find_varying(&w);
    gs_table_spec s = spec(on, 2);
    gs_table t = make_table(&w, &s);
    assert_int_equal(t.row_count, 3);
    assert_float_equal(find(&t, "intercept")->estimate.mean, 10, 1e-4);
    assert_float_equal(find(&t, "log2(ffn.width)")->estimate.mean, 5, 1e-4);
    assert_float_equal(find(&t, "ffn.kind glu (not dense)")->estimate.mean, 20, 1e-4);
    assert_float_equal(find(&t, "log2(ffn.width)")->estimate.spread, 0, 1e-4);
    gs_table_close(&t);
    close_world(&w);
}

/* Two groups of three: the indicator is the difference of the means, its error sqrt(s^2 (1/3 + 1/3)) with the pooled s^2, 4 degrees of freedom. */
static void errors_are_those_of_two_samples(void **state)
{
    (void)state;
    static const double y[2][3] = {{0.1, 0.2, 0.6}, {0.5, 0.7, 0.9}};
    world w;
    open_world(&w);
    for (int kind = 0; kind < 2; kind++)
        for (int k = 0; k < 3; k++) {
            add_run(&w, kind ? GS_FFN_GLU : GS_FFN_DENSE, 64, k);
            measure(&w, w.grid.count - 1, y[kind][k], 0);
        }
    find_varying(&w);
    gs_table_spec s = spec(on + 1, 1);
    gs_table t = make_table(&w, &s);
    const gs_estimate *x = &find(&t, "ffn.kind glu (not dense)")->estimate;
    double variance = (0.14 + 0.08) / 4; /* squares about 0.3 and 0.7 */
    double se = 100 * sqrt(variance * 2 / 3);
    assert_float_equal(x->mean, 40, 1e-4);
    assert_float_equal(x->spread, se, 1e-4);
    assert_float_equal(x->interval.high, 40 + gs_t_quantile(0.975, 4) * se, 1e-3);
    assert_int_equal(x->n, 6);
    gs_table_close(&t);
    close_world(&w);
}

/* Sparsity is 3/4 for the mixture and 0 else, so it says what the indicator of moe says. */
static void what_says_nothing_new_is_left_out(void **state)
{
    (void)state;
    world w;
    three_arms(&w);
    gs_table_spec s = spec(on + 1, 2);
    gs_table t = make_table(&w, &s);
    assert_int_equal(find(&t, "sparsity")->kind, GS_CELL_NONE);
    assert_int_equal(find(&t, "ffn.kind moe (not dense)")->kind, GS_CELL_ESTIMATE);
    bool told = false;
    for (int k = 0; k < t.note_count; k++) told |= strstr(t.notes[k], "a combination of the terms above: sparsity.") != NULL;
    assert_true(told);
    gs_table_close(&t);
    close_world(&w);
}

static void too_few_runs_are_told(void **state)
{
    (void)state;
    world w;
    open_world(&w);
    add_run(&w, GS_FFN_DENSE, 64, 1), add_run(&w, GS_FFN_GLU, 128, 1);
    measure(&w, 0, 0.5, 0), measure(&w, 1, 0.6, 0);
    find_varying(&w);
    gs_table_spec s = spec(on, 2);
    gs_table t = make_table(&w, &s);
    assert_int_equal(find(&t, "intercept")->kind, GS_CELL_NONE);
    assert_non_null(strstr(t.notes[t.note_count - 1], "2 runs are too few for 3 terms"));
    gs_table_close(&t);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(planted_coefficients_come_back), cmocka_unit_test(errors_are_those_of_two_samples),
        cmocka_unit_test(what_says_nothing_new_is_left_out), cmocka_unit_test(too_few_runs_are_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
