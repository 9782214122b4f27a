/* The manual: everything comes from the key table and the metric table. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static const char *const type_names[] = {
    [GS_TYPE_INT] = "integer", [GS_TYPE_REAL] = "number", [GS_TYPE_BOOL] = "true or false", [GS_TYPE_ENUM] = "word"};

static void add_allowed(gs_buf *b, const gs_key_row *k)
{
    char low[32], high[32];
    if (k->type == GS_TYPE_ENUM)
        gs_buf_add(b, "%s", k->choices);
    else if (k->type == GS_TYPE_BOOL)
        gs_buf_add(b, "true false");
    else if (k->type == GS_TYPE_INT)
        gs_buf_add(b, "integer %.0f..%.0f%s%s", k->low, k->high, *k->unit ? " " : "", k->unit);
    else
        gs_buf_add(b, "number %s..%s%s%s", gs_real(k->low, low), gs_real(k->high, high), *k->unit ? " " : "", k->unit);
}

static const char *default_of(const gs_key_row *k, int task)
{
    return *k->defaults[task] ? k->defaults[task] : "none";
}

static bool same_default(const gs_key_row *k, int a, int b)
{
    return !strcmp(k->defaults[a], k->defaults[b]);
}

/* "64 (addition), 128 (modular, histogram)" */
static void add_defaults_by_task(gs_buf *b, const gs_key_row *k)
{
    const char *separator = "";
    for (int t = 0; t < GS_TASK_COUNT; t++) {
        int first = 0;
        while (!same_default(k, first, t))
            first++;
        if (!*k->defaults[t] || first < t)
            continue;
        gs_buf_add(b, "%s%s (", separator, k->defaults[t]);
        for (int u = t; u < GS_TASK_COUNT; u++)
            if (same_default(k, t, u))
                gs_buf_add(b, "%s%s", u > t ? ", " : "", gs_keys[GS_TASK].defaults[u]);
        gs_buf_add(b, ")");
        separator = ", ";
    }
}

static void add_defaults(gs_buf *b, const gs_key_row *k, int task)
{
    bool same = true;
    for (int t = 1; t < GS_TASK_COUNT; t++)
        same = same && same_default(k, 0, t);
    gs_buf_add(b, "default ");
    if (task >= 0 || same)
        gs_buf_add(b, "%s", default_of(k, task >= 0 ? task : 0));
    else
        add_defaults_by_task(b, k);
}

static void print_key(const gs_key_row *k, int task)
{
    gs_buf b = {0};
    gs_buf_add(&b, "%s: ", k->name);
    add_allowed(&b, k);
    gs_buf_add(&b, "; ");
    add_defaults(&b, k, task);
    if (strcmp(k->when_text, "always"))
        gs_buf_add(&b, "; when %s", k->when_text);
    printf("%s\n    %s%s\n", b.text, k->doc, k->identity ? "" : " (not part of the run's id)");
    gs_buf_free(&b);
}

/* The keys that can apply to the task: those of other tasks are left out. */
static bool of_task(const gs_key_row *k, int task)
{
    bool any = false;
    for (int t = 0; t < GS_TASK_COUNT; t++)
        any = any || *k->defaults[t];
    return task < 0 || !any || *k->defaults[task];
}

static size_t family(const char *name)
{
    return strcspn(name, ".");
}

static void print_metrics(const gs_metric_row *m, const char *indent)
{
    for (; m->name; m++)
        printf("%s%s%s%s: %s%s%s (%s)\n", indent, m->name, *m->unit ? ", " : "", m->unit, m->doc, m->strata && *m->strata ? "; by " : "",
               m->strata ? m->strata : "",
               m->direction > 0 ? "larger is better" : m->direction < 0 ? "smaller is better" : "neither direction is better");
}

static void print_manual(int task)
{
    const char *last = "";
    printf("Keys of a sweep file and of --set; flat dotted names.\n");
    for (int i = 0; i < GS_KEY_COUNT; i++) {
        const gs_key_row *k = gs_keys + i;
        if (!of_task(k, task))
            continue;
        if (family(last) != family(k->name) || strncmp(last, k->name, family(last)))
            putchar('\n');
        last = k->name;
        print_key(k, task);
    }
    printf("\nMetrics: CHECKPOINT.SUBJECT.METRIC[STRATUM], e.g. final.zero_ffn.accuracy[carry=2].\n"
           "CHECKPOINT: final, best, first99, stepN, given, curve (the whole training); in tables and claims first99_or_best: first99\n"
           "where a run has it, else best.\n"
           "SUBJECT: clean, floor (the constant predictor), a probe, or MODE_SITE: zero, mean, resample of attn, headN, ffn, expertN\n"
           "(blockL_ before the site when there are several layers).\n\n");
    print_metrics(gs_metric_rows, "");
    printf("\nProbes (`probe:` in a sweep file), each a SUBJECT with metrics of its own:\n");
    for (int i = 0; gs_probes[i]; i++) {
        const gs_probe *p = gs_probes[i];
        printf("\n%s: %s; of %s\n", p->name, p->doc, p->when);
        print_metrics(p->metrics, "    ");
    }
}

static json_t *metrics_json(const gs_metric_row *m)
{
    json_t *rows = json_array();
    for (; m->name; m++) {
        json_t *row = json_pack("{s:s, s:s, s:i, s:s}", "name", m->name, "unit", m->unit, "direction", m->direction, "doc", m->doc);
        if (m->strata) json_object_set_new(row, "strata", json_string(m->strata));
        json_array_append_new(rows, row);
    }
    return rows;
}

static json_t *key_json(const gs_key_row *k)
{
    json_t *defaults = json_object();
    for (int t = 0; t < GS_TASK_COUNT; t++)
        if (*k->defaults[t])
            json_object_set_new(defaults, gs_keys[GS_TASK].defaults[t], json_string(k->defaults[t]));
    json_t *row = json_pack("{s:s, s:s, s:s, s:o, s:s, s:b, s:s}", "name", k->name, "type", type_names[k->type], "unit", k->unit, "default",
                            defaults, "when", k->when_text, "identity", k->identity, "doc", k->doc);
    if (k->type == GS_TYPE_ENUM)
        json_object_set_new(row, "choices", json_string(k->choices));
    if (k->type == GS_TYPE_INT || k->type == GS_TYPE_REAL)
        json_object_set_new(row, "range", json_pack("[f, f]", k->low, k->high));
    return row;
}

static void print_json(int key, int task)
{
    json_t *keys = json_array(), *probes = json_array();
    for (int i = 0; i < GS_KEY_COUNT; i++)
        if (key >= 0 ? i == key : of_task(gs_keys + i, task))
            json_array_append_new(keys, key_json(gs_keys + i));
    for (int i = 0; gs_probes[i]; i++)
        json_array_append_new(probes, json_pack("{s:s, s:s, s:s, s:o}", "name", gs_probes[i]->name, "doc", gs_probes[i]->doc, "when",
                                                gs_probes[i]->when, "metrics", metrics_json(gs_probes[i]->metrics)));
    json_t *all = json_pack("{s:o, s:o, s:o}", "keys", keys, "metrics", metrics_json(gs_metric_rows), "probes", probes);
    char *text = json_dumps(all, JSON_INDENT(1));
    puts(text);
    free(text);
    json_decref(all);
}

/* -1: not given. */
static bool find_key(const char *name, int *key)
{
    *key = name ? gs_key_find(name) : -1;
    if (!name || *key >= 0)
        return true;
    const char *near = gs_key_nearest(name);
    if (gs_is_later(name))
        gs_cli_error("command line: the key '%s' is not in this version.", name);
    else
        gs_cli_error("command line: unknown key '%s'. %s%s%s`gridshift keys` lists them.", name,
                     near ? "Did you mean '" : "", near ? near : "", near ? "'? " : "");
    return false;
}

static bool find_task(const char *name, int *task)
{
    gs_value v = {0};
    gs_err e;
    *task = -1;
    if (name && gs_value_parse(GS_TASK, name, &v, &e)) {
        gs_cli_error("command line: --task: %s", e.text);
        return false;
    }
    if (name)
        *task = (int)v.i;
    return true;
}

int gs_cmd_keys(int argc, char **argv)
{
    bool json = false;
    const char *task_name = NULL, *name;
    const gs_option options[] = {{"task", 0, GS_OPTION_TEXT, &task_name, "TASK", "only the keys and defaults of this task"},
                                 {"json", 0, GS_OPTION_FLAG, &json, NULL, "as json"},
                                 {0}};
    const gs_usage usage = {"keys [options] [KEY]", "The manual of every configuration key and metric, or of one key.", options, 0, 1};
    int code, key, task;
    if (!gs_cli_parse(&usage, argc, argv, &name, &code))
        return code;
    if (!find_task(task_name, &task) || !find_key(name, &key))
        return GS_EXIT_INPUT;
    if (json)
        print_json(key, task);
    else if (key >= 0)
        print_key(gs_keys + key, task);
    else
        print_manual(task);
    return GS_EXIT_FINE;
}
