/* Fuzzing target: a sweep file -> spec -> grid. */
#include "fuzz.h"
#include "gridshift/sweep.h"
#include "sweep/pool.h"

unsigned fuzz_taken;

/* Sweeps of many runs are sound and only slow. */
static bool is_small(const gs_spec *s)
{
    int64_t runs;
    for (int i = 0; i < s->include_count; i++)
        for (int t = 0; t < s->include[i].count; t++)
            if (s->include[i].terms[t].count > 10) return false;
    return !gs_product_count(s, true, &runs, NULL) && runs < 1000;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[96];
    gs_spec *s = NULL;
    gs_grid *g = NULL;
    gs_err e;
    snprintf(path, sizeof path, "%s/sweep.yaml", fuzz_folder());
    fuzz_put(path, data, size);
    if (!gs_spec_load(path, NULL, 0, &s, &e) && is_small(s)) fuzz_taken += !gs_grid_expand(s, &g, &e);
    gs_grid_close(&g);
    gs_spec_close(&s);
    return 0;
}
