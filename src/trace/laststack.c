/* SPDX-License-Identifier: MIT */
/*
 * See trace/laststack.h. A capture first walks, newest frame first, until the stack meets
 * a kept frame or ends; then it goes back inwards over what it walked, each frame giving
 * way to its child in the call tree, and frames to be kept are put behind the kept ones.
 *
 *     trace/walk.h        few frames, fast steps: nearly always; no way back, as the
 *                         route that it notes leads to the node
 *     by_other()          the same with the other kept stack
 *     walk_on()           any number of frames, any step: from the start again
 *     return_inwards()    its way back, with frames to be kept
 */
#include "trace/laststack.h"

#include "base/errno.h"
#include "trace/memory.h"
#include "trace/module.h"
#include "trace/tree.h"
#include "trace/walk.h"

/* Of more new frames than a route has, so many are not kept, if their steps are fast. */
#define INNERMOST 2

static uintptr_t word_at(uintptr_t address)
{
    return *(const uintptr_t *)address;
}

/* The caller's state; false when this step cannot be done. */
static inline bool step_out(tmi_step step, const struct tmi_state *from,
                            struct tmi_state *to)
{
    uintptr_t cfa;
    int rbp = tmi_step_rbp(step);
    switch (tmi_step_kind(step)) {
    case TMI_RULE_RSP:
        cfa = from->sp + (uintptr_t)tmi_step_cfa(step);
        break;
    case TMI_RULE_RBP:
        cfa = from->rbp + (uintptr_t)tmi_step_cfa(step);
        break;
    case TMI_RULE_DEREF:
        cfa = word_at(from->rbp + (uintptr_t)tmi_step_cfa(step));
        break;
    case TMI_RULE_SIGNAL: /* one too high, as a return address is: see trace/unwind.h */
        to->pc = word_at(from->sp + TMI_SIGNAL_PC);
        to->pc += to->pc != 0; /* a call of NULL has no frame */
        to->sp = word_at(from->sp + TMI_SIGNAL_SP);
        to->rbp = word_at(from->sp + TMI_SIGNAL_RBP);
        return true;
    default:
        return false;
    }
    if (TMI_UNLIKELY(cfa <= from->sp)) {
        return false; /* a caller's frame is above; else this would never end */
    }
    to->pc = word_at(cfa - sizeof(uintptr_t));
    to->rbp = from->rbp;
    if (rbp != 0) {
        to->rbp =
            word_at(rbp == TMI_STEP_DEREF_RBP ? from->rbp : cfa + (uintptr_t)(rbp * 8l));
    }
    to->sp = cfa;
    return true;
}

bool tmi_laststack_step(struct tmi_state *now)
{
    struct tmi_state from = *now;
    return step_out(tmi_step_find(from.pc), &from, now);
}

void tmi_laststack_init(struct tmi_laststack *last)
{
    tmi_kept_init(&last->kept);
    tmi_routes_init(&last->routes);
}

void tmi_laststack_drop(struct tmi_laststack *last)
{
    tmi_kept_drop(&last->kept);
}

void tmi_laststack_forget(struct tmi_laststack *last)
{
    tmi_laststack_drop(last);
    tmi_routes_forget(&last->routes);
}

/* This stack is for another unwinder. */
static struct tmi_leaf *give_up(struct tmi_laststack *last)
{
    tmi_laststack_drop(last);
    last->unkept = (struct tmi_leaf){0, 0, 0};
    return &last->unkept;
}

/* ---- the way back ----------------------------------------------------------------- */

/*
 * Go back from the outermost of the walked frames, which end before `walked`, inwards to
 * the node of the whole stack; `top` is the kept frame outside of them. `disbelieved`:
 * what is kept inside of it is gone.
 */
static struct tmi_leaf *return_inwards(struct tmi_laststack *last,
                                       struct tmi_kept_frame *top,
                                       const struct tmi_walked_frame *walked,
                                       bool disbelieved)
{
    struct tmi_kept *kept = &last->kept;
    size_t n = (size_t)(walked - kept->walked);
    size_t frames = (size_t)(top + 1 - kept->now.frames) + n;
    uint32_t node = top->leaf.node;
    if (TMI_UNLIKELY(frames > TMI_TREE_DEPTH_MOST)) {
        return give_up(last);
    }
    size_t stay = 0; /* how many are not kept: those inside of all that is not fast */
    while (stay < n && tmi_step_is_fast(kept->walked[stay].step)) {
        stay++;
    }
    if (n > TMI_ROUTE_MOST || top < kept->now.frames) {
        size_t most = n > INNERMOST ? INNERMOST : n - 1; /* there is one, or n is 0 */
        stay = stay < most ? stay : most;
    }
    if (kept->now.newest > top && (disbelieved || n > stay)) {
        top = tmi_kept_give_way(kept, top);
    }
    while (walked-- > kept->walked) {
        node = tmi_tree_child(node, tmi_step_location(walked->step));
        if (n-- > stay && tmi_kept_may_add(kept, frames, walked)) {
            top = tmi_kept_add(kept, top, walked, node);
        } else {
            stay = SIZE_MAX;
        }
    }
    if (node == top->leaf.node) {
        return &top->leaf;
    }
    last->unkept = (struct tmi_leaf){0, node, 0};
    return &last->unkept;
}

/* ---- walking ---------------------------------------------------------------------- */

/*
 * Does the outermost kept frame, whose state is proved, still end the stack? What ends it
 * for good is a step of a module. But the word that said "no caller" may have changed,
 * and code in no module may have become another's.
 */
static TMI_NOINLINE bool ends_still(const struct tmi_kept_stack *stack)
{
    const struct tmi_state *outermost = &stack->frames[0].state;
    struct tmi_state now;
    if (tmi_step_kind(stack->end) == TMI_RULE_END) {
        return tmi_step_find(outermost->pc) == stack->end;
    }
    return step_out(stack->end, outermost, &now) && now.pc == 0;
}

/*
 * The newest of the kept frames that are left to believe in: `frame` itself when from
 * there on the stack is still the kept one.
 */
static struct tmi_kept_frame *believe(const struct tmi_kept_stack *stack,
                                      struct tmi_kept_frame *frame)
{
    const struct tmi_check *difference =
        tmi_laststack_difference(stack->checks + frame->check);
    if (difference == stack->checks) {
        bool stands = stack->proof != NULL || ends_still(stack);
        return stands ? frame : stack->frames - 1;
    }
    while (stack->checks + frame[-1].check >= difference) {
        frame--;
    }
    return frame - 1;
}

/* Where there is room no longer, for as many new frames beside what is kept. */
static const struct tmi_walked_frame *end_of_room(const struct tmi_kept *kept)
{
    return kept->walked + kept->room - (kept->now.newest + 1 - kept->now.frames);
}

/* From one frame to the next, with rbp; mostly the step is fast. */
static bool step_on(struct tmi_walk *walk, tmi_step step)
{
    if (TMI_LIKELY(tmi_walk_step(walk, step, true))) {
        return true;
    }
    struct tmi_state from = walk->at;
    struct tmi_state to;
    bool done = step_out(step, &from, &to);
    if (done) {
        walk->at = to;
    }
    return done;
}

/*
 * Walk outwards from where the capture began, past frames of tmalloc itself, until the
 * stack meets a kept frame from which on it is still the kept one, or ends.
 */
static struct tmi_leaf *walk_on(struct tmi_laststack *last, const uintptr_t *begin)
{
    struct tmi_kept *kept = &last->kept;
    struct tmi_walk walk = {.top = kept->now.newest,
                            .at = {begin[1], (uintptr_t)(begin + 2), begin[0]}};
    struct tmi_walked_frame *walked = kept->walked;
    const struct tmi_walked_frame *end = end_of_room(kept);
    bool disbelieved = false;
    while (TMI_UNLIKELY(tmi_module_is_own(walk.at.pc))) {
        struct tmi_state at = walk.at;
        if (!tmi_laststack_step(&at)) {
            return give_up(last);
        }
        walk.at = at;
    }
    while (walk.at.pc != 0) {
        while (walk.top->state.sp < walk.at.sp) {
            walk.top--;
        }
        if (tmi_walk_is_at(walk.top, &walk.at, true)) {
            struct tmi_kept_frame *believed = believe(&kept->now, walk.top);
            if (believed == walk.top) {
                return return_inwards(last, walk.top, walked, disbelieved);
            }
            walk.top = believed;
            disbelieved = true;
        }
        if (TMI_UNLIKELY(walked == end)) {
            return tmi_kept_grow(kept) ? walk_on(last, begin) : give_up(last);
        }
        tmi_step step = tmi_step_find(walk.at.pc);
        *walked++ = (struct tmi_walked_frame){walk.at, step};
        if (!step_on(&walk, step)) {
            if (tmi_step_kind(step) == TMI_RULE_END) {
                break;
            }
            return give_up(last);
        }
    }
    return return_inwards(last, kept->now.frames - 1, walked, disbelieved);
}

/* By the other kept stack; NULL when that does not do either. */
static struct tmi_leaf *by_other(struct tmi_laststack *last, const uintptr_t *frame)
{
    tmi_kept_exchange(&last->kept);
    struct tmi_leaf *leaf = tmi_laststack_by_kept(last, frame, true);
    if (leaf == NULL) {
        tmi_kept_exchange(&last->kept);
    }
    tmi_kept_tried(&last->kept, leaf != NULL);
    return leaf;
}

TMI_NOINLINE struct tmi_leaf *tmi_laststack_slowly(struct tmi_laststack *last,
                                                   const uintptr_t *frame)
{
    struct tmi_kept *kept = &last->kept;
    struct tmi_leaf *leaf = NULL;
    kept->failures++;
    if (kept->room != 0 && tmi_kept_try_other(kept)) {
        leaf = by_other(last, frame);
    }
    if (leaf == NULL) {
        int saved = tmi_errno_get();
        bool has_room = kept->room != 0 || tmi_kept_grow(kept);
        leaf = has_room ? walk_on(last, frame) : give_up(last);
        tmi_errno_set(saved);
    }
    return leaf;
}

/* Does the other stack have this frame there, so that nothing need be put in its place?
 */
static bool other_has(const struct tmi_kept *kept, size_t index, uintptr_t pc,
                      uintptr_t sp)
{
    const struct tmi_kept_frame *frame = kept->other.frames + index;
    return frame <= kept->other.newest && frame->state.pc == pc && frame->state.sp == sp;
}

TMI_NOINLINE void tmi_laststack_look(struct tmi_laststack *last,
                                     struct tmi_kept_frame *top, uintptr_t pc,
                                     uintptr_t sp, uintptr_t rbp)
{
    struct tmi_kept *kept = &last->kept;
    bool again = last->candidate_pc == pc && last->candidate_sp == sp;
    last->candidate_pc = pc;
    last->candidate_sp = sp;
    struct tmi_walked_frame walked = {{pc, sp, rbp}, tmi_step_known(pc)};
    size_t index = (size_t)(top + 1 - kept->now.frames);
    if (!again || walked.step == 0 || !tmi_kept_may_add(kept, index + 1, &walked)) {
        return;
    }
    if (kept->now.newest > top) {
        if (other_has(kept, index, pc, sp)) {
            tmi_kept_exchange(kept);
            return;
        }
        top = tmi_kept_give_way(kept, top);
    }
    int saved = tmi_errno_get();
    tmi_kept_add(kept, top, &walked,
                 tmi_tree_child(top->leaf.node, tmi_step_location(walked.step)));
    tmi_errno_set(saved);
}

TMI_NOINLINE struct tmi_leaf *tmi_laststack_by_rbp(struct tmi_laststack *last,
                                                   const uintptr_t *frame)
{
    struct tmi_leaf *leaf = tmi_laststack_by_kept(last, frame, true);
    return TMI_LIKELY(leaf != NULL) ? leaf : tmi_laststack_slowly(last, frame);
}

struct tmi_leaf *tmi_laststack_capture(struct tmi_laststack *last, const uintptr_t *frame)
{
    return tmi_laststack_quickly(last, frame);
}
