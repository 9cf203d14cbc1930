/* SPDX-License-Identifier: MIT */
/*
 * See trace/read.h. After the barrier every thread either has said that it is inside, or
 * sees the new turn at its next operation.
 */
#include "trace/read.h"

#include "base/lock.h"
#include "base/sys.h"
#include "trace/direct.h"
#include "trace/tracer.h"

/* Looks at a thread that is inside: the first ones at once, the others after a yield. */
#define LOOKS_AT_ONCE 1000
#define LOOKS_MOST    1200

void tmi_read_settle(enum tmi_cut cut)
{
    uint64_t number = tmi_cut_number(cut);
    uint32_t looks = 0;
    tmi_full_fence();
    tmi_sys_barrier();
    tmi_lock(TMI_LOCK_THREADS);
    for (struct tmi_shard *s = tmi_thread_shards(); s != NULL; s = s->next) {
        while (tmi_thread_is_counting_locked(s) &&
               tmi_load_acquire(&s->past[cut]) != number && looks < LOOKS_MOST) {
            if (++looks > LOOKS_AT_ONCE) {
                tmi_sys_yield();
            }
        }
    }
    tmi_unlock(TMI_LOCK_THREADS);
}

bool tmi_read_sites(enum tmi_cut cut, uint32_t first, struct tmi_cell *sums, size_t n)
{
    bool all_kept = true;
    tmi_stamp stamp = tmi_load_relaxed(&tmi_tracer.stamp);
    for (struct tmi_shard *s = tmi_thread_shards(); s != NULL; s = s->next) {
        if (tmi_load_acquire(&s->stamp) == stamp) {
            all_kept = tmi_shard_read(s, cut, first, sums, n) && all_kept;
        }
    }
    for (size_t i = 0; i < n && tmi_direct_is_used(); i++) {
        tmi_direct_read(first + (uint32_t)i, &sums[i]);
    }
    return all_kept;
}
