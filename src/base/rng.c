/* Counter-based random numbers: Philox4x32-10 of Random123. The key is (seed, purpose), the counter (block of i, b, a). */
#include <Random123/philox.h>

#include "gridshift/base.h"

gs_rng gs_rng_of(uint32_t seed, gs_purpose purpose) { return (gs_rng){seed, (uint32_t)purpose}; }

static philox4x32_ctr_t block(gs_rng r, uint64_t a, uint32_t b, uint32_t index)
{
    philox4x32_ctr_t counter = {{index, b, (uint32_t)a, (uint32_t)(a >> 32)}};
    philox4x32_key_t key = {{r.seed, r.purpose}};
    return philox4x32(counter, key);
}

uint32_t gs_rng_u32(gs_rng r, uint64_t a, uint32_t b, uint32_t i) { return block(r, a, b, i / 4).v[i % 4]; }

/* The high word of a 32 x 32 bit product: the bias is below bound / 2^32. */
static uint32_t scale(uint32_t bits, uint32_t bound) { return (uint32_t)(((uint64_t)bits * bound) >> 32); }

uint32_t gs_rng_below(gs_rng r, uint64_t a, uint32_t b, uint32_t i, uint32_t bound) { return scale(gs_rng_u32(r, a, b, i), bound); }

static double open_unit(uint32_t bits) { return ((double)bits + 0.5) * 0x1p-32; }

double gs_rng_uniform(gs_rng r, uint64_t a, uint32_t b, uint32_t i) { return open_unit(gs_rng_u32(r, a, b, i)); }

void gs_rng_uniforms(gs_rng r, uint64_t a, uint32_t b, uint32_t first, size_t count, double *out)
{
    for (size_t i = 0; i < count;) {
        uint32_t at = first + (uint32_t)i;
        philox4x32_ctr_t four = block(r, a, b, at / 4);
        for (uint32_t j = at % 4; j < 4 && i < count; j++) out[i++] = open_unit(four.v[j]);
    }
}

double gs_rng_normal(gs_rng r, uint64_t a, uint32_t b, uint32_t i)
{
    philox4x32_ctr_t bits = block(r, a, b, i);
    return __builtin_sqrt(-2 * gs_log(open_unit(bits.v[0]))) * gs_cospi2(open_unit(bits.v[1]));
}

void gs_rng_permutation(gs_rng r, uint64_t a, uint32_t b, int count, int32_t *out)
{
    for (int i = 0; i < count; i++) out[i] = i;
    for (int i = count - 1; i > 0; i--) {
        uint32_t j = gs_rng_below(r, a, b, (uint32_t)i, (uint32_t)i + 1);
        int32_t kept = out[i];
        out[i] = out[j];
        out[j] = kept;
    }
}
