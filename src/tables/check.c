/* What a table asks for, against what the sweep's runs can give: everything that is known before a run starts. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gridshift/task.h"
#include "tables/table.h"

int gs_table_error(const gs_context *c, const gs_table_spec *t, gs_err *e, const char *format, ...)
{
    char text[1600];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const char *what = t->kind == GS_TABLE_CLAIM ? "claim" : "table";
    if (t->where.line == 0) return gs_error(e, "%s: %s %s: %s", c->path, what, t->name, text);
    return gs_error(e, "%s:%d:%d: %s %s: %s", c->path, t->where.line, t->where.column, what, t->name, text);
}

/* -- can a run give a metric? ------------------------------------------------------------------------------------ */

static bool checkpoint_fits(const gs_context *x, const gs_metric_name *m, const gs_config *c)
{
    if (!strcmp(m->checkpoint, "curve") != gs_metric_is_time(m)) return false;
    if (!strcmp(m->checkpoint, "given")) return false; /* a file, not a run */
    if (m->step < 0) return true;
    int64_t every = m->probe >= 0 ? x->wanted.probe_every : gs_int(c, GS_EVAL_RECORD);
    return every > 0 && m->step % every == 0 && m->step <= gs_int(c, GS_TRAIN_STEPS);
}

static bool site_fits(const gs_metric_name *m, const gs_config *c)
{
    int64_t layers = gs_int(c, GS_MODEL_LAYERS);
    if (m->block >= 0 && (layers < 2 || m->block >= layers)) return false;
    if (m->site == GS_SITE_ATTN_HEAD) return m->index < gs_int(c, GS_MODEL_HEADS);
    return m->site != GS_SITE_FFN_EXPERT || (gs_is_moe(c) && m->index < gs_int(c, GS_FFN_EXPERTS));
}

static bool is_any(const char *word, const char *const *words)
{
    for (; *words; words++)
        if (!strcmp(word, *words)) return true;
    return false;
}

static bool subject_fits(const gs_metric_name *m, const gs_config *c)
{
    static const char *const of_floor[] = {"accuracy", "exact_match", "correct", "whole_answer", NULL};
    static const char *const of_ablation[] = {"accuracy", "exact_match", "correct", "whole_answer", "loss", "above_floor", NULL};
    static const char *const of_router[] = {"aux", "router_load_max", NULL};
    if (m->probe >= 0) return gs_probes[m->probe]->applies(c);
    if (m->mode >= 0) return is_any(m->row->name, of_ablation) && site_fits(m, c);
    if (!strcmp(m->subject, "floor")) return is_any(m->row->name, of_floor);
    if (!strcmp(m->row->name, "above_floor")) return false; /* of an ablation alone */
    return !is_any(m->row->name, of_router) || gs_is_moe(c);
}

static bool has_split(const gs_config *c, int kind)
{
    bool modular = gs_is(c, GS_TASK, GS_TASK_MODULAR), leaves = gs_leaves_out(c);
    return kind == GS_SET_ALL ? modular : kind == GS_SET_LEFT ? leaves : modular || leaves;
}

/* The stratum is a split, one of the task's strata, or a split, a comma and a stratum. tokens: the metric is of single tokens, so that
 * it has the strata of tokens too. */
static bool task_stratum_fits(const char *name, bool tokens, const gs_config *c)
{
    for (int kind = 0; kind < GS_SET_KINDS; kind++) {
        size_t n = strlen(gs_set_split[kind]);
        if (n == 0 || strncmp(name, gs_set_split[kind], n)) continue;
        if (!has_split(c, kind)) return false;
        if (name[n] == 0) return true;
        if (name[n] == ',') name += n + 1;
    }
    gs_task *task;
    if (gs_task_open(c, &task, NULL)) return false;
    int count;
    const gs_stratum *strata = gs_task_strata(task, &count);
    bool found = false;
    for (int k = 0; k < count; k++)
        found = found || (!strcmp(strata[k].name, name) && (strata[k].whole || tokens));
    gs_task_close(&task);
    return found;
}

/* Is every key of a probe's stratum one that its metric has, or a stratum of the task? */
static bool probe_stratum_fits(const gs_metric_name *m, const gs_config *c)
{
    char text[sizeof m->stratum], *rest = text, *term;
    const char *known = m->row->strata ? m->row->strata : "";
    strcpy(text, m->stratum);
    while ((term = strsep(&rest, ","))) {
        size_t n = strcspn(term, "=");
        const char *at = known;
        while (*at && (strcspn(at, " ") != n || strncmp(at, term, n))) at += strcspn(at, " "), at += *at == ' ';
        if (*at) continue;
        if (!strchr(known, '*') || !task_stratum_fits(term, true, c)) return false;
    }
    return true;
}

static bool stratum_fits(const gs_metric_name *m, const gs_config *c)
{
    return m->probe >= 0 ? probe_stratum_fits(m, c) : task_stratum_fits(m->stratum, !strcmp(m->row->name, "accuracy"), c);
}

static gs_keyset task_keys(void)
{
    gs_keyset out = {0};
    for (int k = 0; k < GS_KEY_COUNT; k++)
        if (!strncmp(gs_keys[k].name, "task", 4)) gs_keys_add(&out, k);
    return out;
}

static bool any_run_gives(const gs_context *c, const gs_metric_name *m, const gs_selector *runs)
{
    gs_keyset keys = task_keys();
    gs_run refused = {NULL, 0}; /* the last task that has no such stratum: opening one is not cheap */
    gs_config config;
    for (int i = 0; i < c->grid->count; i++) {
        gs_run run = {c->grid, i};
        if (runs && !gs_run_fits(run, runs)) continue;
        gs_run_config(run, &config);
        if (!checkpoint_fits(c, m, &config) || !subject_fits(m, &config)) continue;
        if (!*m->stratum) return true;
        if (refused.grid && gs_keys_compare(&keys, refused, run) == 0) continue;
        if (stratum_fits(m, &config)) return true;
        refused = run;
    }
    return false;
}

int gs_metric_verify(const gs_context *c, const gs_table_spec *t, const char *metric, const gs_selector *runs, const char *where, gs_err *e)
{
    gs_metric_name m;
    if (gs_metric_parse(metric, &m)) return gs_table_error(c, t, e, "%s is no metric.", metric); /* the sweep stage explains it */
    if (m.mode >= 0 && !(c->wanted.ablate & GS_ABLATE(m.site, m.mode)))
        return gs_table_error(c, t, e, "%s is not measured. Add {site: %s, mode: %s} to `ablate`.", metric, gs_site_names[m.site],
                              gs_mode_names[m.mode]);
    if (m.probe >= 0 && !(c->wanted.probes >> m.probe & 1))
        return gs_table_error(c, t, e, "%s is not measured. Add %s to `probe`.", metric, gs_probes[m.probe]->name);
    if (c->narrowed || any_run_gives(c, &m, runs)) return 0;
    return gs_table_error(c, t, e, "no run of %s gives %s. Check its checkpoint, site and stratum against the runs.", where, metric);
}

/* -- keys -------------------------------------------------------------------------------------------------------- */

static int check_keys(const gs_context *c, const gs_table_spec *t, gs_err *e)
{
    const char *rows = t->kind == GS_TABLE_SCALING ? "series" : "rows";
    for (int k = 0; k < t->pool_count; k++)
        for (int j = 0; j < t->row_count; j++)
            if (t->rows[j] == t->pool[k])
                return gs_table_error(c, t, e, "%s is in `%s` and in `pool`. Remove it from one.", gs_keys[t->pool[k]].name, rows);
    if (t->kind != GS_TABLE_SCALING) return 0;
    for (int k = 0; k < t->row_count + t->pool_count; k++)
        if ((k < t->row_count ? t->rows[k] : t->pool[k - t->row_count]) == t->x)
            return gs_table_error(c, t, e, "%s is `x`. Remove it from `%s`.", gs_keys[t->x].name, k < t->row_count ? rows : "pool");
    return 0;
}

static int check_x(const gs_context *c, const gs_table_spec *t, gs_err *e)
{
    const char *name = gs_keys[t->x].name;
    bool any = false;
    for (int i = 0; i < c->grid->count; i++) {
        gs_value v = gs_run_value((gs_run){c->grid, i}, t->x);
        if (v.set && (gs_keys[t->x].type == GS_TYPE_REAL ? v.r <= 0 : v.i <= 0))
            return gs_table_error(c, t, e, "%s is 0 or less in a run. The slope against log2 of `x` needs values above 0.", name);
        any = any || v.set;
    }
    return any || c->narrowed ? 0 : gs_table_error(c, t, e, "no run of the sweep has %s, the table's `x`.", name);
}

int gs_table_verify(const gs_context *c, const gs_table_spec *t, gs_err *e)
{
    if (check_keys(c, t, e)) return -1;
    for (int k = 0; k < t->metric_count; k++)
        if (gs_metric_verify(c, t, t->metrics[k], NULL, "the sweep", e)) return -1;
    if (t->kind == GS_TABLE_SCALING && check_x(c, t, e)) return -1;
    if (t->kind == GS_TABLE_REGRESSION) return gs_regression_verify(c, t, e); /* every run is an observation: nothing is pooled */
    return gs_frame_verify(c, t, !c->partial, e);
}

int gs_frame_verify(const gs_context *c, const gs_table_spec *t, bool equal_seeds, gs_err *e)
{
    gs_point *points = gs_alloc((size_t)c->grid->count + 1, sizeof *points);
    static const gs_metrics will_be = {0};
    for (int i = 0; i < c->grid->count; i++) points[i] = (gs_point){.run = {c->grid, i}, .metrics = &will_be};
    gs_frame f;
    int result = gs_frame_open(c, t, points, c->grid->count, &f, e);
    if (result == 0) {
        result = equal_seeds ? gs_frame_seeds_equal(&f, e) : 0;
        gs_frame_close(&f);
    }
    free(points);
    return result;
}
