/* The sweep's tables: from the sweep file and the records to DIR/tables/ and DIR/results.csv. */
#include <stdlib.h>
#include <string.h>

#include "tables/table.h"

int gs_table_make(const gs_context *c, const gs_table_spec *t, const gs_point *points, int count, gs_table *out, bool *built,
                  gs_table *matching, gs_err *e)
{
    gs_frame f;
    *built = false;
    if (t->kind == GS_TABLE_REGRESSION) return gs_regression_make(t, points, count, out, built, e);
    if (gs_frame_open(c, t, points, count, &f, e)) return -1;
    int result = c->partial ? 0 : gs_frame_seeds_equal(&f, e);
    if (result == 0 && f.group_count) {
        if (t->kind == GS_TABLE_SCALING) gs_scaling_make(&f, out);
        else gs_comparison_make(&f, out);
        if (matching && f.baseline.count) gs_matching_make(&f, matching);
        *built = true;
    }
    gs_frame_close(&f);
    return result;
}

/* -- the table of a sweep that names none -------------------------------------------------------------------------- */

static bool in_default(const char *metric)
{
    gs_metric_name m;
    if (gs_metric_parse(metric, &m) || strcmp(m.checkpoint, "final") || *m.stratum || strcmp(m.row->name, "accuracy")) return false;
    return m.block < 0 && (m.site == GS_SITE_FFN_OUT || m.site == GS_SITE_ATTN_OUT);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_default_metric(gs_table_spec *t, const char *metric)
{
    for (int k = 0; k < t->metric_count; k++)
        if (!strcmp(t->metrics[k], metric)) return;
    t->metrics = gs_grow(t->metrics, (size_t)t->metric_count + 1, sizeof *t->metrics);
    t->metrics[t->metric_count++] = gs_text("%s", metric);
}

/* Varies only by being absent where it does not apply: other keys tell these runs apart. */
static bool follows(const gs_grid *g, gs_key key)
{
    gs_keyset one = {1, {key}};
    int first = -1;
    gs_config c;
    for (int i = 0; i < g->count; i++) {
        gs_run run = {g, i};
        if (gs_run_value(run, key).set) {
            if (first >= 0 && gs_keys_compare(&one, (gs_run){g, first}, run)) return false;
            first = i;
            continue;
        }
        gs_run_config(run, &c);
        if (gs_keys[key].when(&c)) return false;
    }
    return true;
}

gs_table_spec gs_table_default(const gs_grid *g, const gs_point *points, int count)
{
    gs_table_spec t = {.name = gs_text("comparison"), .kind = GS_TABLE_COMPARISON};
    t.rows = gs_alloc((size_t)g->varying_count + 1, sizeof *t.rows);
    for (int k = 0; k < g->varying_count; k++)
        if (g->varying[k] != GS_SEED && !follows(g, g->varying[k])) t.rows[t.row_count++] = g->varying[k];
    add_default_metric(&t, "final.clean.accuracy");
    for (int i = 0; i < count; i++)
        for (size_t k = 0; points[i].metrics && k < points[i].metrics->count; k++)
            if (in_default(points[i].metrics->at[k].name)) add_default_metric(&t, points[i].metrics->at[k].name);
    qsort(t.metrics + 1, (size_t)t.metric_count - 1, sizeof *t.metrics, by_text);
    return t;
}

void gs_table_default_free(gs_table_spec *t)
{
    for (int k = 0; k < t->metric_count; k++) free(t->metrics[k]);
    free(t->metrics);
    free(t->rows);
    free(t->name);
    *t = (gs_table_spec){0};
}

/* -- files ----------------------------------------------------------------------------------------------------------- */

static int write_text(const char *dir, const char *name, const char *suffix, const gs_buf *text, gs_err *e)
{
    char *path = gs_text("%s/%s%s", dir, name, suffix);
    int result = gs_file_write(path, text->text, text->length, e);
    free(path);
    return result;
}

static int write_table(const char *dir, const gs_table *t, gs_err *e)
{
    static const struct {
        const char *suffix;
        void (*emit)(const gs_table *t, gs_buf *out);
    } forms[] = {{".md", gs_table_md}, {".csv", gs_table_csv}, {".tex", gs_table_tex}, {".json", gs_table_json}};
    for (size_t k = 0; k < sizeof forms / sizeof *forms; k++) {
        gs_buf text = {0};
        forms[k].emit(t, &text);
        int result = write_text(dir, t->name, forms[k].suffix, &text, e);
        gs_buf_free(&text);
        if (result) return -1;
    }
    return 0;
}

/* What a sweep asks for: its tables and its claims. */
typedef struct asked {
    const gs_table_spec *specs;
    const gs_claim_spec *claims;
    int count, claim_count;
} asked;

/* tables: those of the specs, the claims', then the matching ones, whose name is NULL where there is none. */
static int make_all(const gs_context *c, const asked *a, const gs_point *points, int count, gs_table *tables, bool *built, gs_buf *skipped,
                    gs_err *e)
{
    for (int k = 0; k < a->count; k++)
        if (gs_table_make(c, &a->specs[k], points, count, &tables[k], &built[k], &tables[a->count + 1 + k], e)) return -1;
    if (!a->claim_count) return 0;
    return gs_claims_make(c, a->claims, a->claim_count, points, count, &tables[a->count], &built[a->count], skipped, e);
}

/* All tables are made before the first one is written. */
static int write_tables(const char *dir, const gs_context *c, const asked *a, const gs_point *points, int count, gs_buf *screen, gs_err *e)
{
    gs_table *tables = gs_alloc(2 * (size_t)a->count + 1, sizeof *tables);
    bool *built = gs_alloc((size_t)a->count + 1, sizeof *built);
    gs_buf skipped = {0};
    int result = make_all(c, a, points, count, tables, built, &skipped, e);
    if (result == 0) result = gs_folder_make(dir, e);
    for (int k = 0; result == 0 && k <= a->count; k++) {
        if (built[k]) result = write_table(dir, &tables[k], e);
        if (screen->length && (built[k] || k < a->count)) gs_buf_add(screen, "\n");
        if (built[k]) gs_table_screen(&tables[k], screen);
        else if (k < a->count) gs_buf_add(screen, "Table %s is left out: --set left it no runs.\n", a->specs[k].name);
    }
    for (int k = a->count + 1; result == 0 && k <= 2 * a->count; k++)
        if (tables[k].name) result = write_table(dir, &tables[k], e);
    if (result == 0 && skipped.length) gs_buf_add(screen, "\n%s", skipped.text);
    for (int k = 0; k <= 2 * a->count; k++) gs_table_close(&tables[k]);
    gs_buf_free(&skipped);
    free(tables);
    free(built);
    return result;
}

static int write_results(const char *dir, const gs_entry *entries, int count, gs_err *e)
{
    gs_buf text = {0};
    gs_results_csv(entries, count, &text);
    int result = write_text(dir, "results", ".csv", &text, e);
    gs_buf_free(&text);
    return result;
}

/* tables/routing_agreement.{csv,md}, where runs of an arm can be held against each other. */
static int write_agreement(const char *dir, const char *folder, const gs_context *c, const gs_entry *entries, int count, gs_err *e)
{
    int probe = gs_probe_find("routing"), result = 0;
    if (!(c->wanted.probes >> probe & 1)) return 0;
    gs_buf csv = {0}, md = {0};
    if (gs_agreement(dir, c->grid, entries, count, &csv, &md))
        result = write_text(folder, "routing_agreement", ".csv", &csv, e) || write_text(folder, "routing_agreement", ".md", &md, e);
    gs_buf_free(&csv);
    gs_buf_free(&md);
    return result ? -1 : 0;
}

static gs_point *points_of(const gs_entry *entries, int count)
{
    gs_point *points = gs_alloc((size_t)count + 1, sizeof *points);
    for (int i = 0; i < count; i++) {
        const gs_result *r = entries[i].record;
        points[i] = (gs_point){entries[i].run, entries[i].counts, r && r->ok ? &r->metrics : NULL, r && !r->ok};
    }
    return points;
}

static gs_context context_of(const gs_spec *s, const gs_grid *g, bool partial)
{
    return (gs_context){gs_spec_path(s), g, gs_spec_wanted(s), gs_spec_narrowed(s), partial};
}

int gs_tables_check(const gs_spec *s, const gs_grid *g, bool partial, gs_err *e)
{
    gs_context c = context_of(s, g, partial);
    int count;
    const gs_table_spec *specs = gs_spec_tables(s, &count);
    for (int k = 0; k < count; k++)
        if (gs_table_verify(&c, &specs[k], e)) return -1;
    int claim_count;
    const gs_claim_spec *claims = gs_spec_claims(s, &claim_count);
    for (int k = 0; k < claim_count; k++)
        if (gs_claim_verify(&c, &claims[k], e)) return -1;
    if (count) return 0;
    gs_table_spec plain = gs_table_default(g, NULL, 0);
    int result = gs_table_verify(&c, &plain, e);
    gs_table_default_free(&plain);
    return result;
}

int gs_tables_write(const char *dir, const gs_spec *s, const gs_grid *g, const gs_entry *entries, int count, bool partial,
                    gs_buf *screen, gs_err *e)
{
    if (gs_folder_make(dir, e) || write_results(dir, entries, count, e)) return -1;
    gs_context c = context_of(s, g, partial);
    gs_point *points = points_of(entries, count);
    char *folder = gs_text("%s/tables", dir);
    asked a;
    a.specs = gs_spec_tables(s, &a.count);
    a.claims = gs_spec_claims(s, &a.claim_count);
    gs_table_spec plain = gs_table_default(g, points, count);
    if (!a.count) a.specs = &plain, a.count = 1;
    int result = write_tables(folder, &c, &a, points, count, screen, e) || write_agreement(dir, folder, &c, entries, count, e) ? -1 : 0;
    gs_table_default_free(&plain);
    free(folder);
    free(points);
    return result;
}
