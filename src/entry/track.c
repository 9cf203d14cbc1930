/* SPDX-License-Identifier: MIT */
/*
 * tm_track and tm_untrack. Where a resource is noted:
 *
 *     a live block of ours, in its own domain    in its header, as if it had that size
 *     anything else                              in the tree of trace/tracked.h
 *
 * so that tracking a block replaces its trace, and freeing it untracks it. The note is
 * made, or taken back, under TMI_LOCK_TRACKED and in the epoch of the thread's shard; if
 * another one began meanwhile all is done again. What was noted counts afterwards, in the
 * shard: should an epoch begin in between, both are of the one that is over.
 */
#include <errno.h>

#include "base/lock.h"
#include "entry/family.h"
#include "tmalloc.h"
#include "trace/account.h"
#include "trace/domain.h"
#include "trace/tracked.h"

static const struct tmi_holding none = {0, 0, 0};

/* What tracemalloc calls -2. */
#define NOT_TRACING (-ENOENT)

/*
 * Whether a live block is one for that domain: a traced block is its own domain's, any
 * other is domain 0's.
 */
static bool is_of_domain(struct tmi_holding block, uint32_t domain)
{
    return domain == (tmi_tracer_is_live(block.site) ? block.domain : 0);
}

/* What a key stood for. Both, when a resource was given up without a word and malloc has
 * handed its address out since. */
struct replaced {
    struct tmi_holding block, resource;
};

/* Note `now`, or with site 0 take away what is there; which goes to *old. */
static int note_locked(struct tmi_tracked_key key, enum tmi_block_state state,
                       struct tmi_holding now, struct replaced *old)
{
    void *block = (void *)key.address;
    struct tmi_resource before = {0, 0};
    int err = 0;
    bool is_block = false;
    *old = (struct replaced){none, none};
    if (state <= TMI_BLOCK_LIVE_ALIGNED) {
        struct tmi_holding there = tmi_holding_of(block, state);
        is_block = is_of_domain(there, key.domain);
        old->block = is_block ? there : none;
    }
    if (is_block) {
        size_t size = now.site != 0 ? now.size : old->block.size;
        tmi_block_seal_again(block, state, size, now.domain, now.site);
    }
    if (is_block || now.site == 0) {
        before = tmi_tracked_take_locked(key);
    } else {
        struct tmi_resource resource = {now.site, now.size};
        err = tmi_tracked_put_locked(key, resource, &before);
    }
    old->resource = (struct tmi_holding){before.site, key.domain, before.size};
    return err;
}

/* The same, if the epoch is still that one; -ESTALE. */
static int note(tmi_stamp stamp, struct tmi_tracked_key key, struct tmi_holding now,
                struct replaced *old)
{
    int err = -ESTALE;
    enum tmi_block_state state = tmi_block_classify_any(key.address);
    *old = (struct replaced){none, none};
    tmi_lock(TMI_LOCK_TRACKED);
    if (tmi_load_relaxed(&tmi_tracer.stamp) == stamp) {
        err = note_locked(key, state, now, old);
    }
    tmi_unlock(TMI_LOCK_TRACKED);
    return err;
}

/* One step for each that is replaced, of which there is hardly ever more than one. */
static void count(struct tmi_shard *shard, struct replaced old, struct tmi_holding now)
{
    if (old.block.site != 0 && old.resource.site != 0) {
        tmi_account_exchange(shard, old.resource, none);
        old.resource = none;
    }
    tmi_account_exchange(shard, old.block.site != 0 ? old.block : old.resource, now);
}

static int track_in(struct tmi_shard *shard, struct tmi_tracked_key key, size_t size,
                    uintptr_t caller, const uintptr_t *frame)
{
    struct replaced old;
    struct tmi_holding now = {0, key.domain, size};
    now.site = tmi_tracer_site_in(shard, caller, frame, key.domain | TMI_SITE_WHOLE);
    if (now.site == 0) {
        bool stale = tmi_load_relaxed(&tmi_tracer.stamp) != shard->stamp;
        return stale ? -ESTALE : -ENOMEM;
    }
    int err = note(shard->stamp, key, now, &old);
    if (err == 0) {
        count(shard, old, now);
    }
    return err;
}

static int64_t adopt(tm_domain_t domain)
{
    struct tmi_shard *entered = tmi_guard_enter();
    int64_t slot = tmi_domain_adopt(domain);
    tmi_guard_leave(entered);
    return slot;
}

TM_API int tm_track(tm_domain_t domain, uintptr_t ptr, size_t size)
{
    if (size > TMI_FAMILY_MOST) {
        return -EINVAL;
    }
    int64_t slot = tm_is_tracing() ? adopt(domain) : NOT_TRACING;
    if (slot < 0) {
        return (int)slot;
    }
    struct tmi_tracked_key key = {(uint32_t)slot, ptr};
    int err = -ESTALE;
    while (err == -ESTALE) {
        struct tmi_shard *shard = tmi_tracer_enter(false);
        if (shard == NULL) {
            return tm_is_tracing() ? -ENOMEM : NOT_TRACING;
        }
        err = track_in(shard, key, size, TMI_CALLER(), __builtin_frame_address(0));
        tmi_tracer_leave(shard);
    }
    return err;
}

/* For a thread that can have no shard any more. */
static int untrack_directly(struct tmi_tracked_key key)
{
    struct replaced old;
    struct tmi_shard *entered = tmi_guard_enter();
    int err = note(tmi_load_acquire(&tmi_tracer.stamp), key, none, &old);
    if (old.block.site != 0) {
        tmi_account_free_directly(old.block);
    }
    if (old.resource.site != 0) {
        tmi_account_free_directly(old.resource);
    }
    tmi_guard_leave(entered);
    return err;
}

static int untrack_in(struct tmi_shard *shard, struct tmi_tracked_key key)
{
    struct replaced old;
    int err = note(shard->stamp, key, none, &old);
    if (err == 0) {
        count(shard, old, none);
    }
    return err;
}

TM_API int tm_untrack(tm_domain_t domain, uintptr_t ptr)
{
    uint32_t slot = tmi_domain_find(domain);
    struct tmi_tracked_key key = {slot, ptr};
    int err = -ESTALE;
    while (err == -ESTALE) {
        if (!tm_is_tracing()) {
            return NOT_TRACING;
        }
        if (slot == TMI_DOMAIN_NONE) {
            return 0;
        }
        struct tmi_shard *shard = tmi_tracer_enter(true);
        if (shard == NULL) {
            err = untrack_directly(key);
        } else {
            err = untrack_in(shard, key);
            tmi_tracer_leave(shard);
        }
    }
    return err;
}
