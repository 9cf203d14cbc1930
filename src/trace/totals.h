/* SPDX-License-Identifier: MIT */
/*
 * Current and peak of a kind of memory, the whole process's or one domain's: what threads
 * have flushed of their own counts.
 *
 *     word = epoch:16 | bytes:48 (signed)
 *
 * The epoch in each word makes a flush that was on its way when the traces were cleared
 * miss: it finds another epoch and drops what it brought. Bytes can be below zero for a
 * while, when one thread has flushed the frees of what another has yet to flush.
 * Locking: none; compare and swap. Signal safe.
 */
#ifndef TMI_TOTALS_H
#define TMI_TOTALS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

struct tmi_totals {
    uint64_t current; /* atomic */
    uint64_t peak;    /* atomic */
};

/* Those of the whole process. */
extern TMI_HIDDEN struct tmi_totals tmi_process_totals;

/* Begin an epoch with current and peak 0. */
void tmi_totals_begin(struct tmi_totals *totals, uint32_t epoch);

/*
 * Add `net` to current; the highest it was on the way there is current before + `high`.
 * Returns what current is then (when it is of that epoch).
 */
int64_t tmi_totals_flush(struct tmi_totals *totals, uint32_t epoch, int64_t net,
                         int64_t high);

int64_t tmi_totals_current(const struct tmi_totals *totals);
int64_t tmi_totals_peak(const struct tmi_totals *totals);

/* True when what the two above gave before, since that epoch began, was of that epoch. */
bool tmi_totals_are_of(const struct tmi_totals *totals, uint32_t epoch);

/* Raise the peak to at least `bytes`; or make it `bytes`. */
void tmi_totals_raise_peak(struct tmi_totals *totals, uint32_t epoch, int64_t bytes);
void tmi_totals_set_peak(struct tmi_totals *totals, uint32_t epoch, int64_t bytes);

#endif
