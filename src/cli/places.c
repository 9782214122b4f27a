/* GRIDSHIFT_SCRATCH names a folder on a disk of the node. Checkpoints by the timer go there; every COPY_EVERY-th, and the one of a stop,
 * goes to the sweep's folder instead, whole or not at all like any other, so that a run can go on elsewhere: after a stop from where it
 * was, after the loss of its node from the last of those. */
#include "cli/places.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COPY_EVERY = 6 };

void gs_places_open(gs_places *p, const char *dir, const char *id, bool keep)
{
    const char *scratch = getenv("GRIDSHIFT_SCRATCH");
    *p = (gs_places){.shared = {.dir = dir, .id = id}};
    if (!scratch || !*scratch || keep) return;
    char *real = realpath(dir, NULL), hash[33];
    const char *name = real ? real : dir; /* two sweeps on one node may have a run in common */
    gs_hash_text(gs_hash_bytes(name, strlen(name)), hash);
    p->scratch = gs_text("%s/gridshift.%.16s", scratch, hash);
    p->local = (gs_snapshots){.dir = p->scratch, .id = id};
    free(real);
}

void gs_places_resume(gs_places *p, gs_training *t, gs_record *r, gs_buf *notes)
{
    gs_buf told = {0}; /* once is enough */
    gs_snapshots_resume(&p->shared, t, r, notes);
    if (p->local.dir && gs_snapshots_newest(&p->local, t, r, notes) > p->shared.step)
        gs_snapshots_resume(&p->local, t, r, &told);
    gs_buf_free(&told);
}

int gs_places_write(gs_places *p, const gs_training *t, const gs_record *r, bool last, gs_buf *notes, gs_err *e)
{
    if (p->local.dir && !last && ++p->since < COPY_EVERY) {
        if (!gs_folder_make(p->scratch, e) && !gs_snapshots_write(&p->local, t, r, e)) return 0;
        gs_buf_add(notes, "%s; GRIDSHIFT_SCRATCH is not used for this run\n", e->text);
        p->local.dir = NULL;
    }
    p->since = 0;
    return gs_snapshots_write(&p->shared, t, r, e);
}

int64_t gs_places_step(const gs_places *p) { return p->local.step > p->shared.step ? p->local.step : p->shared.step; }

/* Temporary files of this run whose writer was killed. Other runs may be writing there now. */
static void remove_torn(const char *folder, const char *id)
{
    DIR *d = opendir(folder);
    for (const struct dirent *entry; d && (entry = readdir(d));) {
        if (strncmp(entry->d_name, id, strlen(id))) continue;
        char *path = gs_text("%s/%s", folder, entry->d_name);
        unlink(path);
        free(path);
    }
    if (d) closedir(d);
}

void gs_places_close(gs_places *p, bool used_up)
{
    if (p->scratch && (used_up || p->shared.step >= p->local.step)) {
        char *folder = gs_text("%s/checkpoints", p->scratch);
        gs_snapshots_remove(p->scratch, p->shared.id);
        remove_torn(folder, p->shared.id);
        rmdir(folder); /* unless other runs have something there */
        rmdir(p->scratch);
        free(folder);
    }
    free(p->scratch);
}
