/* SPDX-License-Identifier: MIT */
/*
 * The quick way: counting for a site that this thread met lately, in some twenty
 * instructions and without a call. It knows the default domain; whatever else comes up,
 * it steps aside before it has changed anything, and the caller goes the long way
 * (trace/tracer.h), which ends with teaching it the site, where it does not find that by
 * itself.
 *
 *     by_caller[return address]  -> cell     malloc, one frame
 *     by_caller[~return address] -> bytes    of a wrapper's frame: outside of it is next
 *     note of the stack's leaf   -> cell     malloc, more frames, after their capture
 *     by_tag[tag in the seal]    -> cell     free, however many frames
 *
 * All lead to cells of this thread's shard directly. They hold for one turn of the tracer
 * (trace/tracer.h), so that one comparison says that the epoch, the modules and all that
 * follows from them are still the same; tmi_shard_look() empties the tables when it has
 * moved. Notes it cannot empty, they are everywhere: so a note says its age, and those of
 * another age than the shard's are none.
 *
 *     note    cell:48 | age:16
 *
 * What is in no table is found by its site's number, which a tag is, and which a node
 * knows: that takes some more instructions, and a table less in the cache. Since only
 * sites of domain 0 are in here, the first word of a block's header is its size. Owner
 * only; the shard is entered as the long way enters it.
 */
#ifndef TMI_QUICK_H
#define TMI_QUICK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "heap/block.h"
#include "trace/shard.h"
#include "trace/tracer.h"

/* An entry that is not used has the key 0, which is no return address and no tag. */
TMI_INLINE struct tmi_quick_site *tmi_quick_caller(struct tmi_shard *shard, uint64_t key)
{
    return &shard->by_caller[key % TMI_QUICK_CALLERS];
}

TMI_INLINE struct tmi_quick_site *tmi_quick_tag(struct tmi_shard *shard, uint64_t tag)
{
    return &shard->by_tag[tag % TMI_QUICK_TAGS];
}

/*
 * The long way has just counted for a site of domain 0 in this shard, which is entered:
 * for the newest caller outside of wrappers, `pc` and `sp` as below.
 */
void tmi_quick_learn_caller(struct tmi_shard *shard, uintptr_t pc, uintptr_t sp,
                            uint32_t site);
void tmi_quick_learn_tag(struct tmi_shard *shard, uint32_t site);

/* Is the cell of a stack's site noted? Then this is it. */
TMI_INLINE bool tmi_quick_is_noted(const struct tmi_shard *shard,
                                   const struct tmi_leaf *leaf)
{
    return TMI_LIKELY((uint16_t)leaf->note == (uint16_t)shard->age);
}

TMI_INLINE struct tmi_cell *tmi_quick_noted(const struct tmi_leaf *leaf)
{
    return (struct tmi_cell *)(uintptr_t)(leaf->note >> 16);
}

/* If not, by way of the site that the node itself knows, and noted; NULL: take the long
 * way. */
struct tmi_cell *tmi_quick_find_node(struct tmi_shard *shard, struct tmi_leaf *leaf);

/*
 * Learn what tmi_quick_free() did not know, if it is there: the cell of a live block's
 * site, in a shard that is entered. NULL: take the long way.
 */
struct tmi_cell *tmi_quick_find_tag(struct tmi_shard *shard, uint64_t tag,
                                    const struct tmi_block *block);

/* Flush the shard, leave it, and return `p`. */
__attribute__((returns_nonnull)) void *tmi_quick_flush(struct tmi_shard *shard, void *p);

/*
 * Make a traced block of `base`, count it, and leave the shard. A flush is the last thing
 * done, as a call with nothing after it, so that nothing has to be saved for it.
 */
TMI_INLINE void *tmi_quick_count(struct tmi_shard *shard, struct tmi_cell *cell,
                                 void *base, size_t size)
{
    cell->alloc_bytes += size;
    tmi_signal_fence(); /* else compilers make a vector of the two, which takes longer */
    cell->alloc_blocks++;
    void *p = tmi_block_seal_tag(base, size, cell->tag);
    shard->latest = p;
    if (TMI_UNLIKELY(tmi_shard_rise(shard, (int64_t)size))) {
        return tmi_quick_flush(shard, p);
    }
    tmi_tracer_leave(shard);
    return p;
}

/* With one frame: the user's pointer; NULL: take the long way. */
TMI_INLINE void *tmi_quick_alloc(void *base, size_t size, uintptr_t caller)
{
    struct tmi_shard *shard = tmi_self.shard;
    if (TMI_UNLIKELY(shard->turn != tmi_load_relaxed(&tmi_tracer.turn))) {
        return NULL;
    }
    tmi_tracer_inside();
    const struct tmi_quick_site *site = tmi_quick_caller(shard, caller);
    if (TMI_UNLIKELY(site->key != caller)) {
        tmi_tracer_leave(shard);
        return NULL;
    }
    return tmi_quick_count(shard, site->cell, base, size);
}

/* The cell of a block that is not sampled, in domain 0; NULL when it is another, or the
 * cell of the rest is not known yet. */
TMI_INLINE struct tmi_cell *tmi_quick_rest(struct tmi_shard *shard, size_t size)
{
    int64_t until = shard->sampler.until - (int64_t)size;
    if (TMI_UNLIKELY(shard->rest_cell == NULL || until <= 0 || tmi_self.domain != 0)) {
        return NULL;
    }
    shard->sampler.until = until;
    return shard->rest_cell;
}

/*
 * The cell of the newest caller outside of allocation wrappers, on a stack whose newest
 * return address is `pc` with `sp` behind it; NULL: take the long way.
 */
TMI_INLINE struct tmi_cell *tmi_quick_cell_outside(struct tmi_shard *shard, uintptr_t pc,
                                                   uintptr_t sp)
{
    for (;;) {
        const struct tmi_quick_site *site = tmi_quick_caller(shard, pc);
        if (TMI_LIKELY(site->key == pc)) {
            return site->cell;
        }
        site = tmi_quick_caller(shard, ~pc);
        if (TMI_UNLIKELY(site->key != ~pc)) {
            return NULL;
        }
        sp += site->frame_bytes;
        pc = ((const uintptr_t *)sp)[-1];
    }
}

enum tmi_quick_freed {
    TMI_QUICK_DONE,
    TMI_QUICK_FLUSH,   /* done, but the shard is entered: tmi_quick_flush */
    TMI_QUICK_UNKNOWN, /* take the long way */
};

/* Count a block as freed and mark it so, in a shard that is entered, and leave it. */
TMI_INLINE enum tmi_quick_freed
tmi_quick_free_in(struct tmi_shard *shard, struct tmi_cell *cell, void *p, uint64_t tag)
{
    size_t size = tmi_block_of(p)->size_domain;
    cell->free_bytes += size;
    tmi_signal_fence();
    cell->free_blocks++;
    if (TMI_UNLIKELY(shard->latest == p)) {
        cell->temporary_blocks++;
    }
    tmi_block_unseal(tmi_block_of(p), tag);
    if (TMI_UNLIKELY(tmi_shard_fall(shard, (int64_t)size))) {
        return TMI_QUICK_FLUSH;
    }
    tmi_tracer_leave(shard);
    return TMI_QUICK_DONE;
}

TMI_INLINE enum tmi_quick_freed tmi_quick_free(struct tmi_shard *shard, void *p,
                                               uint64_t tag)
{
    if (TMI_UNLIKELY(shard->turn != tmi_load_relaxed(&tmi_tracer.turn))) {
        return TMI_QUICK_UNKNOWN;
    }
    tmi_tracer_inside();
    const struct tmi_quick_site *site = tmi_quick_tag(shard, tag);
    if (TMI_UNLIKELY(site->key != tag) || tmi_shard_is_at_peak(shard)) {
        tmi_tracer_leave(shard);
        return TMI_QUICK_UNKNOWN;
    }
    return tmi_quick_free_in(shard, site->cell, p, tag);
}

/* What that did not know may still be found. */
TMI_INLINE enum tmi_quick_freed tmi_quick_free_found(struct tmi_shard *shard, void *p,
                                                     uint64_t tag)
{
    if (TMI_UNLIKELY(shard->turn != tmi_load_relaxed(&tmi_tracer.turn))) {
        return TMI_QUICK_UNKNOWN;
    }
    tmi_tracer_inside();
    struct tmi_cell *cell = tmi_quick_find_tag(shard, tag, tmi_block_of(p));
    if (TMI_UNLIKELY(cell == NULL) || tmi_shard_is_at_peak(shard)) {
        tmi_tracer_leave(shard);
        return TMI_QUICK_UNKNOWN;
    }
    return tmi_quick_free_in(shard, cell, p, tag);
}

#endif
