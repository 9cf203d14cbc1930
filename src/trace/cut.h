/* SPDX-License-Identifier: MIT */
/*
 * A cut: a line through the histories of all threads at once, such that the counts of
 * each thread before the line, taken together, are a state that the process could have
 * been in. Snapshots, and what was held at the peak, are what lies before a cut.
 *
 *     thread 1   ---o--o----|--o---o---      the tracer's turn moves when a cut is made;
 *     thread 2   -o-----o-|---o--------      a thread looks at it before each operation
 *     thread 3   ----o--------|----o---      and is past the cut when it sees it move
 *
 * It is consistent because the turn is one word, of which no thread sees an older value
 * after somebody has seen a newer one and told it: a block allocated behind the line
 * cannot be freed before it. No thread is stopped or waited for to make one: shards keep
 * what they counted before the line when they first change it (trace/shard.h).
 *
 * There is room for a few cuts at a time, each with the turn at which it was made as its
 * number; 0: none. Two are the peak's by turns, so that one can be read while a new peak
 * comes; one is for snapshots, which are taken one at a time. They end with their epoch.
 * Locking: written under TMI_LOCK_CUTS, read by anyone.
 */
#ifndef TMI_CUT_H
#define TMI_CUT_H

#include <stdint.h>

#include "base/atomic.h"
#include "base/compiler.h"

enum tmi_cut { TMI_CUT_PEAK, TMI_CUT_OTHER_PEAK, TMI_CUT_NOW, TMI_CUT_COUNT };

extern TMI_HIDDEN uint64_t tmi_cut_numbers[TMI_CUT_COUNT]; /* atomic */

/* Make one where the calling thread is now. TMI_LOCK_CUTS is held. */
void tmi_cut_make_locked(enum tmi_cut which);

/* Nobody needs it any more: shards need not keep anything for it. TMI_LOCK_CUTS. */
void tmi_cut_end_locked(enum tmi_cut which);

/* An epoch begins. TMI_LOCK_CUTS is held. */
void tmi_cut_end_all_locked(void);

TMI_INLINE uint64_t tmi_cut_number(enum tmi_cut which)
{
    return tmi_load_acquire(&tmi_cut_numbers[which]);
}

#endif
