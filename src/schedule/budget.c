/* The limits that a sweep file sets itself, against what is left to do. */
#include "gridshift/schedule.h"

int gs_plan_within(const gs_plan *p, const gs_spec *s, gs_err *e)
{
    double hours = p->todo_s / 3600, budget = gs_spec_core_hours(s);
    if (budget > 0 && hours > budget)
        return gs_error(e, "%s: predicted %.3g core hours for the %d runs to do, budget %.3g: raise budget.core_hours, or make the sweep "
                        "smaller", gs_spec_name(s), hours, p->todo, budget);
    return 0;
}

int gs_plan_too_large(const gs_plan *p, const gs_spec *s)
{
    int count = 0;
    for (int i = 0; i < p->count && gs_spec_bytes(s) > 0; i++)
        count += p->state[i] == GS_TODO && gs_plan_has(p, i) && gs_plan_cost(p, i)->bytes > gs_spec_bytes(s);
    return count;
}
