/* What a run may take, from a made-up /proc and /sys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "folder.h"

static void put(const char *path, const char *text)
{
    char *full = gs_text("%s/%s", root, path), *copy = gs_text("%s", full);
    gs_err e;
    if (gs_folder_make(dirname(copy), &e) || gs_file_write(full, text, strlen(text), &e)) fail_msg("%s", e.text);
    free(full), free(copy);
}

static void room_is(int workers, int64_t bytes, const char *source)
{
    gs_room room = gs_memory_room(root, workers);
    if (room.bytes != bytes || !strstr(room.source, source)) fail_msg("%lld of %s", (long long)room.bytes, room.source);
    assert_int_equal(room.workers, workers ? workers : 1);
}

static void what_limits(void **state)
{
    (void)state;
    room_is(1, INT64_MAX, "no limit");
    put("proc/meminfo", "MemTotal:       100 kB\nMemFree:         10 kB\nMemAvailable:    80 kB\n");
    room_is(0, 80 * 1024, "MemAvailable");
    room_is(2, 40 * 1024, "MemAvailable");
    put("proc/self/cgroup", "1:cpu:/\n0::/a/b\n");
    room_is(2, 40 * 1024, "MemAvailable");
    put("sys/fs/cgroup/a/b/memory.max", "max\n");
    put("sys/fs/cgroup/a/b/memory.current", "5000\n");
    room_is(1, 80 * 1024, "MemAvailable");
    put("sys/fs/cgroup/a/memory.max", "60000\n");
    put("sys/fs/cgroup/a/memory.current", "20000\n");
    put("sys/fs/cgroup/a/memory.stat", "anon 1\ninactive_file 4000\nactive_file 1000\n");
    room_is(1, 60000 - 20000 + 5000, "cgroup");
    room_is(3, 15000, "cgroup");
    put("proc/self/cgroup", "4:memory:/job\n0::/\n");
    put("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "9223372036854771712\n");
    put("sys/fs/cgroup/memory/job/memory.usage_in_bytes", "1000\n");
    room_is(1, 80 * 1024, "MemAvailable");
    put("sys/fs/cgroup/memory/memory.limit_in_bytes", "30000\n");
    put("sys/fs/cgroup/memory/memory.usage_in_bytes", "31000\n");
    room_is(1, 0, "cgroup");
    put("sys/fs/cgroup/memory/memory.stat", "total_inactive_file 2000\n");
    room_is(1, 1000, "cgroup");
}

static void what_fits(void **state)
{
    (void)state;
    gs_err e;
    const gs_room room = {1000, 2, "MemAvailable"};
    assert_int_equal(gs_memory_check(1000, 0, &room, &e), 0);
    assert_int_equal(gs_memory_check(1000, 1000, &room, &e), 0);
    assert_int_equal(gs_memory_check(1001, 0, &room, &e), -1);
    assert_non_null(strstr(e.text, "1001 bytes"));
    assert_non_null(strstr(e.text, "MemAvailable, for 2"));
    assert_int_equal(gs_memory_check(900, 899, &room, &e), -1);
    assert_non_null(strstr(e.text, "budget.bytes is 899"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_limits), cmocka_unit_test(what_fits)};
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
