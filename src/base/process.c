/* Who a process is, and whether it still lives, from /proc. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gridshift/base.h"

static void read_small(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, out, size - 1);
    if (fd >= 0) close(fd);
    out[n > 0 ? n : 0] = 0;
}

/* -> the start of a living process in clock ticks, 0 when there is none. */
static int64_t start_of(int64_t pid)
{
    char path[64], text[1024], state;
    long long start = 0;
    snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
    read_small(path, text, sizeof text);
    const char *end = strrchr(text, ')'); /* the name before it may hold anything */
    if (!end) return 0;
    int found = sscanf(end + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %lld", &state, &start);
    return found == 2 && state != 'Z' && state != 'X' ? start : 0;
}

static uint64_t space_of_this(void)
{
    struct stat s;
    return stat("/proc/self/ns/pid", &s) ? 0 : (uint64_t)s.st_ino;
}

gs_process gs_process_self(void)
{
    gs_process p = {.pid = (int64_t)getpid(), .space = space_of_this()};
    if (gethostname(p.host, sizeof p.host - 1) || !p.host[0]) strcpy(p.host, "unknown");
    read_small("/proc/sys/kernel/random/boot_id", p.boot, sizeof p.boot);
    p.boot[strcspn(p.boot, " \n")] = 0;
    if (!p.boot[0]) strcpy(p.boot, "unknown");
    p.start = start_of(p.pid);
    return p;
}

bool gs_process_near(const gs_process *p)
{
    gs_process self = gs_process_self();
    return !strcmp(p->host, self.host) && !strcmp(p->boot, self.boot) && (!p->space || p->space == self.space);
}

/* Without a readable /proc the signal 0 has to do; EPERM: it lives, as another user's. */
bool gs_process_lives(const gs_process *p)
{
    int64_t start = start_of(p->pid);
    if (start) return start == p->start || !p->start;
    return kill((pid_t)p->pid, 0) ? errno == EPERM : !p->start;
}
