/* Configs and look-ups for the tests of the tasks. Included after cmocka.h. */
#ifndef TASK_HELPERS_H
#define TASK_HELPERS_H
#include "gridshift/task.h"

static inline void set_int(gs_config *c, gs_key key, int64_t value) { c->v[key] = (gs_value){.set = true, .i = value}; }

static inline gs_config addition(int operands, int digits, int addend)
{
    gs_config c = {0};
    set_int(&c, GS_TASK, GS_TASK_ADDITION);
    set_int(&c, GS_TASK_OPERANDS, operands);
    set_int(&c, GS_TASK_DIGITS, digits);
    if (operands == 1) set_int(&c, GS_TASK_ADDEND, addend);
    set_int(&c, GS_TRAIN_BATCH, 128);
    set_int(&c, GS_SEED, 42);
    return c;
}

static inline gs_config modular(int modulus, double fraction, int op)
{
    gs_config c = {0};
    set_int(&c, GS_TASK, GS_TASK_MODULAR);
    set_int(&c, GS_TASK_OP, op);
    set_int(&c, GS_TASK_MODULUS, modulus);
    c.v[GS_TASK_FRACTION] = (gs_value){.set = true, .r = fraction};
    set_int(&c, GS_SEED, 42);
    return c;
}

static inline gs_config histogram(int alphabet, int length)
{
    gs_config c = {0};
    set_int(&c, GS_TASK, GS_TASK_HISTOGRAM);
    set_int(&c, GS_TASK_ALPHABET, alphabet);
    set_int(&c, GS_TASK_LENGTH, length);
    set_int(&c, GS_TASK_PARTS, GS_PARTS_PROPER);
    set_int(&c, GS_TASK_SAMPLES, 10000);
    set_int(&c, GS_TASK_TEST, 3000);
    set_int(&c, GS_TASK_REFRESH, 50);
    set_int(&c, GS_SEED, 42);
    return c;
}

static inline gs_task *opened(const gs_config *c)
{
    gs_task *t = NULL;
    gs_err e = {{0}};
    if (gs_task_open(c, &t, &e)) fail_msg("%s", e.text);
    return t;
}

static inline int stratum(const gs_task *t, const char *name)
{
    int count;
    const gs_stratum *strata = gs_task_strata(t, &count);
    for (int s = 0; s < count; s++)
        if (!strcmp(strata[s].name, name)) return s;
    fail_msg("no stratum %s", name);
    return -1;
}

/* A position belongs to exactly these strata: names separated by blanks. */
static inline void assert_strata(const gs_task *t, const gs_data *d, int i, int position, const char *names)
{
    uint64_t want = 0;
    char text[128], *rest = text;
    snprintf(text, sizeof text, "%s", names);
    for (char *name; (name = strsep(&rest, " "));) want |= UINT64_C(1) << stratum(t, name);
    assert_int_equal(d->strata[i * d->length + position], want);
}

/* Sequences (of a whole stratum) or scored positions that belong to it. */
static inline int members(const gs_task *t, const gs_data *d, const char *name)
{
    int count = 0, s = stratum(t, name), strata;
    bool whole = gs_task_strata(t, &strata)[s].whole;
    for (int i = 0; i < d->n; i++) {
        int found = 0;
        for (int p = 0; p < d->length; p++) found += d->scored[i * d->length + p] && (d->strata[i * d->length + p] >> s & 1);
        count += whole ? found > 0 : found;
    }
    return count;
}

static inline bool same_data(const gs_data *a, const gs_data *b)
{
    size_t bytes = (size_t)a->n * (size_t)a->length * sizeof *a->tokens;
    return a->n == b->n && !memcmp(a->tokens, b->tokens, bytes) && !memcmp(a->targets, b->targets, bytes);
}

static inline void assert_row(const int32_t *got, const int32_t *want, int length)
{
    for (int i = 0; i < length; i++) assert_int_equal(got[i], want[i]);
}
#endif
