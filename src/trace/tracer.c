/* SPDX-License-Identifier: MIT */
/* See trace/tracer.h. */
#include "trace/tracer.h"

#include <errno.h>
#include <string.h>

#include "base/errno.h"
#include "base/lock.h"
#include "base/sys.h"
#include "trace/capture.h"
#include "trace/domain.h"
#include "trace/index.h"
#include "trace/memory.h"
#include "trace/module.h"
#include "trace/peak.h"
#include "trace/read.h"
#include "trace/split.h"
#include "trace/step.h"
#include "trace/tracked.h"
#include "trace/tree.h"

#define NFRAME_MOST 65535

_Static_assert(sizeof(struct tmi_tracer) + sizeof tmi_block_secret + sizeof(intptr_t) <=
                   TMI_CACHE_LINE,
               "what every operation reads is one line");

struct tmi_tracer tmi_tracer TMI_READ_MOSTLY = {
    .mode = TMI_MODE_BOOT,
    .stamp = 1, /* epoch 0, ids from 1 */
    .turn = 1,
};

static int64_t lease_of_shard; /* set before tracing first starts */

static struct tmi_index sites; /* key: flags:16 domain:16 node:32 */

void tmi_tracer_init(int64_t lease, enum tmi_capture_way way, int64_t sample_period)
{
    tmi_sample_period = sample_period;
    tmi_capture_init(way);
    lease_of_shard = lease / 2;
    tmi_thread_init();
    tmi_module_init();
}

void tmi_tracer_set_mode(int32_t mode)
{
    const size_t small = TMI_BACKEND_SMALL_MOST - sizeof(struct tmi_block) + 1;
    tmi_store_release(&tmi_tracer.mode, mode);
    tmi_store_relaxed(&tmi_tracer.plain_below, mode == TMI_MODE_OFF ? small : 0);
    bool by_caller = mode == 1 && tmi_sample_period == 0;
    tmi_store_relaxed(&tmi_tracer.caller_below, by_caller ? small : 0);
    tmi_store_relaxed(&tmi_tracer.traced_below, mode > TMI_MODE_OFF ? small : 0);
    tmi_store_relaxed(&tmi_tracer.takes_all,
                      mode > 1 && tmi_sample_period == 0 && tmi_capture_is_fast());
}

static uint64_t site_key(uint32_t node, uint32_t domain)
{
    return (uint64_t)domain << 32 | node;
}

/* `first` is that of the epoch. */
static uint32_t add_site_locked(uint64_t key, uint32_t first)
{
    uint32_t next = tmi_index_count(&sites) + 1;
    tmi_memory_promise(tmi_direct_bytes(next - first + 1));
    return tmi_direct_reserve(next) ? tmi_index_add(&sites, key) : 0;
}

/*
 * Begin an epoch: no block that exists now is traced. Its first site comes after its
 * stamp: who finds the site sees that it is not of the epoch before. TMI_LOCK_TRACER is
 * held.
 */
static void begin_epoch_locked(void)
{
    tmi_lock(TMI_LOCK_TRACKED);
    tmi_lock(TMI_LOCK_SITES);
    uint32_t first = tmi_index_forget(&sites);
    uint32_t unknown = tmi_capture_unknown();
    uint32_t epoch = tmi_stamp_epoch(tmi_tracer.stamp) + 1;
    tmi_totals_begin(&tmi_process_totals, epoch);
    tmi_domain_begin(epoch);
    tmi_lock(TMI_LOCK_CUTS);
    tmi_peak_forget_locked();
    tmi_store_release(&tmi_tracer.stamp, (tmi_stamp)epoch << 32 | first);
    add_site_locked(site_key(unknown, 0), first);
    tmi_store_release(&tmi_tracer.turn, tmi_tracer.turn + ((uint64_t)1 << 32));
    tmi_unlock(TMI_LOCK_CUTS);
    tmi_unlock(TMI_LOCK_SITES);
    tmi_tracked_forget_locked();
    tmi_unlock(TMI_LOCK_TRACKED);
}

int tmi_tracer_start(int nframe)
{
    if (nframe < 1 || nframe > NFRAME_MOST) {
        return -EINVAL;
    }
    tmi_lock(TMI_LOCK_TRACER);
    if (tmi_tracer.mode <= TMI_MODE_OFF) {
        tmi_sys_barrier_announce();
        tmi_capture_unknown(); /* exists from now on, also when memory runs out */
        tmi_tracer_modules_changed(NULL);
        begin_epoch_locked();
        tmi_tracer_set_mode(nframe);
    }
    tmi_unlock(TMI_LOCK_TRACER);
    return 0;
}

void tmi_tracer_stop(void)
{
    tmi_lock(TMI_LOCK_TRACER);
    if (tmi_tracer.mode > TMI_MODE_OFF) {
        tmi_tracer_set_mode(TMI_MODE_OFF);
        begin_epoch_locked();
    }
    tmi_unlock(TMI_LOCK_TRACER);
}

void tmi_tracer_clear(void)
{
    tmi_lock(TMI_LOCK_TRACER);
    if (tmi_tracer.mode > TMI_MODE_OFF) {
        begin_epoch_locked();
    }
    tmi_unlock(TMI_LOCK_TRACER);
}

uint32_t tmi_tracer_set_domain(uint32_t domain)
{
    uint32_t before = tmi_self.domain;
    tmi_self.domain = domain;
    tmi_self.is_special = domain != 0 || tmi_sample_period != 0;
    tmi_signal_fence();
    if (tmi_self.own != NULL) {
        tmi_self.own->turn = 0; /* its next operation enters by the slow way */
    }
    return before;
}

struct tmi_site tmi_tracer_site_of_id(uint32_t id)
{
    uint64_t key = tmi_index_key(&sites, id);
    uint32_t flags = (uint32_t)(key >> 32);
    return (struct tmi_site){
        .node = (uint32_t)key,
        .domain = flags & TMI_DOMAIN_MOST,
        .is_whole = (flags & TMI_SITE_WHOLE) != 0,
        .is_rest = (flags & TMI_SITE_REST) != 0,
    };
}

uint32_t tmi_tracer_site_count(void)
{
    return tmi_index_count(&sites);
}

uint64_t tmi_tracer_live_blocks(void)
{
    enum { AT_ONCE = 64 };
    uint64_t blocks = 0;
    tmi_lock(TMI_LOCK_TRACER);
    uint32_t last = tmi_tracer_site_count();
    uint32_t site = tmi_stamp_first(tmi_tracer.stamp);
    bool on = tmi_tracer.mode > TMI_MODE_OFF;
    for (; on && site <= last; site += AT_ONCE) {
        struct tmi_cell sums[AT_ONCE] = {{0}};
        uint32_t n = last - site + 1 < AT_ONCE ? last - site + 1 : AT_ONCE;
        tmi_read_sites(TMI_CUT_NOW, site, sums, n); /* no cut is made: as they are */
        for (uint32_t i = 0; i < n; i++) {
            blocks += sums[i].alloc_blocks - sums[i].free_blocks;
        }
    }
    tmi_unlock(TMI_LOCK_TRACER);
    return (int64_t)blocks > 0 ? blocks : 0;
}

bool tmi_tracer_catch_up(struct tmi_shard *shard)
{
    uint64_t turn = tmi_load_acquire(&tmi_tracer.turn);
    tmi_stamp stamp = tmi_load_acquire(&tmi_tracer.stamp);
    if (tmi_stamp_epoch(stamp) != turn >> 32) {
        return false;
    }
    if (shard->stamp != stamp) {
        tmi_shard_begin(shard, stamp, lease_of_shard);
    }
    tmi_shard_look(shard, turn);
    shard->turn = turn;
    tmi_signal_fence(); /* a handler may change the domain before, or after */
    tmi_self.is_special = tmi_self.domain != 0 || tmi_sample_period != 0;
    if (tmi_self.domain != 0) {
        shard->turn = 0;
    }
    return true;
}

TMI_COLD struct tmi_shard *tmi_tracer_enter_slow(bool may_only_free)
{
    if (tmi_load_relaxed(&tmi_tracer.mode) <= TMI_MODE_OFF) {
        return NULL;
    }
    struct tmi_shard *shard = tmi_self.own;
    if (shard == NULL) {
        shard = tmi_thread_adopt(may_only_free);
    } else if (tmi_self.shard != shard) {
        shard = NULL; /* this thread is inside already */
    }
    if (shard != NULL) {
        tmi_tracer_inside();
        if (!tmi_tracer_catch_up(shard)) {
            tmi_tracer_leave(shard);
            shard = NULL;
        }
    }
    return shard;
}

/* The id of (node, domain) in the shard's epoch; 0 when it cannot be had. */
static uint32_t find_site(const struct tmi_shard *shard, uint32_t node, uint32_t domain)
{
    uint64_t key = site_key(node, domain);
    uint32_t id = tmi_index_find(&sites, key);
    if (id >= tmi_stamp_first(shard->stamp)) {
        return tmi_load_acquire(&tmi_tracer.stamp) == shard->stamp ? id : 0;
    }
    id = 0;
    if (shard->free_chunks != NULL || tmi_memory_allows(0)) { /* else it finds no cell */
        tmi_lock(TMI_LOCK_SITES);
        if (tmi_tracer.stamp == shard->stamp) {
            id = add_site_locked(key, tmi_stamp_first(shard->stamp));
        }
        tmi_unlock(TMI_LOCK_SITES);
    }
    return id;
}

/* In domain 0 the node knows it, though perhaps from an epoch before, or for the next. */
static uint32_t site_of(const struct tmi_shard *shard, uint32_t node, uint32_t domain)
{
    if (domain != 0 || node == 0 || node & TMI_TREE_CUT) {
        return find_site(shard, node, domain);
    }
    uint32_t id = tmi_load_acquire(tmi_node_site(node));
    if (TMI_LIKELY(id >= tmi_stamp_first(shard->stamp) &&
                   tmi_load_acquire(&tmi_tracer.stamp) == shard->stamp)) {
        return id;
    }
    id = find_site(shard, node, 0);
    tmi_store_release(tmi_node_site(node), id);
    return id;
}

void tmi_tracer_modules_changed(struct tmi_shard *shard)
{
    int saved = tmi_errno_get();
    if (tmi_module_refresh()) {
        tmi_step_forget_gone();
        tmi_add_relaxed(&tmi_shard_generation, 1);
        tmi_lock(TMI_LOCK_CUTS);
        tmi_store_release(&tmi_tracer.turn, tmi_tracer.turn + 1);
        tmi_unlock(TMI_LOCK_CUTS);
    }
    if (shard != NULL) {
        tmi_shard_look_for_unloads(shard);
    }
    tmi_errno_set(saved);
}

/* The epoch's first site, of the stack of which nothing is known: it has its cell. */
static uint32_t site_of_remains(struct tmi_shard *shard)
{
    uint32_t site = tmi_stamp_first(shard->stamp);
    bool is_there = tmi_load_acquire(&tmi_tracer.stamp) == shard->stamp &&
                    site <= tmi_index_count(&sites) &&
                    (tmi_shard_cell(shard, site) != NULL ||
                     tmi_shard_grant_cell(shard, site) != NULL);
    return is_there ? site : 0;
}

/*
 * The site of a node in a domain, node 0 standing for a stack of which nothing is known;
 * the site of what remains when the bound on memory or the lack of it allows no better,
 * and 0 when another epoch has begun, or not even that can be had. A block is traced only
 * where both its allocation and its free are sure to find a place to be counted in.
 */
uint32_t tmi_tracer_site_of_node(struct tmi_shard *shard, uint32_t node, uint32_t domain)
{
    uint32_t known = node != 0 ? node : tmi_capture_unknown();
    uint32_t site = site_of(shard, known, domain);
    if (TMI_UNLIKELY(site == 0 || tmi_shard_cell(shard, site) == NULL)) {
        site = site_of_remains(shard);
    }
    return site;
}

/* The site of a node in domain 0, remembered by this thread under `key`. */
static TMI_NOINLINE uint32_t look_up(struct tmi_shard *shard, uint32_t node,
                                     uintptr_t key)
{
    uint32_t site = tmi_tracer_site_of_node(shard, node, 0);
    if (site != 0 && key != 0) {
        *tmi_tracer_known(shard, key) = (struct tmi_known_site){key, site};
    }
    return site;
}

/*
 * Is this the return address of a call in an allocation wrapper? That it is, is
 * remembered under its complement; when it is not, its site will be remembered under
 * itself.
 */
static bool is_wrapper(struct tmi_shard *shard, uintptr_t pc)
{
    struct tmi_known_site *known = tmi_tracer_known(shard, ~pc);
    if (known->key != ~pc) {
        if (tmi_tracer_known(shard, pc)->key == pc || !tmi_module_is_wrapper(pc)) {
            return false;
        }
        *known = (struct tmi_known_site){~pc, 0};
    }
    return true;
}

/* With one frame: the newest one outside of allocation wrappers; 0: there are only such.
 */
static uintptr_t newest_outside(struct tmi_shard *shard, uintptr_t caller,
                                const uintptr_t *frame)
{
    tmi_tracer_look_for_loader(shard, caller);
    return is_wrapper(shard, caller) ? tmi_capture_outside(shard, frame, is_wrapper)
                                     : caller;
}

TMI_NOINLINE uint32_t tmi_tracer_site_of_caller(struct tmi_shard *shard, uintptr_t caller,
                                                const uintptr_t *frame)
{
    int saved = tmi_errno_get();
    uintptr_t outside = newest_outside(shard, caller, frame);
    const struct tmi_known_site *known = tmi_tracer_known(shard, outside);
    uint32_t site = known->site;
    if (outside == 0) { /* of this stack only */
        site = look_up(shard, tmi_capture_caller(caller), 0);
    } else if (known->key != outside) {
        uintptr_t key = tmi_module_is_loader(outside) ? 0 : outside;
        site = look_up(shard, tmi_capture_caller(outside), key);
    }
    tmi_errno_set(saved);
    return site;
}

TMI_NOINLINE uint32_t tmi_tracer_site_of_stack(struct tmi_shard *shard, uintptr_t caller,
                                               const uintptr_t *frame)
{
    if (TMI_UNLIKELY(tmi_load_relaxed(&tmi_tracer.mode) <= TMI_MODE_OFF)) {
        return 0;
    }
    int saved = tmi_errno_get();
    uint32_t site =
        tmi_tracer_site_of_node(shard, tmi_tracer_node(shard, caller, frame), 0);
    tmi_errno_set(saved);
    return site;
}

/*
 * Where a split remembers the sites of its domains; keys are return addresses where one
 * frame is kept, and otherwise nodes. NULL: nowhere.
 */
static struct tmi_split_known *known_in(struct tmi_split *split, uintptr_t key,
                                        uint32_t domain)
{
    return split == NULL || key == 0 ? NULL : tmi_split_known(split, key, domain);
}

static uint32_t find_site_in(struct tmi_shard *shard, uintptr_t key, uint32_t node,
                             uint32_t domain)
{
    struct tmi_split_known *known = known_in(shard->split, key, domain);
    if (known != NULL && known->key == key && known->domain == domain) {
        return known->site;
    }
    uint32_t site = tmi_tracer_site_of_node(
        shard, node != 0 ? node : tmi_capture_caller(key), domain);
    if (site != 0 && known != NULL) {
        *known = (struct tmi_split_known){key, site, domain};
    }
    return site;
}

TMI_NOINLINE uint32_t tmi_tracer_site_in(struct tmi_shard *shard, uintptr_t caller,
                                         const uintptr_t *frame, uint32_t domain)
{
    int mode = tmi_load_relaxed(&tmi_tracer.mode);
    if (mode <= TMI_MODE_OFF) {
        return 0;
    }
    int saved = tmi_errno_get();
    uintptr_t key = 0;
    uint32_t node = 0;
    if (mode == 1) {
        uintptr_t outside = newest_outside(shard, caller, frame);
        bool is_kept = outside != 0 && !tmi_module_is_loader(outside);
        key = is_kept ? outside : 0;
        node = is_kept ? 0 : tmi_capture_caller(outside != 0 ? outside : caller);
    } else {
        node = tmi_tracer_node(shard, caller, frame);
        key = node;
    }
    uint32_t site = find_site_in(shard, key, node, domain);
    tmi_errno_set(saved);
    return site;
}

/* The site of a domain's blocks that are not sampled. */
static uint32_t rest_of(struct tmi_shard *shard, uint32_t domain)
{
    int saved = tmi_errno_get();
    uint32_t site = tmi_tracer_site_of_node(shard, 0, domain | TMI_SITE_REST);
    if (domain == 0 && site != 0) {
        shard->rest_cell = tmi_shard_cell(shard, site); /* trace/quick.h knows it now */
    }
    tmi_errno_set(saved);
    return site;
}

uint32_t tmi_tracer_site_special(struct tmi_shard *shard, uintptr_t caller,
                                 const uintptr_t *frame, size_t size)
{
    uint32_t domain = tmi_self.domain;
    if (tmi_sample_period != 0 && !tmi_sample_hits(&shard->sampler, size)) {
        return rest_of(shard, domain);
    }
    return domain == 0 ? tmi_tracer_site(shard, caller, frame)
                       : tmi_tracer_site_in(shard, caller, frame, domain);
}
