/* gridshift tables: records of the current sweep -> statistics -> comparison and scaling tables as md, csv, tex and json.
 *
 * Everything is local and deterministic: rows in plan order, numbers as gs_real gives them, no time, host or path. */
#ifndef GRIDSHIFT_TABLES_H
#define GRIDSHIFT_TABLES_H
#include "gridshift/schedule.h"
#include "gridshift/store.h"

/* -- statistics (src/tables/stats.c) ----------------------------------------------------------------------- */

double gs_mean(const double *x, int n);            /* in order, in double */
double gs_sd(const double *x, int n);              /* n - 1; nan for n < 2 */
double gs_t_quantile(double p, double df);         /* Student's t, p in (0, 1), to 1e-12 relative */
typedef struct gs_interval {
    double low, high;
} gs_interval;
gs_interval gs_t_interval(double mean, double sd, int n, double level); /* mean +- t sd / sqrt(n); nan for n < 2 */
typedef struct gs_line {
    double slope, intercept;
    double slope_se; /* sqrt(s^2 / Sxx), s^2 with n - 2 */
    gs_interval slope_interval; /* 95 %, t with n - 2 */
    int n;
} gs_line;
gs_line gs_fit_line(const double *x, const double *y, int n); /* ordinary least squares */

/* -- tables ------------------------------------------------------------------------------------------------ */

/* One run of the plan with its record; record NULL when it is not there yet. */
typedef struct gs_entry {
    gs_run run;
    const gs_counts *counts; /* borrowed from the plan */
    const gs_record *record;
} gs_entry;

/* Checks that need no result: no silent pooling (DESIGN section 3), a baseline that exists, metrics that the grammar and the
 * tasks can give, equal sets of seeds unless partial. Bad input: exit 2 before anything starts. The sweep file's
 * name is in the text. A table that --set left without runs is no error. */
int gs_tables_check(const gs_spec *s, const gs_grid *g, bool partial, gs_err *e);

/* Every table of the sweep file (a default comparison over all varying keys when it names none) plus results.csv:
 * DIR/tables/NAME.{md,csv,tex,json} and DIR/results.csv. Unequal seed sets are refused unless partial, which marks them;
 * results.csv is written then too, but no table.
 * *screen gets all tables in a narrow form for the terminal. */
int gs_tables_write(const char *dir, const gs_spec *s, const gs_grid *g, const gs_entry *entries, int count, bool partial,
                    gs_buf *screen, gs_err *e);
#endif
