/* SPDX-License-Identifier: MIT */
/*
 * Sampling against libm: how often a block of a size is hit, whatever is allocated
 * beside it, and what it then counts as.
 */
#include "trace/sample.h"

#include <criterion/criterion.h>
#include <math.h>

#include "../support/random.h"

static const size_t sizes[] = {1, 16, 100, 700, 1000, 3000, 20000};
#define SIZES (sizeof sizes / sizeof *sizes)

/* Within five standard deviations of what a binomial distribution has. */
static void expect_frequency(size_t hits, size_t tries, double p)
{
    double mean = p * (double)tries;
    double deviation = sqrt(mean * (1 - p));
    cr_assert_leq(fabs((double)hits - mean), 5 * deviation + 1, "%zu of %zu, p = %g",
                  hits, tries, p);
}

static double probability(size_t size)
{
    return -expm1(-(double)size / (double)tmi_sample_period);
}

Test(sample, each_size_alone)
{
    tmi_sample_period = 1000;
    for (size_t i = 0; i < SIZES; i++) {
        struct tmi_sampler sampler = {0, 1 + i};
        size_t hits = 0;
        for (int n = 0; n < 200000; n++) {
            hits += tmi_sample_hits(&sampler, sizes[i]);
            cr_assert_geq(sampler.until, 1);
        }
        expect_frequency(hits, 200000, probability(sizes[i]));
    }
}

Test(sample, sizes_mixed)
{
    uint64_t dice = 5;
    struct tmi_sampler sampler = {0, 77};
    size_t hits[SIZES] = {0};
    size_t tries[SIZES] = {0};
    tmi_sample_period = 1000;
    for (int n = 0; n < 1000000; n++) {
        size_t i = random_below(&dice, SIZES);
        tries[i]++;
        hits[i] += tmi_sample_hits(&sampler, sizes[i]);
    }
    for (size_t i = 0; i < SIZES; i++) {
        expect_frequency(hits[i], tries[i], probability(sizes[i]));
    }
}

Test(sample, nothing_is_never_hit)
{
    struct tmi_sampler sampler = {0, 3};
    tmi_sample_period = 1;
    for (int n = 0; n < 1000; n++) {
        cr_assert(!tmi_sample_hits(&sampler, 0));
    }
}

Test(sample, samplers_that_nobody_seeded_differ)
{
    struct tmi_sampler a = {0};
    struct tmi_sampler b = {0};
    tmi_sample_period = (int64_t)1 << 40;
    tmi_sample_hits(&a, 1);
    tmi_sample_hits(&b, 1);
    cr_assert_neq(a.until, b.until);
}

Test(sample, weights_are_those_of_libm)
{
    static const int64_t periods[] = {1, 7, 1000, 524288, (int64_t)1 << 40};
    uint64_t dice = 9;
    for (size_t i = 0; i < 5; i++) {
        tmi_sample_period = periods[i];
        for (int n = 0; n < 2000; n++) {
            size_t size = 1 + random_below(&dice, (uint64_t)1 << random_below(&dice, 45));
            struct tmi_weight weight = tmi_sample_weight(size);
            double blocks = (double)TMI_SAMPLE_ONE / probability(size);
            double bytes = blocks * (double)size;
            cr_assert_leq(fabs((double)weight.blocks - blocks), 0.501 + blocks * 1e-12);
            cr_assert_leq(fabs((double)weight.bytes - bytes), 0.501 + bytes * 1e-12);
        }
    }
}

Test(sample, sums_are_rounded)
{
    cr_assert_eq(tmi_sample_whole(0), 0);
    cr_assert_eq(tmi_sample_whole(5 * TMI_SAMPLE_ONE), 5);
    cr_assert_eq(tmi_sample_whole(5 * TMI_SAMPLE_ONE + TMI_SAMPLE_ONE / 2), 6);
    cr_assert_eq(tmi_sample_whole(5 * TMI_SAMPLE_ONE - TMI_SAMPLE_ONE / 2 - 1), 4);
}
