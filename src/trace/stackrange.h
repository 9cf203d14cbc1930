/* SPDX-License-Identifier: MIT */
/*
 * Which memory around a stack pointer may be read, for an unwinder that follows pointers
 * of which nobody knows whether they are any:
 *
 *     on the thread's own stack    all of it, as libc or the kernel tells, asked once
 *     on any other (signal stack,  page by page, as the kernel tells, asked each time:
 *     coroutine)                   nobody says when such a stack is unmapped
 *
 * Finding the range may allocate; the caller is guarded, so that is not traced.
 */
#ifndef TMI_STACKRANGE_H
#define TMI_STACKRANGE_H

#include <stdbool.h>
#include <stdint.h>

/* Of the thread's own stack; high == 0: not asked yet. */
struct tmi_stackrange {
    uintptr_t low, high;
};

/* The range of the calling thread's stack. */
struct tmi_stackrange tmi_stackrange_find(void);

/* One walk outwards, from a place on a stack. */
struct tmi_stackwalk {
    uintptr_t low, high; /* may be read; high == 0: ask page by page */
    uintptr_t page;      /* the page asked for last: may be read */
};

struct tmi_stackwalk tmi_stackwalk_from(const struct tmi_stackrange *own,
                                        uintptr_t place);

/* May two words at `address` be read? */
bool tmi_stackwalk_may_read(struct tmi_stackwalk *walk, uintptr_t address);

#endif
