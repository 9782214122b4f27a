/* A table for the terminal: as narrow as it can be. The metrics stand in blocks below each other, each beside the row keys; what
 * is the same in every row is said once. A mean whose difference stands beside it leaves its own interval to the md. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tables/table.h"

enum { SCREEN_WIDTH = 110, GAP = 2, HEAD_ABOVE = -2, HEAD = -1 };

typedef struct layout {
    const gs_table *table;
    int *widths;  /* (columns), owned */
    bool *folded; /* (columns), owned: the same in every row, or not for people */
} layout;

static bool is_pair(const gs_table *t, int column)
{
    return column + 1 < t->column_count && t->columns[column].spread && t->columns[column + 1].change && t->columns[column + 1].spread;
}

static bool is_head_of(const gs_table *t, int column, const char *head)
{
    const char *dot = strrchr(t->columns[column].name, '.');
    return !strcmp(dot ? dot + 1 : t->columns[column].name, head);
}

/* A key's last word, where no other column has the same; the counts by the names that `plan` prints. */
static void add_head(const gs_table *t, int column, gs_buf *out)
{
    static const char *const names[][2] = {
        {"params_total", "params"}, {"params_active", "active"}, {"flops_per_token", "FLOPs/token"}, {"mismatch", "mismatch %"}};
    const char *name = t->columns[column].name, *dot = strrchr(name, '.');
    for (size_t k = 0; k < sizeof names / sizeof *names; k++)
        if (!strcmp(name, names[k][0])) name = names[k][1], dot = NULL;
    bool alone = dot != NULL;
    for (int c = 0; alone && c < t->column_count; c++) alone = c == column || t->columns[c].spread || !is_head_of(t, c, dot + 1);
    gs_buf_add(out, "%s", alone ? dot + 1 : name);
}

static void add_metric(const gs_column *c, gs_buf *out)
{
    for (const char *s = c->name; *s; s++) gs_buf_add(out, "%c", *s == '.' ? ' ' : *s);
    gs_buf_add(out, "%s%s", *c->unit ? " " : "", c->unit);
}

static void add_cell(const gs_table *t, int row, int column, gs_buf *out)
{
    gs_cell cell = t->cells[(size_t)row * (size_t)t->column_count + (size_t)column];
    bool exact = cell.kind == GS_CELL_ESTIMATE && cell.estimate.spread == 0 && !t->columns[column].change;
    if (is_pair(t, column) || exact) cell.estimate.interval = (gs_interval){NAN, NAN};
    if (exact && !is_pair(t, column)) cell.estimate.spread = NAN;
    gs_cell_text(&t->columns[column], &cell, " ± ", "–", out);
}

/* What the numbers of an estimate's column are. */
static void add_centre(const gs_table *t, int column, gs_buf *out)
{
    const gs_column *c = &t->columns[column];
    if (c->change) gs_buf_add(out, "%s%s%s", c->brief, *c->unit ? " " : "", c->unit);
    else gs_buf_add(out, "%s%s", c->centre ? c->centre : "mean ± sd", is_pair(t, column) ? "" : " [95 %]");
}

/* Owned by the caller. */
static char *text_of(const gs_table *t, int row, int column)
{
    const gs_column *c = &t->columns[column];
    gs_buf out = {0};
    gs_buf_add(&out, "%s", "");
    if (row >= 0) add_cell(t, row, column, &out);
    else if (!c->spread && row == HEAD) add_head(t, column, &out);
    else if (c->spread && !c->change && row == HEAD_ABOVE) add_metric(c, &out);
    else if (c->spread && row == HEAD)
        add_centre(t, column, &out);
    return out.text;
}

static bool is_empty(const gs_table *t, int column)
{
    for (int row = 0; row < t->row_count; row++)
        if (t->cells[(size_t)row * (size_t)t->column_count + (size_t)column].kind != GS_CELL_NONE) return false;
    return true;
}

static bool is_constant(const gs_table *t, int column)
{
    char *first = t->row_count > 1 ? text_of(t, 0, column) : NULL;
    bool same = first && !t->columns[column].change && !is_pair(t, column);
    for (int row = 1; same && row < t->row_count; row++) {
        char *text = text_of(t, row, column);
        same = !strcmp(first, text);
        free(text);
    }
    free(first);
    return same;
}

static int column_width(const gs_table *t, int column)
{
    int most = 0, above = 0;
    for (int row = HEAD_ABOVE; row < t->row_count; row++) {
        char *text = text_of(t, row, column);
        int width = gs_text_width(text);
        if (row == HEAD_ABOVE) above = width;
        else if (width > most) most = width;
        free(text);
    }
    int beside = is_pair(t, column) ? GAP + column_width(t, column + 1) : 0; /* the name stands above both */
    return above > most + beside ? above - beside : most;
}

static layout layout_of(const gs_table *t)
{
    layout l = {t, gs_alloc((size_t)t->column_count + 1, sizeof *l.widths), gs_alloc((size_t)t->column_count + 1, sizeof *l.folded)};
    for (int c = 0; c < t->column_count; c++) {
        l.widths[c] = column_width(t, c);
        l.folded[c] = !(t->columns[c].in & GS_IN_MD) || (c >= t->key_count && (is_empty(t, c) || is_constant(t, c)));
    }
    return l;
}

/* -- blocks --------------------------------------------------------------------------------------------------------- */

static int piece_width(const layout *l, int column)
{
    return GAP + l->widths[column] + (is_pair(l->table, column) ? GAP + l->widths[column + 1] : 0);
}

/* The column behind the last one that fits beside the keys; at least one does. */
static int block_end(const layout *l, int first)
{
    const gs_table *t = l->table;
    int width = -GAP, c = first;
    for (int k = 0; k < t->key_count; k++) width += piece_width(l, k);
    for (bool any = false; c < t->column_count; c += is_pair(t, c) ? 2 : 1) {
        if (l->folded[c]) continue;
        width += piece_width(l, c);
        if (any && width > SCREEN_WIDTH) break;
        any = true;
    }
    return c;
}

/* The keys and the columns first..end-1. */
static void add_line(const layout *l, int row, int first, int end, gs_buf *out)
{
    const gs_table *t = l->table;
    int at = 0, written = 0; /* in characters */
    for (int c = t->key_count ? 0 : first; c < end; c = c + 1 == t->key_count ? first : c + 1) {
        if (l->folded[c]) continue;
        char *text = text_of(t, row, c);
        int length = gs_text_width(text);
        bool left = t->columns[c].text || (row == HEAD_ABOVE && is_pair(t, c)); /* which may go on over the next column */
        int start = left ? at : at + l->widths[c] - length;
        if (length) gs_buf_add(out, "%*s%s", start - written, "", text), written = start + length;
        at += l->widths[c] + GAP;
        free(text);
    }
    if (written) gs_buf_add(out, "\n");
}

static void add_block(const layout *l, int first, int end, gs_buf *out)
{
    gs_buf_add(out, "\n");
    for (int row = HEAD_ABOVE; row < l->table->row_count; row++) add_line(l, row, first, end, out);
}

/* Breaks at blanks. */
static void add_wrapped(const char *text, gs_buf *out)
{
    int at = 0;
    for (const char *word = text; *word;) {
        size_t n = strcspn(word, " ");
        char *copy = gs_text("%.*s", (int)n, word);
        int width = gs_text_width(copy);
        if (at && at + 1 + width > SCREEN_WIDTH) gs_buf_add(out, "\n"), at = 0;
        gs_buf_add(out, "%s%s", at ? " " : "", copy);
        at += width + (at > 0);
        word += n + (word[n] == ' ');
        free(copy);
    }
    gs_buf_add(out, "\n");
}

static void add_constants(const layout *l, gs_buf *out)
{
    const gs_table *t = l->table;
    gs_buf line = {0};
    for (int c = t->key_count; c < t->column_count; c++) {
        if (!l->folded[c] || is_empty(t, c) || !(t->columns[c].in & GS_IN_MD)) continue;
        char *head = text_of(t, t->columns[c].spread ? HEAD_ABOVE : HEAD, c), *value = text_of(t, 0, c);
        gs_buf_add(&line, "%s %s: %s", line.length ? ";" : "In every row:", head, value);
        free(head), free(value);
    }
    if (line.length) add_wrapped(line.text, out);
    gs_buf_free(&line);
}

void gs_table_screen(const gs_table *t, gs_buf *out)
{
    layout l = layout_of(t);
    gs_buf_add(out, "%s\n", t->name);
    int first = t->key_count;
    while (first < t->column_count && l.folded[first]) first++;
    do {
        int end = block_end(&l, first);
        add_block(&l, first, end, out);
        first = end;
    } while (first < t->column_count);
    gs_buf_add(out, "\n");
    add_constants(&l, out);
    for (int k = 0; k < t->note_count; k++) add_wrapped(t->notes[k], out);
    free(l.widths);
    free(l.folded);
}
