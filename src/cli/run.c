#include <cblas.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/analyze.h"
#include "cli/run.h"
#include "gridshift/linalg.h"

/* What gs_mpi_agree carries besides exit codes. */
enum { GO = -1 };

/* "K/N" of --shard. */
static bool parse_shard(gs_run_options *o)
{
    int length = 0;
    if (!o->shard_text) return true;
    if (!o->shard_text[strspn(o->shard_text, "0123456789/")] && sscanf(o->shard_text, "%9d/%9d%n", &o->shard, &o->shards, &length) == 2 &&
        !o->shard_text[length] && o->shard < o->shards && o->shards <= GS_SHARDS_MOST)
        return true;
    gs_cli_error("command line: --shard takes K/N with K from 0 to N - 1 and N up to %d, as 0/4, not '%s'.", GS_SHARDS_MOST, o->shard_text);
    return false;
}

/* A duration of at least `least` seconds for option --name, or a message and false. NULL: what is there stays. */
static bool parse_duration(const char *name, const char *text, double least, double *out)
{
    if (!text || (gs_limit_parse(text, out) && *out >= least)) return true;
    gs_cli_error("command line: --%s takes seconds (at least %g), 90m, 2h, 1d or H:MM:SS, not '%s'.", name, least, text);
    return false;
}

static bool parse_durations(gs_run_options *o)
{
    return parse_duration("time-limit", o->limit_text, 1, &o->limit_s) &&
           parse_duration("lost-after", o->lost_text, 3, &o->protection.lost_s) &&
           parse_duration("stuck-after", o->stuck_text, 1, &o->protection.stuck_s);
}

static bool parse(int argc, char **argv, gs_run_options *o, int *code)
{
    const gs_option options[] = {
        {"np", 0, GS_OPTION_TEXT, &o->np_text, "W",
         "start mpirun with W workers and a master (default: a worker per core); 0: work in this process"},
        {"output", 'o', GS_OPTION_TEXT, &o->dir_given, "DIR", "the folder of the results (default: runs/NAME)"},
        {"set", 0, GS_OPTION_SETS, &o->sets, "KEY=V[,V]", "replace a default, or keep only these values of a listed axis; may be repeated"},
        {"retry", 0, GS_OPTION_TEXT, &o->retry_text, "failed", "run what failed once more"},
        {"shard", 0, GS_OPTION_TEXT, &o->shard_text, "K/N",
         "only the plan's rows with row mod N = K, beside other shards in one folder; the tables are a later `gridshift tables DIR`"},
        {"time-limit", 0, GS_OPTION_TEXT, &o->limit_text, "T",
         "end within T (seconds, 90m, 2h, H:MM:SS): begin no run that does not fit, stop the others with a checkpoint, exit 75"},
        {"lost-after", 0, GS_OPTION_TEXT, &o->lost_text, "T", "a worker without a sign of life for T is lost (default: 60)"},
        {"stuck-after", 0, GS_OPTION_TEXT, &o->stuck_text, "T", "a run that does not get on for T is stuck (default: 30m)"},
        {"force-unlock", 0, GS_OPTION_FLAG, &o->force_unlock, NULL, "take the folder although another process has its lock"},
        {"isolate", 0, GS_OPTION_FLAG, &o->isolate, NULL, "a process for each run: a crash inside of one is a failed run, with its signal"},
        {"unprotected", 0, GS_OPTION_FLAG, &o->protection.off, NULL,
         "no second thread, no signs of life, no recovery: only to measure what they cost"},
        {"partial", 0, GS_OPTION_FLAG, &o->partial, NULL, "tables with unequal sets of seeds, which are marked"},
        {"quiet", 'q', GS_OPTION_FLAG, &o->quiet, NULL, "no progress and no tables on the terminal"},
        {0}};
    const gs_usage usage = {"run [options] SWEEP",
                            "Trains and measures every run of the sweep that is missing in DIR, then writes the tables. The same\n"
                            "command again continues. Under mpirun or srun, rank 0 is the master and the others work (then --np is not\n"
                            "used).",
                            options, 1, 1};
    o->np = -1;
    o->protection = gs_protection_default;
    if (!gs_cli_parse(&usage, argc, argv, &o->sweep, code))
        return false;
    *code = GS_EXIT_INPUT;
    if (!parse_shard(o) || !parse_durations(o) || (o->np_text && !gs_cli_int("np", o->np_text, 0, &o->np)))
        return false;
    o->retry = o->retry_text != NULL;
    if (o->retry && strcmp(o->retry_text, "failed")) {
        gs_cli_error("command line: --retry takes the word `failed`, not '%s'.", o->retry_text);
        return false;
    }
    gs_err e;
    if (!gs_kernels_choose(NULL, &e)) {
        gs_cli_error("environment: %s.", e.text);
        return false;
    }
    return true;
}

int gs_run_check_folder(const char *dir, const gs_spec *spec, gs_err *e)
{
    gs_session old = {0};
    gs_err ignored;
    char *path = gs_text("%s/spec.yaml", dir);
    /* Only the name matters here; an old file that this version refuses is replaced. */
    bool other = access(path, F_OK) == 0 && gs_spec_load(path, NULL, 0, &old.spec, &ignored) == 0 &&
                 strcmp(gs_spec_name(old.spec), gs_spec_name(spec)) != 0 && strcmp(gs_spec_name(old.spec), "spec") != 0;
    int code = other ? gs_error(e, "%s holds the sweep '%s', not '%s'. Give another folder with -o, or another name in the file.", dir,
                                gs_spec_name(old.spec), gs_spec_name(spec))
                     : 0;
    free(path);
    gs_session_close(&old);
    return code;
}

/* The most that the analysis after the runs can have. */
static int ranks_of(const gs_run_options *o)
{
    if (gs_mpi_launched()) return gs_mpi_size();
    return (o->np < 0 ? gs_launch_cores() : o->np) + 1;
}

static int check_sweep(gs_run_options *o, gs_session *s, gs_err *e)
{
    if (gs_session_read(s, o->sweep, &o->sets, o->partial, e))
        return -1;
    o->dir = o->dir_given ? gs_text("%s", o->dir_given) : gs_text("runs/%s", gs_spec_name(s->spec));
    struct stat there;
    if (stat(o->dir, &there) == 0 && !S_ISDIR(there.st_mode))
        return gs_error(e, "%s is not a folder. Give another with -o.", o->dir);
    if (gs_run_check_folder(o->dir, s->spec, e) || gs_session_plan(s, o->dir, o->retry, e))
        return -1;
    if (gs_plan_within(s->plan, s->spec, e)) /* the budget is of the whole sweep */
        return -1;
    if (gs_analysis_check(s, ranks_of(o), e))
        return -1;
    if (o->shards)
        gs_plan_share(s->plan, o->shard, o->shards);
    return 0;
}

/* Everything that can be wrong with the input, before anything is written or started. */
static bool prepare(int argc, char **argv, gs_run_options *o, gs_session *s, int *code)
{
    gs_err e;
    if (!parse(argc, argv, o, code))
        return false;
    if (!check_sweep(o, s, &e))
        return true;
    *code = gs_cli_error("%s", e.text);
    return false;
}

static void release(gs_run_options *o, gs_session *s, gs_campaign **c)
{
    gs_campaign_close(c);
    gs_session_close(s);
    gs_sets_free(&o->sets);
    free(o->dir);
}

const gs_protection gs_protection_default = {.lost_s = 60, .stuck_s = 1800};

/* What this job does without. */
static void warn(const gs_run_options *o)
{
    const char *core = getenv("OPENBLAS_CORETYPE");
    if (core && !o->quiet) fprintf(stderr, "gridshift: OPENBLAS_CORETYPE=%s is set: OpenBLAS takes that processor's kernels\n", core);
    if (getenv(GS_MPI_STATUS_VARIABLE) || o->quiet || o->protection.off || gs_mpi_size() < 2) return;
    if (gs_mpi_recovers())
        fprintf(stderr, "gridshift: mpirun --enable-recovery ends with 0 whatever happens; `gridshift run --np W` has the true code\n");
    else
        fprintf(stderr, "gridshift: without mpirun --enable-recovery a worker that is killed or crashes ends the whole job (the same "
                        "command goes on); `gridshift run --np W` survives it\n");
}

static bool work(const gs_protection *p, bool isolate)
{
    gs_executor execute = gs_execute;
    gs_stop_hold(true);
    return gs_worker(&(gs_worker_calls){&execute, isolate ? gs_job_isolate : gs_job_execute, gs_stop_ask, gs_stop_polls}, p);
}

/* What follows the last run, with all ranks. code: of the runs, the same on every rank; s is planned on rank 0. */
static int analyze(int code, const gs_run_options *o, const gs_session *s)
{
    bool first = gs_mpi_rank() == 0;
    if (code != GS_EXIT_FINE && code != GS_EXIT_FAILED) return code;
    if (!gs_mpi_agree(first && !o->shards && gs_analysis_wanted(s, o->dir, false))) return code;
    const gs_analysis_options options = {GS_ANALYSIS_LIMIT_S, o->quiet, false};
    int analysis = gs_analysis_run(first ? s : NULL, first ? o->dir : NULL, &options);
    if (analysis == GS_EXIT_STOPPED && first) gs_run_marker(o, true);
    if (analysis == GS_EXIT_STOPPED) return analysis;
    return code ? code : analysis;
}

/* A rank of an MPI job. Only rank 0 reads, prints and decides. */
static int run_rank(int argc, char **argv)
{
    struct {
        int code;
        gs_protection protection;
        bool isolate;
    } start = {.code = GO};
    gs_run_options o = {0};
    gs_session s = {0};
    gs_campaign *c = NULL;
    gs_mpi_init(&argc, &argv);
    bool master = gs_mpi_rank() == 0, ended = true;
    if (master && prepare(argc, argv, &o, &s, &start.code)) {
        start.code = gs_campaign_open(&o, &s, &c);
        start.code = start.code ? start.code : GO;
        warn(&o);
    }
    start.protection = o.protection;
    start.isolate = o.isolate;
    gs_mpi_share(&start, sizeof start);
    int code = start.code;
    if (code == GO && !master) ended = work(&start.protection, start.isolate);
    if (code == GO && master) {
        gs_campaign_dispatch(c, gs_mpi_size() - 1);
        code = gs_campaign_report(c);
    }
    if (start.code == GO) code = analyze(gs_mpi_agree(code), &o, &s);
    release(&o, &s, &c);
    code = gs_mpi_finish(code);
    if (!ended) _exit(code); /* a run is still at work on the other thread */
    return code;
}

static int default_workers(const gs_plan *p)
{
    int cores = gs_launch_cores();
    return cores < p->todo ? cores : p->todo;
}

int gs_cmd_run(int argc, char **argv)
{
    gs_run_options o = {0};
    gs_session s = {0};
    gs_campaign *c = NULL;
    int code;
    gs_memory_here(); /* before any worker takes its share */
    if (!getenv("OPENBLAS_NUM_THREADS")) /* a core has one rank */
        openblas_set_num_threads(1);
    if (gs_mpi_launched()) {
        gs_stop_install();
        return run_rank(argc, argv);
    }
    if (prepare(argc, argv, &o, &s, &code)) {
        int workers = o.np < 0 ? default_workers(s.plan) : o.np;
        gs_err e;
        if (!o.force_unlock && gs_lock_check(o.dir, gs_run_shard(&o), &e)) {
            code = gs_cli_error("%s", e.text);
        } else if (workers > 0 && s.plan->todo > 0) {
            code = gs_launch(workers + 1, argv, !o.protection.off);
        } else {
            gs_stop_install();
            code = gs_campaign_open(&o, &s, &c);
            if (!code) {
                gs_campaign_dispatch(c, 0);
                code = analyze(gs_campaign_report(c), &o, &s);
            }
        }
    }
    release(&o, &s, &c);
    return code;
}
