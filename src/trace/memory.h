/* SPDX-License-Identifier: MIT */
/*
 * Memory for tracing itself: pages from the kernel, counted, so that the program can be
 * told what tracing costs. Nothing is touched before it is used.
 * Locking: none needed; the count is atomic.
 */
#ifndef TMI_MEMORY_H
#define TMI_MEMORY_H

#include <stddef.h>

/* Zeroed pages; NULL when there are none, which is told on stderr the first time. */
void *tmi_memory_map(size_t bytes);
void tmi_memory_unmap(void *p, size_t bytes);

/* Zeroed pages of which only as much counts as is charged for, before it is used. */
void *tmi_memory_reserve(size_t bytes);
void tmi_memory_charge(size_t bytes);

/* Give back the whole pages of [p, p + bytes), which were charged for: zeroes again. */
void tmi_memory_discard(void *p, size_t bytes);

/* Bytes in use now, by the count of the functions above. */
size_t tmi_memory_bytes(void);

#endif
