#include "sweep/pool.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sweep/read.h"

/* -- include ----------------------------------------------------------------------------------------------- */

static int64_t row_size(const gs_selector *row)
{
    int64_t n = 1;
    for (int t = 0; t < row->count; t++) {
        n *= row->terms[t].count;
        if (n > GS_RUNS_MOST) return GS_RUNS_MOST + 1;
    }
    return n;
}

static int count_rows(const gs_spec *s, int64_t *total, gs_err *e)
{
    for (int i = 0; i < s->include_count; i++) {
        gs_where at = s->include[i].where;
        *total += row_size(&s->include[i]);
        if (*total > GS_RUNS_MOST)
            return gs_error(e, "%s:%d:%d: with this row the sweep has more than 1000000 runs; split the sweep", s->path, at.line,
                            at.column);
    }
    return 0;
}

/* The row's runs, its first key slowest. */
static void fill_row(const gs_spec *s, const gs_maker *m, int row, gs_pool *p)
{
    const gs_selector *r = &s->include[row];
    int64_t size = row_size(r);
    gs_config c;
    for (int64_t i = 0; i < size; i++) {
        gs_config given = {0};
        int64_t rest = i;
        for (int t = r->count - 1; t >= 0; rest /= r->terms[t].count, t--)
            given.v[r->terms[t].key] = r->terms[t].values[rest % r->terms[t].count];
        gs_maker_config(m, &given, &c);
        p->row[p->configs.count] = row;
        gs_configs_add(&p->configs, &c);
    }
}

static int fill(const gs_spec *s, bool with_sets, gs_pool *p, gs_err *e)
{
    int64_t product, total;
    if (gs_product_count(s, with_sets, &product, e)) return -1;
    total = product;
    if (count_rows(s, &total, e)) return -1;
    *p = (gs_pool){.count = (int)total, .product = (int)product, .fate = gs_alloc((size_t)total + 1, sizeof *p->fate),
                   .row = gs_alloc((size_t)total + 1, sizeof *p->row)};
    gs_configs_reserve(&p->configs, p->count);
    gs_product_fill(s, with_sets, &p->configs);
    for (int i = 0; i < p->product; i++) p->row[i] = -1;
    gs_maker m;
    gs_maker_open(s, with_sets, &m);
    for (int i = 0; i < s->include_count; i++) fill_row(s, &m, i, p);
    return 0;
}

/* -- exclude, --set ---------------------------------------------------------------------------------------- */

static int exclude(const gs_spec *s, bool check, gs_pool *p, gs_err *e)
{
    for (int x = 0; x < s->exclude_count; x++) {
        bool any = false;
        for (int i = 0; i < p->product; i++) {
            if (!gs_configs_fit(&p->configs, i, &s->exclude[x])) continue;
            any = true;
            p->fate[i] = GS_EXCLUDED;
        }
        gs_where at = s->exclude[x].where;
        if (check && !any) return gs_error(e, "%s:%d:%d: this exclude fits no run; correct or remove it", s->path, at.line, at.column);
    }
    return 0;
}

void gs_pool_hide(const gs_spec *s, gs_pool *p)
{
    for (int i = 0; i < p->count; i++)
        for (int f = 0; f < s->filter_count && p->fate[i] == GS_STAYS; f++) {
            gs_value v = gs_configs_value(&p->configs, i, s->filters[f].key);
            if (v.set && !gs_term_has(&s->filters[f], v)) p->fate[i] = GS_HIDDEN;
        }
}

bool gs_match_refers(const gs_spec *s, const gs_pool *p, int run) { return gs_configs_fit(&p->configs, run, &s->match.reference); }
bool gs_match_changes(const gs_spec *s, const gs_pool *p, int run)
{
    return s->match.all_others ? !gs_match_refers(s, p, run) : gs_configs_fit(&p->configs, run, &s->match.subject);
}

static int check_match(const gs_spec *s, const gs_pool *p, gs_err *e)
{
    bool refers = false, changes = false;
    gs_where at = s->match.reference.where, to = s->match.all_others ? s->match.where : s->match.subject.where;
    for (int i = 0; i < p->count; i++) {
        if (p->fate[i] == GS_EXCLUDED) continue;
        bool is_reference = gs_match_refers(s, p, i), is_changed = gs_match_changes(s, p, i);
        if (is_reference && is_changed)
            return gs_error(e, "%s:%d:%d: a run fits both `reference` and `for` of match; make them apart", s->path, to.line, to.column);
        refers = refers || is_reference;
        changes = changes || is_changed;
    }
    if (!refers) return gs_error(e, "%s:%d:%d: the reference of match fits no run; correct it or add the run", s->path, at.line, at.column);
    return changes ? 0 : gs_error(e, "%s:%d:%d: match has no run to change; correct `for` or remove match", s->path, to.line, to.column);
}

int gs_pool_make(const gs_spec *s, bool with_sets, gs_pool *out, gs_err *e)
{
    *out = (gs_pool){0};
    if (fill(s, with_sets, out, e) || exclude(s, !with_sets, out, e)) return -1;
    return !with_sets && s->match.given ? check_match(s, out, e) : 0;
}

void gs_pool_free(gs_pool *p)
{
    gs_configs_free(&p->configs);
    free(p->fate);
    free(p->row);
    free(p->mismatch);
    *p = (gs_pool){0};
}

static bool varies(const gs_pool *p, bool hidden_too, const int64_t *column)
{
    int first = -1;
    for (int i = 0; i < p->count; i++) {
        if (p->fate[i] != GS_STAYS && !(hidden_too && p->fate[i] == GS_HIDDEN)) continue;
        if (first < 0) first = i;
        if (column[i] != column[first]) return true;
    }
    return false;
}

int gs_pool_varying(const gs_pool *p, bool hidden_too, gs_key keys[GS_KEY_COUNT])
{
    int count = 0;
    for (int k = 0; k < GS_KEY_COUNT; k++)
        if (p->configs.columns[k] && varies(p, hidden_too, p->configs.columns[k])) keys[count++] = (gs_key)k;
    return count;
}

/* -- one run ----------------------------------------------------------------------------------------------- */

static bool is_written(const gs_spec *s, gs_key key)
{
    for (int i = 0; i < s->include_count; i++)
        for (int t = 0; t < s->include[i].count; t++)
            if (s->include[i].terms[t].key == key) return true;
    return gs_axis_of(s, key, NULL);
}

void gs_run_words(const gs_spec *s, const gs_config *c, const gs_key *keys, int count, char out[256])
{
    size_t used = 0;
    char text[64];
    out[0] = 0;
    for (int i = 0; i < count && used < 256; i++)
        if (c->v[keys[i]].set && is_written(s, keys[i]))
            used += (size_t)snprintf(out + used, 256 - used, "%s%s %s", used ? ", " : "", gs_keys[keys[i]].name,
                                     gs_value_text(keys[i], c->v[keys[i]], text));
}

/* Where the run got the key from; false: from the key table. line 0: from --set. */
static bool source(const gs_spec *s, int row, gs_key key, gs_where *out)
{
    const gs_term *t = NULL;
    for (int i = 0; row >= 0 && i < s->include[row].count; i++)
        if (s->include[row].terms[i].key == key) t = &s->include[row].terms[i];
    if (row < 0) gs_axis_of(s, key, &t);
    if (t) *out = t->where;
    else if (s->replaced[key].set) *out = (gs_where){0, 0};
    else *out = s->defaults[key].where;
    return t || s->replaced[key].set || s->defaults[key].where.line;
}

/* The key to blame may have its default: then another key of the message is the one that somebody wrote. */
static gs_where best_source(const gs_spec *s, int row, gs_key key, const char *message)
{
    gs_where at = {1, 1};
    if (source(s, row, key, &at)) return at;
    for (int k = 0; k < GS_KEY_COUNT; k++)
        if (strstr(message, gs_keys[k].name) && source(s, row, (gs_key)k, &at)) return at;
    return row >= 0 ? s->include[row].where : (gs_where){1, 1};
}

int gs_run_check(const gs_spec *s, const gs_config *c, int row, const gs_key *keys, int count, gs_err *e)
{
    gs_key key = GS_TASK;
    gs_err why;
    char words[256];
    if (!gs_config_check(c, &key, &why)) return 0;
    gs_run_words(s, c, keys, count, words);
    gs_where at = best_source(s, row, key, why.text);
    const char *open = *words ? " (run: " : "", *shut = *words ? ")" : "";
    if (!at.line) return gs_error(e, "--set %s: %s%s%s%s", gs_keys[key].name, why.text, open, words, shut);
    return gs_error(e, "%s:%d:%d: %s%s%s%s", s->path, at.line, at.column, why.text, open, words, shut);
}
