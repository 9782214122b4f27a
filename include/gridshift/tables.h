/* gridshift tables: records of the current sweep -> statistics -> comparison and scaling tables and claims as md, csv, tex and json.
 *
 * Everything is local and deterministic: rows in plan order, numbers as gs_real gives them, no time, host or path. */
#ifndef GRIDSHIFT_TABLES_H
#define GRIDSHIFT_TABLES_H
#include "gridshift/schedule.h"
#include "gridshift/stats.h"
#include "gridshift/store.h"

/* -- tables ------------------------------------------------------------------------------------------------ */

/* One run of the plan with its record; record NULL when it is not there yet. */
typedef struct gs_entry {
    gs_run run;
    const gs_counts *counts; /* borrowed from the plan */
    const gs_result *record;
} gs_entry;

/* Checks that need no result: no silent pooling (DESIGN section 3), a baseline that exists, metrics that the grammar and the
 * tasks can give, equal sets of seeds unless partial; of claims too. Bad input: exit 2 before anything starts. The sweep file's
 * name is in the text. A table that --set left without runs is no error. */
int gs_tables_check(const gs_spec *s, const gs_grid *g, bool partial, gs_err *e);

/* Every table of the sweep file (a default comparison over all varying keys when it names none) plus results.csv:
 * DIR/tables/NAME.{md,csv,tex,json} and DIR/results.csv. Unequal seed sets are refused unless partial, which marks them;
 * results.csv is written then too, but no table.
 * *screen gets all tables in a narrow form for the terminal. */
int gs_tables_write(const char *dir, const gs_spec *s, const gs_grid *g, const gs_entry *entries, int count, bool partial,
                    gs_buf *screen, gs_err *e);
#endif
