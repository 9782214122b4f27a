/* A linear probe at work on one scene: which tokens train it, which are held out, and their labels. Private to src/probe; see linear.c. */
#ifndef GS_PROBE_LINEAR_H
#define GS_PROBE_LINEAR_H
#include "probe/scene.h"

typedef struct gs_linear {
    gs_scene *s;
    int train, held, width; /* tokens of each part, the training ones first; the widest input */
    int32_t *row;           /* (train + held): rows of the scene */
    double *x, *weights;    /* (train + held, width), (classes, width + 1) */
    int *y, *control;       /* (train + held) */
} gs_linear;
/* False: one of the two parts has no token, and there is nothing to close. */
bool gs_linear_open(gs_linear *w, gs_scene *s, int width);
void gs_linear_close(gs_linear *w);
size_t gs_linear_bytes(const gs_scene *s, int width); /* what is there at once, a fit included */
void gs_linear_labels(gs_linear *w, const gs_label *l, int which); /* y and control; which: the label's number, for the draws */
/* Fits from (rows of the scene, n), standardised, to y -> held-out accuracy; *on_train: that on the training part. */
double gs_linear_fit(gs_linear *w, const float *from, int n, const gs_label *l, const int *y, double *on_train);
#endif
