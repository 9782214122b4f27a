/* Checkpoints inside a run: all that a training needs to go on with the same bits. Local.
 *
 * Two generations, DIR/checkpoints/ID.{a,b}.safetensors, written in turn, each whole or not at all. The random numbers need no
 * state of their own: each is a function of (seed, purpose, step, ...), and so is each batch, so that `step` is the cursor of both. */
#ifndef CLI_SNAPSHOT_H
#define CLI_SNAPSHOT_H
#include "gridshift/store.h"
#include "gridshift/train.h"

typedef struct gs_snapshots {
    const char *dir, *id; /* borrowed */
    int64_t step;         /* of the newest sound one; 0: none */
    int next;             /* the generation that is written next */
} gs_snapshots;

/* Fills t (just opened) and, of the record, the metrics (what was measured along the way) and wall_s from the newest sound checkpoint of
 * the same run, version and measurements on the way (which the record names). notes gets a line for each file that cannot be used. */
void gs_snapshots_resume(gs_snapshots *s, gs_training *t, gs_record *r, gs_buf *notes);
/* -> the step of the newest sound one, as gs_snapshots_resume would use it; 0: there is none. Fills nothing
 * but notes. */
int64_t gs_snapshots_newest(const gs_snapshots *s, const gs_training *t, gs_record *r, gs_buf *notes);
int gs_snapshots_write(gs_snapshots *s, const gs_training *t, const gs_record *r, gs_err *e);
size_t gs_snapshots_bytes(const gs_config *c, size_t size); /* of the numbers in one; size: of the model's parameters */
void gs_snapshots_remove(const char *dir, const char *id); /* both, if they are there */
/* Removes those that a master left behind when it was killed between the record and their removal: of every id that `done` says is
 * recorded. The folder goes too when it is empty. */
void gs_snapshots_clean(const char *dir, bool (*done)(void *context, const char *id), void *context);
#endif
