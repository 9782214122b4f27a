/* How the number of runs comes about, in the fixed order of the expansion. */
#include <math.h>
#include <stdlib.h>

#include "sweep/pool.h"

static void add_when(gs_buf *b, const gs_selector *when)
{
    for (int i = 0; i < when->count; i++) {
        const gs_term *t = &when->terms[i];
        gs_buf_add(b, "%s%s is ", i ? " and " : " (when ", gs_keys[t->key].name);
        for (int j = 0; j < t->count && j < 4; j++) {
            char text[64];
            gs_buf_add(b, "%s%s", j ? " or " : "", gs_value_text(t->key, t->values[j], text));
        }
        if (t->count > 4) gs_buf_add(b, " or ...");
    }
    if (when->count) gs_buf_add(b, ")");
}

static void add_product(gs_buf *b, const gs_spec *s, const gs_pool *p)
{
    for (int i = 0; i < s->axis_count; i++) {
        const gs_axis *a = &s->axes[i];
        gs_buf_add(b, "%s%s %d", i ? " x " : "", a->name ? a->name : gs_keys[a->terms[0].key].name, a->size);
        if (a->name) gs_buf_add(b, " (zip)");
        add_when(b, &a->when);
    }
    if (s->axis_count) gs_buf_add(b, " = %d\n", p->product);
    else if (p->product) gs_buf_add(b, "defaults alone = 1\n");
}

/* A key that somebody wrote and that no run has: most likely a slip. */
static void add_unused(gs_buf *b, const gs_spec *s, const gs_pool *p)
{
    for (int k = 0; k < GS_KEY_COUNT; k++) {
        bool used = k == GS_TRAIN_DATA_SEED || k == GS_TRAIN_INIT_SEED; /* absent when they equal the seed */
        if (!s->defaults[k].value.set && !s->replaced[k].set && !gs_axis_of(s, (gs_key)k, NULL)) continue;
        for (int i = 0; i < p->count && !used; i++) used = p->fate[i] == GS_STAYS && gs_configs_value(&p->configs, i, (gs_key)k).set;
        if (!used) gs_buf_add(b, "%s applies to no run (it needs: %s)\n", gs_keys[k].name, gs_keys[k].when_text);
    }
}

char *gs_formula(const gs_spec *s, const gs_pool *p, int runs)
{
    int fates[4] = {0}, matched = 0;
    gs_buf b = {0};
    for (int i = 0; i < p->count; i++) {
        fates[p->fate[i]]++;
        matched += p->fate[i] == GS_STAYS && p->mismatch && !isnan(p->mismatch[i]);
    }
    add_product(&b, s, p);
    if (s->exclude_count) gs_buf_add(&b, "- %d excluded\n", fates[GS_EXCLUDED]);
    if (s->include_count) gs_buf_add(&b, "+ %d included\n", p->count - p->product);
    if (s->filter_count) gs_buf_add(&b, "- %d left out by --set\n", fates[GS_HIDDEN]);
    if (s->match.given) gs_buf_add(&b, "match: %s of %d runs solved for %s\n", gs_keys[s->match.solve].name, matched, s->match.count);
    if (fates[GS_DUPLICATE]) gs_buf_add(&b, "- %d duplicates\n", fates[GS_DUPLICATE]);
    add_unused(&b, s, p);
    gs_buf_add(&b, "= %d runs", runs);
    return b.text;
}
