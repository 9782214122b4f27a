/* The analysis of a whole sweep, after the runs or by `gridshift analyze`. */
#ifndef CLI_ANALYZE_H
#define CLI_ANALYZE_H
#include "cli/cli.h"
#include "gridshift/analysis.h"

/* -- watchdog.c: local ------------------------------------------------------------------------------------- */

/* From now to gs_watchdog_end, a step that takes longer than this (and a second for each 1e8 FLOPs of it) ends the process with
 * GS_EXIT_STOPPED and says where it was stuck. */
void gs_watchdog_start(int seconds);
void gs_watchdog_step(const char *what, double flops); /* as gs_team.watch */
void gs_watchdog_end(void);

/* -- spectra.c: analysis.spectra ---------------------------------------------------------------------------- */

int gs_spectra_check(const gs_session *s, int ranks, gs_err *e); /* as gs_analysis_check, of which it is a part */
/* The largest matrix of the sweep; count: models. False: none is asked for. Local. */
bool gs_spectra_largest(const gs_session *s, int64_t *rows, int64_t *units, int *count, gs_err *e);
/* Collective over all ranks of the job, as gs_analysis_run, of which it is a part: DIR/analysis/spectra.csv. -> 0, or -1 on every rank
 * and *e on rank 0. */
int gs_spectra_run(const gs_session *s, const char *dir, gs_err *e);

/* -- analyze.c --------------------------------------------------------------------------------------------- */

enum { GS_ANALYSIS_LIMIT_S = 600 };
typedef struct gs_analysis_options {
    int limit_s;
    bool quiet;
    bool again; /* even when the same runs were analysed before; and by all ranks, even when one alone would be faster */
} gs_analysis_options;
/* gs_map_specs of the runs that ask for features; done: only those that have them. Local; to be given to gs_analysis_free. */
int gs_analysis_specs(const gs_session *s, bool done, gs_map_spec **out, int *count, gs_err *e);
void gs_analysis_free(gs_map_spec *specs, int count);
/* analyze_plan.c: prints what each of so many ranks would need; -1 when it does not fit. */
int gs_analysis_print(const gs_session *s, int ranks, gs_err *e);
/* Before anything runs: would the analysis of the whole sweep fit so many ranks? 0 when none is asked for. Local. */
int gs_analysis_check(const gs_session *s, int ranks, gs_err *e);
/* Does the sweep ask for an analysis that is not there yet (or again)? Rank 0 only; s is planned. */
bool gs_analysis_wanted(const gs_session *s, const char *dir, bool again);
/* Collective over all ranks of the job: the planned session and its folder on rank 0, NULL elsewhere. Writes DIR/analysis. -> exit
 * code, the same on every rank. */
int gs_analysis_run(const gs_session *s, const char *dir, const gs_analysis_options *o);
#endif
