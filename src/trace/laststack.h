/* SPDX-License-Identifier: MIT */
/*
 * The last stack that a thread was seen with. A new stack mostly shares its outer frames
 * with it, so it is unwound only until it meets a frame of the last one; the rest is not
 * unwound but verified, and its call-tree node is known.
 *
 *     frames[0]   the outermost frame          sp, pc, rbp: the state in that frame
 *     ...                                      step: how to get from it to frames[i - 1]
 *     frames[n-1] the newest one               node: of the stack down to this frame
 *
 *     checks[i]   address and value of the word that leads from frames[i] to frames[i -
 * 1]; checks[0], and those of frames that take more than one word, never match, which
 * ends the loop over them children    (parent node, location) -> node, as last looked up:
 * spares the tree
 *
 * Why that is exact. The next outer state is a function of the state (pc, sp, rbp), of
 * the step of pc, and of one to three words of memory at addresses computed from the
 * state. If the state equals the kept one, and each of those words still has the value
 * that the kept outer state was made of, then the outer state is equal too; and so on
 * outwards. So verifying is a memoised evaluation of what a full unwind reads, and it
 * holds because
 *   1. every word that a step reads is compared: the return address always, the saved rbp
 *      where a frame further out uses rbp ("needs" it), and all words of other kinds of
 * step;
 *   2. the first match compares the whole state, rbp included where it is needed;
 *   3. a step is the same for the life of its code: after an unload everything is
 * dropped;
 *   4. words are compared from the inside out and the first difference ends it: no
 * address is read that a full unwind would not read;
 *   5. steps use rsp and rbp only; a frame that needs more is not kept at all;
 *   6. the end of the stack is asked again unless a step of a module says it;
 *   7. the thread is inside tmalloc meanwhile, so a signal handler does not come here.
 * alloca, longjmp, exceptions, other stacks and reused ones need no case of their own.
 *
 * Locking: none; it belongs to the shard's owner.
 */
#ifndef TMI_LASTSTACK_H
#define TMI_LASTSTACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "trace/step.h"

/* The registers in a frame: the return address to it, and what follows from it. */
struct tmi_state {
    uintptr_t pc, sp, rbp;
};

struct tmi_kept_frame {
    struct tmi_state state;
    tmi_step step;
    uint32_t node;
    bool needs_rbp; /* this frame's step, or one further out, depends on state.rbp */
    bool plain;     /* its check is enough: one word leads outwards */
};

struct tmi_check {
    const uintptr_t *address;
    uintptr_t value;
};

struct tmi_walked_frame {
    struct tmi_state state;
    tmi_step step;
    uint32_t node;
};

struct tmi_known_child {
    uint64_t key; /* parent:32 location:32 */
    uint32_t node;
};

#define TMI_LASTSTACK_CHILDREN 1024

struct tmi_laststack {
    struct tmi_kept_frame *frames;
    struct tmi_check *checks;
    struct tmi_walked_frame *walked;
    size_t count, room;
    bool asks_end;       /* what ended the stack has to be looked at again each time */
    uint32_t generation; /* of modules; another one makes all frames worthless */
    uint32_t latest;     /* node of the latest stack */
    struct tmi_known_child children[TMI_LASTSTACK_CHILDREN];
};

/*
 * The node of the stack whose newest frame is in state `now`; frames of tmalloc itself
 * are skipped. 0 when some frame cannot be stepped from (or there is no memory): then
 * nothing is kept, and another unwinder has to do it.
 */
uint32_t tmi_laststack_capture(struct tmi_laststack *last, struct tmi_state now,
                               uint32_t generation);

/* From a frame to its caller's, with nothing kept; false when that cannot be done. */
bool tmi_laststack_step(struct tmi_state *now);

#endif
