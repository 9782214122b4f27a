/* gridshift metrics: the metric table, the ablation sites, and a list of named numbers. A library that any stage may include.
 *
 * One grammar everywhere (records, csv headers, sweep files, --json): CHECKPOINT.SUBJECT.METRIC[STRATUM], e.g.
 * final.zero_ffn.accuracy[carry=2]. CHECKPOINT: final, best, first99, stepN, given, `curve` for what belongs to the
 * whole training (curve.clean.steps_to_99), and first99_or_best, which tables and claims make of first99 where a run has it, else
 * of best (the published rule for modular addition: no seed is left out). Implemented in src/store/metric.c; the
 * table of probes in src/probe/probes.c. Everything is local. */
#ifndef GRIDSHIFT_METRIC_H
#define GRIDSHIFT_METRIC_H
#include "gridshift/config.h"

typedef struct gs_metric_row {
    const char *name; /* accuracy */
    const char *unit; /* "fraction", "nats", "steps" */
    int direction;    /* +1: larger is better; -1: smaller; 0: neither */
    bool probability; /* printed in percent, differences in percentage points */
    const char *doc;
    const char *strata; /* a probe's: the keys that its stratum may have, separated by blanks; "*": also the task's strata */
} gs_metric_row;

extern const gs_metric_row gs_metric_rows[]; /* of clean, floor and ablations; ends with a NULL name */

/* The operator table of probes: one file and one row each. To add a probe is to add both, and to touch nothing else. */
typedef struct gs_scene gs_scene; /* one checkpoint on one evaluation set: src/probe/scene.h */
typedef struct gs_probe {
    const char *name;                       /* the SUBJECT of its metrics, and its name in `probe:` */
    const char *doc;
    const char *when;                       /* the runs that it applies to, in words */
    bool (*applies)(const gs_config *c);    /* canonical config; a run that it does not apply to gets none of its metrics */
    const gs_metric_row *metrics;           /* what it gives; ends with a NULL name */
    int (*run)(gs_scene *s, gs_err *e);     /* 0, or -1 only when memory is short */
    unsigned needs;                         /* mask of GS_SEES: what the pass over the set keeps for it */
    double passes;                          /* its time for the cost model, in passes over the set */
    size_t (*bytes)(const gs_scene *s);     /* what it allocates at once at most, beside the scene, of which only the shape is known */
} gs_probe;
extern const gs_probe *const gs_probes[]; /* ends with NULL; at most 32 */
int gs_probe_find(const char *name);      /* -> index, or -1 */
/* The name in a list of probes that is nearest, for "did you mean"; NULL: none is near. */
const char *gs_probe_nearest(const char *name);

/* What a sweep asks to be measured at the checkpoints of a run. */
typedef struct gs_wanted {
    uint32_t ablate;     /* mask of GS_ABLATE */
    uint32_t probes;     /* bit i: gs_probes[i] */
    int64_t probe_every; /* steps between the probes while the run trains (as stepN); 0: never */
} gs_wanted;

/* What measuring takes beside the training's memory: of all checkpoints the most that is there at once. By the tables of sites and of
 * probes (src/probe/probes.c); before anything is allocated. */
int64_t gs_measure_bytes(const gs_config *c, gs_wanted w);

/* The row of a metric's full name; NULL when the name does not follow the grammar or the METRIC is unknown. */
const gs_metric_row *gs_metric_find(const char *full_name);

/* A full name taken apart. SUBJECT is clean, floor, a probe, or an ablation MODE_SITE: MODE zero, mean, resample; SITE ffn,
 * attn, headN or expertN, with blockL_ before it when one layer is ablated alone (zero_block1_ffn). */
typedef struct gs_metric_name {
    char checkpoint[24], subject[40];
    const gs_metric_row *row;
    char stratum[64];              /* without the brackets; "": none */
    int probe;                     /* index in gs_probes; -1: another subject */
    int mode, site;                /* gs_mode and gs_site of an ablation; -1: another subject */
    int block, index;              /* of an ablation: the layer, the head or expert; -1: none is named */
    int64_t step;                  /* of a checkpoint stepN; -1: another checkpoint */
} gs_metric_name;
int gs_metric_parse(const char *full_name, gs_metric_name *out); /* 0, or -1: not in the grammar, or an unknown METRIC */

typedef struct gs_metric {
    char *name; /* full name, owned */
    double value;
} gs_metric;

/* In the order of insertion; a name is stored once. Zero-initialise. */
typedef struct gs_metrics {
    gs_metric *at; /* (count), owned */
    size_t count, capacity;
} gs_metrics;

void gs_metrics_set(gs_metrics *m, double value, const char *name, ...) __attribute__((format(printf, 3, 4)));
const double *gs_metrics_get(const gs_metrics *m, const char *name); /* NULL: absent */
void gs_metrics_free(gs_metrics *m);

/* Ablation: what to take out, and what to put in its place. A request is a set of (site, mode) pairs in a bit mask. */
typedef enum gs_site { GS_SITE_ATTN_OUT, GS_SITE_ATTN_HEAD, GS_SITE_FFN_OUT, GS_SITE_FFN_EXPERT, GS_SITE_COUNT } gs_site;
typedef enum gs_mode { GS_MODE_ZERO, GS_MODE_MEAN, GS_MODE_RESAMPLE, GS_MODE_COUNT } gs_mode;
extern const char *const gs_site_names[GS_SITE_COUNT]; /* "attn.out", "attn.head", "ffn.out", "ffn.expert" */
extern const char *const gs_site_words[GS_SITE_COUNT]; /* in a SUBJECT: "attn", "head", "ffn", "expert" */
extern const char *const gs_mode_names[GS_MODE_COUNT]; /* "zero", "mean", "resample" */
#define GS_ABLATE(site, mode) (1u << ((site) * GS_MODE_COUNT + (mode)))
#define GS_ABLATE_ALL 0x3ffu /* every pair but ffn.expert with mean or resample, which are not defined */
#endif
