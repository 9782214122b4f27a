/* The map as files. Numbers have 6 digits after the point: they agree between grids of ranks to about that, not to the byte. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gridshift/analysis.h"

enum { COLUMNS = 64 }; /* of the similarity that are on one rank at a time */

static void site_name(int site, char out[32]) { snprintf(out, 32, "blocks.%d.%s", site / 2, site % 2 ? "ffn" : "attn"); }

/* "-0.000000" depends on rounding; a value that cannot be told is empty. */
static void add_real(gs_buf *b, double x, int digits)
{
    if (isnan(x)) return;
    gs_buf_add(b, "%.*f", digits, fabs(x) < 0.5 * pow(10, -digits) ? 0 : x);
}

static int write_text(const char *folder, const char *name, gs_buf *b, gs_err *e)
{
    char *path = gs_text("%s/%s", folder, name);
    int failed = gs_file_write(path, b->text, b->length, e);
    free(path);
    return failed;
}

/* -- similarity.csv: as long as the number of pairs, so it is written while columns arrive ------------------------- */

typedef struct rows {
    const gs_team *team;
    const gs_map_spec *spec;
    FILE *f; /* rank 0 */
} rows;

static void write_columns(const rows *r, const char *site, int first, int count, const double *cka, const double *debiased)
{
    size_t N = (size_t)r->spec->runs;
    gs_buf b = {0};
    for (int j = 0; j < count; j++)
        for (int i = 0; i < first + j; i++) {
            size_t at = (size_t)i + (size_t)j * N;
            gs_buf_add(&b, "%s,%d,%d,", site, i, first + j);
            add_real(&b, cka[at], 6);
            gs_buf_add(&b, ",");
            add_real(&b, debiased[at], 6);
            gs_buf_add(&b, "\n");
        }
    if (b.length) fwrite(b.text, 1, b.length, r->f);
    gs_buf_free(&b);
}

static void write_site(const rows *r, int site, const gs_similarity *s)
{
    int N = r->spec->runs;
    char name[32];
    double *cka = gs_alloc((size_t)N * COLUMNS, sizeof *cka), *debiased = gs_alloc((size_t)N * COLUMNS, sizeof *debiased);
    site_name(site, name);
    for (int first = 0; first < N; first += COLUMNS) {
        int count = N - first < COLUMNS ? N - first : COLUMNS;
        gs_matrix_collect(&s->cka, N, first, count, cka);
        gs_matrix_collect(&s->debiased, N, first, count, debiased);
        if (r->f) write_columns(r, name, first, count, cka, debiased);
    }
    free(cka), free(debiased);
}

static int finish(FILE *f, const char *from, const char *to, const char *folder, gs_err *e)
{
    bool whole = fflush(f) == 0 && fsync(fileno(f)) == 0 && !ferror(f);
    whole = fclose(f) == 0 && whole && rename(from, to) == 0;
    return whole ? gs_folder_sync(folder, e) : gs_error(e, "%s cannot be written: %s", to, strerror(errno));
}

static int write_similarity(const gs_team *t, const gs_map_spec *s, const gs_map *maps, const char *folder, gs_err *e)
{
    char *path = gs_text("%s/similarity.csv", folder), *part = gs_text("%s/similarity.csv.part", folder);
    rows r = {t, s, t->rank ? NULL : fopen(part, "wb")};
    int failed = gs_team_failed(t, !t->rank && !r.f ? gs_error(e, "%s cannot be written: %s", part, strerror(errno)) : 0, e);
    if (r.f) fprintf(r.f, "site,a,b,cka,cka_debiased\n");
    for (int site = 0; !failed && site < 2 * s->layers; site++) write_site(&r, site, &maps[site].similarity);
    if (!failed) failed = gs_team_failed(t, r.f ? finish(r.f, part, path, folder, e) : 0, e);
    free(path), free(part);
    return failed;
}

/* -- the small files: rank 0 ------------------------------------------------------------------------------------- */

static void add_values(const gs_map_spec *s, int run, const char *before, gs_buf *b)
{
    char text[64];
    for (int k = 0; k < s->key_count; k++)
        gs_buf_add(b, "%s%s", before, gs_value_text(s->keys[k], gs_run_value((gs_run){s->grid, s->index[run]}, s->keys[k]), text));
}

static int write_coordinates(const gs_map_spec *s, const gs_map *maps, const char *folder, gs_err *e)
{
    gs_buf b = {0};
    char site_text[32];
    gs_buf_add(&b, "site,run,id");
    for (int k = 0; k < s->key_count; k++) gs_buf_add(&b, ",%s", gs_keys[s->keys[k]].name);
    for (int k = 1; k <= GS_MAP_AXES; k++) gs_buf_add(&b, ",x%d", k);
    gs_buf_add(&b, "\n");
    for (int site = 0; site < 2 * s->layers; site++)
        for (int i = 0; i < s->runs; i++) {
            site_name(site, site_text);
            gs_buf_add(&b, "%s,%d,%s", site_text, i, s->id[i]);
            add_values(s, i, ",", &b);
            for (int k = 0; k < GS_MAP_AXES; k++) {
                gs_buf_add(&b, ",");
                add_real(&b, maps[site].x[(ptrdiff_t)k * s->runs + i], 6);
            }
            gs_buf_add(&b, "\n");
        }
    int failed = write_text(folder, "coordinates.csv", &b, e);
    gs_buf_free(&b);
    return failed;
}

static double positive_sum(const double *axes, int N)
{
    double sum = 0;
    for (int i = 0; i < N; i++) sum += axes[i] > 0 ? axes[i] : 0;
    return sum;
}

static int write_axes(const gs_map_spec *s, const gs_map *maps, const char *folder, gs_err *e)
{
    gs_buf b = {0};
    char name[32];
    gs_buf_add(&b, "site,axis,eigenvalue,share\n");
    for (int site = 0; site < 2 * s->layers; site++)
        for (int i = 0; i < s->runs; i++) {
            site_name(site, name);
            gs_buf_add(&b, "%s,%d,", name, i + 1);
            add_real(&b, maps[site].axes[i], 6);
            gs_buf_add(&b, ",");
            add_real(&b, maps[site].axes[i] / positive_sum(maps[site].axes, s->runs), 6);
            gs_buf_add(&b, "\n");
        }
    int failed = write_text(folder, "axes.csv", &b, e);
    gs_buf_free(&b);
    return failed;
}

static void add_test(const gs_share *x, int digits, const char *between, gs_buf *b)
{
    gs_buf_add(b, "%s", between);
    add_real(b, x->r2, digits);
    gs_buf_add(b, "%s", between);
    add_real(b, x->f, digits);
    gs_buf_add(b, "%s", between);
    add_real(b, x->p, digits < 3 ? 3 : digits);
}

static void add_share(const gs_share *x, int digits, const char *between, gs_buf *b)
{
    gs_buf_add(b, "%s%d%s%d%s%d", between, x->runs, between, x->groups, between, x->strata);
    add_test(x, digits, between, b);
}

static int write_shares(const gs_map_spec *s, const gs_map *maps, const char *folder, gs_err *e)
{
    gs_buf b = {0};
    char name[32];
    gs_buf_add(&b, "site,key,runs,groups,strata,r2,f,p,equal_runs,equal_groups,equal_strata,equal_r2,equal_f,equal_p\n");
    for (int site = 0; site < 2 * s->layers; site++)
        for (int k = 0; k < s->key_count; k++) {
            site_name(site, name);
            gs_buf_add(&b, "%s,%s", name, gs_keys[s->keys[k]].name);
            add_share(&maps[site].alone[k], 6, ",", &b);
            add_share(&maps[site].within[k], 6, ",", &b);
            gs_buf_add(&b, "\n");
        }
    int failed = write_text(folder, "shares.csv", &b, e);
    gs_buf_free(&b);
    return failed;
}

/* -- arms -------------------------------------------------------------------------------------------------------- */

static int first_of_arm(const gs_map_spec *s, int arm)
{
    int i = 0;
    while (s->arm[i] != arm) i++;
    return i;
}

/* "moe 256 1 learned": the arm's values of the varying keys, without the seed. */
static void add_arm(const gs_map_spec *s, int arm, gs_buf *b)
{
    char text[64];
    int run = first_of_arm(s, arm);
    const char *blank = "";
    for (int k = 0; k < s->key_count; k++) {
        gs_value v = gs_run_value((gs_run){s->grid, s->index[run]}, s->keys[k]);
        if (s->keys[k] == GS_SEED || !v.set) continue;
        gs_buf_add(b, "%s%s", blank, gs_value_text(s->keys[k], v, text));
        blank = " ";
    }
    if (!*blank) gs_buf_add(b, "all");
}

static void add_arm_cell(const struct gs_arms *a, size_t at, bool diagonal, gs_buf *b)
{
    double n = a->pairs[at], mean = a->sum[at] / n, square = a->square[at] / n - mean * mean;
    gs_buf_add(b, ",%.0f,", diagonal ? n / 2 : n);
    add_real(b, mean, 6);
    gs_buf_add(b, ",");
    add_real(b, square > 0 ? sqrt(square) : square * 0, 6);
    gs_buf_add(b, ",");
    add_real(b, a->debiased[at] / n, 6);
}

static int write_arms(const gs_map_spec *s, const gs_map *maps, const char *folder, gs_err *e)
{
    gs_buf b = {0};
    char name[32];
    gs_buf_add(&b, "site,arm_a,arm_b,pairs,cka,sd,cka_debiased,same_seed_pairs,same_seed_cka,same_seed_sd,same_seed_cka_debiased\n");
    for (int site = 0; site < 2 * s->layers && maps[site].arms[0].sum; site++)
        for (int i = 0; i < s->arms; i++)
            for (int j = i; j < s->arms; j++) {
                site_name(site, name);
                gs_buf_add(&b, "%s,", name);
                add_arm(s, i, &b);
                gs_buf_add(&b, ",");
                add_arm(s, j, &b);
                for (int same = 0; same < 2; same++)
                    add_arm_cell(&maps[site].arms[same], (size_t)i * (size_t)s->arms + (size_t)j, i == j, &b);
                gs_buf_add(&b, "\n");
            }
    int failed = write_text(folder, "arms.csv", &b, e);
    gs_buf_free(&b);
    return failed;
}

/* -- map.md ------------------------------------------------------------------------------------------------------ */

enum { ARMS_SHOWN = 24 };

static void add_share_rows(const gs_map_spec *s, const gs_map *m, gs_buf *b)
{
    gs_buf_add(b, "| key | runs | groups | R2 | F | p | runs, all else equal | groups | strata | R2 | F | p |\n"
                  "|---|---|---|---|---|---|---|---|---|---|---|---|\n");
    for (int k = 0; k < s->key_count; k++) {
        gs_buf_add(b, "| %s | %d | %d", gs_keys[s->keys[k]].name, m->alone[k].runs, m->alone[k].groups);
        add_test(&m->alone[k], 3, " | ", b);
        add_share(&m->within[k], 3, " | ", b);
        gs_buf_add(b, " |\n");
    }
}

static void add_arm_rows(const gs_map_spec *s, const struct gs_arms *a, const char *which, gs_buf *b)
{
    double pairs = 0;
    for (int i = 0; a->sum && i < s->arms * s->arms; i++) pairs += a->pairs[i];
    if (a->sum && !(pairs > 0)) return;
    if (!a->sum || s->arms > ARMS_SHOWN) {
        gs_buf_add(b, "\n%d arms: their mean similarities are %s.\n", s->arms, a->sum ? "in arms.csv" : "too many to list");
        return;
    }
    gs_buf_add(b, "\nMean CKA between runs of two arms with %s seed:\n\n| |", which);
    for (int j = 0; j < s->arms; j++) gs_buf_add(b, " %d |", j + 1);
    gs_buf_add(b, "\n|---|");
    for (int j = 0; j < s->arms; j++) gs_buf_add(b, "---|");
    for (int i = 0; i < s->arms; i++) {
        gs_buf_add(b, "\n| %d ", i + 1);
        add_arm(s, i, b);
        for (int j = 0; j < s->arms; j++) {
            size_t at = (size_t)i * (size_t)s->arms + (size_t)j;
            gs_buf_add(b, " | ");
            add_real(b, a->sum[at] / a->pairs[at], 3);
        }
        gs_buf_add(b, " |");
    }
    gs_buf_add(b, "\n");
}

static int write_text_map(const gs_map_spec *s, const gs_map *maps, const char *folder, gs_buf *screen, gs_err *e)
{
    gs_buf b = {0};
    char name[32];
    gs_buf_add(&b, "# Map of %d runs\n\nLinear CKA of the residual stream on %d rows of the probe set (%s). R2: the share of the "
                   "squared distances that the key's groups explain, with a permutation p (%d); then the same with every other key and the "
                   "seed held equal.\n", s->runs, s->rows, s->probe, s->permutations);
    for (int site = 0; site < 2 * s->layers; site++) {
        const gs_map *m = &maps[site];
        double all = positive_sum(m->axes, s->runs);
        site_name(site, name);
        gs_buf_add(&b, "\n## After %s\n\nAxes 1 to 4 hold %.1f, %.1f, %.1f and %.1f %% of the distances", name, 100 * m->axes[0] / all,
                   100 * m->axes[1] / all, s->runs > 2 ? 100 * m->axes[2] / all : 0, s->runs > 3 ? 100 * m->axes[3] / all : 0);
        gs_buf_add(&b, m->similarity.constant ? "; %d runs have constant features.\n\n" : ".\n\n", m->similarity.constant);
        add_share_rows(s, m, &b);
        add_arm_rows(s, &m->arms[0], "a different", &b);
        add_arm_rows(s, &m->arms[1], "the same", &b);
    }
    if (screen) gs_buf_bytes(screen, b.text, b.length);
    int failed = write_text(folder, "map.md", &b, e);
    gs_buf_free(&b);
    return failed;
}

/* -- the figure: a block of map.dat per site and arm --------------------------------------------------------------- */

static int write_figure(const gs_map_spec *s, const gs_map *maps, const char *folder, gs_err *e)
{
    gs_buf data = {0}, script = {0};
    char name[32];
    gs_buf_add(&script, "# gnuplot map.gp: map.svg\nset terminal svg size 1200,%d font 'sans,12'\nset output 'map.svg'\nset multiplot "
                        "layout %d,2\n"
                        "set key outside right font ',9'\nset size ratio -1\n", 520 * s->layers, s->layers);
    for (int site = 0, block = 0; site < 2 * s->layers; site++) {
        const gs_map *m = &maps[site];
        site_name(site, name);
        gs_buf_add(&script, "set title 'after %s'\nset xlabel 'axis 1 (%.1f %%)'\nset ylabel 'axis 2 (%.1f %%)'\nplot ", name,
                   100 * m->axes[0] / positive_sum(m->axes, s->runs), 100 * m->axes[1] / positive_sum(m->axes, s->runs));
        for (int arm = 0; arm < s->arms; arm++, block++) {
            gs_buf_add(&data, "# %s ", name);
            add_arm(s, arm, &data);
            for (int i = 0; i < s->runs; i++)
                if (s->arm[i] == arm) {
                    gs_buf_add(&data, "\n");
                    add_real(&data, m->x[i], 6);
                    gs_buf_add(&data, " ");
                    add_real(&data, m->x[s->runs + i], 6);
                }
            gs_buf_add(&data, "\n\n\n");
            gs_buf_add(&script, "%s'map.dat' index %d with points pointtype %d title '", arm ? ", " : "", block, arm % 13 + 1);
            add_arm(s, arm, &script);
            gs_buf_add(&script, "'");
        }
        gs_buf_add(&script, "\n");
    }
    gs_buf_add(&script, "unset multiplot\n");
    int failed = write_text(folder, "map.dat", &data, e) || write_text(folder, "map.gp", &script, e);
    gs_buf_free(&data), gs_buf_free(&script);
    return failed;
}

int gs_map_write(const gs_team *t, const gs_map_spec *s, const gs_map *maps, const char *folder, gs_buf *screen, gs_err *e)
{
    if (gs_team_failed(t, t->rank ? 0 : gs_folder_make(folder, e), e) || write_similarity(t, s, maps, folder, e)) return -1;
    int failed = !t->rank && (write_coordinates(s, maps, folder, e) || write_axes(s, maps, folder, e) || write_shares(s, maps, folder, e) ||
                              write_arms(s, maps, folder, e) || write_text_map(s, maps, folder, screen, e) ||
                              write_figure(s, maps, folder, e));
    return gs_team_failed(t, failed, e);
}
