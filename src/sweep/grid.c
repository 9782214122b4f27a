/* gs_grid as its users see it: one run at a time. */
#include <math.h>
#include <stdlib.h>

#include "sweep/read.h"

gs_value gs_run_value(gs_run r, gs_key key) { return gs_configs_value(&r.grid->configs, r.index, key); }

void gs_run_config(gs_run r, gs_config *out) { gs_configs_get(&r.grid->configs, r.index, out); }

const char *gs_run_id(gs_run r, char id[33])
{
    gs_hash_text(r.grid->ids[r.index], id);
    return id;
}

bool gs_run_matched(gs_run r, double *mismatch)
{
    if (!r.grid->mismatch || isnan(r.grid->mismatch[r.index])) return false;
    *mismatch = r.grid->mismatch[r.index];
    return true;
}

bool gs_run_fits(gs_run r, const gs_selector *s) { return gs_configs_fit(&r.grid->configs, r.index, s); }

void gs_grid_close(gs_grid **grid)
{
    gs_grid *g = *grid;
    if (!g) return;
    gs_configs_free(&g->configs);
    free(g->ids);
    free(g->mismatch);
    free(g->varying);
    free(g->formula);
    free(g);
    *grid = NULL;
}
