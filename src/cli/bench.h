/* What the two halves of `gridshift bench` share. */
#ifndef CLI_BENCH_H
#define CLI_BENCH_H
#include "cli/cli.h"

int gs_bench_analysis(int argc, char **argv); /* collective under mpirun */
int gs_bench_dispatch(int argc, char **argv); /* collective under mpirun */

/* Median, least and largest of n values, which are sorted in place; n > 0. */
typedef struct gs_spread {
    double median, low, high;
} gs_spread;
gs_spread gs_spread_of(double *x, int n);
#endif
