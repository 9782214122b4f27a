/* Fuzzing target: bytes -> journal.jsonl -> records. Once as they are, once with every line's checksum made to fit, so that the records
 * themselves are reached; then the journal is opened for writing and goes on. */
#include <string.h>

#include "fuzz.h"
#include "gridshift/store.h"

unsigned fuzz_taken;

/* Each line's eight digits, whatever they were, become its checksum. */
static gs_buf with_checksums(const char *data, size_t size)
{
    gs_buf out = {0};
    gs_buf_add(&out, "%s", "");
    for (size_t at = 0; at < size;) {
        const char *end = memchr(data + at, '\n', size - at);
        size_t length = end ? (size_t)(end - data) - at : size - at, body = length > 9 ? 9 : length;
        gs_buf_add(&out, "%08x ", (unsigned)gs_crc32(data + at + body, length - body));
        gs_buf_bytes(&out, data + at + body, length - body);
        if (end) gs_buf_bytes(&out, "\n", 1);
        at += length + 1;
    }
    return out;
}

static size_t load(const char *dir)
{
    gs_records r;
    gs_buf damage = {0};
    gs_err e;
    FUZZ_HOLDS(!gs_records_load(dir, &r, &damage, &e));
    for (size_t i = 0; i < r.count; i++) {
        FUZZ_HOLDS(gs_records_find(&r, r.at[i].id) == &r.at[i]);
        gs_record whole;
        if (i > 2 || gs_record_read(dir, r.at[i].id, &whole, &e)) continue;
        char *json = gs_record_json(&whole);
        free(json);
        gs_record_free(&whole);
    }
    size_t count = r.count;
    gs_records_free(&r);
    gs_buf_free(&damage);
    return count;
}

static void go_on(const char *dir)
{
    static const char record[] = "{\"id\":\"00000000000000000000000000000000\"}";
    gs_journal *j;
    gs_err e;
    size_t before = load(dir);
    FUZZ_HOLDS(!gs_journal_open(dir, GS_WHOLE, &j, &e));
    FUZZ_HOLDS(!gs_journal_add(j, record, sizeof record - 1, &e) && !gs_journal_sync(j, &e));
    gs_journal_close(&j);
    FUZZ_HOLDS(load(dir) == before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *dir = fuzz_folder();
    char path[96];
    snprintf(path, sizeof path, "%s/journal.jsonl", dir);
    fuzz_put(path, data, size);
    fuzz_taken += load(dir) > 0;
    gs_buf fitting = with_checksums((const char *)data, size);
    fuzz_put(path, fitting.text, fitting.length);
    go_on(dir);
    gs_buf_free(&fitting);
    return 0;
}
