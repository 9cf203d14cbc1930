/* SPDX-License-Identifier: MIT */
/*
 * The frames that a thread's captures keep (trace/laststack.h), of two stacks:
 *
 *     now      the one that captures are held against
 *     other    what was kept before that, where the two have different inner frames
 *
 *     frames[0]   the outermost frame           state: registers in that frame
 *     ...                                       leaf: of the stack down to this frame
 *     newest      the innermost that is kept
 *
 *     checks[]    (address, value) of the words that lead outwards, one to three a frame
 *     frame.check the first word, of those that the frame's step reads; then follow, at
 *                 lower addresses, the step's others and those of the frames outside
 *     checks[0]   never matches, which ends the loop over them
 *
 * Two, because many programs go to and fro: a server between reading a command and
 * executing it, an interpreter between two operations, coroutines between two stacks.
 * Kept frames are only believed after they were compared, so which stack they are of is a
 * question of speed. `luck` says whether keeping a second one is worth the copying.
 * Locking: none; owner only.
 */
#ifndef TMI_KEPT_H
#define TMI_KEPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "trace/route.h"
#include "trace/step.h"

/* Offsets of registers in the ucontext that the kernel puts at rsp for a signal handler.
 */
#define TMI_SIGNAL_PC  168
#define TMI_SIGNAL_SP  160
#define TMI_SIGNAL_RBP 120

/* The registers in a frame: the return address to it, and what follows from it. */
struct tmi_state {
    uintptr_t pc, sp, rbp;
};

struct tmi_check {
    const uintptr_t *address;
    uintptr_t value;
};

struct tmi_kept_frame {
    struct tmi_state state;
    uint32_t check; /* which */
    bool needs_rbp; /* this frame's step, or one further out, depends on state.rbp */
    struct tmi_leaf leaf;
};

struct tmi_walked_frame {
    struct tmi_state state;
    tmi_step step;
};

struct tmi_kept_stack {
    struct tmi_kept_frame *newest; /* frames - 1: none */
    const struct tmi_check *proof; /* checks, when reaching it proves all; else NULL */
    struct tmi_check *checks;
    struct tmi_kept_frame *frames; /* NULL before the first */
    tmi_step end;                  /* that of frames[0] */
};

struct tmi_kept {
    struct tmi_kept_stack now, other;
    size_t room; /* for frames, in both */
    struct tmi_walked_frame *walked;
    uint32_t failures; /* how often `now` did not serve */
    uint32_t luck;     /* how often, of late, the other one did; 0: hardly ever */
};

/* Before anything is kept: there is no room yet. */
void tmi_kept_init(struct tmi_kept *kept);

/* Twice the room, or the first; nothing is kept. */
bool tmi_kept_grow(struct tmi_kept *kept);

/* Keep nothing. */
void tmi_kept_drop(struct tmi_kept *kept);

/*
 * May a walked frame be kept, with so many on its stack? Not where there is no room, and
 * not if it is one of tmalloc itself: where that is the newest one it is skipped, which a
 * match with a kept frame would not do.
 */
bool tmi_kept_may_add(const struct tmi_kept *kept, size_t frames,
                      const struct tmi_walked_frame *walked);

/* Make a walked frame the newest one that is kept now, inside of `outer`. */
struct tmi_kept_frame *tmi_kept_add(struct tmi_kept *kept, struct tmi_kept_frame *outer,
                                    const struct tmi_walked_frame *walked, uint32_t node);

void tmi_kept_exchange(struct tmi_kept *kept);

/* Is the other stack likely to serve, or is it time to see whether it is? */
bool tmi_kept_try_other(const struct tmi_kept *kept);

/* It was tried. */
void tmi_kept_tried(struct tmi_kept *kept, bool served);

/*
 * What is kept inside of `top` is to go: leave it to the other stack, if that is likely
 * to serve, and go on with a copy up to `top`, whose place there is returned.
 */
struct tmi_kept_frame *tmi_kept_give_way(struct tmi_kept *kept,
                                         struct tmi_kept_frame *top);

#endif
