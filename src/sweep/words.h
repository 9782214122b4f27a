/* Words of the user's: showing them in a message; gs_word_nearest (config.h) finds what was meant. Local. */
#ifndef GS_SWEEP_WORDS_H
#define GS_SWEEP_WORDS_H
#include "gridshift/config.h"

/* The text as a message can hold it: clipped, without control characters. Returns out. */
const char *gs_shown(const char *text, char out[72]);
#endif
