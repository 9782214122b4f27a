/* A table in memory, and the columns and notes that both kinds of table share. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tables/table.h"

gs_column *gs_table_column(gs_table *t, const char *unit, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *name = gs_text_of(format, args);
    va_end(args);
    t->columns = gs_grow(t->columns, (size_t)t->column_count + 1, sizeof *t->columns);
    gs_column *column = &t->columns[t->column_count++];
    *column = (gs_column){.name = name, .unit = gs_text("%s", unit), .in = GS_IN_ALL};
    return column;
}

void gs_table_rows(gs_table *t, int count)
{
    t->row_count = count;
    t->cells = gs_alloc((size_t)count * (size_t)t->column_count + 1, sizeof *t->cells);
}

gs_cell *gs_table_cell(gs_table *t, int row, int column)
{
    return &t->cells[(size_t)row * (size_t)t->column_count + (size_t)column];
}

void gs_table_note(gs_table *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *note = gs_text_of(format, args);
    va_end(args);
    t->notes = gs_grow(t->notes, (size_t)t->note_count + 1, sizeof *t->notes);
    t->notes[t->note_count++] = note;
}

void gs_table_close(gs_table *t)
{
    for (int c = 0; c < t->column_count; c++) free(t->columns[c].name), free(t->columns[c].unit);
    for (size_t k = 0; k < (size_t)t->row_count * (size_t)t->column_count; k++) free(t->cells[k].text);
    for (int k = 0; k < t->note_count; k++) free(t->notes[k]);
    free(t->columns);
    free(t->cells);
    free(t->notes);
    free(t->name);
    *t = (gs_table){0};
}

void gs_table_key_columns(gs_table *t, const gs_keyset *keys)
{
    for (int k = 0; k < keys->count; k++) {
        const gs_key_row *row = &gs_keys[keys->at[k]];
        gs_table_column(t, row->unit, "%s", row->name)->text = row->type == GS_TYPE_ENUM || row->type == GS_TYPE_BOOL;
    }
    t->key_count = keys->count;
}

/* The first cells of a row are its keys; an absent key is an empty cell. */
void gs_table_key_cells(gs_table *t, int row, const gs_keyset *keys, gs_run run)
{
    for (int k = 0; k < keys->count; k++) {
        gs_value v = gs_run_value(run, keys->at[k]);
        gs_cell *cell = gs_table_cell(t, row, k);
        gs_type type = gs_keys[keys->at[k]].type;
        char text[64];
        if (!v.set) continue;
        if (type == GS_TYPE_INT) *cell = (gs_cell){.kind = GS_CELL_INT, .i = v.i, .high = v.i};
        else if (type == GS_TYPE_REAL) *cell = (gs_cell){.kind = GS_CELL_REAL, .r = v.r};
        else *cell = (gs_cell){.kind = GS_CELL_TEXT, .text = gs_text("%s", gs_value_text(keys->at[k], v, text))};
    }
}

/* A metric's estimates: in percent when it is a probability. change: what follows the name ("slope"); NULL: its value. */
gs_column *gs_table_metric_column(gs_table *t, const gs_metric_name *m, const char *metric, const char *change)
{
    const char *unit = !m->row->probability ? m->row->unit : change ? "pp" : "%";
    gs_column *column = gs_table_column(t, unit, change ? "%s %s" : "%s", metric, change);
    column->percent = m->row->probability;
    column->change = change != NULL;
    column->brief = change;
    column->spread = "sd";
    return column;
}

static gs_interval resampled(const gs_sample *s, bool bca)
{
    int32_t *indices = gs_alloc((size_t)s->n * GS_BOOTSTRAP_DRAWS + 1, sizeof *indices);
    gs_bootstrap_indices(s->n, GS_BOOTSTRAP_DRAWS, indices);
    gs_interval out = gs_bootstrap(s->x, s->n, gs_mean, indices, GS_BOOTSTRAP_DRAWS, bca, 0.95);
    free(indices);
    return out;
}

gs_estimate gs_estimate_of(const gs_sample *s, double scale, gs_interval_kind interval)
{
    double mean = gs_mean(s->x, s->n), sd = gs_sd(s->x, s->n);
    gs_interval i = gs_t_interval(mean * scale, sd * scale, s->n, 0.95);
    if (interval != GS_INTERVAL_T && s->n > 1) {
        i = resampled(s, interval == GS_INTERVAL_BCA);
        i.low *= scale, i.high *= scale;
    }
    return (gs_estimate){mean * scale, sd * scale, i, s->n, s->of};
}

const char *gs_interval_text(gs_interval_kind interval)
{
    static const char *const texts[GS_INTERVAL_COUNT] = {"95 % t interval", "95 % BCa bootstrap interval, 10,000 draws",
                                                         "95 % percentile bootstrap interval, 10,000 draws"};
    return texts[interval];
}

void gs_table_seed_columns(gs_table *t)
{
    gs_table_column(t, "", "seeds");
    gs_column *partial = gs_table_column(t, "", "partial");
    partial->in = GS_IN_CSV | GS_IN_JSON;
    partial->text = true;
}

void gs_table_seed_cells(gs_table *t, int row, int first, const gs_frame *f, int group, int seeds)
{
    bool whole = gs_group_whole(f, group);
    *gs_table_cell(t, row, first) = (gs_cell){.kind = GS_CELL_INT, .i = seeds, .high = seeds, .mark = !whole};
    *gs_table_cell(t, row, first + 1) = (gs_cell){.kind = GS_CELL_TEXT, .text = gs_text("%s", whole ? "no" : "yes")};
}

static void note_left_out(gs_table *t, const gs_frame *f)
{
    int failed = 0, missing = 0;
    for (int i = 0; i < f->all.count; i++) {
        if (f->all.at[i]->metrics) continue;
        failed += f->all.at[i]->failed;
        missing += !f->all.at[i]->failed;
    }
    if (failed + missing == 0) return;
    gs_table_note(t, "Left out of %d runs: %d failed, %d without a result (results.csv names them).", f->all.count, failed, missing);
}

static void note_partial(gs_table *t, const gs_frame *f)
{
    int partial = 0;
    for (int g = 0; g < f->group_count; g++) partial += !gs_group_whole(f, g);
    if (partial) gs_table_note(t, "* The row lacks seeds that other rows have: its numbers are over fewer or other seeds.");
}

static void note_pool(gs_table *t, const gs_frame *f)
{
    if (!f->spec->pool_count) return;
    gs_buf names = {0};
    for (int k = 0; k < f->spec->pool_count; k++) gs_buf_add(&names, "%s%s", k ? ", " : "", gs_keys[f->spec->pool[k]].name);
    gs_table_note(t, "Averaged within each seed over: %s.", names.text);
    gs_buf_free(&names);
}

static void note_censored(gs_table *t)
{
    bool missing = false, times = false;
    for (size_t k = 0; k < (size_t)t->row_count * (size_t)t->column_count; k++) {
        bool time = t->columns[k % (size_t)t->column_count].centre;
        times = times || time;
        missing = missing || (!time && t->cells[k].kind == GS_CELL_ESTIMATE && t->cells[k].estimate.n < t->cells[k].estimate.of);
    }
    if (missing) gs_table_note(t, "(k of n): only k of the n seeds have the number; the mean is over those.");
    if (times)
        gs_table_note(t, "Steps to a level: Kaplan-Meier median with its log-log limits, and (k of n) seeds that got there; the others are "
                         "censored at the steps done. Differences of steps are of means restricted to where both curves are known "
                         "(normal interval; – : no seed of either got there). reached: with Wilson's interval.");
}

void gs_table_common_notes(gs_table *t, const gs_frame *f)
{
    note_pool(t, f);
    note_censored(t);
    note_partial(t, f);
    note_left_out(t, f);
}
