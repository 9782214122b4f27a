#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

enum { CURVE_MOST = 64 << 20 };

static int find_record(const gs_records *records, const char *dir, const char *prefix, const char **id, gs_err *e)
{
    int found = 0;
    for (size_t i = 0; i < records->count; i++)
        if (!strncmp(records->at[i].id, prefix, strlen(prefix))) {
            *id = records->at[i].id;
            found++;
        }
    if (found == 0)
        return gs_error(e, "%s: no finished run's id begins with '%s'. `gridshift plan` lists the ids and their states.", dir, prefix);
    if (found > 1)
        return gs_error(e, "%s: %d ids begin with '%s'. Give more of it.", dir, found, prefix);
    return 0;
}

static void print_config(const gs_config *c)
{
    gs_cells cells = {.columns = 2};
    char text[64];
    gs_cells_add(&cells, "key");
    gs_cells_add(&cells, "value");
    for (int key = 0; key < GS_KEY_COUNT; key++)
        if (c->v[key].set) {
            gs_cells_add(&cells, "%s", gs_keys[key].name);
            gs_cells_add(&cells, "%s", gs_value_text((gs_key)key, c->v[key], text));
        }
    gs_cells_print(&cells, stdout);
    gs_cells_free(&cells);
}

static void print_counts(const gs_counts *n)
{
    char memory[32];
    printf("\nparameters: %lld (active %lld, embedding %lld, frozen %lld)\n", (long long)n->params_total, (long long)n->params_active,
           (long long)n->params_embedding, (long long)n->params_frozen);
    printf("FLOPs: %lld a token forward, %.4g for the training\nmemory: %s\n", (long long)n->flops_per_token, (double)n->train_flops,
           gs_bytes_text(n->bytes, memory));
}

static void print_metrics(const gs_metrics *m)
{
    gs_cells cells = {.columns = 3};
    char text[32];
    gs_cells_add(&cells, "metric");
    gs_cells_add(&cells, "value");
    gs_cells_add(&cells, "unit");
    for (size_t i = 0; i < m->count; i++) {
        const gs_metric_row *row = gs_metric_find(m->at[i].name);
        gs_cells_add(&cells, "%s", m->at[i].name);
        gs_cells_add(&cells, "%s", gs_real(m->at[i].value, text));
        gs_cells_add(&cells, "%s", row ? row->unit : "");
    }
    putchar('\n');
    gs_cells_print(&cells, stdout);
    gs_cells_free(&cells);
}

/* A run that failed early has no curve. */
static void print_curve(const char *dir, const char *id)
{
    char *path = gs_text("%s/runs/%s/curve.csv", dir, id), *text;
    size_t length;
    if (!gs_file_read(path, CURVE_MOST, &text, &length, NULL)) {
        printf("\ncurve (%s):\n%s", path, text);
        free(text);
    }
    free(path);
}

static void print_record(const gs_record *r, const char *dir)
{
    char time[32];
    printf("run %s: %s%s\n%s on %s, rank %d\n\n", r->id, r->ok ? "done" : "failed: ", r->ok ? "" : r->reason,
           gs_seconds_text(r->wall_s, time), r->host, r->rank);
    print_config(&r->config);
    print_counts(&r->counts);
    print_metrics(&r->metrics);
    print_curve(dir, r->id);
}

int gs_cmd_show(int argc, char **argv)
{
    bool json = false;
    const char *words[2];
    const gs_option options[] = {{"json", 0, GS_OPTION_FLAG, &json, NULL, "the record as one line of json"}, {0}};
    const gs_usage usage = {"show [options] DIR ID",
                            "One finished run of a folder: config, counts, metrics, curve. ID may be the beginning of an id.",
                            options, 2, 2};
    int code;
    gs_err e;
    gs_records records = {0};
    gs_record r = {0};
    const char *id = NULL;
    if (!gs_cli_parse(&usage, argc, argv, words, &code))
        return code;
    code = GS_EXIT_FINE;
    if (gs_records_load_states(words[0], &records, NULL, &e) || find_record(&records, words[0], words[1], &id, &e) ||
        gs_record_read(words[0], id, &r, &e)) {
        code = gs_cli_error("%s", e.text);
    } else if (json) {
        char *line = gs_record_json(&r);
        puts(line);
        free(line);
    } else {
        print_record(&r, words[0]);
    }
    gs_record_free(&r);
    gs_records_free(&records);
    return code;
}
