/* Agreement of routing between runs: planted routings in a folder of a sweep. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tables/table.h"

enum { TOKENS = 400, RUNS = 5 };
static char dir[] = "/tmp/gridshift-agreement-XXXXXX";

static void spill(const char *name, const char *text)
{
    gs_err e;
    char *path = gs_text("%s/%s", dir, name);
    if (gs_file_write(path, text, strlen(text), &e)) fail_msg("%s", e.text);
    free(path);
}

/* Seed 0 routes token t to t mod 4; seed 1 the same with other names; seed 2 to (t / 4) mod 4, of which a quarter of each expert meets a
 * quarter of each other one; seed 3 left a broken file, seed 4 one of fewer tokens. */
static void plant(const gs_grid *g)
{
    static const int names[] = {2, 0, 3, 1};
    for (int seed = 0; seed < RUNS; seed++) {
        char id[33], *folder = gs_text("%s/runs/%s", dir, gs_run_id((gs_run){g, seed}, id)), *name;
        gs_buf b = {0};
        gs_err e;
        int tokens = seed == 4 ? TOKENS / 2 : TOKENS;
        gs_buf_add(&b, "routes 1 layers 4 experts %d tokens\n", tokens);
        for (int t = 0; t < tokens; t++) gs_buf_add(&b, "%02x", seed == 1 ? names[t % 4] : seed == 2 ? t / 4 % 4 : t % 4);
        if (seed == 3) b.text[b.length - 1] = '7'; /* no such expert */
        gs_buf_add(&b, "\n");
        assert_int_equal(gs_folder_make(folder, &e), 0);
        name = gs_text("runs/%s/routes.final.txt", id);
        spill(name, b.text);
        gs_buf_free(&b);
        free(folder), free(name);
    }
}

static void planted_routings(void **state)
{
    (void)state;
    gs_spec *s;
    gs_grid *g;
    gs_err e;
    spill("sweep.yaml", "sweep: 1\ndefaults: {ffn.kind: moe}\nparameters: {seed: {range: [0, 5]}}\n");
    char *path = gs_text("%s/sweep.yaml", dir);
    if (gs_spec_load(path, NULL, 0, &s, &e) || gs_grid_expand(s, &g, &e)) fail_msg("%s", e.text);
    plant(g);
    gs_result done = {.ok = true}, failed = {.ok = false};
    gs_entry entries[RUNS];
    for (int i = 0; i < RUNS; i++) entries[i] = (gs_entry){{g, i}, NULL, &done};
    gs_buf csv = {0}, md = {0};
    assert_int_equal(gs_agreement(dir, g, entries, RUNS, &csv, &md), 1);
    /* seeds 0, 1, 2: pairs of 1, 1/4 and 1/4; chance 1/4: corrected 1, 0, 0 */
    const char *want = "checkpoint,layer,runs,pairs,tokens,agreement,chance,corrected,least,most\n"
                       "final,0,3,3,400,0.5,0.25,0.3333333333333333,0.25,1\n";
    assert_string_equal(csv.text, want);
    assert_non_null(strstr(md.text, "| final | 0 | 3 | 50.0 | 25.0 | 0.333 | 25.0 to 100.0 |\n"));
    gs_buf_free(&csv), gs_buf_free(&md);
    entries[1].record = &failed, entries[2].record = NULL; /* one run alone agrees with nobody */
    assert_int_equal(gs_agreement(dir, g, entries, RUNS, &csv, &md), 0);
    gs_buf_free(&csv), gs_buf_free(&md);
    gs_grid_close(&g), gs_spec_close(&s);
    free(path);
}

int main(void)
{
    if (!mkdtemp(dir)) return 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(planted_routings)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    char *command = gs_text("rm -r %s", dir);
    int left = system(command);
    free(command);
    return failed || left;
}
