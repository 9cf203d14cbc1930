/* SPDX-License-Identifier: MIT */
/*
 * Who held what at the peak: a cut where the process's bytes turn down from the most they
 * have been.
 *
 *     taken    bytes at the peak's cut
 *     limit    taken and half a percent: falling from less than that makes no new cut, so
 *              that a sawtooth does not make one at every free
 *
 * Invariant, with one thread: before bytes fall from above the limit a cut is made. So
 * the highest point is either at most half a percent above `taken`, or has not been left
 * yet and is now: 99.5 % of the peak's bytes are attributed in any case. With T threads
 * each of the others may fall by a lease before it looks at what the process has, so
 * 99.5 % of the peak less (T-1) leases.
 *
 * To look costs nothing: where a shard's net turns down from a new high its own trigger
 * (limit minus current, as of its latest flush) says whether the process may be there.
 * Two cuts are the peak's by turns, so that the one that is read stays while new ones
 * come. Locking: TMI_LOCK_CUTS.
 */
#ifndef TMI_PEAK_H
#define TMI_PEAK_H

#include <stdbool.h>
#include <stdint.h>

#include "trace/shard.h"

/* Falling from more than this makes a new cut. Atomic. */
int64_t tmi_peak_limit(void);

/* Owner of a shard that has just flushed: if the process is above the limit, cut. */
void tmi_peak_turned_down(struct tmi_shard *shard);

/* Where the peak's cut is, held until it is let go; false when `now` bytes are more. */
bool tmi_peak_hold(int64_t now, enum tmi_cut *cut);
void tmi_peak_let_go(void);

/* The peak of this epoch is `now` bytes and here. */
void tmi_peak_reset(tmi_stamp stamp, int64_t now);

/* An epoch begins: no peak yet, and no cut. TMI_LOCK_CUTS is held. */
void tmi_peak_forget_locked(void);

#endif
