/* SPDX-License-Identifier: MIT */
/*
 * The last stack that a thread was seen with. A new stack mostly shares its outer frames
 * with it, so it is unwound only until it meets a frame of the last one; the rest is not
 * unwound but verified, and its call-tree node is known.
 *
 *     kept        the last stack's frames, and the words that lead from each to the next;
 *                 and those of another one before it: trace/kept.h
 *     routes      (node of the frame that was met, route to it) -> node: trace/route.h
 *
 * A few new frames, as many as a route has, are walked each time and not kept: mostly the
 * next stack will not have them. Now and then the outermost of them is looked at, and
 * kept if it is the one that was there the last time: so what stays is kept soon, frame
 * by frame. The frames inside of the one that was met stay kept as well, for a stack that
 * has them again, until one is put in their place or a difference shows that they are
 * gone. A stack that the kept one is no help with is held against the other one.
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
 * What is remembered of the tree needs no condition: nodes are for ever. And it does not
 * matter which of two kept stacks a new one is held against.
 *
 * Locking: none; it belongs to the shard's owner.
 */
#ifndef TMI_LASTSTACK_H
#define TMI_LASTSTACK_H

#include <stdbool.h>
#include <stdint.h>

#include "trace/kept.h"
#include "trace/route.h"

struct tmi_laststack {
    struct tmi_kept kept;
    uint32_t looks;         /* how often there were new frames */
    bool by_rbp;            /* the latest stack depended on rbp */
    uintptr_t candidate_pc; /* of the outermost new frame, as it was looked at */
    uintptr_t candidate_sp;
    struct tmi_leaf unkept; /* of the latest stack whose newest frame is not kept */
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
