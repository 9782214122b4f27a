/* The rows of the table of probes, a file each. Private to src/probe. */
#ifndef GS_PROBE_ROWS_H
#define GS_PROBE_ROWS_H
#include "gridshift/metric.h"

extern const gs_probe gs_probe_routing, gs_probe_fourier, gs_probe_attribution, gs_probe_patching, gs_probe_linear, gs_probe_roles,
    gs_probe_glu, gs_probe_norms, gs_probe_geometry;
#endif
