/* The sweep file as checked data: what src/sweep/spec*.c reads and expand.c and match.c use. */
#ifndef GS_SWEEP_SPEC_H
#define GS_SWEEP_SPEC_H
#include "gridshift/sweep.h"

enum { GS_RUNS_MOST = 1000000 };

/* One dimension of the product: a parameter has one term, a zip group several whose values move together. */
typedef struct gs_axis {
    char *name; /* of a zip group, owned; NULL: a parameter */
    int count;
    gs_term *terms; /* (count), owned; each with `size` values */
    int size;
    gs_selector when; /* count 0: always */
    gs_where where;
} gs_axis;

typedef struct gs_match {
    bool given, all_others; /* all_others: there is no `for` */
    gs_where where;
    char *count; /* owned: params_total, params_active or flops_per_token */
    gs_selector reference, subject;
    gs_key solve;
    int64_t multiple_of;
    double within; /* fraction; negative: any */
    gs_where within_where;
    bool two_thirds; /* rule: floor_two_thirds */
} gs_match;

typedef struct gs_default {
    gs_value value; /* not set: absent */
    gs_where where;
} gs_default;

struct gs_spec {
    char *path, *name, *text; /* owned */
    size_t length;
    gs_default defaults[GS_KEY_COUNT];
    int axis_count; /* parameters, then zip groups, in file order */
    gs_axis *axes;
    int exclude_count, include_count;
    gs_selector *exclude, *include; /* an include row is a small product of its terms, in order */
    gs_match match;
    gs_wanted wanted;
    gs_where probe_where; /* of `probe:`; line 0: none */
    int table_count;
    gs_table_spec *tables;
    int claim_count;
    gs_claim_spec *claims;
    double core_hours;
    int64_t bytes;
    gs_value replaced[GS_KEY_COUNT]; /* --set of a key that is not listed */
    bool any_replaced;
    int filter_count; /* --set of a listed key */
    gs_term *filters;
};

/* The axis that gives a key, or NULL; *term is its term there (term may be NULL). */
const gs_axis *gs_axis_of(const gs_spec *s, gs_key key, const gs_term **term);
#endif
