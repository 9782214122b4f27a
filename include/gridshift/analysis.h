/* gridshift analysis: features of all runs of a task -> the sweep as one matrix: similarity, map, what explains it; and spectra of
 * wide layers.
 *
 * Works over a team of ranks (matrix.h); functions that take a team are collective over it. Shapes: N runs, n rows of the probe set, D
 * features (the largest d_model), L layers. Numbers agree between grids to 1e-6 and better, not to the byte. */
#ifndef GRIDSHIFT_ANALYSIS_H
#define GRIDSHIFT_ANALYSIS_H
#include "gridshift/matrix.h"
#include "gridshift/probe.h"
#include "gridshift/store.h"
#include "gridshift/sweep.h"

/* -- features: what each run leaves for the comparison. Local. ------------------------------------------------- */

/* The probe set: analysis.inputs inputs of the task, drawn by analysis.seed and never by the run's own seeds, so that all runs of a
 * task see the same. This text names it; runs with the same text can be compared. Owned by the caller. */
char *gs_probe_text(const gs_config *c);
/* The residual stream after attention and after the feed-forward block of each layer, at the loss positions of the probe set, as
 * float32 tensors blocks.L.attn and blocks.L.ffn (n, d_model), rows by input, then position. The pass's model holds the checkpoint of
 * `step`. */
int gs_features_write(const char *path, gs_pass *p, int64_t step, gs_err *e);
size_t gs_features_bytes(const gs_config *c); /* what that allocates meanwhile */
/* Is there a file of features, of the probe set that c asks for? */
bool gs_features_there(const char *path, const gs_config *c);
/* The shape of a run's features, from its config. */
int gs_features_rows(const gs_config *c, int *rows, gs_err *e);

/* -- similarity ------------------------------------------------------------------------------------------------ */

/* Where features come from. load fills x (rows, width) row-major with zeros beyond a run's own width; it is called on every rank that
 * holds a part of the run. */
typedef struct gs_source {
    int runs, rows, width;
    int (*load)(void *context, int run, float *x, gs_err *e);
    void *context;
} gs_source;

/* What a similarity costs a rank, before anything is allocated. Bytes and FLOPs are those of the busiest rank. */
typedef struct gs_map_cost {
    int resident; /* runs whose features are in memory at one time; N: all are read once */
    int panel;    /* runs of a side of a panel of Gram blocks */
    int64_t features, gram, similarity, eigen, bytes; /* of a rank; bytes: the largest sum that is needed at one time */
    int64_t reads;  /* files that a rank reads */
    double messages, sent; /* of a rank: number and bytes, by the model of PBLAS (ring broadcasts of panels) and of the sums */
    double flops;   /* of a rank */
} gs_map_cost;
/* -1 when rank_bytes does not suffice on so many ranks; the text has the bytes and what to do. Local. */
int gs_map_plan(int64_t runs, int64_t rows, int64_t width, int ranks, int64_t rank_bytes, gs_map_cost *out, gs_err *e);

/* Linear CKA of all pairs of runs (Kornblith et al. 2019): |Y^T X|_F^2 / (|X^T X|_F |Y^T Y|_F) with centred columns, and the same from
 * the unbiased estimator of HSIC (Song et al. 2012, equation 5). Gram blocks X_a^T X_b are made in panels that keep to rank_bytes;
 * each is reduced to its norm at once. A run whose features are constant has similarity 0 to all others and 1 to itself. */
typedef struct gs_similarity {
    gs_matrix cka, debiased; /* (N, N), symmetric, complete */
    int constant;            /* runs with constant features */
} gs_similarity;
int gs_similarity_of(const gs_team *t, const gs_source *s, int64_t rank_bytes, gs_similarity *out, gs_err *e);
void gs_similarity_close(gs_similarity *s);

/* Classical multidimensional scaling (Torgerson 1952) of the distances d^2 = 2 - 2 s, for which -J d^2 J / 2 is J s J: axes (N) gets
 * its eigenvalues, descending, x (N, count) column-major the coordinates of the runs on the first axes. */
int gs_coordinates(const gs_matrix *s, double *axes, int count, double *x, gs_err *e);

/* How much of the squared distances a grouping explains (PERMANOVA; Anderson 2001). labels and strata (N), numbered from 0; label -1
 * leaves a run out, and so does a stratum with one label. The squares are those about the strata's centroids, the explained part that
 * of the groups once the strata are taken out (exact where each stratum has the groups in equal numbers, the sum of squares of the
 * main effect); labels are permuted inside of strata. One stratum is PERMANOVA as published. */
typedef struct gs_share {
    int runs, groups, strata; /* that take part */
    double r2;                /* explained / all; nan when nothing can be told */
    double f;                 /* pseudo-F: (explained / (groups - 1)) / ((all - explained) / (runs - strata - groups + 1)) */
    double p;                 /* (1 + permutations that explain at least as much) / (1 + permutations) */
} gs_share;
void gs_share_of(const gs_matrix *s, const int *labels, const int *strata, int permutations, uint32_t seed, gs_share *out);

/* Sums over the pairs of different runs of two arms that have the same seed, or different ones: (arms, arms), symmetric, on every
 * rank; a pair inside of an arm counts twice. arm and seed (N), numbered from 0. */
void gs_arm_sums(const gs_matrix *s, const int *arm, int arms, const int *seed, bool same, double *sum, double *square, double *pairs);

/* -- the map of a task ------------------------------------------------------------------------------------------ */

enum { GS_MAP_AXES = 4 };

/* What is compared: the same on every rank. Made on rank 0, then shared. */
typedef struct gs_map_spec {
    int runs, rows, width, layers; /* layers: that all runs have; sites are 2 l (attn) and 2 l + 1 (ffn) */
    int key_count, arms;           /* arms: combinations of keys, whatever the seed */
    int permutations;
    uint32_t seed;
    int64_t rank_bytes;
    char (*id)[33]; /* (N), owned */
    int *labels;    /* (key_count, N), owned: which value of the key; -1: it does not apply */
    int *strata;    /* (key_count, N), owned: runs that agree in every other key, the seed included */
    int *arm;       /* (N), owned */
    int *seeds;     /* (N), owned: which seed */
    /* rank 0 only: what they are called */
    const gs_grid *grid; /* borrowed */
    int *index;          /* (N), owned: plan order */
    gs_key *keys;        /* (key_count), owned: that have several values, the seed among them */
    char *probe;         /* owned */
} gs_map_spec;
/* Local: the runs of the grid for which takes[i] is true, by probe set: *count specs, owned by the caller (each gs_map_spec_free, then
 * free). A run alone makes no map. */
int gs_map_specs(const gs_grid *g, const bool *takes, gs_map_spec **out, int *count, gs_err *e);
void gs_map_spec_share(const gs_team *t, gs_map_spec *s); /* collective: rank 0's becomes everybody's; names stay there */
void gs_map_spec_free(gs_map_spec *s);
enum { GS_PERMUTATIONS = 999 };

/* The map of one site. On every rank. */
typedef struct gs_map {
    gs_similarity similarity;
    double *axes;            /* (N), owned: eigenvalues, descending */
    double *x;               /* (N, GS_MAP_AXES) column-major, owned */
    gs_share *alone, *within; /* (key_count), owned: over all runs that have the key; with all else equal */
    struct gs_arms {         /* [0]: pairs of different seeds, [1]: of the same */
        double *sum, *square, *pairs, *debiased; /* (arms, arms), owned: as gs_arm_sums; NULL with more than GS_ARMS_MOST arms */
    } arms[2];
} gs_map;
enum { GS_ARMS_MOST = 256 };
/* Features come from DIR/runs/ID/features.safetensors. */
int gs_map_of(const gs_team *t, const gs_map_spec *s, const char *dir, int site, gs_map *out, gs_err *e);
void gs_map_free(gs_map *m);

/* Writes a folder: similarity.csv (collective: its columns come from all ranks), and on rank 0 coordinates.csv, axes.csv, shares.csv,
 * arms.csv, map.md, and map.dat with map.gp, which gnuplot makes map.svg of. *screen (rank 0) gets the text of map.md. maps (2
 * layers). */
int gs_map_write(const gs_team *t, const gs_map_spec *s, const gs_map *maps, const char *folder, gs_buf *screen, gs_err *e);

/* -- spectra of wide layers ---------------------------------------------------------------------------------------- */

enum { GS_PCS = 5 };

/* PCA of a layer's hidden activations over all loss positions of a set: m rows, H = E width units, a unit of an expert that was not
 * met 0. */
typedef struct gs_hidden_spectrum {
    int64_t rows;
    int units;
    double variance;       /* the sum of the eigenvalues l of the covariance (divided by m - 1) */
    double participation;  /* (sum l)^2 / sum l^2 */
    double effective_rank; /* exp of the entropy of l / sum l (Roy & Vetterli 2007) */
    double share[GS_PCS];  /* of the variance in the first components */
    double fourier[GS_PCS]; /* modular: how much of a component's scores over the p^2 grid is in one frequency: the largest share of the
                               power in {1, cos k, sin k} x {1, cos k, sin k} without its constant (Nanda et al. 2023); else nan */
} gs_hidden_spectrum;
/* Bytes of the matrix, and of a rank when so many share it (by QR: the matrix, R and its SVD). Local. */
int64_t gs_hidden_bytes(int64_t rows, int64_t units, int ranks);
/* The set that a spectrum is over: all pairs of a modular task, else the test set. Borrowed from the task. */
const gs_data *gs_hidden_set(gs_task *t, int64_t step);
int64_t gs_hidden_rows(const gs_data *d);
/* Each rank of the team computes its rows; all have the checkpoint in their pass. Rows need no order for a spectrum, so a rank has one
 * range of the set. The same on every rank. */
int gs_hidden_spectrum_of(const gs_team *t, gs_pass *p, const gs_data *d, int64_t step, int layer, gs_spectrum_by by,
                          gs_hidden_spectrum *out, gs_err *e);
/* The same measures from the singular values (n, descending) of a centred matrix of m rows. Local. */
void gs_spectrum_measures(const double *values, int n, int64_t m, gs_hidden_spectrum *out);
/* Of x (p, p), row by the first operand: the measure `fourier` above. Local. */
double gs_one_frequency(const double *x, int p);
#endif
