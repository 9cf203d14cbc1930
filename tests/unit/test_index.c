/* SPDX-License-Identifier: MIT */
/*
 * The index against plain arrays: keys are drawn from a pool, and `id_of` remembers what
 * each of them must have. Readers run beside one writer and check what they find.
 */
#include "trace/index.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>

#include "../support/random.h"
#include "base/atomic.h"

#define POOL 150000

/* Different for different i, close together in some bits and far apart in others. */
static uint64_t pool_key(uint32_t i)
{
    switch (i % 4) {
    case 0:
        return i; /* 0 is a key like any other */
    case 1:
        return (uint64_t)i << 32;
    case 2:
        return UINT64_MAX - i;
    default:
        return i * UINT64_C(0x9E3779B97F4A7C15);
    }
}

static uint32_t id_of[POOL]; /* 0: the key was not added yet */

/* `count` additions of random keys of the pool; ids go on from *given. */
static void add_at_random(struct tmi_index *index, int count, uint32_t *given,
                          uint64_t *random)
{
    for (int n = 0; n < count; n++) {
        uint32_t i = (uint32_t)random_below(random, POOL);
        cr_assert_eq(tmi_index_find(index, pool_key(i)), id_of[i]);
        uint32_t id = tmi_index_add(index, pool_key(i));
        if (id_of[i] == 0) {
            id_of[i] = ++*given;
        }
        cr_assert_eq(id, id_of[i], "ids are dense, and a key keeps its own");
        cr_assert_eq(tmi_index_count(index), *given);
    }
}

static void compare_all(const struct tmi_index *index)
{
    for (uint32_t i = 0; i < POOL; i++) {
        cr_assert_eq(tmi_index_find(index, pool_key(i)), id_of[i]);
        if (id_of[i] != 0) {
            cr_assert_eq(tmi_index_key(index, id_of[i]), pool_key(i));
        }
    }
}

Test(index, agrees_with_an_array)
{
    static struct tmi_index index;
    uint64_t random = 1;
    uint32_t given = 0;
    compare_all(&index);
    add_at_random(&index, 300000, &given, &random);
    cr_assert_gt(given, POOL / 2);
    compare_all(&index);
}

Test(index, forgotten_keys_come_again_with_higher_ids)
{
    static struct tmi_index index;
    uint64_t random = 2;
    uint32_t given = 0;
    cr_assert_eq(tmi_index_forget(&index), 1, "an empty one has nothing to forget");
    for (int round = 0; round < 12; round++) {
        add_at_random(&index, round % 3 == 0 ? 100 : 60000, &given, &random);
        compare_all(&index);
        uint32_t first = tmi_index_forget(&index);
        cr_assert_eq(first, given + 1);
        memset(id_of, 0, sizeof id_of);
        compare_all(&index);
        cr_assert_eq(tmi_index_count(&index), given, "ids are not used again");
    }
}

Test(index, forgetting_nothing_a_million_times_costs_nothing)
{
    static struct tmi_index index;
    tmi_index_add(&index, 77);
    for (int i = 0; i < 1000000; i++) {
        cr_assert_eq(tmi_index_forget(&index), 2);
    }
    cr_assert_eq(tmi_index_add(&index, 77), 2);
}

/* What the writer has finished; readers go by it. */
static struct tmi_index shared;
static uint32_t written;
static uint32_t first_valid = 1;
static uint32_t done;

/* Whatever is found is what was added, and what was added before is found. */
static void *read_beside(void *seed)
{
    uint64_t random = *(uint64_t *)seed;
    uint64_t wrong = 0;
    while (!tmi_load_acquire(&done)) {
        uint32_t before = tmi_load_acquire(&written);
        uint32_t i = (uint32_t)random_below(&random, POOL);
        uint32_t id = tmi_index_find(&shared, pool_key(i));
        wrong += i < before && id != i + 1;
        wrong += id != 0 && tmi_index_key(&shared, id) != pool_key(i);
    }
    return (void *)wrong;
}

Test(index, readers_beside_a_writer)
{
    pthread_t readers[3];
    uint64_t seeds[3] = {11, 12, 13};
    for (int i = 0; i < 3; i++) {
        pthread_create(&readers[i], NULL, read_beside, &seeds[i]);
    }
    for (uint32_t i = 0; i < POOL; i++) {
        cr_assert_eq(tmi_index_add(&shared, pool_key(i)), i + 1);
        tmi_store_release(&written, i + 1);
    }
    tmi_store_release(&done, 1);
    for (int i = 0; i < 3; i++) {
        void *wrong;
        pthread_join(readers[i], &wrong);
        cr_assert_eq(wrong, NULL);
    }
}

/* Beside forget() a reader may find what is stale, but nothing wrong that is not. */
static void *read_beside_forget(void *seed)
{
    uint64_t random = *(uint64_t *)seed;
    uint64_t wrong = 0;
    while (!tmi_load_acquire(&done)) {
        uint32_t i = (uint32_t)random_below(&random, POOL);
        uint32_t id = tmi_index_find(&shared, pool_key(i));
        uint64_t key = id == 0 ? 0 : tmi_index_key(&shared, id);
        /* `first` is read last: an id that is valid now was so all the time. */
        wrong += id >= tmi_load_acquire(&first_valid) && key != pool_key(i);
    }
    return (void *)wrong;
}

Test(index, readers_beside_one_that_forgets)
{
    pthread_t readers[2];
    uint64_t seeds[2] = {21, 22};
    for (int i = 0; i < 2; i++) {
        pthread_create(&readers[i], NULL, read_beside_forget, &seeds[i]);
    }
    for (int round = 0; round < 20; round++) {
        for (uint32_t i = 0; i < 20000; i++) {
            uint32_t id =
                tmi_index_add(&shared, pool_key((i * 7 + (uint32_t)round) % POOL));
            cr_assert_geq(id, first_valid);
        }
        tmi_store_release(&first_valid, tmi_index_count(&shared) + 1);
        cr_assert_eq(tmi_index_forget(&shared), first_valid);
    }
    tmi_store_release(&done, 1);
    for (int i = 0; i < 2; i++) {
        void *wrong;
        pthread_join(readers[i], &wrong);
        cr_assert_eq(wrong, NULL);
    }
}
