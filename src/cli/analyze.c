/* `gridshift analyze`, and the analysis that follows the runs: rank 0 knows the sweep and shares what the others need. */
#include "cli/analyze.h"

#include <cblas.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/run.h"
#include "gridshift/mpi.h"

static const double ALONE_FLOPS = 2e10; /* about a second: below it, a rank is faster alone than in a team */

/* -- what there is to do: rank 0 --------------------------------------------------------------------------------- */

static bool asks(const gs_session *s)
{
    for (int i = 0; i < s->grid->count; i++) {
        gs_run run = {s->grid, i};
        if (gs_run_value(run, GS_ANALYSIS_FEATURES).i || gs_run_value(run, GS_ANALYSIS_SPECTRA).i) return true;
    }
    return false;
}

/* A run that is done has its features: see state_of of a session. */
int gs_analysis_specs(const gs_session *s, bool done, gs_map_spec **out, int *count, gs_err *e)
{
    bool *takes = gs_alloc((size_t)s->grid->count + 1, sizeof *takes);
    for (int i = 0; i < s->grid->count; i++)
        takes[i] = (!done || s->plan->state[i] == GS_DONE) && gs_run_value((gs_run){s->grid, i}, GS_ANALYSIS_FEATURES).i;
    int failed = gs_map_specs(s->grid, takes, out, count, e);
    free(takes);
    return failed;
}

void gs_analysis_free(gs_map_spec *specs, int count)
{
    for (int k = 0; k < count; k++) gs_map_spec_free(&specs[k]);
    free(specs);
}

int gs_analysis_check(const gs_session *s, int ranks, gs_err *e)
{
    gs_map_spec *specs;
    gs_map_cost cost;
    int count;
    if (!asks(s)) return 0;
    int failed = gs_analysis_specs(s, false, &specs, &count, e);
    for (int k = 0; k < count && !failed; k++)
        failed = gs_map_plan(specs[k].runs, specs[k].rows, specs[k].width, GS_HAVE_SCALAPACK ? ranks : 1, specs[k].rank_bytes, &cost, e);
    gs_analysis_free(specs, count);
    return failed ? failed : gs_spectra_check(s, GS_HAVE_SCALAPACK ? ranks : 1, e);
}

/* What the results depend on: runs in their order, keys and probe sets; as DIR/analysis/inputs.txt has it. */
static void stamp(const gs_map_spec *specs, int count, gs_buf *out)
{
    for (int k = 0; k < count; k++) {
        gs_hash h = gs_hash_bytes(specs[k].id, (size_t)specs[k].runs * sizeof *specs[k].id);
        char hex[33];
        gs_hash_text(h, hex);
        gs_buf_add(out, "%d runs %s, %d rows of %s, %d permutations\n", specs[k].runs, hex, specs[k].rows, specs[k].probe,
                   specs[k].permutations);
    }
}

static void stamp_spectra(const gs_session *s, gs_buf *out)
{
    gs_buf ids = {0};
    char id[33], hex[33];
    for (int i = 0; i < s->grid->count; i++) {
        gs_value by = gs_run_value((gs_run){s->grid, i}, GS_ANALYSIS_SPECTRA);
        if (by.i && s->plan->state[i] == GS_DONE) gs_buf_add(&ids, "%s %d\n", gs_run_id((gs_run){s->grid, i}, id), (int)by.i);
    }
    if (!ids.length) return;
    gs_hash_text(gs_hash_bytes(ids.text, ids.length), hex);
    gs_buf_add(out, "spectra of %s\n", hex);
    gs_buf_free(&ids);
}

static bool same_stamp(const char *dir, const gs_buf *now)
{
    char *path = gs_text("%s/analysis/inputs.txt", dir), *old = NULL;
    size_t length;
    gs_err ignored;
    bool same = !gs_file_read(path, 1 << 20, &old, &length, &ignored) && length == now->length && !memcmp(old, now->text, length);
    free(path), free(old);
    return same;
}

bool gs_analysis_wanted(const gs_session *s, const char *dir, bool again)
{
    gs_map_spec *specs;
    gs_err ignored;
    gs_buf now = {0};
    int count;
    if (!asks(s)) return false;
    bool wanted = !gs_analysis_specs(s, true, &specs, &count, &ignored);
    if (wanted) stamp(specs, count, &now);
    if (wanted) stamp_spectra(s, &now);
    wanted = wanted && now.length && (again || !same_stamp(dir, &now));
    gs_analysis_free(specs, count);
    gs_buf_free(&now);
    return wanted;
}

/* -- all ranks --------------------------------------------------------------------------------------------------- */

/* DIR/analysis, or a folder in it for each task when there are several. */
static char *folder_of(const char *dir, const gs_map_spec *s, int number, int count)
{
    char task[64];
    if (count == 1) return gs_text("%s/analysis", dir);
    gs_value_text(GS_TASK, gs_run_value((gs_run){s->grid, s->index[0]}, GS_TASK), task);
    return gs_text("%s/analysis/%d_%s", dir, number + 1, task);
}

static int one_map(const gs_team *t, const gs_map_spec *s, const char *dir, const char *folder, gs_buf *screen, gs_err *e)
{
    int sites = 2 * s->layers, failed = 0;
    gs_map *maps = gs_alloc((size_t)sites, sizeof *maps);
    for (int site = 0; site < sites && !failed; site++) failed = gs_map_of(t, s, dir, site, &maps[site], e);
    if (!failed) failed = gs_map_write(t, s, maps, folder, screen, e);
    for (int site = 0; site < sites; site++) gs_map_free(&maps[site]);
    free(maps);
    return failed;
}

/* A team for a map of this size: rank 0 alone where that is faster and fits. */
static bool fits_alone(const gs_map_spec *s)
{
    gs_map_cost cost;
    gs_err ignored;
    return !gs_map_plan(s->runs, s->rows, s->width, 1, s->rank_bytes, &cost, &ignored) && cost.flops * 2 * s->layers < ALONE_FLOPS;
}

typedef struct desk { /* the same on every rank, but for what only rank 0 has */
    int count, failed;
    bool everyone; /* all ranks work together, however small it is */
    gs_map_spec *specs;
    const char *dir;
    gs_buf screen;
    gs_err e;
} desk;

/* In a team: rank 0's folder and spec become everybody's. */
static void map_in_team(desk *d, const gs_team *t, int k)
{
    int length = d->dir ? (int)strlen(d->dir) : 0;
    gs_map_spec none = {0}, *s = d->specs ? &d->specs[k] : &none;
    gs_team_share(t, &length, sizeof length);
    char *dir = gs_alloc((size_t)length + 1, 1), *folder = NULL;
    if (d->dir) memcpy(dir, d->dir, (size_t)length);
    gs_team_share(t, dir, (size_t)length);
    gs_map_spec_share(t, s);
    if (d->specs) folder = folder_of(dir, s, k, d->count);
    d->failed = one_map(t, s, dir, folder, d->specs ? &d->screen : NULL, &d->e);
    free(dir), free(folder);
    if (!d->specs) gs_map_spec_free(&none);
}

/* Rank 0 says how many maps there are, and for each whether a team makes it. */
static void all_maps(desk *d)
{
    d->count = gs_mpi_agree(d->count);
    for (int k = 0; k < d->count && !d->failed; k++) {
        bool alone = gs_mpi_agree(gs_mpi_lost() || (!d->everyone && d->specs && fits_alone(&d->specs[k])));
        gs_team t = alone ? (gs_mpi_rank() ? (gs_team){0} : gs_team_alone()) : gs_team_open(gs_mpi_size(), GS_SHAPE_SQUARE);
        t.watch = gs_watchdog_step;
        if (t.size) map_in_team(d, &t, k);
        gs_team_close(&t);
        gs_watchdog_end(); /* an idle rank waits asleep, for as long as it takes */
        d->failed = gs_mpi_agree(d->failed);
        gs_watchdog_step("the next analysis", 0);
    }
}

static int close_desk(desk *d, const gs_session *s)
{
    gs_buf now = {0};
    char *path = gs_text("%s/analysis/inputs.txt", d->dir);
    stamp(d->specs, d->count, &now);
    stamp_spectra(s, &now);
    int failed = gs_file_write(path, now.text, now.length, &d->e);
    free(path);
    gs_buf_free(&now);
    return failed;
}

/* What the disk is to blame for, the same command does when that is mended. */
static int tell_failure(const gs_err *e)
{
    gs_cli_error("analysis: %s", e->text);
    return e->system ? GS_EXIT_STOPPED : GS_EXIT_INPUT;
}

int gs_analysis_run(const gs_session *s, const char *dir, const gs_analysis_options *o)
{
    desk d = {.dir = dir, .everyone = o->again};
    gs_watchdog_start(o->limit_s);
    if (s) d.failed = gs_analysis_specs(s, true, &d.specs, &d.count, &d.e);
    if (!gs_mpi_agree(d.failed)) all_maps(&d);
    gs_watchdog_end();
    if (!gs_mpi_agree(d.failed)) d.failed = gs_spectra_run(s, dir, &d.e);
    if (s && !d.failed) d.failed = close_desk(&d, s);
    int code = gs_mpi_agree(s && d.failed ? tell_failure(&d.e) : GS_EXIT_FINE);
    if (s && !code && !o->quiet) printf("\n%s\n%s/analysis/ has everything.\n", d.screen.text ? d.screen.text : "", dir);
    gs_buf_free(&d.screen);
    gs_analysis_free(d.specs, d.specs ? d.count : 0);
    return code;
}

/* -- the command ------------------------------------------------------------------------------------------------- */

typedef struct command {
    const char *dir, *np_text, *limit_text;
    int np;
    gs_analysis_options options;
} command;

static bool parse(int argc, char **argv, command *c, int *code)
{
    const gs_option options[] = {
        {"np", 0, GS_OPTION_TEXT, &c->np_text, "W", "start mpirun with W ranks (default: one per core when a rank alone would take long)"},
        {"limit", 0, GS_OPTION_TEXT, &c->limit_text, "SECONDS", "how long the ranks wait for each other before they give up (600)"},
        {"quiet", 'q', GS_OPTION_FLAG, &c->options.quiet, NULL, "write the files only"},
        {0}};
    const gs_usage usage = {"analyze [options] DIR",
                            "Compares all runs of a task that wrote features (analysis.features: true), over all ranks: similarity,\n"
                            "map, and what explains it, in DIR/analysis. `run` does the same after its last run.",
                            options, 1, 1};
    *c = (command){.np = -1, .options = {GS_ANALYSIS_LIMIT_S, false, true}};
    if (!gs_cli_parse(&usage, argc, argv, &c->dir, code)) return false;
    *code = GS_EXIT_INPUT;
    if (c->np_text && !gs_cli_int("np", c->np_text, 1, &c->np)) return false;
    return !c->limit_text || gs_cli_int("limit", c->limit_text, 1, &c->options.limit_s);
}

static int read_folder(const command *c, gs_session *s, gs_err *e)
{
    if (gs_session_read_folder(s, c->dir, e) || gs_session_plan(s, c->dir, false, e)) return -1;
    if (!asks(s)) return gs_error(e, "%s: no run of this sweep asks for an analysis. Put `analysis.features: true` under `defaults:` "
                                     "and run it again; training is repeated for the runs that lack them.", c->dir);
    if (!gs_analysis_wanted(s, c->dir, true))
        return gs_error(e, "%s: there are no two finished runs with features of the same task to compare; `gridshift status` says "
                        "what is missing.", c->dir);
    return 0;
}

/* Ranks that are worth starting: more than one only when no single rank would do the whole analysis. */
static int ranks_for(const gs_session *s)
{
    gs_map_spec *specs;
    gs_err ignored;
    int ranks = 1, count;
    if (!gs_analysis_specs(s, true, &specs, &count, &ignored))
        for (int k = 0; k < count; k++)
            if (!fits_alone(&specs[k])) ranks = gs_launch_cores();
    gs_analysis_free(specs, count);
    return ranks;
}

static int analyze(const command *c, gs_session *s)
{
    int code = gs_analysis_run(gs_mpi_rank() ? NULL : s, c->dir, &c->options);
    if (code || gs_mpi_rank()) return code;
    if (s->plan->todo || s->plan->failed)
        fprintf(stderr, "gridshift: %d of %d runs are not in it: %d to do, %d failed.\n", s->plan->todo + s->plan->failed,
                s->plan->count, s->plan->todo, s->plan->failed);
    return code;
}

int gs_cmd_analyze(int argc, char **argv)
{
    command c = {0};
    gs_session s = {0};
    gs_err e;
    int code = GS_EXIT_FINE;
    if (!getenv("OPENBLAS_NUM_THREADS")) openblas_set_num_threads(1); /* a core has one rank */
    bool launched = gs_mpi_launched(), main_rank = true;
    if (launched) {
        gs_mpi_init(&argc, &argv);
        main_rank = gs_mpi_rank() == 0;
    }
    bool go = main_rank && parse(argc, argv, &c, &code);
    if (go && read_folder(&c, &s, &e)) {
        code = gs_cli_error("%s", e.text);
        go = false;
    }
    if (!gs_mpi_agree(go)) {
        gs_session_close(&s);
        return gs_mpi_finish(gs_mpi_agree(code));
    }
    gs_mpi_share(&c.options, sizeof c.options);
    int ranks = launched ? 1 : c.np > 0 ? c.np : ranks_for(&s);
    code = ranks > 1 ? gs_launch(ranks, argv, false) : analyze(&c, &s);
    gs_session_close(&s);
    return gs_mpi_finish(gs_mpi_agree(code));
}
