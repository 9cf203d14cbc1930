/* SPDX-License-Identifier: MIT */
/*
 * Memory for tracing itself: pages from the kernel, counted, so that the program can be
 * told what tracing costs. Nothing is touched before it is used.
 *
 * The bound (TMALLOC_MAX_MEMORY) holds for what grows with the number of different
 * stacks. It is met where something new is about to be added, so that each place can do
 * with what there is:
 *
 *     two thirds         no more stacks: trace/tree.h gives them to their outer part
 *     but one sixteenth  no more tables, counters in further threads, copies for the peak
 *
 * The rest is for what is granted always: threads' own records, modules, unwinding steps,
 * and the counters of a site for all that finds no other.
 * Locking: none needed; the count is atomic.
 */
#ifndef TMI_MEMORY_H
#define TMI_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* Zeroed memory, which begins with a line of cache; NULL when there is none, which is
 * told on stderr the first time. */
void *tmi_memory_map(size_t bytes);
void tmi_memory_unmap(void *p, size_t bytes);

/* Zeroed pages of which only as much counts as is charged for, before it is used. */
void *tmi_memory_reserve(size_t bytes);
void tmi_memory_charge(size_t bytes);

/* Give back the whole pages of [p, p + bytes), which were charged for: zeroes again. What
 * shares a page with something else stays as it is. */
void tmi_memory_discard(void *p, size_t bytes);

/* The bound in bytes, SIZE_MAX unless set, and what it says; see above. */
void tmi_memory_set_limit(size_t bytes);
size_t tmi_memory_limit(void);
bool tmi_memory_allows_stack(void);
bool tmi_memory_allows(size_t bytes);

/* Of the bound, so many bytes are spoken for: what is reserved and may yet be charged. */
void tmi_memory_promise(size_t bytes);

/* Bytes in use now, by the count of the functions above. */
size_t tmi_memory_bytes(void);

#endif
