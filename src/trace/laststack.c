/* SPDX-License-Identifier: MIT */
/*
 * See trace/laststack.h. A capture first walks, newest frame first, until the stack meets
 * a kept frame or ends; then it goes back inwards over what it walked: frames to be kept
 * are put behind the kept ones, and each gives way to its child in the call tree.
 */
#include "trace/laststack.h"

#include <string.h>

#include "base/hash.h"
#include "trace/memory.h"
#include "trace/module.h"
#include "trace/tree.h"

#define FIRST_ROOM 256u

/* Up to so many new frames are not kept at once. */
#define FEW_FRAMES 4u

/* What walking returns instead of a number of frames. */
#define NO_ROOM SIZE_MAX
#define NO_WAY  (SIZE_MAX - 1)

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
    unsigned rbp = tmi_step_rbp(step);
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
        to->rbp = word_at(rbp == TMI_STEP_DEREF_RBP ? from->rbp
                                                    : cfa - rbp * sizeof(uintptr_t));
    }
    to->sp = cfa;
    return true;
}

static bool same_state(const struct tmi_state *a, const struct tmi_state *b,
                       bool with_rbp)
{
    return a->pc == b->pc && a->sp == b->sp && (!with_rbp || a->rbp == b->rbp);
}

/* What a check that never matches looks at. */
static const uintptr_t never = 0;

/* Does the step from frames[at], which takes more than one word, lead where it led? */
static TMI_NOINLINE bool verify_step(const struct tmi_kept_frame *frames, size_t at)
{
    const struct tmi_kept_frame *outer = &frames[at - 1];
    struct tmi_state now;
    return step_out(frames[at].step, &frames[at].state, &now) &&
           same_state(&now, &outer->state, outer->needs_rbp);
}

/*
 * From frames[at] outwards: do the words in memory still lead where they led? Returns 0
 * when all do, else the number of frames that are left to believe in.
 */
static inline size_t verify(const struct tmi_laststack *last, size_t at)
{
    for (;;) {
        const struct tmi_check *check = &last->checks[at];
#pragma GCC unroll 4
        while (*check->address == check->value) {
            check--;
        }
        at = (size_t)(check - last->checks);
        if (at == 0 || last->frames[at].plain || !verify_step(last->frames, at)) {
            return at;
        }
        at--;
    }
}

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

/* Twice the room, or the first. One mapping: a sentinel, frames, checks, walked frames.
 */
static TMI_COLD bool grow(struct tmi_laststack *last)
{
    size_t room = last->room == 0 ? FIRST_ROOM : 2 * last->room;
    size_t bytes = sizeof *last->frames + sizeof *last->checks + sizeof *last->walked;
    struct tmi_kept_frame *sentinel = NULL;
    if (room < 4 * (size_t)TMI_TREE_DEPTH_MOST) {
        sentinel = tmi_memory_map(sizeof *sentinel + room * bytes);
    }
    if (sentinel == NULL) {
        return false;
    }
    struct tmi_kept_frame *frames = sentinel + 1;
    struct tmi_check *checks = (struct tmi_check *)(frames + room);
    sentinel->state.sp = UINTPTR_MAX; /* no stack gets past it */
    if (last->frames != NULL) {
        memcpy(frames, last->frames, last->room * sizeof *frames);
        memcpy(checks, last->checks, last->room * sizeof *checks);
        tmi_memory_unmap(last->frames - 1, sizeof *sentinel + last->room * bytes);
    }
    last->frames = frames;
    last->checks = checks;
    last->walked = (struct tmi_walked_frame *)(checks + room);
    last->room = room;
    return true;
}

/* The steps that are not in line in walk_out(); pc 0: the stack ends; false: no way. */
static TMI_NOINLINE bool step_out_slowly(const struct tmi_walked_frame *from,
                                         struct tmi_state *to)
{
    if (tmi_step_kind(from->step) == TMI_RULE_END) {
        to->pc = 0;
        return true;
    }
    return step_out(from->step, &from->state, to);
}

/*
 * Walk outwards until a kept frame is met from which on the stack is still the kept one,
 * or the stack ends. Returns how many frames were walked; *count becomes the number of
 * kept frames outside of them. The common step is in line, and the state in registers.
 */
static TMI_NOINLINE size_t walk_out(struct tmi_laststack *last,
                                    const struct tmi_state *from, size_t *count)
{
    struct tmi_kept_frame *top = last->frames + *count - 1;
    struct tmi_walked_frame *walked = last->walked;
    const struct tmi_walked_frame *end = walked + (last->room - *count);
    uintptr_t pc = from->pc;
    uintptr_t sp = from->sp;
    uintptr_t rbp = from->rbp;
    while (pc != 0) {
        while (top->state.sp < sp) {
            top--;
        }
        if (top->state.pc == pc && top->state.sp == sp &&
            (!top->needs_rbp || top->state.rbp == rbp)) {
            size_t believed = verify(last, (size_t)(top - last->frames));
            if (TMI_LIKELY(believed == 0 &&
                           (!last->asks_end || ends_still(last->frames)))) {
                *count = (size_t)(top - last->frames + 1);
                return (size_t)(walked - last->walked);
            }
            top = last->frames + believed - 1; /* believed 0: the sentinel */
        }
        if (TMI_UNLIKELY(walked == end)) {
            return NO_ROOM;
        }
        tmi_step step = tmi_step_find(pc);
        *walked++ = (struct tmi_walked_frame){{pc, sp, rbp}, step, 0};
        uintptr_t cfa = sp + (uintptr_t)tmi_step_cfa(step);
        if (TMI_LIKELY(tmi_step_kind(step) == TMI_RULE_RSP && cfa > sp)) {
            unsigned saved = tmi_step_rbp(step);
            if (saved != 0) {
                rbp = word_at(cfa - saved * sizeof(uintptr_t));
            }
            pc = word_at(cfa - sizeof(uintptr_t));
            sp = cfa;
        } else {
            struct tmi_state to;
            if (!step_out_slowly(walked - 1, &to)) {
                return NO_WAY;
            }
            pc = to.pc;
            sp = to.sp;
            rbp = to.rbp;
        }
    }
    *count = 0;
    return (size_t)(walked - last->walked);
}

/* The child of a node, by way of what this thread looked up lately. */
static uint32_t child_of(struct tmi_laststack *last, uint32_t parent, uint32_t location)
{
    uint64_t key = (uint64_t)parent << 32 | location;
    uint64_t at = (parent ^ location * TMI_HASH_ODD1 >> 32) % TMI_LASTSTACK_CHILDREN;
    struct tmi_known_child *known = &last->children[at];
    if (TMI_UNLIKELY(known->key != key)) {
        uint32_t node = tmi_tree_child(parent, location);
        if (node == 0) {
            return 0;
        }
        *known = (struct tmi_known_child){key, node};
    }
    return known->node;
}

/* Make a walked frame frames[at]; what is outside of it is complete. */
static void keep(struct tmi_laststack *last, size_t at,
                 const struct tmi_walked_frame *walked)
{
    struct tmi_kept_frame *frame = &last->frames[at];
    const struct tmi_kept_frame *outer = at == 0 ? NULL : frame - 1;
    enum tmi_rule_kind kind = tmi_step_kind(walked->step);
    bool outer_needs = outer != NULL && outer->needs_rbp;
    bool by_rbp = kind == TMI_RULE_RBP || kind == TMI_RULE_DEREF;
    bool replaced = tmi_step_rbp(walked->step) != 0 || kind == TMI_RULE_SIGNAL;
    frame->state = walked->state;
    frame->step = walked->step;
    frame->node = walked->node;
    frame->needs_rbp = by_rbp || (!replaced && outer_needs);
    frame->plain = outer != NULL && (kind == TMI_RULE_RSP || kind == TMI_RULE_RBP) &&
                   !(replaced && outer_needs);
    if (frame->plain) {
        const uintptr_t *return_address = (const uintptr_t *)outer->state.sp - 1;
        last->checks[at] = (struct tmi_check){return_address, outer->state.pc};
    } else {
        last->checks[at] = (struct tmi_check){&never, 1};
    }
    if (outer == NULL) {
        uint32_t location = tmi_step_location(frame->step);
        last->asks_end = kind != TMI_RULE_END || tmi_location_module(location) == 0;
    }
}

/*
 * Go back over n walked frames from the outermost inwards to the node of the whole stack;
 * `count` kept frames lie outside of them.
 */
static uint32_t return_inwards(struct tmi_laststack *last, size_t count, size_t n)
{
    uint32_t node = count == 0 ? 0 : last->frames[count - 1].node;
    for (size_t i = n; i > 0; i--) {
        struct tmi_walked_frame *walked = &last->walked[i - 1];
        node = child_of(last, node, tmi_step_location(walked->step));
        if (TMI_UNLIKELY(node == 0)) {
            return 0;
        }
        walked->node = node;
    }
    if (n > FEW_FRAMES || node == last->latest) {
        for (size_t i = n; i > 0; i--) {
            keep(last, count++, &last->walked[i - 1]);
        }
    }
    last->count = count;
    last->latest = node;
    return node;
}

bool tmi_laststack_step(struct tmi_state *now)
{
    struct tmi_state from = *now;
    return step_out(tmi_step_find(from.pc), &from, now);
}

static bool skip_own_frames(struct tmi_state *now)
{
    while (tmi_module_is_own(now->pc)) {
        if (!tmi_laststack_step(now)) {
            return false;
        }
    }
    return true;
}

uint32_t tmi_laststack_capture(struct tmi_laststack *last, struct tmi_state now,
                               uint32_t generation)
{
    size_t count = last->generation == generation ? last->count : 0;
    last->generation = generation;
    last->count = 0; /* until this stack is complete */
    if (TMI_UNLIKELY(tmi_module_is_own(now.pc)) && !skip_own_frames(&now)) {
        return 0;
    }
    size_t kept = count;
    size_t n = last->room == 0 ? NO_ROOM : walk_out(last, &now, &kept);
    while (TMI_UNLIKELY(n == NO_ROOM)) {
        if (!grow(last)) {
            return 0;
        }
        kept = count;
        n = walk_out(last, &now, &kept);
    }
    if (TMI_UNLIKELY(n == NO_WAY || kept + n > TMI_TREE_DEPTH_MOST)) {
        return 0;
    }
    return return_inwards(last, kept, n);
}
