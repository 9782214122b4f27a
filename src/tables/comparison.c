/* The parameter-matched table: a row per combination of the row keys, with counts, mismatch, metrics and paired differences. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "tables/table.h"

enum { PARAMS_TOTAL, PARAMS_ACTIVE, FLOPS, MISMATCH, SEEDS }; /* the columns between the keys and the metrics */

static void add_columns(gs_table *t, const gs_frame *f, gs_shown *m, int count)
{
    gs_table_key_columns(t, &f->by);
    gs_table_column(t, "parameters", "params_total");
    gs_table_column(t, "parameters", "params_active");
    gs_table_column(t, "FLOPs", "flops_per_token");
    gs_column *mismatch = gs_table_column(t, "%", "mismatch");
    mismatch->percent = mismatch->change = true;
    gs_table_seed_columns(t);
    for (int k = 0; k < count; k++) {
        m[k].column = t->column_count;
        gs_table_metric_column(t, &m[k].name, m[k].metric, NULL)->in = m[k].in;
        bool moved = m[k].name.mode >= 0 && m[k].name.row->probability;
        if (m[k].change) gs_table_metric_column(t, &m[k].name, m[k].metric, moved ? "redistribution" : "difference");
    }
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

static gs_cell estimate_cell(gs_sample s, const gs_metric_name *m)
{
    gs_cell cell = {.kind = GS_CELL_ESTIMATE, .estimate = gs_estimate_of(&s, m->row->probability ? 100 : 1)};
    free(s.x);
    return cell;
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
    for (int k = 0; k < count; k++) {
        *gs_table_cell(t, group, m[k].column) = estimate_cell(gs_sample_values(&s, m[k].metric), &m[k].name);
        if (m[k].change && !own)
            *gs_table_cell(t, group, m[k].column + 1) = estimate_cell(gs_sample_differences(&s, m[k].metric), &m[k].name);
    }
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

static void add_notes(gs_table *t, const gs_frame *f)
{
    bool mismatch = false;
    for (int g = 0; g < f->group_count; g++) mismatch |= gs_table_cell(t, g, f->by.count + MISMATCH)->kind == GS_CELL_REAL;
    gs_table_note(t, "mean ± sd (n - 1) [95 %% t interval] over seeds.%s",
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
