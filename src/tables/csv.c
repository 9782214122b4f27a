/* A table as CSV (RFC 4180, LF): one header line; an estimate takes six columns. Numbers exact, an unknown one is empty. */
#include <math.h>
#include <string.h>

#include "tables/table.h"

void gs_csv_field(const char *text, gs_buf *out)
{
    if (!strpbrk(text, ",\"\r\n")) {
        gs_buf_add(out, "%s", text);
        return;
    }
    gs_buf_add(out, "\"");
    for (; *text; text++) gs_buf_add(out, *text == '"' ? "\"\"" : "%c", *text);
    gs_buf_add(out, "\"");
}

static void add_name(const gs_column *c, const char *part, bool unit, gs_buf *out)
{
    gs_buf name = {0};
    gs_buf_add(&name, "%s%s%s", c->name, *part ? " " : "", part);
    if (unit && *c->unit) gs_buf_add(&name, " (%s)", c->unit);
    gs_csv_field(name.text, out);
    gs_buf_free(&name);
}

static void add_names(const gs_column *c, gs_buf *out)
{
    if (!c->spread) {
        add_name(c, "", true, out);
        return;
    }
    add_name(c, c->change ? "" : c->centre ? c->centre : "mean", true, out);
    const char *parts[] = {c->spread, "low", "high"};
    for (int k = 0; k < 3; k++) gs_buf_add(out, ","), add_name(c, parts[k], true, out);
    gs_buf_add(out, ","), add_name(c, "n", false, out);
    gs_buf_add(out, ","), add_name(c, "n_runs", false, out);
}

static void add_real(double x, gs_buf *out)
{
    char text[32];
    if (!isnan(x)) gs_buf_add(out, "%s", gs_real(x, text));
}

static void add_cell(const gs_column *c, const gs_cell *cell, gs_buf *out)
{
    const gs_estimate *e = &cell->estimate;
    switch (cell->kind) {
    case GS_CELL_NONE: gs_buf_add(out, "%s", c->spread ? ",,,,," : ""); break;
    case GS_CELL_TEXT: gs_csv_field(cell->text, out); break;
    case GS_CELL_INT:
        gs_buf_add(out, "%lld", (long long)cell->i);
        if (cell->high > cell->i) gs_buf_add(out, "..%lld", (long long)cell->high);
        break;
    case GS_CELL_REAL: add_real(cell->r, out); break;
    case GS_CELL_ESTIMATE: {
        const double numbers[] = {e->mean, e->spread, e->interval.low, e->interval.high};
        for (int k = 0; k < 4; k++) add_real(numbers[k], out), gs_buf_add(out, ",");
        gs_buf_add(out, "%d,%d", e->n, e->of);
        break;
    }
    }
}

void gs_table_csv(const gs_table *t, gs_buf *out)
{
    for (int row = -1; row < t->row_count; row++) {
        bool first = true;
        for (int c = 0; c < t->column_count; c++) {
            if (!(t->columns[c].in & GS_IN_CSV)) continue;
            if (!first) gs_buf_add(out, ",");
            first = false;
            if (row < 0) add_names(&t->columns[c], out);
            else add_cell(&t->columns[c], &t->cells[(size_t)row * (size_t)t->column_count + (size_t)c], out);
        }
        gs_buf_add(out, "\n");
    }
}
