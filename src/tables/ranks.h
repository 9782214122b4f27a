/* tables, private: values with their ranks. */
#ifndef GRIDSHIFT_TABLES_RANKS_H
#define GRIDSHIFT_TABLES_RANKS_H
#include "gridshift/stats.h"

typedef struct gs_ranked {
    double value, rank;
    bool first; /* of the first sample; a positive difference */
} gs_ranked;
/* Sorts by value and gives ranks from 1, equal values their mean rank. Returns the sum of t^3 - t over the ties. */
double gs_rank(gs_ranked *r, int n);
#endif
