/* Which runs are compared with which, and by what they differ. */
#include <stdlib.h>
#include <string.h>

#include "gridshift/analysis.h"

void gs_map_spec_free(gs_map_spec *s)
{
    free(s->id), free(s->labels), free(s->strata), free(s->arm), free(s->seeds), free(s->index), free(s->keys), free(s->probe);
    *s = (gs_map_spec){0};
}

/* -- runs by probe set ------------------------------------------------------------------------------------------- */

static void add_run(gs_map_spec *s, int index, const gs_config *c, const char *probe)
{
    int width = (int)gs_int(c, GS_MODEL_D), layers = (int)gs_int(c, GS_MODEL_LAYERS);
    if (!s->runs) {
        s->probe = gs_text("%s", probe);
        s->layers = layers;
        s->seed = (uint32_t)gs_int(c, GS_ANALYSIS_SEED);
        s->rank_bytes = gs_int(c, GS_ANALYSIS_BYTES);
    }
    s->width = width > s->width ? width : s->width;
    s->layers = layers < s->layers ? layers : s->layers;
    s->index = gs_grow(s->index, (size_t)s->runs + 1, sizeof *s->index);
    s->index[s->runs++] = index;
}

static void sort_runs(const gs_grid *g, const bool *takes, gs_map_spec **specs, int *count)
{
    for (int i = 0; i < g->count; i++) {
        if (!takes[i]) continue;
        gs_config c;
        gs_run_config((gs_run){g, i}, &c);
        char *probe = gs_probe_text(&c);
        int k = 0;
        while (k < *count && strcmp((*specs)[k].probe, probe)) k++;
        if (k == *count) {
            *specs = gs_grow(*specs, (size_t)k + 1, sizeof **specs);
            (*specs)[(*count)++] = (gs_map_spec){.grid = g, .permutations = GS_PERMUTATIONS};
        }
        add_run(&(*specs)[k], i, &c, probe);
        free(probe);
    }
}

/* -- by what they differ ----------------------------------------------------------------------------------------- */

/* Which of the key's values each run has, numbered by first appearance; -1: it does not apply. -> how many there are */
static int label(const gs_map_spec *s, gs_key key, int *out)
{
    int64_t *known = gs_alloc((size_t)s->runs, sizeof *known);
    int count = 0;
    for (int i = 0; i < s->runs; i++) {
        gs_value v = gs_run_value((gs_run){s->grid, s->index[i]}, key);
        int64_t bits = gs_value_pack(key, v);
        int at = 0;
        while (v.set && at < count && known[at] != bits) at++;
        if (v.set && at == count) known[count++] = bits;
        out[i] = v.set ? at : -1;
    }
    free(known);
    return count;
}

/* The class of each run when this key, the seed (any_seed) and all that change no metric are not looked at; renumbered from 0. -> how
 * many */
static int classes(const gs_map_spec *s, gs_key but, bool any_seed, int *of)
{
    gs_key ignored[GS_KEY_COUNT];
    int count = 0, found = 0;
    for (int k = 0; k < GS_KEY_COUNT; k++)
        if (!gs_keys[k].identity || k == (int)but || (any_seed && k == GS_SEED)) ignored[count++] = (gs_key)k;
    gs_classes c = gs_configs_classes(&s->grid->configs, ignored, count);
    int *number = gs_alloc((size_t)c.count, sizeof *number);
    for (int i = 0; i < s->runs; i++) {
        int *at = &number[c.of[s->index[i]]];
        if (!*at) *at = ++found;
        of[i] = *at - 1;
    }
    free(number);
    gs_classes_free(&c);
    return found;
}

/* The keys that change a metric and have several values where they apply. */
static void describe_keys(gs_map_spec *s)
{
    size_t N = (size_t)s->runs, most = (size_t)s->grid->varying_count;
    s->keys = gs_alloc(most + 1, sizeof *s->keys);
    s->labels = gs_alloc(most * N + 1, sizeof *s->labels);
    s->strata = gs_alloc(most * N + 1, sizeof *s->strata);
    for (size_t i = 0; i < most; i++) {
        gs_key key = s->grid->varying[i];
        if (!gs_keys[key].identity || label(s, key, s->labels + (size_t)s->key_count * N) < 2) continue;
        classes(s, key, false, s->strata + (size_t)s->key_count * N);
        s->keys[s->key_count++] = key;
    }
}

static int describe(gs_map_spec *s, gs_err *e)
{
    gs_config c;
    size_t N = (size_t)s->runs;
    gs_run_config((gs_run){s->grid, s->index[0]}, &c);
    s->arm = gs_alloc(N, sizeof *s->arm);
    s->seeds = gs_alloc(N, sizeof *s->seeds);
    s->id = gs_alloc(N, sizeof *s->id);
    for (int i = 0; i < s->runs; i++) gs_run_id((gs_run){s->grid, s->index[i]}, s->id[i]);
    describe_keys(s);
    s->arms = classes(s, GS_SEED, true, s->arm);
    label(s, GS_SEED, s->seeds);
    return gs_features_rows(&c, &s->rows, e);
}

int gs_map_specs(const gs_grid *g, const bool *takes, gs_map_spec **out, int *count, gs_err *e)
{
    *out = NULL;
    *count = 0;
    sort_runs(g, takes, out, count);
    int kept = 0;
    for (int k = 0; k < *count; k++)
        if ((*out)[k].runs > 1) (*out)[kept++] = (*out)[k];
        else gs_map_spec_free(&(*out)[k]);
    *count = kept;
    for (int k = 0; k < kept; k++)
        if (describe(&(*out)[k], e)) return -1;
    return 0;
}

/* -- to all ranks ------------------------------------------------------------------------------------------------ */

static void share(const gs_team *t, void *at, size_t bytes)
{
    void **p = at;
    if (!*p) *p = gs_alloc(bytes + 1, 1);
    gs_team_share(t, *p, bytes);
}

void gs_map_spec_share(const gs_team *t, gs_map_spec *s)
{
    gs_map_spec head = *s;
    gs_team_share(t, &head, sizeof head); /* pointers too, which are not used elsewhere */
    if (t->rank) {
        *s = head;
        s->id = NULL, s->labels = s->strata = s->arm = s->seeds = s->index = NULL, s->keys = NULL, s->probe = NULL, s->grid = NULL;
    }
    size_t N = (size_t)s->runs, labels = (size_t)s->key_count * N * sizeof *s->labels;
    share(t, &s->id, N * sizeof *s->id);
    share(t, &s->labels, labels);
    share(t, &s->strata, labels);
    share(t, &s->arm, N * sizeof *s->arm);
    share(t, &s->seeds, N * sizeof *s->seeds);
}
