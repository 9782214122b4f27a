/* journal.jsonl or a shard's journal.K.jsonl, the writing side: the backbone of a sweep. A run that was appended is never computed again.
 *
 * Invariants: a line is "CRC32-hex8 JSON\n"; what a successful gs_journal_sync followed is on the disk; what is after the last
 * newline never was, so that it may be cut off. One writer: the holder of the folder's lock.
 *
 * An fsync takes milliseconds, a tiny run microseconds: lines are gathered, and one fsync is for all of them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gridshift/store.h"

struct gs_journal {
    int fd;
    char *path; /* owned */
    char *note; /* owned; NULL: nothing was cut off */
    gs_buf waiting; /* lines that are not written yet */
};

enum { WAITING_MOST = 4 << 20 };

/* -> the bytes up to and with the last newline, or -1. */
static off_t sound_length(int fd, off_t size)
{
    char block[4096];
    for (off_t end = size; end > 0;) {
        off_t begin = end > (off_t)sizeof block ? end - (off_t)sizeof block : 0;
        ssize_t n = pread(fd, block, (size_t)(end - begin), begin);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        if (n != end - begin) return errno = EIO, -1;
        const char *newline = memrchr(block, '\n', (size_t)n);
        if (newline) return begin + (newline - block) + 1;
        end = begin;
    }
    return 0;
}

static int cut_torn_line(gs_journal *j, gs_err *e)
{
    off_t size = lseek(j->fd, 0, SEEK_END), sound = size < 0 ? -1 : sound_length(j->fd, size);
    if (sound < 0) return gs_error(e, "%s: cannot read it: %s", j->path, strerror(errno));
    if (sound == size) return 0;
    if (ftruncate(j->fd, sound) || gs_sync(j->fd))
        return gs_error(e, "%s: cannot cut off its torn last line: %s", j->path, strerror(errno));
    j->note = gs_text("%s: cut off %lld bytes of a line that was never finished; its run will be run again", j->path,
                      (long long)(size - sound));
    return 0;
}

int gs_journal_open(const char *dir, int shard, gs_journal **out, gs_err *e)
{
    gs_journal *j = gs_alloc(1, sizeof *j);
    j->path = shard == GS_WHOLE ? gs_text("%s/journal.jsonl", dir) : gs_text("%s/journal.%d.jsonl", dir, shard);
    j->fd = open(j->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0666);
    int failed = j->fd < 0 ? gs_error(e, "%s: cannot open it for writing: %s%s", j->path, strerror(errno), gs_disk_advice(errno))
                           : cut_torn_line(j, e);
    if (!failed) failed = gs_folder_sync(dir, e); /* the file's own entry in the folder */
    if (failed) gs_journal_close(&j);
    *out = j;
    return failed;
}

const char *gs_journal_note(const gs_journal *j) { return j->note; }

int gs_journal_add(gs_journal *j, const char *json, size_t length, gs_err *e)
{
    char prefix[16];
    int digits = snprintf(prefix, sizeof prefix, "%08x ", (unsigned)gs_crc32(json, length));
    gs_buf_bytes(&j->waiting, prefix, (size_t)digits);
    gs_buf_bytes(&j->waiting, json, length);
    gs_buf_bytes(&j->waiting, "\n", 1);
    return j->waiting.length < WAITING_MOST ? 0 : gs_journal_sync(j, e);
}

/* What is written to a file without a name is lost when it is closed. */
static int check_there(const gs_journal *j, gs_err *e)
{
    struct stat s;
    if (fstat(j->fd, &s) || s.st_nlink > 0) return 0;
    return gs_error(e, "%s: it was removed while it was being written%s", j->path, gs_disk_advice(ENOENT));
}

int gs_journal_sync(gs_journal *j, gs_err *e)
{
    if (!j->waiting.length) return 0;
    off_t before = lseek(j->fd, 0, SEEK_END);
    int failed = before < 0 || gs_write_all(j->fd, j->waiting.text, j->waiting.length) || gs_sync(j->fd);
    j->waiting.length = 0;
    if (!failed) return check_there(j, e);
    int why = errno;
    if (before >= 0 && ftruncate(j->fd, before)) before = -1; /* a part of a line would spoil the next one too */
    return gs_error(e, "%s: cannot append to it: %s%s%s", j->path, strerror(why),
                    before < 0 ? "; its last line may be torn, which the next start repairs" : "", gs_disk_advice(why));
}

void gs_journal_close(gs_journal **j)
{
    if (!*j) return;
    if ((*j)->fd >= 0) close((*j)->fd);
    free((*j)->path);
    free((*j)->note);
    gs_buf_free(&(*j)->waiting);
    free(*j);
    *j = NULL;
}
