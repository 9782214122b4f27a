/* How fast each rank is, from what its first runs took, so that a slow node does not get the longest run last. */
#include <stdlib.h>

#include "cli/run.h"

/* From so much slower than the average on, a rank is chosen for. Below, the difference is mostly noise. */
static const double SLOW = 0.8;

void gs_speeds_add(gs_speeds *s, int rank, double predicted_s, double actual_s)
{
    if (rank >= s->ranks) {
        s->of = gs_grow(s->of, (size_t)rank + 1, sizeof *s->of);
        for (; s->ranks <= rank; s->ranks++) s->of[s->ranks] = (gs_effort){0};
    }
    s->of[rank].predicted_s += predicted_s;
    s->of[rank].actual_s += actual_s;
    s->all.predicted_s += predicted_s;
    s->all.actual_s += actual_s;
}

double gs_speeds_of(const gs_speeds *s, int rank)
{
    const gs_effort *r = rank < s->ranks ? &s->of[rank] : NULL;
    if (!r || !(r->predicted_s > 0 && r->actual_s > 0)) return 1;
    return r->predicted_s / r->actual_s / (s->all.predicted_s / s->all.actual_s);
}

double gs_speeds_longest_s(const gs_speeds *s, int rank, double left_s, int workers)
{
    double speed = gs_speeds_of(s, rank);
    return speed < SLOW ? speed * left_s / workers : 0;
}

void gs_speeds_free(gs_speeds *s)
{
    free(s->of);
    *s = (gs_speeds){0};
}
