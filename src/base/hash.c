#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include <zlib.h>

#include "gridshift/base.h"

gs_hash gs_hash_bytes(const void *bytes, size_t count)
{
    XXH128_hash_t h = XXH3_128bits(bytes, count);
    return (gs_hash){h.high64, h.low64};
}

void gs_hash_text(gs_hash h, char hex[33])
{
    for (int i = 0; i < 32; i++) hex[i] = "0123456789abcdef"[(i < 16 ? h.high >> (60 - 4 * i) : h.low >> (124 - 4 * i)) & 15];
    hex[32] = 0;
}

void gs_hash128(const void *bytes, size_t count, char hex[33]) { gs_hash_text(gs_hash_bytes(bytes, count), hex); }

struct gs_hasher {
    XXH3_state_t *state; /* owned */
};

gs_hasher *gs_hasher_open(void)
{
    gs_hasher *h = gs_alloc(1, sizeof *h);
    h->state = XXH3_createState();
    if (!h->state || XXH3_128bits_reset(h->state)) gs_die("out of memory for a hash");
    return h;
}

void gs_hasher_add(gs_hasher *h, const void *bytes, size_t count)
{
    if (count && XXH3_128bits_update(h->state, bytes, count)) gs_die("a hash cannot be computed");
}

gs_hash gs_hasher_close(gs_hasher **h)
{
    XXH128_hash_t sum = XXH3_128bits_digest((*h)->state);
    XXH3_freeState((*h)->state);
    free(*h);
    *h = NULL;
    return (gs_hash){sum.high64, sum.low64};
}

uint64_t gs_hash64(const char *text) { return XXH3_64bits(text, strlen(text)); }

uint32_t gs_crc32(const void *bytes, size_t count) { return (uint32_t)crc32_z(0, bytes, count); }
