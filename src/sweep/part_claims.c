/* The section `claims`: what is stated before the run and judged after it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sweep/parts.h"
#include "sweep/words.h"

enum { NAME, METRIC, COMPARE, AGAINST, EXPECT, MARGIN, TEST, POOL, OPTION_COUNT };
static const char *const option_names[OPTION_COUNT] = {"name", "metric", "compare", "against", "expect", "margin", "test", "pool"};
const char *const gs_expect_names[GS_EXPECT_COUNT] = {"greater", "less", "equivalent", "different"};
const char *const gs_claim_test_names[GS_TEST_COUNT] = {"paired",      "welch",                "wilcoxon", "mann_whitney",
                                                        "permutation", "permutation_unpaired", "log_rank", "fisher"};

static int read_name(const gs_reader *r, const gs_node *n, const gs_spec *s, gs_claim_spec *c)
{
    const char *text;
    char shown[72];
    if (gs_read_text(r, n, "a claim's name", &text)) return -1;
    if (strlen(text) > 100 || strpbrk(text, "\r\n")) return gs_fail(r, n->where, "a claim's name is one line of up to 100 bytes");
    for (int i = 0; i < s->claim_count - 1; i++)
        if (!strcmp(s->claims[i].name, text))
            return gs_fail(r, n->where, "there is a claim '%s' already; give each its own name", gs_shown(text, shown));
    c->name = gs_text("%s", text);
    return 0;
}

static bool is_time(const char *metric) { return strstr(metric, ".steps_to_"); }

/* The test: milestones may be censored, so that they have tests of their own. */
static int read_test(const gs_reader *r, const gs_node *n, gs_claim_spec *c)
{
    int test = is_time(c->metric) ? GS_TEST_LOG_RANK : GS_TEST_PAIRED;
    if (n && gs_read_choice(r, n, "test", gs_claim_test_names, GS_TEST_COUNT, &test)) return -1;
    c->test = (gs_claim_test)test;
    bool of_times = test == GS_TEST_LOG_RANK || test == GS_TEST_FISHER;
    if (of_times && !is_time(c->metric))
        return gs_fail(r, n->where, "test: %s is for curve.clean.steps_to_50, _90 and _99; take another test", gs_claim_test_names[test]);
    if (!of_times && is_time(c->metric))
        return gs_fail(r, n->where, "test: a seed may never reach %s, which %s cannot take in; give log_rank or fisher", c->metric,
                       gs_claim_test_names[test]);
    return 0;
}

static int read_expect(const gs_reader *r, const gs_node *const *found, gs_claim_spec *c)
{
    int expect;
    if (gs_read_choice(r, found[EXPECT], "expect", gs_expect_names, GS_EXPECT_COUNT, &expect)) return -1;
    c->expect = (gs_expect)expect;
    bool equivalent = expect == GS_EXPECT_EQUIVALENT;
    if (found[MARGIN] && !equivalent)
        return gs_fail(r, found[MARGIN]->where, "margin belongs to expect: equivalent; remove it, or expect equivalent");
    if (equivalent && is_time(c->metric))
        return gs_fail(r, found[EXPECT]->where,
                       "expect: equivalent is not for times that may be censored; expect greater, less or different");
    if (equivalent && !found[MARGIN])
        return gs_fail(r, found[EXPECT]->where, "expect: equivalent needs a margin: the largest difference that does not matter, e.g. 0.1");
    return found[MARGIN] ? gs_read_positive(r, found[MARGIN], "margin", &c->margin) : 0;
}

static int read_claim(const gs_reader *r, const gs_node *n, const gs_spec *s, gs_claim_spec *c)
{
    const gs_node *found[OPTION_COUNT];
    const char *metric;
    c->where = n->where;
    c->margin = NAN;
    if (gs_read_options(r, n, "a claim", option_names, OPTION_COUNT, found)) return -1;
    for (int i = NAME; i <= EXPECT; i++)
        if (!found[i]) return gs_fail(r, n->where, "a claim needs name, metric, compare, against and expect; give `%s`", option_names[i]);
    if (read_name(r, found[NAME], s, c) || gs_read_metric(r, found[METRIC], "metric", &metric)) return -1;
    c->metric = gs_text("%s", metric);
    if (read_expect(r, found, c) || read_test(r, found[TEST], c)) return -1;
    if (gs_read_selector(r, found[COMPARE], "compare", &c->compare)) return -1;
    if (gs_read_selector(r, found[AGAINST], "against", &c->against)) return -1;
    return found[POOL] ? gs_read_keys(r, found[POOL], "pool", &c->pool, &c->pool_count) : 0;
}

int gs_part_claims(const gs_reader *r, const gs_node *n, gs_spec *s)
{
    if (gs_read_list(r, n, "claims")) return -1;
    for (int i = 0; i < s->table_count; i++)
        if (!strcmp(s->tables[i].name, "claims"))
            return gs_fail(r, s->tables[i].where, "the table claims is made of the section `claims`; give this one another name");
    s->claims = gs_alloc((size_t)n->count + 1, sizeof *s->claims);
    for (int i = 0; i < n->count; i++) {
        s->claim_count++;
        if (read_claim(r, n->items[i], s, &s->claims[i])) return -1;
    }
    return 0;
}

void gs_claim_spec_free(gs_claim_spec *c)
{
    free(c->name);
    free(c->metric);
    free(c->pool);
    gs_selector_free(&c->compare);
    gs_selector_free(&c->against);
}
