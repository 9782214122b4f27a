/* The two files of the Fourier probe. Private to src/probe. */
#ifndef GS_PROBE_FOURIER_H
#define GS_PROBE_FOURIER_H
#include "probe/spectrum.h"

/* The frequencies that the logits use: those of the smallest set that holds 95 % of what their a + b directions hold, strongest first
 * (ties: lower). Tells of them, and of restricted and excluded loss. key (K), owned by the caller: frequencies; -> how many. */
int gs_fourier_logits(gs_scene *s, int **key);
size_t gs_fourier_logits_bytes(int p); /* what is there at once, with *key */
#endif
