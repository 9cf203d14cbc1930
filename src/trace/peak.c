/* SPDX-License-Identifier: MIT */
/* See trace/peak.h. */
#include "trace/peak.h"

#include "base/lock.h"
#include "trace/tracer.h"

/* All under TMI_LOCK_CUTS; the limit is read without. */
static struct {
    int64_t taken;
    int64_t limit; /* atomic */
    enum tmi_cut cut;
    bool held; /* `held_cut` is being read */
    enum tmi_cut held_cut;
} peak;

int64_t tmi_peak_limit(void)
{
    return tmi_load_relaxed(&peak.limit);
}

static void set_taken(int64_t bytes)
{
    peak.taken = bytes;
    tmi_store_relaxed(&peak.limit, bytes + bytes / 200);
}

/* A cut here, of a process that has so many bytes. The one that is read stays. */
static void cut_locked(int64_t bytes)
{
    if (peak.held && peak.held_cut == peak.cut) {
        peak.cut = peak.cut == TMI_CUT_PEAK ? TMI_CUT_OTHER_PEAK : TMI_CUT_PEAK;
    }
    set_taken(bytes);
    tmi_cut_make_locked(peak.cut);
}

/* A signal handler that frees with a borrowed shard must not wait for whom it interrupts.
 */
void tmi_peak_turned_down(struct tmi_shard *shard)
{
    if (tmi_self.own == shard) {
        tmi_lock(TMI_LOCK_CUTS);
    } else if (!tmi_try_lock(TMI_LOCK_CUTS)) {
        return;
    }
    bool same_epoch = tmi_tracer.stamp == shard->stamp;
    int64_t now = tmi_totals_current(&tmi_process_totals);
    if (same_epoch && now > peak.limit) {
        cut_locked(now);
    }
    uint64_t turn = same_epoch ? tmi_tracer.turn : shard->looked;
    tmi_unlock(TMI_LOCK_CUTS);
    tmi_shard_look(shard, turn);
}

bool tmi_peak_hold(int64_t now, enum tmi_cut *cut)
{
    tmi_lock(TMI_LOCK_CUTS);
    bool lies_behind = now <= peak.taken && tmi_cut_number(peak.cut) != 0;
    if (lies_behind) {
        peak.held = true;
        peak.held_cut = *cut = peak.cut;
    }
    tmi_unlock(TMI_LOCK_CUTS);
    return lies_behind;
}

void tmi_peak_let_go(void)
{
    tmi_lock(TMI_LOCK_CUTS);
    if (peak.held && peak.held_cut != peak.cut) {
        tmi_cut_end_locked(peak.held_cut);
    }
    peak.held = false;
    tmi_unlock(TMI_LOCK_CUTS);
}

void tmi_peak_reset(tmi_stamp stamp, int64_t now)
{
    tmi_lock(TMI_LOCK_CUTS);
    if (tmi_tracer.stamp == stamp) {
        cut_locked(now);
    }
    tmi_unlock(TMI_LOCK_CUTS);
}

void tmi_peak_forget_locked(void)
{
    set_taken(0);
    tmi_cut_end_all_locked();
}
