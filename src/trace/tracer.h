/* SPDX-License-Identifier: MIT */
/*
 * The tracer: what happens when a block is born, resized and freed while tracing is on.
 *
 *     tmi_tracer_enter()         the shard to count in; NULL: do not trace (inside, ...)
 *     tmi_tracer_site()          who allocates: (call-tree node, domain) -> the site's id
 *     ...                        the block is made, its header given that id
 *     tmi_tracer_count_alloc()
 *     tmi_tracer_leave()
 *
 * A site's id is given anew in each epoch, and clearing only begins an epoch: from then
 * on lower ids mean "not traced". (epoch, first id) is one word, the stamp, so that a
 * shard and the tracer compare in one instruction.
 *
 * `mode` is TMI_MODE_BOOT until the first allocation of the process, then 0 (off) or the
 * number of frames to keep. A generation ends with each unload of modules: what a thread
 * remembers of return addresses, its last stack too, holds for one. `turn` moves with
 * each epoch, each generation and each cut (trace/cut.h), after them: as long as a shard
 * has seen the present one there is nothing that its owner has to look at. It is one
 * word, of which no thread sees an older value after another one told it of a newer; a
 * thread that is ahead of it, because it sees a stamp before its turn, does not trace
 * until the turn has come.
 *
 * Domains stay off the quick way: while another one than 0 is in force for a thread its
 * shard is not up to date with any turn, so that each operation enters by the slow way;
 * and the long way asks for the domain.
 * Locking: start, stop and clear under TMI_LOCK_TRACER; new sites under TMI_LOCK_SITES;
 * the turn moves under TMI_LOCK_CUTS.
 */
#ifndef TMI_TRACER_H
#define TMI_TRACER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "heap/block.h"
#include "trace/capture.h"
#include "trace/direct.h"
#include "trace/module.h"
#include "trace/shard.h"
#include "trace/thread.h"
#include "trace/walk.h"

#define TMI_MODE_BOOT (-1)
#define TMI_MODE_OFF  0

struct tmi_tracer {
    int32_t mode;        /* atomic; tmi_tracer_set_mode */
    uint32_t takes_all;  /* atomic; whole stacks of all blocks, walked the fast way */
    tmi_stamp stamp;     /* atomic; changes under TMI_LOCK_TRACER, _SITES and _CUTS */
    uint64_t turn;       /* atomic; epoch:32 count:32; never 0 */
    size_t plain_below;  /* atomic; below this many bytes malloc need not look further:
                            nothing is traced, and mimalloc calls it small; or 0 */
    size_t caller_below; /* atomic; the same with one frame of each block */
    size_t traced_below; /* atomic; the same with anything traced */
};

extern TMI_HIDDEN struct tmi_tracer tmi_tracer;

/* What the entry points do at the first allocation of the process, and main's
 * constructor. */
void tmi_tracer_init(int64_t lease, enum tmi_capture_way way, int64_t sample_period);

/* TMI_MODE_OFF ends the time of TMI_MODE_BOOT. */
void tmi_tracer_set_mode(int32_t mode);

int tmi_tracer_start(int nframe);
void tmi_tracer_stop(void);
void tmi_tracer_clear(void);

/* The domain (its slot) in force for this thread from now on; returns the one before. */
uint32_t tmi_tracer_set_domain(uint32_t domain);

/*
 * Sites that are not like others, when blocks are sampled (trace/sample.h): a flag added
 * to the domain. A whole one is of a resource that is always recorded and counts as one;
 * the rest is what no point lies in, without a stack.
 */
#define TMI_SITE_WHOLE ((uint32_t)1 << 16)
#define TMI_SITE_REST  ((uint32_t)1 << 17)

struct tmi_site {
    uint32_t node;
    uint32_t domain; /* its slot */
    bool is_whole;
    bool is_rest;
};

struct tmi_site tmi_tracer_site_of_id(uint32_t id);
uint32_t tmi_tracer_site_count(void);

/* Traced blocks that are live now. */
uint64_t tmi_tracer_live_blocks(void);

TMI_INLINE bool tmi_tracer_is_off(void)
{
    return tmi_load_relaxed(&tmi_tracer.mode) == TMI_MODE_OFF;
}

/* True when a header with this id belongs to a traced block. */
TMI_INLINE bool tmi_tracer_is_live(uint32_t site)
{
    return site >= tmi_stamp_first(tmi_load_relaxed(&tmi_tracer.stamp));
}

struct tmi_shard *tmi_tracer_enter_slow(bool may_only_free);

/* Owner: bring a shard up to the tracer's turn; false when an epoch is just beginning. */
bool tmi_tracer_catch_up(struct tmi_shard *shard);

uint32_t tmi_tracer_site_of_caller(struct tmi_shard *shard, uintptr_t caller,
                                   const uintptr_t *frame);
uint32_t tmi_tracer_site_of_node(struct tmi_shard *shard, uint32_t node, uint32_t domain);
uint32_t tmi_tracer_site_of_stack(struct tmi_shard *shard, uintptr_t caller,
                                  const uintptr_t *frame);

/* From here to tmi_tracer_leave() this thread is inside. */
TMI_INLINE void tmi_tracer_inside(void)
{
    tmi_self.shard = &tmi_nobody;
    tmi_signal_fence();
}

TMI_INLINE struct tmi_shard *tmi_tracer_enter(bool may_only_free)
{
    struct tmi_shard *shard = tmi_self.shard;
    if (TMI_UNLIKELY(shard->turn != tmi_load_relaxed(&tmi_tracer.turn))) {
        return tmi_tracer_enter_slow(may_only_free);
    }
    tmi_tracer_inside();
    return shard;
}

TMI_INLINE void tmi_tracer_leave(struct tmi_shard *shard)
{
    tmi_store_release(&tmi_self.shard, shard); /* pairs with tmi_read_settle() */
}

/*
 * Modules may have been unloaded: what was remembered of their addresses must not outlive
 * them. Called when the dynamic loader allocates, which it does before it maps a module,
 * perhaps to where another one was; its own calls are never remembered, so each is seen.
 * `shard`: the caller's, if he is in one.
 */
void tmi_tracer_modules_changed(struct tmi_shard *shard);

/* The loader's allocations are a sign that modules may have changed. */
TMI_INLINE void tmi_tracer_look_for_loader(struct tmi_shard *shard, uintptr_t caller)
{
    if (TMI_UNLIKELY(tmi_module_is_loader(caller))) {
        tmi_tracer_modules_changed(shard);
    }
}

/* Where the fast way finds the node of this thread's stack: 0 when it cannot. */
TMI_INLINE struct tmi_leaf *tmi_tracer_leaf(struct tmi_shard *shard, uintptr_t caller,
                                            const uintptr_t *frame)
{
    tmi_tracer_look_for_loader(shard, caller);
    return tmi_laststack_quickly(&shard->last, frame);
}

/* The same by whichever way. */
TMI_INLINE uint32_t tmi_tracer_node(struct tmi_shard *shard, uintptr_t caller,
                                    const uintptr_t *frame)
{
    tmi_tracer_look_for_loader(shard, caller);
    return tmi_capture_stack(shard, frame);
}

/* Where the site of a return address is remembered, if it is. */
TMI_INLINE struct tmi_known_site *tmi_tracer_known(struct tmi_shard *shard, uintptr_t key)
{
    return &shard->known[(key ^ key >> 8) % TMI_SHARD_KNOWN];
}

/*
 * The id of the site that allocates, in domain 0; 0 when tracing just stopped or nothing
 * can be stored. `caller` is the return address of the entry point, `frame` the frame
 * pointer of this library's function that asks: where unwinding begins.
 */
TMI_INLINE uint32_t tmi_tracer_site(struct tmi_shard *shard, uintptr_t caller,
                                    const uintptr_t *frame)
{
    if (tmi_load_relaxed(&tmi_tracer.mode) != 1) {
        return tmi_tracer_site_of_stack(shard, caller, frame);
    }
    const struct tmi_known_site *known = tmi_tracer_known(shard, caller);
    if (TMI_LIKELY(known->key == caller)) {
        return known->site;
    }
    return tmi_tracer_site_of_caller(shard, caller, frame);
}

/* The same in any domain, whichever is in force; the flags above may be added to it. */
uint32_t tmi_tracer_site_in(struct tmi_shard *shard, uintptr_t caller,
                            const uintptr_t *frame, uint32_t domain);

/* The same for a block of `size` bytes in the domain in force, sampled or not. */
uint32_t tmi_tracer_site_special(struct tmi_shard *shard, uintptr_t caller,
                                 const uintptr_t *frame, size_t size);

/* A block of domain 0; others count in trace/account.h. */
TMI_INLINE void tmi_tracer_count_alloc(struct tmi_shard *shard, uint32_t site,
                                       size_t size, const void *block)
{
    if (TMI_LIKELY(site != 0)) {
        tmi_shard_count_alloc(shard, site, size);
        tmi_shard_add(shard, (int64_t)size);
        shard->latest = block;
    }
}

TMI_INLINE void tmi_tracer_count_free(struct tmi_shard *shard, uint32_t site, size_t size,
                                      const void *block)
{
    if (TMI_LIKELY(site >= tmi_stamp_first(shard->stamp))) {
        tmi_shard_before_fall(shard);
        if (TMI_UNLIKELY(
                !tmi_shard_count_free(shard, site, size, shard->latest == block))) {
            tmi_direct_count(site, size, 1);
        }
        tmi_shard_add(shard, -(int64_t)size);
    }
}

#endif
