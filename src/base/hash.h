/* SPDX-License-Identifier: MIT */
/*
 * Mixing of 64-bit words, for tables and for the block header's check. Multiply and fold:
 * two or three instructions a round, good high bits. Not cryptographic.
 */
#ifndef TMI_HASH_H
#define TMI_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

#define TMI_HASH_ODD1 UINT64_C(0x9E3779B97F4A7C15)
#define TMI_HASH_ODD2 UINT64_C(0xD6E8FEB86659FD93)

TMI_INLINE uint64_t tmi_hash_u64(uint64_t x)
{
    x ^= x >> 32;
    x *= TMI_HASH_ODD2;
    x ^= x >> 29;
    x *= TMI_HASH_ODD1;
    x ^= x >> 32;
    return x;
}

TMI_INLINE uint64_t tmi_hash_pair(uint64_t a, uint64_t b)
{
    return tmi_hash_u64(a * TMI_HASH_ODD1 + b);
}

/* With a seed that nobody knows, nobody can choose texts that collide. */
TMI_INLINE uint64_t tmi_hash_seeded(uint64_t seed, const void *bytes, size_t len)
{
    const unsigned char *p = (const unsigned char *)bytes;
    uint64_t h = seed + len * TMI_HASH_ODD1;
    for (size_t i = 0; i < len; i++) {
        h = (h ^ p[i]) * TMI_HASH_ODD2;
        h ^= h >> 31;
    }
    return tmi_hash_u64(h);
}

TMI_INLINE uint64_t tmi_hash_bytes(const void *bytes, size_t len)
{
    return tmi_hash_seeded(0, bytes, len);
}

#endif
