/* Which instruction set's kernels this process uses. */
#include <stdlib.h>
#include <string.h>
#ifdef GS_X86_KERNELS
#include <xmmintrin.h>
#endif

#include "gridshift/linalg.h"

extern const gs_kernels gs_kernels_scalar;
#ifdef GS_X86_KERNELS
extern const gs_kernels gs_kernels_avx2, gs_kernels_avx512;
#endif

/* Best first. */
static int usable(const gs_kernels *out[3])
{
    int n = 0;
#ifdef GS_X86_KERNELS
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
        out[n++] = &gs_kernels_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) out[n++] = &gs_kernels_avx2;
#endif
    out[n++] = &gs_kernels_scalar;
    return n;
}

const gs_kernels *gs_kernels_choose(const char *name, gs_err *e)
{
    const gs_kernels *sets[3];
    int count = usable(sets);
    if (!name) name = getenv("GRIDSHIFT_ISA");
    if (!name || !*name) return sets[0];
    for (int i = 0; i < count; i++)
        if (!strcmp(sets[i]->isa, name)) return sets[i];
    gs_error(e, "GRIDSHIFT_ISA=%s: this processor runs none of that name; leave it unset, or choose scalar, avx2 or avx512", name);
    return NULL;
}

void gs_numeric_start(void)
{
#ifdef GS_X86_KERNELS
    _mm_setcsr(0x1f80 | 0x8040); /* all exceptions masked, to nearest; flush to zero, denormals are zero */
#endif
}

size_t gs_attention_scratch(int T, int K)
{
    size_t S = (size_t)gs_attention_stride(T), wide = (size_t)gs_attention_stride(K);
    return 3 * (size_t)T * wide + wide * S + 2 * (size_t)T * S;
}
