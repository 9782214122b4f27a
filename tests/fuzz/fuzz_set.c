/* Fuzzing target: the lines of the bytes as --set words over a fixed sweep -> grid. */
#include <string.h>

#include "fuzz.h"
#include "gridshift/sweep.h"

unsigned fuzz_taken;

static const char SWEEP[] = "sweep: 1\nname: fuzz\ndefaults: {task.digits: 2, train.steps: 10}\nparameters:\n  ffn.kind: {values: [dense, moe]}\n"
                            "  ffn.top_k: {values: [1, 2], when: {ffn.kind: moe}}\n  train.lr: {values: [0.001, 1e-2]}\n  seed: {range: [0, 3]}\n"
                            "exclude: [{ffn.top_k: 2, seed: 2}]\ninclude: [{ffn.kind: glu, seed: [0, 1, 2]}]\n"
                            "match: {count: params_total, reference: {ffn.kind: dense}, for: {ffn.kind: glu}, solve: ffn.width, within: 10%}\n"
                            "tables:\n  t: {kind: comparison, rows: [ffn.kind, ffn.top_k, train.lr], metrics: [final.clean.accuracy]}\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { MOST = 16 };
    gs_set sets[MOST];
    int count = 0;
    char path[96], *text = gs_text("%.*s", (int)size, (const char *)data), *rest = text;
    gs_spec *s = NULL;
    gs_grid *g = NULL;
    gs_err e;
    snprintf(path, sizeof path, "%s/sweep.yaml", fuzz_folder());
    if (access(path, F_OK)) fuzz_put(path, SWEEP, sizeof SWEEP - 1);
    for (char *line; count < MOST && (line = strsep(&rest, "\n"));) sets[count++] = (gs_set){.text = line};
    if (!gs_spec_load(path, sets, count, &s, &e)) fuzz_taken += !gs_grid_expand(s, &g, &e);
    gs_grid_close(&g);
    gs_spec_close(&s);
    free(text);
    return 0;
}
