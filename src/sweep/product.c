/* The Cartesian product of parameters and zip groups, under `when`.
 *
 * A dimension under a `when` that fails counts once and sets nothing. Dimensions without a `when` are assigned first, so that a
 * `when` may name a key further down; the runs are then put in file order. */
#include <stdlib.h>
#include <string.h>

#include "sweep/pool.h"

typedef struct walk {
    const gs_spec *s;
    gs_maker maker;
    int *order;      /* (axis_count): the axes as they are assigned */
    uint32_t *index; /* (axis_count): the value of each axis of this combination, in file order; 0 where it is off */
    bool *on;        /* (axis_count) */
    gs_config given; /* the keys that the combination sets */
    int64_t count;
    gs_configs *out;  /* NULL: only count */
    uint32_t *places; /* (count, axis_count): index of every run; NULL: they come in file order already */
    gs_err *e;
} walk;

void gs_maker_open(const gs_spec *s, bool with_sets, gs_maker *out)
{
    gs_config set = {0};
    for (int k = 0; k < GS_KEY_COUNT; k++) set.v[k] = with_sets && s->replaced[k].set ? s->replaced[k] : s->defaults[k].value;
    out->task = set.v[GS_TASK].set ? (int)set.v[GS_TASK].i : GS_TASK_ADDITION;
    for (int task = 0; task < GS_TASK_COUNT; task++) {
        gs_config_defaults(task, &out->start[task]);
        for (int k = 0; k < GS_KEY_COUNT; k++)
            if (set.v[k].set && k != GS_TASK) out->start[task].v[k] = set.v[k];
    }
}

void gs_maker_config(const gs_maker *m, const gs_config *given, gs_config *out)
{
    *out = m->start[given->v[GS_TASK].set ? (int)given->v[GS_TASK].i : m->task];
    for (int k = 0; k < GS_KEY_COUNT; k++)
        if (given->v[k].set) out->v[k] = given->v[k];
    gs_config_canonical(out);
}

static bool is_on(const walk *w, const gs_axis *a)
{
    gs_config c;
    if (!a->when.count) return true;
    gs_maker_config(&w->maker, &w->given, &c);
    return gs_selects(&a->when, &c);
}

/* A `when` was decided before the other conditional axes were: it must still hold with all of them. */
static int check_whens(walk *w)
{
    for (int i = 0; i < w->s->axis_count; i++) {
        const gs_axis *a = &w->s->axes[i];
        if (!a->when.count || is_on(w, a) == w->on[i]) continue;
        return gs_error(w->e, "%s:%d:%d: the `when` of %s depends on a parameter that has a `when` itself; put %s below that one",
                        w->s->path, a->when.where.line, a->when.where.column, gs_keys[a->terms[0].key].name, gs_keys[a->terms[0].key].name);
    }
    return 0;
}

static int on_combination(walk *w)
{
    int64_t at = w->count++;
    if (w->out) {
        gs_config c;
        gs_maker_config(&w->maker, &w->given, &c);
        gs_configs_add(w->out, &c);
        if (w->places) memcpy(w->places + at * w->s->axis_count, w->index, (size_t)w->s->axis_count * sizeof *w->index);
        return 0;
    }
    if (w->count > GS_RUNS_MOST)
        return gs_error(w->e, "%s:%d:%d: the product has more than 1000000 runs; split the sweep", w->s->path, w->s->axes[0].where.line,
                        w->s->axes[0].where.column);
    return check_whens(w);
}

static int visit(walk *w, int depth)
{
    if (depth == w->s->axis_count) return on_combination(w);
    int which = w->order[depth], failed = 0;
    const gs_axis *a = &w->s->axes[which];
    w->on[which] = is_on(w, a);
    int size = w->on[which] ? a->size : 1;
    for (int i = 0; i < size && !failed; i++) {
        w->index[which] = (uint32_t)i;
        for (int t = 0; t < a->count && w->on[which]; t++) w->given.v[a->terms[t].key] = a->terms[t].values[i];
        failed = visit(w, depth + 1);
    }
    for (int t = 0; t < a->count; t++) w->given.v[a->terms[t].key] = (gs_value){0};
    return failed;
}

static void open_walk(walk *w, const gs_spec *s, bool with_sets)
{
    size_t n = (size_t)s->axis_count + 1;
    *w = (walk){.s = s,
                .order = gs_alloc(n, sizeof *w->order),
                .index = gs_alloc(n, sizeof *w->index),
                .on = gs_alloc(n, sizeof *w->on)};
    gs_maker_open(s, with_sets, &w->maker);
    int at = 0;
    for (int conditional = 0; conditional < 2; conditional++)
        for (int i = 0; i < s->axis_count; i++)
            if ((s->axes[i].when.count > 0) == conditional) w->order[at++] = i;
}

static void close_walk(walk *w)
{
    free(w->order);
    free(w->index);
    free(w->on);
    free(w->places);
}

int gs_product_count(const gs_spec *s, bool with_sets, int64_t *out, gs_err *e)
{
    walk w;
    *out = 0;
    if (!s->axis_count && s->include_count) return 0; /* a file of include rows only */
    open_walk(&w, s, with_sets);
    w.e = e;
    int failed = visit(&w, 0);
    *out = w.count;
    close_walk(&w);
    return failed;
}

static int by_place(const void *a, const void *b, void *context)
{
    const walk *w = context;
    size_t n = (size_t)w->s->axis_count;
    const uint32_t *p = w->places + (size_t)*(const int *)a * n, *q = w->places + (size_t)*(const int *)b * n;
    for (size_t i = 0; i < n; i++)
        if (p[i] != q[i]) return p[i] < q[i] ? -1 : 1;
    return 0;
}

static void put_in_file_order(walk *w, gs_configs *out)
{
    int *order = gs_alloc((size_t)out->count, sizeof *order);
    for (int i = 0; i < out->count; i++) order[i] = i;
    qsort_r(order, (size_t)out->count, sizeof *order, by_place, w);
    gs_configs_keep(out, order, out->count);
    free(order);
}

void gs_product_fill(const gs_spec *s, bool with_sets, gs_configs *out)
{
    walk w;
    bool conditional = false;
    if (!s->axis_count && s->include_count) return;
    open_walk(&w, s, with_sets);
    w.out = out;
    for (int i = 0; i < s->axis_count; i++) conditional = conditional || s->axes[i].when.count;
    if (conditional) w.places = gs_alloc((size_t)out->capacity * (size_t)s->axis_count + 1, sizeof *w.places);
    visit(&w, 0);
    if (conditional) put_in_file_order(&w, out);
    close_walk(&w);
}
