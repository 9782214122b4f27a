/* Fourier spectra of signals over the answers of a modular task. Private to src/probe.
 *
 * p: the modulus; frequencies k = 1..K, K = floor(p / 2). A unit's signal is its mean over the pairs of each answer s (0..p-1). */
#ifndef GS_PROBE_SPECTRUM_H
#define GS_PROBE_SPECTRUM_H
#include "probe/scene.h"

typedef struct gs_spectrum {
    int p, K, n;
    double *mean;           /* (p, n), owned: the signals */
    double *re, *im;        /* (K, n), owned: sum_s mean cos(2 pi k s / p), the same with sin */
} gs_spectrum;
/* x (p^2 pairs, n): every pair's answer is the target of its row in the scene. */
void gs_spectrum_of(const gs_scene *s, int n, const float *x, gs_spectrum *out);
/* From signals (p, n), which it takes over. */
void gs_spectrum_signals(int p, int n, double *mean, gs_spectrum *out);
void gs_spectrum_free(gs_spectrum *f);
size_t gs_spectrum_bytes(int p, int n); /* what is there at once, with *out */

/* |F_k|^2 of unit h. The full transform has it twice, at k and at p - k; that of k = p/2 once. */
double gs_power(const gs_spectrum *f, int k, int h);
double gs_power_total(const gs_spectrum *f, int h); /* over the full transform, without the constant */

/* The share of a unit's power at its strongest frequencies. Two-sided (arXiv 2605.09403): of the full transform's lines, where a pure
 * tone has two equal ones and scores 0.5. One-sided: k and p - k are one line, and a pure tone scores 1. `lines`: how many strongest ones
 * are taken together. 0 for a unit whose power is below GS_DEAD. */
#define GS_DEAD 1e-12 /* the published code's bound, in units of the full transform of the mean activations */
double gs_concentration(const gs_spectrum *f, int h, int lines, bool one_sided);

/* Nanda et al. 2023: fraction of the variance of each unit over all p^2 pairs (a, b) that lies in the products of {1, cos, sin}(w_k a) and
 * {1, cos, sin}(w_k b), the constant left out. x (p^2, n) in the order a p + b. -> fve (K, n), owned by the caller. */
double *gs_explained(const gs_scene *s, int p, int n, const float *x);
size_t gs_explained_bytes(int p, int n); /* what is there at once, with the result */

/* cos and sin of 2 pi j / p, j = 0..p-1; each (p), owned by the caller. */
void gs_turns(int p, double **cosine, double **sine);
double gs_gini(int n, double *x); /* of values >= 0; sorts x */
#endif
