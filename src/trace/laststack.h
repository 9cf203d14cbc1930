/* SPDX-License-Identifier: MIT */
/*
 * The last stack that a thread was seen with. A new stack mostly shares its outer frames
 * with it, so it is unwound only until it meets a frame of the last one; the rest is not
 * unwound but verified, and its call-tree node is known.
 *
 *     frames[0]   the outermost frame           sp, pc, rbp: the state in that frame
 *     ...                                       step: how to get from it to frames[i - 1]
 *     newest      the innermost that is kept    node: of the stack down to this frame
 *
 *     checks[]    (address, value) of the words that lead outwards, one to three a frame
 *     frame.check the first word, of those that the frame's step reads; then follow, at
 *                 lower addresses, the step's others and those of the frames outside
 *     checks[0]   never matches, which ends the loop over them
 *
 *     routes      (node of the frame that was met, route to it) -> node: trace/route.h
 *
 * A few new frames, as many as a route has, are walked each time and not kept, unless the
 * same stack comes again and again: mostly the next one will not have them. So the frames
 * inside of the one that was met stay kept as well, for a stack that has them again,
 * until one is put in their place or a difference shows that they are gone.
 *
 * Why that is exact. The next outer state is a function of the state (pc, sp, rbp), of
 * the step of pc, and of one to three words of memory at addresses computed from the
 * state. If the state equals the kept one, and each of those words still has the value
 * that the kept outer state was made of, then the outer state is equal too; and so on
 * outwards. So verifying is a memoised evaluation of what a full unwind reads, and it
 * holds because
 *   1. every word that a step reads is compared: the return address always, the saved rbp
 *      where a frame further out uses rbp ("needs" it), and what else there is in steps
 *      of other kinds;
 *   2. the first match compares the whole state, rbp included where it is needed;
 *   3. a step is the same for the life of its code: after an unload everything is
 *      dropped;
 *   4. words are compared in the order in which a full unwind reads them, and the first
 *      difference ends it: no address is read that a full unwind would not read;
 *   5. steps use rsp and rbp only; a frame that needs more is not kept at all, nor is one
 *      of tmalloc itself, which counts only where it is not the newest;
 *   6. the end of the stack is asked again unless a step of a module says it;
 *   7. the thread is inside tmalloc meanwhile, so a signal handler does not come here.
 * alloca, longjmp, exceptions, other stacks and reused ones need no case of their own.
 * What is remembered of the tree needs no condition: nodes are for ever.
 *
 * Locking: none; it belongs to the shard's owner.
 */
#ifndef TMI_LASTSTACK_H
#define TMI_LASTSTACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "trace/route.h"
#include "trace/step.h"

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
    const struct tmi_check *check;
    uint32_t node;
    bool needs_rbp; /* this frame's step, or one further out, depends on state.rbp */
    tmi_step step;
};

struct tmi_walked_frame {
    struct tmi_state state;
    tmi_step step;
    uint32_t node; /* found on the way back */
};

struct tmi_laststack {
    struct tmi_kept_frame *newest; /* frames - 1: none */
    const struct tmi_check *proof; /* checks, when reaching it proves all; else NULL */
    uint32_t generation;           /* of modules, plus one; 0: there are no frames */
    uint32_t latest;               /* node of the latest stack */
    uint32_t repeats;              /* how often a stack with new frames was the latest */
    struct tmi_kept_frame *frames;
    struct tmi_check *checks;
    struct tmi_walked_frame *walked;
    size_t room;
    struct tmi_state start; /* of the capture under way */
    struct tmi_routes routes;
};

/*
 * The node of the stack whose newest frame is in state (pc, sp, rbp); frames of tmalloc
 * itself are skipped. What is kept counts for one `generation` of modules. 0 when some
 * frame cannot be stepped from (or there is no memory): then nothing is kept, and another
 * unwinder has to do it. Keeps errno.
 */
uint32_t tmi_laststack_capture(struct tmi_laststack *last, uintptr_t pc, uintptr_t sp,
                               uintptr_t rbp, uint32_t generation);

/* Keep nothing: the next stack is another thread's. */
void tmi_laststack_drop(struct tmi_laststack *last);

/* From a frame to its caller's, with nothing kept; false when that cannot be done. */
bool tmi_laststack_step(struct tmi_state *now);

#endif
