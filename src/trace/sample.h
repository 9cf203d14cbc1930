/* SPDX-License-Identifier: MIT */
/*
 * Sampling (TMALLOC_SAMPLE): stacks are recorded for some blocks only, while current,
 * peak and domains stay exact.
 *
 *     bytes allocated   ----------*-----------------*--*-----------   points, on average
 *     blocks            [   ][    *  ][    ][ ][    *  *   ][  ][ ]   one in `period`
 * bytes
 *
 * Points are strewn over the bytes that a thread allocates by a Poisson process; a block
 * in which at least one lies is recorded. So a block of s bytes is, whatever came before
 * it, with probability 1 - exp(-s/period), and counts as 1 / that many blocks: that makes
 * every sum over blocks unbiased, block by block, and its free takes the same off again.
 * Cells of sampled sites count in 1 / TMI_SAMPLE_ONE. All other blocks are of the
 * domain's one site for the rest, which says that they are traced and not sampled.
 */
#ifndef TMI_SAMPLE_H
#define TMI_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

#define TMI_SAMPLE_ONE ((uint64_t)1 << 10)

/* Bytes between points, on average; 0: every block is recorded. Set before tracing. */
extern TMI_HIDDEN int64_t tmi_sample_period;

/* Where a thread is between two points; it alone writes. Zeroes: nowhere yet. */
struct tmi_sampler {
    int64_t until; /* bytes to go to the next point, at least 1 */
    uint64_t random;
};

/* What a block counts as in its site's cell. */
struct tmi_weight {
    uint64_t bytes;
    uint64_t blocks;
};

/* A point lies in the block, or no point is drawn yet: go on behind it. */
bool tmi_sample_draw(struct tmi_sampler *sampler, size_t size);

/* Does a point lie in the next `size` bytes? */
TMI_INLINE bool tmi_sample_hits(struct tmi_sampler *sampler, size_t size)
{
    int64_t until = sampler->until - (int64_t)size;
    if (TMI_LIKELY(until > 0)) {
        sampler->until = until;
        return false;
    }
    return tmi_sample_draw(sampler, size);
}

/* What a sampled block of so many bytes stands for, in 1 / TMI_SAMPLE_ONE. */
struct tmi_weight tmi_sample_weight(size_t size);

/* A sum of such weights in whole units. */
TMI_INLINE uint64_t tmi_sample_whole(uint64_t sum)
{
    return (sum + TMI_SAMPLE_ONE / 2) / TMI_SAMPLE_ONE;
}

#endif
