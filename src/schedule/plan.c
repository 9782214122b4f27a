/* gs_grid -> gs_plan. The longest run first: at the end of a sweep no worker then waits long for another (Graham's bound of
 * 4/3). Order and numbers depend on the configs and on what is done only. */
#include <stdlib.h>

#include "cost.h"

static int count_run(const gs_run *run, uint32_t ablate, gs_planned *p, gs_err *e)
{
    p->run = run;
    gs_count(&run->config, &p->counts);
    if (p->counts.params_total < 0 || p->counts.train_flops < 0 || p->counts.bytes < 0)
        return gs_error(e, "run %d (%s): its counts do not fit 64 bits; make the model or the training smaller", run->index, run->id);
    p->predicted_s = gs_cost_s(&run->config, &p->counts, ablate);
    return 0;
}

/* Runs that cost the same stay in plan order: an index tells apart what seconds do not. */
static int by_length(const void *a, const void *b)
{
    const gs_planned *x = *(const gs_planned *const *)a, *y = *(const gs_planned *const *)b;
    if (x->predicted_s != y->predicted_s) return x->predicted_s > y->predicted_s ? -1 : 1;
    return x < y ? -1 : x > y;
}

static void order(gs_plan *p)
{
    const gs_planned **todo = gs_alloc((size_t)p->count, sizeof *todo);
    int count = 0;
    for (int i = 0; i < p->count; i++)
        if (p->runs[i].state == GS_TODO) todo[count++] = &p->runs[i];
    qsort(todo, (size_t)count, sizeof *todo, by_length);
    p->order = gs_alloc((size_t)count, sizeof *p->order);
    for (int i = 0; i < count; i++) p->order[i] = (int)(todo[i] - p->runs);
    free(todo);
}

static void sum(gs_plan *p)
{
    for (int i = 0; i < p->count; i++) {
        const gs_planned *run = &p->runs[i];
        p->done += run->state == GS_DONE;
        p->failed += run->state == GS_FAILED;
        p->todo += run->state == GS_TODO;
        if (run->state == GS_TODO) p->todo_s += run->predicted_s;
    }
}

int gs_plan_make(const gs_grid *g, uint32_t ablate, gs_state (*state)(void *context, const gs_run *run), void *context, gs_plan **out,
                 gs_err *e)
{
    gs_plan *p = gs_alloc(1, sizeof *p);
    p->count = g->count;
    p->runs = gs_alloc((size_t)g->count, sizeof *p->runs);
    int failed = 0;
    for (int i = 0; i < g->count && !failed; i++) {
        failed = count_run(&g->runs[i], ablate, &p->runs[i], e);
        p->runs[i].state = state ? state(context, &g->runs[i]) : GS_TODO;
    }
    if (failed) {
        gs_plan_close(&p);
    } else {
        order(p);
        sum(p);
    }
    *out = p;
    return failed;
}

void gs_plan_close(gs_plan **p)
{
    if (!*p) return;
    free((*p)->runs);
    free((*p)->order);
    free(*p);
    *p = NULL;
}
