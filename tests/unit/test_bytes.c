/* What a run is said to take before it starts, against what it has at once on the heap: for every task, kind, ablation and probe, for a run
 * that goes on from a checkpoint, and for the features. Never less, and at most half as much again (FACTOR) and SMALL bytes. */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/cli.h"
#include "folder.h"
#include "gridshift/linalg.h"

enum { SMALL = 600 * 1000 };
static const double FACTOR = 1.5;

/* -- the heap, counted ------------------------------------------------------------------------------------------- */

/* The sanitizers have these functions for themselves, and valgrind those behind them. */
static int64_t live, peak;
#ifndef __SANITIZE_ADDRESS__
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

static void *more(void *p)
{
    live += p ? (int64_t)malloc_usable_size(p) : 0;
    if (live > peak) peak = live;
    return p;
}
static void less(void *p) { live -= p ? (int64_t)malloc_usable_size(p) : 0; }
void *malloc(size_t n) { return more(__libc_malloc(n)); }
void *calloc(size_t n, size_t size) { return more(__libc_calloc(n, size)); }
void *aligned_alloc(size_t alignment, size_t n) { return more(__libc_memalign(alignment, n)); }
void free(void *p)
{
    less(p);
    __libc_free(p);
}
void *realloc(void *p, size_t n)
{
    less(p);
    return more(__libc_realloc(p, n));
}
#endif

/* -- runs --------------------------------------------------------------------------------------------------------- */

typedef struct session {
    int steps_left; /* until the stop is asked; negative: never */
} session;

static bool asked(void *context) { return ((session *)context)->steps_left-- == 0; }

/* A session of the run; -> what it had at once beside what was there. */
static int64_t bytes_of(const char *dir, const gs_config *c, gs_wanted w, int steps, gs_outcome wanted)
{
    gs_record r;
    session s = {steps};
    int64_t before = peak = live;
    const gs_work work = {.dir = dir, .config = c, .wanted = w, .asked = asked, .context = &s};
    gs_outcome outcome = gs_execute(&work, &r);
    int64_t most = peak - before;
    if (outcome != wanted || (outcome == GS_RUN_RECORDED && !r.ok)) fail_msg("%s", r.reason);
    gs_record_free(&r);
    return most;
}

/* stop: before step stop + 1, and then once more to the end; 0: in one session. */
static void as_said(const char *json, gs_wanted w, int stop, const char *what)
{
    gs_config c;
    gs_counts n;
    gs_err e;
    static int folders;
    char *dir = gs_text("%s/%d", root, folders++);
    if (gs_config_from_json(json, &c, &e)) fail_msg("%s: %s", json, e.text);
    assert_int_equal(mkdir(dir, 0777), 0);
    gs_count(&c, &n);
    int64_t said = gs_run_bytes(&c, &n, w), had = stop ? bytes_of(dir, &c, w, stop, GS_RUN_INTERRUPTED) : 0;
    int64_t last = bytes_of(dir, &c, w, -1, GS_RUN_RECORDED);
    if (last > had) had = last;
    free(dir);
    if (said < had) fail_msg("%s %s: %lld bytes were said, and it had %lld", what, json, (long long)said, (long long)had);
    if ((double)said > FACTOR * (double)had + SMALL) fail_msg("%s %s: %lld bytes were said, and it had only %lld", what, json, (long long)said, (long long)had);
}

#define SHORT ",\"train.steps\":2,\"eval.every\":5}" /* no evaluation, so no best checkpoint to be measured */
static const char *const tasks[] = {"{\"task\":\"addition\"", "{\"task\":\"modular\",\"task.modulus\":37",
                                    "{\"task\":\"histogram\",\"task.samples\":200,\"task.test_samples\":500,\"task.alphabet\":24,\"task.length\":12"};
static const char *const kinds[] = {"dense\"", "glu\"", "moe\"", "moe_glu\",\"model.layers\":2,\"model.norm\":\"rmsnorm\""};
enum { TASKS = sizeof tasks / sizeof *tasks, KINDS = sizeof kinds / sizeof *kinds };
#define SIZES ",\"ffn.width\":120,\"model.d_model\":48"

/* With every so many of the kinds, from the last one down; histogram, whose labels take a linear probe its time, not with the last. */
static void each(gs_wanted w, int kinds_step, const char *tail, int stop, const char *what)
{
    if (!live) { /* cmocka's skip() is "not ok" in TAP */
        print_message("# not looked at: nothing counts the heap here\n");
        return;
    }
    for (int task = 0; task < TASKS; task++)
        for (int kind = KINDS - 1 - (task == 2 ? kinds_step : 0); kind >= 0; kind -= kinds_step) {
            char *json = gs_text("%s,\"ffn.kind\":\"%s%s" SHORT, tasks[task], kinds[kind], tail);
            as_said(json, w, stop, what);
            free(json);
        }
}

static void a_run_alone(void **state)
{
    (void)state;
    each((gs_wanted){0}, 1, SIZES, 0, "alone");
    each((gs_wanted){0}, 2, ",\"model.d_model\":128,\"ffn.width\":512", 1, "resumed");
}

static void ablations(void **state)
{
    (void)state;
    each((gs_wanted){.ablate = GS_ABLATE(GS_SITE_FFN_OUT, GS_MODE_ZERO)}, 2, SIZES, 0, "zero");
    each((gs_wanted){.ablate = GS_ABLATE(GS_SITE_ATTN_OUT, GS_MODE_MEAN)}, 2, SIZES, 0, "mean");
}

static void every_probe(void **state)
{
    (void)state;
    for (int i = 0; gs_probes[i]; i++) each((gs_wanted){.probes = UINT32_C(1) << i}, 2, SIZES, 0, gs_probes[i]->name);
}

static void all_together(void **state)
{
    (void)state;
    each((gs_wanted){.ablate = GS_ABLATE_ALL, .probes = UINT32_MAX, .probe_every = 2}, 3, SIZES ",\"eval.record_every\":2", 0, "all");
    each((gs_wanted){0}, 3, SIZES ",\"analysis.features\":true,\"analysis.inputs\":3000", 0, "features");
}

int main(void)
{
    gs_numeric_start();
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_run_alone), cmocka_unit_test(ablations), cmocka_unit_test(every_probe),
                                       cmocka_unit_test(all_together)};
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
