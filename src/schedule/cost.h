/* config + counts -> predicted seconds. Private to src/schedule. Local. */
#ifndef GRIDSHIFT_SCHEDULE_COST_H
#define GRIDSHIFT_SCHEDULE_COST_H
#include "gridshift/schedule.h"

/* FLOPs of the plain algorithm that a core gets through, layers, loss and data together: measured 130e9 to 500e9 on AVX-512, the
 * more the further `reductions` reach. */
#define GS_RATE_FLOPS 180e9
/* What a step costs beside its FLOPs: the loss, the optimiser's calls, the batch. */
#define GS_STEP_S 150e-6

/* Wall seconds of one core: training, the evaluations on the way, the measurements of the recorded checkpoints. */
double gs_cost_s(const gs_config *c, const gs_counts *n, gs_wanted wanted);
#endif
