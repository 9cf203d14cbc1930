/* SPDX-License-Identifier: MIT */
/*
 * A shard: when its net is handed to the totals, that its cells count what a plain array
 * counts, also as it was at a cut, and that nothing of one epoch is left in the next.
 */
#include "trace/shard.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>

#include "../support/random.h"
#include "trace/memory.h"
#include "trace/peak.h"
#include "trace/tracer.h"

static tmi_stamp stamp_of(uint32_t epoch, uint32_t first)
{
    return (tmi_stamp)epoch << 32 | first;
}

static struct tmi_shard *begin(uint32_t epoch, uint32_t first, int64_t lease)
{
    struct tmi_shard *shard = tmi_shard_new();
    cr_assert_not_null(shard);
    tmi_totals_begin(&tmi_process_totals, epoch);
    tmi_peak_reset(tmi_tracer.stamp, (int64_t)1 << 50); /* no peak here to look for */
    tmi_cut_end_all_locked();
    tmi_shard_begin(shard, stamp_of(epoch, first), lease);
    return shard;
}

/* As the tracer does it. */
static void change(struct tmi_shard *shard, int64_t bytes)
{
    if (bytes < 0) {
        tmi_shard_before_fall(shard);
    }
    tmi_shard_add(shard, bytes);
}

static void expect_totals(int64_t current, int64_t peak)
{
    cr_assert_eq(tmi_totals_current(&tmi_process_totals), current,
                 "current %lld, not %lld",
                 (long long)tmi_totals_current(&tmi_process_totals), (long long)current);
    cr_assert_eq(tmi_totals_peak(&tmi_process_totals), peak, "peak %lld, not %lld",
                 (long long)tmi_totals_peak(&tmi_process_totals), (long long)peak);
}

Test(shard, flushes_when_it_has_left_its_lease)
{
    struct tmi_shard *shard = begin(1, 1, 100);
    change(shard, 100);
    expect_totals(0, 0);
    change(shard, 1);
    expect_totals(101, 101);
    cr_assert_eq(shard->net, 0);
    change(shard, 90);
    change(shard, -190);
    expect_totals(101, 101);
    change(shard, -1);
    expect_totals(0, 191); /* 101 + 90 was the most */
}

Test(shard, without_a_lease_every_change_is_flushed)
{
    struct tmi_shard *shard = begin(1, 1, 0);
    change(shard, 7);
    expect_totals(7, 7);
    change(shard, -7);
    expect_totals(0, 7);
    change(shard, 0);
    expect_totals(0, 7);
}

Test(shard, a_change_larger_than_any_lease_goes_through)
{
    struct tmi_shard *shard = begin(2, 1, 65536);
    const int64_t most = (int64_t)1 << 46;
    change(shard, most);
    expect_totals(most, most);
    change(shard, -most);
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
            int64_t by = (int64_t)random_below(&random, 4001) - 2000;
            by = current + by < 0 ? -current : by;
            change(shard, by);
            current += by;
            peak = current > peak ? current : peak;
            cr_assert_eq(tmi_totals_current(&tmi_process_totals) + shard->net, current);
            cr_assert_lt(llabs(shard->net), lease + 1);
        }
        tmi_shard_flush(shard);
        expect_totals(current, peak);
    }
}

#define IDS 20000

static void read_cell(struct tmi_shard *shard, uint32_t id, struct tmi_cell *sum)
{
    cr_assert(tmi_shard_read(shard, TMI_CUT_NOW, id, sum, 1));
}

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
        read_cell(shard, first + at, &sum);
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
    read_cell(shard, 1 + 17, &twice);
    cr_assert_eq(twice.alloc_bytes, 2 * model[17].alloc_bytes, "reading adds");
    struct tmi_cell none = {0};
    read_cell(shard, 4000000000u, &none);
    cr_assert_eq(none.alloc_blocks, 0);
}

Test(shard, an_epoch_begins_with_nothing)
{
    uint64_t random = 7;
    struct tmi_shard *shard = begin(1, 1, 1000);
    for (uint32_t epoch = 1; epoch < 6; epoch++) {
        uint32_t first = epoch * IDS + 3;
        tmi_totals_begin(&tmi_process_totals, epoch);
        tmi_shard_begin(shard, stamp_of(epoch, first), 1000);
        cr_assert_eq(shard->net, 0);
        cr_assert_eq(shard->high, 0);
        memset(model, 0, sizeof model);
        compare_cells(shard, first);
        count_at_random(shard, first, &random);
        compare_cells(shard, first);
        change(shard, 500);
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
    change(shard, 900);
    tmi_totals_begin(&tmi_process_totals, 2);
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
            read_cell(watched, 1 + at, &sum);
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
    read_cell(watched, IDS, &last);
    cr_assert_eq(last.alloc_blocks, READ_ROUNDS);
    cr_assert_eq(last.alloc_bytes, 8 * READ_ROUNDS);
}

/* ---- cuts ---------------------------------------------------------------------------
 */

static struct tmi_cell at_cut[TMI_CUT_COUNT][IDS];

static void make_cut(struct tmi_shard *shard, enum tmi_cut cut)
{
    memcpy(at_cut[cut], model, sizeof model);
    tmi_cut_make_locked(cut);
    tmi_shard_look(shard, tmi_tracer.turn);
}

/* All of them in one reading, and a few ranges of a few. */
static void compare_with_cut(struct tmi_shard *shard, enum tmi_cut cut, uint64_t *random)
{
    static struct tmi_cell sums[IDS];
    memset(sums, 0, sizeof sums);
    cr_assert(tmi_shard_read(shard, cut, 1, sums, IDS));
    for (uint32_t at = 0; at < IDS; at++) {
        cr_assert_eq(memcmp(&sums[at], &at_cut[cut][at], sizeof *sums), 0, "site %u", at);
    }
    for (int i = 0; i < 20; i++) {
        uint32_t from = (uint32_t)random_below(random, IDS - 100);
        uint32_t n = (uint32_t)random_below(random, 100);
        memset(sums, 0, 100 * sizeof *sums);
        cr_assert(tmi_shard_read(shard, cut, 1 + from, sums, n));
        cr_assert_eq(memcmp(sums, &at_cut[cut][from], n * sizeof *sums), 0);
        cr_assert_eq(sums[n].alloc_blocks, 0, "no more than asked for");
    }
}

/* Changes of a model that go on from what it was. */
static void count_on(struct tmi_shard *shard, int operations, uint64_t *random)
{
    for (int i = 0; i < operations; i++) {
        uint32_t at = (uint32_t)(random_below(random, IDS) * random_below(random, 4) / 3);
        tmi_shard_count_alloc(shard, 1 + at, 10);
        model[at].alloc_blocks++;
        model[at].alloc_bytes += 10;
    }
}

Test(shard, what_was_at_each_cut_is_kept)
{
    uint64_t random = 8;
    struct tmi_shard *shard = begin(1, 1, 1000);
    count_on(shard, 3, &random); /* most chunks come into being behind a cut */
    for (int round = 0; round < 60; round++) {
        make_cut(shard, (enum tmi_cut)random_below(&random, TMI_CUT_COUNT));
        count_on(shard, (int)random_below(&random, 2000), &random);
        for (int cut = 0; cut < TMI_CUT_COUNT; cut++) {
            if (tmi_cut_number((enum tmi_cut)cut) != 0) {
                compare_with_cut(shard, (enum tmi_cut)cut, &random);
            }
        }
        if (round % 7 == 6) {
            tmi_cut_end_locked(TMI_CUT_NOW);
        }
    }
}

Test(shard, a_cut_that_nobody_can_know_of_is_left_alone)
{
    uint64_t random = 9;
    struct tmi_shard *shard = begin(1, 1, 1000);
    count_on(shard, 100, &random);
    uint64_t turn = tmi_tracer.turn;
    tmi_cut_make_locked(TMI_CUT_NOW);
    tmi_shard_look(shard, turn); /* it had looked at the turn before */
    count_on(shard, 1000, &random);
    memcpy(at_cut[TMI_CUT_NOW], model, sizeof model);
    compare_with_cut(shard, TMI_CUT_NOW, &random);
    tmi_shard_look(shard, tmi_tracer.turn);
    count_on(shard, 1000, &random);
    compare_with_cut(shard, TMI_CUT_NOW, &random);
}

Test(shard, cuts_end_with_their_epoch)
{
    uint64_t random = 10;
    struct tmi_shard *shard = begin(1, 1, 1000);
    for (uint32_t epoch = 2; epoch < 10; epoch++) {
        count_on(shard, 1000, &random);
        make_cut(shard, TMI_CUT_PEAK);
        count_on(shard, 1000, &random);
        tmi_totals_begin(&tmi_process_totals, epoch);
        tmi_cut_end_all_locked();
        tmi_shard_begin(shard, stamp_of(epoch, 1), 1000);
        tmi_shard_look(shard, tmi_tracer.turn);
        memset(model, 0, sizeof model);
        compare_cells(shard, 1);
        make_cut(shard, TMI_CUT_OTHER_PEAK);
        count_on(shard, 500, &random);
        compare_with_cut(shard, TMI_CUT_OTHER_PEAK, &random);
    }
}

/* What is kept for a cut that is over is used again: cuts do not cost memory for ever. */
Test(shard, a_thousand_cuts_take_no_more_than_a_few)
{
    struct tmi_shard *shard = begin(1, 1, 1000);
    size_t used = 0;
    for (int round = 0; round < 1000; round++) {
        make_cut(shard, (enum tmi_cut)(round % TMI_CUT_COUNT));
        for (uint32_t at = 0; at < IDS; at += TMI_SHARD_CHUNK) {
            tmi_shard_count_alloc(shard, 1 + at, 1);
        }
        if (round == 2 * TMI_CUT_COUNT) {
            used = tmi_memory_bytes();
        }
    }
    cr_assert_eq(tmi_memory_bytes(), used);
}

static uint64_t shown; /* rounds that the owner has done, each one block at every site */

/* At each cut all sites have as many blocks as at the cut, whatever the owner does. */
static void *cut_and_read(void *arg)
{
    static struct tmi_cell sums[IDS];
    uint64_t wrong = 0;
    (void)arg;
    while (!tmi_load_acquire(&finished)) {
        uint64_t before = tmi_load_acquire(&shown);
        tmi_cut_make_locked(TMI_CUT_NOW);
        memset(sums, 0, sizeof sums);
        tmi_shard_read(watched, TMI_CUT_NOW, 1, sums, IDS);
        uint64_t first = sums[0].alloc_blocks;
        wrong += first < before;
        for (uint32_t at = 1; at < IDS; at++) {
            uint64_t blocks = sums[at].alloc_blocks;
            wrong += blocks != first && blocks + 1 != first; /* it was in that round */
            first = blocks;
        }
    }
    return (void *)wrong;
}

/* The owner looks for cuts before each change, as the tracer does. */
Test(shard, a_reader_beside_the_owner_reads_one_moment)
{
    watched = begin(1, 1, 1000);
    pthread_t reader;
    pthread_create(&reader, NULL, cut_and_read, NULL);
    for (uint64_t round = 1; round <= READ_ROUNDS; round++) {
        for (uint32_t at = 0; at < IDS; at++) {
            uint64_t turn = tmi_load_acquire(&tmi_tracer.turn);
            if (turn != watched->turn) {
                tmi_shard_look(watched, turn);
            }
            tmi_shard_count_alloc(watched, 1 + at, 8);
        }
        tmi_store_release(&shown, round);
    }
    tmi_store_release(&finished, 1);
    void *wrong;
    pthread_join(reader, &wrong);
    cr_assert_eq(wrong, NULL);
}
