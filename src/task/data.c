/* Arrays of sequences and the list of strata: what every task is made of. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rows.h"

void gs_data_take(gs_task *t, gs_data *d, int n, bool evaluation)
{
    size_t count = (size_t)n * (size_t)t->extent.length;
    *d = (gs_data){.n = n, .length = t->extent.length};
    d->tokens = gs_arena_take(&t->arena, count, sizeof *d->tokens);
    d->targets = gs_arena_take(&t->arena, count, sizeof *d->targets);
    if (!evaluation) return;
    d->scored = gs_arena_take(&t->arena, count, sizeof *d->scored);
    d->strata = gs_arena_take(&t->arena, count, sizeof *d->strata);
}

void gs_data_copy(const gs_data *from, int i, const gs_data *to, int j)
{
    size_t length = (size_t)from->length, source = (size_t)i * length, target = (size_t)j * length;
    memcpy(to->tokens + target, from->tokens + source, length * sizeof *to->tokens);
    memcpy(to->targets + target, from->targets + source, length * sizeof *to->targets);
    if (!to->scored) return;
    memcpy(to->scored + target, from->scored + source, length * sizeof *to->scored);
    memcpy(to->strata + target, from->strata + source, length * sizeof *to->strata);
}

void gs_data_pick(gs_rng r, uint64_t a, const gs_data *from, const gs_data *to)
{
    for (int i = 0; i < to->n; i++)
        gs_data_copy(from, (int)gs_rng_below(r, a, (uint32_t)i, 0, (uint32_t)from->n), to, i);
}

int gs_stratum_add(gs_task *t, bool whole, const char *format, ...)
{
    if (t->strata_count == GS_STRATA_MOST) gs_die("a task has more than %d strata", GS_STRATA_MOST);
    gs_stratum *s = &t->strata[t->strata_count];
    s->whole = whole;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(s->name, sizeof s->name, format, arguments);
    va_end(arguments);
    return t->strata_count++;
}

static int32_t most_frequent(const gs_data *d, int position, int classes, int *counts)
{
    memset(counts, 0, (size_t)classes * sizeof *counts);
    int32_t best = -1;
    for (int i = 0; i < d->n; i++) {
        size_t at = (size_t)i * (size_t)d->length + (size_t)position;
        if (d->scored[at]) counts[d->targets[at]]++;
    }
    for (int c = 0; c < classes; c++)
        if (counts[c] > (best < 0 ? 0 : counts[best])) best = c;
    return best;
}

void gs_floor(const gs_data *d, int classes, int32_t *prediction)
{
    int *counts = gs_alloc((size_t)classes, sizeof *counts);
    for (int position = 0; position < d->length; position++) prediction[position] = most_frequent(d, position, classes, counts);
    free(counts);
}
