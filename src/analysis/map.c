/* The map of one site: features from the run folders, similarity, coordinates, shares, arms. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gridshift/analysis.h"

typedef struct folder {
    const gs_map_spec *spec;
    const char *dir;
    char tensor[32];
} folder;

static int copy_features(const char *path, const folder *f, const gs_st_tensor *x, float *out, gs_err *e)
{
    const gs_map_spec *s = f->spec;
    if (!x || strcmp(x->dtype, "F32") || x->rank != 2 || x->shape[0] != s->rows || x->shape[1] > s->width || x->shape[1] < 1)
        return gs_error(e, "%s: the tensor %s is not F32 with %d rows and at most %d columns; remove the file, and `gridshift run` "
                        "makes it anew",
                        path, f->tensor, s->rows, s->width);
    const float *from = x->data;
    size_t own = (size_t)x->shape[1], width = (size_t)s->width;
    memset(out, 0, (size_t)s->rows * width * sizeof *out);
    for (size_t i = 0; i < (size_t)s->rows; i++) memcpy(out + i * width, from + i * own, own * sizeof *out);
    return 0;
}

static int load(void *context, int run, float *x, gs_err *e)
{
    const folder *f = context;
    char *path = gs_text("%s/runs/%s/features.safetensors", f->dir, f->spec->id[run]);
    gs_st_file file;
    int failed = gs_st_read(path, &file, e);
    if (!failed) {
        failed = copy_features(path, f, gs_st_find(&file, f->tensor), x, e);
        gs_st_free(&file);
    }
    free(path);
    return failed ? -1 : 0;
}

static void compare_arms(const gs_map_spec *s, gs_map *m)
{
    if (s->arms > GS_ARMS_MOST) return;
    size_t count = (size_t)s->arms * (size_t)s->arms;
    for (int same = 0; same < 2; same++) {
        struct gs_arms *a = &m->arms[same];
        a->sum = gs_alloc(count, sizeof *a->sum), a->square = gs_alloc(count, sizeof *a->square);
        a->pairs = gs_alloc(count, sizeof *a->pairs), a->debiased = gs_alloc(count, sizeof *a->debiased);
        gs_arm_sums(&m->similarity.debiased, s->arm, s->arms, s->seeds, same, a->debiased, a->square, a->pairs);
        gs_arm_sums(&m->similarity.cka, s->arm, s->arms, s->seeds, same, a->sum, a->square, a->pairs);
    }
}

int gs_map_of(const gs_team *t, const gs_map_spec *s, const char *dir, int site, gs_map *out, gs_err *e)
{
    folder f = {.spec = s, .dir = dir};
    snprintf(f.tensor, sizeof f.tensor, "blocks.%d.%s", site / 2, site % 2 ? "ffn" : "attn");
    const gs_source source = {.runs = s->runs, .rows = s->rows, .width = s->width, .load = load, .context = &f};
    size_t N = (size_t)s->runs;
    *out = (gs_map){0};
    if (gs_similarity_of(t, &source, s->rank_bytes, &out->similarity, e)) return -1;
    out->axes = gs_alloc(N, sizeof *out->axes);
    out->x = gs_alloc(N * GS_MAP_AXES, sizeof *out->x);
    if (gs_coordinates(&out->similarity.cka, out->axes, GS_MAP_AXES, out->x, e)) {
        gs_map_free(out);
        return -1;
    }
    out->alone = gs_alloc((size_t)s->key_count + 1, sizeof *out->alone);
    out->within = gs_alloc((size_t)s->key_count + 1, sizeof *out->within);
    int *together = gs_alloc(N, sizeof *together);
    for (int k = 0; k < s->key_count; k++) {
        const int *labels = s->labels + (size_t)k * N;
        gs_share_of(&out->similarity.cka, labels, together, s->permutations, s->seed, &out->alone[k]);
        gs_share_of(&out->similarity.cka, labels, s->strata + (size_t)k * N, s->permutations, s->seed, &out->within[k]);
    }
    free(together);
    compare_arms(s, out);
    return 0;
}

void gs_map_free(gs_map *m)
{
    gs_similarity_close(&m->similarity);
    free(m->axes), free(m->x), free(m->alone), free(m->within);
    for (int k = 0; k < 2; k++) free(m->arms[k].sum), free(m->arms[k].square), free(m->arms[k].pairs), free(m->arms[k].debiased);
    *m = (gs_map){0};
}
