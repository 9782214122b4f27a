#include <stdio.h>
#include <string.h>
#include <xxhash.h>
#include <zlib.h>

#include "gridshift/base.h"

void gs_hash128(const void *bytes, size_t count, char hex[33])
{
    XXH128_hash_t h = XXH3_128bits(bytes, count);
    snprintf(hex, 33, "%016llx%016llx", (unsigned long long)h.high64, (unsigned long long)h.low64);
}

uint64_t gs_hash64(const char *text) { return XXH3_64bits(text, strlen(text)); }

uint32_t gs_crc32(const void *bytes, size_t count) { return (uint32_t)crc32_z(0, bytes, count); }
