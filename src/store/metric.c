/* The metric table, the grammar of metric names, and lists of named numbers. DESIGN section 7. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gridshift/metric.h"

const gs_metric_row gs_metric_rows[] = {
    {"accuracy", "fraction", 1, true, "share of the scored tokens that are right", NULL},
    {"exact_match", "fraction", 1, true, "share of the inputs whose whole answer is right", NULL},
    {"loss", "nats", -1, false, "mean cross-entropy of the scored tokens", NULL},
    {"correct", "tokens", 1, false, "number of scored tokens that are right", NULL},
    {"whole_answer", "inputs", 1, false, "number of inputs whose whole answer is right", NULL},
    {"step", "steps", 0, false, "the step of the checkpoint", NULL},
    {"steps_to_50", "steps", -1, false, "first evaluation whose test accuracy is above 50 %; absent when never", NULL},
    {"steps_to_90", "steps", -1, false, "first evaluation whose test accuracy is above 90 %; absent when never", NULL},
    {"steps_to_99", "steps", -1, false, "first evaluation whose test accuracy is above 99 %; absent when never", NULL},
    {"above_floor", "fraction", 1, true, "of an ablation: (accuracy - floor)/(clean accuracy - floor), made by the tables", NULL},
    {"aux", "", -1, false, "load-balancing loss E sum_e f_e P_e, without its weight", NULL},
    {"router_load_max", "fraction", -1, true, "largest share of the assignments that one expert has", NULL},
    {0},
};

const char *const gs_site_names[GS_SITE_COUNT] = {"attn.out", "attn.head", "ffn.out", "ffn.expert"};
const char *const gs_mode_names[GS_MODE_COUNT] = {"zero", "mean", "resample"};
const char *const gs_site_words[GS_SITE_COUNT] = {"attn", "head", "ffn", "expert"};

static bool take(const char **at, const char *word)
{
    size_t n = strlen(word);
    if (strncmp(*at, word, n)) return false;
    *at += n;
    return true;
}

/* A decimal number without leading zeros, below a billion. */
static bool take_number(const char **at, int *out)
{
    const char *digits = *at;
    int value = 0, n = 0;
    for (; isdigit((unsigned char)digits[n]); n++) {
        if (n == 9) return false;
        value = value * 10 + (digits[n] - '0');
    }
    if (n == 0 || (n > 1 && *digits == '0')) return false;
    *at += n;
    *out = value;
    return true;
}

static bool parse_checkpoint(gs_metric_name *m)
{
    static const char *const names[] = {"final", "best", "first99", "first99_or_best", "given", "curve"};
    m->step = -1;
    for (size_t k = 0; k < sizeof names / sizeof *names; k++)
        if (!strcmp(m->checkpoint, names[k])) return true;
    const char *at = m->checkpoint;
    int step;
    if (!take(&at, "step") || !take_number(&at, &step) || *at) return false;
    m->step = step;
    return true;
}

static int take_mode(const char **at)
{
    for (int mode = 0; mode < GS_MODE_COUNT; mode++) {
        const char *next = *at;
        if (!take(&next, gs_mode_names[mode]) || *next != '_') continue;
        *at = next + 1;
        return mode;
    }
    return -1;
}

static bool parse_subject(gs_metric_name *m)
{
    m->mode = m->site = m->block = m->index = -1;
    m->probe = gs_probe_find(m->subject);
    if (m->probe >= 0 || !strcmp(m->subject, "clean") || !strcmp(m->subject, "floor")) return true;
    const char *at = m->subject;
    m->mode = take_mode(&at);
    if (m->mode < 0) return false;
    if (take(&at, "block") && (!take_number(&at, &m->block) || *at++ != '_')) return false;
    for (m->site = 0; m->site < GS_SITE_COUNT && !take(&at, gs_site_words[m->site]); m->site++) continue;
    if (m->site == GS_SITE_COUNT) return false;
    bool indexed = m->site == GS_SITE_ATTN_HEAD || m->site == GS_SITE_FFN_EXPERT;
    if (indexed && !take_number(&at, &m->index)) return false;
    return *at == 0 && (GS_ABLATE(m->site, m->mode) & GS_ABLATE_ALL);
}

/* name=value, several joined by a comma; names and values are letters, digits and underscores. */
static bool stratum_fits(const char *text)
{
    bool value = false;
    size_t word = 0;
    for (; *text; text++) {
        if (isalnum((unsigned char)*text) || *text == '_') {
            word++;
            continue;
        }
        if (word == 0 || *text != (value ? ',' : '=')) return false;
        value = !value;
        word = 0;
    }
    return value && word > 0;
}

/* Copies the text up to `stop` into out[size]; *at then stands behind the stop. */
static bool cut(const char **at, char stop, char *out, size_t size)
{
    const char *end = strchr(*at, stop);
    if (!end || end == *at || (size_t)(end - *at) >= size) return false;
    memcpy(out, *at, (size_t)(end - *at));
    out[end - *at] = 0;
    *at = end + 1;
    return true;
}

static const gs_metric_row *find_row(const gs_metric_row *row, const char *name)
{
    for (; row->name; row++)
        if (!strcmp(row->name, name)) return row;
    return NULL;
}

int gs_metric_parse(const char *full_name, gs_metric_name *out)
{
    *out = (gs_metric_name){0};
    char metric[48];
    const char *at = full_name;
    if (!cut(&at, '.', out->checkpoint, sizeof out->checkpoint) || !cut(&at, '.', out->subject, sizeof out->subject)) return -1;
    if (strchr(at, '[')) {
        if (!cut(&at, '[', metric, sizeof metric) || !cut(&at, ']', out->stratum, sizeof out->stratum)) return -1;
        if (*at || !stratum_fits(out->stratum)) return -1;
    } else {
        if (strlen(at) >= sizeof metric) return -1;
        strcpy(metric, at);
    }
    if (!parse_checkpoint(out) || !parse_subject(out)) return -1;
    out->row = find_row(out->probe >= 0 ? gs_probes[out->probe]->metrics : gs_metric_rows, metric);
    return out->row ? 0 : -1;
}

const gs_metric_row *gs_metric_find(const char *full_name)
{
    gs_metric_name name;
    return gs_metric_parse(full_name, &name) == 0 ? name.row : NULL;
}

static gs_metric *find(const gs_metrics *m, const char *name)
{
    for (size_t k = 0; k < m->count; k++)
        if (!strcmp(m->at[k].name, name)) return &m->at[k];
    return NULL;
}

void gs_metrics_set(gs_metrics *m, double value, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *name = gs_text_of(format, args);
    va_end(args);
    gs_metric *old = find(m, name);
    if (old) {
        old->value = value;
        free(name);
        return;
    }
    if (m->count == m->capacity) {
        m->capacity = m->capacity ? 2 * m->capacity : 32;
        m->at = gs_grow(m->at, m->capacity, sizeof *m->at);
    }
    m->at[m->count++] = (gs_metric){name, value};
}

const double *gs_metrics_get(const gs_metrics *m, const char *name)
{
    gs_metric *found = find(m, name);
    return found ? &found->value : NULL;
}

void gs_metrics_free(gs_metrics *m)
{
    for (size_t k = 0; k < m->count; k++) free(m->at[k].name);
    free(m->at);
    *m = (gs_metrics){0};
}
