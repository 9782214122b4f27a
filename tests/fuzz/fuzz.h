/* What the fuzzing targets share: a folder in memory, and the bytes in a file of it. */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gridshift/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern unsigned fuzz_taken; /* inputs that were sound; each target's own */

static char fuzz_dir[64];

static void fuzz_remove(void)
{
    char *command = gs_text("rm -rf %s", fuzz_dir);
    if (system(command)) perror("rm");
    free(command);
}

/* The process's own folder; removed when it ends. */
static inline const char *fuzz_folder(void)
{
    if (fuzz_dir[0]) return fuzz_dir;
    snprintf(fuzz_dir, sizeof fuzz_dir, "%s/gridshift-fuzz-XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    if (!mkdtemp(fuzz_dir)) gs_die("no folder for the files");
    atexit(fuzz_remove);
    return fuzz_dir;
}

/* Without the fsync of gs_file_write. */
static inline void fuzz_put(const char *path, const void *data, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd < 0 || gs_write_all(fd, data, size) || close(fd)) gs_die("%s cannot be written", path);
}

/* An invariant of the target, checked in every build. */
#define FUZZ_HOLDS(condition) \
    do { \
        if (!(condition)) gs_die("%s does not hold", #condition); \
    } while (0)
#endif
