/* A metric against a width-like key: a row per series and x, with each series' slope against log2 of x. */
#include <math.h>
#include <stdlib.h>

#include "tables/table.h"

static double number(gs_key key, gs_run run)
{
    return gs_keys[key].type == GS_TYPE_REAL ? gs_run_value(run, key).r : (double)gs_run_value(run, key).i;
}

/* Exact for powers of two. */
static double log_2(double x)
{
    int exponent;
    double m = frexp(x, &exponent) * 2; /* in [1, 2) */
    return exponent - 1 + gs_log(m) / 0.693147180559945309417;
}

/* -- the order of the rows: series by first appearance, x ascending within one ----------------------------------- */

typedef struct placed {
    int group, series;
    double x;
} placed;

static int by_series_then_x(const void *a, const void *b)
{
    const placed *p = a, *q = b;
    if (p->series != q->series) return p->series - q->series;
    return (p->x > q->x) - (p->x < q->x);
}

static gs_run group_run(const gs_frame *f, int group)
{
    return f->groups[group].at[0]->run;
}

static placed *place_rows(const gs_frame *f, const gs_keyset *series)
{
    placed *rows = gs_alloc((size_t)f->group_count + 1, sizeof *rows);
    for (int g = 0; g < f->group_count; g++) {
        int first = 0; /* the series is named by its first group */
        while (gs_keys_compare(series, group_run(f, first), group_run(f, g))) first++;
        rows[g] = (placed){g, first, number(f->spec->x, group_run(f, g))};
    }
    if (f->group_count) qsort(rows, (size_t)f->group_count, sizeof *rows, by_series_then_x);
    return rows;
}

/* -- one metric ------------------------------------------------------------------------------------------------- */

/* The row's estimate; its seeds' values, owned by the caller. *censored: some seed never got there. */
static gs_estimate group_estimate(const gs_frame *f, int group, const gs_shown *m, double scale, gs_sample *values, bool *censored)
{
    gs_side s;
    gs_side_open(f, group, &s);
    *values = gs_sample_values(&s, m->metric);
    gs_estimate out = gs_estimate_of(values, scale, f->spec->interval);
    if (m->time) {
        gs_times times = gs_sample_times(&s, m->metric);
        out = gs_times_median(&times);
        *censored = *censored || times.reached < times.n;
        free(times.x);
    }
    gs_side_close(&s);
    return out;
}

static int group_seeds(const gs_frame *f, int group)
{
    gs_side s;
    gs_side_open(f, group, &s);
    int seeds = gs_side_seeds(&s);
    gs_side_close(&s);
    return seeds;
}

/* Fills the estimates of a series' rows and its slope, over the single seeds' points, beside each. */
static void fill_series(gs_table *t, const gs_frame *f, const placed *rows, int first, int count, const gs_shown *m)
{
    int column = m->column;
    bool censored = false;
    double *x = gs_alloc((size_t)f->all.count + 1, sizeof *x), *y = gs_alloc((size_t)f->all.count + 1, sizeof *y);
    double scale = m->name.row->probability ? 100 : 1;
    int n = 0, of = 0;
    for (int r = first; r < first + count; r++) {
        gs_sample s;
        gs_estimate e = group_estimate(f, rows[r].group, m, scale, &s, &censored);
        *gs_table_cell(t, r, column) = (gs_cell){.kind = GS_CELL_ESTIMATE, .estimate = e};
        for (int k = 0; k < s.n; k++, n++) x[n] = log_2(rows[r].x), y[n] = s.x[k] * scale;
        of += s.of;
        free(s.x);
    }
    gs_line line = gs_fit_line(x, y, censored ? 0 : n); /* the line of those that got there would be biased */
    gs_estimate slope = {line.slope, line.slope_se, line.slope_interval, n, of};
    for (int r = first; m->change && r < first + count; r++)
        *gs_table_cell(t, r, column + 1) = (gs_cell){.kind = GS_CELL_ESTIMATE, .estimate = slope, .again = r > first};
    free(x);
    free(y);
}

static void add_columns(gs_table *t, const gs_frame *f, gs_shown *m, int count)
{
    gs_table_key_columns(t, &f->by);
    gs_table_seed_columns(t);
    for (int k = 0; k < count; k++) {
        m[k].column = t->column_count;
        m[k].change = !m[k].beside;
        gs_column *own = gs_table_metric_column(t, &m[k].name, m[k].metric, NULL);
        own->in = m[k].in, own->centre = m[k].time ? "median" : NULL;
        if (!m[k].change) continue;
        gs_column *slope = gs_table_metric_column(t, &m[k].name, m[k].metric, "slope");
        char *unit = gs_text("%s%sper doubling", slope->unit, *slope->unit ? " " : "");
        free(slope->unit);
        slope->unit = unit;
        slope->spread = "se";
    }
}

static int series_length(const placed *rows, int first, int count)
{
    int n = 1;
    while (first + n < count && rows[first + n].series == rows[first].series) n++;
    return n;
}

void gs_scaling_make(const gs_frame *f, gs_table *out)
{
    gs_keyset series = f->by;
    series.count--; /* x is the last */
    placed *rows = place_rows(f, &series);
    *out = (gs_table){.name = gs_text("%s", f->spec->name), .kind = "scaling"};
    int count;
    gs_shown *m = gs_shown_metrics(f->spec, &count);
    add_columns(out, f, m, count);
    bool times = false;
    for (int k = 0; k < count; k++) times = times || m[k].time;
    gs_table_rows(out, f->group_count);
    for (int r = 0, n; r < f->group_count; r += n) {
        n = series_length(rows, r, f->group_count);
        for (int k = 0; k < count; k++) fill_series(out, f, rows, r, n, &m[k]);
    }
    for (int r = 0; r < f->group_count; r++) {
        gs_table_key_cells(out, r, &f->by, group_run(f, rows[r].group));
        gs_table_seed_cells(out, r, f->by.count, f, rows[r].group, group_seeds(f, rows[r].group));
    }
    const char *x = gs_keys[f->spec->x].name;
    gs_table_note(out, "mean ± sd (n - 1) [%s] over seeds. slope: least squares of the single runs against log2 of %s, "
                       "with its 95 %% t interval (n - 2)%s.",
                  gs_interval_text(f->spec->interval), x, times ? "; none where a seed never got there" : "");
    if (f->without_x) gs_table_note(out, "Left out, having no %s: %d run%s.", x, f->without_x, f->without_x == 1 ? "" : "s");
    gs_table_common_notes(out, f);
    gs_shown_free(m, count);
    free(rows);
}
