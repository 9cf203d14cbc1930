/* SPDX-License-Identifier: MIT */
/*
 * The public API groups and compares; its order is by bytes. A metric of blocks puts the
 * same groups into the order of their counts, those of equal count staying as they are.
 * Sums that do not fit stay at the largest number: a file may claim anything.
 */
#include "cli/listing.h"

#include <errno.h>
#include <stdlib.h>

#include "base/bits.h"
#include "view/order.h"

static void add_up_diff(int64_t *sum, int64_t n)
{
    if (__builtin_add_overflow(*sum, n, sum)) {
        *sum = n < 0 ? INT64_MIN : INT64_MAX;
    }
}

/* ---- making -------------------------------------------------------------------------
 */

static int add_statistics(struct tmi_listing *list)
{
    list->statistics =
        tm_snapshot_statistics(list->snapshot, list->key, list->cumulative);
    if (list->statistics == NULL) {
        return -errno;
    }
    size_t count = tm_statistics_count(list->statistics);
    list->entries = calloc(count + 1, sizeof(*list->entries));
    if (list->entries == NULL) {
        return -ENOMEM;
    }
    tm_statistic_t group;
    for (size_t i = 0; tm_statistics_get(list->statistics, i, &group) == 0; i++) {
        list->entries[i].traceback = group.traceback;
        list->entries[i].amount =
            (struct tmi_amount){.size = group.size, .count = group.count};
    }
    list->count = count;
    return 0;
}

static int add_diffs(struct tmi_listing *list)
{
    list->diffs =
        tm_snapshot_compare_to(list->snapshot, list->old, list->key, list->cumulative);
    if (list->diffs == NULL) {
        return -errno;
    }
    size_t count = tm_statistic_diffs_count(list->diffs);
    list->entries = calloc(count + 1, sizeof(*list->entries));
    if (list->entries == NULL) {
        return -ENOMEM;
    }
    tm_statistic_diff_t group;
    for (size_t i = 0; tm_statistic_diffs_get(list->diffs, i, &group) == 0; i++) {
        list->entries[i].traceback = group.traceback;
        list->entries[i].amount = (struct tmi_amount){group.size, group.count,
                                                      group.size_diff, group.count_diff};
    }
    list->count = count;
    return 0;
}

static uint64_t magnitude(int64_t n)
{
    return n < 0 ? (uint64_t)0 - (uint64_t)n : (uint64_t)n;
}

static int descending(uint64_t a, uint64_t b)
{
    return (a < b) - (a > b);
}

/* The most changed count first where there are two sides, then the greatest one. */
static int compare_counts(const void *context, uint32_t x, uint32_t y)
{
    const struct tmi_entry *entries = context;
    const struct tmi_amount *a = &entries[x].amount;
    const struct tmi_amount *b = &entries[y].amount;
    int order = descending(magnitude(a->count_diff), magnitude(b->count_diff));
    return order != 0 ? order : descending(a->count, b->count);
}

static int sort_by_count(struct tmi_listing *list)
{
    uint32_t *order = calloc(list->count + 1, sizeof(*order));
    uint32_t *scratch = calloc(list->count + 1, sizeof(*scratch));
    struct tmi_entry *sorted = calloc(list->count + 1, sizeof(*sorted));
    bool ready = order != NULL && scratch != NULL && sorted != NULL;
    if (ready) {
        for (uint32_t i = 0; i < list->count; i++) {
            order[i] = i;
        }
        tmi_order_sort(order, scratch, list->count, compare_counts, list->entries);
        for (uint32_t i = 0; i < list->count; i++) {
            sorted[i] = list->entries[order[i]];
        }
        free(list->entries);
        list->entries = sorted;
    } else {
        free(sorted);
    }
    free(order);
    free(scratch);
    return ready ? 0 : -ENOMEM;
}

int tmi_listing_make(struct tmi_listing *list)
{
    int err = list->old != NULL ? add_diffs(list) : add_statistics(list);
    return err == 0 && list->metric->by_count ? sort_by_count(list) : err;
}

void tmi_listing_release(struct tmi_listing *list)
{
    tm_statistics_free(list->statistics);
    tm_statistic_diffs_free(list->diffs);
    free(list->entries);
    list->statistics = NULL;
    list->diffs = NULL;
    list->entries = NULL;
    list->count = 0;
}

/* ---- sums ---------------------------------------------------------------------------
 */

size_t tmi_listing_printed(const struct tmi_listing *list)
{
    return list->limit != 0 && list->limit < list->count ? list->limit : list->count;
}

static struct tmi_amount sum_traces(const tm_snapshot_t *snapshot)
{
    struct tmi_amount total = {0};
    tm_trace_t trace;
    for (size_t i = 0; tm_snapshot_trace(snapshot, i, &trace) == 0; i++) {
        tmi_add_up(&total.size, trace.size);
        tmi_add_up(&total.count, trace.count);
    }
    return total;
}

struct tmi_amount tmi_listing_total(const struct tmi_listing *list)
{
    struct tmi_amount total = sum_traces(list->snapshot);
    if (list->old != NULL) {
        struct tmi_amount before = sum_traces(list->old);
        total.size_diff = tmi_difference(total.size, before.size);
        total.count_diff = tmi_difference(total.count, before.count);
    }
    return total;
}

void tmi_amount_add(struct tmi_amount *sum, const struct tmi_amount *amount)
{
    tmi_add_up(&sum->size, amount->size);
    tmi_add_up(&sum->count, amount->count);
    add_up_diff(&sum->size_diff, amount->size_diff);
    add_up_diff(&sum->count_diff, amount->count_diff);
}
