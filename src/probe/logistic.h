/* Multinomial logistic regression. Private to src/probe. */
#ifndef GS_PROBE_LOGISTIC_H
#define GS_PROBE_LOGISTIC_H
#include <stddef.h>

/* Minimises the mean cross-entropy of softmax(W x + b) plus GS_LOGISTIC_DECAY / 2 |W|^2 (b is free) over rows x (n, d), labels y (n) in
 * 0..classes-1: strictly convex in W, so that the optimum is one. L-BFGS (Nocedal 1980; 10 pairs, backtracking by halves until Armijo's
 * condition holds) from zero, until the gradient's largest element is below 1e-6 or after 500 steps. weights (classes, d + 1): b last. */
#define GS_LOGISTIC_DECAY 0.01
void gs_logistic_fit(int n, int d, int classes, const double *x, const int *y, double *weights);
size_t gs_logistic_bytes(int d, int classes); /* what a fit allocates meanwhile */
/* Right predictions; ties: the lower class. */
int gs_logistic_right(int n, int d, int classes, const double *x, const int *y, const double *weights);
#endif
