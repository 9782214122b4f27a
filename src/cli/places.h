/* Where the checkpoints inside a run are: the sweep's folder, and, with GRIDSHIFT_SCRATCH, a disk of the node. Local. */
#ifndef CLI_PLACES_H
#define CLI_PLACES_H
#include "cli/snapshot.h"

typedef struct gs_places {
    gs_snapshots shared, local; /* local.dir is NULL without a scratch folder */
    char *scratch;              /* owned */
    int since;                  /* local ones since the last that is in the sweep's folder */
} gs_places;

/* dir and id are borrowed. keep: the checkpoints stay when the run is done, so they all go to the sweep's folder. */
void gs_places_open(gs_places *p, const char *dir, const char *id, bool keep);
/* From the newest sound one of both, as gs_snapshots_resume. */
void gs_places_resume(gs_places *p, gs_training *t, gs_record *r, gs_buf *notes);
/* last: nothing comes after it on this node, so that it goes to the sweep's folder. A scratch folder that cannot be written is not used
 * any more; notes gets a line. */
int gs_places_write(gs_places *p, const gs_training *t, const gs_record *r, bool last, gs_buf *notes, gs_err *e);
int64_t gs_places_step(const gs_places *p); /* of the newest checkpoint; 0: there is none */
/* used_up: the run needs its checkpoints no more, or has the newest in the sweep's folder: those of the node are removed. */
void gs_places_close(gs_places *p, bool used_up);
#endif
