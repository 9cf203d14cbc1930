/* SPDX-License-Identifier: MIT */
/*
 * Frees for which there is no memory to count them in a shard. Rare, so it may be slow:
 * cells shared by all threads, changed by atomic additions. They are reserved before a
 * site's id is given, so that no free is ever lost, and cost nothing until they are used.
 *
 *     segments of 512, 512, 1024, ... cells, by site id; never moved, mapped when needed
 *
 * Ids are never used twice, so a straggler of an epoch that is over does no harm. Nothing
 * is kept for cuts: who reads sees the cells as they are.
 * Locking: reserving under TMI_LOCK_SITES; counting takes none, and is signal safe.
 */
#ifndef TMI_DIRECT_H
#define TMI_DIRECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "trace/shard.h"

/* Cells up to that id can be counted in from now on; false when there is no memory. */
bool tmi_direct_reserve(uint32_t id);

/* Count blocks of a live site as freed; in its cell, but not in the totals. */
void tmi_direct_count(uint32_t id, uint64_t bytes, uint64_t blocks);

/* What counting for so many sites may come to. */
size_t tmi_direct_bytes(size_t sites);

/* False as long as nothing was counted here at all. */
bool tmi_direct_is_used(void);

/* Add what was counted here for a site to `sum`. */
void tmi_direct_read(uint32_t id, struct tmi_cell *sum);

#endif
