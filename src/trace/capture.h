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
 *     guess    fast, and trace/unwind_guess.c for stacks with code that has no tables
 *     check    fast and libgcc for every stack, compared; differences are told on stderr
 */
#ifndef TMI_CAPTURE_H
#define TMI_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "trace/laststack.h"
#include "trace/shard.h"

enum tmi_capture_way {
    TMI_CAPTURE_FAST,
    TMI_CAPTURE_FP,
    TMI_CAPTURE_LIBGCC,
    TMI_CAPTURE_CHECK,
    TMI_CAPTURE_GUESS
};

#if defined(__x86_64__) && defined(__LP64__)
#define TMI_CAPTURE_HAS_FAST true
#else
#define TMI_CAPTURE_HAS_FAST false
#endif

extern TMI_HIDDEN enum tmi_capture_way tmi_capture_chosen; /* before the first capture */

/* Is it trace/laststack.h that is asked first? */
TMI_INLINE bool tmi_capture_is_fast(void)
{
    return TMI_CAPTURE_HAS_FAST && TMI_LIKELY(tmi_capture_chosen == TMI_CAPTURE_FAST);
}

/* tmi_capture_stack() by another way than the fast one, or when that gave up. */
uint32_t tmi_capture_slowly(struct tmi_shard *shard, const uintptr_t *frame);

/*
 * The node of this thread's whole stack; 0 when there is no memory for a new one. `frame`
 * is the frame pointer of a function of this library that has not returned: there lie the
 * caller's rbp, the return address, and then the caller's stack. Keeps errno.
 */
TMI_INLINE uint32_t tmi_capture_stack(struct tmi_shard *shard, const uintptr_t *frame)
{
    if (tmi_capture_is_fast()) {
        uint32_t node = tmi_laststack_capture(&shard->last, frame)->node;
        if (TMI_LIKELY(node != 0)) {
            return node;
        }
    }
    return tmi_capture_slowly(shard, frame);
}

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

/* How many stacks there were of some kinds, since the process began. */
struct tmi_capture_counts {
    uint64_t checked; /* in the checking mode */
    uint64_t differences;
    uint64_t by_libgcc; /* whose node is of libgcc's making */
    uint64_t guessed;   /* with parts that trace/unwind_guess.c guessed */
};

struct tmi_capture_counts tmi_capture_counts(void);

#endif
