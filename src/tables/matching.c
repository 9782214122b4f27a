/* The audit of a comparison: every count with and without embeddings, its mismatch against the baseline, and all that differs besides the
 * row's keys. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tables/table.h"

enum { TOTAL, TOTAL_BODY, ACTIVE, ACTIVE_BODY, FLOPS, TRAIN, COUNT_COUNT };
static const char *const count_names[COUNT_COUNT] = {"params_total",       "params_total without embeddings", "params_active",
                                                     "params_active without embeddings", "flops_per_token",   "train_flops"};

static int64_t count_of(const gs_counts *n, int which)
{
    const int64_t counts[COUNT_COUNT] = {n->params_total,    n->params_total - n->params_embedding, n->params_active,
                                         n->params_active - n->params_embedding, n->flops_per_token, n->train_flops};
    return counts[which];
}

static void add_columns(gs_table *t, const gs_frame *f)
{
    gs_table_key_columns(t, &f->by);
    for (int k = 0; k < COUNT_COUNT; k++) {
        gs_table_column(t, k < FLOPS ? "parameters" : "FLOPs", "%s", count_names[k]);
        gs_column *c = gs_table_column(t, "%", "%s mismatch", count_names[k]);
        c->percent = c->change = true;
        c->brief = "mismatch";
    }
    gs_column *c = gs_table_column(t, "%", "match mismatch");
    c->percent = c->change = true;
    gs_table_column(t, "", "differs (row / baseline)")->text = true;
}

/* The baseline's run that a run meets; NULL: there is none. */
static const gs_point *partner(const gs_side *s, gs_run r)
{
    int at = gs_side_find(s, &s->matched, r);
    return at < 0 ? NULL : s->against.at[at];
}

static void fill_counts(gs_table *t, int row, int first, const gs_side *s)
{
    for (int k = 0; k < COUNT_COUNT; k++) {
        gs_cell cell = {.kind = GS_CELL_INT}, mismatch = {.kind = GS_CELL_NONE};
        for (int i = 0; i < s->runs.count; i++) {
            int64_t n = count_of(s->runs.at[i]->counts, k);
            if (i == 0 || n < cell.i) cell.i = n;
            if (i == 0 || n > cell.high) cell.high = n;
            const gs_point *base = partner(s, s->runs.at[i]->run);
            if (!base) continue;
            double m = (double)count_of(base->counts, k);
            double off = m != 0 ? 100 * ((double)n - m) / m : NAN;
            if (mismatch.kind == GS_CELL_NONE || fabs(off) > fabs(mismatch.r))
                mismatch = (gs_cell){.kind = GS_CELL_REAL, .r = off};
        }
        *gs_table_cell(t, row, first + 2 * k) = cell;
        *gs_table_cell(t, row, first + 2 * k + 1) = mismatch;
    }
}

/* What `match` achieved, the largest in size. */
static void fill_match(gs_table *t, int row, int column, const gs_side *s)
{
    gs_cell *cell = gs_table_cell(t, row, column);
    for (int i = 0; i < s->runs.count; i++) {
        double mismatch;
        if (!gs_run_matched(s->runs.at[i]->run, &mismatch)) continue;
        if (cell->kind == GS_CELL_NONE || fabs(100 * mismatch) > fabs(cell->r))
            *cell = (gs_cell){.kind = GS_CELL_REAL, .r = 100 * mismatch};
    }
}

/* Adds "key ours / theirs" where the two differ, once. */
static void add_difference(gs_key key, gs_run run, gs_run base, gs_buf *out)
{
    gs_value a = gs_run_value(run, key), b = gs_run_value(base, key);
    char x[64], y[64];
    if (a.set == b.set && (!a.set || gs_value_same(key, a, b))) return;
    char *text = gs_text("%s %s / %s", gs_keys[key].name, a.set ? gs_value_text(key, a, x) : "–", b.set ? gs_value_text(key, b, y) : "–");
    if (!out->text || !strstr(out->text, text)) gs_buf_add(out, "%s%s", out->length ? ", " : "", text);
    free(text);
}

static void fill_differences(gs_table *t, int row, int column, const gs_frame *f, const gs_side *s)
{
    gs_buf text = {0};
    for (int key = 0; key < GS_KEY_COUNT; key++) {
        if (key == GS_SEED || gs_keys_have(&f->by, (gs_key)key)) continue;
        for (int i = 0; i < s->runs.count; i++) {
            const gs_point *base = partner(s, s->runs.at[i]->run);
            if (base) add_difference((gs_key)key, s->runs.at[i]->run, base->run, &text);
        }
    }
    if (text.length) *gs_table_cell(t, row, column) = (gs_cell){.kind = GS_CELL_TEXT, .text = gs_text("%s", text.text)};
    gs_buf_free(&text);
}

void gs_matching_make(const gs_frame *f, gs_table *out)
{
    *out = (gs_table){.name = gs_text("%s_matching", f->spec->name), .kind = "matching"};
    add_columns(out, f);
    gs_table_rows(out, f->group_count);
    int first = f->by.count, match = first + 2 * COUNT_COUNT;
    for (int g = 0; g < f->group_count; g++) {
        gs_side s;
        gs_side_open(f, g, &s);
        gs_table_key_cells(out, g, &f->by, s.runs.at[0]->run);
        fill_counts(out, g, first, &s);
        fill_match(out, g, match, &s);
        fill_differences(out, g, match + 1, f, &s);
        gs_side_close(&s);
    }
    gs_buf text = {0};
    gs_selector_text(&f->spec->baseline, &text);
    gs_table_note(out, "Against the baseline, %s; mismatch: (row - baseline)/baseline. Embeddings: tokens, positions and readout. match "
                       "mismatch: of the count that `match` solves for, against its reference.",
                  text.text);
    gs_buf_free(&text);
}
