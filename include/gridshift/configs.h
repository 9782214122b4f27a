/* gridshift configs: many configs that differ in few keys, 8 bytes per config and varying key. Local.
 *
 * What all share is there once; a key gets a column when the first config with another value is added. */
#ifndef GRIDSHIFT_CONFIGS_H
#define GRIDSHIFT_CONFIGS_H
#include "gridshift/config.h"

typedef struct gs_configs {
    int count, capacity;
    gs_config base;                 /* the first one that was added */
    int64_t *columns[GS_KEY_COUNT]; /* (capacity), owned, packed values; NULL: all have base's value */
} gs_configs; /* zero-initialise */

/* A value as 8 bytes, absence included, and back. Equal values have equal bits. */
int64_t gs_value_pack(gs_key key, gs_value v);
gs_value gs_value_unpack(gs_key key, int64_t bits);

void gs_configs_reserve(gs_configs *s, int capacity); /* room for so many, so that adding them moves nothing */
void gs_configs_add(gs_configs *s, const gs_config *c);
void gs_configs_free(gs_configs *s);
gs_value gs_configs_value(const gs_configs *s, int index, gs_key key);
void gs_configs_get(const gs_configs *s, int index, gs_config *out);
void gs_configs_set(gs_configs *s, int index, gs_key key, gs_value v);
/* Keeps the `count` configs that order names, in this order, and drops columns that then have one value. */
void gs_configs_keep(gs_configs *s, const int *order, int count);

/* The classes of configs that agree in every key but the ignored ones, numbered by first appearance. */
typedef struct gs_classes {
    int count;
    int *of;    /* (configs), owned: the class of each */
    int *first; /* (count), owned: the first config of each class */
} gs_classes;
gs_classes gs_configs_classes(const gs_configs *s, const gs_key *ignored, int ignored_count);
void gs_classes_free(gs_classes *c);
#endif
