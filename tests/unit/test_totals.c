/* SPDX-License-Identifier: MIT */
/*
 * Current and peak of the process: what a flush adds, what the peak was on the way, and
 * that nothing of an epoch that is over gets in.
 */
#include "trace/totals.h"

#include <criterion/criterion.h>
#include <pthread.h>

static void expect(int64_t current, int64_t peak)
{
    cr_assert_eq(tmi_totals_current(&tmi_process_totals), current,
                 "current is %lld, not %lld",
                 (long long)tmi_totals_current(&tmi_process_totals), (long long)current);
    cr_assert_eq(tmi_totals_peak(&tmi_process_totals), peak, "peak is %lld, not %lld",
                 (long long)tmi_totals_peak(&tmi_process_totals), (long long)peak);
}

Test(totals, a_flush_adds_and_offers_its_highest)
{
    tmi_totals_begin(&tmi_process_totals, 1);
    expect(0, 0);
    tmi_totals_flush(&tmi_process_totals, 1, 100, 100);
    expect(100, 100);
    tmi_totals_flush(&tmi_process_totals, 1, -40, 0);
    expect(60, 100);
    tmi_totals_flush(&tmi_process_totals, 1, 10, 30); /* 60 + 30 < 100 */
    expect(70, 100);
    tmi_totals_flush(&tmi_process_totals, 1, -70, 31); /* 70 + 31 */
    expect(0, 101);
}

Test(totals, a_late_flush_is_dropped)
{
    tmi_totals_begin(&tmi_process_totals, 7);
    tmi_totals_flush(&tmi_process_totals, 7, 1000, 1000);
    tmi_totals_begin(&tmi_process_totals, 8);
    expect(0, 0);
    tmi_totals_flush(&tmi_process_totals, 7, 500, 500);
    tmi_totals_flush(&tmi_process_totals, 9, 300, 300);
    tmi_totals_raise_peak(&tmi_process_totals, 7, 10000);
    tmi_totals_set_peak(&tmi_process_totals, 7, 10000);
    expect(0, 0);
    tmi_totals_flush(&tmi_process_totals, 8, 5, 6);
    expect(5, 6);
}

Test(totals, current_may_be_below_zero_for_a_while)
{
    tmi_totals_begin(&tmi_process_totals, 3);
    tmi_totals_flush(&tmi_process_totals, 3, -1000, 0);
    expect(-1000, 0);
    tmi_totals_flush(&tmi_process_totals, 3, 1500, 1500);
    expect(500, 500);
}

Test(totals, the_peak_is_raised_or_set)
{
    tmi_totals_begin(&tmi_process_totals, 0);
    tmi_totals_flush(&tmi_process_totals, 0, 50, 90);
    tmi_totals_raise_peak(&tmi_process_totals, 0, 80);
    expect(50, 90);
    tmi_totals_raise_peak(&tmi_process_totals, 0, 95);
    expect(50, 95);
    tmi_totals_set_peak(&tmi_process_totals, 0, 50);
    expect(50, 50);
}

/* A whole address space of 47 bits, and epochs beyond 16 bits. */
Test(totals, large_numbers)
{
    const int64_t most = ((int64_t)1 << 47) - 1;
    for (uint32_t epoch = 0; epoch < 200000; epoch += 65537) {
        tmi_totals_begin(&tmi_process_totals, epoch);
        tmi_totals_flush(&tmi_process_totals, epoch, most, most);
        expect(most, most);
        tmi_totals_flush(&tmi_process_totals, epoch, -most, 0);
        expect(0, most);
    }
}

#define THREADS 4
#define ROUNDS  100000

static void *flush_up_and_down(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        tmi_totals_flush(&tmi_process_totals, 5, 3, 3);
        tmi_totals_flush(&tmi_process_totals, 5, -2, 1);
    }
    return NULL;
}

Test(totals, threads_lose_nothing)
{
    pthread_t threads[THREADS];
    tmi_totals_begin(&tmi_process_totals, 5);
    for (int i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, flush_up_and_down, NULL);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    cr_assert_eq(tmi_totals_current(&tmi_process_totals), (int64_t)THREADS * ROUNDS);
    cr_assert_geq(tmi_totals_peak(&tmi_process_totals), (int64_t)THREADS * ROUNDS + 1);
    cr_assert_leq(tmi_totals_peak(&tmi_process_totals),
                  (int64_t)THREADS * ROUNDS + 3 * THREADS);
}
