/* SPDX-License-Identifier: MIT */
/*
 * The quick way of a capture (trace/laststack.h), in line where malloc traces whole
 * stacks: a few new frames with fast steps, then a kept frame from which on the words are
 * what they were.
 *
 *     newest frame -> ... -> outermost new frame -> kept frame -> verified words -> end
 *     |--------- a route, three frames a word -----|
 *
 * Most code does not use rbp to find its caller, but keeps other things in it, and most
 * functions save it. So rbp is not followed unless some frame turns out to depend on it:
 * then all begins again with it, and the next capture begins with it at once, as code
 * with frame pointers mostly calls such code. More new frames than a route has, steps of
 * other kinds, and words that changed are for tmi_laststack_slowly(). Locking: none; it
 * belongs to the shard's owner.
 */
#ifndef TMI_WALK_H
#define TMI_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "trace/laststack.h"
#include "trace/route.h"
#include "trace/step.h"

/* One in so many captures looks at its outermost new frame. */
#define TMI_WALK_LOOK_EVERY 8

/* As tmi_laststack_capture(), with rbp; and by any step, when the kept frames do not do.
 */
struct tmi_leaf *tmi_laststack_by_rbp(struct tmi_laststack *last, const uintptr_t *frame);
struct tmi_leaf *tmi_laststack_slowly(struct tmi_laststack *last, const uintptr_t *frame);

/*
 * The outermost new frame, inside of `top`: keep it if it is the one that was looked at
 * before. `rbp` need not be its rbp if neither that frame nor one outside depends on it.
 */
void tmi_laststack_look(struct tmi_laststack *last, struct tmi_kept_frame *top,
                        uintptr_t pc, uintptr_t sp, uintptr_t rbp);

/* From `check` outwards: the first word in memory that is not what it was, or checks[0].
 */
TMI_INLINE const struct tmi_check *tmi_laststack_difference(const struct tmi_check *check)
{
    for (;; check -= 4) {
        if (*check[0].address != check[0].value) {
            return check;
        }
        if (*check[-1].address != check[-1].value) {
            return check - 1;
        }
        if (*check[-2].address != check[-2].value) {
            return check - 2;
        }
        if (*check[-3].address != check[-3].value) {
            return check - 3;
        }
    }
}

/* Where a walk is. */
struct tmi_walk {
    const struct tmi_step_table *table;
    struct tmi_kept_frame *top; /* the newest kept frame that is not inside of `at` */
    struct tmi_state at;
    struct tmi_state before; /* the frame inside of it */
    bool by_rbp;             /* some step depended on rbp */
};

enum tmi_walked { TMI_WALK_MET, TMI_WALK_FULL, TMI_WALK_ODD };

/* One frame outwards, if its step is fast. */
TMI_INLINE bool tmi_walk_step(struct tmi_walk *walk, tmi_step step, const bool by_rbp)
{
    uintptr_t cfa = walk->at.sp + (step & TMI_STEP_CFA);
    if (TMI_UNLIKELY(!(step & TMI_STEP_FAST_RSP))) {
        walk->by_rbp = true;
        cfa = walk->at.rbp + (step & TMI_STEP_CFA);
        if (!by_rbp || !(step & TMI_STEP_FAST_RBP) || cfa <= walk->at.sp) {
            return false;
        }
    }
    walk->before = walk->at;
    intptr_t saved = tmi_step_rbp(step);
    if (by_rbp && saved != 0) {
        walk->at.rbp = ((const uintptr_t *)cfa)[saved];
    }
    walk->at.pc = ((const uintptr_t *)cfa)[-1];
    walk->at.sp = cfa;
    return true;
}

/* Is this kept frame the one that `at` is? */
TMI_INLINE bool tmi_walk_is_at(const struct tmi_kept_frame *frame,
                               const struct tmi_state *at, const bool by_rbp)
{
    return frame->state.sp == at->sp && frame->state.pc == at->pc &&
           (!by_rbp || !frame->needs_rbp || frame->state.rbp == at->rbp);
}

/* As many frames as a word of a route has, up to a kept one. */
TMI_INLINE enum tmi_walked tmi_walk_word(struct tmi_walk *walk, uint64_t *word,
                                         const bool by_rbp)
{
    for (int left = TMI_ROUTE_WORD;; left--) {
        while (walk->top->state.sp < walk->at.sp) {
            walk->top--;
        }
        if (tmi_walk_is_at(walk->top, &walk->at, by_rbp)) {
            return TMI_WALK_MET;
        }
        if (TMI_UNLIKELY(left == 0)) {
            return TMI_WALK_FULL;
        }
        tmi_step step = tmi_step_look_up(walk->table, walk->at.pc);
        if (TMI_UNLIKELY(!tmi_walk_step(walk, step, by_rbp))) {
            return TMI_WALK_ODD;
        }
        *word = *word << TMI_ROUTE_LOCATION_BITS | tmi_step_location(step);
    }
}

TMI_INLINE bool tmi_laststack_stands(const struct tmi_laststack *last, uint32_t check)
{
    return TMI_LIKELY(tmi_laststack_difference(last->kept.now.checks + check) ==
                      last->kept.now.proof);
}

/* As tmi_laststack_capture(), by the frames that are kept now; NULL when they do not do.
 */
TMI_INLINE struct tmi_leaf *tmi_laststack_by_kept(struct tmi_laststack *last,
                                                  const uintptr_t *frame,
                                                  const bool by_rbp)
{
    struct tmi_walk walk = {.table = tmi_load_acquire(&tmi_step_table),
                            .top = last->kept.now.newest,
                            .at = {frame[1], (uintptr_t)(frame + 2), 0}};
    struct tmi_route route = TMI_ROUTE_EMPTY;
    if (!by_rbp && TMI_UNLIKELY(last->by_rbp)) {
        return tmi_laststack_by_rbp(last, frame);
    }
    if (by_rbp) {
        walk.at.rbp = frame[0];
    }
    enum tmi_walked walked = tmi_walk_word(&walk, &route.inner, by_rbp);
    if (TMI_UNLIKELY(walked == TMI_WALK_FULL)) {
        walked = tmi_walk_word(&walk, &route.outer, by_rbp);
    }
    struct tmi_kept_frame *met = walk.top;
    bool is_met = walked == TMI_WALK_MET;
    if (!by_rbp && TMI_UNLIKELY(walked == TMI_WALK_ODD || (is_met && met->needs_rbp))) {
        return tmi_laststack_by_rbp(last, frame);
    }
    if (by_rbp) {
        last->by_rbp = walk.by_rbp || (is_met && met->needs_rbp);
    }
    if (TMI_UNLIKELY(!is_met)) {
        return NULL;
    }
    if (tmi_route_is_empty(route)) {
        return tmi_laststack_stands(last, met->check) ? &met->leaf : NULL;
    }
    uint32_t from = met->leaf.node;
    struct tmi_known_route *place = tmi_routes_place(&last->routes, route, from);
    __builtin_prefetch(place);
    if (!tmi_laststack_stands(last, met->check)) {
        return NULL;
    }
    if (TMI_UNLIKELY(++last->looks % TMI_WALK_LOOK_EVERY == 0)) {
        tmi_laststack_look(last, met, walk.before.pc, walk.before.sp, walk.before.rbp);
    }
    return tmi_routes_leaf(&last->routes, place, route, from);
}

/* As tmi_laststack_capture(). */
TMI_INLINE struct tmi_leaf *tmi_laststack_quickly(struct tmi_laststack *last,
                                                  const uintptr_t *frame)
{
    struct tmi_leaf *leaf = tmi_laststack_by_kept(last, frame, false);
    return TMI_LIKELY(leaf != NULL) ? leaf : tmi_laststack_slowly(last, frame);
}

#endif
