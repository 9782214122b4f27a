/* Spectra of hidden activations from the saved models: a model whose matrix fits a rank is one rank's, a larger one everybody's. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint.h"
#include "cli/analyze.h"
#include "gridshift/mpi.h"

typedef struct item { /* a run: plain data, the same on every rank */
    char id[36];
    int32_t index, layers, units, by;
    int64_t rows, bytes, rank_bytes;
} item;

enum { NUMBERS = 5 + 2 * GS_PCS }; /* of a layer */

/* -- what there is to do: rank 0 --------------------------------------------------------------------------------- */

static int rows_of(const gs_config *c, int64_t *rows, gs_err *e)
{
    gs_task *task;
    if (gs_task_open(c, &task, e)) return -1;
    *rows = gs_hidden_rows(gs_hidden_set(task, gs_int(c, GS_TRAIN_STEPS)));
    gs_task_close(&task);
    return 0;
}

/* Runs of a sweep mostly have one task: its rows are counted once. */
static int describe(const gs_session *s, int index, item *out, char **probe, gs_err *e)
{
    gs_config c;
    gs_run_config((gs_run){s->grid, index}, &c);
    char *own = gs_probe_text(&c);
    int64_t rows = out->rows; /* of the one before */
    int failed = *probe && !strcmp(*probe, own) ? 0 : rows_of(&c, &rows, e);
    free(*probe);
    *probe = own;
    gs_dims d = gs_dims_of(&c);
    *out = (item){.index = index, .layers = d.L, .units = d.E * d.width, .by = (int)gs_int(&c, GS_ANALYSIS_SPECTRA), .rows = rows};
    out->rank_bytes = gs_int(&c, GS_ANALYSIS_BYTES);
    out->bytes = gs_hidden_bytes(rows, out->units, 1);
    gs_run_id((gs_run){s->grid, index}, out->id);
    return failed;
}

static int items_of(const gs_session *s, bool done, item **out, int *count, gs_err *e)
{
    char *probe = NULL;
    int failed = 0;
    item last = {0};
    *out = NULL, *count = 0;
    for (int i = 0; i < s->grid->count && !failed; i++) {
        if (!gs_run_value((gs_run){s->grid, i}, GS_ANALYSIS_SPECTRA).i || (done && s->plan->state[i] != GS_DONE)) continue;
        failed = describe(s, i, &last, &probe, e);
        *out = gs_grow(*out, (size_t)*count + 1, sizeof **out);
        (*out)[(*count)++] = last;
    }
    free(probe);
    return failed;
}

static int fits(const item *i, int ranks, gs_err *e)
{
    int64_t bytes = gs_hidden_bytes(i->rows, i->units, ranks);
    if (i->bytes <= i->rank_bytes || bytes <= i->rank_bytes) return 0;
    return gs_error(e, "the spectrum of %d hidden units over %lld rows needs %lld bytes on one rank and %lld on each of %d, above "
                       "analysis.rank_bytes (%lld): use more ranks, or raise analysis.rank_bytes", i->units, (long long)i->rows,
                    (long long)i->bytes, (long long)bytes, ranks, (long long)i->rank_bytes);
}

int gs_spectra_check(const gs_session *s, int ranks, gs_err *e)
{
    item *items;
    int count, failed = items_of(s, false, &items, &count, e);
    for (int i = 0; i < count && !failed; i++) failed = fits(&items[i], ranks, e);
    free(items);
    return failed;
}

/* The largest that the sweep has; false: none. */
bool gs_spectra_largest(const gs_session *s, int64_t *rows, int64_t *units, int *count, gs_err *e)
{
    item *items;
    *rows = *units = 0;
    if (items_of(s, false, &items, count, e)) *count = 0;
    for (int i = 0; i < *count; i++)
        if (items[i].rows * items[i].units > *rows * *units) *rows = items[i].rows, *units = items[i].units;
    free(items);
    return *count > 0;
}

/* -- one model ------------------------------------------------------------------------------------------------- */

static void put(const gs_hidden_spectrum *s, double *out)
{
    *out++ = (double)s->rows, *out++ = s->units, *out++ = s->variance, *out++ = s->participation, *out++ = s->effective_rank;
    memcpy(out, s->share, sizeof s->share);
    memcpy(out + GS_PCS, s->fourier, sizeof s->fourier);
}

static int layers(const gs_team *t, const item *i, gs_pass *p, gs_task *task, int64_t step, double *out, gs_err *e)
{
    const gs_data *d = gs_hidden_set(task, step);
    int failed = 0;
    for (int l = 0; l < i->layers && !failed; l++) {
        gs_hidden_spectrum s;
        failed = gs_hidden_spectrum_of(t, p, d, step, l, i->by == GS_SPECTRA_GRAM ? GS_BY_GRAM : GS_BY_QR, &s, e);
        if (!failed && t->rank == 0) put(&s, out + (ptrdiff_t)l * NUMBERS);
    }
    return failed;
}

/* Collective over t, which may be this rank alone. out (layers, NUMBERS) is filled on its rank 0. */
static int one_model(const gs_team *t, const char *dir, const item *i, double *out, gs_err *e)
{
    char *path = gs_text("%s/runs/%s/model.safetensors", dir, i->id);
    gs_model *m = NULL;
    gs_task *task = NULL;
    gs_pass *p = NULL;
    int64_t step;
    int failed = gs_checkpoint_read(path, &m, &step, e) || gs_task_open(&m->config, &task, e);
    if (!failed) {
        int batch = gs_batch_size(&m->config);
        failed = gs_pass_open(m, gs_chunk(&m->config, &m->d, batch), batch, false, &p, e);
    }
    failed = gs_team_failed(t, failed, e);
    if (!failed) failed = layers(t, i, p, task, step, out, e);
    gs_pass_close(&p);
    gs_task_close(&task);
    gs_model_close(&m);
    free(path);
    return failed;
}

/* -- all of them ----------------------------------------------------------------------------------------------- */

typedef struct batch { /* the same on every rank */
    const gs_team *team;
    char *dir;
    item *items;
    int count;
    ptrdiff_t *at;  /* (count): where a model's numbers begin */
    double *values; /* owned */
    size_t size;
} batch;

static int all_models(batch *b, gs_err *e)
{
    gs_team alone = gs_team_alone();
    int failed = 0, turn = 0;
    for (int i = 0; i < b->count; i++) {
        bool large = b->items[i].bytes > b->items[i].rank_bytes, own = large || turn++ % b->team->size == b->team->rank;
        if (large && gs_team_failed(b->team, failed, e)) return -1; /* who failed alone must not be waited for */
        if (own && !failed) failed = one_model(large ? b->team : &alone, b->dir, &b->items[i], b->values + b->at[i], e);
    }
    if (gs_team_failed(b->team, failed, e)) return -1;
    gs_team_sum(b->team, b->values, b->size);
    return 0;
}

static void add_number(gs_buf *b, double x)
{
    gs_buf_add(b, ",");
    if (!isnan(x)) gs_buf_add(b, "%.6g", x);
}

static int write(const batch *b, const gs_session *s, gs_err *e)
{
    static const char *const by[] = {"", "qr", "gram"};
    gs_buf out = {0};
    char text[64];
    gs_buf_add(&out, "run,id");
    for (int k = 0; k < s->grid->varying_count; k++) gs_buf_add(&out, ",%s", gs_keys[s->grid->varying[k]].name);
    gs_buf_add(&out, ",layer,by,rows,units,variance,participation,effective_rank");
    for (int k = 0; k < 2 * GS_PCS; k++) gs_buf_add(&out, ",%s%d", k < GS_PCS ? "share" : "fourier", k % GS_PCS + 1);
    for (int i = 0; i < b->count; i++)
        for (int l = 0; l < b->items[i].layers; l++) {
            gs_run run = {s->grid, b->items[i].index};
            gs_buf_add(&out, "\n%d,%s", run.index, b->items[i].id);
            for (int k = 0; k < s->grid->varying_count; k++)
                gs_buf_add(&out, ",%s", gs_value_text(s->grid->varying[k], gs_run_value(run, s->grid->varying[k]), text));
            gs_buf_add(&out, ",%d,%s", l, by[b->items[i].by]);
            for (int k = 0; k < NUMBERS; k++) add_number(&out, b->values[b->at[i] + l * NUMBERS + k]);
        }
    gs_buf_add(&out, "\n");
    char *folder = gs_text("%s/analysis", b->dir), *path = gs_text("%s/spectra.csv", folder);
    int failed = gs_folder_make(folder, e) || gs_file_write(path, out.text, out.length, e);
    free(folder), free(path);
    gs_buf_free(&out);
    return failed;
}

/* Rank 0's list and folder become everybody's. */
static void share_items(batch *b, const char *dir)
{
    int head[2] = {b->count, dir ? (int)strlen(dir) : 0};
    gs_team_share(b->team, head, sizeof head);
    b->count = head[0];
    b->dir = gs_alloc((size_t)head[1] + 1, 1);
    if (dir) memcpy(b->dir, dir, (size_t)head[1]);
    gs_team_share(b->team, b->dir, (size_t)head[1]);
    if (!b->items) b->items = gs_alloc((size_t)b->count, sizeof *b->items);
    gs_team_share(b->team, b->items, (size_t)b->count * sizeof *b->items);
    b->at = gs_alloc((size_t)b->count, sizeof *b->at);
    for (int i = 0; i < b->count; i++) b->at[i] = (ptrdiff_t)b->size, b->size += (size_t)b->items[i].layers * NUMBERS;
    b->values = gs_alloc(b->size, sizeof *b->values);
}

static int in_team(batch *b, const gs_session *s, const char *dir, gs_err *e)
{
    gs_numeric_start();
    share_items(b, dir);
    int failed = 0;
    for (int i = 0; i < b->count && !failed; i++) failed = fits(&b->items[i], b->team->size, e);
    if (!failed) failed = all_models(b, e);
    if (!failed && s) failed = write(b, s, e);
    free(b->at), free(b->values), free(b->dir);
    return failed;
}

int gs_spectra_run(const gs_session *s, const char *dir, gs_err *e)
{
    batch b = {0};
    int failed = s ? items_of(s, true, &b.items, &b.count, e) : 0;
    if (gs_mpi_agree(!failed && b.count)) {
        bool alone = gs_mpi_agree(gs_mpi_lost() > 0);
        gs_team t = alone ? (gs_mpi_rank() ? (gs_team){0} : gs_team_alone()) : gs_team_open(gs_mpi_size(), GS_SHAPE_TALL);
        t.watch = gs_watchdog_step;
        b.team = &t;
        if (t.size) failed = in_team(&b, s, dir, e);
        gs_team_close(&t);
    }
    gs_watchdog_end();
    free(b.items);
    return gs_mpi_agree(failed);
}
