/* SPDX-License-Identifier: MIT */
/*
 * See trace/laststack.h. A capture first walks, newest frame first, until the stack meets
 * a kept frame or ends; then it goes back inwards over what it walked, each frame giving
 * way to its child in the call tree, and frames to be kept are put behind the kept ones.
 *
 *     trace/walk.h        few frames, fast steps: nearly always; no way back, as the
 *                         route that it notes leads to the node
 *     walk()              any number of frames, any step: from the start again
 *     return_inwards()    its way back, with frames to be kept
 */
#include "trace/laststack.h"

#include "base/errno.h"
#include "trace/memory.h"
#include "trace/module.h"
#include "trace/tree.h"
#include "trace/walk.h"

#define FIRST_ROOM 256u

/* Of more new frames than a route has, so many are not kept, if their steps are fast. */
#define INNERMOST 2

/* No frame further in is kept: a route leads at most to the depth that the tree has. */
#define KEPT_MOST (TMI_TREE_DEPTH_MOST - TMI_ROUTE_MOST)

/* The most words that a step reads. */
#define WORDS_MOST 3

/* Offsets of registers in the ucontext that the kernel puts at rsp for a signal handler.
 */
#define SIGNAL_PC  168
#define SIGNAL_SP  160
#define SIGNAL_RBP 120

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
        to->pc = word_at(from->sp + SIGNAL_PC);
        to->pc += to->pc != 0; /* a call of NULL has no frame */
        to->sp = word_at(from->sp + SIGNAL_SP);
        to->rbp = word_at(from->sp + SIGNAL_RBP);
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

TMI_INLINE bool is_at(const struct tmi_kept_frame *frame, uintptr_t pc, uintptr_t sp,
                      uintptr_t rbp)
{
    return frame->state.sp == sp && frame->state.pc == pc &&
           (!frame->needs_rbp || frame->state.rbp == rbp);
}

/* ---- room for frames -------------------------------------------------------------- */

/* What a check that never matches looks at. */
static const uintptr_t never = 0;

static size_t bytes_for(size_t room)
{
    return sizeof(struct tmi_kept_frame) * (room + 1) +
           sizeof(struct tmi_check) * WORDS_MOST * room +
           sizeof(struct tmi_walked_frame) * room;
}

/* What stands before the outermost frame: no stack gets past it, or is there. */
static struct tmi_kept_frame nowhere = {.state = {.sp = UINTPTR_MAX}};

/* Twice the room, or the first; nothing is kept. In one mapping: a frame that is nowhere,
 * frames, checks, walked frames. */
static TMI_COLD bool grow(struct tmi_laststack *last)
{
    size_t room = last->room == 0 ? FIRST_ROOM : 2 * last->room;
    struct tmi_kept_frame *sentinel = NULL;
    if (room < 4 * (size_t)TMI_TREE_DEPTH_MOST) {
        sentinel = tmi_memory_map(bytes_for(room));
    }
    if (sentinel == NULL) {
        return false;
    }
    if (last->frames != NULL) {
        tmi_memory_unmap(last->frames - 1, bytes_for(last->room));
    }
    last->frames = sentinel + 1;
    last->checks = (struct tmi_check *)(last->frames + room);
    last->walked = (struct tmi_walked_frame *)(last->checks + WORDS_MOST * room);
    last->room = room;
    last->newest = sentinel;
    last->checks[0] = (struct tmi_check){&never, 1};
    *sentinel = nowhere;
    return true;
}

void tmi_laststack_init(struct tmi_laststack *last)
{
    last->newest = &nowhere;
    tmi_routes_init(&last->routes);
}

void tmi_laststack_drop(struct tmi_laststack *last)
{
    if (last->room != 0) {
        last->newest = last->frames - 1;
    }
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

/* ---- keeping frames --------------------------------------------------------------- */

/*
 * Does the outermost kept frame, whose state is proved, still end the stack? What ends it
 * for good is a step of a module. But the word that said "no caller" may have changed,
 * and code in no module may have become another's.
 */
static TMI_NOINLINE bool ends_still(const struct tmi_laststack *last)
{
    const struct tmi_state *outermost = &last->frames[0].state;
    struct tmi_state now;
    if (tmi_step_kind(last->end) == TMI_RULE_END) {
        return tmi_step_find(outermost->pc) == last->end;
    }
    return step_out(last->end, outermost, &now) && now.pc == 0;
}

/* Note the words that the step from `state` to `outer` reads, the last one first. */
static struct tmi_check *put_checks(struct tmi_check *check,
                                    const struct tmi_walked_frame *from,
                                    const struct tmi_kept_frame *outer)
{
    const struct tmi_state *to = &outer->state;
    enum tmi_rule_kind kind = tmi_step_kind(from->step);
    if (kind == TMI_RULE_SIGNAL) {
        *++check =
            (struct tmi_check){(uintptr_t *)(from->state.sp + SIGNAL_RBP), to->rbp};
        *++check = (struct tmi_check){(uintptr_t *)(from->state.sp + SIGNAL_SP), to->sp};
        *++check =
            (struct tmi_check){(uintptr_t *)(from->state.sp + SIGNAL_PC), to->pc - 1};
        return check;
    }
    int rbp = tmi_step_rbp(from->step);
    if (rbp != 0 && outer->needs_rbp) {
        uintptr_t saved =
            rbp == TMI_STEP_DEREF_RBP ? from->state.rbp : to->sp + (uintptr_t)(rbp * 8l);
        *++check = (struct tmi_check){(uintptr_t *)saved, to->rbp};
    }
    *++check = (struct tmi_check){(uintptr_t *)to->sp - 1, to->pc};
    if (kind == TMI_RULE_DEREF) {
        uintptr_t base = from->state.rbp + (uintptr_t)tmi_step_cfa(from->step);
        *++check = (struct tmi_check){(uintptr_t *)base, to->sp};
    }
    return check;
}

/* A step that trace/walk.h does. */
static bool is_fast(tmi_step step)
{
    return step & (TMI_STEP_FAST_RSP | TMI_STEP_FAST_RBP);
}

/*
 * Is there room, and is it no frame of tmalloc itself? Where that is the newest one it is
 * skipped, which a match with a kept frame would not do.
 */
static bool may_keep(const struct tmi_laststack *last, size_t frames,
                     const struct tmi_walked_frame *walked)
{
    return frames <= last->room && frames <= KEPT_MOST &&
           (is_fast(walked->step) || !tmi_module_is_own(walked->state.pc));
}

/* Make a walked frame the newest one that is kept, inside of `outer`. */
static struct tmi_kept_frame *keep(struct tmi_laststack *last,
                                   struct tmi_kept_frame *outer,
                                   const struct tmi_walked_frame *walked, uint32_t node)
{
    struct tmi_kept_frame *frame = outer + 1;
    enum tmi_rule_kind kind = tmi_step_kind(walked->step);
    bool by_rbp = kind == TMI_RULE_RBP || kind == TMI_RULE_DEREF;
    bool replaced = tmi_step_rbp(walked->step) != 0 || kind == TMI_RULE_SIGNAL;
    frame->state = walked->state;
    frame->leaf = (struct tmi_leaf){0, node, 0};
    frame->needs_rbp = by_rbp || (!replaced && outer->needs_rbp);
    if (TMI_LIKELY(outer >= last->frames)) {
        struct tmi_check *check = put_checks(last->checks + outer->check, walked, outer);
        frame->check = (uint32_t)(check - last->checks);
    } else {
        uint32_t location = tmi_step_location(walked->step);
        bool ends = kind == TMI_RULE_END && tmi_location_module(location) != 0;
        frame->check = 0;
        last->end = walked->step;
        last->proof = ends ? last->checks : NULL;
    }
    return last->newest = frame;
}

/* ---- the way back ----------------------------------------------------------------- */

/*
 * Go back from the outermost of the walked frames, which end before `walked`, inwards to
 * the node of the whole stack; `top` is the kept frame outside of them.
 */
static struct tmi_leaf *return_inwards(struct tmi_laststack *last,
                                       struct tmi_kept_frame *top,
                                       struct tmi_walked_frame *walked)
{
    size_t n = (size_t)(walked - last->walked);
    size_t frames = (size_t)(top - last->frames + 1) + n;
    uint32_t node = top->leaf.node;
    if (TMI_UNLIKELY(frames > TMI_TREE_DEPTH_MOST)) {
        return give_up(last);
    }
    size_t stay = 0; /* how many are not kept: those inside of all that is not fast */
    while (stay < n && is_fast(last->walked[stay].step)) {
        stay++;
    }
    if (n > TMI_ROUTE_MOST || top < last->frames) {
        size_t most = n > INNERMOST ? INNERMOST : n - 1; /* there is one, or n is 0 */
        stay = stay < most ? stay : most;
    }
    while (walked-- > last->walked) {
        node = tmi_tree_child(node, tmi_step_location(walked->step));
        if (n-- > stay && may_keep(last, frames, walked)) {
            top = keep(last, top, walked, node);
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
 * The newest of the kept frames that are left to believe in: `frame` itself when from
 * there on the stack is still the kept one.
 */
static struct tmi_kept_frame *believe(const struct tmi_laststack *last,
                                      struct tmi_kept_frame *frame)
{
    const struct tmi_check *difference =
        tmi_laststack_difference(last->checks + frame->check);
    if (difference == last->checks) {
        bool stands = last->proof != NULL || ends_still(last);
        return stands ? frame : last->frames - 1;
    }
    while (last->checks + frame[-1].check >= difference) {
        frame--;
    }
    return frame - 1;
}

/* Is there room to keep one more of the walked frames, inside of `top`? */
static bool has_room(const struct tmi_laststack *last, const struct tmi_kept_frame *top,
                     const struct tmi_walked_frame *walked)
{
    return (size_t)(top - last->frames + 1 + (walked - last->walked)) < last->room;
}

/*
 * Walk outwards from where the capture began, past frames of tmalloc itself, until the
 * stack meets a kept frame from which on it is still the kept one, or ends.
 */
static struct tmi_leaf *walk(struct tmi_laststack *last, const uintptr_t *begin)
{
    struct tmi_state at = {begin[1], (uintptr_t)(begin + 2), begin[0]};
    struct tmi_kept_frame *top = last->newest;
    struct tmi_walked_frame *walked = last->walked;
    while (TMI_UNLIKELY(tmi_module_is_own(at.pc))) {
        if (!tmi_laststack_step(&at)) {
            return give_up(last);
        }
    }
    while (at.pc != 0) {
        while (top->state.sp < at.sp) {
            top--;
        }
        if (is_at(top, at.pc, at.sp, at.rbp)) {
            struct tmi_kept_frame *believed = believe(last, top);
            if (believed == top) {
                return return_inwards(last, top, walked);
            }
            last->newest = top = believed;
        }
        if (TMI_UNLIKELY(!has_room(last, top, walked))) {
            return grow(last) ? walk(last, begin) : give_up(last);
        }
        *walked++ = (struct tmi_walked_frame){at, tmi_step_find(at.pc)};
        if (!step_out(walked[-1].step, &walked[-1].state, &at)) {
            if (tmi_step_kind(walked[-1].step) == TMI_RULE_END) {
                break;
            }
            return give_up(last);
        }
    }
    return return_inwards(last, last->frames - 1, walked);
}

TMI_NOINLINE struct tmi_leaf *tmi_laststack_slowly(struct tmi_laststack *last,
                                                   const uintptr_t *frame)
{
    int saved = tmi_errno_get();
    bool has_room = last->room != 0 || grow(last);
    struct tmi_leaf *leaf = has_room ? walk(last, frame) : give_up(last);
    tmi_errno_set(saved);
    return leaf;
}

TMI_NOINLINE void tmi_laststack_look(struct tmi_laststack *last,
                                     struct tmi_kept_frame *top, uintptr_t pc,
                                     uintptr_t sp, uintptr_t rbp)
{
    bool again = last->candidate_pc == pc && last->candidate_sp == sp;
    last->candidate_pc = pc;
    last->candidate_sp = sp;
    struct tmi_walked_frame walked = {{pc, sp, rbp}, tmi_step_known(pc)};
    size_t frames = (size_t)(top - last->frames) + 2;
    if (again && walked.step != 0 && may_keep(last, frames, &walked)) {
        int saved = tmi_errno_get();
        keep(last, top, &walked,
             tmi_tree_child(top->leaf.node, tmi_step_location(walked.step)));
        tmi_errno_set(saved);
    }
}

TMI_NOINLINE struct tmi_leaf *tmi_laststack_by_rbp(struct tmi_laststack *last,
                                                   const uintptr_t *frame)
{
    return tmi_laststack_quickly(last, frame, true);
}

struct tmi_leaf *tmi_laststack_capture(struct tmi_laststack *last, const uintptr_t *frame)
{
    return tmi_laststack_quickly(last, frame, false);
}
