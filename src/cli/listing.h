/* SPDX-License-Identifier: MIT */
/*
 * Listings: the groups of a snapshot, or of two that are compared, in the order in which
 * they are printed, and how much of them. What is printed as text, tsv or JSON is one of
 * these.
 */
#ifndef TMI_LISTING_H
#define TMI_LISTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/metric.h"
#include "tmalloc/snapshot.h"

/* Bytes and blocks, and by how much they differ from before where that is asked. */
struct tmi_amount {
    uint64_t size;
    uint64_t count;
    int64_t size_diff;
    int64_t count_diff;
};

struct tmi_entry {
    const tm_traceback_t *traceback;
    struct tmi_amount amount;
};

struct tmi_listing {
    /* What is asked. */
    const tm_snapshot_t *snapshot; /* whose metric has been applied */
    const tm_snapshot_t *old;      /* what it is compared with, or NULL */
    const struct tmi_metric *metric;
    tm_key_t key;
    bool cumulative;
    size_t limit;       /* groups to print; 0 for all */
    const char *indent; /* before each line of text */
    /* What tmi_listing_make() finds. */
    struct tmi_entry *entries;
    size_t count;
    tm_statistics_t *statistics;
    tm_statistic_diffs_t *diffs;
};

/* Group, or compare, and sort; 0 or a negative errno. To be released either way. */
int tmi_listing_make(struct tmi_listing *list);
void tmi_listing_release(struct tmi_listing *list);

/* How many entries the limit lets through. */
size_t tmi_listing_printed(const struct tmi_listing *list);

/* All traces together; with a metric, its numbers. */
struct tmi_amount tmi_listing_total(const struct tmi_listing *list);

/* Sums that do not fit stay at the largest, or smallest, number. */
void tmi_amount_add(struct tmi_amount *sum, const struct tmi_amount *amount);

#endif
