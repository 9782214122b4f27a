/* How fast runs are handed out, taken in and recorded when they do nothing themselves, or only sleep: the real sweep file, plan, master,
 * workers and journal, without training and without tables. Every measurement is an MPI job of its own, so that none sees another's
 * memory. */
#include <ftw.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "cli/bench.h"
#include "cli/run.h"

enum { SIZES_MOST = 4, REPEAT_MOST = 99 };
static const double SINGLE_S = 10;

typedef struct options {
    const char *runs_text, *workers_text, *repeat_text, *sleep_text, *folder;
    int runs, workers, repeat, sleep_ms;
    bool json, single;
} options;

/* -- one measurement, inside of the MPI job ---------------------------------------------------------------- */

typedef struct measured {
    double expand_s;       /* reading, expanding, checking and planning the sweep */
    double wall_s, cpu_s;  /* of the dispatch; the master's processor time */
    double workers_cpu_s;  /* of all workers, while they work and while they wait */
    double grown_bytes;    /* the master's resident memory, by the plan alone */
    double counted_bytes;  /* what the grid and the plan allocated */
    double journal_bytes;
} measured;

static double cpu_s(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + 1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static double resident_bytes(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%*s %ld", &pages) != 1)
        pages = 0;
    if (f)
        fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double counted_bytes(const gs_session *s)
{
    double n = s->grid->count, per_run = sizeof *s->grid->ids + sizeof *s->plan->state + sizeof *s->plan->cost_of + sizeof *s->plan->order;
    for (int k = 0; k < GS_KEY_COUNT; k++)
        per_run += s->grid->configs.columns[k] ? sizeof *s->grid->configs.columns[k] : 0;
    return n * per_run + (double)s->plan->cost_count * (double)sizeof *s->plan->costs;
}

static double file_bytes(const char *dir, const char *name)
{
    struct stat s;
    char *path = gs_text("%s/%s", dir, name);
    double bytes = stat(path, &s) ? 0 : (double)s.st_size;
    free(path);
    return bytes;
}

static int sleep_ms; /* of each run of this process; an executor has no context */

static void sleep_run(void)
{
    struct timespec t = {sleep_ms / 1000, sleep_ms % 1000 * 1000000L};
    while (sleep_ms && nanosleep(&t, &t)) {}
}

static gs_outcome execute_nothing(const gs_work *w, gs_record *out)
{
    sleep_run();
    *out = (gs_record){.config = *w->config, .ablate = w->wanted.ablate, .probes = w->wanted.probes,
                        .probe_every = w->wanted.probe_every, .ok = true};
    gs_config_id(w->config, out->id);
    gs_count(w->config, &out->counts);
    gs_metrics_set(&out->metrics, 0, "final.clean.accuracy");
    return GS_RUN_RECORDED;
}

/* Dense and mixtures, five widths, many seeds: ten and more varying keys. */
static int write_sweep(const char *dir, int runs, gs_err *e)
{
    char *path = gs_text("%s/sweep.yaml", dir);
    char *text = gs_text("sweep: 1\nname: dispatch\ndefaults: {task.digits: 1, task.addend: 1, train.steps: 0}\nparameters:\n"
                         "  ffn.kind: {values: [dense, moe]}\n  ffn.width: {values: [16, 32, 48, 64, 96]}\n"
                         "  seed: {range: [0, %d]}\n", runs / 10);
    int failed = gs_file_write(path, text, strlen(text), e);
    free(path);
    free(text);
    return failed;
}

/* What the master goes by: microseconds, or how long they sleep, or so long that a worker gets one at a time. */
static void predict(gs_plan *p, const options *o)
{
    double seconds = o->single ? SINGLE_S : o->sleep_ms ? o->sleep_ms * 1e-3 : 1e-6;
    for (int i = 0; i < p->cost_count; i++) p->costs[i].predicted_s = seconds;
}

static int open_session(const char *dir, int runs, gs_session *s, measured *m, gs_err *e)
{
    const gs_sets none = {0};
    if (gs_folder_make(dir, e) || write_sweep(dir, runs, e))
        return -1;
    char *path = gs_text("%s/sweep.yaml", dir);
    double began = gs_clock_s(), before = resident_bytes();
    int failed = gs_session_read(s, path, &none, false, e) || gs_session_plan(s, NULL, false, e);
    m->expand_s = gs_clock_s() - began;
    m->grown_bytes = resident_bytes() - before;
    free(path);
    return failed ? -1 : 0;
}

static int write_measured(const char *dir, const measured *m, gs_err *e)
{
    json_t *j = json_pack("{s:f, s:f, s:f, s:f, s:f, s:f}", "expand_s", m->expand_s, "wall_s", m->wall_s, "cpu_s", m->cpu_s,
                          "grown_bytes", m->grown_bytes, "counted_bytes", m->counted_bytes, "journal_bytes", m->journal_bytes);
    char *text = json_dumps(j, 0), *path = gs_text("%s/measured.json", dir);
    int failed = gs_file_write(path, text, strlen(text), e);
    json_decref(j);
    free(text);
    free(path);
    return failed;
}

/* A worker: DIR/worker.RANK gets the processor time that the runs took. */
static void work(const char *dir, int milliseconds)
{
    sleep_ms = milliseconds;
    gs_executor execute = execute_nothing;
    double before = cpu_s();
    gs_worker(&(gs_worker_calls){&execute, gs_job_execute, gs_stop_ask, gs_stop_polls}, &gs_protection_default);
    char *path = gs_text("%s/worker.%d", dir, gs_mpi_rank()), text[32];
    gs_err e;
    gs_real(cpu_s() - before, text);
    if (gs_file_write(path, text, strlen(text), &e))
        gs_die("%s", e.text);
    free(path);
}

static double workers_cpu_s(const char *dir, int workers)
{
    double sum = 0;
    for (int rank = 1; rank <= workers; rank++) {
        char *path = gs_text("%s/worker.%d", dir, rank), *text = NULL;
        size_t length;
        if (!gs_file_read(path, 64, &text, &length, NULL))
            sum += strtod(text, NULL);
        free(text);
        free(path);
    }
    return sum;
}

static int measure_rank(const options *o)
{
    enum { GO = -1 };
    gs_run_options run = {.quiet = true, .protection = gs_protection_default, .dir = (char *)(uintptr_t)o->folder};
    gs_session s = {0};
    gs_campaign *c = NULL;
    measured m = {0};
    gs_err e = {""};
    int code = GO;
    bool master = gs_mpi_rank() == 0;
    if (master && open_session(o->folder, o->runs, &s, &m, &e))
        code = gs_cli_error("%s", e.text);
    if (master && code == GO && gs_campaign_open(&run, &s, &c))
        code = GS_EXIT_INPUT;
    code = gs_mpi_agree(code);
    if (code == GO && !master)
        work(o->folder, o->sleep_ms);
    if (code == GO && master) {
        predict(s.plan, o);
        double began = gs_clock_s(), before = cpu_s();
        gs_campaign_dispatch(c, gs_mpi_size() - 1);
        m.wall_s = gs_clock_s() - began;
        m.cpu_s = cpu_s() - before;
        m.counted_bytes = counted_bytes(&s);
        m.journal_bytes = file_bytes(o->folder, "journal.jsonl");
        code = write_measured(o->folder, &m, &e) ? gs_cli_error("%s", e.text) : GS_EXIT_FINE;
    }
    code = gs_mpi_agree(code);
    gs_campaign_close(&c);
    gs_session_close(&s);
    return code;
}

/* -- all measurements, in the process that was started ----------------------------------------------------- */

static int remove_one(const char *path, const struct stat *s, int kind, struct FTW *at)
{
    (void)s, (void)kind, (void)at;
    return remove(path);
}

static int read_measured(const char *dir, measured *m, gs_err *e)
{
    char *path = gs_text("%s/measured.json", dir), *text = NULL;
    size_t length;
    int failed = gs_file_read(path, 1 << 16, &text, &length, e);
    json_t *j = failed ? NULL : json_loads(text, 0, NULL);
    if (!failed && json_unpack(j, "{s:F, s:F, s:F, s:F, s:F, s:F}", "expand_s", &m->expand_s, "wall_s", &m->wall_s, "cpu_s", &m->cpu_s,
                               "grown_bytes", &m->grown_bytes, "counted_bytes", &m->counted_bytes, "journal_bytes", &m->journal_bytes))
        failed = gs_error(e, "%s: this is no measurement", path);
    json_decref(j);
    free(text);
    free(path);
    return failed;
}

static int measure(const options *o, const char *parent, int runs, measured *m)
{
    char count[16], workers[16], sleeping[16], *dir = gs_text("%s/%d", parent, runs);
    snprintf(count, sizeof count, "%d", runs);
    snprintf(workers, sizeof workers, "%d", o->workers);
    snprintf(sleeping, sizeof sleeping, "%d", o->sleep_ms);
    char *argv[] = {"bench", "dispatch", "--runs", count, "--workers", workers, "--sleep", sleeping, "--output", dir,
                    o->single ? "--single" : NULL, NULL};
    gs_err e;
    int code = gs_launch(o->workers + 1, argv, true);
    if (!code && read_measured(dir, m, &e))
        code = gs_cli_error("%s", e.text);
    m->workers_cpu_s = workers_cpu_s(dir, o->workers);
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(dir);
    return code;
}

typedef struct summary {
    gs_spread per_s, cpu_share, cpu_us, workers_us, expand_s, grown, counted, journal; /* memory and journal: bytes a run */
    gs_spread efficiency; /* seconds of sleep over seconds of workers */
} summary;

static summary summarise(const options *o, const measured *m, double runs)
{
    enum { FIGURES = 9 };
    int n = o->repeat;
    double x[FIGURES][REPEAT_MOST];
    for (int i = 0; i < n; i++) {
        const double row[FIGURES] = {runs / m[i].wall_s,
                                     m[i].cpu_s / m[i].wall_s,
                                     1e6 * m[i].cpu_s / runs,
                                     1e6 * m[i].workers_cpu_s / runs,
                                     m[i].expand_s,
                                     m[i].grown_bytes / runs,
                                     m[i].counted_bytes / runs,
                                     m[i].journal_bytes / runs,
                                     runs * o->sleep_ms * 1e-3 / (o->workers * m[i].wall_s)};
        for (int k = 0; k < FIGURES; k++) x[k][i] = row[k];
    }
    return (summary){gs_spread_of(x[0], n), gs_spread_of(x[1], n), gs_spread_of(x[2], n), gs_spread_of(x[3], n),
                     gs_spread_of(x[4], n), gs_spread_of(x[5], n), gs_spread_of(x[6], n), gs_spread_of(x[7], n),
                     gs_spread_of(x[8], n)};
}

static void add_row(gs_cells *t, int runs, const summary *s)
{
    gs_cells_add(t, "%d", runs);
    gs_cells_add(t, "%.0f", s->per_s.median);
    gs_cells_add(t, "%.0f-%.0f", s->per_s.low, s->per_s.high);
    gs_cells_add(t, "%.1f", s->cpu_us.median);
    gs_cells_add(t, "%.1f", s->workers_us.median);
    gs_cells_add(t, "%.0f %%", 100 * s->cpu_share.median);
    gs_cells_add(t, "%.1f %%", 100 * s->efficiency.median);
    gs_cells_add(t, "%.2f", s->expand_s.median);
    gs_cells_add(t, "%.0f", s->counted.median);
    gs_cells_add(t, "%.0f", s->grown.median);
    gs_cells_add(t, "%.0f", s->journal.median);
}

static void print_json(const options *o, int runs, const summary *s)
{
    json_t *j = json_pack("{s:s, s:i, s:i, s:i, s:i, s:b, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "case",
                          "dispatch", "runs", runs, "workers", o->workers, "repeat", o->repeat, "sleep_ms", o->sleep_ms,
                          "single", o->single, "runs_per_s", s->per_s.median, "runs_per_s_low", s->per_s.low, "runs_per_s_high",
                          s->per_s.high, "master_us_per_run", s->cpu_us.median, "workers_us_per_run", s->workers_us.median,
                          "master_share", s->cpu_share.median, "efficiency", s->efficiency.median, "expand_s", s->expand_s.median,
                          "counted_bytes_per_run", s->counted.median, "resident_bytes_per_run", s->grown.median,
                          "journal_bytes_per_run", s->journal.median);
    char *text = json_dumps(j, 0);
    puts(text);
    free(text);
    json_decref(j);
}

static void print_all(const options *o, const int *sizes, int count, measured m[SIZES_MOST][REPEAT_MOST])
{
    static const char *const heads[] = {"runs",       "runs/s",   "spread",          "master us/run",   "workers us/run",   "master share",
                                        "efficiency", "expand s", "bytes/run (sum)", "bytes/run (RSS)", "journal bytes/run"};
    gs_cells t = {.columns = sizeof heads / sizeof *heads};
    for (int i = 0; i < t.columns; i++) gs_cells_add(&t, "%s", heads[i]);
    for (int i = 0; i < count; i++) {
        summary s = summarise(o, m[i], sizes[i]);
        add_row(&t, sizes[i], &s);
        if (o->json)
            print_json(o, sizes[i], &s);
    }
    if (!o->json)
        gs_cells_print(&t, stdout);
    gs_cells_free(&t);
}

static int measure_all(const options *o)
{
    static measured m[SIZES_MOST][REPEAT_MOST];
    int sizes[SIZES_MOST] = {1000, 10000, 100000, 1000000}, count = SIZES_MOST, code = GS_EXIT_FINE;
    const char *tmp = getenv("TMPDIR");
    char *parent = gs_text("%s/gridshift-bench-XXXXXX", o->folder ? o->folder : tmp ? tmp : "/tmp");
    if (o->runs)
        sizes[0] = o->runs, count = 1;
    if (!mkdtemp(parent))
        code = gs_cli_error("%s: no folder can be made there. Give another with -o.", parent);
    for (int round = 0; round < o->repeat && !code; round++) /* interleaved: what slows the machine down slows all sizes down */
        for (int i = 0; i < count && !code; i++) code = measure(o, parent, sizes[i], &m[i][round]);
    if (!code)
        print_all(o, sizes, count, m);
    rmdir(parent);
    free(parent);
    return code;
}

static bool parse(int argc, char **argv, options *o, int *code)
{
    const gs_option table[] = {
        {"runs", 0, GS_OPTION_TEXT, &o->runs_text, "N", "how many runs, in tens (default: 1000, 10000, 100000 and 1000000)"},
        {"workers", 0, GS_OPTION_TEXT, &o->workers_text, "W", "worker ranks (default: a core each, and one for the master)"},
        {"repeat", 0, GS_OPTION_TEXT, &o->repeat_text, "R", "measure so often, interleaved, and print medians (default: 3)"},
        {"sleep", 0, GS_OPTION_TEXT, &o->sleep_text, "MS", "runs that sleep so many milliseconds (default: 0)"},
        {"single", 0, GS_OPTION_FLAG, &o->single, NULL, "one run a message, as the master does with long ones"},
        {"output", 'o', GS_OPTION_TEXT, &o->folder, "DIR", "where to work: its file system has the journal (default: TMPDIR or /tmp)"},
        {"json", 0, GS_OPTION_FLAG, &o->json, NULL, "one JSON object a line"},
        {0}};
    const gs_usage usage = {"bench dispatch [options]",
                            "Runs that do nothing, through the real sweep file, plan, master, workers and journal.", table, 0, 0};
    if (!gs_cli_parse(&usage, argc, argv, NULL, code))
        return false;
    *code = GS_EXIT_INPUT;
    if (o->runs_text && !gs_cli_int("runs", o->runs_text, 10, &o->runs))
        return false;
    if (o->workers_text && !gs_cli_int("workers", o->workers_text, 1, &o->workers))
        return false;
    if (o->repeat_text && !gs_cli_int("repeat", o->repeat_text, 1, &o->repeat))
        return false;
    if (o->sleep_text && !gs_cli_int("sleep", o->sleep_text, 0, &o->sleep_ms))
        return false;
    if (o->runs % 10 || o->runs > 1000000 || o->repeat > REPEAT_MOST) {
        gs_cli_error("command line: --runs takes a multiple of 10 up to 1000000, --repeat at most %d.", REPEAT_MOST);
        return false;
    }
    return true;
}

int gs_bench_dispatch(int argc, char **argv)
{
    int cores = gs_launch_cores(), code;
    options o = {.workers = cores > 1 ? cores - 1 : 1, .repeat = 3};
    if (!gs_mpi_launched())
        return parse(argc, argv, &o, &code) ? measure_all(&o) : code;
    gs_mpi_init(&argc, &argv);
    code = GS_EXIT_INPUT;
    if (parse(argc, argv, &o, &code))
        code = o.runs && o.folder && gs_mpi_size() > 1 ? measure_rank(&o) : gs_cli_error("bench starts mpirun itself.");
    return gs_mpi_finish(code);
}
