/* SPDX-License-Identifier: MIT */
/*
 * Reading the counts of all sites at a cut, beside the threads that go on counting.
 *
 *     sum of a site = its cells at the cut in all shards of this epoch
 *                   + what was counted without a shard (trace/direct.h), as it is now
 *
 * A thread in the middle of an operation when the cut was made counts it before the cut,
 * so the reader waits for it, which is a matter of nanoseconds: unless a thread is held
 * up inside (it waits for memory, or a signal handler never returned). Then the wait ends
 * after a fraction of a millisecond, and one operation of that thread may be seen in
 * part. Locking: the caller holds TMI_LOCK_TRACER, so that no clear happens, and the cut.
 */
#ifndef TMI_READ_H
#define TMI_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "trace/shard.h"

/* Wait until nobody is in an operation that began before the cut. Once, then read. */
void tmi_read_settle(enum tmi_cut cut);

/*
 * Add up the sites [first, first + n) of this epoch at the cut into sums, which are zero.
 * False when some of them could not be kept for want of memory.
 */
bool tmi_read_sites(enum tmi_cut cut, uint32_t first, struct tmi_cell *sums, size_t n);

#endif
