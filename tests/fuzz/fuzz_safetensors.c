/* Fuzzing target: bytes -> safetensors -> the same file again; and as a model with its config. */
#include <string.h>

#include "cli/checkpoint.h"
#include "fuzz.h"
#include "gridshift/store.h"

unsigned fuzz_taken;

/* Every byte of every tensor can be read, and is where its type may stand. */
static uint64_t touch(const gs_st_file *f)
{
    uint64_t sum = 0;
    for (int i = 0; i < f->count; i++) {
        const gs_st_tensor *t = &f->tensors[i];
        FUZZ_HOLDS((uintptr_t)t->data % 4 == 0);
        for (size_t b = 0; b < t->bytes; b++) sum = sum * 31 + ((const uint8_t *)t->data)[b];
    }
    return sum;
}

static void write_again(const gs_st_file *f, const char *path)
{
    gs_st_file back;
    gs_err e;
    FUZZ_HOLDS(!gs_st_write(path, f->tensors, f->count, (const char *const *)f->meta_keys, (const char *const *)f->meta_values, f->meta_count, &e));
    FUZZ_HOLDS(!gs_st_read(path, &back, &e));
    FUZZ_HOLDS(back.count == f->count && back.meta_count == f->meta_count);
    for (int i = 0; i < f->count; i++) {
        const gs_st_tensor *a = &f->tensors[i], *b = gs_st_find(&back, a->name);
        FUZZ_HOLDS(b && b->bytes == a->bytes && !memcmp(a->data, b->data, a->bytes) && !memcmp(a->shape, b->shape, sizeof a->shape));
    }
    gs_st_free(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[96], again[96];
    snprintf(path, sizeof path, "%s/given", fuzz_folder());
    snprintf(again, sizeof again, "%s/again", fuzz_folder());
    fuzz_put(path, data, size);
    gs_st_file f;
    gs_model *m = NULL;
    gs_err e;
    int64_t step;
    if (!gs_st_read(path, &f, &e)) {
        touch(&f);
        write_again(&f, again);
        gs_st_free(&f);
    }
    if (!gs_checkpoint_read(path, &m, &step, &e)) {
        fuzz_taken++;
        gs_model_close(&m);
    }
    return 0;
}
