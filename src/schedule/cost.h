/* config -> predicted seconds. Private to src/schedule. Local. */
#ifndef GRIDSHIFT_SCHEDULE_COST_H
#define GRIDSHIFT_SCHEDULE_COST_H
#include "gridshift/schedule.h"

/* FLOPs of the products as performed that a core gets through, with all that lies between them: measured 54e9 to 97e9 with a peak
 * of 117e9 (`gridshift bench`). */
#define GS_RATE_FLOPS 80e9
/* What a step costs beside its FLOPs: the loss, the optimiser's calls, the batch. */
#define GS_STEP_S 150e-6

/* Wall seconds of one core: training, the evaluations on the way, the measurements of the recorded checkpoints. */
double gs_cost_s(const gs_config *c, gs_wanted wanted);
#endif
