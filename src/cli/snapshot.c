#include "cli/snapshot.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gridshift/store.h"

enum { STEP, BEST_STEP, FIRST99_STEP, BAD_EVALUATIONS, MICROSECONDS, MILESTONE, COUNTERS = MILESTONE + GS_MILESTONES };
enum { ROW = 7 }; /* numbers of a gs_curve_row but its step, which is a multiple of eval.every */
enum { FORMAT, ID, WANTED, METRICS, CHECKSUM, TEXTS };
static const char *const text_names[TEXTS] = {"format", "id", "wanted", "metrics", "checksum"};
static const char FORMAT_TEXT[] = "gridshift-run-2";

/* The tensors of a file. The memory is t's own where it has the same form. */
enum { T_COUNTERS, T_BEST_VALUE, T_CURVE, T_METRICS, T_PARAM, T_FIRST, T_SECOND, T_BEST, T_FIRST99, TENSORS };

typedef struct state {
    int64_t counters[COUNTERS];
    double *curve;  /* (rows, ROW), owned */
    double *values; /* of the metrics, owned */
    gs_buf names;   /* each with a newline */
    gs_buf wanted;  /* what is measured on the way */
    char id[33], checksum[33];
    gs_st_tensor tensors[TENSORS];
    const char *texts[TEXTS];
} state;

static void free_state(state *s)
{
    free(s->curve);
    free(s->values);
    gs_buf_free(&s->names);
    gs_buf_free(&s->wanted);
}

static char *path_of(const gs_snapshots *s, int generation)
{
    return gs_text("%s/checkpoints/%s.%c.safetensors", s->dir, s->id, 'a' + generation);
}

/* -- writing ----------------------------------------------------------------------------------------------- */

static void take_curve(state *s, const gs_training *t)
{
    s->curve = gs_alloc((size_t)t->curve_count * ROW, sizeof *s->curve);
    for (int i = 0; i < t->curve_count; i++) {
        const gs_curve_row *r = &t->curve[i];
        const double row[ROW] = {r->learning_rate, r->train_loss, r->train_accuracy, r->aux, r->loss, r->accuracy, r->exact_match};
        memcpy(s->curve + (ptrdiff_t)i * ROW, row, sizeof row);
    }
}

static void take_metrics(state *s, const gs_metrics *m)
{
    s->values = gs_alloc(m->count, sizeof *s->values);
    gs_buf_add(&s->names, "%s", "");
    for (size_t i = 0; i < m->count; i++) {
        gs_buf_add(&s->names, "%s\n", m->at[i].name);
        s->values[i] = m->at[i].value;
    }
}

static gs_st_tensor tensor(const char *name, const char *dtype, int64_t rows, int64_t columns, const void *data)
{
    gs_st_tensor t = {.name = (char *)name, .rank = columns ? 2 : 1, .shape = {rows, columns}, .data = data};
    strcpy(t.dtype, dtype);
    t.bytes = (size_t)(rows * (columns ? columns : 1)) * (dtype[1] == '3' ? 4 : 8);
    return t;
}

static void take_tensors(state *s, const gs_training *t, size_t metrics)
{
    int64_t size = (int64_t)t->model->size;
    const gs_st_tensor all[TENSORS] = {
        [T_COUNTERS] = tensor("counters", "I64", COUNTERS, 0, s->counters),
        [T_BEST_VALUE] = tensor("best_value", "F64", 1, 0, &t->best_value),
        [T_CURVE] = tensor("curve", "F64", t->curve_count, ROW, s->curve),
        [T_METRICS] = tensor("metrics", "F64", (int64_t)metrics, 0, s->values),
        [T_PARAM] = tensor("param", "F32", size, 0, t->model->param),
        [T_FIRST] = tensor("first_moment", "F32", size, 0, t->optimiser.first),
        [T_SECOND] = tensor("second_moment", "F32", size, 0, t->optimiser.second),
        [T_BEST] = tensor("best", "F32", t->best_step ? size : 0, 0, t->best),
        [T_FIRST99] = tensor("first99", "F32", t->first99_step ? size : 0, 0, t->first99)};
    memcpy(s->tensors, all, sizeof all);
}

/* What is measured on the way, which a later session cannot add to what is there: "ffn.out:zero routing every 100". */
static gs_buf wanted_text(const gs_config *c, const gs_record *r)
{
    gs_buf b = {0};
    gs_buf_add(&b, "%s", "");
    for (int site = 0; site < GS_SITE_COUNT && gs_int(c, GS_EVAL_RECORD); site++)
        for (int mode = 0; mode < GS_MODE_COUNT; mode++)
            if (r->ablate & GS_ABLATE(site, mode)) gs_buf_add(&b, "%s:%s ", gs_site_names[site], gs_mode_names[mode]);
    for (int i = 0; gs_probes[i] && r->probe_every; i++)
        if (r->probes >> i & 1) gs_buf_add(&b, "%s ", gs_probes[i]->name);
    if (r->probe_every) gs_buf_add(&b, "every %lld", (long long)r->probe_every);
    return b;
}

static void take_state(state *s, const gs_training *t, const gs_record *r)
{
    *s = (state){.counters = {[STEP] = t->step, [BEST_STEP] = t->best_step, [FIRST99_STEP] = t->first99_step,
                              [BAD_EVALUATIONS] = t->bad_evaluations, [MICROSECONDS] = llround(r->wall_s * 1e6)}};
    for (int i = 0; i < GS_MILESTONES; i++) s->counters[MILESTONE + i] = t->milestone[i];
    take_curve(s, t);
    take_metrics(s, &r->metrics);
    take_tensors(s, t, r->metrics.count);
    gs_config_id(&t->config, s->id);
    s->wanted = wanted_text(&t->config, r);
    const char *const texts[TEXTS] = {FORMAT_TEXT, s->id, s->wanted.text, s->names.text, s->checksum};
    memcpy(s->texts, texts, sizeof texts);
    gs_st_checksum(s->tensors, TENSORS, texts, CHECKSUM, s->checksum);
}

int gs_snapshots_write(gs_snapshots *s, const gs_training *t, const gs_record *r, gs_err *e)
{
    state now;
    take_state(&now, t, r);
    char *path = path_of(s, s->next), *folder = gs_text("%s/checkpoints", s->dir);
    int failed = gs_folder_make_in(s->dir, folder, e) || gs_st_write(path, now.tensors, TENSORS, text_names, now.texts, TEXTS, e);
    if (!failed) s->next = !s->next, s->step = t->step;
    free(path);
    free(folder);
    free_state(&now);
    return failed ? -1 : 0;
}

void gs_snapshots_remove(const char *dir, const char *id)
{
    for (int generation = 0; generation < 2; generation++) {
        char *path = path_of(&(gs_snapshots){.dir = dir, .id = id}, generation);
        unlink(path);
        free(path);
    }
}

void gs_snapshots_clean(const char *dir, bool (*done)(void *context, const char *id), void *context)
{
    char *folder = gs_text("%s/checkpoints", dir), id[33];
    gs_folder_tidy(folder);
    DIR *d = opendir(folder);
    for (const struct dirent *entry; d && (entry = readdir(d));)
        if (sscanf(entry->d_name, "%32[0-9a-f].", id) == 1 && strlen(id) == 32 && done(context, id)) gs_snapshots_remove(dir, id);
    if (d) closedir(d);
    rmdir(folder);
    free(folder);
}

/* -- reading ----------------------------------------------------------------------------------------------- */

typedef struct source {
    const char *path;
    const gs_training *t;
    gs_st_file file;
    const char *texts[TEXTS];
    const int64_t *counters;
    const void *data[TENSORS];
} source;

/* -> the values, or NULL: it is not there in this form. */
static const void *values_of(const gs_st_file *f, const gs_st_tensor *wanted)
{
    const gs_st_tensor *t = gs_st_find(f, wanted->name);
    bool fits = t && !strcmp(t->dtype, wanted->dtype) && t->rank == wanted->rank && !memcmp(t->shape, wanted->shape, sizeof t->shape);
    return fits ? t->data : NULL;
}

static size_t lines_of(const char *text)
{
    size_t n = 0;
    for (; (text = strchr(text, '\n')); text++) n++;
    return n;
}

/* What the rest is sized by; a file of ours can have no other numbers. */
static bool sound_counters(const int64_t *c, const gs_config *config)
{
    bool sound = c[STEP] > 0 && c[STEP] <= gs_int(config, GS_TRAIN_STEPS);
    sound = sound && c[BAD_EVALUATIONS] >= 0 && c[BAD_EVALUATIONS] <= c[STEP] / gs_int(config, GS_EVAL_EVERY);
    sound = sound && c[MICROSECONDS] >= 0;
    const int steps[] = {BEST_STEP, FIRST99_STEP, MILESTONE, MILESTONE + 1, MILESTONE + 2};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) sound = sound && c[steps[i]] >= 0 && c[steps[i]] <= c[STEP];
    return sound;
}
_Static_assert(GS_MILESTONES == 3, "sound_counters names each");

static int find_tensors(source *s, gs_err *e)
{
    gs_st_tensor wanted = tensor("counters", "I64", COUNTERS, 0, NULL);
    s->counters = values_of(&s->file, &wanted);
    if (!s->counters || !sound_counters(s->counters, &s->t->config))
        return gs_error(e, "%s: its counters are not those of this run", s->path);
    gs_training shape = *s->t; /* of the same model, as far as the file says that it is */
    shape.best_step = s->counters[BEST_STEP];
    shape.first99_step = s->counters[FIRST99_STEP];
    shape.curve_count = (int)(s->counters[STEP] / gs_int(&shape.config, GS_EVAL_EVERY));
    state expected = {0};
    take_tensors(&expected, &shape, lines_of(s->texts[METRICS]));
    for (int i = 0; i < TENSORS; i++) {
        s->data[i] = values_of(&s->file, &expected.tensors[i]);
        if (!s->data[i])
            return gs_error(e, "%s: the tensor %s is not there in the form that the run needs", s->path, expected.tensors[i].name);
    }
    return 0;
}

static int find_texts(source *s, gs_err *e)
{
    for (int i = 0; i < TEXTS; i++) {
        s->texts[i] = gs_st_meta(&s->file, text_names[i]);
        if (!s->texts[i]) return gs_error(e, "%s: its metadata lack \"%s\"", s->path, text_names[i]);
    }
    return 0;
}

static int check_checksum(source *s, gs_err *e)
{
    char checksum[33];
    gs_st_checksum(s->file.tensors, s->file.count, s->texts, CHECKSUM, checksum);
    return strcmp(checksum, s->texts[CHECKSUM]) ? gs_error(e, "%s: the checksum does not fit", s->path) : 0;
}

static int check_identity(source *s, const gs_record *r, gs_err *e)
{
    char id[33];
    gs_config_id(&s->t->config, id);
    if (strcmp(s->texts[FORMAT], FORMAT_TEXT) || strcmp(s->texts[ID], id))
        return gs_error(e, "%s: it belongs to another run or version", s->path);
    gs_buf now = wanted_text(&s->t->config, r);
    bool same = !strcmp(s->texts[WANTED], now.text);
    gs_buf_free(&now);
    return same ? 0 : gs_error(e, "%s: what was measured on the way had other ablations or probes than are asked for now", s->path);
}

size_t gs_snapshots_bytes(const gs_config *c, size_t size)
{
    enum { COPIES = TENSORS - T_PARAM };
    return size * sizeof(float) * COPIES + (size_t)(gs_int(c, GS_TRAIN_STEPS) / gs_int(c, GS_EVAL_EVERY)) * ROW * sizeof(double);
}

/* Reads and checks one generation completely; *s is to be freed (gs_st_free of its file) whatever the result. */
static int open_source(source *s, const gs_record *r, gs_err *e)
{
    enum { TEXT_MOST = 64 << 20 };
    size_t most = gs_snapshots_bytes(&s->t->config, s->t->model->size) + TEXT_MOST;
    if (gs_st_read_most(s->path, most, &s->file, e) || find_texts(s, e) || check_checksum(s, e) || check_identity(s, r, e)) return -1;
    return find_tensors(s, e);
}

static void fill_curve(const double *from, gs_training *t)
{
    int64_t every = gs_int(&t->config, GS_EVAL_EVERY);
    t->curve_count = (int)(t->step / every);
    for (int i = 0; i < t->curve_count; i++, from += ROW)
        t->curve[i] = (gs_curve_row){(i + 1) * every, from[0], from[1], from[2], from[3], from[4], from[5], from[6]};
}

static void fill_metrics(const char *names, const double *values, gs_metrics *out)
{
    for (const char *end; (end = strchr(names, '\n')); names = end + 1) gs_metrics_set(out, *values++, "%.*s", (int)(end - names), names);
}

static void fill(const source *s, gs_training *t, gs_record *r)
{
    size_t bytes = t->model->size * sizeof(float);
    t->step = t->optimiser.steps = s->counters[STEP];
    t->best_step = s->counters[BEST_STEP];
    t->first99_step = s->counters[FIRST99_STEP];
    t->bad_evaluations = (int)s->counters[BAD_EVALUATIONS];
    memcpy(t->milestone, s->counters + MILESTONE, sizeof t->milestone);
    memcpy(&t->best_value, s->data[T_BEST_VALUE], sizeof t->best_value);
    memcpy(t->model->param, s->data[T_PARAM], bytes);
    memcpy(t->optimiser.first, s->data[T_FIRST], bytes);
    memcpy(t->optimiser.second, s->data[T_SECOND], bytes);
    if (t->best_step) memcpy(t->best, s->data[T_BEST], bytes);
    if (t->first99_step) memcpy(t->first99, s->data[T_FIRST99], bytes);
    fill_curve(s->data[T_CURVE], t);
    fill_metrics(s->texts[METRICS], s->data[T_METRICS], &r->metrics);
    r->wall_s = (double)s->counters[MICROSECONDS] / 1e6;
}

/* -> the step of a generation, 0: there is none or it cannot be used. t NULL: only look. */
static int64_t use(const gs_snapshots *s, int generation, const gs_training *look, gs_training *t, gs_record *r, gs_buf *notes)
{
    char *path = path_of(s, generation);
    source from = {.path = path, .t = look};
    gs_err e;
    int64_t step = 0;
    if (access(path, F_OK) == 0) {
        if (open_source(&from, r, &e)) gs_buf_add(notes, "%s; this checkpoint is not used\n", e.text);
        else step = from.counters[STEP];
        if (step && t) fill(&from, t, r);
        gs_st_free(&from.file);
    }
    free(path);
    return step;
}

int64_t gs_snapshots_newest(const gs_snapshots *s, const gs_training *t, gs_record *r, gs_buf *notes)
{
    int64_t a = use(s, 0, t, NULL, r, notes), b = use(s, 1, t, NULL, r, notes);
    return a > b ? a : b;
}

void gs_snapshots_resume(gs_snapshots *s, gs_training *t, gs_record *r, gs_buf *notes)
{
    int64_t a = use(s, 0, t, NULL, r, notes), b = use(s, 1, t, NULL, r, notes);
    int newest = b > a;
    s->step = a || b ? use(s, newest, t, t, r, notes) : 0;
    s->next = s->step ? !newest : 0;
}
