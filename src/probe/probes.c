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

int gs_probe_checkpoint(const gs_measure *q, gs_metrics *out, gs_err *e)
{
    const gs_config *c = &gs_pass_model(q->pass)->config;
    uint32_t due = 0;
    unsigned sees = 0;
    for (int i = 0; gs_probes[i]; i++)
        if (q->probes >> i & 1 && gs_probes[i]->applies(c)) due |= UINT32_C(1) << i, sees |= gs_probes[i]->needs;
    if (!due) return 0;
    gs_scene s;
    int failed = gs_scene_open(&s, q, sees, out, e);
    for (int i = 0; gs_probes[i] && !failed; i++) {
        if (!(due >> i & 1)) continue;
        s.probe = gs_probes[i];
        failed = s.probe->run(&s, e);
    }
    gs_scene_close(&s);
    return failed;
}
