#ifndef STORE_NAMES_H
#define STORE_NAMES_H
#include "gridshift/base.h"

typedef struct gs_names gs_names;                              /* NULL: an empty one */
const char *gs_names_of(gs_names **names, const char *text); /* the kept text that is the same */
void gs_names_free(gs_names **names);                          /* nulls */
#endif
