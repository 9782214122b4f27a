#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gridshift/base.h"

static void real_is_shortest(void **state)
{
    (void)state;
    const struct { double x; const char *text; } table[] = {
        {0.1, "0.1"}, {1e-8, "1e-08"}, {0, "0"}, {100, "100"}, {-1e4, "-10000"}, {1e6, "1e+06"}, {-2.5, "-2.5"}, {1.0 / 3, "0.3333333333333333"}, {4294967295.0, "4294967295"}, {NAN, "nan"}};
    char out[32];
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) assert_string_equal(gs_real(table[i].x, out), table[i].text);
}

static double error_of(double got, double want) { return fabs(got - want) / fmax(fabs(want), 1e-300); }

static void functions_agree_with_libm(void **state)
{
    (void)state;
    double worst_log = 0, worst_log1p = 0, worst_cos = 0, worst_exp = 0;
    for (int i = 1; i < 200000; i++) {
        double u = i / 200000.0, x = exp(60 * (u - 0.5));
        worst_log = fmax(worst_log, error_of(gs_log(x), log(x)));
        worst_log1p = fmax(worst_log1p, error_of(gs_log1p(x), log1p(x)));
        worst_cos = fmax(worst_cos, fabs(gs_cospi2(u) - (double)cosl(2 * 3.14159265358979323846L * (long double)u)));
        worst_exp = fmax(worst_exp, error_of(gs_exp(1400 * (u - 0.5)), exp(1400 * (u - 0.5))));
    }
    assert_true(worst_log < 1e-15 && worst_log1p < 1e-15 && worst_cos < 1e-15 && worst_exp < 1e-15);
    assert_true(gs_exp(-1000) == 0 && isinf(gs_exp(1000)) && gs_log(1) == 0 && gs_log1p(0) == 0);
}

/* The known answer of Random123's kat_vectors for philox4x32-10 with all-zero key and counter. */
static void philox_known_answer(void **state)
{
    (void)state;
    gs_rng zero = {0, 0};
    const uint32_t want[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
    for (uint32_t i = 0; i < 4; i++) assert_int_equal(gs_rng_u32(zero, 0, 0, i), want[i]);
}

static void random_numbers_have_their_moments(void **state)
{
    (void)state;
    gs_rng r = gs_rng_of(7, GS_RNG_INIT);
    double sum = 0, square = 0, uniform = 0;
    const int n = 200000;
    for (int i = 0; i < n; i++) {
        double x = gs_rng_normal(r, 3, 1, (uint32_t)i), u = gs_rng_uniform(r, 4, 1, (uint32_t)i);
        assert_true(u > 0 && u < 1);
        sum += x, square += x * x, uniform += u;
    }
    assert_true(fabs(sum / n) < 0.01 && fabs(square / n - 1) < 0.02 && fabs(uniform / n - 0.5) < 0.005);
}

/* Wherever a row of them begins or ends in its blocks of four, across 2^32 too, and nothing behind it is written. */
static void uniforms_are_those_of_one_at_a_time(void **state)
{
    (void)state;
    gs_rng r = gs_rng_of(7, GS_RNG_DROPOUT);
    for (uint32_t first = UINT32_MAX - 12; first < UINT32_MAX; first++)
        for (size_t count = 0; count <= 8; count++) {
            double row[9];
            row[count] = -1;
            gs_rng_uniforms(r, 3, 1, first, count, row);
            for (size_t i = 0; i < count; i++) assert_true(row[i] == gs_rng_uniform(r, 3, 1, first + (uint32_t)i));
            assert_true(row[count] == -1);
        }
}

static void permutation_is_one(void **state)
{
    (void)state;
    int32_t p[100], again[100], seen[100] = {0}, moved = 0;
    gs_rng_permutation(gs_rng_of(1, GS_RNG_SPLIT), 0, 0, 100, p);
    gs_rng_permutation(gs_rng_of(1, GS_RNG_SPLIT), 0, 0, 100, again);
    assert_memory_equal(p, again, sizeof p);
    for (int i = 0; i < 100; i++) seen[p[i]]++, moved += p[i] != i;
    for (int i = 0; i < 100; i++) assert_int_equal(seen[i], 1);
    assert_true(moved > 80);
}

static void arena_measures_then_carves(void **state)
{
    (void)state;
    gs_arena a = {0};
    gs_err e;
    assert_null(gs_arena_take(&a, 3, 4));
    assert_null(gs_arena_take(&a, 100, 4));
    assert_int_equal(a.used, 64 + 448);
    assert_int_equal(gs_arena_open(&a, &e), 0);
    char *first = gs_arena_take(&a, 3, 4), *second = gs_arena_take(&a, 100, 4);
    assert_int_equal((uintptr_t)first % 64, 0);
    assert_int_equal(second - first, 64);
    gs_arena_close(&a);
    assert_null(a.base);
}

static void files_are_whole_or_not(void **state)
{
    (void)state;
    char folder[] = "/tmp/gridshift-base-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char *path = gs_text("%s/a/b/file", folder), *deep = gs_text("%s/a/b", folder), *data;
    size_t length;
    gs_err e;
    assert_int_equal(gs_file_write(path, "x", 1, &e), -1); /* no such folder */
    assert_int_equal(gs_folder_make(deep, &e), 0);
    assert_int_equal(gs_folder_make(deep, &e), 0);
    assert_int_equal(gs_file_write(path, "hello", 5, &e), 0);
    assert_int_equal(gs_file_read(path, 5, &data, &length, &e), 0);
    assert_int_equal(length, 5);
    assert_string_equal(data, "hello");
    free(data);
    assert_int_equal(gs_file_read(path, 4, &data, &length, &e), -1);
    assert_non_null(strstr(e.text, "5 bytes are more than the 4"));
    assert_int_equal(gs_file_read(deep, 100, &data, &length, &e), -1);
    assert_non_null(strstr(e.text, "this is a folder"));
    assert_int_equal(gs_folder_make(path, &e), -1); /* a file is in the way */
    unlink(path);
    rmdir(deep);
    free(path), free(deep);
}

static void hashes_are_known(void **state)
{
    (void)state;
    char hex[33];
    gs_hash128("", 0, hex);
    assert_string_equal(hex, "99aa06d3014798d86001c324468d497f");
    assert_int_equal(gs_crc32("123456789", 9), 0xcbf43926);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_is_shortest), cmocka_unit_test(functions_agree_with_libm), cmocka_unit_test(philox_known_answer),
        cmocka_unit_test(random_numbers_have_their_moments), cmocka_unit_test(uniforms_are_those_of_one_at_a_time),
        cmocka_unit_test(permutation_is_one), cmocka_unit_test(arena_measures_then_carves), cmocka_unit_test(files_are_whole_or_not),
        cmocka_unit_test(hashes_are_known)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
