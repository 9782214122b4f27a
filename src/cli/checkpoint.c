#include "checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gridshift/store.h"

static gs_st_tensor tensor_of(const gs_tensor *t, const float *param)
{
    gs_st_tensor s = {.name = (char *)t->name, .dtype = "F32", .rank = t->cols ? 2 : 1, .shape = {t->rows, t->cols}, .data = param + t->at,
                      .bytes = gs_tensor_size(t) * sizeof *param};
    return s;
}

int gs_checkpoint_write(const char *path, const gs_model *m, const float *param, int64_t step, gs_err *e)
{
    gs_st_tensor *tensors = gs_alloc((size_t)m->tensor_count, sizeof *tensors);
    for (int i = 0; i < m->tensor_count; i++) tensors[i] = tensor_of(&m->tensors[i], param);
    char *config = gs_config_json(&m->config, true), *at = gs_text("%lld", (long long)step);
    const char *const keys[] = {"format", "config", "step", "source"};
    const char *const values[] = {"gridshift-checkpoint", config, at, "gridshift " GS_VERSION};
    int failed = gs_st_write(path, tensors, m->tensor_count, keys, values, 4, e);
    free(tensors), free(config), free(at);
    return failed;
}

static bool fits(const gs_tensor *t, const gs_st_tensor *s)
{
    return !strcmp(s->dtype, "F32") && s->rank == (t->cols ? 2 : 1) && s->shape[0] == t->rows && (!t->cols || s->shape[1] == t->cols);
}

static int fill(const char *path, const gs_st_file *f, gs_model *m, gs_err *e)
{
    for (int i = 0; i < m->tensor_count; i++) {
        const gs_tensor *t = &m->tensors[i];
        const gs_st_tensor *s = gs_st_find(f, t->name);
        char columns[32];
        snprintf(columns, sizeof columns, " of %d", t->cols);
        if (!s) return gs_error(e, "%s: the config in its metadata asks for a tensor %s, which is not there", path, t->name);
        if (!fits(t, s))
            return gs_error(e, "%s: tensor %s is not F32 with %d rows%s, which the config in its metadata asks for", path, t->name, t->rows,
                            t->cols ? columns : "");
        memcpy(m->param + t->at, s->data, s->bytes);
    }
    for (int i = 0; i < f->count; i++)
        if (!gs_model_tensor(m, f->tensors[i].name))
            return gs_error(e, "%s: tensor %s belongs to no part of the model that its metadata describes", path, f->tensors[i].name);
    return 0;
}

static int open_config(const char *path, const gs_st_file *f, gs_config *c, gs_err *e)
{
    const char *text = gs_st_meta(f, "config");
    if (!text) return gs_error(e, "%s: its __metadata__ has no \"config\" (a JSON object of dotted keys)", path);
    gs_err why;
    return gs_config_from_json(text, c, &why) ? gs_error(e, "%s: the config in its metadata: %.1500s", path, why.text) : 0;
}

/* The config sizes the model: a small file must not make us allocate a large one before its tensors are looked at. */
static int check_size(const char *path, const gs_st_file *f, const gs_config *c, gs_err *e)
{
    enum { SLACK = 1 << 20 }; /* what is missing from a file of the usual size is named below */
    gs_counts n;
    gs_count(c, &n);
    int64_t there = 0;
    for (int i = 0; i < f->count; i++) there += (int64_t)(f->tensors[i].bytes / sizeof(float));
    if (n.params_total <= 2 * there + SLACK) return 0;
    return gs_error(e, "%s: the config in its metadata asks for %lld parameters, and its tensors have %lld", path,
                    (long long)n.params_total, (long long)there);
}

int gs_checkpoint_read(const char *path, gs_model **out, int64_t *step, gs_err *e)
{
    gs_st_file f;
    gs_config c;
    if (gs_st_read(path, &f, e)) return -1;
    int failed = open_config(path, &f, &c, e) || check_size(path, &f, &c, e) || gs_model_open(&c, gs_dims_of(&c), false, out, e);
    if (!failed && fill(path, &f, *out, e)) {
        gs_model_close(out);
        failed = 1;
    }
    const char *at = failed ? NULL : gs_st_meta(&f, "step");
    *step = at ? strtoll(at, NULL, 10) : 0;
    gs_st_free(&f);
    return failed ? -1 : 0;
}
