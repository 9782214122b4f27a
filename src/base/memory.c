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

/* Room for many tensors asks for large pages: columns of a matrix touch a page a row. Its last part keeps small ones. */
static void *room(size_t bytes)
{
    if (bytes < 2 * HUGE_PAGE) return aligned_alloc(LINE, bytes);
    void *p = aligned_alloc(HUGE_PAGE, (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE);
#ifdef MADV_HUGEPAGE
    if (p) (void)madvise(p, bytes / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE); /* a wish: the system may have none */
#endif
    return p;
}

int gs_arena_open(gs_arena *a, gs_err *e)
{
    size_t bytes = a->used + LINE; /* one line behind the end: vectors may read past the last element */
    a->base = room(bytes);
    if (!a->base) return gs_error(e, "out of memory: %.1f MB for one run's tensors", (double)bytes / 1e6);
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
