/* One number per seed out of a row's runs (DESIGN section 3): means over pooled runs, then over the matched keys. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tables/table.h"

static const gs_keyset only_seed = {1, {GS_SEED}};

static gs_keyset with_seed(const gs_keyset *keys)
{
    gs_keyset out = *keys;
    gs_keys_add(&out, GS_SEED);
    return out;
}

/* All runs of a seed have results, and none of the row's arms lacks the seed. */
static bool complete(const gs_side *s, int at, int n)
{
    for (int i = at; i < at + n; i++)
        if (!s->runs.at[i]->metrics) return false;
    return n == s->arms;
}

/* NULL: absent. first99_or_best: of first99 where the run has that checkpoint, else of best. */
static const double *stored(const gs_metrics *m, const char *metric)
{
    static const char either[] = "first99_or_best.";
    if (strncmp(metric, either, sizeof either - 1)) return gs_metrics_get(m, metric);
    const char *checkpoint = gs_metrics_get(m, "first99.clean.step") ? "first99" : "best";
    char *name = gs_text("%s.%s", checkpoint, metric + sizeof either - 1);
    const double *value = gs_metrics_get(m, name);
    free(name);
    return value;
}

static double accuracy_of(const gs_metrics *m, const gs_metric_name *name, const char *subject)
{
    const char *open = *name->stratum ? "[" : "", *close = *name->stratum ? "]" : "";
    char *full = gs_text("%s.%s.accuracy%s%s%s", name->checkpoint, subject, open, name->stratum, close);
    const double *value = stored(m, full);
    free(full);
    return value ? *value : NAN;
}

double gs_metric_value(const gs_metrics *m, const char *metric)
{
    gs_metric_name name;
    const double *value = stored(m, metric);
    if (value) return isfinite(*value) ? *value : NAN;
    if (!strstr(metric, ".above_floor") || gs_metric_parse(metric, &name)) return NAN;
    double floor = accuracy_of(m, &name, "floor"), room = accuracy_of(m, &name, "clean") - floor;
    return room > 0 ? (accuracy_of(m, &name, name.subject) - floor) / room : NAN;
}

/* The mean of a metric over n points; nan when one of them does not have it. */
static double pooled(const gs_points *p, int at, int n, const char *metric)
{
    double sum = 0;
    for (int i = at; i < at + n; i++) {
        double value = p->at[i]->metrics ? gs_metric_value(p->at[i]->metrics, metric) : NAN;
        if (isnan(value)) return NAN;
        sum += value;
    }
    return sum / n;
}

static double baseline_value(const gs_side *s, const gs_keyset *keys, gs_run r, const char *metric)
{
    int at = gs_side_find(s, keys, r);
    return at < 0 ? NAN : pooled(&s->against, at, gs_points_block(&s->against, at, keys), metric);
}

/* The number of the seed whose n runs begin at `at`; nan when it is not complete. */
static double seed_value(const gs_side *s, int at, int n, const char *metric, bool difference)
{
    gs_keyset keys = with_seed(&s->matched);
    double sum = 0;
    int parts = 0;
    for (int i = at, m; i < at + n; i += m, parts++) {
        m = gs_points_block(&s->runs, i, &keys);
        sum += pooled(&s->runs, i, m, metric);
        if (difference) sum -= baseline_value(s, &keys, s->runs.at[i]->run, metric);
    }
    return sum / parts;
}

static gs_sample sample(const gs_side *s, const char *metric, bool difference)
{
    gs_sample out = {.x = gs_alloc((size_t)s->runs.count + 1, sizeof *out.x)};
    for (int at = 0, n; at < s->runs.count; at += n) {
        n = gs_points_block(&s->runs, at, &only_seed);
        if (!complete(s, at, n)) continue;
        out.of++;
        double value = seed_value(s, at, n, metric, difference);
        if (!isnan(value)) out.x[out.n++] = value;
    }
    return out;
}

gs_sample gs_sample_values(const gs_side *s, const char *metric)
{
    return sample(s, metric, false);
}

gs_sample gs_sample_differences(const gs_side *s, const char *metric)
{
    return sample(s, metric, true);
}

/* -- times ------------------------------------------------------------------------------------------------------- */

bool gs_metric_is_time(const gs_metric_name *m) { return !strncmp(m->row->name, "steps_to_", 9); }

/* The mean of what was seen of n runs is a lower bound of the mean time where one of them was censored. False: a number is missing. */
static bool seed_time(const gs_points *p, int at, int n, const char *metric, gs_time *out)
{
    *out = (gs_time){0, true};
    for (int i = at; i < at + n; i++) {
        const double *reached = gs_metrics_get(p->at[i]->metrics, metric), *done = gs_metrics_get(p->at[i]->metrics, "final.clean.step");
        if (!reached && !done) return false;
        if (!reached) out->reached = false;
        out->at += reached ? *reached : *done;
    }
    out->at /= n;
    return true;
}

gs_times gs_sample_times(const gs_side *s, const char *metric)
{
    gs_times out = {.x = gs_alloc((size_t)s->runs.count + 1, sizeof *out.x)};
    for (int at = 0, n; at < s->runs.count; at += n) {
        n = gs_points_block(&s->runs, at, &only_seed);
        if (!complete(s, at, n) || !seed_time(&s->runs, at, n, metric, &out.x[out.n])) continue;
        out.reached += out.x[out.n++].reached;
    }
    return out;
}

int gs_side_seeds(const gs_side *s)
{
    int seeds = 0;
    for (int at = 0, n; at < s->runs.count; at += n) {
        n = gs_points_block(&s->runs, at, &only_seed);
        seeds += complete(s, at, n);
    }
    return seeds;
}

bool gs_side_mismatch(const gs_side *s, double *out)
{
    bool found = false;
    for (int i = 0; i < s->runs.count; i++) {
        const gs_point *p = s->runs.at[i];
        double mismatch;
        if (!gs_run_matched(p->run, &mismatch)) {
            int at = gs_side_find(s, &s->matched, p->run);
            double base = at < 0 ? 0 : (double)s->against.at[at]->counts->params_total;
            if (base == 0) continue;
            mismatch = ((double)p->counts->params_total - base) / base;
        }
        if (!found || fabs(mismatch) > fabs(*out)) *out = mismatch;
        found = true;
    }
    return found;
}
