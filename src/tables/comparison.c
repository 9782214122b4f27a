/* The parameter-matched table: a row per combination of the row keys, with counts, mismatch, metrics and paired differences. */
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "tables/table.h"

enum { PARAMS_TOTAL, PARAMS_ACTIVE, FLOPS, MISMATCH, SEEDS }; /* the columns between the keys and the metrics */

/* The columns of one metric; gs_shown says in which order. */
static void add_metric(gs_table *t, const gs_table_spec *spec, gs_shown *m)
{
    m->column = t->column_count;
    gs_column *c = gs_table_metric_column(t, &m->name, m->metric, NULL);
    c->in = m->in;
    if (m->time) c->centre = "median";
    bool moved = m->name.mode >= 0 && m->name.row->probability;
    if (m->change) gs_table_metric_column(t, &m->name, m->metric, moved ? "redistribution" : "difference");
    if (m->time) {
        c = gs_table_column(t, "%", "%s reached", m->metric);
        c->percent = true, c->spread = "sd", c->brief = "reached", c->centre = "share";
    }
    for (int k = 0; k < GS_EXTRA_COUNT && !m->beside && !m->time; k++) {
        if (!(spec->extras >> k & 1)) continue;
        c = gs_table_column(t, m->name.row->probability ? "%" : m->name.row->unit, "%s %s", m->metric, gs_extra_names[k]);
        c->percent = m->name.row->probability, c->digits = 4, c->brief = gs_extra_names[k];
    }
    if (!m->beside && gs_published_any(spec, m->metric)) gs_published_columns(t, spec, &m->name, m->metric);
}

static void add_columns(gs_table *t, const gs_frame *f, gs_shown *m, int count)
{
    gs_table_key_columns(t, &f->by);
    gs_table_column(t, "parameters", "params_total");
    gs_table_column(t, "parameters", "params_active");
    gs_table_column(t, "FLOPs", "flops_per_token");
    gs_column *mismatch = gs_table_column(t, "%", "mismatch");
    mismatch->percent = mismatch->change = true;
    gs_table_seed_columns(t);
    for (int k = 0; k < count; k++) add_metric(t, f->spec, &m[k]);
}

static gs_cell count_cell(const gs_points *runs, size_t offset)
{
    gs_cell cell = {.kind = GS_CELL_INT};
    for (int i = 0; i < runs->count; i++) {
        int64_t n = *(const int64_t *)((const char *)runs->at[i]->counts + offset);
        if (i == 0 || n < cell.i) cell.i = n;
        if (i == 0 || n > cell.high) cell.high = n;
    }
    return cell;
}

static gs_cell estimate_cell(gs_estimate e) { return (gs_cell){.kind = GS_CELL_ESTIMATE, .estimate = e}; }

static double extreme(const double *x, int n, int sign)
{
    double most = n ? x[0] : NAN;
    for (int i = 1; i < n; i++)
        if (sign * x[i] > sign * most) most = x[i];
    return most;
}

static double extra_of(const gs_sample *s, gs_extra which)
{
    switch (which) {
    case GS_EXTRA_MEDIAN: return gs_median(s->x, s->n);
    case GS_EXTRA_IQM: return gs_iqm(s->x, s->n);
    case GS_EXTRA_MIN: return extreme(s->x, s->n, -1);
    default: return extreme(s->x, s->n, 1);
    }
}

/* Kaplan-Meier's numbers; returns the next column. */
static int fill_times(gs_table *t, int row, const gs_frame *f, const gs_side *s, const gs_shown *m, bool own)
{
    gs_times x = gs_sample_times(s, m->metric);
    int column = m->column;
    *gs_table_cell(t, row, column++) = estimate_cell(gs_times_median(&x));
    if (m->change && !own) {
        gs_side base;
        gs_side_turn(f, s, &base);
        gs_times y = gs_sample_times(&base, m->metric);
        *gs_table_cell(t, row, column) = estimate_cell(gs_times_difference(&x, &y));
        free(y.x);
        gs_side_close(&base);
    }
    column += m->change;
    *gs_table_cell(t, row, column++) = estimate_cell(gs_times_share(&x));
    free(x.x);
    return column;
}

/* Means and what else is asked for; returns the next column. */
static int fill_means(gs_table *t, int row, const gs_frame *f, const gs_side *s, const gs_shown *m, const gs_sample *values, bool own)
{
    double scale = m->name.row->probability ? 100 : 1;
    int column = m->column;
    *gs_table_cell(t, row, column++) = estimate_cell(gs_estimate_of(values, scale, f->spec->interval));
    if (m->change && !own) {
        gs_sample d = gs_sample_differences(s, m->metric);
        *gs_table_cell(t, row, column) = estimate_cell(gs_estimate_of(&d, scale, f->spec->interval));
        free(d.x);
    }
    column += m->change;
    for (int k = 0; k < GS_EXTRA_COUNT && !m->beside; k++)
        if (f->spec->extras >> k & 1)
            *gs_table_cell(t, row, column++) = (gs_cell){.kind = GS_CELL_REAL, .r = scale * extra_of(values, (gs_extra)k)};
    return column;
}

static void fill_metric(gs_table *t, int row, const gs_frame *f, const gs_side *s, const gs_shown *m, bool own)
{
    gs_sample values = gs_sample_values(s, m->metric);
    int next = m->time ? fill_times(t, row, f, s, m, own) : fill_means(t, row, f, s, m, &values, own);
    if (!m->beside && gs_published_any(f->spec, m->metric)) gs_published_cells(t, row, next, f, row, m, &values);
    free(values.x);
}

static bool is_baseline(const gs_frame *f, int group)
{
    for (int i = 0; i < f->groups[group].count; i++)
        if (!gs_run_fits(f->groups[group].at[i]->run, &f->spec->baseline)) return false;
    return true;
}

static void fill_row(gs_table *t, const gs_frame *f, int group, const gs_shown *m, int count)
{
    gs_side s;
    gs_side_open(f, group, &s);
    int first = f->by.count;
    gs_table_key_cells(t, group, &f->by, s.runs.at[0]->run);
    *gs_table_cell(t, group, first + PARAMS_TOTAL) = count_cell(&s.runs, offsetof(gs_counts, params_total));
    *gs_table_cell(t, group, first + PARAMS_ACTIVE) = count_cell(&s.runs, offsetof(gs_counts, params_active));
    *gs_table_cell(t, group, first + FLOPS) = count_cell(&s.runs, offsetof(gs_counts, flops_per_token));
    double mismatch = 0;
    if (gs_side_mismatch(&s, &mismatch))
        *gs_table_cell(t, group, first + MISMATCH) = (gs_cell){.kind = GS_CELL_REAL, .r = 100 * mismatch};
    gs_table_seed_cells(t, group, first + SEEDS, f, group, gs_side_seeds(&s));
    bool own = f->baseline.count && is_baseline(f, group);
    for (int k = 0; k < count; k++) fill_metric(t, group, f, &s, &m[k], own);
    gs_side_close(&s);
}

void gs_selector_text(const gs_selector *s, gs_buf *out)
{
    char text[64];
    for (int k = 0; k < s->count; k++) {
        const gs_term *term = &s->terms[k];
        gs_buf_add(out, "%s%s ", k ? ", " : "", gs_keys[term->key].name);
        for (int v = 0; v < term->count; v++) gs_buf_add(out, "%s%s", v ? " or " : "", gs_value_text(term->key, term->values[v], text));
    }
}

/* The matched keys that vary within some row: over these its numbers are means. */
static gs_keyset averaged_keys(const gs_frame *f)
{
    gs_keyset out = {0};
    for (int g = 0; g < f->group_count; g++) {
        gs_side s;
        gs_side_open(f, g, &s);
        for (int k = 0; k < s.matched.count; k++) {
            gs_keyset one = {1, {s.matched.at[k]}};
            if (gs_points_spread(&s.runs, &one)) gs_keys_add(&out, one.at[0]);
        }
        gs_side_close(&s);
    }
    return out;
}

static void note_published(gs_table *t, const gs_table_spec *spec)
{
    bool times = false;
    gs_buf sources = {0};
    for (int k = 0; k < spec->published_count; k++) {
        const gs_published *p = &spec->published[k];
        gs_metric_name m;
        times = times || (!gs_metric_parse(p->metric, &m) && gs_metric_is_time(&m));
        if (p->source && !(sources.text && strstr(sources.text, p->source)))
            gs_buf_add(&sources, "%s%s", sources.length ? "; " : "", p->source);
    }
    gs_table_note(t, "published: its population sd as one of n - 1. z: (ours - published) / sqrt(se^2 of ours + sd^2/(n - 1) of the "
                     "published population sd).%s%s",
                  sources.length ? " Sources: " : "", sources.length ? sources.text : "");
    if (times)
        gs_table_note(t, "Published steps are means over the (k of n) seeds that got there; they are held against our mean only where "
                         "every seed of both got there. p of the shares: Fisher's, of our share that got there against theirs.");
    gs_buf_free(&sources);
}

static void add_notes(gs_table *t, const gs_frame *f)
{
    bool mismatch = false;
    for (int g = 0; g < f->group_count; g++) mismatch |= gs_table_cell(t, g, f->by.count + MISMATCH)->kind == GS_CELL_REAL;
    gs_table_note(t, "mean ± sd (n - 1) [%s] over seeds.%s", gs_interval_text(f->spec->interval),
                  mismatch ? " mismatch: the count that match solves for, else params_total, against the baseline." : "");
    if (f->spec->baseline.count) {
        gs_buf text = {0};
        gs_selector_text(&f->spec->baseline, &text);
        if (f->baseline.count) gs_table_note(t, "Baseline: %s. Differences from it are paired by seed.", text.text);
        else gs_table_note(t, "Baseline: %s. It has no runs under --set, so there are no differences.", text.text);
        gs_buf_free(&text);
    }
    gs_keyset keys = averaged_keys(f);
    for (int k = 0; k < keys.count; k++)
        gs_table_note(t, "%s is matched with the baseline; each seed's numbers are means over its values.", gs_keys[keys.at[k]].name);
    if (f->spec->published_count) note_published(t, f->spec);
    gs_table_common_notes(t, f);
}

void gs_comparison_make(const gs_frame *f, gs_table *out)
{
    int count;
    gs_shown *m = gs_shown_metrics(f->spec, &count);
    for (int k = 0; k < count; k++) m[k].change = !m[k].beside && f->baseline.count > 0;
    *out = (gs_table){.name = gs_text("%s", f->spec->name), .kind = "comparison"};
    add_columns(out, f, m, count);
    gs_table_rows(out, f->group_count);
    for (int g = 0; g < f->group_count; g++) fill_row(out, f, g, m, count);
    add_notes(out, f);
    gs_shown_free(m, count);
}
