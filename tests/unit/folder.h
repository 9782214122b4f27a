/* A folder of the test program's own: root, made by make_root and removed by remove_root, a group's set-up and tear-down. Included after
 * cmocka.h. */
#ifndef TESTS_FOLDER_H
#define TESTS_FOLDER_H
#include <stdlib.h>

#include "gridshift/base.h"

static char root[] = "/tmp/gridshift-unit-XXXXXX";

static inline int make_root(void **state) { return (void)state, mkdtemp(root) ? 0 : -1; }

static inline int remove_root(void **state)
{
    (void)state;
    char *command = gs_text("rm -rf %s", root);
    int code = system(command);
    free(command);
    return code;
}
#endif
