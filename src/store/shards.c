/* Which shards of a sweep have left something in its folder. */
#include "shards.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIGITS_MOST = 9 };

/* The number between head and tail; -1: the name is another one. "01" is nobody's name for 1. */
static int number_in(const char *name, const char *head, const char *tail)
{
    size_t length = strlen(head);
    if (strncmp(name, head, length)) return -1;
    const char *digits = name + length;
    size_t count = strspn(digits, "0123456789");
    if (!count || count > DIGITS_MOST || (digits[0] == '0' && count > 1) || strcmp(digits + count, tail)) return -1;
    return (int)strtol(digits, NULL, 10);
}

static int ascending(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

int *gs_shards_of(const char *dir, const char *head, const char *tail, int *count)
{
    int *found = NULL;
    DIR *folder = opendir(dir);
    *count = 0;
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        int number = number_in(entry->d_name, head, tail);
        if (number < 0) continue;
        found = gs_grow(found, (size_t)*count + 1, sizeof *found);
        found[(*count)++] = number;
    }
    if (folder) closedir(folder);
    if (found) qsort(found, (size_t)*count, sizeof *found, ascending);
    return found;
}
