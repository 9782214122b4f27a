/* Makes one thread of a process hang, as a dead file system would: hang PID NAME stops the thread with this name, prints "hangs", and
 * keeps it until its process ends. Exit code 77: this system does not let one process trace another. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

static int find_thread(long pid, const char *name)
{
    char path[300], comm[32];
    int found = 0;
    snprintf(path, sizeof path, "/proc/%ld/task", pid);
    DIR *d = opendir(path);
    for (struct dirent *entry; d && !found && (entry = readdir(d));) {
        snprintf(path, sizeof path, "/proc/%ld/task/%.20s/comm", pid, entry->d_name);
        FILE *f = fopen(path, "r");
        if (!f) continue;
        if (fgets(comm, sizeof comm, f) && !strncmp(comm, name, strlen(name))) found = atoi(entry->d_name);
        fclose(f);
    }
    if (d) closedir(d);
    return found;
}

int main(int argc, char **argv)
{
    int thread = argc == 3 ? find_thread(strtol(argv[1], NULL, 10), argv[2]) : 0;
    if (!thread) return 2;
    if (ptrace(PTRACE_SEIZE, thread, NULL, NULL)) return 77;
    if (ptrace(PTRACE_INTERRUPT, thread, NULL, NULL)) return 3;
    int status;
    if (waitpid(thread, &status, __WALL) != thread || !WIFSTOPPED(status)) return 4;
    puts("hangs");
    fflush(stdout);
    while (waitpid(thread, &status, __WALL) == thread && WIFSTOPPED(status)) continue;
    return 0;
}
