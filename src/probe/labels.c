/* What is known of each token of a set: the classes that routing, probes and patches are held against. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scene.h"

static gs_label begin(const gs_scene *s, const char *name, int values)
{
    size_t count = (size_t)s->data->n * (size_t)s->d.T;
    gs_label l = {.values = values, .of = gs_alloc(count, sizeof *l.of)};
    snprintf(l.name, sizeof l.name, "%s", name);
    for (size_t i = 0; i < count; i++) l.of[i] = -1;
    return l;
}

void gs_label_free(gs_label *l)
{
    free(l->of);
    *l = (gs_label){0};
}

static bool varies(const gs_scene *s, const gs_label *l)
{
    int32_t seen = -1;
    for (size_t i = 0; i < (size_t)s->data->n * (size_t)s->d.T; i++) {
        if (l->of[i] < 0) continue;
        if (seen >= 0 && l->of[i] != seen) return true;
        seen = l->of[i];
    }
    return false;
}

/* Keeps a label that has two values at least. */
static bool kept(const gs_scene *s, gs_label *l)
{
    if (varies(s, l)) return true;
    gs_label_free(l);
    return false;
}

bool gs_label_family(const gs_scene *s, const char *family, gs_label *out)
{
    int count, values = 0, value_of[GS_STRATA_MOST];
    size_t length = strlen(family);
    const gs_stratum *strata = gs_task_strata(s->q->task, &count);
    *out = begin(s, family, 0);
    for (int k = 0; k < count; k++) {
        const char *name = strata[k].name;
        bool member = !strncmp(name, family, length) && name[length] == '=' && !strchr(name, ',');
        value_of[k] = member ? values : -1;
        if (member) snprintf(out->names[values++], sizeof out->names[0], "%.15s", name + length + 1);
    }
    out->values = values;
    for (size_t i = 0; i < (size_t)s->data->n * (size_t)s->d.T; i++)
        for (int k = 0; k < count && s->data->scored[i]; k++)
            if (value_of[k] >= 0 && s->data->strata[i] >> k & 1) out->of[i] = value_of[k];
    return kept(s, out);
}

size_t gs_labels_bytes(const gs_scene *s) { return GS_LABELS_MOST * (size_t)s->n * (size_t)s->d.T * sizeof(int32_t); }

int gs_label_values_most(const gs_scene *s)
{
    enum { FAMILY_MOST = 16 }; /* operations, carries, digits of a cascade: each is of a digit or two */
    return s->d.C > FAMILY_MOST ? s->d.C : FAMILY_MOST;
}

int gs_labels(const gs_scene *s, gs_label *out, int most)
{
    static const char *const families[] = {"op", "carry", "cascade"};
    const gs_data *d = s->data;
    gs_label all[6] = {begin(s, "token", s->d.V), begin(s, "position", s->d.T), begin(s, "answer", s->d.C)};
    int count = 0;
    for (size_t i = 0; i < (size_t)d->n * (size_t)s->d.T; i++) {
        all[0].of[i] = d->tokens[i];
        all[1].of[i] = (int32_t)(i % (size_t)s->d.T);
        if (d->scored[i]) all[2].of[i] = d->targets[i];
    }
    for (int k = 0; k < 3; k++)
        if (kept(s, &all[k])) out[count++] = all[k];
    for (int k = 0; k < 3 && count < most; k++)
        if (gs_label_family(s, families[k], &out[count])) count++;
    return count;
}
