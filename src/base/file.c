#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gridshift/base.h"

static int read_all(int fd, char *data, size_t length)
{
    for (size_t at = 0; at < length;) {
        ssize_t n = read(fd, data + at, length - at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return -1;
        at += (size_t)n;
    }
    return 0;
}

static int read_open(int fd, const char *path, size_t most, char **data, size_t *length, gs_err *e)
{
    struct stat s;
    if (fstat(fd, &s)) return gs_error(e, "%s: %s", path, strerror(errno));
    if (S_ISDIR(s.st_mode)) return gs_error(e, "%s: this is a folder; name a file", path);
    if (!S_ISREG(s.st_mode)) return gs_error(e, "%s: this is not a regular file", path);
    if ((size_t)s.st_size > most)
        return gs_error(e, "%s: %lld bytes are more than the %zu that such a file may have", path, (long long)s.st_size, most);
    *length = (size_t)s.st_size;
    *data = gs_alloc(*length + 1, 1);
    if (!read_all(fd, *data, *length)) return 0;
    free(*data);
    *data = NULL;
    return gs_error(e, "%s: it changed or could not be read (%s)", path, errno ? strerror(errno) : "short read");
}

int gs_file_read(const char *path, size_t most, char **data, size_t *length, gs_err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* non-blocking: a named pipe must not hang us */
    if (fd < 0) return gs_error(e, "%s: %s", path, strerror(errno));
    errno = 0;
    int failed = read_open(fd, path, most, data, length, e);
    close(fd);
    return failed;
}

const char *gs_disk_advice(int error)
{
    static const struct advice {
        int error;
        const char *text;
    } table[] = {
        {ENOSPC, ". Make room on this file system"},
        {EDQUOT, ". Make room in your quota, or have it raised"},
        {EFBIG, ". A limit on the size of files (ulimit -f) is in the way: raise it"},
        {EROFS, ". The file system is read-only: name another folder with -o, or have it mounted for writing"},
        {EACCES, ". Make the folder writable for you, or name another with -o"},
        {EPERM, ". Make the folder writable for you, or name another with -o"},
        {ENOENT, ". The folder is gone: was it removed or unmounted? Bring it back"},
        {ENOTDIR, ". Something that is no folder is in the way: move it"},
        {ELOOP, ". A symbolic link is in the way: remove it"},
        {EISDIR, ". A folder is in the way: move it"},
        {ESTALE, ". The file server has lost the folder: have it mounted again"},
        {EIO, ". The disk or the file server has an error: look at the system's log"},
        {EMFILE, ". Too many open files (ulimit -n): raise the limit"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].error == error) return table[i].text;
    return "";
}

static int cannot(gs_err *e, const char *what, const char *path, int why)
{
    gs_error(e, "%s: cannot %s: %s%s", path, what, strerror(why), gs_disk_advice(why));
    if (e) e->system = why;
    return -1;
}

/* A write of nothing would go on for ever on a broken file system: it counts as its error. */
int gs_write_all(int fd, const void *data, size_t length)
{
    for (size_t at = 0; at < length;) {
        ssize_t n = write(fd, (const char *)data + at, length - at);
        if (n < 0 && errno == EINTR) continue;
        if (n == 0) errno = EIO;
        if (n <= 0) return -1;
        at += (size_t)n;
    }
    return 0;
}

int gs_sync(int fd)
{
    int failed;
    while ((failed = fsync(fd)) && errno == EINTR) continue;
    return failed;
}

static int write_parts(int fd, const gs_part *parts, int count)
{
    for (int i = 0; i < count; i++)
        if (gs_write_all(fd, parts[i].data, parts[i].length)) return -1;
    return gs_sync(fd);
}

int gs_folder_sync(const char *path, gs_err *e)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return cannot(e, "open the folder", path, errno);
    int failed = gs_sync(fd) && errno != EINVAL; /* some file systems do not sync folders */
    if (failed) cannot(e, "sync it", path, errno);
    close(fd);
    return failed ? -1 : 0;
}

int gs_file_write(const char *path, const void *data, size_t length, gs_err *e)
{
    return gs_file_write_parts(path, &(gs_part){data, length}, 1, e);
}

int gs_file_write_parts(const char *path, const gs_part *parts, int count, gs_err *e)
{
    char host[65] = "";
    gethostname(host, sizeof host - 1); /* processes of two hosts may have one number, and write one shared file */
    char *temporary = gs_text("%s.%s.%ld.tmp", path, host, (long)getpid()), *copy = gs_text("%s", path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    int failed = fd < 0 || write_parts(fd, parts, count);
    int why = errno;
    if (fd >= 0 && close(fd) && errno != EINTR && !failed) failed = 1, why = errno; /* interrupted, it is closed all the same */
    if (!failed && rename(temporary, path)) failed = 1, why = errno;
    if (failed) {
        if (fd >= 0) unlink(temporary);
        failed = cannot(e, "write it", path, why);
    } else {
        failed = gs_folder_sync(dirname(copy), e);
    }
    free(temporary);
    free(copy);
    return failed ? -1 : 0;
}

/* NAME.PID.tmp, but of a lock: processes that wait for it come and go. */
static bool is_remains(const char *name)
{
    size_t length = strlen(name);
    return length > 4 && !strcmp(name + length - 4, ".tmp") && strncmp(name, "lock.", 5) != 0;
}

void gs_folder_tidy(const char *path)
{
    DIR *d = opendir(path);
    for (const struct dirent *entry; d && (entry = readdir(d));)
        if (is_remains(entry->d_name)) unlinkat(dirfd(d), entry->d_name, 0);
    if (d) closedir(d);
}

int gs_folder_make_in(const char *root, const char *path, gs_err *e)
{
    struct stat s;
    if (!stat(root, &s) && S_ISDIR(s.st_mode)) return gs_folder_make(path, e);
    return cannot(e, "write it", root, ENOENT);
}

int gs_folder_make(const char *path, gs_err *e)
{
    char *part = gs_text("%s", path);
    int failed = 0;
    for (char *at = part + 1; !failed; at++) {
        if (*at && *at != '/') continue;
        char end = *at;
        *at = 0;
        failed = mkdir(part, 0777) && errno != EEXIST;
        *at = end;
        if (!end) break;
    }
    int why = errno;
    struct stat s;
    if (!failed && (stat(path, &s) || !S_ISDIR(s.st_mode))) failed = 1, why = ENOTDIR;
    free(part);
    return failed ? cannot(e, "make the folder", path, why) : 0;
}
