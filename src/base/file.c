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

static int write_all(int fd, const char *data, size_t length)
{
    for (size_t at = 0; at < length;) {
        ssize_t n = write(fd, data + at, length - at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        at += (size_t)n;
    }
    return fsync(fd);
}

int gs_folder_sync(const char *path, gs_err *e)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return gs_error(e, "%s: %s", path, strerror(errno));
    int failed = fsync(fd) && errno != EINVAL; /* some file systems do not sync folders */
    close(fd);
    return failed ? gs_error(e, "%s: %s", path, strerror(errno)) : 0;
}

int gs_file_write(const char *path, const void *data, size_t length, gs_err *e)
{
    char host[65] = "";
    gethostname(host, sizeof host - 1); /* processes of two hosts may have one number, and write one shared file */
    char *temporary = gs_text("%s.%s.%ld.tmp", path, host, (long)getpid()), *copy = gs_text("%s", path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    int failed = fd < 0 || write_all(fd, data, length);
    int why = errno;
    if (fd >= 0 && close(fd) && !failed) failed = 1, why = errno;
    if (!failed && rename(temporary, path)) failed = 1, why = errno;
    if (failed) {
        if (fd >= 0) unlink(temporary);
        gs_error(e, "%s: cannot write it: %s", path, strerror(why));
    } else {
        failed = gs_folder_sync(dirname(copy), e);
    }
    free(temporary);
    free(copy);
    return failed ? -1 : 0;
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
    return failed ? gs_error(e, "%s: cannot make the folder: %s", path, strerror(why)) : 0;
}
