/* Rounded for people: what a cell looks like in md and tex. */
#include <math.h>

#include "tables/table.h"

int gs_text_width(const char *text)
{
    int n = 0;
    for (; *text; text++) n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

/* Two decimals for percentages, else four significant digits, whole numbers from 1000 on. */
static void add_number(const gs_column *c, double x, gs_buf *out)
{
    const char *sign = c->change && x >= 0 ? "+" : "";
    if (c->percent) gs_buf_add(out, "%s%.2f", sign, x);
    else if (fabs(x) >= 1000 && fabs(x) < 1e15) gs_buf_add(out, "%s%.0f", sign, x);
    else gs_buf_add(out, "%s%.4g", sign, x);
}

static void add_estimate(const gs_column *c, const gs_estimate *e, const char *plus_minus, const char *dash, gs_buf *out)
{
    if (isnan(e->mean)) gs_buf_add(out, "%s", dash);
    else add_number(c, e->mean, out);
    gs_column plain = *c;
    plain.change = false;
    if (!c->change && !isnan(e->spread)) {
        gs_buf_add(out, "%s", plus_minus);
        add_number(&plain, e->spread, out);
    }
    if (!isnan(e->interval.low)) {
        gs_buf_add(out, " [");
        add_number(c, e->interval.low, out);
        gs_buf_add(out, ", ");
        if (isnan(e->interval.high)) gs_buf_add(out, "%s", dash); /* of a median: not reached */
        else add_number(c, e->interval.high, out);
        gs_buf_add(out, "]");
    }
    if (e->n < e->of) gs_buf_add(out, " (%d of %d)", e->n, e->of);
}

void gs_head_text(const gs_column *c, gs_buf *out)
{
    gs_buf_add(out, "%s", c->brief ? c->brief : c->name);
    if (*c->unit) gs_buf_add(out, " (%s)", c->unit);
}

void gs_cell_text(const gs_column *c, const gs_cell *cell, const char *plus_minus, const char *dash, gs_buf *out)
{
    char real[32];
    gs_buf_add(out, "%s", ""); /* so that an empty cell is a text too */
    if (cell->again) return;
    switch (cell->kind) {
    case GS_CELL_NONE: gs_buf_add(out, "%s", dash); break;
    case GS_CELL_TEXT: gs_buf_add(out, "%s", cell->text); break;
    case GS_CELL_INT:
        gs_buf_add(out, "%lld", (long long)cell->i);
        if (cell->high > cell->i) gs_buf_add(out, "..%lld", (long long)cell->high);
        if (cell->mark) gs_buf_add(out, "*");
        break;
    case GS_CELL_REAL:
        if (c->percent) add_number(c, cell->r, out);
        else if (isnan(cell->r)) gs_buf_add(out, "%s", dash);
        else if (c->digits) gs_buf_add(out, "%.*g", c->digits, cell->r);
        else gs_buf_add(out, "%s", gs_real(cell->r, real));
        break;
    case GS_CELL_ESTIMATE: add_estimate(c, &cell->estimate, plus_minus, dash, out); break;
    }
}
