/* DIR -> the shards that have a file there. Private to src/store. Local. */
#ifndef GRIDSHIFT_STORE_SHARDS_H
#define GRIDSHIFT_STORE_SHARDS_H
#include "gridshift/store.h"

/* Numbers K of the files HEAD.K TAIL of a folder ("lock.", "" or "journal.", ".jsonl"), ascending; owned by the caller, count in
 * *count. A folder that cannot be read has none. */
int *gs_shards_of(const char *dir, const char *head, const char *tail, int *count);
#endif
