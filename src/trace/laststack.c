/* SPDX-License-Identifier: MIT */
/*
 * See trace/laststack.h. A capture first walks, newest frame first, until the stack meets
 * a kept frame or ends; then it goes back inwards over what it walked, each frame giving
 * way to its child in the call tree, and frames to be kept are put behind the kept ones.
 *
 *     tmi_laststack_capture()    few frames, fast steps: nearly always; no way back, as
 *                                the route that it notes leads to the node
 *     walk()                     any number of frames, any step: from the start again
 *     return_inwards()           its way back, with frames to be kept
 */
#include "trace/laststack.h"

#include <string.h>

#include "base/errno.h"
#include "trace/memory.h"
#include "trace/module.h"
#include "trace/tree.h"

#define FIRST_ROOM 256u

/* Of more new frames than a route has, so many are not kept. */
#define INNERMOST 2

/* The same stack twice, and new frames in it: so often before they are kept. */
#define REPEATS_BORNE 4

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

/* From `check` outwards: the first word in memory that is not what it was, or checks[0].
 */
TMI_INLINE const struct tmi_check *first_difference(const struct tmi_check *check)
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

/* ---- room for frames -------------------------------------------------------------- */

/* What a check that never matches looks at. */
static const uintptr_t never = 0;

static size_t bytes_for(size_t room)
{
    return sizeof(struct tmi_kept_frame) * (room + 1) +
           sizeof(struct tmi_check) * WORDS_MOST * room +
           sizeof(struct tmi_walked_frame) * room;
}

/* Twice the room, or the first; nothing is kept. In one mapping: a sentinel that no stack
 * gets past, frames, checks, walked frames. */
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
    *sentinel = (struct tmi_kept_frame){.state.sp = UINTPTR_MAX, .check = last->checks};
    return true;
}

void tmi_laststack_drop(struct tmi_laststack *last)
{
    last->generation = 0;
}

/* ---- keeping frames --------------------------------------------------------------- */

/*
 * Does the outermost kept frame, whose state is proved, still end the stack? What ends it
 * for good is a step of a module. But the word that said "no caller" may have changed,
 * and code in no module may have become another's.
 */
static TMI_NOINLINE bool ends_still(const struct tmi_kept_frame *outermost)
{
    struct tmi_state now;
    if (tmi_step_kind(outermost->step) == TMI_RULE_END) {
        return tmi_step_find(outermost->state.pc) == outermost->step;
    }
    return step_out(outermost->step, &outermost->state, &now) && now.pc == 0;
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

/*
 * Is there room, and is it no frame of tmalloc itself? Where that is the newest one it is
 * skipped, which a match with a kept frame would not do.
 */
static bool may_keep(const struct tmi_laststack *last, size_t frames,
                     const struct tmi_walked_frame *walked)
{
    bool is_fast = walked->step & (TMI_STEP_FAST_RSP | TMI_STEP_FAST_RBP);
    return frames <= last->room && (is_fast || !tmi_module_is_own(walked->state.pc));
}

/* Make a walked frame the newest one that is kept, inside of `outer`. */
static struct tmi_kept_frame *keep(struct tmi_laststack *last,
                                   struct tmi_kept_frame *outer,
                                   const struct tmi_walked_frame *walked)
{
    struct tmi_kept_frame *frame = outer + 1;
    enum tmi_rule_kind kind = tmi_step_kind(walked->step);
    bool by_rbp = kind == TMI_RULE_RBP || kind == TMI_RULE_DEREF;
    bool replaced = tmi_step_rbp(walked->step) != 0 || kind == TMI_RULE_SIGNAL;
    frame->state = walked->state;
    frame->step = walked->step;
    frame->node = walked->node;
    frame->needs_rbp = by_rbp || (!replaced && outer->needs_rbp);
    if (outer >= last->frames) {
        struct tmi_check *check = last->checks + (outer->check - last->checks);
        frame->check = put_checks(check, walked, outer);
    } else {
        uint32_t location = tmi_step_location(walked->step);
        bool ends = kind == TMI_RULE_END && tmi_location_module(location) != 0;
        frame->check = last->checks;
        last->proof = ends ? last->checks : NULL;
    }
    return frame;
}

/* ---- the way back ----------------------------------------------------------------- */

/*
 * Go back from the outermost of the walked frames, which end before `walked`, inwards to
 * the node of the whole stack; `top` is the kept frame outside of them.
 */
static TMI_NOINLINE uint32_t return_inwards(struct tmi_laststack *last,
                                            struct tmi_kept_frame *top,
                                            struct tmi_walked_frame *walked)
{
    size_t n = (size_t)(walked - last->walked);
    size_t frames = (size_t)(top - last->frames + 1) + n;
    uint32_t node = top->node;
    if (frames > TMI_TREE_DEPTH_MOST) {
        tmi_laststack_drop(last);
        return 0;
    }
    for (size_t i = n; i > 0; i--) {
        node = tmi_tree_child(node, tmi_step_location(last->walked[i - 1].step));
        last->walked[i - 1].node = node;
    }
    size_t stay = n; /* how many of the walked frames are not kept */
    if (node == last->latest) {
        stay = 0;
    } else if (n > TMI_ROUTE_MOST || top < last->frames) {
        stay = n < INNERMOST ? n : INNERMOST;
    }
    for (size_t i = n; i > stay && may_keep(last, frames, &last->walked[i - 1]); i--) {
        last->newest = top = keep(last, top, &last->walked[i - 1]);
    }
    last->latest = node;
    return node;
}

/* ---- walking ---------------------------------------------------------------------- */

/*
 * The newest of the kept frames that are left to believe in: `frame` itself when from
 * there on the stack is still the kept one.
 */
static struct tmi_kept_frame *believe(const struct tmi_laststack *last,
                                      struct tmi_kept_frame *frame)
{
    const struct tmi_check *difference = first_difference(frame->check);
    if (difference == last->checks) {
        bool stands = last->proof != NULL || ends_still(last->frames);
        return stands ? frame : last->frames - 1;
    }
    while (frame[-1].check >= difference) {
        frame--;
    }
    return frame - 1;
}

/*
 * Walk outwards from where the capture began until the stack meets a kept frame from
 * which on it is still the kept one, or ends.
 */
static uint32_t walk(struct tmi_laststack *last)
{
    struct tmi_state at = last->start;
    struct tmi_kept_frame *top = last->newest;
    struct tmi_walked_frame *walked = last->walked;
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
        bool newest = walked == last->walked;
        if ((size_t)(top - last->frames + 1 + (walked - last->walked)) >= last->room) {
            return grow(last) ? walk(last) : 0;
        }
        tmi_step step = tmi_step_find(at.pc);
        bool skipped = newest && tmi_module_is_own(at.pc);
        struct tmi_state from = at;
        if (!skipped) {
            *walked++ = (struct tmi_walked_frame){at, step, 0};
        }
        if (!skipped && tmi_step_kind(step) == TMI_RULE_END) {
            break;
        }
        if (!step_out(step, &from, &at)) {
            tmi_laststack_drop(last);
            return 0;
        }
    }
    return return_inwards(last, last->frames - 1, walked);
}

/* What the fast way cannot do. */
static TMI_NOINLINE uint32_t begin_again(struct tmi_laststack *last)
{
    int saved = tmi_errno_get();
    uint32_t node = walk(last);
    tmi_errno_set(saved);
    return node;
}

static TMI_COLD uint32_t begin_anew(struct tmi_laststack *last, struct tmi_state start,
                                    uint32_t generation)
{
    if (last->room == 0) {
        int saved = tmi_errno_get();
        bool has_room = grow(last);
        tmi_errno_set(saved);
        if (!has_room) {
            return 0;
        }
        tmi_routes_init(&last->routes);
    }
    last->newest = last->frames - 1;
    last->generation = generation + 1;
    last->start = start;
    return begin_again(last);
}

uint32_t tmi_laststack_capture(struct tmi_laststack *last, uintptr_t pc, uintptr_t sp,
                               uintptr_t rbp, uint32_t generation)
{
    if (TMI_UNLIKELY(last->generation != generation + 1)) {
        return begin_anew(last, (struct tmi_state){pc, sp, rbp}, generation);
    }
    last->start = (struct tmi_state){pc, sp, rbp};
    const struct tmi_step_table *table = tmi_load_acquire(&tmi_step_table);
    const struct tmi_kept_frame *top = last->newest;
    struct tmi_route route = TMI_ROUTE_EMPTY;
    for (;;) {
        while (top->state.sp < sp) {
            top--;
        }
        if (is_at(top, pc, sp, rbp)) {
            break;
        }
        tmi_step step = tmi_step_look_up(table->entries, table->mask, pc);
        uintptr_t cfa = sp + (step & TMI_STEP_CFA);
        if (TMI_UNLIKELY(!(step & TMI_STEP_FAST_RSP))) {
            cfa = rbp + (step & TMI_STEP_CFA);
            if (!(step & TMI_STEP_FAST_RBP) || cfa <= sp) {
                return begin_again(last);
            }
        }
        if (TMI_UNLIKELY(!tmi_route_push(&route, tmi_step_location(step)))) {
            return begin_again(last);
        }
        intptr_t saved = tmi_step_rbp(step);
        if (saved != 0) {
            rbp = ((const uintptr_t *)cfa)[saved];
        }
        pc = word_at(cfa - sizeof(uintptr_t));
        sp = cfa;
    }
    if (TMI_UNLIKELY(first_difference(top->check) != last->proof)) {
        return begin_again(last);
    }
    uint32_t node = top->node;
    if (TMI_LIKELY(!tmi_route_is_empty(route))) {
        node = tmi_routes_node(&last->routes, route, node);
        if (TMI_UNLIKELY(node == last->latest && ++last->repeats % REPEATS_BORNE == 0)) {
            return begin_again(last);
        }
    }
    last->latest = node;
    return node;
}
