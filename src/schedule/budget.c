/* The limits that a sweep file sets itself, against what is left to do. */
#include "gridshift/schedule.h"

/* The run to do that needs the most memory; -1: there is none. */
static int largest(const gs_plan *p)
{
    int most = -1;
    for (int i = 0; i < p->count; i++)
        if (p->state[i] == GS_TODO && (most < 0 || gs_plan_cost(p, i)->counts.bytes > gs_plan_cost(p, most)->counts.bytes)) most = i;
    return most;
}

int gs_plan_within(const gs_plan *p, const gs_grid *g, const gs_spec *s, gs_err *e)
{
    double hours = p->todo_s / 3600, budget = gs_spec_core_hours(s);
    int most = largest(p);
    int64_t bytes = gs_spec_bytes(s), needed = most < 0 ? 0 : gs_plan_cost(p, most)->counts.bytes;
    char id[33];
    if (budget > 0 && hours > budget)
        return gs_error(e, "%s: predicted %.3g core hours for the %d runs to do, budget %.3g: raise budget.core_hours, or make the sweep "
                        "smaller", gs_spec_name(s), hours, p->todo, budget);
    if (bytes > 0 && needed > bytes)
        return gs_error(e, "%s: run %d (%s) needs %lld bytes of memory, budget %lld: raise budget.bytes, or make the model or batch "
                        "smaller", gs_spec_name(s), most, gs_run_id((gs_run){g, most}, id), (long long)needed, (long long)bytes);
    return 0;
}
