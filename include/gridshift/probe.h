/* gridshift probe: a model and its task -> the metrics of one checkpoint: clean, floor, and every ablation and
 * probe asked for. The probes themselves are rows of the table in metric.h.
 *
 * Everything is local. DESIGN sections 7 and 8. */
#ifndef GRIDSHIFT_PROBE_H
#define GRIDSHIFT_PROBE_H
#include "gridshift/train.h"

typedef struct gs_measure {
    gs_pass *pass;          /* its model holds the checkpoint */
    gs_task *task;
    const char *checkpoint; /* "final", "best", "step1000", "given": the first word of every metric's name */
    int64_t step;           /* of the checkpoint; keys the uniform router */
    uint32_t ablate;        /* mask of GS_ABLATE */
    uint32_t probes;        /* mask of gs_probes */
    gs_buf *routes;         /* not NULL: `routing` adds the first expert of each token, where the set is the same for all seeds; see
                             * runs/ID/routes.CHECKPOINT.txt */
    bool counts;            /* also the numbers behind the shares: correct, whole_answer */
} gs_measure;
/* On every set that the task has (test, train, all). -1 only when memory for the clean activations is short. */
int gs_measure_checkpoint(const gs_measure *q, gs_metrics *out, gs_err *e);
size_t gs_checkpoint_bytes(const gs_config *c, uint32_t ablate); /* what gs_measure_checkpoint allocates meanwhile */
/* The probes, each on the widest set that the task has (all, else test). out may hold the metrics of earlier checkpoints of the run:
 * `norms` gives the ratios to those of stepN. -1 only when memory is short. */
int gs_probe_checkpoint(const gs_measure *q, gs_metrics *out, gs_err *e);
#endif
