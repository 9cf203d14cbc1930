/* SPDX-License-Identifier: MIT */
/*
 * Current and peak of the whole process: what threads have flushed of their own counts.
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

/* Begin an epoch with current and peak 0. */
void tmi_totals_begin(uint32_t epoch);

/*
 * Add `net` to current; the highest it was on the way there is current before + `high`.
 * Returns what current is then (when it is of that epoch).
 */
int64_t tmi_totals_flush(uint32_t epoch, int64_t net, int64_t high);

int64_t tmi_totals_current(void);
int64_t tmi_totals_peak(void);

/* True when what the two above gave before, since that epoch began, was of that epoch. */
bool tmi_totals_are_of(uint32_t epoch);

/* Raise the peak to at least `bytes`; or make it `bytes`. */
void tmi_totals_raise_peak(uint32_t epoch, int64_t bytes);
void tmi_totals_set_peak(uint32_t epoch, int64_t bytes);

#endif
