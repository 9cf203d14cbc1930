/* SPDX-License-Identifier: MIT */
/*
 * Numbers that look random and are the same in every run: splitmix64.
 */
#ifndef TMI_TEST_RANDOM_H
#define TMI_TEST_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

static inline uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

/* 0 <= result < n */
static inline uint64_t random_below(uint64_t *state, uint64_t n)
{
    return next_random(state) % n;
}

/* True once in n times. */
static inline bool one_in(uint64_t *state, uint64_t n)
{
    return random_below(state, n) == 0;
}

#endif
