#include <math.h>

#include "gridshift/schedule.h"

static const char *const state_names[] = {[GS_TODO] = "todo", [GS_DONE] = "done", [GS_FAILED] = "failed"};

static void add_run(const gs_planned *p, const gs_grid *g, gs_buf *out)
{
    char text[64], seconds[32], mismatch[32] = "";
    gs_buf_add(out, "%s", p->run->id);
    for (int i = 0; i < g->varying_count; i++) gs_buf_add(out, ",%s", gs_value_text(g->varying[i], p->run->config.v[g->varying[i]], text));
    gs_buf_add(out, ",%s,%lld,%lld,%lld,%lld", state_names[p->state], (long long)p->counts.params_total, (long long)p->counts.params_active,
               (long long)p->counts.flops_per_token, (long long)p->counts.bytes);
    if (p->run->matched) gs_real(p->run->mismatch, mismatch);
    gs_buf_add(out, ",%s,%s\n", gs_real(round(p->predicted_s * 1000) / 1000, seconds), mismatch); /* more digits than a model can know */
}

/* Names and values of the key table hold neither commas nor quotes. */
void gs_plan_csv(const gs_plan *p, const gs_grid *g, gs_buf *out)
{
    gs_buf_add(out, "id");
    for (int i = 0; i < g->varying_count; i++) gs_buf_add(out, ",%s", gs_keys[g->varying[i]].name);
    gs_buf_add(out, ",state,params_total,params_active,flops_per_token,bytes,predicted_s,mismatch\n");
    for (int i = 0; i < p->count; i++) add_run(&p->runs[i], g, out);
}
