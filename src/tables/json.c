/* A table as JSON: its columns with their units, one object per row, exact numbers, null for what is not known. */
#include <math.h>

#include "tables/table.h"

static void add_string(const char *text, gs_buf *out)
{
    gs_buf_add(out, "\"");
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') gs_buf_add(out, "\\%c", *text);
        else if ((unsigned char)*text < 0x20) gs_buf_add(out, "\\u%04x", *text);
        else gs_buf_add(out, "%c", *text);
    }
    gs_buf_add(out, "\"");
}

static void add_real(double x, gs_buf *out)
{
    char text[32];
    gs_buf_add(out, "%s", isfinite(x) ? gs_real(x, text) : "null");
}

static void add_estimate(const gs_column *c, const gs_estimate *e, gs_buf *out)
{
    gs_buf_add(out, "{\"%s\": ", c->centre ? c->centre : "mean"), add_real(e->mean, out);
    gs_buf_add(out, ", \"%s\": ", c->spread), add_real(e->spread, out);
    gs_buf_add(out, ", \"low\": "), add_real(e->interval.low, out);
    gs_buf_add(out, ", \"high\": "), add_real(e->interval.high, out);
    gs_buf_add(out, ", \"n\": %d, \"n_runs\": %d}", e->n, e->of);
}

static void add_cell(const gs_column *c, const gs_cell *cell, gs_buf *out)
{
    switch (cell->kind) {
    case GS_CELL_NONE: gs_buf_add(out, "null"); break;
    case GS_CELL_TEXT: add_string(cell->text, out); break;
    case GS_CELL_INT:
        if (cell->high > cell->i) gs_buf_add(out, "[%lld, %lld]", (long long)cell->i, (long long)cell->high);
        else gs_buf_add(out, "%lld", (long long)cell->i);
        break;
    case GS_CELL_REAL: add_real(cell->r, out); break;
    case GS_CELL_ESTIMATE: add_estimate(c, &cell->estimate, out); break;
    }
}

static void add_columns(const gs_table *t, gs_buf *out)
{
    bool first = true;
    for (int c = 0; c < t->column_count; c++) {
        if (!(t->columns[c].in & GS_IN_JSON)) continue;
        gs_buf_add(out, first ? "\n    {\"name\": " : ",\n    {\"name\": ");
        add_string(t->columns[c].name, out);
        gs_buf_add(out, ", \"unit\": "), add_string(t->columns[c].unit, out);
        gs_buf_add(out, "}");
        first = false;
    }
}

static void add_row(const gs_table *t, int row, gs_buf *out)
{
    bool first = true;
    gs_buf_add(out, row ? ",\n    {" : "\n    {");
    for (int c = 0; c < t->column_count; c++) {
        if (!(t->columns[c].in & GS_IN_JSON)) continue;
        gs_buf_add(out, first ? "" : ", ");
        add_string(t->columns[c].name, out);
        gs_buf_add(out, ": ");
        add_cell(&t->columns[c], &t->cells[(size_t)row * (size_t)t->column_count + (size_t)c], out);
        first = false;
    }
    gs_buf_add(out, "}");
}

void gs_table_json(const gs_table *t, gs_buf *out)
{
    gs_buf_add(out, "{\n  \"name\": "), add_string(t->name, out);
    gs_buf_add(out, ",\n  \"kind\": \"%s\",\n  \"columns\": [", t->kind);
    add_columns(t, out);
    gs_buf_add(out, "\n  ],\n  \"rows\": [");
    for (int row = 0; row < t->row_count; row++) add_row(t, row, out);
    gs_buf_add(out, "\n  ],\n  \"notes\": [");
    for (int k = 0; k < t->note_count; k++) {
        gs_buf_add(out, k ? ",\n    " : "\n    ");
        add_string(t->notes[k], out);
    }
    gs_buf_add(out, "\n  ]\n}\n");
}
