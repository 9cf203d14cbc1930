/* SPDX-License-Identifier: MIT */
/*
 * A merge sort from the bottom up: runs of RUN items are sorted by insertion, then pairs
 * of neighbouring runs are merged from one array into the other until one run is left. n
 * log n whatever the input is, no recursion, and equal items keep their order. A pair of
 * runs that is in order already is copied without comparing further.
 */
#include "view/order.h"

#include <string.h>

#define RUN 12

static void insert_sort(uint32_t *items, size_t n, tmi_order_compare *compare,
                        const void *context)
{
    for (size_t i = 1; i < n; i++) {
        uint32_t item = items[i];
        size_t at = i;
        while (at > 0 && compare(context, item, items[at - 1]) < 0) {
            items[at] = items[at - 1];
            at--;
        }
        items[at] = item;
    }
}

/* Merges from[0..mid) and from[mid..n) to `to`. */
static void merge(const uint32_t *from, size_t mid, size_t n, uint32_t *to,
                  tmi_order_compare *compare, const void *context)
{
    if (mid == n || compare(context, from[mid - 1], from[mid]) <= 0) {
        memcpy(to, from, n * sizeof *to);
        return;
    }
    size_t a = 0;
    size_t b = mid;
    for (size_t i = 0; i < n; i++) {
        if (b == n || (a < mid && compare(context, from[a], from[b]) <= 0)) {
            to[i] = from[a++];
        } else {
            to[i] = from[b++];
        }
    }
}

static size_t lesser(size_t a, size_t b)
{
    return a < b ? a : b;
}

void tmi_order_sort(uint32_t *items, uint32_t *scratch, size_t n,
                    tmi_order_compare *compare, const void *context)
{
    for (size_t at = 0; at < n; at += RUN) {
        insert_sort(items + at, lesser(RUN, n - at), compare, context);
    }
    uint32_t *from = items;
    uint32_t *to = scratch;
    for (size_t run = RUN; run < n; run *= 2) {
        for (size_t at = 0; at < n; at += 2 * run) {
            size_t left = n - at;
            merge(from + at, lesser(run, left), lesser(2 * run, left), to + at, compare,
                  context);
        }
        uint32_t *other = from;
        from = to;
        to = other;
    }
    if (from != items) {
        memcpy(items, from, n * sizeof *items);
    }
}
