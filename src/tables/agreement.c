/* Do two seeds route alike? For every arm of mixtures that has several runs: how often two of them send a token to the same expert, once
 * the experts of one are renamed so that this is as often as can be (Hungarian matching), averaged over the pairs of runs.
 *
 * runs/ID/routes.CHECKPOINT.txt has the first expert of each token of the fixed evaluation set (see src/probe/routing.c). By chance: the
 * same for two routings of these loads that know nothing of each other. corrected = (agreement - chance) / (1 - chance): 0 is chance, 1 is
 * the same routing. Pairs share runs, so there is no interval; the smallest and the largest pair are given. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gridshift/linalg.h"
#include "tables/table.h"

enum { FILE_MOST = 1 << 28 };
static const char *const checkpoints[] = {"final", "best", "first99"};

typedef struct routes { /* of one run */
    int layers, experts;
    long tokens;
    char *file;   /* owned */
    char **layer; /* (layers), owned; two hexadecimal digits a token */
} routes;

static void free_routes(routes *r)
{
    free(r->file), free(r->layer);
    *r = (routes){0};
}

static int expert_at(const char *layer, long token)
{
    int value = 0;
    for (int k = 0; k < 2; k++) {
        char c = layer[2 * token + k];
        value = 16 * value + (c >= 'a' ? c - 'a' + 10 : c - '0');
    }
    return value;
}

static bool sound(const routes *r)
{
    for (int l = 0; l < r->layers; l++) {
        if ((long)strspn(r->layer[l], "0123456789abcdef") != 2 * r->tokens) return false;
        for (long t = 0; t < r->tokens; t++)
            if (expert_at(r->layer[l], t) >= r->experts) return false;
    }
    return true;
}

/* False: no such file, or not one of ours. Either way the run has no part in the table. */
static bool read_routes(const char *dir, const char *id, const char *checkpoint, routes *r)
{
    char *path = gs_text("%s/runs/%s/routes.%s.txt", dir, id, checkpoint);
    size_t length;
    int end = 0;
    *r = (routes){0};
    bool there = access(path, F_OK) == 0 && gs_file_read(path, FILE_MOST, &r->file, &length, NULL) == 0;
    free(path);
    there = there && sscanf(r->file, "routes %d layers %d experts %ld tokens\n%n", &r->layers, &r->experts, &r->tokens, &end) == 3 && end &&
            r->layers > 0 && r->layers <= 64 && r->experts > 0 && r->experts <= 256 && r->tokens > 0;
    if (there) {
        char *at = r->file + end;
        r->layer = gs_alloc((size_t)r->layers, sizeof *r->layer);
        for (int l = 0; l < r->layers; l++) {
            r->layer[l] = at;
            at = strchr(at, '\n') ? strchr(at, '\n') + 1 : r->file + length;
        }
        there = sound(r);
    }
    if (!there) free_routes(r);
    return there;
}

/* Of a layer: the matched share of tokens, and what chance gives. */
static double agree(const routes *a, const routes *b, int layer, double *chance)
{
    size_t E = (size_t)a->experts;
    double *table = gs_alloc(E * E, 8), *row = gs_alloc(E, 8), *column = gs_alloc(E, 8), n = (double)a->tokens;
    int *match = gs_alloc(E, sizeof *match);
    for (long t = 0; t < a->tokens; t++) {
        size_t i = (size_t)expert_at(a->layer[layer], t), j = (size_t)expert_at(b->layer[layer], t);
        table[i * E + j]++, row[i]++, column[j]++;
    }
    double same = gs_assign(a->experts, table, match) / n;
    for (size_t i = 0; i < E; i++)
        for (size_t j = 0; j < E; j++) table[i * E + j] = row[i] * column[j] / n;
    *chance = gs_assign(a->experts, table, match) / n;
    free(table), free(row), free(column), free(match);
    return same;
}

typedef struct arm { int count; routes *of; } arm; /* the runs that left routes */

static void add_key_names(const gs_grid *g, const char *separator, gs_buf *out)
{
    for (int i = 0; i < g->varying_count; i++)
        if (g->varying[i] != GS_SEED) gs_buf_add(out, "%s%s", gs_keys[g->varying[i]].name, separator);
}

static void add_keys(gs_run run, const char *separator, const char *none, gs_buf *out)
{
    char text[64];
    for (int i = 0; i < run.grid->varying_count; i++) {
        gs_key key = run.grid->varying[i];
        gs_value v = gs_run_value(run, key);
        if (key != GS_SEED) gs_buf_add(out, "%s%s", v.set ? gs_value_text(key, v, text) : none, separator);
    }
}

typedef struct sums { double same, chance, corrected, least, most; int pairs; } sums;

static sums all_pairs(const arm *a, int layer)
{
    sums s = {.least = 1};
    for (int i = 0; i < a->count; i++)
        for (int j = 0; j < i; j++) {
            double chance, same = agree(&a->of[i], &a->of[j], layer, &chance);
            s.same += same, s.chance += chance, s.pairs++;
            s.corrected += chance < 1 ? (same - chance) / (1 - chance) : 0;
            if (same < s.least) s.least = same;
            if (same > s.most) s.most = same;
        }
    s.same /= s.pairs, s.chance /= s.pairs, s.corrected /= s.pairs;
    return s;
}

static void add_row(const sums *s, const arm *a, gs_run run, const char *checkpoint, int layer, gs_buf *csv, gs_buf *md)
{
    char n[5][32];
    add_keys(run, ",", "", csv);
    gs_buf_add(csv, "%s,%d,%d,%d,%ld,%s,%s,%s,%s,%s\n", checkpoint, layer, a->count, s->pairs, a->of[0].tokens, gs_real(s->same, n[0]),
               gs_real(s->chance, n[1]), gs_real(s->corrected, n[2]), gs_real(s->least, n[3]), gs_real(s->most, n[4]));
    gs_buf_add(md, "| ");
    add_keys(run, " | ", "–", md);
    gs_buf_add(md, "%s | %d | %d | %.1f | %.1f | %.3f | %.1f to %.1f |\n", checkpoint, layer, a->count, 100 * s->same, 100 * s->chance,
               s->corrected, 100 * s->least, 100 * s->most);
}

/* One arm at one checkpoint: its rows, if two runs or more left routes of the same tokens. -> rows */
static int add_arm(const char *dir, const gs_entry *entries, int count, const gs_classes *arms, int which, const char *checkpoint,
                   gs_buf *csv, gs_buf *md)
{
    arm a = {0, gs_alloc((size_t)count, sizeof *a.of)};
    char id[33];
    int rows = 0;
    for (int i = 0; i < count; i++) {
        if (arms->of[i] != which || !entries[i].record || !entries[i].record->ok) continue;
        routes *r = &a.of[a.count];
        if (!read_routes(dir, gs_run_id(entries[i].run, id), checkpoint, r)) continue;
        bool alike = !a.count || (r->tokens == a.of[0].tokens && r->layers == a.of[0].layers && r->experts == a.of[0].experts);
        if (alike) a.count++;
        else free_routes(r);
    }
    for (int l = 0; a.count > 1 && l < a.of[0].layers; l++, rows++) {
        sums s = all_pairs(&a, l);
        add_row(&s, &a, entries[arms->first[which]].run, checkpoint, l, csv, md);
    }
    for (int i = 0; i < a.count; i++) free_routes(&a.of[i]);
    free(a.of);
    return rows;
}

static void add_heads(const gs_grid *g, gs_buf *csv, gs_buf *md)
{
    add_key_names(g, ",", csv);
    gs_buf_add(csv, "checkpoint,layer,runs,pairs,tokens,agreement,chance,corrected,least,most\n");
    gs_buf_add(md, "Agreement of routing between runs of an arm, after matching their experts; mean over pairs.\n\n| ");
    add_key_names(g, " | ", md);
    gs_buf_add(md, "checkpoint | layer | runs | agreement %% | by chance %% | corrected | pairs %% |\n|");
    for (int i = 0; i < g->varying_count; i++)
        if (g->varying[i] != GS_SEED) gs_buf_add(md, "---|");
    gs_buf_add(md, "---|--:|--:|--:|--:|--:|--:|\n");
}

int gs_agreement(const char *dir, const gs_grid *g, const gs_entry *entries, int count, gs_buf *csv, gs_buf *md)
{
    static const gs_key seeds[] = {GS_SEED, GS_TRAIN_DATA_SEED, GS_TRAIN_INIT_SEED};
    gs_classes arms = gs_configs_classes(&g->configs, seeds, 3);
    int rows = 0;
    add_heads(g, csv, md);
    for (int which = 0; which < arms.count; which++)
        for (size_t k = 0; k < sizeof checkpoints / sizeof *checkpoints; k++)
            if (gs_run_value(entries[arms.first[which]].run, GS_FFN_EXPERTS).set)
                rows += add_arm(dir, entries, count, &arms, which, checkpoints[k], csv, md);
    gs_classes_free(&arms);
    return rows;
}
