#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "gridshift/base.h"

enum { LINE = 64, HUGE_PAGE = 2 * 1024 * 1024 }; /* bytes of a cache line and of the widest vector; of a large page on most processors */

void *gs_alloc(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size ? size : 1);
    if (!p) gs_die("out of memory for %zu x %zu bytes", count, size);
    return p;
}

void *gs_grow(void *old, size_t count, size_t size)
{
    if (size && count > SIZE_MAX / size) gs_die("%zu x %zu bytes overflow", count, size);
    size_t bytes = count * size;
    void *p = realloc(old, bytes ? bytes : 1);
    if (!p) gs_die("out of memory for %zu x %zu bytes", count, size);
    return p;
}

void *gs_arena_take(gs_arena *a, size_t count, size_t size)
{
    if (size && count > (SIZE_MAX / 2 - a->used) / size) gs_die("%zu x %zu bytes overflow an arena", count, size);
    size_t bytes = (count * size + LINE - 1) / LINE * LINE, at = a->used;
    a->used += bytes;
    if (!a->base) return NULL;
    if (a->used > a->size) gs_die("an arena of %zu bytes is too small for its own layout", a->size);
    return a->base + at;
}

/* Asks for large pages where whole ones fit: columns of a matrix touch a page a row. A wish: the system may have none. */
static void enlarge_pages(char *p, size_t bytes)
{
#ifdef MADV_HUGEPAGE
    size_t skip = (HUGE_PAGE - (uintptr_t)p % HUGE_PAGE) % HUGE_PAGE;
    if (bytes >= skip + HUGE_PAGE) (void)madvise(p + skip, (bytes - skip) / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
#else
    (void)p, (void)bytes;
#endif
}

int gs_arena_open(gs_arena *a, gs_err *e)
{
    size_t bytes = a->used + LINE; /* one line behind the end: vectors may read past the last element */
    a->base = aligned_alloc(LINE, bytes);
    if (!a->base) return gs_error(e, "out of memory: %.1f MB for one run's tensors", (double)bytes / 1e6);
    enlarge_pages(a->base, bytes);
    memset(a->base, 0, bytes);
    a->size = bytes;
    a->used = 0;
    return 0;
}

void gs_arena_close(gs_arena *a)
{
    free(a->base);
    *a = (gs_arena){0};
}
