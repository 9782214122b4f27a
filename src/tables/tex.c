/* A table as LaTeX (booktabs), to be read in with \input. */
#include <ctype.h>
#include <string.h>

#include "tables/table.h"

static void add_escaped(const char *text, gs_buf *out)
{
    static const char special[] = "&%$#_{}";
    for (char before = ' '; *text; before = *text++) {
        if (*text == '-' && strchr(" [", before) && isdigit((unsigned char)text[1])) gs_buf_add(out, "$-$"); /* a minus, no hyphen */
        else if (strchr(special, *text)) gs_buf_add(out, "\\%c", *text);
        else if (*text == '\\') gs_buf_add(out, "\\textbackslash{}");
        else if (*text == '~') gs_buf_add(out, "\\textasciitilde{}");
        else if (*text == '^') gs_buf_add(out, "\\textasciicircum{}");
        else if (!strncmp(text, "±", 2)) gs_buf_add(out, "$\\pm$"), text++;
        else gs_buf_add(out, "%c", *text);
    }
}

static void add_row(const gs_table *t, int row, gs_buf *out)
{
    bool first = true;
    for (int c = 0; c < t->column_count; c++) {
        const gs_column *column = &t->columns[c];
        if (!(column->in & GS_IN_TEX)) continue;
        gs_buf text = {0};
        if (row < 0) gs_head_text(column, &text);
        else gs_cell_text(column, &t->cells[(size_t)row * (size_t)t->column_count + (size_t)c], " ± ", "--", &text);
        gs_buf_add(out, first ? "" : " & ");
        if (*text.text == '[') gs_buf_add(out, "{}"); /* a bracket after \\ would be its argument */
        add_escaped(text.text, out);
        gs_buf_free(&text);
        first = false;
    }
    gs_buf_add(out, " \\\\\n");
}

void gs_table_tex(const gs_table *t, gs_buf *out)
{
    gs_buf_add(out, "%% needs \\usepackage{booktabs}\n\\begin{tabular}{");
    for (int c = 0; c < t->column_count; c++)
        if (t->columns[c].in & GS_IN_TEX) gs_buf_add(out, t->columns[c].text ? "l" : "r");
    gs_buf_add(out, "}\n\\toprule\n");
    add_row(t, -1, out);
    gs_buf_add(out, "\\midrule\n");
    for (int row = 0; row < t->row_count; row++) add_row(t, row, out);
    gs_buf_add(out, "\\bottomrule\n\\end{tabular}\n");
    for (int k = 0; k < t->note_count; k++) {
        gs_buf_add(out, "\\par{\\footnotesize ");
        add_escaped(t->notes[k], out);
        gs_buf_add(out, "\\par}\n");
    }
}
