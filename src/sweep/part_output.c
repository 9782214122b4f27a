/* The sections that say what is made of the runs: ablate, tables, budget (probe: part_probe.c). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sweep/parts.h"

/* -- ablate ------------------------------------------------------------------------------------------------ */

static int read_ablation(const gs_reader *r, const gs_node *n, gs_spec *s)
{
    static const char *const names[] = {"site", "mode"};
    const gs_node *found[2];
    int site, mode;
    if (gs_read_options(r, n, "ablate", names, 2, found)) return -1;
    if (!found[0] || !found[1]) return gs_fail(r, n->where, "ablate: each entry needs a site and a mode");
    if (gs_read_choice(r, found[0], "ablate: site", gs_site_names, GS_SITE_COUNT, &site)) return -1;
    if (gs_read_choice(r, found[1], "ablate: mode", gs_mode_names, GS_MODE_COUNT, &mode)) return -1;
    uint32_t bit = GS_ABLATE(site, mode);
    if (!(bit & GS_ABLATE_ALL)) return gs_fail(r, found[1]->where, "ablate: %s takes only mode zero", gs_site_names[site]);
    if (s->wanted.ablate & bit)
        return gs_fail(r, n->where, "ablate: %s with %s is there twice; remove one", gs_site_names[site], gs_mode_names[mode]);
    s->wanted.ablate |= bit;
    return 0;
}

int gs_part_ablate(const gs_reader *r, const gs_node *n, gs_spec *s)
{
    if (gs_read_list(r, n, "ablate")) return -1;
    for (int i = 0; i < n->count; i++)
        if (read_ablation(r, n->items[i], s)) return -1;
    return 0;
}

/* -- tables ------------------------------------------------------------------------------------------------ */

enum { KIND, ROWS, METRICS, BASELINE, POOL, X, SERIES, INTERVAL, STATISTICS, PUBLISHED, ON, TABLE_COUNT };
static const char *const table_names[TABLE_COUNT] = {"kind", "rows",   "metrics",  "baseline",   "pool",
                                                     "x",    "series", "interval", "statistics", "published", "on"};
static const bool table_takes[3][TABLE_COUNT] = {
    [GS_TABLE_COMPARISON] = {[KIND] = true, [ROWS] = true, [METRICS] = true, [BASELINE] = true, [POOL] = true, [INTERVAL] = true,
                             [STATISTICS] = true, [PUBLISHED] = true},
    [GS_TABLE_SCALING] = {[KIND] = true, [METRICS] = true, [POOL] = true, [X] = true, [SERIES] = true, [INTERVAL] = true},
    [GS_TABLE_REGRESSION] = {[KIND] = true, [METRICS] = true, [ON] = true}};
static const char *const kind_names[] = {"comparison", "scaling", "regression"};
static const int table_needs[3] = {[GS_TABLE_COMPARISON] = ROWS, [GS_TABLE_SCALING] = X, [GS_TABLE_REGRESSION] = ON};
const char *const gs_interval_names[GS_INTERVAL_COUNT] = {"t", "bca", "percentile"};
const char *const gs_extra_names[GS_EXTRA_COUNT] = {"median", "iqm", "min", "max"};

/* A list of keys; seed has its own role: tables aggregate over it. */
int gs_read_keys(const gs_reader *r, const gs_node *n, const char *what, gs_key **keys, int *count)
{
    const char *text;
    if (gs_read_list(r, n, what)) return -1;
    *keys = gs_alloc((size_t)n->count + 1, sizeof **keys);
    for (int i = 0; i < n->count; i++) {
        gs_key *key = &(*keys)[*count];
        if (gs_read_text(r, n->items[i], what, &text) || gs_read_key(r, text, n->items[i]->where, key)) return -1;
        if (*key == GS_SEED) return gs_fail(r, n->items[i]->where, "%s: tables aggregate over seed; remove it", what);
        for (int j = 0; j < *count; j++)
            if ((*keys)[j] == *key) return gs_fail(r, n->items[i]->where, "%s: %s is there twice; remove one", what, text);
        (*count)++;
    }
    return 0;
}

int gs_read_metric(const gs_reader *r, const gs_node *n, const char *what, const char **out)
{
    if (gs_read_text(r, n, what, out)) return -1;
    if (gs_metric_find(*out)) return 0;
    return gs_fail(r, n->where, "unknown metric '%.100s'; the names are CHECKPOINT.SUBJECT.METRIC[STRATUM], "
                                "e.g. final.zero_ffn.accuracy[carry=2]", *out);
}

static int read_metrics(const gs_reader *r, const gs_node *n, gs_table_spec *t)
{
    const char *text;
    if (gs_read_list(r, n, "metrics")) return -1;
    if (!n->count) return gs_fail(r, n->where, "metrics is empty; name at least one, e.g. final.clean.accuracy");
    t->metrics = gs_alloc((size_t)n->count, sizeof *t->metrics);
    for (int i = 0; i < n->count; i++) {
        gs_where at = n->items[i]->where;
        if (gs_read_metric(r, n->items[i], "metrics", &text)) return -1;
        for (int j = 0; j < i; j++)
            if (!strcmp(t->metrics[j], text)) return gs_fail(r, at, "the metric %s is there twice; remove one", text);
        t->metrics[t->metric_count++] = gs_text("%s", text);
    }
    return 0;
}

static int read_x(const gs_reader *r, const gs_node *n, gs_table_spec *t)
{
    const char *text;
    if (gs_read_text(r, n, "x", &text) || gs_read_key(r, text, n->where, &t->x)) return -1;
    gs_type type = gs_keys[t->x].type;
    if (t->x == GS_SEED) return gs_fail(r, n->where, "x: tables aggregate over seed; name another key");
    if (type == GS_TYPE_INT || type == GS_TYPE_REAL) return 0;
    return gs_fail(r, n->where, "x: %s is not a number; name a key such as ffn.width", text);
}

/* KEY, log2(KEY), active_share or sparsity. */
static int read_regressor(const gs_reader *r, const gs_node *n, gs_regressor *out)
{
    const char *text;
    char name[64];
    if (gs_read_text(r, n, "on", &text)) return -1;
    *out = (gs_regressor){.kind = !strcmp(text, "active_share") ? GS_TERM_ACTIVE_SHARE : GS_TERM_SPARSITY};
    if (!strcmp(text, "active_share") || !strcmp(text, "sparsity")) return 0;
    size_t length = strlen(text);
    bool log2 = length > 6 && length < sizeof name + 6 && !strncmp(text, "log2(", 5) && text[length - 1] == ')';
    out->kind = log2 ? GS_TERM_LOG2 : GS_TERM_VALUE;
    if (log2) snprintf(name, sizeof name, "%.*s", (int)length - 6, text + 5);
    if (gs_read_key(r, log2 ? name : text, n->where, &out->key)) return -1;
    if (out->key == GS_SEED) return gs_fail(r, n->where, "on: the seed is no quantity; the runs of all seeds are the observations");
    gs_type type = gs_keys[out->key].type;
    if (!log2 || type == GS_TYPE_INT || type == GS_TYPE_REAL) return 0;
    return gs_fail(r, n->where, "on: %s is not a number, so it has no log2; name it without", name);
}

static int read_regressors(const gs_reader *r, const gs_node *n, gs_table_spec *t)
{
    if (gs_read_list(r, n, "on")) return -1;
    if (!n->count) return gs_fail(r, n->where, "on is empty; name at least one key, log2(KEY), active_share or sparsity");
    t->on = gs_alloc((size_t)n->count, sizeof *t->on);
    for (int i = 0; i < n->count; i++) {
        gs_regressor *own = &t->on[t->on_count];
        if (read_regressor(r, n->items[i], own)) return -1;
        for (int j = 0; j < t->on_count; j++)
            if (t->on[j].kind == own->kind && t->on[j].key == own->key)
                return gs_fail(r, n->items[i]->where, "on: this term is there twice; remove one");
        t->on_count++;
    }
    return 0;
}

static int read_extras(const gs_reader *r, const gs_node *n, gs_table_spec *t)
{
    if (gs_read_list(r, n, "statistics")) return -1;
    for (int i = 0; i < n->count; i++) {
        int which;
        if (gs_read_choice(r, n->items[i], "statistics", gs_extra_names, GS_EXTRA_COUNT, &which)) return -1;
        if (t->extras >> which & 1)
            return gs_fail(r, n->items[i]->where, "statistics: %s is there twice; remove one", gs_extra_names[which]);
        t->extras |= UINT32_C(1) << which;
    }
    return 0;
}

/* -- published ----------------------------------------------------------------------------------------------- */

enum { WHERE, METRIC, MEAN, SD, SEEDS, OF, SOURCE, PUBLISHED_COUNT };

static int read_numbers(const gs_reader *r, const gs_node *n, const gs_node *const *found, gs_published *p)
{
    int64_t seeds = 0, of = 0;
    p->mean = p->sd = NAN;
    if ((found[SD] || found[OF]) && !found[SEEDS])
        return gs_fail(r, n->where, "published: %s needs n, the number of seeds", found[SD] ? "sd" : "of");
    if (found[OF] && !strstr(p->metric, ".steps_to_"))
        return gs_fail(r, found[OF]->where, "published: `of` is for steps to a level, which n of so many seeds reached; remove it");
    if (found[MEAN] && gs_read_real(r, found[MEAN], "mean", &p->mean)) return -1;
    if (found[SD] && gs_read_real(r, found[SD], "sd", &p->sd)) return -1;
    if (found[SEEDS] && gs_read_whole(r, found[SEEDS], "n", found[SD] ? 2 : !found[OF], 1000000, &seeds)) return -1;
    if (found[OF] && gs_read_whole(r, found[OF], "of", seeds ? seeds : 1, 1000000, &of)) return -1;
    if (p->sd < 0) return gs_fail(r, found[SD]->where, "sd must be 0 or more");
    p->n = (int)seeds, p->of = (int)of;
    return 0;
}

static int read_one_published(const gs_reader *r, const gs_node *n, const gs_table_spec *t, gs_published *p)
{
    static const char *const names[PUBLISHED_COUNT] = {"where", "metric", "mean", "sd", "n", "of", "source"};
    const gs_node *found[PUBLISHED_COUNT];
    const char *text;
    p->where = n->where;
    if (gs_read_options(r, n, "published", names, PUBLISHED_COUNT, found)) return -1;
    if (!found[WHERE] || !found[METRIC] || !(found[MEAN] || found[OF]))
        return gs_fail(r, n->where, "published: each entry needs where, metric and mean (of steps to a level, `n` and `of` will do)");
    if (gs_read_selector(r, found[WHERE], "where", &p->row) || gs_read_text(r, found[METRIC], "metric", &text)) return -1;
    int at = 0;
    while (at < t->metric_count && strcmp(t->metrics[at], text)) at++;
    if (at == t->metric_count) return gs_fail(r, found[METRIC]->where, "published: the table does not list the metric %.100s", text);
    p->metric = gs_text("%s", text);
    if (found[SOURCE] && gs_read_text(r, found[SOURCE], "source", &text)) return -1;
    if (found[SOURCE]) p->source = gs_text("%s", text);
    return read_numbers(r, n, found, p);
}

static int read_published(const gs_reader *r, const gs_node *n, gs_table_spec *t)
{
    if (gs_read_list(r, n, "published")) return -1;
    t->published = gs_alloc((size_t)n->count + 1, sizeof *t->published);
    for (int i = 0; i < n->count; i++)
        if (read_one_published(r, n->items[i], t, &t->published[t->published_count++])) return -1;
    return 0;
}

static int read_parts(const gs_reader *r, const gs_node *const *found, gs_table_spec *t)
{
    if (read_metrics(r, found[METRICS], t)) return -1;
    if (found[ROWS] && gs_read_keys(r, found[ROWS], "rows", &t->rows, &t->row_count)) return -1;
    if (found[SERIES] && gs_read_keys(r, found[SERIES], "series", &t->rows, &t->row_count)) return -1;
    if (found[X] && read_x(r, found[X], t)) return -1;
    if (found[ON] && read_regressors(r, found[ON], t)) return -1;
    if (found[BASELINE] && gs_read_selector(r, found[BASELINE], "baseline", &t->baseline)) return -1;
    int interval = GS_INTERVAL_T;
    if (found[INTERVAL] && gs_read_choice(r, found[INTERVAL], "interval", gs_interval_names, GS_INTERVAL_COUNT, &interval)) return -1;
    t->interval = (gs_interval_kind)interval;
    if (found[STATISTICS] && read_extras(r, found[STATISTICS], t)) return -1;
    if (found[PUBLISHED] && read_published(r, found[PUBLISHED], t)) return -1;
    return found[POOL] ? gs_read_keys(r, found[POOL], "pool", &t->pool, &t->pool_count) : 0;
}

static int read_table(const gs_reader *r, const gs_name *name, const gs_node *n, gs_table_spec *t)
{
    const gs_node *found[TABLE_COUNT];
    int kind;
    t->where = name->where;
    if (gs_read_file_name(r, name->where, "the table's name", name->text)) return -1;
    t->name = gs_text("%s", name->text);
    if (gs_read_options(r, n, "a table", table_names, TABLE_COUNT, found)) return -1;
    if (!found[KIND]) return gs_fail(r, n->where, "the table %s has no kind; give comparison, scaling or regression", t->name);
    if (gs_read_choice(r, found[KIND], "kind", kind_names, 3, &kind)) return -1;
    t->kind = (gs_table_kind)kind;
    for (int i = 0; i < TABLE_COUNT; i++)
        if (found[i] && !table_takes[kind][i])
            return gs_fail(r, found[i]->where, "a %s table takes no `%s`; remove it", kind_names[kind], table_names[i]);
    const char *needed = found[table_needs[kind]] ? NULL : table_names[table_needs[kind]];
    if (!found[METRICS]) needed = "metrics";
    if (needed) return gs_fail(r, n->where, "the table %s needs `%s`", t->name, needed);
    return read_parts(r, found, t);
}

int gs_part_tables(const gs_reader *r, const gs_node *n, gs_spec *s)
{
    if (gs_read_map(r, n, "tables")) return -1;
    s->tables = gs_alloc((size_t)n->count + 1, sizeof *s->tables);
    for (int i = 0; i < n->count; i++)
        if (read_table(r, &n->keys[i], n->items[i], &s->tables[s->table_count++])) return -1;
    int routing = gs_probe_find("routing");
    for (int i = 0; i < s->table_count; i++)
        if (!strcmp(s->tables[i].name, "routing_agreement") && s->wanted.probes >> routing & 1) /* `probe` was read before */
            return gs_fail(r, s->tables[i].where, "the table routing_agreement is made of the probe routing; give this one another name");
    for (int i = 0; i < s->table_count; i++)
        for (int j = 0; j < s->table_count; j++) {
            size_t length = strlen(s->tables[j].name);
            if (!strncmp(s->tables[i].name, s->tables[j].name, length) && !strcmp(s->tables[i].name + length, "_matching"))
                return gs_fail(r, s->tables[i].where, "the table %s is made beside %s; give this one another name", s->tables[i].name,
                               s->tables[j].name);
        }
    return 0;
}

void gs_table_spec_free(gs_table_spec *t)
{
    for (int i = 0; i < t->metric_count; i++) free(t->metrics[i]);
    free(t->metrics);
    free(t->rows);
    free(t->on);
    free(t->pool);
    free(t->name);
    gs_selector_free(&t->baseline);
    for (int i = 0; i < t->published_count; i++) {
        gs_selector_free(&t->published[i].row);
        free(t->published[i].metric);
        free(t->published[i].source);
    }
    free(t->published);
}

/* -- budget ------------------------------------------------------------------------------------------------ */

int gs_part_budget(const gs_reader *r, const gs_node *n, gs_spec *s)
{
    static const char *const names[] = {"core_hours", "bytes"};
    const gs_node *found[2];
    if (gs_read_options(r, n, "budget", names, 2, found)) return -1;
    if (found[0] && gs_read_positive(r, found[0], "budget: core_hours", &s->core_hours)) return -1;
    return found[1] ? gs_read_whole(r, found[1], "budget: bytes", 1, INT64_C(1) << 50, &s->bytes) : 0;
}
