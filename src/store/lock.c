/* DIR/lock, one master per folder, or DIR/lock.K, one per shard of it; also on file systems where flock() does not reach the
 * other host.
 *
 * The lock is a text "HOST BOOT PID START SPACE", taken with link(), which is whole or not at all, everywhere. START, the
 * process's start in clock ticks, tells it from a later process with the same number; SPACE is what its number is valid in. Of
 * this host it is known which processes live. Of another one a lock is stale when its owner has not touched it for STALE_S; both
 * times are the file system's own, so that no two clocks are compared. Taking it over is a race: of the ones that see it stale,
 * the first might already have replaced it when the second removes it. So its removal happens under flock() on the stale file
 * itself, after a look whether the name still means that file. Where that reaches no further than a host, the loser finds at its
 * next refresh that the lock is not its own. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "shards.h"

static const double STALE_S = 120;

struct gs_lock {
    char *path; /* owned */
    dev_t device;
    ino_t inode; /* of our lock: it is removed only while it is ours */
    gs_process self;
};

/* The text of a small file; false and "" when it cannot be opened. */
static bool read_small(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = fd < 0 ? -1 : read(fd, out, size - 1);
    if (fd >= 0) close(fd);
    out[n > 0 ? n : 0] = 0;
    return fd >= 0;
}

/* -> 1, 0: the text is no lock of ours, -1: there is no such file. */
static int read_owner(const char *path, gs_process *out)
{
    char text[256];
    *out = (gs_process){0};
    if (!read_small(path, text, sizeof text)) return -1;
    return sscanf(text, "%71s %47s %" SCNd64 " %" SCNd64 " %" SCNu64, out->host, out->boot, &out->pid, &out->start, &out->space) >= 4;
}

static double written_s(const char *path)
{
    struct stat s;
    return stat(path, &s) ? 0 : (double)s.st_mtim.tv_sec + 1e-9 * (double)s.st_mtim.tv_nsec;
}

typedef struct claim {
    gs_process self;
    double now_s; /* by the folder's clock */
    bool force;   /* no other lock keeps us out */
} claim;

/* Why the lock keeps us out: *e; or 0: it is stale. */
static int judge(const char *path, const gs_process *other, const claim *c, gs_err *e)
{
    bool here = !strcmp(other->host, c->self.host), rebooted = here && strcmp(other->boot, c->self.boot);
    if (c->force || rebooted) return 0;
    if (gs_process_near(other)) {
        if (!gs_process_lives(other)) return 0;
        return gs_error(e, "%s: process %" PRId64 " on this host is writing this folder. Wait until it ends, or name another folder "
                        "with -o", path, other->pid);
    }
    double age_s = c->now_s - written_s(path);
    if (age_s > STALE_S) return 0;
    return gs_error(e, "%s: process %" PRId64 " on host %s writes this folder, or was lost %.0f s ago. Wait for it; %.0f s after its last "
                    "sign of life the folder is free. --force-unlock takes it now: only if that process is gone", path, other->pid,
                    other->host, age_s > 0 ? age_s : 0, STALE_S);
}

/* Removes the lock if it still is the stale file that `other` was read from. Whatever happens, the caller tries again. */
static void remove_stale(const char *path, const gs_process *other)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    struct stat held, named;
    gs_process now;
    if (fd < 0) return;
    if (!flock(fd, LOCK_EX) && !fstat(fd, &held) && !stat(path, &named) && held.st_ino == named.st_ino && held.st_dev == named.st_dev &&
        read_owner(path, &now) >= 0 && now.pid == other->pid && now.start == other->start)
        unlink(path);
    close(fd);
}

/* -> 0 taken, 1 somebody has it, -1 error. */
static int try_link(const char *temporary, const char *path, gs_err *e)
{
    if (!link(temporary, path)) return 0;
    return errno == EEXIST ? 1 : gs_error(e, "%s: cannot take the lock: %s", path, strerror(errno));
}

static int take(const char *temporary, const char *path, const claim *c, gs_err *e)
{
    for (int attempt = 0; attempt < 100; attempt++) {
        int state = try_link(temporary, path, e);
        if (state <= 0) return state;
        gs_process other;
        int readable = read_owner(path, &other);
        if (readable < 0) continue; /* just released */
        if (!readable && !c->force)
            return gs_error(e, "%s: this is no lock of gridshift. If nothing else writes this folder, remove it", path);
        if (judge(path, &other, c, e)) return -1;
        remove_stale(path, &other);
    }
    return gs_error(e, "%s: cannot take the lock over from a process that is gone. Remove it", path);
}

static char *path_of(const char *dir, int shard)
{
    return shard == GS_WHOLE ? gs_text("%s/lock", dir) : gs_text("%s/lock.%d", dir, shard);
}

/* A living owner of that lock keeps us out too. By force it loses it, and stops at its next refresh. */
static int judge_other(const char *dir, int shard, const claim *c, gs_err *e)
{
    gs_process other;
    char *path = path_of(dir, shard);
    int failed = read_owner(path, &other) > 0 ? judge(path, &other, c, e) : 0;
    if (c->force) unlink(path);
    free(path);
    return failed;
}

/* The whole folder and a shard of it exclude each other. Both sides take their own lock before they look, so that never both find
 * nothing. */
static int judge_others(const char *dir, int shard, const claim *c, gs_err *e)
{
    int count, failed = 0;
    if (shard != GS_WHOLE) return judge_other(dir, GS_WHOLE, c, e);
    int *shards = gs_shards_of(dir, "lock.", "", &count);
    for (int i = 0; i < count && !failed; i++) failed = judge_other(dir, shards[i], c, e);
    free(shards);
    return failed;
}

static int take_one(const char *dir, int shard, claim *c, gs_lock **out, gs_err *e)
{
    const gs_process *p = &c->self;
    char *path = path_of(dir, shard), *temporary = gs_text("%s.%s.%" PRId64 ".tmp", path, p->host, p->pid);
    char *text = gs_text("%s %s %" PRId64 " %" PRId64 " %" PRIu64 "\n", p->host, p->boot, p->pid, p->start, p->space);
    *out = NULL;
    struct stat s;
    int failed = gs_file_write(temporary, text, strlen(text), e);
    if (!failed) {
        c->now_s = written_s(temporary);
        failed = take(temporary, path, c, e);
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
    **out = (gs_lock){path, s.st_dev, s.st_ino, c->self};
    return 0;
}

int gs_lock_take(const char *dir, int shard, bool force, gs_lock **out, gs_err *e)
{
    claim c = {.self = gs_process_self(), .force = force};
    int failed = take_one(dir, shard, &c, out, e) || judge_others(dir, shard, &c, e);
    if (failed) gs_lock_release(out);
    return failed ? -1 : 0;
}

int gs_lock_check(const char *dir, int shard, gs_err *e)
{
    claim c = {.self = gs_process_self(), .now_s = (double)time(NULL)};
    return judge_other(dir, shard, &c, e) || judge_others(dir, shard, &c, e) ? -1 : 0;
}

/* The lock may be gone with its folder. */
static bool has_folder(const gs_lock *l)
{
    char *copy = gs_text("%s", l->path);
    bool there = access(dirname(copy), F_OK) == 0;
    free(copy);
    return there;
}

int gs_lock_refresh(gs_lock *l, gs_err *e)
{
    struct stat s;
    gs_process now;
    int fd = open(l->path, O_RDWR | O_CLOEXEC); /* opening it makes a network file system look again */
    bool ours = fd >= 0 && !fstat(fd, &s) && s.st_ino == l->inode && s.st_dev == l->device && read_owner(l->path, &now) > 0 &&
                now.pid == l->self.pid && now.start == l->self.start && !strcmp(now.host, l->self.host);
    int why = errno, failed = 0;
    if (fd < 0 && (why != ENOENT || !has_folder(l)))
        failed = gs_error(e, "%s: cannot refresh the lock: %s%s", l->path, strerror(why), gs_disk_advice(why));
    else if (!ours) failed = gs_error(e, "%s: another process took this folder over", l->path);
    else if (futimens(fd, NULL)) failed = gs_error(e, "%s: cannot refresh the lock: %s", l->path, strerror(errno));
    if (fd >= 0) close(fd);
    return failed;
}

int gs_lock_count(const char *dir)
{
    int count;
    char *whole = path_of(dir, GS_WHOLE);
    free(gs_shards_of(dir, "lock.", "", &count));
    count += access(whole, F_OK) == 0;
    free(whole);
    return count;
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
