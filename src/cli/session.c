#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/snapshot.h"
#include "gridshift/analysis.h"

enum { SET_FILE_MOST = 1 << 20 };

int gs_session_read(gs_session *s, const char *path, const gs_sets *sets, bool partial, gs_err *e)
{
    if (gs_spec_load(path, sets->at, sets->count, &s->spec, e) || gs_grid_expand(s->spec, &s->grid, e))
        return -1;
    return gs_tables_check(s->spec, s->grid, partial, e);
}

/* DIR/set.txt: one --set a line, as gs_session_save writes it. A folder without it had none. */
static int read_sets(const char *dir, gs_sets *out, gs_err *e)
{
    char *path = gs_text("%s/set.txt", dir);
    size_t length;
    int code = access(path, F_OK) ? 0 : gs_file_read(path, SET_FILE_MOST, &out->text, &length, e);
    free(path);
    char *rest = out->text;
    for (char *line; !code && (line = strsep(&rest, "\n"));)
        if (*line)
            gs_sets_add(out, line);
    return code;
}

int gs_session_read_folder(gs_session *s, const char *dir, gs_err *e)
{
    gs_sets sets = {0};
    gs_err why;
    char *path = gs_text("%s/spec.yaml", dir);
    int code = 0;
    if (access(path, F_OK))
        code = gs_error(e, "%s: there is no spec.yaml, so this is no folder of `gridshift run`. Give the folder that `run -o` wrote.", dir);
    if (!code) code = read_sets(dir, &sets, e);
    if (!code && gs_session_read(s, path, &sets, true, &why)) { /* which `run` accepted */
        bool by_set = !strncmp(why.text, "--set ", strlen("--set "));
        code = gs_error(e, "%s%s%s", by_set ? dir : "", by_set ? "/set.txt: " : "", why.text);
    }
    free(path);
    gs_sets_free(&sets);
    return code;
}

typedef struct view {
    const gs_session *session;
    const char *dir;
    bool retry;
} view;

static bool has_model(const char *dir, const char *id)
{
    char *path = gs_text("%s/runs/%s/model.safetensors", dir, id);
    bool there = access(path, F_OK) == 0;
    free(path);
    return there;
}

static bool has_features(const char *dir, const char *id, gs_run run)
{
    gs_config c;
    gs_run_config(run, &c);
    char *path = gs_text("%s/runs/%s/features.safetensors", dir, id);
    bool there = gs_features_there(path, &c);
    free(path);
    return there;
}

/* Training is deterministic, so a done run that lacks a measurement, its model or its features is simply run again. */
static gs_state state_of(void *context, gs_run run)
{
    const view *v = context;
    char id[33];
    const gs_result *r = gs_records_find(&v->session->records, gs_run_id(run, id));
    gs_wanted wanted = gs_spec_wanted(v->session->spec);
    if (!r)
        return GS_TODO;
    if (!r->ok)
        return v->retry ? GS_TODO : GS_FAILED;
    if ((r->ablate & wanted.ablate) != wanted.ablate || (r->probes & wanted.probes) != wanted.probes)
        return GS_TODO;
    if (wanted.probe_every && (!r->probe_every || wanted.probe_every % r->probe_every)) /* every 100 has every 500 */
        return GS_TODO;
    if (gs_run_value(run, GS_TRAIN_SAVE).i && !has_model(v->dir, id))
        return GS_TODO;
    if (gs_run_value(run, GS_ANALYSIS_FEATURES).i && !has_features(v->dir, id, run))
        return GS_TODO;
    return GS_DONE;
}

int gs_session_plan(gs_session *s, const char *dir, bool retry, gs_err *e)
{
    gs_plan_close(&s->plan);
    gs_records_free(&s->records);
    gs_buf_free(&s->damage);
    if (dir && (s->metrics ? gs_records_load : gs_records_load_states)(dir, &s->records, &s->damage, e))
        return -1;
    view v = {s, dir, retry};
    return gs_plan_make(s->grid, gs_spec_wanted(s->spec), dir ? state_of : NULL, &v, &s->plan, e);
}

void gs_session_close(gs_session *s)
{
    gs_plan_close(&s->plan);
    gs_grid_close(&s->grid);
    gs_spec_close(&s->spec);
    gs_records_free(&s->records);
    gs_buf_free(&s->damage);
}

/* -- what an earlier master left when it was killed ---------------------------------------------------------- */

static bool is_recorded(void *context, const char *id)
{
    const gs_records *records = context;
    return gs_records_find(records, id) != NULL;
}

static bool keeps_checkpoints(const gs_grid *g)
{
    for (int i = 0; i < g->count; i++)
        if (gs_run_value((gs_run){g, i}, GS_TRAIN_KEEP).i)
            return true;
    return false;
}

void gs_session_tidy(gs_session *s, const char *dir)
{
    char *tables = gs_text("%s/tables", dir);
    gs_folder_tidy(dir);
    gs_folder_tidy(tables);
    if (!keeps_checkpoints(s->grid))
        gs_snapshots_clean(dir, is_recorded, &s->records);
    free(tables);
}

static int save(const char *dir, const char *name, const char *text, size_t length, gs_err *e)
{
    char *path = gs_text("%s/%s", dir, name);
    int code = gs_file_write(path, text ? text : "", length, e);
    free(path);
    return code;
}

int gs_session_save(const gs_session *s, const char *dir, const gs_sets *sets, gs_err *e)
{
    gs_buf set_text = {0}, csv = {0};
    for (int i = 0; i < sets->count; i++)
        gs_buf_add(&set_text, "%s\n", sets->at[i].text);
    gs_plan_csv(s->plan, s->grid, &csv);
    size_t length;
    const char *spec = gs_spec_text(s->spec, &length);
    int code = save(dir, "spec.yaml", spec, length, e) || save(dir, "set.txt", set_text.text, set_text.length, e) ||
                       save(dir, "plan.csv", csv.text, csv.length, e)
                   ? -1
                   : 0;
    gs_buf_free(&set_text);
    gs_buf_free(&csv);
    return code;
}

/* Where and how long: all that must not be in results.csv. */
static int save_timings(const gs_entry *entries, int count, const char *dir, gs_err *e)
{
    gs_buf csv = {0};
    char number[32];
    gs_buf_add(&csv, "id,host,rank,wall_s\n");
    for (int i = 0; i < count; i++) {
        const gs_result *r = entries[i].record;
        if (r)
            gs_buf_add(&csv, "%s,%s,%d,%s\n", r->id, r->host, r->rank, gs_real(r->wall_s, number));
    }
    int code = save(dir, "timings.csv", csv.text, csv.length, e);
    gs_buf_free(&csv);
    return code;
}

int gs_session_tables(const gs_session *s, const char *dir, bool partial, gs_buf *screen, gs_err *e)
{
    const gs_plan *p = s->plan;
    gs_entry *entries = gs_alloc((size_t)p->count + 1, sizeof *entries);
    for (int i = 0; i < p->count; i++) {
        gs_run run = {s->grid, i};
        char id[33];
        entries[i] = (gs_entry){run, &gs_plan_cost(p, i)->counts,
                                p->state[i] == GS_TODO ? NULL : gs_records_find(&s->records, gs_run_id(run, id))};
    }
    int code = save_timings(entries, p->count, dir, e) || gs_tables_write(dir, s->spec, s->grid, entries, p->count, partial, screen, e);
    free(entries);
    return code ? -1 : 0;
}

static bool same_worker(const gs_result *a, const gs_result *b)
{
    return a->rank == b->rank && !strcmp(a->host, b->host);
}

gs_pace gs_session_pace(const gs_session *s)
{
    gs_pace p = {0};
    const gs_result *seen[1024];
    for (int i = 0; i < s->plan->count; i++) {
        char id[33];
        const gs_result *r = s->plan->state[i] == GS_DONE ? gs_records_find(&s->records, gs_run_id((gs_run){s->grid, i}, id)) : NULL;
        if (!r)
            continue;
        p.done.actual_s += r->wall_s;
        p.done.predicted_s += gs_plan_cost(s->plan, i)->predicted_s;
        int known = 0;
        while (known < p.ranks && !same_worker(seen[known], r))
            known++;
        if (known == p.ranks && p.ranks < 1024)
            seen[p.ranks++] = r;
    }
    return p;
}

bool gs_session_tells(const gs_session *s, gs_key key)
{
    gs_value first = {0};
    if (!strcmp(gs_keys[key].when_text, "always"))
        return true;
    for (int i = 0; i < s->grid->count; i++) {
        gs_value v = gs_run_value((gs_run){s->grid, i}, key);
        if (v.set && first.set && !gs_value_same(key, v, first))
            return true;
        if (v.set && !first.set)
            first = v;
    }
    return false;
}

/* "ffn.kind=moe seed=3" */
static void add_label(gs_run run, const gs_key *keys, int count, gs_buf *out)
{
    char text[64];
    const char *blank = "";
    for (int i = 0; i < count; i++) {
        gs_value v = gs_run_value(run, keys[i]);
        if (!v.set)
            continue;
        gs_buf_add(out, "%s%s=%s", blank, gs_keys[keys[i]].name, gs_value_text(keys[i], v, text));
        blank = " ";
    }
}

void gs_session_failures(const gs_session *s, FILE *to)
{
    gs_key keys[GS_KEY_COUNT];
    int count = 0;
    for (int i = 0; i < s->grid->varying_count; i++)
        if (gs_session_tells(s, s->grid->varying[i]))
            keys[count++] = s->grid->varying[i];
    for (int i = 0; i < s->plan->count; i++) {
        if (s->plan->state[i] != GS_FAILED || !gs_plan_has(s->plan, i))
            continue;
        char id[33];
        gs_buf label = {0};
        gs_run run = {s->grid, i};
        const gs_result *r = gs_records_find(&s->records, gs_run_id(run, id));
        add_label(run, keys, count, &label);
        fprintf(to, "  %.12s %s: %s\n", id, label.text ? label.text : "", r ? r->reason : "");
        gs_buf_free(&label);
    }
}
