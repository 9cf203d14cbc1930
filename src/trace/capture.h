/* SPDX-License-Identifier: MIT */
/*
 * From "an allocation happens here" to a node of the call tree. This is the interface
 * behind which unwinders are exchanged: callers know nodes and nothing of stacks.
 *
 *     fast     x86-64: trace/laststack.h, and libgcc for stacks that it cannot do
 *              aarch64: trace/unwind_fp.c, and libgcc where the chain breaks off
 *              others: libgcc
 *     fp       trace/unwind_fp.c for every stack, however short
 *     libgcc   trace/unwind_libgcc.c for every stack
 *     check    fast and libgcc for every stack, compared; differences are told on stderr
 */
#ifndef TMI_CAPTURE_H
#define TMI_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "trace/shard.h"

enum tmi_capture_way {
    TMI_CAPTURE_FAST,
    TMI_CAPTURE_FP,
    TMI_CAPTURE_LIBGCC,
    TMI_CAPTURE_CHECK
};

/*
 * The node of this thread's whole stack; 0 when there is no memory for a new one. `frame`
 * is the frame pointer of a function of this library that has not returned; `generation`
 * changes when modules are unloaded.
 */
uint32_t tmi_capture_stack(struct tmi_shard *shard, const uintptr_t *frame,
                           uint32_t generation);

/*
 * The newest frame of this thread's stack for which `passes_over` is false; 0 when there
 * is none.
 */
uintptr_t tmi_capture_outside(struct tmi_shard *shard, const uintptr_t *frame,
                              bool (*passes_over)(struct tmi_shard *, uintptr_t pc));

/* The node of a stack of one frame: the return address `pc`. */
uint32_t tmi_capture_caller(uintptr_t pc);

/* The node for "a stack of which nothing is known". */
uint32_t tmi_capture_unknown(void);

/* Before the first capture; `way` counts where the processor allows it. */
void tmi_capture_init(enum tmi_capture_way way);

/* How many stacks were captured in the checking mode, and how many of them differed. */
struct tmi_capture_checks {
    uint64_t captures;
    uint64_t differences;
    uint64_t by_libgcc; /* stacks that the fast way could not do */
};

struct tmi_capture_checks tmi_capture_checks(void);

#endif
