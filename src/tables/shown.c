/* The metrics of a table: those that it lists, and beside an ablation the clean value and the floor. */
#include <stdlib.h>
#include <string.h>

#include "tables/table.h"

static bool has_measure(const gs_shown *m, int count, const char *metric)
{
    for (int k = 0; k < count; k++)
        if (!strcmp(m[k].metric, metric)) return true;
    return false;
}

static bool listed(const gs_table_spec *t, const char *metric)
{
    for (int k = 0; k < t->metric_count; k++)
        if (!strcmp(t->metrics[k], metric)) return true;
    return false;
}

/* The clean value or the floor beside an ablation, unless the table lists it itself. tex leaves it out. */
static void add_beside(const gs_table_spec *t, gs_shown *m, int *count, const gs_metric_name *of, const char *subject)
{
    if (!strcmp(subject, "floor") && !of->row->probability) return; /* a constant predictor has no loss */
    const char *open = *of->stratum ? "[" : "", *close = *of->stratum ? "]" : "";
    char *metric = gs_text("%s.%s.%s%s%s%s", of->checkpoint, subject, of->row->name, open, of->stratum, close);
    gs_shown beside = {.metric = metric, .owned = metric, .beside = true, .in = GS_IN_ALL & ~(unsigned)GS_IN_TEX};
    if (listed(t, metric) || has_measure(m, *count, metric) || gs_metric_parse(metric, &beside.name)) free(metric);
    else m[(*count)++] = beside;
}

gs_shown *gs_shown_metrics(const gs_table_spec *t, int *count)
{
    gs_shown *m = gs_alloc((size_t)t->metric_count * 3 + 1, sizeof *m);
    *count = 0;
    for (int k = 0; k < t->metric_count; k++) {
        gs_shown own = {.metric = t->metrics[k], .in = GS_IN_ALL};
        if (gs_metric_parse(own.metric, &own.name) || has_measure(m, *count, own.metric)) continue;
        own.time = gs_metric_is_time(&own.name);
        m[(*count)++] = own;
        if (own.name.mode < 0 || !strcmp(own.name.row->name, "above_floor")) continue; /* which has both inside */
        add_beside(t, m, count, &own.name, "clean");
        add_beside(t, m, count, &own.name, "floor");
    }
    return m;
}

void gs_shown_free(gs_shown *m, int count)
{
    for (int k = 0; k < count; k++) free(m[k].owned);
    free(m);
}
