/* safetensors: the round trip, and hostile files, each of which must be refused with a sentence and without a crash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gridshift/store.h"

static char *scratch_path(void)
{
    char *path = gs_text("%s/gridshift-st-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    return path;
}

/* A file of a header text and so many bytes of data; the header length is `claimed`, or true when 0. */
static int read_made(const char *header, uint64_t claimed, size_t data, gs_st_file *out, gs_err *e)
{
    char *path = scratch_path(), zeros[256] = {0};
    uint64_t length = claimed ? claimed : strlen(header);
    gs_buf b = {0};
    gs_buf_bytes(&b, &length, 8);
    gs_buf_bytes(&b, header, strlen(header));
    for (; data; data -= data < sizeof zeros ? data : sizeof zeros) gs_buf_bytes(&b, zeros, data < sizeof zeros ? data : sizeof zeros);
    assert_int_equal(gs_file_write(path, b.text, b.length, e), 0);
    int failed = gs_st_read(path, out, e);
    unlink(path);
    gs_buf_free(&b);
    free(path);
    return failed;
}

static void test_round_trip(void **state)
{
    (void)state;
    float w[6] = {1, -2, 3.5f, 0, 1e-30f, -0.0f};
    double loss[1] = {0.1};
    int64_t tokens[3] = {7, -1, INT64_MAX};
    gs_st_tensor in[] = {{.name = "w", .dtype = "F32", .rank = 2, .shape = {2, 3}, .data = w, .bytes = sizeof w},
                         {.name = "empty", .dtype = "F32", .rank = 1, .shape = {0}, .data = w, .bytes = 0},
                         {.name = "tokens", .dtype = "I64", .rank = 1, .shape = {3}, .data = tokens, .bytes = sizeof tokens},
                         {.name = "loss", .dtype = "F64", .rank = 0, .data = loss, .bytes = sizeof loss}};
    gs_st_tensor turned[4] = {in[3], in[2], in[1], in[0]};
    const char *keys[] = {"config", "note"}, *values[] = {"{\"seed\":0}", "gr\xc3\xbc\xc3\x9f"};
    char *path = scratch_path(), *first, *second;
    size_t first_length, second_length;
    gs_err e;
    gs_st_file f;
    assert_int_equal(gs_st_write(path, in, 4, keys, values, 2, &e), 0);
    assert_int_equal(gs_file_read(path, 1 << 20, &first, &first_length, &e), 0);
    assert_int_equal(gs_st_read(path, &f, &e), 0);
    assert_int_equal(gs_st_write(path, turned, 4, keys, values, 2, &e), 0);
    assert_int_equal(gs_file_read(path, 1 << 20, &second, &second_length, &e), 0);
    assert_int_equal(first_length, second_length);
    assert_memory_equal(first, second, first_length);
    assert_int_equal((uint64_t)first[0] % 8, 0); /* the values begin aligned */

    assert_int_equal(f.count, 4);
    assert_string_equal(f.tensors[0].name, "loss");
    for (int i = 0; i < 4; i++) {
        const gs_st_tensor *t = gs_st_find(&f, in[i].name);
        assert_non_null(t);
        assert_string_equal(t->dtype, in[i].dtype);
        assert_int_equal(t->rank, in[i].rank);
        assert_int_equal(t->bytes, in[i].bytes);
        assert_int_equal((uintptr_t)t->data % 8, 0);
        assert_memory_equal(t->data, in[i].data, t->bytes);
    }
    assert_int_equal(gs_st_find(&f, "w")->shape[1], 3);
    assert_null(gs_st_find(&f, "v"));
    assert_string_equal(gs_st_meta(&f, "note"), values[1]);
    assert_null(gs_st_meta(&f, "no"));
    gs_st_free(&f);
    unlink(path);
    free(path), free(first), free(second);
}

static void test_misaligned(void **state)
{
    (void)state;
    gs_st_file f;
    gs_err e;
    const char *header = "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
                         "\"b\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[4,12]}}";
    assert_int_equal(read_made(header, 0, 12, &f, &e), 0);
    assert_int_equal((uintptr_t)gs_st_find(&f, "b")->data % 8, 0);
    gs_st_free(&f);
}

static void test_write_refuses(void **state)
{
    (void)state;
    gs_err e;
    float w = 1;
    gs_st_tensor twice[2] = {{.name = "w", .dtype = "F32", .data = &w, .bytes = 4}, {.name = "w", .dtype = "F32", .data = &w, .bytes = 4}};
    gs_st_tensor bad = {.name = "\xff", .dtype = "F32", .data = &w, .bytes = 4};
    assert_int_equal(gs_st_write("/nowhere/x", twice, 2, NULL, NULL, 0, &e), -1);
    assert_non_null(strstr(e.text, "twice"));
    assert_int_equal(gs_st_write("/nowhere/x", &bad, 1, NULL, NULL, 0, &e), -1);
    assert_non_null(strstr(e.text, "UTF-8"));
    assert_int_equal(gs_st_write("/nowhere/x", &twice[0], 1, NULL, NULL, 0, &e), -1);
    assert_non_null(strstr(e.text, "/nowhere/x"));
}

#define ONE(dtype, shape, offsets) "{\"w\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
static const struct hostile {
    const char *header;
    uint64_t claimed;
    size_t data;
    const char *says;
} hostiles[] = {
    {"{}", 0, 4, "the last 4 bytes belong to no tensor"},
    {"{}", 1, 0, "not a JSON object"},
    {"{}", 3, 0, "does not fit"},
    {"{}", UINT64_MAX, 0, "does not fit"},
    {"{}", (uint64_t)1 << 63, 0, "does not fit"},
    {"{}", UINT64_MAX - 7, 0, "does not fit"},
    {"", 0, 0, "not a JSON object"},
    {"[]", 0, 0, "it is a list"},
    {"nonsense", 0, 0, "not a JSON object"},
    {"{\"w\":1}", 0, 0, "dtype (none)"},
    {"{\"w\":[]}", 0, 0, "dtype (none)"},
    {"{\"w\":{},\"w\":{}}", 0, 0, "not a JSON object"},
    {"{\"w\\u0000x\":{}}", 0, 0, "not a JSON object"},
    {ONE("\"BF16\"", "[1]", "[0,2]"), 0, 2, "dtype BF16"},
    {ONE("\"\"", "[1]", "[0,2]"), 0, 2, "dtype "},
    {ONE("7", "[1]", "[0,2]"), 0, 2, "dtype (none)"},
    {ONE("\"F32\"", "[1]", "[0,8]"), 0, 8, "do not need"},
    {ONE("\"F32\"", "[2]", "[0,4]"), 0, 4, "do not need"},
    {ONE("\"F64\"", "[1]", "[0,4]"), 0, 4, "do not need"},
    {ONE("\"F32\"", "[1]", "[0,4]"), 0, 3, "not inside the 3 bytes"},
    {ONE("\"F32\"", "[1]", "[4,8]"), 0, 8, "4 bytes before tensor w"},
    {ONE("\"F32\"", "[1]", "[0,4]"), 0, 8, "the last 4 bytes"},
    {ONE("\"F32\"", "[1]", "[4,0]"), 0, 8, "not inside"},
    {ONE("\"F32\"", "[1]", "[-4,0]"), 0, 8, "not inside"},
    {ONE("\"F32\"", "[1]", "[9223372036854775800,9223372036854775804]"), 0, 8, "not inside"},
    {ONE("\"F32\"", "[1]", "[9223372036854775808,9223372036854775812]"), 0, 8, "not a JSON object"},
    {ONE("\"F32\"", "[1]", "[0]"), 0, 4, "two integers"},
    {ONE("\"F32\"", "[1]", "[0,4,4]"), 0, 4, "two integers"},
    {ONE("\"F32\"", "[1]", "{}"), 0, 4, "two integers"},
    {ONE("\"F32\"", "[1]", "[0.0,4.0]"), 0, 4, "two integers"},
    {ONE("\"F32\"", "1", "[0,4]"), 0, 4, "a list of at most 8"},
    {ONE("\"F32\"", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 0, 4, "a list of at most 8"},
    {ONE("\"F32\"", "[-1]", "[0,4]"), 0, 4, "size 1 of the shape"},
    {ONE("\"F32\"", "[1,\"1\"]", "[0,4]"), 0, 4, "size 2 of the shape"},
    {ONE("\"F32\"", "[4294967296,4294967296]", "[0,0]"), 0, 0, "size 2 of the shape"},
    {ONE("\"F32\"", "[4611686018427387904]", "[0,0]"), 0, 0, "do not need"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
     "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}",
     0, 12, "a and b overlap"},
    {"{\"__metadata__\":7}", 0, 0, "an object of texts"},
    {"{\"__metadata__\":{\"a\":7}}", 0, 0, "a is not a text"},
};

static void test_hostile(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof hostiles / sizeof *hostiles; i++) {
        gs_st_file f;
        gs_err e = {""};
        int failed = read_made(hostiles[i].header, hostiles[i].claimed, hostiles[i].data, &f, &e);
        if (failed != -1 || !strstr(e.text, hostiles[i].says))
            fail_msg("case %zu: expected \"%s\", got %d \"%s\"", i, hostiles[i].says, failed, e.text);
        assert_null(f.tensors);
    }
}

static void test_deep_and_short(void **state)
{
    (void)state;
    gs_st_file f;
    gs_err e;
    char *deep = malloc(200001);
    memset(deep, '[', 200000);
    deep[200000] = 0;
    assert_int_equal(read_made(deep, 0, 0, &f, &e), -1);
    assert_non_null(strstr(e.text, "not a JSON object"));
    free(deep);

    char *path = scratch_path();
    for (size_t length = 0; length < 8; length++) {
        assert_int_equal(gs_file_write(path, "\1\0\0\0\0\0\0\0", length, &e), 0);
        assert_int_equal(gs_st_read(path, &f, &e), -1);
        assert_non_null(strstr(e.text, "are no safetensors file"));
    }
    unlink(path);
    free(path);
    assert_int_equal(gs_st_read("/nowhere/model.safetensors", &f, &e), -1);
    assert_int_equal(gs_st_read("/tmp", &f, &e), -1);
}

/* Every cut and every flipped byte of a good file: an error or a sound table, never a crash. */
static void test_damaged_everywhere(void **state)
{
    (void)state;
    float w[4] = {1, 2, 3, 4};
    gs_st_tensor in = {.name = "w", .dtype = "F32", .rank = 2, .shape = {2, 2}, .data = w, .bytes = sizeof w};
    const char *key = "k", *value = "v";
    char *path = scratch_path(), *good;
    size_t length;
    gs_err e;
    gs_st_file f;
    assert_int_equal(gs_st_write(path, &in, 1, &key, &value, 1, &e), 0);
    assert_int_equal(gs_file_read(path, 1 << 20, &good, &length, &e), 0);
    FILE *raw = fopen(path, "r+b"); /* in place: a rename for each case would take a while */
    assert_non_null(raw);
    for (size_t i = 0; i < length; i++) {
        char was = good[i];
        good[i] ^= 0x15;
        rewind(raw);
        fwrite(good, 1, length, raw);
        fflush(raw);
        good[i] = was;
        if (gs_st_read(path, &f, &e)) continue;
        for (int t = 0; t < f.count; t++) assert_true(f.tensors[t].bytes <= length);
        gs_st_free(&f);
    }
    rewind(raw);
    fwrite(good, 1, length, raw);
    fflush(raw);
    for (size_t cut = length; cut-- > 0;) {
        assert_int_equal(ftruncate(fileno(raw), (off_t)cut), 0);
        assert_int_equal(gs_st_read(path, &f, &e), -1);
    }
    fclose(raw);
    unlink(path);
    free(path), free(good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip),     cmocka_unit_test(test_misaligned),
                                       cmocka_unit_test(test_write_refuses),  cmocka_unit_test(test_hostile),
                                       cmocka_unit_test(test_deep_and_short), cmocka_unit_test(test_damaged_everywhere)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
