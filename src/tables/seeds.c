/* Equal seed sets: a mean over other seeds is another quantity, so that rows with unequal ones are refused or marked. */
#include <stdlib.h>
#include <string.h>

#include "tables/table.h"

static int by_arm_then_seed(const void *a, const void *b, void *keys)
{
    const gs_point *p = *(const gs_point *const *)a, *q = *(const gs_point *const *)b;
    int order = gs_keys_compare(keys, p->run, q->run);
    if (order) return order;
    int64_t s = gs_run_value(p->run, GS_SEED).i, t = gs_run_value(q->run, GS_SEED).i;
    return (s > t) - (s < t);
}

static int by_number(const void *a, const void *b)
{
    int64_t s = *(const int64_t *)a, t = *(const int64_t *)b;
    return (s > t) - (s < t);
}

int64_t *gs_seeds_with_results(const gs_points *all, int *count)
{
    int64_t *seeds = gs_alloc((size_t)all->count + 1, sizeof *seeds);
    int n = 0;
    for (int i = 0; i < all->count; i++)
        if (all->at[i]->metrics) seeds[n++] = gs_run_value(all->at[i]->run, GS_SEED).i;
    if (n) qsort(seeds, (size_t)n, sizeof *seeds, by_number);
    *count = 0;
    for (int i = 0; i < n; i++)
        if (i == 0 || seeds[i] != seeds[*count - 1]) seeds[(*count)++] = seeds[i];
    return seeds;
}

/* Adds the seeds that n runs of one arm (ascending by seed) lack to the list. */
static int lacking(const gs_point **arm, int n, const int64_t *seeds, int seed_count, gs_buf *list)
{
    int at = 0, lacks = 0;
    for (int k = 0; k < seed_count; k++) {
        bool have = false;
        for (; at < n && gs_run_value(arm[at]->run, GS_SEED).i <= seeds[k]; at++)
            have = arm[at]->metrics && gs_run_value(arm[at]->run, GS_SEED).i == seeds[k];
        if (have) continue;
        if (list && lacks < 8) gs_buf_add(list, "%s%lld", lacks ? ", " : "", (long long)seeds[k]);
        if (list && lacks == 8) gs_buf_add(list, ", ...");
        lacks++;
    }
    return lacks;
}

/* The first arm among the points that lacks a seed, and the list of what it lacks; NULL: none does. */
static const gs_point *first_lacking(const gs_frame *f, const gs_points *points, gs_buf *list, int *lacks)
{
    gs_points sorted = {points->count, gs_alloc((size_t)points->count + 1, sizeof *sorted.at)};
    memcpy(sorted.at, points->at, (size_t)points->count * sizeof *sorted.at);
    qsort_r(sorted.at, (size_t)sorted.count, sizeof *sorted.at, by_arm_then_seed, (void *)(uintptr_t)&f->arm);
    const gs_point *found = NULL;
    for (int at = 0, n; !found && at < sorted.count; at += n) {
        n = gs_points_block(&sorted, at, &f->arm);
        *lacks = lacking(sorted.at + at, n, f->seeds, f->seed_count, list);
        if (*lacks) found = sorted.at[at];
    }
    free(sorted.at);
    return found;
}

bool gs_group_whole(const gs_frame *f, int group)
{
    int lacks;
    return !first_lacking(f, &f->groups[group], NULL, &lacks);
}

int gs_frame_seeds_equal(const gs_frame *f, gs_err *e)
{
    gs_buf row = {0}, list = {0};
    const gs_point *arm = NULL;
    int lacks = 0;
    for (int g = 0; g < f->group_count && !arm; g++) {
        arm = first_lacking(f, &f->groups[g], &list, &lacks);
        if (!arm) continue;
        gs_keyset keys = f->by;
        const gs_selector *side = g == 0 ? &f->spec->only : &f->spec->baseline; /* of a claim */
        for (int k = 0; f->spec->kind == GS_TABLE_CLAIM && k < side->count; k++) gs_keys_add(&keys, side->terms[k].key);
        bool arms = gs_points_spread(&f->groups[g], &f->arm); /* else the row's keys say all */
        for (int k = 0; arms && k < f->arm.count; k++) gs_keys_add(&keys, f->arm.at[k]);
        gs_keys_text(&keys, arm->run, &row);
        gs_table_error(f->context, f->spec, e,
                       f->all.at[0]->counts
                           ? "row %s has no result for seed%s %s, which other rows have. Finish or retry those runs, or give "
                             "--partial, which marks such rows."
                           : "row %s has no run with seed%s %s, which other rows have. Give all rows the same seeds, or give "
                             "--partial, which marks such rows.",
                       row.text, lacks == 1 ? "" : "s", list.text);
    }
    gs_buf_free(&row), gs_buf_free(&list);
    return arm ? -1 : 0;
}
