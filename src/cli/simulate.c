/* gridshift plan --simulate: the words, and a row for each number of workers. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

enum { WORKERS_MOST = 1000000, RUNS_MOST = 10000000, CORES_MOST = 1024 };

static const char help[] =
    "--simulate takes words KEY=VALUE, joined by commas:\n"
    "  workers=N    ranks that work; may be given several times, each is a row (needed)\n"
    "  cores=C      processors that all ranks share; 0, the default: a rank has its own\n"
    "  seconds=S    what every run takes, instead of the plan's predictions\n"
    "  runs=N       so many of them (with seconds=), instead of those to do\n"
    "  sync_ms=MS   what the disk takes for a commit of the journal\n"
    "  run_us=US    a worker's own processor time beside a run\n"
    "`gridshift bench dispatch` measures the last two.\n";

static bool take_real(const char *value, double least, double most, double *out)
{
    char *end;
    *out = strtod(value, &end);
    return end != value && !*end && *out >= least && *out <= most;
}

static bool take_whole(const char *value, int least, int most, int *out)
{
    double x;
    bool fine = take_real(value, least, most, &x) && x == floor(x);
    *out = fine ? (int)x : 0;
    return fine;
}

static bool take_word(gs_simulation *s, const char *key, const char *value)
{
    double x;
    if (!strcmp(key, "workers"))
        return s->count < 16 && take_whole(value, 1, WORKERS_MOST, &s->workers[s->count++]);
    if (!strcmp(key, "cores"))
        return take_whole(value, 0, CORES_MOST, &s->machine.cores);
    if (!strcmp(key, "seconds"))
        return take_real(value, 0, 1e9, &s->seconds);
    if (!strcmp(key, "runs"))
        return take_whole(value, 1, RUNS_MOST, &s->runs);
    if (!take_real(value, 0, 1e6, &x))
        return false;
    if (!strcmp(key, "sync_ms"))
        return s->machine.sync_s = x * 1e-3, true;
    return !strcmp(key, "run_us") && (s->machine.run_s = x * 1e-6, true);
}

bool gs_simulation_parse(const char *text, gs_simulation *out, int *code)
{
    *out = (gs_simulation){.machine = gs_machine_measured, .seconds = -1};
    if (!text)
        return true;
    *code = GS_EXIT_FINE;
    if (!strcmp(text, "help")) {
        fputs(help, stdout);
        return false;
    }
    char *copy = gs_text("%s", text), *rest = copy, *bad = NULL;
    for (char *word; !bad && (word = strsep(&rest, ","));) {
        char *equals = strchr(word, '=');
        if (equals)
            *equals = 0;
        if (!equals || !take_word(out, word, equals + 1))
            bad = word;
        if (equals)
            *equals = '=';
    }
    if (bad)
        *code = gs_cli_error("command line: --simulate does not take '%s'. `gridshift plan --simulate help` lists its words.", bad);
    else if (!out->count)
        *code = gs_cli_error("command line: --simulate needs workers=N. `gridshift plan --simulate help` lists its words.");
    else if (out->runs && out->seconds < 0)
        *code = gs_cli_error("command line: --simulate takes runs=N together with seconds=S only.");
    free(copy);
    return *code == GS_EXIT_FINE;
}

double *gs_plan_seconds(const gs_plan *p, double scale)
{
    double *seconds = gs_alloc((size_t)p->todo + 1, sizeof *seconds);
    for (int i = 0; i < p->todo; i++)
        seconds[i] = scale * gs_plan_cost(p, p->order[i])->predicted_s;
    return seconds;
}

static void print_json(int workers, const gs_forecast *f)
{
    json_t *j = json_pack("{s:i, s:f, s:f, s:f}", "workers", workers, "makespan_s", f->makespan_s, "efficiency", f->efficiency,
                          "master_busy", f->master_busy);
    json_dumpf(j, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(j);
}

static void add_row(gs_cells *t, int workers, const gs_forecast *f)
{
    char text[32];
    gs_cells_add(t, "%d", workers);
    gs_cells_add(t, "%s", gs_seconds_text(f->makespan_s, text));
    gs_cells_add(t, "%.1f %%", 100 * f->efficiency);
    gs_cells_add(t, "%.2f %%", 100 * f->master_busy);
}

static void print_end(const gs_simulation *s, const double *seconds, int runs)
{
    double sum = 0;
    int pay = gs_simulate_workers(seconds, runs, &s->machine, WORKERS_MOST, GS_EFFICIENCY_LEAST);
    for (int i = 0; i < runs; i++)
        sum += seconds[i];
    printf("\n%d runs of %.3g s on the average: the master saturates near %.3g workers.\n", runs, sum / runs,
           fmax(1, gs_simulate_saturation(&s->machine, sum / runs)));
    printf("Workers that pay: %d. With more, the efficiency is below %.0f %%.\n", pay, 100 * GS_EFFICIENCY_LEAST);
}

void gs_simulation_print(const gs_simulation *s, const gs_plan *p, bool json)
{
    static const char *const heads[] = {"workers", "makespan", "efficiency", "master busy"};
    int runs = s->runs ? s->runs : p->todo;
    gs_cells t = {.columns = 4};
    double *seconds = s->runs ? gs_alloc((size_t)runs, sizeof *seconds) : gs_plan_seconds(p, 1);
    for (int i = 0; i < runs && s->seconds >= 0; i++)
        seconds[i] = s->seconds;
    for (int i = 0; i < 4; i++)
        gs_cells_add(&t, "%s", heads[i]);
    for (int i = 0; i < s->count && runs; i++) {
        gs_machine m = s->machine;
        m.workers = s->workers[i];
        gs_forecast f = gs_simulate(seconds, runs, &m);
        add_row(&t, m.workers, &f);
        if (json)
            print_json(m.workers, &f);
    }
    if (!runs)
        puts("there is nothing to do");
    else if (!json) {
        gs_cells_print(&t, stdout);
        print_end(s, seconds, runs);
    }
    gs_cells_free(&t);
    free(seconds);
}
