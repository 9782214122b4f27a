/* gs_grid -> gs_plan. The longest run first: at the end of a sweep no worker then waits long for another (Graham's bound of
 * 4/3). Order and numbers depend on the configs and on what is done only. */
#include <stdlib.h>

#include "cost.h"

/* Keys that neither a count nor the cost model looks at: a sweep of a million seeds has a handful of costs. */
static const gs_key free_of_cost[] = {GS_SEED,        GS_TRAIN_DATA_SEED, GS_TRAIN_INIT_SEED, GS_TRAIN_LR,  GS_TRAIN_DECAY,
                                      GS_TRAIN_BETA1, GS_TRAIN_BETA2,     GS_TRAIN_EPS,       GS_TRAIN_CLIP};

static int count_run(gs_run run, gs_wanted wanted, gs_cost *out, gs_err *e)
{
    gs_config c;
    char id[33];
    gs_run_config(run, &c);
    gs_count(&c, &out->counts);
    if (out->counts.params_total < 0 || out->counts.train_flops < 0 || out->counts.bytes < 0)
        return gs_error(e, "run %d (%s): its counts do not fit 64 bits; make the model or the training smaller", run.index,
                        gs_run_id(run, id));
    out->bytes = gs_run_bytes(&c, &out->counts, wanted);
    out->predicted_s = gs_cost_s(&c, wanted);
    return 0;
}

static int find_costs(const gs_grid *g, gs_wanted wanted, gs_plan *p, gs_err *e)
{
    gs_classes c = gs_configs_classes(&g->configs, free_of_cost, sizeof free_of_cost / sizeof *free_of_cost);
    int failed = 0;
    p->cost_count = c.count;
    p->costs = gs_alloc((size_t)c.count, sizeof *p->costs);
    for (int i = 0; i < c.count && !failed; i++) failed = count_run((gs_run){g, c.first[i]}, wanted, &p->costs[i], e);
    p->cost_of = c.of;
    c.of = NULL;
    gs_classes_free(&c);
    return failed;
}

/* Runs that cost the same stay in plan order: an index tells apart what seconds do not. */
static int by_length(const void *a, const void *b, void *plan)
{
    int i = *(const int *)a, j = *(const int *)b;
    double x = gs_plan_cost(plan, i)->predicted_s, y = gs_plan_cost(plan, j)->predicted_s;
    if (x != y) return x > y ? -1 : 1;
    return i - j;
}

static void order(gs_plan *p)
{
    p->order = gs_alloc((size_t)p->count, sizeof *p->order);
    int count = 0;
    for (int i = 0; i < p->count; i++)
        if (p->state[i] == GS_TODO) p->order[count++] = i;
    qsort_r(p->order, (size_t)count, sizeof *p->order, by_length, p);
}

static void sum(gs_plan *p)
{
    p->done = p->failed = p->todo = 0;
    p->todo_s = 0;
    for (int i = p->shard; i < p->count; i += p->shards) {
        p->done += p->state[i] == GS_DONE;
        p->failed += p->state[i] == GS_FAILED;
        p->todo += p->state[i] == GS_TODO;
        if (p->state[i] == GS_TODO) p->todo_s += gs_plan_cost(p, i)->predicted_s;
    }
}

void gs_plan_share(gs_plan *p, int shard, int shards)
{
    int kept = 0;
    for (int i = 0; i < p->todo; i++)
        if (p->order[i] % shards == shard) p->order[kept++] = p->order[i];
    p->shard = shard;
    p->shards = shards;
    sum(p);
}

int gs_plan_make(const gs_grid *g, gs_wanted wanted, gs_state (*state)(void *context, gs_run run), void *context, gs_plan **out,
                 gs_err *e)
{
    gs_plan *p = gs_alloc(1, sizeof *p);
    p->count = g->count;
    p->shards = 1;
    p->state = gs_alloc((size_t)g->count, sizeof *p->state);
    int failed = find_costs(g, wanted, p, e);
    for (int i = 0; i < g->count && !failed; i++) p->state[i] = (uint8_t)(state ? state(context, (gs_run){g, i}) : GS_TODO);
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
    free((*p)->state);
    free((*p)->cost_of);
    free((*p)->costs);
    free((*p)->order);
    free(*p);
    *p = NULL;
}
