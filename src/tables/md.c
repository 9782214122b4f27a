/* A table as Markdown, its columns padded so that the text is a table too. */
#include <stdlib.h>
#include <string.h>

#include "tables/table.h"

static void add_escaped(const char *text, gs_buf *out)
{
    for (; *text; text++) gs_buf_add(out, *text == '|' ? "\\|" : "%c", *text);
}

/* The text of a cell, row -1 being the header; owned by the caller. */
static char *cell_text(const gs_table *t, int row, int column)
{
    const gs_column *c = &t->columns[column];
    gs_buf raw = {0}, text = {0};
    if (row < 0) gs_head_text(c, &raw);
    else gs_cell_text(c, &t->cells[(size_t)row * (size_t)t->column_count + (size_t)column], " ± ", "–", &raw);
    gs_buf_add(&text, "%s", "");
    add_escaped(raw.text, &text);
    gs_buf_free(&raw);
    return text.text;
}

static int column_width(const gs_table *t, int column)
{
    int most = 3;
    for (int row = -1; row < t->row_count; row++) {
        char *text = cell_text(t, row, column);
        if (gs_text_width(text) > most) most = gs_text_width(text);
        free(text);
    }
    return most;
}

static void add_row(const gs_table *t, int row, const int *widths, gs_buf *out)
{
    for (int c = 0; c < t->column_count; c++) {
        if (!(t->columns[c].in & GS_IN_MD)) continue;
        char *text = cell_text(t, row, c);
        int pad = widths[c] - gs_text_width(text);
        bool left = t->columns[c].text;
        gs_buf_add(out, "| %*s%s%*s ", left ? 0 : pad, "", text, left ? pad : 0, "");
        free(text);
    }
    gs_buf_add(out, "|\n");
}

static void add_rule(const gs_table *t, const int *widths, gs_buf *out)
{
    for (int c = 0; c < t->column_count; c++) {
        if (!(t->columns[c].in & GS_IN_MD)) continue;
        gs_buf_add(out, "| ");
        for (int k = 1; k < widths[c]; k++) gs_buf_add(out, "-");
        gs_buf_add(out, t->columns[c].text ? "- " : ": ");
    }
    gs_buf_add(out, "|\n");
}

void gs_table_md(const gs_table *t, gs_buf *out)
{
    int *widths = gs_alloc((size_t)t->column_count + 1, sizeof *widths);
    for (int c = 0; c < t->column_count; c++) widths[c] = column_width(t, c);
    gs_buf_add(out, "## %s\n\n", t->name);
    add_row(t, -1, widths, out);
    add_rule(t, widths, out);
    for (int row = 0; row < t->row_count; row++) add_row(t, row, widths, out);
    gs_buf_add(out, "\n");
    for (int k = 0; k < t->note_count; k++) gs_buf_add(out, "%s\n", t->notes[k]);
    free(widths);
}
