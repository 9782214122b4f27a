/* Fuzzing target: bytes -> a checkpoint inside a run -> a training that goes on from it, or from nothing. Once as they are; then, where
 * they are a sound safetensors file, with the id and the checksum made to fit, so that what these guard is reached too. */
#include <string.h>
#include <sys/stat.h>

#include "cli/snapshot.h"
#include "fuzz.h"
#include "gridshift/store.h"

unsigned fuzz_taken;

static const char CONFIG[] = "{\"task\":\"modular\",\"task.modulus\":3,\"model.d_model\":2,\"model.heads\":1,\"ffn.width\":1,\"train.steps\":9,"
                             "\"eval.every\":2,\"eval.record_every\":3}";

static void make_fit(const char *path, const char *id)
{
    static const char *const names[] = {"format", "id", "wanted", "metrics", "checksum"};
    enum { COUNT = sizeof names / sizeof *names };
    const char *texts[COUNT];
    char checksum[33];
    gs_st_file f;
    gs_err e;
    if (gs_st_read(path, &f, &e)) return;
    for (int i = 0; i < COUNT; i++) texts[i] = gs_st_meta(&f, names[i]) ? gs_st_meta(&f, names[i]) : "";
    texts[1] = id;
    gs_st_checksum(f.tensors, f.count, texts, COUNT - 1, checksum);
    texts[COUNT - 1] = checksum;
    FUZZ_HOLDS(!gs_st_write(path, f.tensors, f.count, names, texts, COUNT, &e));
    gs_st_free(&f);
}

static void go_on(const gs_config *c, const char *id)
{
    gs_training *t;
    gs_record r = {0};
    gs_buf notes = {0};
    gs_err e;
    gs_snapshots s = {.dir = fuzz_folder(), .id = id};
    FUZZ_HOLDS(!gs_training_open(c, &t, &e));
    gs_snapshots_resume(&s, t, &r, &notes);
    FUZZ_HOLDS(s.step == t->step && t->step >= 0 && t->step <= 9 && (s.step > 0 || notes.length));
    fuzz_taken += s.step > 0;
    gs_train(t, NULL);
    char *curve = gs_curve_csv(t);
    free(curve);
    gs_training_close(&t);
    gs_record_free(&r);
    gs_buf_free(&notes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gs_config c;
    gs_err e;
    char id[33], path[160];
    gs_numeric_start();
    FUZZ_HOLDS(!gs_config_from_json(CONFIG, &c, &e));
    gs_config_id(&c, id);
    snprintf(path, sizeof path, "%s/checkpoints", fuzz_folder());
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/checkpoints/%s.a.safetensors", fuzz_folder(), id);
    fuzz_put(path, data, size);
    go_on(&c, id);
    make_fit(path, id);
    go_on(&c, id);
    return 0;
}
