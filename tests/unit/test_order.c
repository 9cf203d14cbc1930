/* SPDX-License-Identifier: MIT */
/*
 * Sorting against its definition: the result is in order, is a permutation, and equal
 * items kept theirs. Lengths around the borders of the runs, inputs sorted, reversed and
 * mixed.
 */
#include "view/order.h"

#include <criterion/criterion.h>
#include <stdlib.h>

/* Compares by the upper bits, so that items with equal ones show whether it is stable. */
static int compare_tens(const void *context, uint32_t a, uint32_t b)
{
    unsigned *calls = (unsigned *)context;
    (*calls)++;
    return (a / 10 > b / 10) - (a / 10 < b / 10);
}

static void check_sorted(const uint32_t *items, size_t n, const uint32_t *original)
{
    uint32_t *seen = calloc(1 << 16, sizeof *seen);
    for (size_t i = 0; i < n; i++) {
        seen[original[i]]++;
        seen[items[i]]--;
        if (i > 0) {
            cr_assert_leq(items[i - 1] / 10, items[i] / 10, "n %zu, at %zu", n, i);
        }
    }
    for (size_t i = 0; i < 1 << 16; i++) {
        cr_assert_eq(seen[i], 0);
    }
    free(seen);
}

/* Items of one ten are in the order in which they stood. */
static void check_stable(const uint32_t *items, size_t n, const uint32_t *original)
{
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && items[i] / 10 != items[i - 1] / 10) {
            at = 0;
        }
        while (at < n && original[at] != items[i]) {
            at++;
        }
        cr_assert_lt(at, n, "item %u overtook an equal one", items[i]);
        at++;
    }
}

static void sort_and_check(const uint32_t *original, size_t n)
{
    uint32_t items[300];
    uint32_t scratch[300];
    unsigned calls = 0;
    for (size_t i = 0; i < n; i++) {
        items[i] = original[i];
    }
    tmi_order_sort(items, scratch, n, compare_tens, &calls);
    check_sorted(items, n, original);
    check_stable(items, n, original);
}

Test(order, sorts_and_is_stable)
{
    uint32_t up[300];
    uint32_t down[300];
    uint32_t mixed[300];
    uint32_t random = 12345;
    for (uint32_t i = 0; i < 300; i++) {
        random = random * 1664525 + 1013904223;
        up[i] = i;
        down[i] = 299 - i;
        mixed[i] = random >> 22;
    }
    for (size_t n = 0; n <= 300; n++) {
        sort_and_check(up, n);
        sort_and_check(down, n);
        sort_and_check(mixed, n);
    }
}

Test(order, needs_n_log_n_comparisons)
{
    enum { N = 1 << 16 };
    uint32_t *items = malloc(N * sizeof *items);
    uint32_t *scratch = malloc(N * sizeof *scratch);
    uint32_t random = 1;
    for (size_t i = 0; i < N; i++) {
        random = random * 1664525 + 1013904223;
        items[i] = random;
    }
    unsigned calls = 0;
    tmi_order_sort(items, scratch, N, compare_tens, &calls);
    /* 12-item insertion sorts cost some 40 a run, merging 16 - 3.6 levels. */
    cr_assert_lt(calls, 20u * N);
    free(items);
    free(scratch);
}
