/* SPDX-License-Identifier: MIT */
/*
 * The tree of tracked resources against a plain array that is searched from end to end.
 * Addresses are close together and far apart, odd, 0 and the highest; the same address
 * lies in several domains.
 */
#include "trace/tracked.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "../support/random.h"
#include "trace/memory.h"

#define ADDRESSES 3000
#define DOMAINS   4

static struct tmi_resource model[ADDRESSES][DOMAINS];
static const uint32_t domains[DOMAINS] = {0, 1, 2, 65535};

static uint64_t address_of(uint32_t i)
{
    switch (i % 5) {
    case 0:
        return i;
    case 1:
        return UINT64_MAX - i;
    case 2:
        return (uint64_t)i << 12;
    case 3:
        return UINT64_C(0x7f0000000000) + ((uint64_t)i << 4);
    default:
        return i * UINT64_C(0x9E3779B97F4A7C15);
    }
}

static struct tmi_tracked_key key_of(uint32_t i, uint32_t d)
{
    return (struct tmi_tracked_key){domains[d], address_of(i)};
}

static bool is(struct tmi_resource a, struct tmi_resource b)
{
    return a.site == b.site && a.size == b.size;
}

static void change_at_random(uint64_t *dice, int count, uint32_t addresses)
{
    for (int n = 0; n < count; n++) {
        uint32_t i = (uint32_t)random_below(dice, addresses);
        uint32_t d = (uint32_t)random_below(dice, DOMAINS);
        struct tmi_resource *there = &model[i][d];
        cr_assert(is(tmi_tracked_find_locked(key_of(i, d)), *there));
        if (one_in(dice, 2)) {
            struct tmi_resource now = {1 + (uint32_t)random_below(dice, 1000),
                                       random_below(dice, 1000)};
            struct tmi_resource old;
            cr_assert_eq(tmi_tracked_put_locked(key_of(i, d), now, &old), 0);
            cr_assert(is(old, *there));
            *there = now;
        } else {
            cr_assert(is(tmi_tracked_take_locked(key_of(i, d)), *there));
            *there = (struct tmi_resource){0, 0};
        }
    }
}

static void compare_all(void)
{
    for (uint32_t i = 0; i < ADDRESSES; i++) {
        for (uint32_t d = 0; d < DOMAINS; d++) {
            cr_assert(is(tmi_tracked_find_locked(key_of(i, d)), model[i][d]));
        }
    }
}

Test(tracked, finds_what_was_put)
{
    uint64_t dice = 1;
    compare_all();
    cr_assert(tmi_tracked_is_empty());
    change_at_random(&dice, 2000, 3);
    compare_all();
    for (int round = 0; round < 20; round++) {
        change_at_random(&dice, 20000, ADDRESSES);
        compare_all();
    }
}

Test(tracked, is_empty_when_all_is_taken)
{
    uint64_t dice = 2;
    change_at_random(&dice, 30000, ADDRESSES);
    cr_assert(!tmi_tracked_is_empty());
    for (uint32_t i = 0; i < ADDRESSES; i++) {
        for (uint32_t d = 0; d < DOMAINS; d++) {
            cr_assert(is(tmi_tracked_take_locked(key_of(i, d)), model[i][d]));
            cr_assert_eq(tmi_tracked_take_locked(key_of(i, d)).site, 0);
            model[i][d] = (struct tmi_resource){0, 0};
        }
    }
    cr_assert(tmi_tracked_is_empty());
    change_at_random(&dice, 30000, ADDRESSES);
    compare_all();
}

/* Memory grows with use, is used again, and is given back when all is forgotten. */
Test(tracked, memory)
{
    size_t before = tmi_memory_bytes();
    struct tmi_resource old;
    const struct tmi_resource one = {1, 1};
    cr_assert_eq(tmi_tracked_put_locked(key_of(1, 1), one, &old), 0);
    cr_assert_eq(tmi_memory_bytes() - before, 4096);
    for (uint64_t address = 0; address < 200000; address++) {
        struct tmi_tracked_key key = {3, address << 12};
        cr_assert_eq(tmi_tracked_put_locked(key, one, &old), 0);
    }
    size_t most = tmi_memory_bytes() - before;
    cr_assert_leq(most, 200000 * 48 + (2 << 20));
    for (int round = 0; round < 3; round++) {
        for (uint64_t address = 0; address < 200000; address++) {
            struct tmi_tracked_key key = {3, address << 12};
            cr_assert_eq(tmi_tracked_take_locked(key).site, 1);
        }
        for (uint64_t address = 0; address < 200000; address++) {
            struct tmi_tracked_key key = {5, (address << 20) + 1};
            cr_assert_eq(tmi_tracked_put_locked(key, one, &old), 0);
            cr_assert_eq(tmi_tracked_take_locked(key).site, 1);
            key = (struct tmi_tracked_key){3, address << 12};
            cr_assert_eq(tmi_tracked_put_locked(key, one, &old), 0);
        }
        cr_assert_eq(tmi_memory_bytes() - before, most);
    }
    tmi_tracked_forget_locked();
    cr_assert_eq(tmi_memory_bytes(), before);
    cr_assert(tmi_tracked_is_empty());
    cr_assert_eq(tmi_tracked_find_locked(key_of(1, 1)).site, 0);
}

Test(tracked, forgets_over_and_again)
{
    uint64_t dice = 3;
    for (int round = 0; round < 50; round++) {
        change_at_random(&dice, 500, 100);
        tmi_tracked_forget_locked();
        for (uint32_t i = 0; i < 100; i++) {
            for (uint32_t d = 0; d < DOMAINS; d++) {
                model[i][d] = (struct tmi_resource){0, 0};
                cr_assert_eq(tmi_tracked_find_locked(key_of(i, d)).site, 0);
            }
        }
    }
}
