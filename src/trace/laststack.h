/* SPDX-License-Identifier: MIT */
/*
 * The last stack that a thread was seen with. A new stack mostly shares its outer frames
 * with it, so it is unwound only until it meets a frame of the last one; the rest is not
 * unwound but verified, and its call-tree node is known.
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
 *     routes      (node of the frame that was met, route to it) -> node: trace/route.h
 *
 * A few new frames, as many as a route has, are walked each time and not kept: mostly the
 * next stack will not have them. Now and then the outermost of them is looked at, and
 * kept if it is the one that was there the last time: so what stays is kept soon, frame
 * by frame. The frames inside of the one that was met stay kept as well, for a stack that
 * has them again, until one is put in their place or a difference shows that they are
 * gone.
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
    uint32_t check; /* which */
    bool needs_rbp; /* this frame's step, or one further out, depends on state.rbp */
    struct tmi_leaf leaf;
};

struct tmi_walked_frame {
    struct tmi_state state;
    tmi_step step;
};

struct tmi_laststack {
    struct tmi_kept_frame *newest; /* frames - 1: none */
    const struct tmi_check *proof; /* checks, when reaching it proves all; else NULL */
    struct tmi_check *checks;
    uint32_t looks;         /* how often there were new frames */
    bool by_rbp;            /* the latest stack depended on rbp */
    uintptr_t candidate_pc; /* of the outermost new frame, as it was looked at */
    uintptr_t candidate_sp;
    struct tmi_kept_frame *frames; /* NULL before the first */
    struct tmi_walked_frame *walked;
    tmi_step end;           /* that of frames[0] */
    struct tmi_leaf unkept; /* of the latest stack whose newest frame is not kept */
    size_t room;
    struct tmi_routes routes;
};

/* Before the first capture. Nothing is kept, and there is no room for anything yet. */
void tmi_laststack_init(struct tmi_laststack *last);

/*
 * Where the node of this thread's stack stands, until the next capture: from where a
 * function of this library was called that has not returned: `frame` is its frame
 * pointer, where the caller's rbp lies, and behind it the return address and the caller's
 * stack. Frames of tmalloc itself are skipped. The node is 0 when some frame cannot be
 * stepped from (or there is no memory): then nothing is kept, and another unwinder has to
 * do it. Keeps errno.
 */
struct tmi_leaf *tmi_laststack_capture(struct tmi_laststack *last,
                                       const uintptr_t *frame);

/* Keep nothing: the next stack is another thread's, or modules were unloaded. */
void tmi_laststack_drop(struct tmi_laststack *last);

/* And no note of anything. */
void tmi_laststack_forget(struct tmi_laststack *last);

/* From a frame to its caller's, with nothing kept; false when that cannot be done. */
bool tmi_laststack_step(struct tmi_state *now);

#endif
