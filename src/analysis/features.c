/* The probe set of a task and what a model's residual stream is there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gridshift/analysis.h"

enum { HEADER_MOST = 1 << 16 };

/* The keys that decide what the inputs of a task are; the others say how many of them are trained on. */
static const gs_key input_keys[] = {GS_TASK,     GS_TASK_OPERANDS, GS_TASK_ADDEND, GS_TASK_DIGITS,     GS_TASK_OP,
                                    GS_TASK_MODULUS, GS_TASK_ALPHABET, GS_TASK_LENGTH, GS_TASK_PARTS,      GS_ANALYSIS_INPUTS,
                                    GS_ANALYSIS_SEED};

char *gs_probe_text(const gs_config *c)
{
    gs_buf b = {0};
    char value[64];
    for (size_t i = 0; i < sizeof input_keys / sizeof *input_keys; i++)
        if (c->v[input_keys[i]].set)
            gs_buf_add(&b, "%s%s=%s", b.length ? " " : "", gs_keys[input_keys[i]].name, gs_value_text(input_keys[i],
                                                                                                      c->v[input_keys[i]], value));
    return b.text;
}

/* -- the probe set --------------------------------------------------------------------------------------------- */

typedef struct probe_set {
    gs_config config; /* the run's, with the probe set's seed */
    gs_task *task;
    int n, length, rows;        /* inputs, positions, loss positions of all inputs */
    int32_t *tokens, *targets;  /* (n, T), owned */
} probe_set;

static void close_set(probe_set *s)
{
    gs_task_close(&s->task);
    free(s->tokens), free(s->targets);
}

/* The widest set that does not depend on a split, drawn for the seed of the analysis. */
static const gs_data *widest(probe_set *s)
{
    const gs_data *all = gs_task_set(s->task, GS_SET_ALL, 0);
    return all ? all : gs_task_set(s->task, GS_SET_TEST, 0);
}

static void pick(probe_set *s, const gs_data *d)
{
    int32_t *order = gs_alloc((size_t)d->n, sizeof *order);
    size_t T = (size_t)d->length;
    gs_rng_permutation(gs_rng_of(gs_data_seed(&s->config), GS_RNG_EVAL), UINT64_MAX, 0, d->n, order);
    for (int i = 0; i < s->n; i++) {
        memcpy(s->tokens + (size_t)i * T, d->tokens + (size_t)order[i] * T, T * sizeof *s->tokens);
        memcpy(s->targets + (size_t)i * T, d->targets + (size_t)order[i] * T, T * sizeof *s->targets);
    }
    free(order);
    for (size_t i = 0; i < (size_t)s->n * T; i++) s->rows += s->targets[i] >= 0;
}

static gs_config config_of_set(const gs_config *c)
{
    gs_config out = *c;
    out.v[GS_TRAIN_DATA_SEED] = (gs_value){.set = true, .i = gs_int(c, GS_ANALYSIS_SEED)};
    if (out.v[GS_TASK_TEST].set) out.v[GS_TASK_TEST].i = gs_int(c, GS_ANALYSIS_INPUTS);
    return out;
}

static int open_set(const gs_config *c, probe_set *s, gs_err *e)
{
    int inputs = (int)gs_int(c, GS_ANALYSIS_INPUTS);
    *s = (probe_set){.config = config_of_set(c)};
    if (gs_task_open(&s->config, &s->task, e)) return -1;
    const gs_data *d = widest(s);
    s->n = inputs < d->n ? inputs : d->n;
    s->length = d->length;
    s->tokens = gs_alloc((size_t)s->n * (size_t)d->length, sizeof *s->tokens);
    s->targets = gs_alloc((size_t)s->n * (size_t)d->length, sizeof *s->targets);
    pick(s, d);
    return 0;
}

int gs_features_rows(const gs_config *c, int *rows, gs_err *e)
{
    probe_set s;
    int failed = open_set(c, &s, e);
    *rows = s.rows;
    close_set(&s);
    return failed;
}

/* -- writing --------------------------------------------------------------------------------------------------- */

static void record(gs_pass *p, const probe_set *s, int64_t step, gs_clean *sites)
{
    int most = gs_pass_most(p);
    for (int first = 0; first < s->n; first += most) {
        gs_view view = {.step = step, .first = first, .record = sites};
        gs_forward(p, s->tokens + (ptrdiff_t)first * s->length, s->n - first < most ? s->n - first : most, &view, NULL);
    }
}

/* The stream before the first layer, of the rows that count: token's and position's embedding. */
static void start_stream(const gs_model *m, const probe_set *s, float *x)
{
    size_t D = (size_t)m->d.D;
    const float *tokens = m->param + gs_model_tensor(m, "embed.weight")->at, *positions = m->param + gs_model_tensor(m, "pos.weight")->at;
    for (int i = 0; i < s->n * s->length; i++) {
        if (s->targets[i] < 0) continue;
        memcpy(x, tokens + (size_t)s->tokens[i] * D, D * sizeof *x);
        m->kernels->add(D, positions + (size_t)(i % s->length) * D, x);
        x += D;
    }
}

/* to = from + what the site adds, in the order of the forward pass. */
static void add_site(const gs_model *m, const probe_set *s, const float *from, const float *site, float *to)
{
    size_t D = (size_t)m->d.D;
    for (int i = 0; i < s->n * s->length; i++) {
        if (s->targets[i] < 0) continue;
        memcpy(to, site + (size_t)i * D, D * sizeof *to);
        m->kernels->add(D, from, to);
        to += D, from += D;
    }
}

static int write_tensors(const char *path, const gs_model *m, const probe_set *s, float *const *streams, int64_t step, gs_err *e)
{
    int count = 2 * m->d.L;
    gs_st_tensor *tensors = gs_alloc((size_t)count, sizeof *tensors);
    for (int i = 0; i < count; i++)
        tensors[i] = (gs_st_tensor){.name = gs_text("blocks.%d.%s", i / 2, i % 2 ? "ffn" : "attn"), .dtype = "F32", .rank = 2,
                                    .shape = {s->rows, m->d.D}, .data = streams[i + 1],
                                    .bytes = (size_t)s->rows * (size_t)m->d.D * sizeof(float)};
    char *probe = gs_probe_text(&m->config), *config = gs_config_json(&m->config, false), *at = gs_text("%lld", (long long)step);
    const char *const keys[] = {"format", "probe", "config", "step", "source"};
    const char *const values[] = {"gridshift-features", probe, config, at, "gridshift " GS_VERSION};
    int failed = gs_st_write(path, tensors, count, keys, values, 5, e);
    for (int i = 0; i < count; i++) free(tensors[i].name);
    free(tensors), free(probe), free(config), free(at);
    return failed;
}

static int features(const char *path, gs_pass *p, const probe_set *s, int64_t step, gs_err *e)
{
    const gs_model *m = gs_pass_model(p);
    gs_clean sites;
    int count = 2 * m->d.L + 1;
    if (gs_clean_open(&sites, &m->d, s->n, e)) return -1;
    record(p, s, step, &sites);
    float **streams = gs_alloc((size_t)count, sizeof *streams);
    for (int i = 0; i < count; i++) {
        streams[i] = gs_alloc((size_t)s->rows * (size_t)m->d.D + 1, sizeof **streams);
        if (i == 0) start_stream(m, s, streams[0]);
        else add_site(m, s, streams[i - 1], sites.site[i % 2 ? 1 : 2][(i - 1) / 2], streams[i]);
    }
    int failed = write_tensors(path, m, s, streams, step, e);
    for (int i = 0; i < count; i++) free(streams[i]);
    free(streams);
    gs_clean_close(&sites);
    return failed;
}

int gs_features_write(const char *path, gs_pass *p, int64_t step, gs_err *e)
{
    probe_set s;
    int failed = open_set(&gs_pass_model(p)->config, &s, e) || features(path, p, &s, step, e);
    close_set(&s);
    return failed ? -1 : 0;
}

size_t gs_features_bytes(const gs_config *c)
{
    int sizes[GS_SET_KINDS];
    gs_config config = config_of_set(c);
    gs_dims d = gs_dims_of(c);
    gs_task_sizes(&config, sizes);
    int all = sizes[GS_SET_ALL] ? sizes[GS_SET_ALL] : sizes[GS_SET_TEST], asked = (int)gs_int(c, GS_ANALYSIS_INPUTS);
    size_t n = (size_t)(asked < all ? asked : all), stream = n * (size_t)(d.T - d.first) * (size_t)d.D * sizeof(float);
    return (size_t)gs_task_bytes(&config) + (2 * n * (size_t)d.T + (size_t)all) * sizeof(int32_t) + gs_clean_bytes(&d, (int)n) +
           (2 * (size_t)d.L + 1) * stream;
}

bool gs_features_there(const char *path, const gs_config *c)
{
    char *head = gs_alloc(HEADER_MOST + 1, 1), *probe = gs_probe_text(c), *quoted = gs_text("\"%s\"", probe);
    FILE *f = fopen(path, "rb");
    size_t length = f ? fread(head, 1, HEADER_MOST, f) : 0;
    if (f) fclose(f);
    bool there = memmem(head, length, quoted, strlen(quoted)) != NULL;
    free(head), free(probe), free(quoted);
    return there;
}
