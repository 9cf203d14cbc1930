/* SPDX-License-Identifier: MIT */
/*
 * See trace/sample.h. log and exp are a few terms of a series here: libm is no library of
 * the runtime's, and a weight must be the same number when a block is freed as when it
 * was allocated, whatever happens to libm between. The distance to the next point is
 * drawn as a real number and rounded up, which leaves the probability for whole sizes as
 * it is.
 */
#include "trace/sample.h"

#include "base/hash.h"
#include "base/sys.h"

#define LN2         0.693147180559945309417
#define CERTAIN     40.0 /* from here on 1 - exp(-x) is 1 in a double */
#define FARTHEST    ((int64_t)1 << 62)
#define SERIES_MOST 40

int64_t tmi_sample_period;

/* -log(u) for u = (bits + 1) / 2^64: how often 2 goes into it, and atanh's series. */
static double minus_log(uint64_t bits)
{
    unsigned zeros = bits == 0 ? 63 : (unsigned)__builtin_clzll(bits);
    double m = (double)((bits << zeros) >> 11) * 0x1p-53; /* 1/2 <= m < 1 */
    if (m < 0.5) {
        m = 0.5;
    }
    double z = (1 - m) / (1 + m);
    double power = z;
    double sum = 0;
    for (int i = 1; i < SERIES_MOST; i += 2) {
        sum += power / i;
        power *= z * z;
    }
    return zeros * LN2 + 2 * sum;
}

/* 1 - exp(-x), x >= 0: the series of expm1 for x / 2^k below a half, then doubled k
 * times: 1 - exp(-2y) = q (2 - q) when q = 1 - exp(-y). */
static double hit_probability(double x)
{
    if (x >= CERTAIN) {
        return 1;
    }
    int halvings = 0;
    while (x > 0.5) {
        x /= 2;
        halvings++;
    }
    double term = x;
    double q = 0;
    for (int i = 2; i < SERIES_MOST; i++) {
        q += term;
        term *= -x / i;
    }
    while (halvings-- > 0) {
        q *= 2 - q;
    }
    return q;
}

static uint64_t next_random(struct tmi_sampler *sampler)
{
    if (sampler->random == 0) {
        sampler->random = tmi_sys_random() | 1;
    }
    sampler->random += TMI_HASH_ODD1 * 2;
    return tmi_hash_u64(sampler->random);
}

static int64_t next_distance(struct tmi_sampler *sampler)
{
    double bytes = minus_log(next_random(sampler)) * (double)tmi_sample_period;
    return bytes >= (double)FARTHEST ? FARTHEST : (int64_t)bytes + 1;
}

/* Where the thread has not begun yet, draw its first distance, and look again. */
TMI_COLD bool tmi_sample_draw(struct tmi_sampler *sampler, size_t size)
{
    bool begun = sampler->until > 0;
    if (!begun) {
        sampler->until = next_distance(sampler);
    }
    if ((int64_t)size < sampler->until) {
        sampler->until -= (int64_t)size;
        return false;
    }
    sampler->until = next_distance(sampler);
    return true;
}

struct tmi_weight tmi_sample_weight(size_t size)
{
    double p = hit_probability((double)size / (double)tmi_sample_period);
    double blocks = (double)TMI_SAMPLE_ONE / p;
    return (struct tmi_weight){(uint64_t)(blocks * (double)size + 0.5),
                               (uint64_t)(blocks + 0.5)};
}
