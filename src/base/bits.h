/* SPDX-License-Identifier: MIT */
/*
 * Alignment, powers of two and arithmetic that notices overflow, or stops at the largest
 * number.
 */
#ifndef TMI_BITS_H
#define TMI_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

TMI_INLINE bool tmi_is_pow2(size_t x)
{
    return x != 0 && (x & (x - 1)) == 0;
}

/* x rounded up to a multiple of the power of two `align`; wraps to 0 on overflow. */
TMI_INLINE size_t tmi_align_up(size_t x, size_t align)
{
    return (x + align - 1) & ~(align - 1);
}

TMI_INLINE bool tmi_is_aligned(const void *p, size_t align)
{
    return ((uintptr_t)p & (align - 1)) == 0;
}

/* The smallest power of two that is at least x; 0 when there is none. */
TMI_INLINE size_t tmi_ceil_pow2(size_t x)
{
    if (x <= 1) {
        return 1;
    }
    int bits = (int)(8 * sizeof(size_t)) - __builtin_clzl(x - 1);
    return bits == 8 * (int)sizeof(size_t) ? 0 : (size_t)1 << bits;
}

TMI_INLINE bool tmi_mul_overflows(size_t a, size_t b, size_t *product)
{
    return __builtin_mul_overflow(a, b, product);
}

TMI_INLINE bool tmi_add_overflows(size_t a, size_t b, size_t *sum)
{
    return __builtin_add_overflow(a, b, sum);
}

/* Add n to a sum, which stays at the largest number when that does not fit. */
TMI_INLINE void tmi_add_up(uint64_t *sum, uint64_t n)
{
    if (__builtin_add_overflow(*sum, n, sum)) {
        *sum = UINT64_MAX;
    }
}

/* now - before, as near as 64 bits come. */
TMI_INLINE int64_t tmi_difference(uint64_t now, uint64_t before)
{
    if (now >= before) {
        return now - before > INT64_MAX ? INT64_MAX : (int64_t)(now - before);
    }
    return before - now > INT64_MAX ? INT64_MIN : -(int64_t)(before - now);
}

#endif
