/* gridshift submit: the plan -> the size of a job -> its script -> sbatch. Nothing is trained here, and MPI is not touched. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/run.h"
#include "cli/slurm.h"

enum { TASKS_MOST = 100000, NODES_MOST = 100000, ARRAY_MOST = 10000, TASKS_DEFAULT_MOST = 1024 };
enum { SIGNAL_S = 120, ROUND_S = 600, SPARE_S = 600, PROCESS_MIB = 256 }; /* a rank beside its run: MPI, BLAS, the program */
static const double SAFETY = 1.5;

typedef struct options {
    const char *sweep, *dir_given, *nodes_text, *tasks_text, *time_text, *partition, *account, *array_text, *after, *env;
    gs_sets sets;
    bool partial, dry_run, split;
    int nodes, tasks, array;
    double limit_s; /* 0: to be chosen */
    char *dir;      /* owned, absolute */
} options;

typedef struct size { /* what the plan asks for, and what the job gets */
    double ratio, longest_s, core_s;
    int runs, mib, pay; /* pay: the most workers that pay, in all tasks of an array together */
    int tasks, limit_s, signal_s;
    gs_forecast forecast; /* of the slowest part */
} size;

/* -- the command line ---------------------------------------------------------------------------------------- */

/* Slurm's words: no blanks, and nothing that a comment line of its script could not hold. */
static bool check_word(const char *name, const char *word, const char *also)
{
    char allowed[96];
    snprintf(allowed, sizeof allowed, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_%s", also);
    if (!word || (*word && !word[strspn(word, allowed)]))
        return true;
    gs_cli_error("command line: --%s does not take '%s'.", name, word);
    return false;
}

static bool check_after(const char *after)
{
    if (!after || (*after && !after[strspn(after, "0123456789:")]))
        return true;
    gs_cli_error("command line: --after takes the number of a job, or several joined by colons, not '%s'.", after);
    return false;
}

static bool take_count(const char *name, const char *text, int most, int *out)
{
    if (!text)
        return true;
    if (!gs_cli_int(name, text, 1, out))
        return false;
    if (*out > most)
        gs_cli_error("command line: --%s takes at most %d.", name, most);
    return *out <= most;
}

/* As sbatch takes it, a bare number is minutes; also 90m, 2h. */
static bool take_time(options *o)
{
    if (!o->time_text)
        return true;
    bool bare = *o->time_text && !o->time_text[strspn(o->time_text, "0123456789")];
    bool fine = gs_limit_parse(o->time_text, &o->limit_s);
    o->limit_s *= bare ? 60 : 1;
    if (fine && o->limit_s >= 60 && o->limit_s <= 366 * 86400.0)
        return true;
    gs_cli_error("command line: --time takes minutes, H:MM:SS, D-HH:MM:SS, 90m or 2h, from a minute to a year, not '%s'.", o->time_text);
    return false;
}

static bool check_env(options *o)
{
    if (!o->env || !access(o->env, R_OK))
        return true;
    gs_cli_error("command line: --env %s: there is no such file that can be read.", o->env);
    return false;
}

static bool parse(int argc, char **argv, options *o, int *code)
{
    const gs_option table[] = {
        {"output", 'o', GS_OPTION_TEXT, &o->dir_given, "DIR", "the folder of the results (default: runs/NAME)"},
        {"set", 0, GS_OPTION_SETS, &o->sets, "KEY=V[,V]", "as for `run`"},
        {"partial", 0, GS_OPTION_FLAG, &o->partial, NULL, "as for `run`"},
        {"ntasks", 'n', GS_OPTION_TEXT, &o->tasks_text, "N", "ranks that work (default: as many as pay; of an array: each job's)"},
        {"nodes", 'N', GS_OPTION_TEXT, &o->nodes_text, "N", "on so many nodes (default: Slurm chooses)"},
        {"time", 't', GS_OPTION_TEXT, &o->time_text, "T", "time limit: minutes, H:MM:SS, 90m, 2h (default: from the prediction)"},
        {"partition", 'p', GS_OPTION_TEXT, &o->partition, "P", "partition"},
        {"account", 'A', GS_OPTION_TEXT, &o->account, "A", "account"},
        {"array", 'a', GS_OPTION_TEXT, &o->array_text, "N", "as N jobs that share the folder, each a shard, and one for the tables"},
        {"after", 0, GS_OPTION_TEXT, &o->after, "JOB", "begin when this job has ended"},
        {"split-runs", 0, GS_OPTION_FLAG, &o->split, NULL, "runs may be longer than the time limit: checkpoints carry them over"},
        {"env", 0, GS_OPTION_TEXT, &o->env, "FILE", "what the job reads first, as slurm/env.sh (default: nothing)"},
        {"dry-run", 0, GS_OPTION_FLAG, &o->dry_run, NULL, "show the script; write and submit nothing"},
        {0}};
    const gs_usage usage = {"submit [options] SWEEP",
                            "Sizes a Slurm job from the plan, writes its script to DIR/slurm, shows it, submits it, and says how to watch\n"
                            "it.",
                            table, 1, 1};
    if (!gs_cli_parse(&usage, argc, argv, &o->sweep, code))
        return false;
    *code = GS_EXIT_INPUT;
    return take_count("ntasks", o->tasks_text, TASKS_MOST, &o->tasks) && take_count("nodes", o->nodes_text, NODES_MOST, &o->nodes) &&
           take_count("array", o->array_text, ARRAY_MOST, &o->array) && take_time(o) && check_word("partition", o->partition, ".,-") &&
           check_word("account", o->account, ".-@") && check_after(o->after) && check_env(o);
}

/* -- the size ------------------------------------------------------------------------------------------------ */

/* The runs of one shard of the job, in the order of issue; (count), owned by the caller. */
static double *part_seconds(const gs_plan *p, const options *o, int shard, double ratio, int *count)
{
    int shards = o->array ? o->array : 1;
    double *seconds = gs_alloc((size_t)p->todo + 1, sizeof *seconds);
    *count = 0;
    for (int i = 0; i < p->todo; i++)
        if (p->order[i] % shards == shard)
            seconds[(*count)++] = ratio * gs_plan_cost(p, p->order[i])->predicted_s;
    return seconds;
}

static void forecast_parts(const gs_plan *p, const options *o, size *z)
{
    gs_machine m = gs_machine_measured;
    m.workers = z->tasks;
    for (int shard = 0; shard < (o->array ? o->array : 1); shard++) {
        int count;
        double *seconds = part_seconds(p, o, shard, z->ratio, &count);
        gs_forecast f = gs_simulate(seconds, count, &m);
        if (f.makespan_s > z->forecast.makespan_s)
            z->forecast = f;
        free(seconds);
    }
}

static void choose_tasks(const gs_plan *p, const options *o, size *z)
{
    double *seconds = gs_plan_seconds(p, z->ratio);
    z->pay = gs_simulate_workers(seconds, p->todo, &gs_machine_measured, TASKS_MOST, GS_EFFICIENCY_LEAST);
    free(seconds);
    int parts = o->array ? o->array : 1, each = (z->pay + parts - 1) / parts;
    z->tasks = o->tasks ? o->tasks : each < TASKS_DEFAULT_MOST ? each : TASKS_DEFAULT_MOST;
}

static size size_of(const gs_session *s, const options *o)
{
    size z = {.ratio = gs_effort_ratio(gs_session_pace(s).done), .runs = s->plan->todo};
    int64_t bytes = 0;
    for (int i = 0; i < s->plan->todo; i++) {
        const gs_cost *cost = gs_plan_cost(s->plan, s->plan->order[i]);
        bytes = cost->bytes > bytes ? cost->bytes : bytes;
        z.longest_s = fmax(z.longest_s, z.ratio * cost->predicted_s);
    }
    z.core_s = z.ratio * s->plan->todo_s;
    z.mib = (int)fmin(1e9, ceil(1.25 * (double)bytes / (1 << 20))) + PROCESS_MIB;
    choose_tasks(s->plan, o, &z);
    forecast_parts(s->plan, o, &z);
    double limit = SAFETY * fmax(z.forecast.makespan_s, z.longest_s) + SPARE_S;
    z.limit_s = (int)(o->limit_s > 0 ? ceil(o->limit_s / 60) * 60 : fmin(3e7, ceil(limit / ROUND_S) * ROUND_S));
    z.signal_s = z.limit_s / 4 < SIGNAL_S ? z.limit_s / 4 : SIGNAL_S;
    return z;
}

/* A run that does not fit would be begun anew in every allocation, were it not for its checkpoints. */
static int check_limit(const size *z, const options *o, gs_err *e)
{
    char longest[32], room[32], least[32];
    double usable = z->limit_s - z->signal_s, needed = ceil((z->longest_s + SIGNAL_S) / 60) * 60;
    if (o->split || z->longest_s <= usable)
        return 0;
    return gs_error(e,
                    "command line: --time: the longest run is predicted to take %s, and this limit has %s for it (the job is told %d s "
                    "before its end). Give %s or more; or --split-runs, if runs may be carried over by their checkpoints.",
                    gs_seconds_text(z->longest_s, longest), gs_seconds_text(usable, room), z->signal_s, gs_seconds_text(needed, least));
}

/* -- the job ------------------------------------------------------------------------------------------------- */

static char *absolute(const char *path)
{
    char *here = getcwd(NULL, 0), *real = realpath(path, NULL);
    char *out = real ? gs_text("%s", real) : *path == '/' ? gs_text("%s", path) : gs_text("%s/%s", here ? here : ".", path);
    free(here);
    free(real);
    return out;
}

static char *self_path(void)
{
    char self[4096];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    return gs_text("%.*s", (int)(length > 0 ? length : 0), self);
}

static char *job_name(const gs_spec *spec)
{
    char *name = gs_text("%s", gs_spec_name(spec));
    for (char *c = name; *c; c++)
        if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-", *c))
            *c = '_';
    return name;
}

static void print_size(const options *o, const size *z, const char *name)
{
    char core[32], longest[32], makespan[32], limit[32];
    printf("%s: %d runs to do, %s of one core%s, the longest %s, %d MiB a rank\n", name, z->runs, gs_seconds_text(z->core_s, core),
           z->ratio != 1 ? " (by what the done runs took)" : " (predicted)", gs_seconds_text(z->longest_s, longest), z->mib);
    if (o->array)
        printf("%d jobs of ", o->array);
    printf("%d task%s: about %s at an efficiency of %.0f %%; time limit %s\n", z->tasks, z->tasks > 1 ? "s" : "",
           gs_seconds_text(z->forecast.makespan_s, makespan), 100 * z->forecast.efficiency, gs_seconds_text(z->limit_s, limit));
    printf("up to %d ranks pay (efficiency %.0f %% or more)\n", z->pay, 100 * GS_EFFICIENCY_LEAST);
    if (z->forecast.makespan_s > z->limit_s - z->signal_s)
        printf("it takes more than one time limit: the job goes back into the queue until it is done\n");
}

static int write_script(const char *dir, const char *name, const gs_buf *text, char **path, gs_err *e)
{
    char *folder = gs_text("%s/slurm", dir);
    *path = gs_text("%s/%s", folder, name);
    int failed = gs_folder_make(folder, e) || gs_file_write(*path, text->text, text->length, e);
    free(folder);
    return failed ? -1 : 0;
}

static int submit_one(const gs_slurm_job *j, const char *file, const char *what, const gs_buf *script, char id[32], gs_err *e)
{
    char *path = NULL;
    int failed = write_script(j->dir, file, script, &path, e) || gs_slurm_submit(path, id, e) || gs_slurm_note(j->dir, id, what, e);
    if (!failed)
        printf("submitted %s as job %s\n", path, id);
    free(path);
    return failed ? -1 : 0;
}

static int submit_all(const options *o, const gs_slurm_job *j, const gs_buf *script, gs_err *e)
{
    char id[32], tables_id[32];
    gs_buf tables = {0};
    if (submit_one(j, o->array ? "array.sbatch" : "run.sbatch", o->array ? "array" : "run", script, id, e))
        return -1;
    int failed = 0;
    if (o->array) {
        gs_slurm_tables_script(j, id, &tables);
        failed = submit_one(j, "tables.sbatch", "tables", &tables, tables_id, e);
    }
    gs_buf_free(&tables);
    if (!failed)
        printf("watch it: gridshift status %s;  its log: %s/slurm/%s%s.log\nstop it:  scancel %s;  the same `gridshift submit` goes on\n",
               j->dir, j->dir, id, o->array ? ".K" : "", id);
    return failed;
}

/* SWEEP -o DIR [--set ...] [--partial]; (owned, of borrowed words) */
static const char **run_words(const options *o, const char *sweep)
{
    const char **words = gs_alloc((size_t)(2 * o->sets.count + 5), sizeof *words);
    int n = 0;
    words[n++] = sweep;
    words[n++] = "-o";
    words[n++] = o->dir;
    for (int i = 0; i < o->sets.count; i++) {
        words[n++] = "--set";
        words[n++] = o->sets.at[i].text;
    }
    if (o->partial)
        words[n++] = "--partial";
    return words;
}

static int make_job(const options *o, const gs_session *s, const size *z, gs_err *e)
{
    char core[32];
    char *program = self_path(), *sweep = absolute(o->sweep), *env = o->env ? absolute(o->env) : NULL, *name = job_name(s->spec);
    char *about = gs_text("%d runs to do, %s of one core predicted.", z->runs, gs_seconds_text(z->core_s, core));
    const char **words = run_words(o, sweep);
    const gs_slurm_job j = {.name = name, .about = about, .dir = o->dir, .partition = o->partition, .account = o->account,
                            .after = o->after, .nodes = o->nodes, .tasks = z->tasks, .array = o->array, .mib = z->mib,
                            .limit_s = z->limit_s, .signal_s = z->signal_s, .env = env, .program = program, .words = words};
    gs_buf script = {0};
    gs_slurm_script(&j, &script);
    print_size(o, z, gs_spec_name(s->spec));
    printf("\n%s\n", script.text);
    fflush(stdout);
    int failed = o->dry_run ? 0 : gs_folder_make(o->dir, e) || gs_session_save(s, o->dir, &o->sets, e) || submit_all(o, &j, &script, e);
    gs_buf_free(&script);
    free(words), free(program), free(sweep), free(env), free(name), free(about);
    return failed;
}

static int submit(options *o, gs_session *s, gs_err *e)
{
    if (gs_session_read(s, o->sweep, &o->sets, o->partial, e))
        return -1;
    char *dir = o->dir_given ? gs_text("%s", o->dir_given) : gs_text("runs/%s", gs_spec_name(s->spec));
    o->dir = absolute(dir);
    free(dir);
    if (strpbrk(o->dir, "\"\n"))
        return gs_error(e, "%s: sbatch takes no path with a quote or a line break. Give another folder with -o.", o->dir);
    if (gs_run_check_folder(o->dir, s->spec, e) || gs_session_plan(s, o->dir, false, e) || gs_plan_within(s->plan, s->spec, e))
        return -1;
    if (!s->plan->todo) {
        printf("%s: all %d runs are done; `gridshift tables %s` writes the tables.\n", gs_spec_name(s->spec), s->plan->count, o->dir);
        return 0;
    }
    size z = size_of(s, o);
    return check_limit(&z, o, e) || make_job(o, s, &z, e) ? -1 : 0;
}

int gs_cmd_submit(int argc, char **argv)
{
    options o = {0};
    gs_session s = {0};
    gs_err e;
    int code;
    if (parse(argc, argv, &o, &code))
        code = submit(&o, &s, &e) ? gs_cli_error("%s", e.text) : GS_EXIT_FINE;
    gs_session_close(&s);
    gs_sets_free(&o.sets);
    free(o.dir);
    return code;
}
