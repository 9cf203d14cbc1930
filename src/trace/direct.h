/* SPDX-License-Identifier: MIT */
/*
 * Counting without a shard: a thread frees a block after its shard was given up, or a
 * signal handler frees one while it interrupts the owner of the shard it would count in.
 * Rare, so it may be slow: cells shared by all threads, changed by atomic additions.
 *
 *     segments of 512, 512, 1024, ... cells, by site id; never moved, mapped when needed
 *
 * Ids are never used twice, so a straggler of an epoch that is over does no harm.
 * Locking: none. Signal safe.
 */
#ifndef TMI_DIRECT_H
#define TMI_DIRECT_H

#include <stddef.h>
#include <stdint.h>

#include "trace/shard.h"

/* Count a block of `size` bytes of a live site as freed. */
void tmi_direct_count_free(tmi_stamp stamp, uint32_t id, size_t size);

/* Add what was counted here for a site to `sum`. */
void tmi_direct_read(uint32_t id, struct tmi_cell *sum);

#endif
