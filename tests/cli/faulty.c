/* A disk with faults, for LD_PRELOAD: only regular files are concerned, and none of the first three descriptors.
 *   FAULTY=short      every write takes half of what it is given
 *   FAULTY=eintr      every other write and fsync is interrupted before it does anything
 *   FAULTY=full:N     after N bytes in all, the disk is full, in the middle of a write
 *   FAULTY=sync:N     the N-th fsync and all after it fail */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static long long written, syncs, calls;

static bool concerned(int fd)
{
    struct stat s;
    return fd > 2 && !fstat(fd, &s) && S_ISREG(s.st_mode);
}

/* The number of FAULTY=WORD:N; 0 for FAULTY=WORD; -1: another fault. */
static long long fault(const char *word)
{
    const char *text = getenv("FAULTY");
    size_t length = strlen(word);
    if (!text || strncmp(text, word, length) || (text[length] && text[length] != ':')) return -1;
    return text[length] ? atoll(text + length + 1) : 0;
}

static int fails(int why)
{
    errno = why;
    return -1;
}

ssize_t write(int fd, const void *data, size_t count)
{
    static ssize_t (*next)(int, const void *, size_t);
    if (!next) next = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    if (!concerned(fd)) return next(fd, data, count);
    long long room = fault("full");
    if (!fault("eintr") && calls++ % 2 == 0) return fails(EINTR);
    if (!fault("short") && count > 1) count /= 2;
    if (room >= 0 && written >= room) return fails(ENOSPC);
    if (room >= 0 && (long long)count > room - written) count = (size_t)(room - written);
    ssize_t done = next(fd, data, count);
    if (done > 0) written += done;
    return done;
}

int fsync(int fd)
{
    static int (*next)(int);
    if (!next) next = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    if (!fault("eintr") && calls++ % 2 == 0) return fails(EINTR);
    long long most = fault("sync");
    if (most >= 0 && ++syncs >= most) return fails(EIO);
    return next(fd);
}
