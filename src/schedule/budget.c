/* The limits that a sweep file sets itself, against what is left to do. */
#include "gridshift/schedule.h"

static const gs_planned *largest(const gs_plan *p)
{
    const gs_planned *most = NULL;
    for (int i = 0; i < p->count; i++)
        if (p->runs[i].state == GS_TODO && (!most || p->runs[i].counts.bytes > most->counts.bytes)) most = &p->runs[i];
    return most;
}

int gs_plan_within(const gs_plan *p, const gs_spec *s, gs_err *e)
{
    double hours = p->todo_s / 3600, budget = gs_spec_core_hours(s);
    int64_t bytes = gs_spec_bytes(s);
    const gs_planned *most = largest(p);
    if (budget > 0 && hours > budget)
        return gs_error(e, "%s: predicted %.3g core hours for the %d runs to do, budget %.3g: raise budget.core_hours, or make the sweep "
                        "smaller", gs_spec_name(s), hours, p->todo, budget);
    if (bytes > 0 && most && most->counts.bytes > bytes)
        return gs_error(e, "%s: run %d (%s) needs %lld bytes of memory, budget %lld: raise budget.bytes, or make the model or batch "
                        "smaller", gs_spec_name(s), most->run->index, most->run->id, (long long)most->counts.bytes, (long long)bytes);
    return 0;
}
