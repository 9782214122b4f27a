/* DIR/lock, one master per folder, or DIR/lock.K, one per shard of it; also on file systems where flock() does not reach the
 * other host.
 *
 * The lock is a text "HOST BOOT PID START", taken with link(), which is whole or not at all, everywhere. START, the
 * process's start in clock ticks, tells it from a later process with the same number. Only a lock of this host can be found
 * stale, since only here it is known which processes live. Taking it over is a race: of the ones that see it stale, the
 * first might already have replaced it when the second removes it. So its removal happens under flock() on the stale file
 * itself, after a look whether the name still means that file. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shards.h"

struct gs_lock {
    char *path; /* owned */
    dev_t device;
    ino_t inode; /* of our lock: it is removed only while it is ours */
};

typedef struct owner {
    char host[72], boot[48];
    long pid;
    long long start;
} owner;

/* The text of a small file; false and "" when it cannot be opened. */
static bool read_small(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = fd < 0 ? -1 : read(fd, out, size - 1);
    if (fd >= 0) close(fd);
    out[n > 0 ? n : 0] = 0;
    return fd >= 0;
}

/* -> the start of a living process in clock ticks, 0 when there is none (a zombie writes nothing any more). */
static long long start_of(long pid)
{
    char path[64], text[1024], state;
    long long start = 0;
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    read_small(path, text, sizeof text);
    const char *end = strrchr(text, ')'); /* the name before it may hold anything */
    if (!end) return 0;
    int found = sscanf(end + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %lld", &state, &start);
    return found == 2 && state != 'Z' && state != 'X' ? start : 0;
}

/* Without a readable /proc the signal 0 has to do; EPERM: it lives, as another user's. */
static bool lives(const owner *o)
{
    long long start = start_of(o->pid);
    if (start) return start == o->start || !o->start;
    return kill((pid_t)o->pid, 0) ? errno == EPERM : !o->start;
}

static owner this_process(void)
{
    owner o = {.pid = (long)getpid()};
    if (gethostname(o.host, sizeof o.host - 1) || !o.host[0]) strcpy(o.host, "unknown");
    read_small("/proc/sys/kernel/random/boot_id", o.boot, sizeof o.boot);
    o.boot[strcspn(o.boot, " \n")] = 0;
    if (!o.boot[0]) strcpy(o.boot, "unknown");
    o.start = start_of(o.pid);
    return o;
}

/* -> 1, 0: the text is no lock of ours, -1: there is no such file. */
static int read_owner(const char *path, owner *out)
{
    char text[256];
    if (!read_small(path, text, sizeof text)) return -1;
    return sscanf(text, "%71s %47s %ld %lld", out->host, out->boot, &out->pid, &out->start) == 4;
}

/* Why the lock keeps us out: *e; or 0: its process is gone. */
static int judge(const char *path, const owner *other, const owner *self, gs_err *e)
{
    if (strcmp(other->host, self->host))
        return gs_error(e, "%s: process %ld on host %s writes this folder, or was lost while it did. Wait for it; if it is gone, remove %s",
                        path, other->pid, other->host, path);
    if (strcmp(other->boot, self->boot) || !lives(other)) return 0;
    return gs_error(e, "%s: process %ld on this host is writing this folder. Wait until it ends, or name another folder with -o", path,
                    other->pid);
}

/* Removes the lock if it still is the stale file that `other` was read from. Whatever happens, the caller tries again. */
static void remove_stale(const char *path, const owner *other)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    struct stat held, named;
    owner now;
    if (fd < 0) return;
    if (!flock(fd, LOCK_EX) && !fstat(fd, &held) && !stat(path, &named) && held.st_ino == named.st_ino && held.st_dev == named.st_dev &&
        read_owner(path, &now) > 0 && now.pid == other->pid && now.start == other->start)
        unlink(path);
    close(fd);
}

/* -> 0 taken, 1 somebody has it, -1 error. */
static int try_link(const char *temporary, const char *path, gs_err *e)
{
    if (!link(temporary, path)) return 0;
    return errno == EEXIST ? 1 : gs_error(e, "%s: cannot take the lock: %s", path, strerror(errno));
}

static int take(const char *temporary, const char *path, const owner *self, gs_err *e)
{
    for (int attempt = 0; attempt < 100; attempt++) {
        int state = try_link(temporary, path, e);
        if (state <= 0) return state;
        owner other;
        int readable = read_owner(path, &other);
        if (readable < 0) continue; /* just released */
        if (!readable) return gs_error(e, "%s: this is no lock of gridshift. If nothing else writes this folder, remove it", path);
        if (judge(path, &other, self, e)) return -1;
        remove_stale(path, &other);
    }
    return gs_error(e, "%s: cannot take the lock over from a process that is gone. Remove it", path);
}

static char *path_of(const char *dir, int shard)
{
    return shard == GS_WHOLE ? gs_text("%s/lock", dir) : gs_text("%s/lock.%d", dir, shard);
}

/* A living owner of that lock keeps us out too. */
static int judge_other(const char *dir, int shard, const owner *self, gs_err *e)
{
    owner other;
    char *path = path_of(dir, shard);
    int failed = read_owner(path, &other) > 0 ? judge(path, &other, self, e) : 0;
    free(path);
    return failed;
}

/* The whole folder and a shard of it exclude each other. Both sides take their own lock before they look, so that never both find
 * nothing. */
static int judge_others(const char *dir, int shard, const owner *self, gs_err *e)
{
    int count, failed = 0;
    if (shard != GS_WHOLE) return judge_other(dir, GS_WHOLE, self, e);
    int *shards = gs_shards_of(dir, "lock.", "", &count);
    for (int i = 0; i < count && !failed; i++) failed = judge_other(dir, shards[i], self, e);
    free(shards);
    return failed;
}

static int take_one(const char *dir, int shard, const owner *self, gs_lock **out, gs_err *e)
{
    char *path = path_of(dir, shard), *temporary = gs_text("%s.%s.%ld.tmp", path, self->host, self->pid);
    char *text = gs_text("%s %s %ld %lld\n", self->host, self->boot, self->pid, self->start);
    *out = NULL;
    struct stat s;
    int failed = gs_file_write(temporary, text, strlen(text), e);
    if (!failed) {
        failed = take(temporary, path, self, e);
        if (!failed && stat(temporary, &s)) failed = gs_error(e, "%s: %s", temporary, strerror(errno));
        unlink(temporary);
    }
    free(temporary);
    free(text);
    if (failed) {
        free(path);
        return -1;
    }
    *out = gs_alloc(1, sizeof **out);
    **out = (gs_lock){path, s.st_dev, s.st_ino};
    return 0;
}

int gs_lock_take(const char *dir, int shard, gs_lock **out, gs_err *e)
{
    owner self = this_process();
    int failed = take_one(dir, shard, &self, out, e) || judge_others(dir, shard, &self, e);
    if (failed) gs_lock_release(out);
    return failed ? -1 : 0;
}

void gs_lock_release(gs_lock **l)
{
    if (!*l) return;
    struct stat s;
    if (!stat((*l)->path, &s) && s.st_ino == (*l)->inode && s.st_dev == (*l)->device) unlink((*l)->path);
    free((*l)->path);
    free(*l);
    *l = NULL;
}
