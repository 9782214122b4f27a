/* What the tests of matrices and of analyses share: checks that end the job, and NumPy's numbers. */
#ifndef TESTS_MPI_GOLDEN_H
#define TESTS_MPI_GOLDEN_H
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gridshift/mpi.h"

#define CHECK(condition)                                                         \
    do {                                                                         \
        if (!(condition)) gs_die("rank %d: not %s", gs_mpi_rank(), #condition); \
    } while (0)
#define NEAR(a, b, within) near(__LINE__, #a, a, b, within)

static inline void near(int line, const char *what, double a, double b, double within)
{
    if (!(fabs(a - b) <= within)) gs_die("line %d, rank %d: %s is %.17g, not %.17g within %g", line, gs_mpi_rank(), what, a, b, within);
}

/* tests/golden/analysis/analysis.json, from the root of the project; owned by the caller. */
static inline json_t *golden_load(void)
{
    json_error_t why;
    json_t *golden = json_load_file("tests/golden/analysis/analysis.json", 0, &why);
    if (!golden) gs_die("tests/golden/analysis/analysis.json: %s", why.text);
    return golden;
}

/* The integers of make.py. */
static inline double integer(int i, int j, int p, int q, int r, int modulus)
{
    return ((i * i * p + j * q + i * j * r) % modulus - modulus / 2) / 8.0;
}
#endif
