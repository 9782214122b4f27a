/* The table of probes: a row per file. The order is that of the bits of gs_wanted.probes, which no file stores. */
#include <string.h>

#include "rows.h"
#include "scene.h"

const gs_probe *const gs_probes[] = {&gs_probe_routing, &gs_probe_fourier, &gs_probe_attribution, &gs_probe_patching, &gs_probe_linear,
                                     &gs_probe_roles, &gs_probe_glu, &gs_probe_norms, &gs_probe_geometry, NULL};

int gs_probe_find(const char *name)
{
    for (int i = 0; gs_probes[i]; i++)
        if (!strcmp(gs_probes[i]->name, name)) return i;
    return -1;
}

const char *gs_probe_nearest(const char *name)
{
    const char *names[32];
    int count = 0;
    for (; gs_probes[count]; count++) names[count] = gs_probes[count]->name;
    return gs_word_nearest(name, names, count);
}

/* Those of the mask that apply to the config; sees: what they need. */
static uint32_t due(const gs_config *c, uint32_t probes, unsigned *sees)
{
    uint32_t mask = 0;
    *sees = 0;
    for (int i = 0; gs_probes[i]; i++)
        if (probes >> i & 1 && gs_probes[i]->applies(c)) mask |= UINT32_C(1) << i, *sees |= gs_probes[i]->needs;
    return mask;
}

int gs_probe_checkpoint(const gs_measure *q, gs_metrics *out, gs_err *e)
{
    unsigned sees;
    uint32_t mask = due(&gs_pass_model(q->pass)->config, q->probes, &sees);
    if (!mask) return 0;
    gs_scene s;
    int failed = gs_scene_open(&s, q, sees, out, e);
    for (int i = 0; gs_probes[i] && !failed; i++) {
        if (!(mask >> i & 1)) continue;
        s.probe = gs_probes[i];
        failed = s.probe->run(&s, e);
    }
    gs_scene_close(&s);
    return failed;
}

int64_t gs_measure_bytes(const gs_config *c, gs_wanted w)
{
    unsigned sees;
    uint32_t mask = due(c, w.probes, &sees);
    gs_scene s;
    size_t scores = gs_checkpoint_bytes(c, w.ablate), scene = mask ? gs_scene_bytes(&s, c, sees) : 0, most = 0;
    for (int i = 0; gs_probes[i]; i++)
        if (mask >> i & 1) most = gs_bytes_most(most, gs_probes[i]->bytes(&s));
    return (int64_t)gs_bytes_most(scores, scene + most);
}
