/* The pass over the set, and the names of what is measured. */
#include "moments.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void take(gs_scene *s, unsigned sees)
{
    size_t rows = (size_t)s->rows, block = rows * (size_t)s->d.D, hidden = rows * (size_t)s->units;
    size_t tokens = (size_t)s->n * (size_t)s->d.T;
    bool moe = gs_is_moe(s->c);
    for (int l = 0; l < s->d.L; l++) {
        if (sees & GS_SEES_BLOCKS) {
            s->mix[l] = gs_arena_take(&s->arena, block, sizeof(float));
            s->attn[l] = gs_arena_take(&s->arena, block, sizeof(float));
            s->ffn[l] = gs_arena_take(&s->arena, block, sizeof(float));
        }
        if (sees & GS_SEES_HIDDEN) s->hidden[l] = gs_arena_take(&s->arena, hidden, sizeof(float));
        if (sees & GS_SEES_EVERY && moe) s->every[l] = gs_arena_take(&s->arena, hidden, sizeof(float));
        if (sees & GS_SEES_FACTORS) {
            s->gate[l] = gs_arena_take(&s->arena, hidden, sizeof(float));
            s->up[l] = gs_arena_take(&s->arena, hidden, sizeof(float));
        }
        if (!(sees & GS_SEES_ROUTES) || !moe) continue;
        s->choice[l] = gs_arena_take(&s->arena, tokens * (size_t)s->d.k, sizeof(int32_t));
        s->p[l] = gs_arena_take(&s->arena, tokens * (size_t)s->d.E, sizeof(float));
    }
    if (sees & GS_SEES_LOGITS) s->logits = gs_arena_take(&s->arena, rows * (size_t)s->d.C, sizeof(float));
}

/* -- the pass ---------------------------------------------------------------------------------------------------------- */

typedef struct eye { /* a watch that knows where to put what it sees */
    gs_watch watch;  /* first */
    gs_scene *s;
    int first, n;    /* the chunk */
} eye;

static void see(gs_watch *w, gs_site site, int layer, const float *x)
{
    const eye *y = (const eye *)w;
    gs_scene *s = y->s;
    float *to = site == GS_SITE_ATTN_HEAD ? s->mix[layer] : site == GS_SITE_ATTN_OUT ? s->attn[layer] : s->ffn[layer];
    size_t D = (size_t)s->d.D, first = (size_t)gs_pass_first(s->q->pass, layer), Q = (size_t)s->d.T - first;
    size_t count = (size_t)s->Q * D, skip = ((size_t)s->d.first - first) * D;
    for (int i = 0; i < y->n; i++) memcpy(to + (size_t)(y->first + i) * count, x + (size_t)i * Q * D + skip, count * sizeof *to);
}

static void keep_routes(gs_scene *s, int layer, int first, int n)
{
    const int32_t *choice = gs_pass_choice(s->q->pass, layer);
    const float *p = gs_pass_probability(s->q->pass, layer);
    int from = gs_pass_routed(s->q->pass, layer), T = s->d.T, k = s->d.k, E = s->d.E;
    if (!p) s->p[layer] = NULL;
    for (int i = 0; i < n; i++)
        for (int t = 0; t < T; t++) {
            size_t to = (size_t)(first + i) * (size_t)T + (size_t)t, at = (size_t)(i * T + t);
            for (int j = 0; j < k; j++) s->choice[layer][to * (size_t)k + (size_t)j] = t < from ? -1 : choice[at * (size_t)k + (size_t)j];
            if (p && t >= from) memcpy(s->p[layer] + to * (size_t)E, p + at * (size_t)E, (size_t)E * sizeof *p);
        }
}

static void keep(gs_scene *s, unsigned sees, int first, int n, int32_t *row)
{
    size_t base = (size_t)first * (size_t)s->Q;
    for (int l = 0; l < s->d.L; l++) {
        size_t at = base * (size_t)s->units;
        if (sees & GS_SEES_HIDDEN) gs_pass_hidden(s->q->pass, l, GS_HIDDEN_ALL, s->hidden[l] + at);
        if (sees & GS_SEES_FACTORS) {
            gs_pass_hidden(s->q->pass, l, GS_HIDDEN_GATE, s->gate[l] + at);
            gs_pass_hidden(s->q->pass, l, GS_HIDDEN_UP, s->up[l] + at);
        }
        if (s->every[l]) gs_pass_every_expert(s->q->pass, l, s->every[l] + at);
        if (s->choice[l]) keep_routes(s, l, first, n);
    }
    if (!(sees & GS_SEES_LOGITS)) return;
    for (int i = 0; i < n * s->Q; i++) row[i] = (i / s->Q) * s->d.T + s->d.first + i % s->Q;
    size_t C = (size_t)s->d.C;
    memcpy(s->logits + base * C, gs_readout(s->q->pass, row, n * s->Q), (size_t)(n * s->Q) * C * sizeof *s->logits);
}

static void look(gs_scene *s, unsigned sees)
{
    int most = s->most, all = s->n;
    int32_t *row = gs_alloc((size_t)(most * s->Q), sizeof *row);
    eye y = {.watch = {see}, .s = s};
    for (int first = 0; first < all; first += most) {
        int n = all - first < most ? all - first : most;
        y.first = first, y.n = n;
        gs_view view = {.step = s->q->step, .first = first, .watch = sees & GS_SEES_BLOCKS ? &y.watch : NULL};
        gs_forward(s->q->pass, s->data->tokens + (size_t)first * (size_t)s->d.T, n, &view, NULL);
        keep(s, sees, first, n, row);
    }
    free(row);
}

static void shape(gs_scene *s, int n, int most)
{
    s->n = n, s->most = most;
    s->Q = s->d.T - s->d.first;
    s->rows = n * s->Q;
    s->units = s->d.width * (gs_is_moe(s->c) ? s->d.E : 1);
}

size_t gs_scene_bytes(gs_scene *s, const gs_config *c, unsigned sees)
{
    int sizes[GS_SET_KINDS];
    gs_task_sizes(c, sizes);
    *s = (gs_scene){.c = c, .d = gs_dims_of(c)};
    shape(s, sizes[GS_SET_ALL] ? sizes[GS_SET_ALL] : sizes[GS_SET_TEST], gs_chunk(c, &s->d, gs_batch_size(c)));
    take(s, sees);
    size_t row = (size_t)(s->most * s->Q) * sizeof(int32_t), U = (size_t)s->units;
    return s->arena.used + row + (sees & GS_SEES_PCA ? (size_t)s->d.L * (U + 2) * U * sizeof(double) : 0);
}

int gs_scene_open(gs_scene *s, const gs_measure *q, unsigned sees, gs_metrics *out, gs_err *e)
{
    const gs_model *m = gs_pass_model(q->pass);
    const gs_data *all = gs_task_set(q->task, GS_SET_ALL, q->step);
    *s = (gs_scene){.q = q, .m = m, .c = &m->config, .d = m->d, .out = out};
    s->data = all ? all : gs_task_set(q->task, GS_SET_TEST, q->step);
    shape(s, s->data->n, gs_pass_most(q->pass));
    take(s, sees);
    if (gs_arena_open(&s->arena, e)) return -1;
    take(s, sees);
    if (sees) look(s, sees);
    return 0;
}

const gs_moments *gs_scene_pca(gs_scene *s, int layer)
{
    if (!s->pca[layer]) {
        s->pca[layer] = gs_alloc(1, sizeof *s->pca[layer]);
        gs_moments_of(s, s->rows, s->units, s->hidden[layer], true, s->pca[layer]);
    }
    return s->pca[layer];
}

void gs_scene_close(gs_scene *s)
{
    for (int l = 0; l < s->d.L; l++)
        if (s->pca[l]) gs_moments_free(s->pca[l]), free(s->pca[l]);
    gs_arena_close(&s->arena);
}

void gs_tell(gs_scene *s, double value, const char *metric, int layer, const char *format, ...)
{
    char stratum[64], at[24] = "";
    va_list args;
    va_start(args, format);
    vsnprintf(stratum, sizeof stratum, format, args);
    va_end(args);
    if (layer >= 0 && s->d.L > 1) snprintf(at, sizeof at, "layer=%d", layer);
    const char *comma = *at && *stratum ? "," : "";
    bool any = *at || *stratum;
    gs_metrics_set(s->out, value, "%s.%s.%s%s%s%s%s%s", s->q->checkpoint, s->probe->name, metric, any ? "[" : "", at, comma, stratum,
                   any ? "]" : "");
}
