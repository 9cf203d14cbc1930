/* SPDX-License-Identifier: MIT */
/*
 * Walking the stack of the calling thread: one interface, one file for each way to do it.
 * Frames are return addresses, newest first, beginning with the caller of the allocation
 * function: tmalloc's own frames are left out. The address of a frame that a signal
 * interrupted is one too high, so that "the call is before the address" holds for all.
 * An unwinder never allocates from tmalloc, and never fails: a stack that cannot be
 * walked further ends there.
 */
#ifndef TMI_UNWIND_H
#define TMI_UNWIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "trace/laststack.h"
#include "trace/stackrange.h"

/*
 * Writes the newest `room` frames to `frames`; returns how many the whole stack has,
 * which may be more.
 */
size_t tmi_unwind_libgcc(uintptr_t *frames, size_t room);

/*
 * As that, from a frame with return address `pc` and frame pointer `fp` outwards.
 * *complete becomes false when the chain of frame pointers broke off before the end of
 * the stack.
 */
size_t tmi_unwind_fp(uintptr_t pc, uintptr_t fp, struct tmi_stackwalk *walk,
                     uintptr_t *frames, size_t room, bool *complete);

/* What became of a stack. */
enum tmi_unwound {
    TMI_UNWOUND_WHOLE,   /* as far as there are tables, or frame pointers */
    TMI_UNWOUND_GUESSED, /* with parts that were guessed, each with address 0 before it */
    TMI_UNWOUND_PART     /* it goes on in a way that this one does not know */
};

/*
 * As that, by tables from `from` outwards, and by a guess over code without tables:
 * x86-64 only, after tmi_step_tell_no_table().
 */
size_t tmi_unwind_guess(const struct tmi_state *from, struct tmi_stackwalk *walk,
                        uintptr_t *frames, size_t room, enum tmi_unwound *how);

#endif
