/* SPDX-License-Identifier: MIT */
/*
 * Which memory around a stack pointer may be read, for an unwinder that follows pointers
 * of which nobody knows whether they are any:
 *
 *     on the thread's own stack    all of it; asked once
 *     on any other (signal stack,  page by page, as the kernel tells, asked each time:
 *     coroutine)                   nobody says when such a stack is unmapped
 *
 * libc could tell where a thread's stack is, but under a lock that it also holds while it
 * allocates. So the kernel is asked here, too: what is readable without a gap, from where
 * the thread is up to its descriptor, which lies at the top of its stack, is its stack.
 * As it goes deeper, the pages below are asked for. Takes no lock, allocates nothing.
 */
#ifndef TMI_STACKRANGE_H
#define TMI_STACKRANGE_H

#include <stdbool.h>
#include <stdint.h>

/* Of the thread's own stack, as far as is known; high == 0: nothing is. */
struct tmi_stackrange {
    uintptr_t low, high;
};

/* One walk outwards, from a place on a stack. */
struct tmi_stackwalk {
    uintptr_t low, high; /* may be read; high == 0: ask page by page */
    uintptr_t page;      /* the page asked for last: may be read */
};

/* *own is of the calling thread, and learns. */
struct tmi_stackwalk tmi_stackwalk_from(struct tmi_stackrange *own, uintptr_t place);

/* May two words at `address` be read? */
bool tmi_stackwalk_may_read(struct tmi_stackwalk *walk, uintptr_t address);

#endif
