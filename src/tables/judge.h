/* tables, private: one claim and its samples -> estimate, test, verdict. */
#ifndef GRIDSHIFT_TABLES_JUDGE_H
#define GRIDSHIFT_TABLES_JUDGE_H
#include "tables/table.h"

typedef struct gs_evidence {
    const gs_claim_spec *claim;
    gs_sample d, x, y;   /* one number per seed: the differences on common seeds; the values of compare; of against. Owned */
    gs_times tx, ty;     /* of a milestone; owned */
} gs_evidence;
typedef enum gs_verdict { GS_SUPPORTED, GS_CONTRADICTED, GS_UNDECIDED } gs_verdict;
extern const char *const gs_verdict_names[];
typedef struct gs_judgement {
    gs_estimate estimate; /* compare - against, in the metric's unit */
    int n, m;             /* seeds: pairs, and m 0; or those of compare and of against */
    int without;          /* seeds left out that lack the metric, or a run to be compared with */
    bool flat;            /* the numbers that a t test sees are all equal */
    char test[64];        /* how it was done: "paired t", "sign flips, all 32" */
    double p;             /* two-sided; equivalent: the larger of the two one-sided */
    double adjusted, discovery; /* by Holm, by Benjamini and Hochberg, over the file */
    int sign;             /* of the difference as the test sees it */
    double hedges_g, cliffs_delta; /* nan where the metric is a time */
    int needed;           /* seeds (a side) for power 0.8; 0: no number of seeds will do */
} gs_judgement;
bool gs_claim_paired(const gs_claim_spec *c); /* the test is of differences on common seeds */
/* All but the adjusted p. family: the number of claims in the file, for `needed`. */
gs_judgement gs_judge(const gs_evidence *v, int family);
gs_verdict gs_verdict_of(const gs_claim_spec *c, const gs_judgement *j);
/* seeds_needed.c: for power 0.8 at level 0.05/family with the sds that were seen, and their difference (equivalent: no difference). */
int gs_seeds_needed(const gs_evidence *v, const gs_judgement *j, double statistic, int family);
#endif
