/* SPDX-License-Identifier: MIT */
/*
 * The map against an array that is searched from the front: keys that are close together,
 * far apart, equal in their low or in their high half.
 */
#include "view/map.h"

#include <criterion/criterion.h>
#include <errno.h>

#define KEYS 3000

static uint64_t key_of(unsigned i)
{
    switch (i % 4) {
    case 0:
        return i;
    case 1:
        return (uint64_t)i << 32;
    case 2:
        return UINT64_MAX - i;
    default:
        return (uint64_t)i << 20 | 0xFFFFF;
    }
}

Test(map, keeps_the_first_value_of_each_key)
{
    struct tmi_arena arena = {0};
    struct tmi_map map;
    tmi_map_init(&map, &arena);
    cr_assert_eq(tmi_map_get(&map, 0), -ENOENT);
    for (unsigned i = 0; i < KEYS; i++) {
        cr_assert_eq(tmi_map_get(&map, key_of(i)), -ENOENT);
        cr_assert_eq(tmi_map_put(&map, key_of(i), i * 2), i * 2);
        cr_assert_eq(tmi_map_put(&map, key_of(i), 77777), i * 2,
                     "the second value is not");
    }
    for (unsigned i = 0; i < KEYS; i++) {
        cr_assert_eq(tmi_map_get(&map, key_of(i)), i * 2);
    }
    cr_assert_eq(map.count, KEYS);
    cr_assert_eq(tmi_map_get(&map, 12345678901234567u), -ENOENT);
    tmi_arena_release(&arena);
}

Test(map, two_maps_of_the_same_keys_are_laid_out_differently)
{
    struct tmi_arena arena = {0};
    struct tmi_map a;
    struct tmi_map b;
    tmi_map_init(&a, &arena);
    tmi_map_init(&b, &arena);
    cr_assert_neq(a.seed, b.seed, "whoever writes the file must not know the seed");
    tmi_arena_release(&arena);
}
