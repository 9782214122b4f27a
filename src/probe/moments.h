/* Means and covariances of activations, and what their spectrum says. Private to src/probe. */
#ifndef GS_PROBE_MOMENTS_H
#define GS_PROBE_MOMENTS_H
#include "probe/scene.h"

typedef struct gs_moments {
    int n;
    double *mean;    /* (n), owned */
    double *values;  /* (n), owned: eigenvalues of the population covariance, largest first, none below 0 */
    double *vectors; /* (n, n), owned: unit eigenvectors as rows; NULL unless asked for */
} gs_moments;
/* x (rows, n). Products of centred blocks of rows in float32, summed in double: 1e-6 of the largest eigenvalue. */
void gs_moments_of(const gs_scene *s, int rows, int n, const float *x, bool vectors, gs_moments *out);
void gs_moments_free(gs_moments *m);
size_t gs_moments_bytes(int n, bool vectors); /* what is there at once, with *out */

/* A float matrix (rows, cols) -> its squared singular values, largest first, min(rows, cols) of them; owned by the caller. */
double *gs_squared_singulars(int rows, int cols, const float *w, int *count);
size_t gs_singulars_bytes(int rows, int cols); /* what is there at once */

double gs_participation(int n, const double *values);  /* (sum)^2 / sum of squares; 0 for all zeros (Gao et al. 2017) */
double gs_effective_rank(int n, const double *values); /* exp of the entropy of the shares (Roy & Vetterli 2007) */
double gs_stable_rank(int n, const double *values);    /* sum over largest */
#endif
