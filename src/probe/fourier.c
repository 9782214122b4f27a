/* Does the model compute with Fourier features of the answer? Modular addition and subtraction, over all p^2 pairs at "=".
 *
 * Hidden units of a mixture are 0 for pairs that do not meet their expert; the published numbers (unrouted) are of every expert on all
 * pairs. A unit is dead when the power of its signal is below GS_DEAD; the published mean counts such units as 0 (arXiv 2605.09403), so
 * means over live units and the mean weighted by power stand beside it. The subspace evidence is like for like: the mean over the first 5
 * principal components beside the largest of them (which is published). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fourier.h"
#include "moments.h"
#include "rows.h"

enum { COMPONENTS = 5, TOP = 5, RANKS = 5 };
static const double SINGLE = 0.85, RIDGE = 1e-6;

static int modulus_of(const gs_scene *s) { return (int)gs_int(s->c, GS_TASK_MODULUS); }

/* -- neurons ------------------------------------------------------------------------------------------------------------- */

/* Returns how many units are alive. */
static int concentrations(gs_scene *s, const gs_spectrum *f, const char *of, int layer, bool one_sided)
{
    const char *tail = one_sided ? "_one_sided" : "";
    double all = 0, strongest = 0, power = 0;
    int live = 0;
    char name[48];
    for (int h = 0; h < f->n; h++) {
        double total = gs_power_total(f, h), c = gs_concentration(f, h, 1, one_sided);
        all += c, live += total >= GS_DEAD, power += total, strongest += c * total;
    }
    const struct { const char *what; double value; bool there; } rows[] = {
        {"", all / f->n, true}, {"_live", all / live, live > 0}, {"_weighted", strongest / power, power > 0}};
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s_concentration%s%s", of, rows[i].what, tail);
        if (rows[i].there) gs_tell(s, rows[i].value, name, layer, "%s", "");
    }
    return live;
}

/* A block without experts has no other units. */
static void unrouted(gs_scene *s, const gs_spectrum *hidden, int layer)
{
    gs_spectrum own;
    const gs_spectrum *f = s->every[layer] ? &own : hidden;
    if (s->every[layer]) gs_spectrum_of(s, s->units, s->every[layer], &own);
    concentrations(s, f, "unrouted", layer, true);
    gs_tell(s, 1 - (double)concentrations(s, f, "unrouted", layer, false) / f->n, "unrouted_dead_units", layer, "%s", "");
    if (s->every[layer]) gs_spectrum_free(&own);
}

static double largest(const double *fve, int K, int n, int h)
{
    double most = 0;
    for (int k = 0; k < K; k++)
        if (fve[(size_t)k * (size_t)n + (size_t)h] > most) most = fve[(size_t)k * (size_t)n + (size_t)h];
    return most;
}

/* The units of each key frequency, as Nanda et al. count them. */
static void units_of_keys(gs_scene *s, const gs_spectrum *f, const double *fve, int layer, const int *key, int keys, int live)
{
    for (int i = 0; i < keys && i < RANKS; i++) {
        int count = 0;
        for (int h = 0; h < f->n; h++)
            count += gs_power_total(f, h) >= GS_DEAD && fve[(size_t)(key[i] - 1) * (size_t)f->n + (size_t)h] > SINGLE;
        gs_tell(s, (double)count / live, "neuron_fve_85_key", layer, "rank=%d", i + 1);
    }
}

static void neurons(gs_scene *s, const gs_spectrum *f, int layer, const int *key, int keys)
{
    double *fve = gs_explained(s, f->p, f->n, s->hidden[layer]), of_live = 0;
    int live = 0, single = 0;
    for (int h = 0; h < f->n; h++) {
        double most = largest(fve, f->K, f->n, h);
        bool alive = gs_power_total(f, h) >= GS_DEAD;
        if (!alive) continue;
        live++, of_live += most, single += most > SINGLE;
    }
    concentrations(s, f, "neuron", layer, false), concentrations(s, f, "neuron", layer, true);
    gs_tell(s, 1 - (double)live / f->n, "dead_units", layer, "%s", "");
    gs_tell(s, of_live / f->n, "neuron_fve", layer, "%s", "");
    if (live) gs_tell(s, of_live / live, "neuron_fve_live", layer, "%s", "");
    if (live) gs_tell(s, (double)single / live, "neuron_fve_85", layer, "%s", "");
    if (live) units_of_keys(s, f, fve, layer, key, keys, live);
    free(fve);
}

/* -- the layer as a whole -------------------------------------------------------------------------------------------------- */

/* scores (rows, COMPONENTS) of the first principal components. */
static float *score(const gs_scene *s, const gs_moments *m, const float *x, int count)
{
    float *scores = gs_alloc((size_t)(s->rows * count), sizeof *scores);
    size_t n = (size_t)m->n;
    for (int r = 0; r < s->rows; r++)
        for (int i = 0; i < count; i++) {
            double sum = 0;
            for (size_t h = 0; h < n; h++) sum += ((double)x[(size_t)r * n + h] - m->mean[h]) * m->vectors[(size_t)i * n + h];
            scores[r * count + i] = (float)sum;
        }
    return scores;
}

/* Of x (rows, m->n); `of` is "" or "unrouted_", of which the published summary alone is told. */
static void components(gs_scene *s, const gs_moments *m, const float *x, const char *of, int layer)
{
    int count = m->n < COMPONENTS ? m->n : COMPONENTS;
    while (count > 0 && m->values[count - 1] <= 1e-9 * m->values[0]) count--; /* of a layer of lower rank */
    if (!count) return;
    float *scores = score(s, m, x, count);
    double *fve = gs_explained(s, modulus_of(s), count, scores), sum[3] = {0}, most[3] = {0};
    gs_spectrum f;
    gs_spectrum_of(s, count, scores, &f);
    for (int i = 0; i < count; i++) {
        const double value[3] = {gs_concentration(&f, i, 1, false), gs_concentration(&f, i, 1, true), largest(fve, f.K, count, i)};
        for (int j = 0; j < 3; j++) sum[j] += value[j], most[j] = value[j] > most[j] ? value[j] : most[j];
        if (*of) continue;
        gs_tell(s, value[0], "pc_concentration", layer, "pc=%d", i + 1);
        gs_tell(s, value[2], "pc_fve", layer, "pc=%d", i + 1);
    }
    static const char *const names[3][2] = {{"pc_concentration_mean", "pc_concentration_max"},
                                            {"pc_concentration_mean_one_sided", "pc_concentration_max_one_sided"},
                                            {"pc_fve_mean", "pc_fve_max"}};
    for (int j = 0; j < (*of ? 1 : 3); j++) {
        char name[2][48];
        for (int k = 0; k < 2; k++) snprintf(name[k], sizeof name[k], "%s%s", of, names[j][k]);
        gs_tell(s, sum[j] / count, name[0], layer, "%s", "");
        gs_tell(s, most[j], name[1], layer, "%s", "");
    }
    free(scores), free(fve);
    gs_spectrum_free(&f);
}

static void unrouted_components(gs_scene *s, const gs_moments *hidden, int layer)
{
    gs_moments own;
    if (!s->every[layer]) {
        components(s, hidden, s->hidden[layer], "unrouted_", layer);
        return;
    }
    gs_moments_of(s, s->rows, s->units, s->every[layer], true, &own);
    components(s, &own, s->every[layer], "unrouted_", layer);
    gs_moments_free(&own);
}

/* R^2 of the ridge regression of cos and sin (w_k s), pooled, on the whole layer with an intercept: with the covariance's eigenpairs
 * (l_i, v_i), c the covariances of the units with the target and r the ridge, R^2 = sum (v_i c)^2 (l_i + 2 r) / (l_i + r)^2 / variance. The
 * ridge, 1e-6 of the mean eigenvalue, keeps directions of rounding noise from counting as features. */
static double r_squared(const gs_spectrum *f, const gs_moments *m, int k)
{
    double trace = 0, sum = 0, variance = 2 * k == f->p ? 1 : 0.5;
    size_t n = (size_t)m->n;
    const double *re = f->re + (size_t)(k - 1) * n, *im = f->im + (size_t)(k - 1) * n;
    for (size_t i = 0; i < n; i++) trace += m->values[i];
    double ridge = RIDGE * trace / (double)n;
    if (trace <= 0) return 0;
    for (size_t i = 0; i < n; i++) {
        double c = 0, d = 0, l = m->values[i];
        for (size_t h = 0; h < n; h++) c += m->vectors[i * n + h] * re[h], d += m->vectors[i * n + h] * im[h];
        double both = (c * c + (2 * k == f->p ? 0 : d * d)) / ((double)f->p * f->p);
        sum += both * (l + 2 * ridge) / ((l + ridge) * (l + ridge));
    }
    return sum / variance / (2 * k == f->p ? 1 : 2);
}

static void regressions(gs_scene *s, const gs_spectrum *f, const gs_moments *m, int layer, const int *key, int keys)
{
    double most = 0, of_keys = 0;
    double *all = gs_alloc((size_t)f->K, sizeof *all);
    for (int k = 1; k <= f->K; k++) {
        all[k - 1] = r_squared(f, m, k);
        if (all[k - 1] > most) most = all[k - 1];
    }
    for (int i = 0; i < keys; i++) {
        of_keys += all[key[i] - 1];
        if (i < RANKS) gs_tell(s, all[key[i] - 1], "layer_r2", layer, "rank=%d", i + 1);
    }
    gs_tell(s, most, "layer_r2_max", layer, "%s", "");
    if (keys) gs_tell(s, of_keys / keys, "layer_r2_key", layer, "%s", "");
    free(all);
}

/* -- router and matrices ------------------------------------------------------------------------------------------------------ */

static void router(gs_scene *s, int layer)
{
    int E = s->d.E;
    gs_spectrum f;
    float *p = gs_alloc((size_t)(s->rows * E), sizeof *p);
    for (int r = 0; r < s->rows; r++) memcpy(p + (ptrdiff_t)r * E, s->p[layer] + gs_scene_at(s, r) * (size_t)E, (size_t)E * sizeof *p);
    gs_spectrum_of(s, E, p, &f);
    for (int one_sided = 0; one_sided < 2; one_sided++) {
        double single = 0, top = 0;
        for (int e = 0; e < E; e++) single += gs_concentration(&f, e, 1, one_sided) / E, top += gs_concentration(&f, e, TOP, one_sided) / E;
        gs_tell(s, single, one_sided ? "router_concentration_one_sided" : "router_concentration", layer, "%s", "");
        gs_tell(s, top, one_sided ? "router_top5_one_sided" : "router_top5", layer, "%s", "");
    }
    free(p);
    gs_spectrum_free(&f);
}

/* Rows 0..p-1 of a matrix (.., D), as signals over the token: the norm of each cosine and sine over the D columns. */
static void matrix(gs_scene *s, const gs_tensor *t, const char *gini, const char *top)
{
    int p = modulus_of(s), D = s->d.D, count = 0;
    gs_spectrum f;
    double *signal = gs_alloc((size_t)(p * D), sizeof *signal), *norms = gs_alloc((size_t)p, 8), *powers = gs_alloc((size_t)p, 8);
    for (int i = 0; i < p * D; i++) signal[i] = (double)s->m->param[t->at + (size_t)i];
    gs_spectrum_signals(p, D, signal, &f);
    double all = 0, held = 0;
    for (int k = 1; k <= f.K; k++) {
        double re = 0, im = 0;
        for (int j = 0; j < D; j++) {
            size_t at = (size_t)((k - 1) * D + j);
            re += f.re[at] * f.re[at], im += f.im[at] * f.im[at];
        }
        norms[count++] = sqrt(re);
        if (2 * k != p) norms[count++] = sqrt(im);
        powers[k - 1] = re + im, all += re + im;
    }
    gs_tell(s, gs_gini(count, norms), gini, -1, "%s", "");
    gs_gini(f.K, powers); /* sorts */
    for (int i = 0; i < TOP && i < f.K; i++) held += powers[f.K - 1 - i];
    if (all > 0) gs_tell(s, held / all, top, -1, "%s", "");
    free(norms), free(powers);
    gs_spectrum_free(&f);
}

static int run(gs_scene *s, gs_err *e)
{
    (void)e;
    int *key, keys = gs_fourier_logits(s, &key);
    for (int l = 0; l < s->d.L; l++) {
        gs_spectrum f;
        gs_spectrum_of(s, s->units, s->hidden[l], &f);
        neurons(s, &f, l, key, keys);
        unrouted(s, &f, l);
        const gs_moments *m = gs_scene_pca(s, l);
        components(s, m, s->hidden[l], "", l);
        unrouted_components(s, m, l);
        regressions(s, &f, m, l, key, keys);
        if (s->p[l]) router(s, l);
        gs_spectrum_free(&f);
    }
    matrix(s, &s->m->tensors[0], "embed_gini", "embed_top5");
    const gs_tensor *unembed = gs_model_tensor(s->m, "unembed.weight");
    if (unembed) matrix(s, unembed, "unembed_gini", "unembed_top5");
    free(key);
    return 0;
}

static size_t bytes(const gs_scene *s)
{
    int p = modulus_of(s), E = s->d.E;
    size_t scores = COMPONENTS * (size_t)s->rows * sizeof(float) + gs_explained_bytes(p, COMPONENTS) + gs_spectrum_bytes(p, COMPONENTS);
    size_t routed = (size_t)(s->rows * E) * sizeof(float) + gs_spectrum_bytes(p, E);
    size_t units = gs_bytes_most(gs_explained_bytes(p, s->units), gs_spectrum_bytes(p, s->units));
    units = gs_bytes_most(units, gs_moments_bytes(s->units, true) + (gs_is_moe(s->c) ? scores : 0));
    size_t layer = gs_bytes_most(units, gs_bytes_most(scores, routed));
    size_t matrices = gs_spectrum_bytes(p, s->d.D) + 2 * (size_t)p * sizeof(double), keys = (size_t)p / 2 * sizeof(int);
    return gs_bytes_most(gs_fourier_logits_bytes(p), keys + gs_bytes_most(gs_spectrum_bytes(p, s->units) + layer, matrices));
}

static bool applies(const gs_config *c)
{
    return gs_is(c, GS_TASK, GS_TASK_MODULAR) && !gs_is(c, GS_TASK_OP, GS_OP_MULTIPLY) && gs_int(c, GS_TASK_MODULUS) > 2;
}

static const gs_metric_row metrics[] = {
    {"neuron_concentration", "", 1, false,
     "two-sided (a pure tone: 0.5): share of a hidden unit's power at its strongest line, mean over all units, dead ones as 0",
     "layer"},
    {"neuron_concentration_live", "", 1, false, "the same, mean over live units", "layer"},
    {"neuron_concentration_weighted", "", 1, false, "the same, weighted by the units' power", "layer"},
    {"neuron_concentration_one_sided", "", 1, false, "one-sided (a pure tone: 1): k and p - k are one line; mean over all units",
     "layer"},
    {"neuron_concentration_live_one_sided", "", 1, false, "one-sided, mean over live units", "layer"},
    {"neuron_concentration_weighted_one_sided", "", 1, false, "one-sided, weighted by power", "layer"},
    {"unrouted_concentration", "", 1, false,
     "neuron_concentration with every expert of a mixture run on all pairs, met or not (the published one)", "layer"},
    {"unrouted_concentration_live", "", 1, false, "the same, mean over live units", "layer"},
    {"unrouted_concentration_weighted", "", 1, false, "the same, weighted by the units' power", "layer"},
    {"unrouted_concentration_one_sided", "", 1, false, "one-sided, mean over all units", "layer"},
    {"unrouted_concentration_live_one_sided", "", 1, false, "one-sided, mean over live units", "layer"},
    {"unrouted_concentration_weighted_one_sided", "", 1, false, "one-sided, weighted by power", "layer"},
    {"unrouted_pc_concentration_mean", "", 1, false, "two-sided, mean over the first 5 components of those units", "layer"},
    {"unrouted_pc_concentration_max", "", 1, false, "two-sided, largest of the first 5 components (the published one)", "layer"},
    {"unrouted_dead_units", "fraction", 0, true, "share of those units whose signal has a power below 1e-12", "layer"},
    {"dead_units", "fraction", 0, true, "share of the hidden units whose signal has a power below 1e-12", "layer"},
    {"neuron_fve", "", 1, false, "variance that one frequency of a and b explains (Nanda et al. 2023), mean over all units", "layer"},
    {"neuron_fve_live", "", 1, false, "the same, mean over live units", "layer"},
    {"neuron_fve_85", "fraction", 1, true, "share of the live units with more than 0.85 of it", "layer"},
    {"neuron_fve_85_key", "fraction", 0, true, "share of the live units with more than 0.85 of it at the key frequency of a rank",
     "layer rank"},
    {"pc_concentration", "", 1, false, "two-sided concentration of a principal component of the hidden activations", "layer pc"},
    {"pc_concentration_mean", "", 1, false, "two-sided, mean over the first 5 components", "layer"},
    {"pc_concentration_max", "", 1, false, "two-sided, largest of the first 5 components", "layer"},
    {"pc_concentration_mean_one_sided", "", 1, false, "one-sided, mean over the first 5 components", "layer"},
    {"pc_concentration_max_one_sided", "", 1, false, "one-sided, largest of the first 5 components", "layer"},
    {"pc_fve", "", 1, false, "variance of a principal component that one frequency explains", "layer pc"},
    {"pc_fve_mean", "", 1, false, "mean over the first 5 components", "layer"},
    {"pc_fve_max", "", 1, false, "largest of the first 5 components", "layer"},
    {"layer_r2", "", 1, false, "R^2 of cos and sin of a key frequency times the answer, regressed on all hidden units", "layer rank"},
    {"layer_r2_key", "", 1, false, "mean over the key frequencies", "layer"},
    {"layer_r2_max", "", 1, false, "largest over all frequencies", "layer"},
    {"router_concentration", "", 1, false, "two-sided concentration of an expert's probability, mean over experts", "layer"},
    {"router_top5", "", 1, false, "two-sided share of the 5 strongest lines, mean over experts", "layer"},
    {"router_concentration_one_sided", "", 1, false, "one-sided", "layer"},
    {"router_top5_one_sided", "", 1, false, "one-sided", "layer"},
    {"key_frequencies", "", 0, false, "frequencies that hold 95 % of the logits' power in the a + b directions", NULL},
    {"key_frequency", "", 0, false, "the frequency of a rank, strongest first", "rank"},
    {"logit_sum_share", "fraction", 1, true, "share of the logits' variance in the a + b directions of all frequencies", NULL},
    {"logit_key_share", "fraction", 1, true, "share of the logits' variance in those of the key frequencies", NULL},
    {"restricted_loss", "nats", -1, false, "loss of the mean logits and the key directions alone, without the class =", "split"},
    {"excluded_loss", "nats", 0, false, "loss without the key directions, or without those of one rank", "split rank"},
    {"embed_gini", "", 1, false, "Gini coefficient of the norms of the embedding's Fourier components", NULL},
    {"embed_top5", "fraction", 1, true, "share of the embedding's power at its 5 strongest frequencies", NULL},
    {"unembed_gini", "", 1, false, "Gini coefficient of the norms of the readout's Fourier components", NULL},
    {"unembed_top5", "fraction", 1, true, "share of the readout's power at its 5 strongest frequencies", NULL},
    {0}};
const gs_probe gs_probe_fourier = {"fourier", "spectra of units, components, router, logits and matrices over the answers",
                                   "modular addition and subtraction", applies, metrics, run,
                                   GS_SEES_HIDDEN | GS_SEES_EVERY | GS_SEES_PCA | GS_SEES_LOGITS | GS_SEES_ROUTES, 100, bytes};
