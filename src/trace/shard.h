/* SPDX-License-Identifier: MIT */
/*
 * A shard: the counters of one thread, which it alone writes, without atomics.
 *
 *     net     bytes allocated minus bytes freed since the last flush
 *     high    the most that net was since then
 *     cells   per site: bytes and blocks allocated, freed, and freed at once
 * ("temporary"), in chunks of CHUNK, mapped when first needed
 *
 *     directory[(id - first id) / CHUNK]   the chunk, or NULL: ask the row
 *     rows[the same]                       live: the chunk; kept: it as it was at a cut
 *
 * A flush adds net to the process's totals when it has left [-lease, +lease]. The peak
 * is then too low by what others have not flushed, at most T - 1 leases, or too high by
 * at most T: this thread's high is from before the latest flush of another, to which its
 * own net and the others' are still missing. So a shard's lease is half of the one that
 * tmalloc.h speaks of: T/2 <= T - 1, and one thread is exact anyway. A block
 * that another thread frees counts in that thread's shard: only sums over all shards mean
 * anything, and they are taken modulo 2^64. A shard outlives its thread, keeps its
 * counts, and is taken over by a later thread: nothing is merged.
 *
 * Cuts (trace/cut.h). When the owner finds that the turn has moved it empties the
 * directory, and forgets which cells it knew, so the first change of each chunk takes the
 * slow way, which keeps a copy of the chunk for each cut that has none yet: a cut costs
 * the hot path nothing. A reader takes the copy if there is one, and else what is live,
 * and looks again afterwards whether that was right. What the owner does is published in
 * this order: the cut's number in `past`, the copy, the change.
 *
 * Everything in a shard belongs to one stamp, i.e. one epoch. After a clear its owner
 * notices at its next operation and begins anew (tmi_shard_begin); until then readers
 * pass it by.
 */
#ifndef TMI_SHARD_H
#define TMI_SHARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "trace/cut.h"
#include "trace/laststack.h"
#include "trace/sample.h"
#include "trace/stackrange.h"
#include "trace/totals.h"

#define TMI_SHARD_CHUNK    32
#define TMI_SHARD_KNOWN    256
#define TMI_QUICK_CALLERS  256
#define TMI_QUICK_TAGS     1024
#define TMI_QUICK_AGE_MOST 0xffffu

/* What malloc needs of it lies together, and what free needs. */
struct tmi_cell {
    uint64_t alloc_bytes;
    uint64_t alloc_blocks;
    uint64_t tag; /* as the site's blocks have it in their seals */
    uint64_t free_bytes;
    uint64_t free_blocks;
    uint64_t temporary_blocks;
};

/* epoch:32 | first id of that epoch:32; equal stamps mean equal epochs. */
typedef uint64_t tmi_stamp;

TMI_INLINE uint32_t tmi_stamp_epoch(tmi_stamp stamp)
{
    return (uint32_t)(stamp >> 32);
}
TMI_INLINE uint32_t tmi_stamp_first(tmi_stamp stamp)
{
    return (uint32_t)stamp;
}

/* The site that a return address had when it was last looked up, with one frame. */
struct tmi_known_site {
    uintptr_t key;
    uint32_t site;
};

/* The cell of a return address, or of a tag, and more: see trace/quick.h. */
struct tmi_quick_site {
    uint64_t key;
    union {
        struct tmi_cell *cell;
        uintptr_t frame_bytes;
    };
};

/* A chunk of cells and what is kept of it. Written by the owner; read by others: atomic.
 */
struct tmi_row {
    struct tmi_cell *live;
    const struct tmi_cell *kept[TMI_CUT_COUNT];
};

struct tmi_shard {
    /*
     * One cache line for every operation. Written by the owner; net and stamp are read by
     * others: atomic.
     */
    int64_t net;
    int64_t high;
    int64_t lease;
    uint64_t turn;      /* of the tracer, to which all below is up to date; 0 while the
                           owner's domain is not 0, so that he takes the long way; his */
    const void *latest; /* the block that this thread allocated last; owner only */
    tmi_stamp stamp;
    int64_t trigger; /* falling from more, it may be the process's peak; owner only */
    uint32_t directory_len;
    uint32_t generation; /* of what is known below of return addresses; owner only */

    struct tmi_quick_site by_caller[TMI_QUICK_CALLERS]; /* owner only */
    struct tmi_quick_site by_tag[TMI_QUICK_TAGS];       /* owner only */
    uint64_t callers_taught; /* owner only: a bit for each 64th of them that has any */
    uint64_t tags_taught;
    uint64_t age; /* owner only: of what notes of stacks say, see trace/quick.h */

    struct tmi_cell **directory;  /* owner only */
    struct tmi_row *rows;         /* atomic */
    uint32_t rows_len;            /* atomic */
    uint64_t past[TMI_CUT_COUNT]; /* atomic: numbers of the cuts that it is past */

    struct tmi_known_site known[TMI_SHARD_KNOWN]; /* owner only */
    struct tmi_laststack last;                    /* owner only */
    uint64_t looked;            /* owner only: the turn up to which it has looked */
    struct tmi_sampler sampler; /* owner only */
    struct tmi_cell *rest_cell; /* owner only: of the rest in domain 0; NULL: not known */
    struct tmi_split *split;    /* atomic; NULL: no domain but 0 was met, trace/split.h */
    uintptr_t *stack;           /* owner only: room for an unwinder */
    size_t stack_room;
    struct tmi_stackrange range; /* owner only: its stack; for frame pointers */
    char *room;                  /* owner only: memory for chunks */
    size_t room_bytes;
    size_t rooms;             /* owner only: how many were mapped */
    void *free_chunks;        /* owner only: linked through their first word */
    struct tmi_thread *owner; /* atomic: the thread that has it; NULL: none. thread.h */
    struct tmi_shard *next;   /* never changes once the shard is in the list */
};

/* A new shard; NULL when there is no memory. */
struct tmi_shard *tmi_shard_new(void);

/* Owner: forget all counts and begin an epoch. */
void tmi_shard_begin(struct tmi_shard *shard, tmi_stamp stamp, int64_t lease);

/* How often modules were unloaded. Atomic; the tracer's turn moves after it. */
extern TMI_HIDDEN uint32_t tmi_shard_generation;

/* Owner: what is remembered of return addresses, the last stack too, holds for one
 * generation. */
void tmi_shard_look_for_unloads(struct tmi_shard *shard);

/*
 * Owner: the tracer's turn is `turn`, and of this shard's epoch. Forget what
 * trace/quick.h knows and what is of code that was unloaded, and be past the cuts up to
 * there. A shard that is kept off the quick way stays so.
 */
void tmi_shard_look(struct tmi_shard *shard, uint64_t turn);

/* Owner: hand net and high over to the totals. */
void tmi_shard_flush(struct tmi_shard *shard);

/* Owner: net is above the trigger and about to fall: this may be the process's peak. */
void tmi_shard_turns_down(struct tmi_shard *shard);

/*
 * Owner: the cell of a site of this epoch, mapped now if need be; NULL: no memory. The
 * second is not held to the bound.
 */
struct tmi_cell *tmi_shard_new_cell(struct tmi_shard *shard, uint32_t id);
struct tmi_cell *tmi_shard_grant_cell(struct tmi_shard *shard, uint32_t id);

/*
 * Anyone, while no clear can happen and the cut is not ended: add what the cells of the
 * sites [first, first + n) were at the cut to sums[0 .. n - 1]. False when something of
 * it could not be kept.
 */
bool tmi_shard_read(struct tmi_shard *shard, enum tmi_cut cut, uint32_t first,
                    struct tmi_cell *sums, size_t n);

/* Owner: room for at least `frames` return addresses; false when there is no memory. */
bool tmi_shard_grow_stack(struct tmi_shard *shard, size_t frames);

/* The same where nothing has to be done for it first: it has been changed since the
 * latest cut; else NULL. Of any id. */
TMI_INLINE struct tmi_cell *tmi_shard_present_cell(const struct tmi_shard *shard,
                                                   uint32_t id)
{
    uint32_t at = id - tmi_stamp_first(shard->stamp);
    uint32_t chunk = at / TMI_SHARD_CHUNK;
    if (TMI_LIKELY(chunk < shard->directory_len)) {
        struct tmi_cell *cells = shard->directory[chunk];
        if (TMI_LIKELY(cells != NULL)) {
            return &cells[at % TMI_SHARD_CHUNK];
        }
    }
    return NULL;
}

TMI_INLINE struct tmi_cell *tmi_shard_cell(struct tmi_shard *shard, uint32_t id)
{
    struct tmi_cell *cell = tmi_shard_present_cell(shard, id);
    return TMI_LIKELY(cell != NULL) ? cell : tmi_shard_new_cell(shard, id);
}

/*
 * Account for a change of live bytes: true when it is time to flush. Plain additions: the
 * owner is the only writer. As a flush leaves 0 and 0, high is never above the lease, and
 * nobody can leave the lease upwards but with a new high.
 */
TMI_INLINE bool tmi_shard_rise(struct tmi_shard *shard, int64_t bytes)
{
    int64_t net = shard->net + bytes;
    shard->net = net;
    if (TMI_UNLIKELY(net > shard->high)) {
        shard->high = net;
        return TMI_UNLIKELY(net > shard->lease);
    }
    return false;
}

/* May the process be at its peak? To be asked before the counts change for a fall. */
TMI_INLINE bool tmi_shard_is_at_peak(const struct tmi_shard *shard)
{
    return TMI_UNLIKELY(shard->net > shard->trigger);
}

TMI_INLINE void tmi_shard_before_fall(struct tmi_shard *shard)
{
    if (tmi_shard_is_at_peak(shard)) {
        tmi_shard_turns_down(shard);
    }
}

TMI_INLINE bool tmi_shard_fall(struct tmi_shard *shard, int64_t bytes)
{
    int64_t net = shard->net - bytes;
    shard->net = net;
    return TMI_UNLIKELY(net + shard->lease < 0);
}

TMI_INLINE void tmi_shard_add(struct tmi_shard *shard, int64_t bytes)
{
    if (bytes >= 0 ? tmi_shard_rise(shard, bytes) : tmi_shard_fall(shard, -bytes)) {
        tmi_shard_flush(shard);
    }
}

/* The cell exists since the shard's owner was given the site. */
TMI_INLINE void tmi_shard_count_alloc(struct tmi_shard *shard, uint32_t id, size_t size)
{
    struct tmi_cell *cell = tmi_shard_cell(shard, id);
    if (TMI_LIKELY(cell != NULL)) {
        cell->alloc_bytes += size;
        cell->alloc_blocks++;
    }
}

/* False when there is no memory for a cell: then it has to be counted elsewhere. */
TMI_INLINE bool tmi_shard_count_free(struct tmi_shard *shard, uint32_t id, size_t size,
                                     bool temporary)
{
    struct tmi_cell *cell = tmi_shard_cell(shard, id);
    if (TMI_UNLIKELY(cell == NULL)) {
        return false;
    }
    cell->free_bytes += size;
    cell->free_blocks++;
    cell->temporary_blocks += temporary;
    return true;
}

#endif
