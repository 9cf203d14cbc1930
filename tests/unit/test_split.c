/* SPDX-License-Identifier: MIT */
/*
 * A shard that is split by domains, against sums that are added up one by one: random
 * changes in several domains, flushed at random moments or when the lease says so. Totals
 * and what is not flushed are the sum at any time, peaks are exact once it is flushed.
 */
#include "trace/split.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "../support/random.h"
#include "trace/domain.h"

#define DOMAINS 5

static struct tmi_shard *shard;
static struct {
    int64_t current, peak;
} model[DOMAINS + 1]; /* the last one is the whole */
static uint32_t slots[DOMAINS];

static void begin(uint32_t epoch, int64_t lease)
{
    tmi_totals_begin(&tmi_process_totals, epoch);
    tmi_domain_begin(epoch);
    if (shard == NULL) {
        shard = tmi_shard_new();
        cr_assert_not_null(shard);
    }
    tmi_shard_begin(shard, (tmi_stamp)epoch << 32 | 1, lease);
    memset(model, 0, sizeof model);
}

static void count(int which, int64_t bytes)
{
    model[which].current += bytes;
    if (model[which].current > model[which].peak) {
        model[which].peak = model[which].current;
    }
}

/* `gone` bytes of one domain become `come` bytes of another, or of the same. */
static void change(int from, int64_t gone, int to, int64_t come)
{
    count(DOMAINS, come - gone);
    if (from == to) {
        count(from, come - gone);
    } else {
        count(from, -gone);
        count(to, come);
    }
    if (from == 0 && to == 0) {
        tmi_shard_add(shard, come - gone);
    } else {
        cr_assert(tmi_split_prepare(shard, slots[from]));
        cr_assert(tmi_split_prepare(shard, slots[to]));
        tmi_split_change(shard, (struct tmi_bytes){slots[from], gone},
                         (struct tmi_bytes){slots[to], come});
    }
}

static void change_at_random(uint64_t *dice)
{
    int from = (int)random_below(dice, DOMAINS);
    int to = one_in(dice, 2) ? from : (int)random_below(dice, DOMAINS);
    int64_t come = (int64_t)random_below(dice, 300);
    int64_t gone = (int64_t)random_below(dice, 1 + (uint64_t)model[from].current);
    gone = one_in(dice, 2) ? gone : 0;
    change(from, gone, to, gone != 0 && one_in(dice, 2) ? 0 : come);
}

static void expect_currents(void)
{
    for (int i = 0; i < DOMAINS; i++) {
        cr_assert_eq(tmi_totals_current(tmi_domain_totals(slots[i])) +
                         tmi_split_unflushed(shard, slots[i]),
                     model[i].current);
    }
    cr_assert_eq(tmi_totals_current(&tmi_process_totals) + shard->net,
                 model[DOMAINS].current);
}

static void expect_peaks(void)
{
    tmi_shard_flush(shard);
    tmi_split_flush_parts(shard);
    for (int i = 0; i < DOMAINS; i++) {
        cr_assert_eq(tmi_totals_peak(tmi_domain_totals(slots[i])), model[i].peak);
        cr_assert_eq(tmi_split_unflushed(shard, slots[i]), 0);
    }
    cr_assert_eq(tmi_totals_peak(&tmi_process_totals), model[DOMAINS].peak);
}

static void run(int64_t lease, uint64_t look_every)
{
    uint64_t dice = (uint64_t)lease + 7;
    /* the last domain lies in another piece than the others */
    for (uint32_t number = 1; number <= 2 * TMI_SPLIT_PIECE; number++) {
        tmi_domain_adopt(number);
    }
    for (uint32_t i = 1; i < DOMAINS; i++) {
        slots[i] = i == DOMAINS - 1 ? 2 * TMI_SPLIT_PIECE : i;
    }
    for (uint32_t epoch = 1; epoch <= 3; epoch++) {
        begin(epoch, lease);
        for (int i = 0; i < 50000; i++) {
            change_at_random(&dice);
            expect_currents();
            if (one_in(&dice, look_every)) {
                expect_peaks();
            }
        }
        expect_peaks();
    }
}

Test(split, without_a_lease)
{
    run(0, 100);
}

Test(split, with_a_small_lease)
{
    run(100, 100);
}

Test(split, with_a_large_lease)
{
    run((int64_t)1 << 30, 100);
    run((int64_t)1 << 30, 10000);
}

/* Neither the whole nor a domain is ever further out than the lease given. */
Test(split, stays_within_the_lease)
{
    uint64_t dice = 11;
    tmi_domain_adopt(1);
    slots[1] = 1;
    begin(1, 1000);
    for (int i = 0; i < 100000; i++) {
        int64_t bytes = (int64_t)random_below(&dice, 800);
        int from = one_in(&dice, 2) ? 0 : 1;
        int to = one_in(&dice, 2) ? 0 : 1;
        change(from, one_in(&dice, 2) ? bytes : 0, to, one_in(&dice, 2) ? bytes : 0);
        cr_assert_leq(llabs(shard->net), 1000);
        cr_assert_leq(llabs(tmi_split_unflushed(shard, 0)), 1000);
        cr_assert_leq(llabs(tmi_split_unflushed(shard, 1)), 1000);
    }
}

/* A shard that never met a domain has no split, and all of it is domain 0's. */
Test(split, is_not_there_without_domains)
{
    begin(1, 100);
    tmi_shard_add(shard, 60);
    cr_assert_null(shard->split);
    cr_assert_eq(tmi_split_unflushed(shard, 0), 60);
    cr_assert_eq(tmi_split_unflushed(shard, 3), 0);
    tmi_shard_add(shard, 60);
    tmi_shard_add(shard, -30);
    tmi_split_flush_parts(shard);
    cr_assert_eq(tmi_totals_current(tmi_domain_totals(0)), 120);
    cr_assert_eq(tmi_split_unflushed(shard, 0), -30);
}
