/* Published numbers beside ours. Their sd is the population's, so that sd^2/(n - 1) is the squared standard error of their mean.
 *
 * Steps to a level: a mean over those that got there says little where some did not, so that there is a difference only where all did, on
 * both sides; else the shares that got there are held against each other by Fisher's test. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tables/table.h"

enum { PUBLISHED, DIFFERENCE, Z, SHARE };

static bool fits_row(const gs_frame *f, int group, const gs_published *p)
{
    for (int i = 0; i < f->groups[group].count; i++)
        if (!gs_run_fits(f->groups[group].at[i]->run, &p->row)) return false;
    return true;
}

static const gs_published *find(const gs_frame *f, int group, const char *metric)
{
    const gs_table_spec *t = f->spec;
    for (int k = 0; k < t->published_count; k++)
        if (!strcmp(t->published[k].metric, metric) && fits_row(f, group, &t->published[k])) return &t->published[k];
    return NULL;
}

static int refuse(const gs_frame *f, const gs_published *p, gs_err *e, const char *text)
{
    gs_table_spec t = *f->spec;
    t.where = p->where;
    return gs_table_error(f->context, &t, e, "%s", text);
}

int gs_published_verify(const gs_frame *f, gs_err *e)
{
    for (int k = 0; k < f->spec->published_count && !f->context->narrowed; k++) {
        const gs_published *p = &f->spec->published[k];
        bool any = false;
        for (int g = 0; g < f->group_count; g++) {
            if (!fits_row(f, g, p)) continue;
            any = true;
            if (find(f, g, p->metric) != p)
                return refuse(f, p, e, "`published` has this metric of a row twice. Remove one, or name more keys in `where`.");
        }
        if (!any) return refuse(f, p, e, "`where` of this published number fits no row. Name the keys of one.");
    }
    return 0;
}

bool gs_published_any(const gs_table_spec *t, const char *metric)
{
    for (int k = 0; k < t->published_count; k++)
        if (!strcmp(t->published[k].metric, metric)) return true;
    return false;
}

static bool any_share(const gs_table_spec *t, const char *metric)
{
    for (int k = 0; k < t->published_count; k++)
        if (!strcmp(t->published[k].metric, metric) && t->published[k].of) return true;
    return false;
}

void gs_published_columns(gs_table *t, const gs_table_spec *spec, const gs_metric_name *m, const char *metric)
{
    gs_column *c = gs_table_metric_column(t, m, metric, NULL);
    free(c->name);
    c->name = gs_text("%s published", metric);
    c->brief = "published";
    c = gs_table_metric_column(t, m, metric, "ours - published");
    c->spread = "se";
    gs_table_column(t, "", "%s z", metric)->digits = 3;
    t->columns[t->column_count - 1].brief = "z";
    if (!any_share(spec, metric)) return;
    gs_table_column(t, "", "%s p of the shares", metric)->digits = 3;
    t->columns[t->column_count - 1].brief = "p of the shares";
}

static gs_cell estimate_cell(double mean, double spread, int n, int of)
{
    return (gs_cell){.kind = GS_CELL_ESTIMATE, .estimate = {mean, spread, {NAN, NAN}, n, of}};
}

void gs_published_cells(gs_table *t, int row, int column, const gs_frame *f, int group, const gs_shown *m, const gs_sample *ours)
{
    const gs_published *p = find(f, group, m->metric);
    if (!p) return;
    double scale = m->name.row->probability ? 100 : 1, sd = p->n > 1 ? p->sd * sqrt(p->n / (p->n - 1.0)) : NAN;
    double theirs = p->n > 1 ? p->sd * p->sd / (p->n - 1) : NAN, own = gs_sd(ours->x, ours->n);
    double difference = gs_mean(ours->x, ours->n) - p->mean, se = sqrt(own * own / ours->n + theirs);
    *gs_table_cell(t, row, column + PUBLISHED) = estimate_cell(p->mean * scale, sd * scale, p->n, p->of ? p->of : p->n);
    if (p->of && ours->of)
        *gs_table_cell(t, row, column + SHARE) = (gs_cell){.kind = GS_CELL_REAL, .r = gs_fisher(ours->n, ours->of, p->n, p->of)};
    if (isnan(difference) || (m->time && (ours->n < ours->of || p->n < p->of))) return;
    *gs_table_cell(t, row, column + DIFFERENCE) = estimate_cell(difference * scale, se * scale, ours->n, ours->n);
    if (se > 0) *gs_table_cell(t, row, column + Z) = (gs_cell){.kind = GS_CELL_REAL, .r = difference / se};
}
