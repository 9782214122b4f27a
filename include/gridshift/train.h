/* gridshift train: gs_config -> a trained model, its curve and its milestones; and how well a model does on a set.
 *
 * Everything is local and deterministic. No allocation inside a step. DESIGN sections 6 and 8. */
#ifndef GRIDSHIFT_TRAIN_H
#define GRIDSHIFT_TRAIN_H
#include "gridshift/nn.h"
#include "gridshift/task.h"

/* -- optimiser --------------------------------------------------------------------------------------------- */

/* AdamW (Loshchilov & Hutter 2019, algorithm 2) over what is not frozen, after clipping to a global norm. */
typedef struct gs_optimiser {
    gs_model *m;          /* borrowed */
    float *first, *second; /* moments (m->size), owned through the arena */
    int64_t steps;        /* done so far */
    gs_arena arena;
} gs_optimiser;
int gs_optimiser_open(gs_optimiser *o, gs_model *m, gs_err *e);
void gs_optimiser_close(gs_optimiser *o);
double gs_learning_rate(const gs_config *c, int64_t step); /* of step (from 1): warm-up, then the schedule */
double gs_optimise(gs_optimiser *o);                       /* one step on m->grad; returns the norm before clipping */

/* -- evaluation -------------------------------------------------------------------------------------------- */

typedef struct gs_score {
    int64_t scored, right;            /* positions */
    int64_t inputs, whole;            /* inputs, and those with every scored position right */
    int64_t targets;                  /* positions with a loss */
    double loss;                      /* mean cross-entropy over them, nats */
    int64_t stratum_scored[GS_STRATA_MOST], stratum_right[GS_STRATA_MOST];
    int64_t stratum_inputs[GS_STRATA_MOST], stratum_whole[GS_STRATA_MOST];
    double load_max;                  /* mixtures: the largest share of assignments that one expert of a layer has; else 0 */
    double aux;                       /* mixtures with a router: the load-balancing loss, summed over layers */
} gs_score;
/* Teacher-forced argmax (ties: lower index). patch and record as in gs_view; either may be NULL. load_max and aux
 * are 0 in a patched pass. */
void gs_evaluate(gs_pass *p, const gs_data *d, int64_t step, const gs_patch *patch, gs_clean *record, gs_score *out);
size_t gs_evaluate_bytes(const gs_dims *d, int most); /* what it allocates meanwhile; most: sequences of a pass */
/* The constant predictor of DESIGN section 8 on the same set. */
void gs_evaluate_floor(const gs_data *d, int classes, gs_score *out);
/* CHECKPOINT.SUBJECT.{accuracy,exact_match,loss}[...]: split is "" or "split=train". With strata, those that have members. */
void gs_score_metrics(const gs_score *s, const gs_stratum *strata, int count, const char *subject, const char *split, gs_metrics *out);

/* -- training ---------------------------------------------------------------------------------------------- */

typedef struct gs_curve_row {
    int64_t step;
    double learning_rate, train_loss, train_accuracy, aux; /* of the step's batch, before its update */
    double loss, accuracy, exact_match;                    /* of the evaluation */
} gs_curve_row;

enum { GS_MILESTONES = 3 };
extern const double gs_milestone_levels[GS_MILESTONES]; /* 0.5, 0.9, 0.99 */

typedef struct gs_training {
    gs_config config;
    gs_model *model;
    gs_task *task;
    gs_pass *pass;
    gs_optimiser optimiser;
    int64_t step;          /* done so far */
    bool diverged;         /* at `step`: its loss was not finite */
    float *best, *first99; /* parameters at these checkpoints (model->size), owned; valid when the step below is > 0 */
    int64_t best_step, first99_step;
    double best_value;
    int64_t milestone[GS_MILESTONES]; /* first evaluation with a test accuracy above the level; 0: censored */
    int bad_evaluations;   /* since the best */
    gs_curve_row *curve;   /* (curve_count), owned */
    int curve_count;
} gs_training;

int gs_training_open(const gs_config *c, gs_training **out, gs_err *e); /* initialised, at step 0 */
void gs_training_close(gs_training **t);
/* What happens along the way; each call may be NULL. */
typedef struct gs_train_calls {
    void *context;
    int64_t every; /* 0: never */
    void (*at)(void *context, gs_training *t);    /* every eval.record_every and every `every` steps, the model as it is then */
    bool (*pause)(void *context, gs_training *t); /* before each step, when all that belongs to the last one is done; true: stop here */
} gs_train_calls;
/* Trains to the end -> true; or until `pause` says so -> false, and another call goes on from there. calls may be NULL. */
bool gs_train(gs_training *t, const gs_train_calls *calls);
char *gs_curve_csv(const gs_training *t); /* curve.csv; owned by the caller */
#endif
