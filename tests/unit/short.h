/* Valgrind takes fifty times as long: there what a test repeats is repeated less often. `meson test --setup valgrind` sets the variable. */
#ifndef TESTS_SHORT_H
#define TESTS_SHORT_H
#include <stdbool.h>
#include <stdlib.h>

static inline bool is_short(void) { return getenv("GRIDSHIFT_TEST_SHORT") != NULL; }
#endif
