/* How much memory a run takes, and may take here. What it takes is known before it starts, so that one that is too large is a
 * failed record with the numbers, not a process that the kernel kills. */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/snapshot.h"
#include "gridshift/analysis.h"

enum { SMALL = 1 << 16 };

/* -- what a run takes ------------------------------------------------------------------------------------------ */

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

/* METRICS: of a checkpoint that is measured, with their names and their part of the record. CSV: of an evaluation's line, while the text
 * grows. REST: the run's record, the tables of tensors, what the C library keeps. */
int64_t gs_run_bytes(const gs_config *c, const gs_counts *n, gs_wanted w)
{
    enum { METRICS = 1 << 16, CSV = 360, REST = 1 << 17 };
    int64_t steps = gs_int(c, GS_TRAIN_STEPS), record = gs_int(c, GS_EVAL_RECORD), rows = steps / gs_int(c, GS_EVAL_EVERY) + 1;
    int64_t measured = 3 + (record ? steps / record : 0) + (w.probe_every ? steps / w.probe_every : 0);
    size_t meanwhile = larger((size_t)gs_measure_bytes(c, w), gs_snapshots_bytes(c, (size_t)n->params_total));
    if (gs_is(c, GS_ANALYSIS_FEATURES, 1)) meanwhile = larger(meanwhile, gs_features_bytes(c));
    meanwhile = larger(meanwhile, (size_t)rows * CSV);
    return n->bytes + rows * (int64_t)sizeof(gs_curve_row) + measured * METRICS + (int64_t)meanwhile + REST;
}

/* -- what it may take ------------------------------------------------------------------------------------------ */

/* The text of a small file under root, owned by the caller; NULL: it cannot be read. Files of /proc tell no size. */
static char *slurp(const char *root, const char *path)
{
    char *full = gs_text("%s%s", root, path), *text = NULL;
    FILE *f = fopen(full, "re");
    if (f) {
        text = gs_alloc(SMALL, 1);
        text[fread(text, 1, SMALL - 1, f)] = 0;
        fclose(f);
    }
    free(full);
    return text;
}

/* The number after a word at the beginning of a line ("": of the file), -1: there is none. "max" is none. */
static int64_t number_in(const char *text, const char *word)
{
    size_t length = strlen(word);
    for (const char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        char *end;
        if (strncmp(line, word, length)) continue;
        long long value = strtoll(line + length, &end, 10);
        if (end != line + length) return value;
    }
    return -1;
}

static int64_t number_of(const char *root, const char *folder, const char *file, const char *word)
{
    char *path = gs_text("%s/%s", folder, file), *text = slurp(root, path);
    int64_t value = number_in(text, word);
    free(path);
    free(text);
    return value;
}

static void lower(gs_room *room, int64_t bytes, const char *source)
{
    if (bytes < 0) bytes = 0;
    if (bytes < room->bytes) *room = (gs_room){bytes, room->workers, source};
}

/* The limit of one group less what it uses and cannot give back: the cache of files it can. */
static void limit_by_group(gs_room *room, const char *root, const char *folder, bool v2)
{
    int64_t most = number_of(root, folder, v2 ? "memory.max" : "memory.limit_in_bytes", "");
    int64_t used = number_of(root, folder, v2 ? "memory.current" : "memory.usage_in_bytes", "");
    int64_t active = number_of(root, folder, "memory.stat", v2 ? "active_file " : "total_active_file ");
    int64_t inactive = number_of(root, folder, "memory.stat", v2 ? "inactive_file " : "total_inactive_file ");
    if (most < 0 || used < 0) return;
    used -= (active > 0 ? active : 0) + (inactive > 0 ? inactive : 0);
    lower(room, (most - used) / room->workers, "the memory limit of its cgroup");
}

/* The group of this process and all above it. In a container the path may be the host's, where only the top is seen. */
static void limit_by_groups(gs_room *room, const char *root, const char *line_start, const char *top, bool v2)
{
    char *text = slurp(root, "/proc/self/cgroup"), *line = text ? strstr(text, line_start) : NULL;
    if (line) {
        line += strlen(line_start);
        line[strcspn(line, "\n")] = 0;
        char *folder = gs_text("%s%s", top, line);
        for (char *end; strlen(folder) >= strlen(top); *end = 0) {
            limit_by_group(room, root, folder, v2);
            end = strrchr(folder, '/');
            if (!end || end == folder) break;
        }
        free(folder);
    }
    free(text);
}

gs_room gs_memory_room(const char *root, int workers)
{
    gs_room room = {INT64_MAX, workers > 0 ? workers : 1, "no limit"};
    int64_t available = number_of(root, "/proc", "meminfo", "MemAvailable:");
    if (available >= 0) lower(&room, available * 1024 / room.workers, "MemAvailable");
    limit_by_groups(&room, root, "0::", "/sys/fs/cgroup", true);
    limit_by_groups(&room, root, ":memory:", "/sys/fs/cgroup/memory", false);
    struct rlimit most;
    int64_t pages = number_of(root, "/proc/self", "statm", "");
    if (!getrlimit(RLIMIT_AS, &most) && most.rlim_cur != RLIM_INFINITY && pages >= 0)
        lower(&room, (int64_t)most.rlim_cur - pages * sysconf(_SC_PAGESIZE), "RLIMIT_AS (ulimit -v)");
    return room;
}

static int variable(const char *name)
{
    const char *text = getenv(name);
    return text ? atoi(text) : 0;
}

/* Ranks that train on this node. The master trains nothing; where it is, is known for certain when all ranks are here. */
static int workers_here(void)
{
    int here = variable("OMPI_COMM_WORLD_LOCAL_SIZE"), all = variable("OMPI_COMM_WORLD_SIZE");
    return here > 1 && here == all ? here - 1 : here;
}

const gs_room *gs_memory_here(void)
{
    static gs_room room;
    if (!room.workers) room = gs_memory_room("", workers_here());
    return &room;
}

int gs_memory_check(int64_t needed, int64_t budget, const gs_room *room, gs_err *e)
{
    char need[32], most[32];
    gs_bytes_text(needed, need);
    if (budget > 0 && needed > budget)
        return gs_error(e, "it needs %lld bytes of memory (%s), and budget.bytes is %lld: raise that, or make the model or the batch "
                        "smaller", (long long)needed, need, (long long)budget);
    if (needed <= room->bytes) return 0;
    return gs_error(e, "it needs %lld bytes of memory (%s), and its worker has %s here (%s, for %d): use fewer workers on a node, a "
                    "larger node, or a smaller model or batch", (long long)needed, need, gs_bytes_text(room->bytes, most), room->source,
                    room->workers);
}
