/* SPDX-License-Identifier: MIT */
/*
 * Threads: who has which shard, and who is inside tmalloc.
 *
 *     tmi_self.shard   the shard to count in; tmi_nobody's while the thread is inside
 *                      tmalloc, or has none yet, or no longer
 *     tmi_self.own     the shard it has, also while it is inside
 *
 * So one load tells the hot path both that tracing may go ahead and where to count, and
 * an allocation made meanwhile (by a library that tmalloc calls, or by a signal handler)
 * finds nobody's and is not traced. A thread gets its shard with its first traced
 * operation and gives it back in its pthread-key destructor; a destructor that runs later
 * and allocates may get one again, a few times. Whoever frees and has none to count in
 * (such a destructor, or a signal handler that interrupts its own thread inside) borrows
 * one that nobody has for that one operation.
 *
 * Locking: the list of shards grows at its head, by compare and swap, and is read without
 * a lock. A shard is claimed by compare and swap of its owner, and given back by a store;
 * threads give theirs back under TMI_LOCK_THREADS, so that under it an owner's tmi_thread
 * is there to be looked at.
 */
#ifndef TMI_THREAD_H
#define TMI_THREAD_H

#include <stdbool.h>
#include <stdint.h>

#include "trace/shard.h"

struct tmi_thread {
    struct tmi_shard *shard;
    struct tmi_shard *own;
    uint32_t guards;      /* calls of tmi_guard_enter that have not left */
    uint32_t retirements; /* how often the key's destructor took the shard away */
    uint32_t domain;      /* in force, by slot; set with tmi_tracer_set_domain() */
    bool is_special;      /* a domain other than 0 is in force, or blocks are sampled */
};

extern TMI_HIDDEN TMI_THREAD_LOCAL struct tmi_thread tmi_self;

/* A shard that is never up to date with the tracer, so that nobody counts in it: what
 * tells that there is none is the comparison that is made anyway. Never written. */
extern TMI_HIDDEN struct tmi_shard tmi_nobody;

/* Before anything else; creates the key. Twice does no harm. */
void tmi_thread_init(void);

/* Give this thread a shard (it has none); NULL when it may have none, or no memory. */
struct tmi_shard *tmi_thread_adopt(bool may_only_free);

/* A shard for one free, signal safe; NULL when there is no memory. Flush, then return it.
 */
struct tmi_shard *tmi_thread_borrow(void);
void tmi_thread_return(struct tmi_shard *shard);

/*
 * True when the owner of a shard may be in the middle of an operation of which others see
 * a part. TMI_LOCK_THREADS is held.
 */
bool tmi_thread_is_counting_locked(const struct tmi_shard *shard);

/* Hold this thread's own allocations untraced: around every call into other libraries. */
struct tmi_shard *tmi_guard_enter(void);
void tmi_guard_leave(struct tmi_shard *entered);

/* All shards, for sums. */
struct tmi_shard *tmi_thread_shards(void);

/*
 * In a forked child: the shards of the threads that are not there are free again, but for
 * those of threads that were inside tmalloc just then, which may be half changed. (Their
 * stacks, and so their tmi_self, are still mapped.)
 */
void tmi_thread_forked(void);

#endif
