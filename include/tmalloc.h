/* SPDX-License-Identifier: MIT */
/*
 * tmalloc: which call stacks hold how many bytes, in a running native program.
 *
 * Link with -ltmalloc (or preload libtmalloc.so) and every block of the malloc family and
 * of C++ new comes from tmalloc. Tracing is off until tm_start(), or until the variable
 * TMALLOC=NFRAME starts it before main. The model is that of Python's tracemalloc:
 *
 *     tm_start(25);                                  keep the 25 newest frames
 *     load_index();
 *     tm_traced_memory_t m = tm_get_traced_memory(); bytes held now, and at most
 *     tm_snapshot_t *s = tm_take_snapshot();         who holds them
 *     tm_snapshot_dump(s, "index.pb.gz");            look: tmalloc stats index.pb.gz
 *     tm_snapshot_free(s);
 *
 * Conventions. Sizes are bytes as the program asked for them, never what the allocator
 * rounded them up to. Functions return 0 or a negative errno; functions that return a
 * pointer return NULL and set errno. "Thread safe" means callable from any thread at any
 * time. "Signal safe" means callable from a signal handler, whatever it interrupted.
 * Nothing here writes to stdout.
 *
 * Forks. All of it works in a forked child, which begins with its parent's traces. Its
 * parent's other threads are not in it: a block that one of them was just counting when
 * the process was forked may be in one sum and not in another there, until the child
 * starts or clears tracing; what it counts from then on is exact. With one thread, or the
 * others quiet, it is exact at once. In a child that shares its parent's memory (vfork,
 * posix_spawn) malloc and free work and are counted in the parent.
 */
#ifndef TMALLOC_H
#define TMALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tmalloc/attr.h"
#include "tmalloc/snapshot.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The largest number of frames that a traceback can keep, and the largest total_nframe.
 */
#define TM_MAX_NFRAME 65535

/* What tm_get_traced_memory() tells, in bytes. */
typedef struct tm_traced_memory {
    size_t current; /* bytes held by traced blocks now */
    size_t peak;    /* the most that `current` was since the start, clear or reset */
} tm_traced_memory_t;

/*
 * Start tracing: from now on each new block is recorded with its `nframe` newest frames.
 * Blocks that exist already are not known. While tracing, a further start changes nothing
 * and returns 0: the first limit stays in force.
 * The newest frame is the one that called the malloc family or operator new. With nframe
 * 1, where nothing else is kept, it is the newest one outside of allocation wrappers:
 * libc, GLib's g_malloc and its like, a program's own operator new, and what the variable
 * TMALLOC_WRAPPERS names. With more, wrappers are frames like others.
 * With TMALLOC_SAMPLE=BYTES stacks are recorded for a sample of blocks, one in so many
 * bytes on average: sums stay exact, snapshots are unbiased estimates, and a block that
 * is not sampled has no traceback. Errors: -EINVAL when nframe is not in 1..TM_MAX_NFRAME
 * (checked first, also while tracing). Thread safe; not signal safe.
 */
TM_API int tm_start(int nframe);

/*
 * Stop tracing and forget every trace; current and peak become 0. Does not visit blocks.
 * Blocks stay valid, of course. Nothing happens when not tracing. Thread safe.
 */
TM_API void tm_stop(void);

/* True between tm_start() and tm_stop(). Thread safe, signal safe. */
TM_API bool tm_is_tracing(void);

/*
 * Forget every trace recorded so far, set current and peak to 0, and go on tracing with
 * the same limit. Does not visit blocks: a block forgotten here is freed without effect
 * on the counters; a realloc makes it known again, with its whole new size. Nothing
 * happens when not tracing. Thread safe.
 */
TM_API void tm_clear_traces(void);

/*
 * The number of frames that tracing keeps, as given to tm_start().
 * Errors: -ENODATA when not tracing. Thread safe, signal safe.
 */
TM_API int tm_get_traceback_limit(void);

/*
 * Bytes held by traced blocks now and at most; both 0 when not tracing.
 * With one thread both are exact to the byte. With T threads `current` is exact when the
 * others are quiet, and `peak` is within (T-1) x lease, where a lease is 64 KiB or what
 * TMALLOC_LEASE says; 0 makes it exact at the price of a shared counter.
 * A realloc is one step: old and new size are never counted together.
 * Thread safe; not signal safe. Costs one look at each thread's counters.
 */
TM_API tm_traced_memory_t tm_get_traced_memory(void);

/*
 * Set the peak to the present `current`, also that of each domain, and what
 * tm_take_peak_snapshot() tells to what is held now. Traces stay. Nothing when not
 * tracing. Thread safe; not signal safe.
 */
TM_API void tm_reset_peak(void);

/*
 * Bytes that tracing itself uses: call tree, counters, thread records, in whole pages;
 * what the kernel counts as resident for them is within 1 % of it once it is a few
 * megabytes. Neither snapshots are in it, nor the headers before blocks:
 * tm_get_tracing_memory() tells those apart. TMALLOC_MAX_MEMORY bounds it (1 GiB unless
 * set). Thread safe, signal safe.
 */
TM_API size_t tm_get_tracemalloc_memory(void);

/* What tm_get_tracing_memory() tells. */
typedef struct tm_tracing_memory {
    size_t tables;  /* as tm_get_tracemalloc_memory() has it, in bytes */
    size_t headers; /* 16 bytes before each traced block that is live */
    size_t limit;   /* TMALLOC_MAX_MEMORY in bytes; SIZE_MAX when there is no bound */
    uint64_t cuts;  /* how often a new stack was met for which there was no room */
} tm_tracing_memory_t;

/*
 * What tracing costs, in parts. Headers are part of the blocks' allocations: every block
 * has one, also those that are not traced, and over-aligned ones have 16 bytes more.
 *
 * When the tables have taken two thirds of the limit, no new stacks are stored: a block
 * of such a stack goes to the longest outer part of it that is known, with a newest frame
 * of which nothing is known (address 0); and when there is no room for that either, to a
 * stack of that one frame. One warning is written to stderr. The rest of the limit is for
 * counting what is stored in further threads, and for the peak. Current, peak and the
 * sums over all stacks stay exact. Threads' own records are not refused: about 70 KiB
 * each, and 136 to 272 bytes for each frame of the deepest stack that the thread had; so
 * very many threads, and very deep ones, can exceed the limit.
 * Thread safe; not signal safe. Costs one look at each stack's counters.
 */
TM_API tm_tracing_memory_t tm_get_tracing_memory(void);

/*
 * Where a block was allocated (or last reallocated): `ptr` is what malloc, realloc, new,
 * ... returned. NULL with errno ENOENT when it is not traced: allocated before the start
 * or before a clear, or by tmalloc itself. One load, no look-up, for the answer "not
 * traced"; the first question for a given stack builds its traceback. The result is never
 * freed and stays valid for the life of the process, also when its module is unloaded;
 * equal stacks give the same pointer until the next clear or stop. `ptr` may also be what
 * was tracked in domain 0 (below), and then points to anything; it may be NULL,
 * interior or foreign as long as it points into mapped memory: the answer is then NULL,
 * errno EINVAL. The caller must hold the block alive meanwhile. Errors: ENOENT, EINVAL,
 * ENOMEM. Thread safe; not signal safe.
 */
TM_API const tm_traceback_t *tm_get_object_traceback(const void *ptr);

/*
 * A copy of what is traced now: later allocations do not change it. Free it with
 * tm_snapshot_free(). Its cost is that of the number of different stacks, not of blocks.
 * Other threads go on meanwhile, and what is in it is one state of all of them: whatever
 * a thread did before the call, or before something that is in the snapshot, is in it.
 * Several at once, from several threads, are taken one after the other.
 * Errors: ENODATA when not tracing, ENOMEM. Thread safe; not signal safe.
 */
TM_API TM_NODISCARD tm_snapshot_t *tm_take_snapshot(void);

/*
 * Who held what at the peak: a snapshot as of where `current` turned down from its most
 * since the start, clear or reset. A peak that is not worth mentioning beside the last
 * one is passed over, so the bytes in it are at least 99.5 % of the peak with one thread,
 * and with T threads 99.5 % of it less (T-1) x lease (see tm_get_traced_memory()).
 * What is needed for it is kept while tracing goes on, whether or not it is asked for:
 * at most twice the memory of the counters. A free by a signal handler that interrupts
 * tmalloc itself is not seen as the end of a peak if another thread looks at the peak
 * just then. Free it with tm_snapshot_free().
 * Errors: as above; ENOMEM also when something of the peak could not be kept.
 */
TM_API TM_NODISCARD tm_snapshot_t *tm_take_peak_snapshot(void);

/* ---- domains ----------------------------------------------------------------------- */

/*
 * Memory can be told apart by domain: a cache's, a request's, a library's. Each traced
 * block is of the domain that was in force for its thread when it was allocated:
 *
 *     tm_domain_t cache = tm_domain_register("cache");
 *     tm_domain_t before = tm_domain_set(cache);
 *     fill_cache();                                  what this allocates is the cache's
 *     tm_domain_set(before);
 *     size_t now = tm_get_domain_memory(cache).current;
 *
 * Domains are numbers with, mostly, a name; 0 is the default one. Snapshots tell stacks
 * apart by domain too. A program that uses none pays nothing for them.
 */

/*
 * The domain that goes by `name`, up to 255 bytes, which is copied: equal names are one
 * domain, for the life of the process. Numbers are given from 1 up and pass over those
 * that the program chose itself. Needs no tracing, and starts and stops leave it alone.
 * 0 with errno: EINVAL (NULL or empty), ENAMETOOLONG, ENOSPC (65,535 domains exist
 * already), ENOMEM; as 0 is the default domain, it can be used all the same.
 * Thread safe; not signal safe. A forked child has the same domains.
 */
TM_API tm_domain_t tm_domain_register(const char *name);

/*
 * Put a domain in force for this thread, and return the one that was. Threads begin with
 * 0. A block keeps its domain until it is freed, by whomever; a realloc gives it, with
 * its new traceback, the domain in force then.
 * `domain` is one that was registered, or any number of your own: at its first use it
 * takes one of the 65,535 places, and when there is none left (or no memory) 0 comes
 * into force. Thread safe; signal safe for a domain that was used before, if the handler
 * puts the old one back. A forked child goes on with that of the thread that forked.
 */
TM_API tm_domain_t tm_domain_set(tm_domain_t domain);

/*
 * The name that a domain was registered with, valid for the life of the process. NULL
 * with errno ENOENT when it has none, as 0. Thread safe, signal safe.
 */
TM_API const char *tm_domain_name(tm_domain_t domain);

/*
 * Bytes held by traced blocks of one domain now and at most, since the start, the last
 * tm_clear_traces() or tm_reset_peak(), which resets every domain's peak; both 0 when not
 * tracing, and for a domain that was never met. As exact as tm_get_traced_memory(): to
 * the byte with one thread, the peak within (T-1) x lease with T. The domains' currents
 * add up to the process's; their peaks do not. Costs one look at each thread's counters,
 * however many blocks and stacks there are. Thread safe; not signal safe.
 */
TM_API tm_traced_memory_t tm_get_domain_memory(tm_domain_t domain);

/* ---- resources that are not malloc's ----------------------------------------------- */

/*
 * Trace something that did not come from malloc: a mapping, a buffer of a device, memory
 * of another allocator. `ptr` is an address or any other number that the program knows it
 * by; it is never followed. The resource counts in current, peak and its domain, and
 * snapshots have it with the stack of this call, which the domain in force does not
 * touch, until tm_untrack(), tm_clear_traces() or tm_stop().
 * Tracking (domain, ptr) again replaces it, size and stack, as one step; the same ptr in
 * two domains is two resources. A block of malloc's that is tracked in its own domain (0,
 * if it is not traced) gets that size and stack for its own, and freeing it untracks it.
 * Any domain number will do, as for tm_domain_set(); `size` may be 0.
 * Errors, with nothing changed: -ENOENT when not tracing, which is -2 as in tracemalloc;
 * -ENOMEM; -ENOSPC when 65,535 domains exist and this is none of them; -EINVAL for more
 * than 2^47 bytes. Thread safe; not signal safe.
 */
TM_API int tm_track(tm_domain_t domain, uintptr_t ptr, size_t size);

/*
 * Forget a tracked resource: untrack it before it is given up, since from then on its
 * address may be somebody else's. If it has become a block of malloc's meanwhile, which
 * is in the same domain, both are forgotten. 0, also when nothing is tracked there. A
 * block of malloc's is no longer traced then.
 * Errors: -ENOENT when not tracing, as above. Thread safe; not signal safe.
 */
TM_API int tm_untrack(tm_domain_t domain, uintptr_t ptr);

#ifdef __cplusplus
}
#endif
#endif
