#include <jansson.h>
#include <stdlib.h>

#include "cli/analyze.h"
#include "cli/cli.h"

typedef struct totals {
    int64_t bytes_most, train_flops;
    double predicted_s;
} totals;

static totals totals_of(const gs_plan *p)
{
    totals t = {0};
    for (int i = 0; i < p->count; i++) {
        const gs_cost *cost = gs_plan_cost(p, i);
        t.bytes_most = cost->bytes > t.bytes_most ? cost->bytes : t.bytes_most;
        t.train_flops += cost->counts.train_flops;
        t.predicted_s += cost->predicted_s;
    }
    return t;
}

static bool any_matched(const gs_grid *g)
{
    double mismatch;
    for (int i = 0; i < g->count; i++)
        if (gs_run_matched((gs_run){g, i}, &mismatch))
            return true;
    return false;
}

typedef struct layout {
    gs_key *keys; /* (key_count): the varying keys that have a column */
    int key_count;
    bool mismatch; /* has a column too */
} layout;

static layout layout_of(const gs_session *s)
{
    const gs_grid *g = s->grid;
    layout l = {.keys = gs_alloc((size_t)g->varying_count + 1, sizeof *l.keys), .mismatch = any_matched(g)};
    for (int i = 0; i < g->varying_count; i++)
        if (gs_session_tells(s, g->varying[i]))
            l.keys[l.key_count++] = g->varying[i];
    return l;
}

static void add_heading(gs_cells *cells, const layout *l)
{
    static const char *const heads[] = {"params", "active", "FLOPs/token", "memory", "seconds", "state", "mismatch"};
    int fixed = l->mismatch ? 7 : 6;
    cells->columns = 1 + l->key_count + fixed;
    gs_cells_add(cells, "id");
    for (int i = 0; i < l->key_count; i++)
        gs_cells_add(cells, "%s", gs_keys[l->keys[i]].name);
    for (int i = 0; i < fixed; i++)
        gs_cells_add(cells, "%s", heads[i]);
}

static void add_row(gs_cells *cells, const gs_session *s, int index, const layout *l)
{
    char text[64];
    double mismatch = 0;
    gs_run run = {s->grid, index};
    bool matched = gs_run_matched(run, &mismatch);
    const gs_cost *cost = gs_plan_cost(s->plan, index);
    const gs_counts *n = &cost->counts;
    gs_cells_add(cells, "%.12s", gs_run_id(run, text));
    for (int i = 0; i < l->key_count; i++)
        gs_cells_add(cells, "%s", gs_value_text(l->keys[i], gs_run_value(run, l->keys[i]), text));
    gs_cells_add(cells, "%lld", (long long)n->params_total);
    gs_cells_add(cells, "%lld", (long long)n->params_active);
    gs_cells_add(cells, "%lld", (long long)n->flops_per_token);
    gs_cells_add(cells, "%s", gs_bytes_text(cost->bytes, text));
    gs_cells_add(cells, "%.3g", cost->predicted_s);
    gs_cells_add(cells, "%s", gs_state_names[s->plan->state[index]]);
    if (l->mismatch)
        gs_cells_add(cells, matched ? "%+.3f %%" : "", 100 * mismatch);
}

static void print_text(const gs_session *s)
{
    const gs_plan *p = s->plan;
    layout l = layout_of(s);
    gs_cells cells = {0};
    char memory[32];
    add_heading(&cells, &l);
    for (int i = 0; i < p->count; i++)
        add_row(&cells, s, i, &l);
    printf("%s\n\n", s->grid->formula);
    gs_cells_print(&cells, stdout);
    totals t = totals_of(p);
    printf("\n%d runs: %d done, %d failed, %d to do; %.3g training FLOPs; at most %s a run\n", p->count, p->done, p->failed, p->todo,
           (double)t.train_flops, gs_bytes_text(t.bytes_most, memory));
    printf("predicted: %s of one core in all (%.3g core hours), ", gs_seconds_text(t.predicted_s, memory), t.predicted_s / 3600);
    printf("%s still to do\n", gs_seconds_text(p->todo_s, memory));
    if (gs_plan_too_large(p, s->spec))
        printf("%d runs need more than budget.bytes, %s, and will be recorded as failed\n", gs_plan_too_large(p, s->spec),
               gs_bytes_text(gs_spec_bytes(s->spec), memory));
    gs_cells_free(&cells);
    free(l.keys);
}

static json_t *value_json(gs_key key, gs_value v)
{
    char text[64];
    if (gs_keys[key].type == GS_TYPE_INT)
        return json_integer(v.i);
    if (gs_keys[key].type == GS_TYPE_REAL)
        return json_real(v.r);
    if (gs_keys[key].type == GS_TYPE_BOOL)
        return json_boolean(v.i);
    return json_string(gs_value_text(key, v, text));
}

static json_t *run_json(const gs_session *s, int index)
{
    const gs_grid *g = s->grid;
    gs_run run = {g, index};
    char id[33];
    double mismatch;
    json_t *varying = json_object();
    for (int i = 0; i < g->varying_count; i++) {
        gs_value v = gs_run_value(run, g->varying[i]);
        if (v.set)
            json_object_set_new(varying, gs_keys[g->varying[i]].name, value_json(g->varying[i], v));
    }
    const gs_cost *cost = gs_plan_cost(s->plan, index);
    const gs_counts *n = &cost->counts;
    json_t *row = json_pack("{s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:f, s:s}", "id", gs_run_id(run, id), "varying", varying, "params_total",
                            (json_int_t)n->params_total, "params_active", (json_int_t)n->params_active, "flops_per_token",
                            (json_int_t)n->flops_per_token, "train_flops", (json_int_t)n->train_flops, "bytes", (json_int_t)cost->bytes,
                            "predicted_s", cost->predicted_s, "state", gs_state_names[s->plan->state[index]]);
    if (gs_run_matched(run, &mismatch))
        json_object_set_new(row, "mismatch", json_real(mismatch));
    return row;
}

static void print_json(const gs_session *s)
{
    json_t *runs = json_array();
    for (int i = 0; i < s->plan->count; i++)
        json_array_append_new(runs, run_json(s, i));
    totals t = totals_of(s->plan);
    json_t *all = json_pack("{s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:f, s:f, s:o}", "name", gs_spec_name(s->spec),
                            "formula", s->grid->formula, "count", s->plan->count, "duplicates", s->grid->duplicates,
                            "done", s->plan->done, "failed", s->plan->failed, "todo", s->plan->todo,
                            "core_hours", t.predicted_s / 3600, "todo_core_hours", s->plan->todo_s / 3600, "runs", runs);
    char *text = json_dumps(all, JSON_INDENT(1));
    puts(text);
    free(text);
    json_decref(all);
}

static void print_csv(const gs_session *s)
{
    gs_buf csv = {0};
    gs_plan_csv(s->plan, s->grid, &csv);
    fwrite(csv.text, 1, csv.length, stdout);
    gs_buf_free(&csv);
}

int gs_cmd_plan(int argc, char **argv)
{
    gs_sets sets = {0};
    const char *dir = NULL, *sweep;
    const char *simulate = NULL;
    bool csv = false, json = false, partial = false;
    const char *analyze = NULL;
    int ranks = 0;
    const gs_option options[] = {
        {"output", 'o', GS_OPTION_TEXT, &dir, "DIR", "the folder whose journal says what is done (default: runs/NAME)"},
        {"set", 0, GS_OPTION_SETS, &sets, "KEY=V[,V]", "replace a default, or keep only these values of a listed axis; may be repeated"},
        {"partial", 0, GS_OPTION_FLAG, &partial, NULL, "accept unequal sets of seeds, as `run --partial` does"},
        {"csv", 0, GS_OPTION_FLAG, &csv, NULL, "as csv, the same as DIR/plan.csv"},
        {"json", 0, GS_OPTION_FLAG, &json, NULL, "as json"},
        {"analyze", 0, GS_OPTION_TEXT, &analyze, "RANKS",
         "instead: memory and work of the analyses on each of so many ranks; refuses what does not fit"},
        {"simulate", 0, GS_OPTION_TEXT, &simulate, "workers=N[,...]",
         "how long that many workers would take, how busy they and the master would be; see `gridshift plan --simulate help`"},
        {0}};
    const gs_usage usage = {"plan [options] SWEEP",
                            "Expands a sweep file and prints every run, its size and its predicted time. Starts nothing.", options, 1, 1};
    int code;
    gs_err e;
    gs_session s = {0};
    gs_simulation simulation;
    if (!gs_cli_parse(&usage, argc, argv, &sweep, &code) || !gs_simulation_parse(simulate, &simulation, &code))
        return code;
    if (analyze && !gs_cli_int("analyze", analyze, 1, &ranks))
        return GS_EXIT_INPUT;
    code = gs_session_read(&s, sweep, &sets, partial, &e);
    char *folder = code ? NULL : dir ? gs_text("%s", dir) : gs_text("runs/%s", gs_spec_name(s.spec));
    code = code || gs_session_plan(&s, folder, false, &e) ? gs_cli_error("%s", e.text) : GS_EXIT_FINE;
    if (!code && analyze)
        code = gs_analysis_print(&s, ranks, &e) ? gs_cli_error("%s", e.text) : GS_EXIT_FINE;
    else if (!code && simulate)
        gs_simulation_print(&simulation, s.plan, json);
    else if (!code)
        (csv ? print_csv : json ? print_json : print_text)(&s);
    if (!code && gs_plan_within(s.plan, s.spec, &e))
        code = gs_cli_error("%s", e.text);
    free(folder);
    gs_session_close(&s);
    gs_sets_free(&sets);
    return code;
}
