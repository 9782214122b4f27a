/* The cases of `gridshift bench`: one training step, interleaved with a loop of fused multiply-adds. Local; needs no folder and no MPI. */
#ifndef CLI_BENCH_STEP_H
#define CLI_BENCH_STEP_H
#include "cli/bench.h"
#include "gridshift/nn.h"

typedef struct gs_bench_case {
    const char *name;
    const char *config; /* JSON of what differs from the task's defaults */
    int batch;          /* sequences of a step */
    int vocabulary, length; /* of a synthetic sequence with a loss at every position; 0: the task's own data */
} gs_bench_case;
extern const gs_bench_case gs_bench_cases[]; /* ends with a NULL name */

typedef struct gs_bench_result {
    const char *name, *isa;
    gs_spread steps;         /* per second */
    double tokens_per_s;
    double gflops_performed; /* counted as this program multiplies: after the reductions */
    double gflops_plain;     /* what the plain algorithm would need for the same step */
    double peak_gflops;      /* of the interleaved loop, same instruction set */
    double load[8];          /* share of the assignments of the first experts; 0 without a mixture */
    int experts, runs;
} gs_bench_result;

/* Median of `runs` runs of about 0.3 s each, as is the peak. */
int gs_bench_step(const gs_bench_case *c, bool reductions, bool blas, int runs, gs_bench_result *out, gs_err *e);
#endif
