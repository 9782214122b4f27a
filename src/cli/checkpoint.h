/* Checkpoints as safetensors (DESIGN section 6): a model's tensors, its canonical config in the metadata. Local. */
#ifndef CLI_CHECKPOINT_H
#define CLI_CHECKPOINT_H
#include "gridshift/nn.h"

/* param: (m->size) values in the model's layout, e.g. m->param or a kept copy. */
int gs_checkpoint_write(const char *path, const gs_model *m, const float *param, int64_t step, gs_err *e);
/* Opens the model that a checkpoint describes and fills it. Every tensor must be there with its shape, and none beside
 * them. *step: 0 when the file does not say. */
int gs_checkpoint_read(const char *path, gs_model **out, int64_t *step, gs_err *e);
#endif
