/* gridshift eval: takes a checkpoint apart, whoever trained it. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint.h"
#include "cli.h"
#include "gridshift/probe.h"

static void print_json(const gs_model *m, const gs_metrics *metrics)
{
    char *config = gs_config_json(&m->config, false);
    json_t *root = json_object(), *values = json_object();
    json_object_set_new(root, "config", json_loads(config, 0, NULL));
    for (size_t i = 0; i < metrics->count; i++) json_object_set_new(values, metrics->at[i].name, json_real(metrics->at[i].value));
    json_object_set_new(root, "metrics", values);
    json_dumpf(root, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
    putchar('\n');
    json_decref(root);
    free(config);
}

static void print_text(const gs_model *m, const gs_metrics *metrics)
{
    char number[32];
    printf("%s, %s, %lld parameters\n", gs_value_text(GS_TASK, m->config.v[GS_TASK], (char[64]){0}),
           gs_value_text(GS_FFN_KIND, m->config.v[GS_FFN_KIND], (char[64]){0}), (long long)m->size);
    for (size_t i = 0; i < metrics->count; i++)
        printf("%-48s %s\n", metrics->at[i].name, gs_real(metrics->at[i].value, number));
}

static int measure(gs_model *m, int64_t step, uint32_t probes, gs_metrics *out, gs_err *e)
{
    int batch = gs_batch_size(&m->config); /* the chunks of a run, so that the sums are the run's, bit for bit */
    gs_task *task = NULL;
    gs_pass *pass = NULL;
    int failed = gs_task_open(&m->config, &task, e) || gs_pass_open(m, gs_chunk(&m->config, &m->d, batch), batch, false, &pass, e);
    if (!failed) {
        gs_measure q = {.pass = pass, .task = task, .checkpoint = "given", .step = step, .ablate = GS_ABLATE_ALL, .probes = probes,
                        .counts = true};
        failed = gs_measure_checkpoint(&q, out, e) || gs_probe_checkpoint(&q, out, e);
    }
    gs_pass_close(&pass);
    gs_task_close(&task);
    return failed;
}

/* "fourier,routing" or "all" -> a mask; those that do not apply to the checkpoint give nothing. */
static bool parse_probes(const char *text, uint32_t *out)
{
    char *copy = gs_text("%s", text ? text : ""), *rest = copy, *word;
    bool all = text && !strcmp(text, "all"), fine = true;
    *out = all ? UINT32_MAX : 0;
    while (text && !all && fine && (word = strsep(&rest, ","))) {
        int probe = gs_probe_find(word);
        const char *near = gs_probe_nearest(word);
        fine = probe >= 0;
        if (fine) *out |= UINT32_C(1) << probe;
        else gs_cli_error("command line: --probe: there is no probe '%s'. %s%s%s`gridshift keys` lists them.", word,
                          near ? "Did you mean '" : "", near ? near : "", near ? "'? " : "");
    }
    free(copy);
    return fine;
}

int gs_cmd_eval(int argc, char **argv)
{
    bool json = false;
    const char *probe_text = NULL;
    const gs_option options[] = {{"json", 0, GS_OPTION_FLAG, &json, NULL, "print the config and the metrics as JSON"},
                                 {"probe", 0, GS_OPTION_TEXT, &probe_text, "NAME[,NAME]", "also these probes; all: every one that applies"},
                                 {0}};
    const gs_usage usage = {"eval [options] CHECKPOINT",
                            "Loads a safetensors checkpoint (config in its metadata) and prints every metric and ablation as\n"
                            "given.SUBJECT.METRIC.",
                            options, 1, 1};
    const char *path;
    int code;
    if (!gs_cli_parse(&usage, argc, argv, &path, &code)) return code;
    gs_numeric_start();
    gs_model *m;
    gs_metrics metrics = {0};
    gs_err e;
    int64_t step;
    uint32_t probes;
    if (!parse_probes(probe_text, &probes)) return GS_EXIT_INPUT;
    if (gs_checkpoint_read(path, &m, &step, &e)) return gs_cli_error("%s", e.text);
    int failed = measure(m, step, probes, &metrics, &e);
    if (failed) gs_cli_error("%s", e.text);
    else if (json) print_json(m, &metrics);
    else print_text(m, &metrics);
    gs_metrics_free(&metrics);
    gs_model_close(&m);
    return failed ? GS_EXIT_BUG : GS_EXIT_FINE;
}
