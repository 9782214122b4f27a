#include <math.h>

#include "gridshift/schedule.h"

const char *const gs_state_names[] = {[GS_TODO] = "todo", [GS_DONE] = "done", [GS_FAILED] = "failed"};

static void add_run(const gs_plan *p, const gs_grid *g, int index, gs_buf *out)
{
    char text[64], seconds[32], mismatch[32] = "";
    gs_run run = {g, index};
    const gs_cost *cost = gs_plan_cost(p, index);
    const gs_counts *n = &cost->counts;
    double achieved;
    gs_buf_add(out, "%s", gs_run_id(run, text));
    for (int i = 0; i < g->varying_count; i++) gs_buf_add(out, ",%s", gs_value_text(g->varying[i], gs_run_value(run, g->varying[i]), text));
    gs_buf_add(out, ",%s,%lld,%lld,%lld,%lld", gs_state_names[p->state[index]], (long long)n->params_total, (long long)n->params_active,
               (long long)n->flops_per_token, (long long)cost->bytes);
    if (gs_run_matched(run, &achieved)) gs_real(achieved, mismatch);
    gs_buf_add(out, ",%s,%s\n", gs_real(round(cost->predicted_s * 1000) / 1000, seconds), mismatch); /* more digits than a model can know */
}

/* Names and values of the key table hold neither commas nor quotes. */
void gs_plan_csv(const gs_plan *p, const gs_grid *g, gs_buf *out)
{
    gs_buf_add(out, "id");
    for (int i = 0; i < g->varying_count; i++) gs_buf_add(out, ",%s", gs_keys[g->varying[i]].name);
    gs_buf_add(out, ",state,params_total,params_active,flops_per_token,bytes,predicted_s,mismatch\n");
    for (int i = 0; i < p->count; i++) add_run(p, g, i, out);
}
