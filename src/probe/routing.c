/* How a mixture routes: loads, entropies, and what the choice of an expert tells of a token.
 *
 * Loads are over all positions and assignments, as in the balancing loss; everything else is of the first choice (the expert of the
 * largest probability; of hash and uniform routing, the first that is drawn). Mutual information in bits, plug-in: I = H(e) + H(y) -
 * H(e, y) over the tokens that have the label; Miller-Madow adds (m_e + m_y - m_ey - 1) / (2 N ln 2), m the number of cells that are not
 * empty (Miller 1955). The null is the mean of I over 100 permutations of the experts, and p = (1 + those that reach I) / 101. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rows.h"
#include "scene.h"

enum { PERMUTATIONS = 100 };
static const double LN2 = 0x1.62e42fefa39efp-1, DEAD = 0.01; /* of an even share */

/* -- loads and probabilities -------------------------------------------------------------------------------------------- */

static void loads(gs_scene *s, int layer)
{
    int E = s->d.E, dead = 0;
    double load[256] = {0}, most = 0, entropy = 0, square = 0;
    size_t count = (size_t)s->data->n * (size_t)(s->d.T * s->d.k), all = 0;
    for (size_t i = 0; i < count; i++)
        if (s->choice[layer][i] >= 0) load[s->choice[layer][i]]++, all++;
    for (int e = 0; e < E; e++) {
        load[e] /= (double)all;
        if (load[e] > 0) entropy -= load[e] * gs_log(load[e]);
        if (load[e] > most) most = load[e];
        square += (load[e] - 1.0 / E) * (load[e] - 1.0 / E);
        dead += load[e] < DEAD / E;
        gs_tell(s, load[e], "load", layer, "expert=%d", e);
    }
    if (E > 1) gs_tell(s, entropy / gs_log(E), "utilisation_entropy", layer, "%s", "");
    gs_tell(s, sqrt(square / E) * E, "load_cv", layer, "%s", "");
    gs_tell(s, most * E - 1, "max_violation", layer, "%s", "");
    gs_tell(s, dead, "dead_experts", layer, "%s", "");
}

static void probabilities(gs_scene *s, int layer)
{
    int E = s->d.E;
    size_t count = (size_t)s->data->n * (size_t)s->d.T;
    double entropy = 0, margin = 0;
    for (size_t i = 0; i < count; i++) {
        double first = 0, second = 0;
        for (int e = 0; e < E; e++) {
            double p = (double)s->p[layer][i * (size_t)E + (size_t)e];
            if (p > 1e-300) entropy -= p * gs_log(p);
            if (p > first) second = first, first = p;
            else if (p > second) second = p;
        }
        margin += first - second;
    }
    if (E > 1) gs_tell(s, entropy / (double)count / gs_log(E), "token_entropy", layer, "%s", "");
    gs_tell(s, margin / (double)count, "top1_margin", layer, "%s", "");
}

/* -- mutual information --------------------------------------------------------------------------------------------------- */

typedef struct table { /* contingency of experts (rows) and a label's values */
    int E, Y;
    double n;
    int *cell, *row, *column; /* (E,Y), (E), (Y) */
} table;

static double bits(const int *count, int cells, double n, int *full)
{
    double sum = 0;
    *full = 0;
    for (int i = 0; i < cells; i++)
        if (count[i]) sum -= count[i] / n * gs_log(count[i] / n), (*full)++;
    return sum / LN2;
}

/* experts (n), labels (n) -> the filled table's I; *corrected: by Miller and Madow; *h: the smaller marginal entropy. */
static double information(table *t, const int32_t *expert, const int32_t *label, int n, double *corrected, double *h)
{
    int me, my, mey;
    memset(t->cell, 0, (size_t)(t->E * t->Y) * sizeof *t->cell);
    memset(t->row, 0, (size_t)t->E * sizeof *t->row);
    memset(t->column, 0, (size_t)t->Y * sizeof *t->column);
    for (int i = 0; i < n; i++) t->cell[expert[i] * t->Y + label[i]]++, t->row[expert[i]]++, t->column[label[i]]++;
    double he = bits(t->row, t->E, n, &me), hy = bits(t->column, t->Y, n, &my), joint = bits(t->cell, t->E * t->Y, n, &mey);
    double mi = he + hy - joint;
    *corrected = mi + (me + my - mey - 1) / (2 * (double)n * LN2);
    *h = he < hy ? he : hy;
    return mi;
}

typedef struct pairs { int n; int32_t *expert, *label, *order, *shuffled; } pairs;

static void collect(const gs_scene *s, int layer, const gs_label *l, pairs *p)
{
    p->n = 0;
    for (size_t i = 0; i < (size_t)s->data->n * (size_t)s->d.T; i++) {
        int32_t expert = s->choice[layer][i * (size_t)s->d.k];
        if (l->of[i] >= 0 && expert >= 0) p->expert[p->n] = expert, p->label[p->n++] = l->of[i];
    }
}

static void null(gs_scene *s, table *t, const pairs *p, int which, double mi, double *mean, double *level)
{
    double ignored[2], sum = 0;
    int reach = 0;
    for (int draw = 0; draw < PERMUTATIONS; draw++) {
        gs_rng_permutation(gs_scene_rng(s), (uint64_t)draw, (uint32_t)(GS_DRAW_NULL + which), p->n, p->order);
        for (int i = 0; i < p->n; i++) p->shuffled[i] = p->expert[p->order[i]];
        double one = information(t, p->shuffled, p->label, p->n, &ignored[0], &ignored[1]);
        sum += one;
        reach += one >= mi;
    }
    *mean = sum / PERMUTATIONS;
    *level = (1.0 + reach) / (1 + PERMUTATIONS);
}

static void tell_information(gs_scene *s, int layer, const gs_label *l, int which, pairs *p)
{
    table t = {.E = s->d.E, .Y = l->values};
    t.cell = gs_alloc((size_t)(t.E * t.Y), sizeof *t.cell);
    t.row = gs_alloc((size_t)t.E, sizeof *t.row);
    t.column = gs_alloc((size_t)t.Y, sizeof *t.column);
    double corrected, h, mean, level;
    collect(s, layer, l, p);
    double mi = information(&t, p->expert, p->label, p->n, &corrected, &h);
    null(s, &t, p, which, mi, &mean, &level);
    gs_tell(s, mi, "mi", layer, "with=%s", l->name);
    gs_tell(s, corrected, "mi_miller_madow", layer, "with=%s", l->name);
    gs_tell(s, mean, "mi_null", layer, "with=%s", l->name);
    gs_tell(s, level, "mi_p", layer, "with=%s", l->name);
    gs_tell(s, h > 0 ? mi / h : 0, "nmi_min", layer, "with=%s", l->name);
    free(t.cell), free(t.row), free(t.column);
}

/* All pairs, or all inputs: the tokens do not depend on a seed, so that runs can be held against each other. */
static bool same_for_all_seeds(const gs_scene *s)
{
    int64_t inputs = 1;
    for (int64_t i = gs_int(s->c, GS_TASK_DIGITS) * gs_int(s->c, GS_TASK_OPERANDS); i > 0; i--) inputs *= 10;
    return gs_is(s->c, GS_TASK, GS_TASK_MODULAR) || (gs_is(s->c, GS_TASK, GS_TASK_ADDITION) && inputs == s->data->n);
}

/* "routes LAYERS layers EXPERTS experts TOKENS tokens", then a line per layer: two hexadecimal digits a token. */
static void write_routes(const gs_scene *s, gs_buf *out)
{
    static const char hex[] = "0123456789abcdef";
    size_t tokens = (size_t)s->data->n * (size_t)s->d.T;
    char *line = gs_alloc(2 * tokens + 1, 1);
    gs_buf_add(out, "routes %d layers %d experts %zu tokens\n", s->d.L, s->d.E, tokens);
    for (int l = 0; l < s->d.L; l++) {
        for (size_t t = 0; t < tokens; t++) {
            int expert = s->choice[l][t * (size_t)s->d.k];
            line[2 * t] = hex[(expert < 0 ? 0 : expert) >> 4], line[2 * t + 1] = hex[(expert < 0 ? 0 : expert) & 15];
        }
        line[2 * tokens] = '\n';
        gs_buf_bytes(out, line, 2 * tokens + 1);
    }
    free(line);
}

static int run(gs_scene *s, gs_err *e)
{
    (void)e;
    if (s->q->routes && same_for_all_seeds(s)) write_routes(s, s->q->routes);
    gs_label labels[GS_LABELS_MOST];
    size_t tokens = (size_t)s->data->n * (size_t)s->d.T;
    pairs p = {0, gs_alloc(tokens, 4), gs_alloc(tokens, 4), gs_alloc(tokens, 4), gs_alloc(tokens, 4)};
    int count = gs_labels(s, labels, GS_LABELS_MOST);
    for (int l = 0; l < s->d.L; l++) {
        loads(s, l);
        if (s->p[l]) probabilities(s, l);
        for (int k = 0; k < count; k++) tell_information(s, l, &labels[k], k, &p);
    }
    for (int k = 0; k < count; k++) gs_label_free(&labels[k]);
    free(p.expert), free(p.label), free(p.order), free(p.shuffled);
    return 0;
}

/* The texts of three checkpoints' routes stay, each in a buffer that may be twice as long as its text, or thrice while it grows. */
static size_t bytes(const gs_scene *s)
{
    size_t tokens = (size_t)s->n * (size_t)s->d.T, Y = (size_t)(s->d.V > s->d.T ? s->d.V : s->d.T), E = (size_t)s->d.E;
    size_t text = 2 * tokens * (size_t)s->d.L, labels = gs_bytes_most(Y, (size_t)gs_label_values_most(s));
    size_t tables = gs_labels_bytes(s) + 4 * tokens * sizeof(int32_t) + (E * labels + E + labels) * sizeof(int);
    return gs_bytes_most(2 * tokens, tables) + 7 * text;
}

static const gs_metric_row metrics[] = {
    {"load", "fraction", 0, true, "share of the assignments that an expert has, over all positions", "layer expert"},
    {"utilisation_entropy", "", 1, false, "entropy of the loads over log E: 1 is even", "layer"},
    {"load_cv", "", -1, false, "population sd of the loads over their mean", "layer"},
    {"max_violation", "", -1, false, "largest load over the even one, minus 1 (MaxVio)", "layer"},
    {"dead_experts", "experts", -1, false, "experts with less than 1 % of an even load", "layer"},
    {"token_entropy", "", 0, false, "mean entropy of a token's router probabilities over log E", "layer"},
    {"top1_margin", "", 0, false, "mean difference of a token's two largest router probabilities", "layer"},
    {"mi", "bits", 0, false, "mutual information of the first expert and the token's label: token, position, answer, op, carry, cascade",
     "layer with"},
    {"mi_miller_madow", "bits", 0, false, "the same with the bias correction of Miller and Madow", "layer with"},
    {"mi_null", "bits", 0, false, "its mean over 100 permutations of the experts: what chance gives", "layer with"},
    {"mi_p", "", 0, false, "share of the permutations that reach it, itself included", "layer with"},
    {"nmi_min", "", 0, false, "mutual information over the smaller of the two entropies", "layer with"},
    {0}};
const gs_probe gs_probe_routing = {"routing", "loads, entropies, and what the choice of an expert tells of a token", "mixtures", gs_is_moe,
                                   metrics, run, GS_SEES_ROUTES, 6, bytes};
