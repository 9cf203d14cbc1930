/* SPDX-License-Identifier: MIT */
/*
 * Statistics as text, for people, and as tsv, for programs.
 */
#ifndef TMI_PRINT_H
#define TMI_PRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tmalloc/snapshot.h"

/* What is printed, and how much of it. */
struct tmi_listing {
    const tm_snapshot_t *snapshot;     /* where the statistics come from */
    const tm_statistics_t *statistics; /* grouped by `key`, cumulative or not */
    tm_key_t key;
    bool cumulative;
    size_t limit;       /* groups to print; 0 for all */
    const char *indent; /* before each line of text */
};

/* Live bytes and blocks of all traces together. */
struct tmi_amount {
    uint64_t size;
    uint64_t count;
};

/* An amount of memory in tracemalloc's words: `126 B`, `4855 KiB`. */
void tmi_print_size(FILE *out, double bytes);

struct tmi_amount tmi_print_total(const tm_snapshot_t *snapshot);

/*
 * A line a group in tracemalloc's words, `FILE:LINE: size=.., count=.., average=..`, then
 * what the limit left out and the total. With TM_KEY_TRACEBACK a group is a line without
 * a place and its frames, the newest last. A group whose line is not known is named after
 * its functions too: `libz.so.1:0 (inflate and 2 other functions): size=..`.
 * Control characters in names are shown as '?', so that a file cannot steer a terminal.
 */
void tmi_print_text(FILE *out, const struct tmi_listing *list);

/*
 * A line a group: size, count, traceback, separated by tabs. A traceback is its frames,
 * the oldest first, separated by spaces, each LINE:FILE, FILE percent-encoded outside
 * A-Za-z0-9._/<>- .
 */
void tmi_print_tsv(FILE *out, const struct tmi_listing *list);

#endif
