/* Steps to a level, as estimates: a seed that never gets there is censored at the steps that it did. */
#include <math.h>

#include "tables/table.h"

gs_estimate gs_times_median(const gs_times *x)
{
    gs_interval limits;
    double median = gs_km_median(x->x, x->n, 0.95, &limits);
    return (gs_estimate){median, NAN, limits, x->reached, x->n};
}

gs_estimate gs_times_share(const gs_times *x)
{
    gs_interval i = gs_wilson(x->reached, x->n, 0.95);
    return (gs_estimate){x->n ? 100.0 * x->reached / x->n : NAN, NAN, {100 * i.low, 100 * i.high}, x->n, x->n};
}

/* The longest time; *known: up to where the curve is known, which has no end once everybody got there, since it is 0 from then on. */
static double longest(const gs_times *x, double *known)
{
    double most = 0;
    bool censored = false;
    for (int i = 0; i < x->n; i++) most = fmax(most, x->x[i].at);
    for (int i = 0; i < x->n; i++) censored = censored || (x->x[i].at == most && !x->x[i].reached);
    *known = censored ? most : INFINITY;
    return most;
}

gs_estimate gs_times_difference(const gs_times *x, const gs_times *y)
{
    double known_x, known_y, se_x, se_y, most_x = longest(x, &known_x), most_y = longest(y, &known_y);
    double tau = fmin(fmin(known_x, known_y), fmax(most_x, most_y));
    if (!x->reached && !y->reached) return (gs_estimate){NAN, NAN, {NAN, NAN}, x->n + y->n, x->n + y->n}; /* nothing was seen */
    double difference = gs_restricted_mean(x->x, x->n, tau, &se_x) - gs_restricted_mean(y->x, y->n, tau, &se_y);
    double half = gs_normal_quantile(0.975) * sqrt(se_x * se_x + se_y * se_y);
    return (gs_estimate){difference, NAN, {difference - half, difference + half}, x->n + y->n, x->n + y->n};
}
