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

gs_estimate gs_times_difference(const gs_times *x, const gs_times *y)
{
    double tau_x = 0, tau_y = 0, se_x, se_y;
    for (int i = 0; i < x->n; i++) tau_x = fmax(tau_x, x->x[i].at);
    for (int i = 0; i < y->n; i++) tau_y = fmax(tau_y, y->x[i].at);
    double tau = fmin(tau_x, tau_y);
    double difference = gs_restricted_mean(x->x, x->n, tau, &se_x) - gs_restricted_mean(y->x, y->n, tau, &se_y);
    double half = gs_normal_quantile(0.975) * sqrt(se_x * se_x + se_y * se_y);
    return (gs_estimate){difference, NAN, {difference - half, difference + half}, x->n + y->n, x->n + y->n};
}
