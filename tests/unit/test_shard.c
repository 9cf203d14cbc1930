/* SPDX-License-Identifier: MIT */
/*
 * A shard: when its net is handed to the totals, that its cells count what a plain array
 * counts, and that nothing of one epoch is left in the next.
 */
#include "trace/shard.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>

#include "../support/random.h"

static tmi_stamp stamp_of(uint32_t epoch, uint32_t first)
{
    return (tmi_stamp)epoch << 32 | first;
}

static struct tmi_shard *begin(uint32_t epoch, uint32_t first, int64_t lease)
{
    struct tmi_shard *shard = tmi_shard_new();
    cr_assert_not_null(shard);
    tmi_totals_begin(epoch);
    tmi_shard_begin(shard, stamp_of(epoch, first), lease);
    return shard;
}

static void expect_totals(int64_t current, int64_t peak)
{
    cr_assert_eq(tmi_totals_current(), current, "current %lld, not %lld",
                 (long long)tmi_totals_current(), (long long)current);
    cr_assert_eq(tmi_totals_peak(), peak, "peak %lld, not %lld",
                 (long long)tmi_totals_peak(), (long long)peak);
}

Test(shard, flushes_when_it_has_left_its_lease)
{
    struct tmi_shard *shard = begin(1, 1, 100);
    tmi_shard_add(shard, 100);
    expect_totals(0, 0);
    tmi_shard_add(shard, 1);
    expect_totals(101, 101);
    cr_assert_eq(shard->net, 0);
    tmi_shard_add(shard, 90);
    tmi_shard_add(shard, -190);
    expect_totals(101, 101);
    tmi_shard_add(shard, -1);
    expect_totals(0, 191); /* 101 + 90 was the most */
}

Test(shard, without_a_lease_every_change_is_flushed)
{
    struct tmi_shard *shard = begin(1, 1, 0);
    tmi_shard_add(shard, 7);
    expect_totals(7, 7);
    tmi_shard_add(shard, -7);
    expect_totals(0, 7);
    tmi_shard_add(shard, 0);
    expect_totals(0, 7);
}

Test(shard, a_change_larger_than_any_lease_goes_through)
{
    struct tmi_shard *shard = begin(2, 1, 65536);
    const int64_t most = (int64_t)1 << 46;
    tmi_shard_add(shard, most);
    expect_totals(most, most);
    tmi_shard_add(shard, -most);
    expect_totals(0, most);
}

/* An exact model: one thread's current and peak, for any lease. */
Test(shard, totals_and_net_together_are_exact)
{
    uint64_t random = 5;
    for (int64_t lease = 0; lease < 100000; lease = lease * 7 + 1) {
        struct tmi_shard *shard = begin((uint32_t)lease, 1, lease);
        int64_t current = 0;
        int64_t peak = 0;
        for (int i = 0; i < 20000; i++) {
            int64_t change = (int64_t)random_below(&random, 4001) - 2000;
            change = current + change < 0 ? -current : change;
            tmi_shard_add(shard, change);
            current += change;
            peak = current > peak ? current : peak;
            cr_assert_eq(tmi_totals_current() + shard->net, current);
            cr_assert_lt(llabs(shard->net), lease + 1);
        }
        tmi_shard_flush(shard);
        expect_totals(current, peak);
    }
}

#define IDS 20000

static struct tmi_cell model[IDS];

static void count_at_random(struct tmi_shard *shard, uint32_t first, uint64_t *random)
{
    memset(model, 0, sizeof model);
    for (int i = 0; i < 100000; i++) {
        uint32_t at = (uint32_t)random_below(random, IDS);
        size_t size = random_below(random, 1000);
        if (random_below(random, 2) == 0) {
            tmi_shard_count_alloc(shard, first + at, size);
            model[at].alloc_blocks++;
            model[at].alloc_bytes += size;
        } else {
            bool temporary = size % 3 == 0;
            tmi_shard_count_free(shard, first + at, size, temporary);
            model[at].free_blocks++;
            model[at].free_bytes += size;
            model[at].temporary_blocks += temporary;
        }
    }
}

static void compare_cells(struct tmi_shard *shard, uint32_t first)
{
    for (uint32_t at = 0; at < IDS; at++) {
        struct tmi_cell sum = {0};
        tmi_shard_read(shard, first + at, &sum);
        cr_assert_eq(memcmp(&sum, &model[at], sizeof sum), 0, "site %u", at);
    }
}

Test(shard, cells_count_what_an_array_counts)
{
    uint64_t random = 6;
    struct tmi_shard *shard = begin(1, 1, 1000);
    count_at_random(shard, 1, &random);
    compare_cells(shard, 1);
    struct tmi_cell twice = model[17];
    tmi_shard_read(shard, 1 + 17, &twice);
    cr_assert_eq(twice.alloc_bytes, 2 * model[17].alloc_bytes, "reading adds");
    struct tmi_cell none = {0};
    tmi_shard_read(shard, 4000000000u, &none);
    cr_assert_eq(none.alloc_blocks, 0);
}

Test(shard, an_epoch_begins_with_nothing)
{
    uint64_t random = 7;
    struct tmi_shard *shard = begin(1, 1, 1000);
    for (uint32_t epoch = 1; epoch < 6; epoch++) {
        uint32_t first = epoch * IDS + 3;
        tmi_totals_begin(epoch);
        tmi_shard_begin(shard, stamp_of(epoch, first), 1000);
        cr_assert_eq(shard->net, 0);
        cr_assert_eq(shard->high, 0);
        memset(model, 0, sizeof model);
        compare_cells(shard, first);
        count_at_random(shard, first, &random);
        compare_cells(shard, first);
        tmi_shard_add(shard, 500);
        shard->known[3] = (struct tmi_known_site){1, first};
    }
    tmi_shard_begin(shard, stamp_of(6, 1), 1000);
    cr_assert_eq(shard->known[3].key, 0, "sites that are known belong to an epoch too");
    cr_assert_null(shard->latest);
}

/* A flush on its way while another epoch begins must not count there. */
Test(shard, a_flush_after_the_epoch_is_dropped)
{
    struct tmi_shard *shard = begin(1, 1, 1000);
    tmi_shard_add(shard, 900);
    tmi_totals_begin(2);
    tmi_shard_flush(shard);
    expect_totals(0, 0);
}

Test(shard, the_stack_grows_and_can_be_written)
{
    struct tmi_shard *shard = tmi_shard_new();
    size_t wanted[] = {1, 512, 513, 100, 65535};
    size_t room = 0;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        cr_assert(tmi_shard_grow_stack(shard, wanted[i]));
        cr_assert_geq(shard->stack_room, wanted[i]);
        cr_assert_geq(shard->stack_room, room, "it never shrinks");
        room = shard->stack_room;
        memset(shard->stack, 0xAB, room * sizeof *shard->stack);
    }
}

#define READ_ROUNDS 200

static struct tmi_shard *watched;
static uint32_t finished;

static void *watch(void *arg)
{
    (void)arg;
    static uint64_t latest[IDS];
    uint64_t wrong = 0;
    while (!tmi_load_acquire(&finished)) {
        for (uint32_t at = 0; at < IDS; at += 7) {
            struct tmi_cell sum = {0};
            tmi_shard_read(watched, 1 + at, &sum);
            wrong += sum.alloc_blocks < latest[at] || sum.alloc_blocks > READ_ROUNDS;
            latest[at] = sum.alloc_blocks;
        }
    }
    return (void *)wrong;
}

Test(shard, a_reader_beside_the_owner_sees_counts_grow)
{
    watched = begin(1, 1, 1000);
    pthread_t reader;
    pthread_create(&reader, NULL, watch, NULL);
    for (int round = 0; round < READ_ROUNDS; round++) {
        for (uint32_t at = 0; at < IDS; at++) {
            tmi_shard_count_alloc(watched, 1 + at, 8);
        }
    }
    tmi_store_release(&finished, 1);
    void *wrong;
    pthread_join(reader, &wrong);
    cr_assert_eq(wrong, NULL);
    struct tmi_cell last = {0};
    tmi_shard_read(watched, IDS, &last);
    cr_assert_eq(last.alloc_blocks, READ_ROUNDS);
    cr_assert_eq(last.alloc_bytes, 8 * READ_ROUNDS);
}
