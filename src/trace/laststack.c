/* SPDX-License-Identifier: MIT */
/*
 * See trace/laststack.h. New frames are put behind the kept ones while unwinding, newest
 * first; once the stack has met a kept frame (or ended) they are turned over and given
 * their nodes, from the outermost of them inwards.
 */
#include "trace/laststack.h"

#include "trace/memory.h"
#include "trace/module.h"
#include "trace/tree.h"

#define FIRST_ROOM 256u

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
        to->pc = word_at(from->sp + SIGNAL_PC) + 1;
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

/*
 * From frames[at] outwards: do the words in memory still lead where they led? Returns 0
 * when all do, else the number of frames that are left to believe in.
 */
static size_t verify(const struct tmi_kept_frame *frames, size_t at)
{
    for (; at > 0; at--) {
        const struct tmi_kept_frame *outer = &frames[at - 1];
        if (TMI_LIKELY(frames[at].plain)) {
            if (word_at(outer->state.sp - sizeof(uintptr_t)) != outer->state.pc) {
                return at;
            }
            continue;
        }
        struct tmi_state now;
        if (!step_out(frames[at].step, &frames[at].state, &now) ||
            !same_state(&now, &outer->state, outer->needs_rbp)) {
            return at;
        }
    }
    return 0;
}

static bool make_room(struct tmi_laststack *last, size_t frames)
{
    if (TMI_LIKELY(frames <= last->room)) {
        return true;
    }
    size_t room = last->room == 0 ? FIRST_ROOM : last->room;
    while (room < frames) {
        room *= 2;
    }
    if (room > 2 * TMI_TREE_DEPTH_MOST) {
        return false;
    }
    struct tmi_kept_frame *grown = tmi_memory_map(room * sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    for (size_t i = 0; i < last->room; i++) {
        grown[i] = last->frames[i];
    }
    if (last->frames != NULL) {
        tmi_memory_unmap(last->frames, last->room * sizeof *grown);
    }
    last->frames = grown;
    last->room = room;
    return true;
}

/* True when the stack from state `now` outwards is that of the kept frames. */
static inline bool meets(struct tmi_laststack *last, const struct tmi_state *now,
                         size_t *count)
{
    size_t n = *count;
    while (n > 0 && last->frames[n - 1].state.sp < now->sp) {
        n--;
    }
    *count = n;
    if (n == 0 ||
        !same_state(&last->frames[n - 1].state, now, last->frames[n - 1].needs_rbp)) {
        return false;
    }
    size_t believed = verify(last->frames, n - 1);
    if (believed != 0) {
        *count = believed;
        return false;
    }
    return true;
}

/* Complete a frame whose outer neighbour is complete (NULL: it is the outermost). */
static bool complete(struct tmi_kept_frame *frame, const struct tmi_kept_frame *outer)
{
    enum tmi_rule_kind kind = tmi_step_kind(frame->step);
    bool outer_needs = outer != NULL && outer->needs_rbp;
    bool by_rbp = kind == TMI_RULE_RBP || kind == TMI_RULE_DEREF;
    bool replaced = tmi_step_rbp(frame->step) != 0 || kind == TMI_RULE_SIGNAL;
    frame->needs_rbp = by_rbp || (!replaced && outer_needs);
    frame->plain =
        (kind == TMI_RULE_RSP || kind == TMI_RULE_RBP) && !(replaced && outer_needs);
    uint32_t parent = outer == NULL ? 0 : outer->node;
    frame->node = tmi_tree_child(parent, tmi_step_location(frame->step));
    return frame->node != 0;
}

/* The new frames lie newest first at frames[from]; put them behind frames[count - 1]. */
static bool append(struct tmi_laststack *last, size_t count, size_t from, size_t n)
{
    struct tmi_kept_frame *f = last->frames;
    for (size_t i = 0; i < n / 2; i++) {
        struct tmi_kept_frame swapped = f[from + i];
        f[from + i] = f[from + n - 1 - i];
        f[from + n - 1 - i] = swapped;
    }
    for (size_t i = 0; i < n; i++) {
        f[count + i] = f[from + i];
        if (!complete(&f[count + i], count + i == 0 ? NULL : &f[count + i - 1])) {
            return false;
        }
    }
    last->count = count + n;
    return true;
}

static bool skip_own_frames(struct tmi_state *now)
{
    while (tmi_module_is_own(now->pc)) {
        struct tmi_state from = *now;
        if (!step_out(tmi_step_find(from.pc), &from, now)) {
            return false;
        }
    }
    return true;
}

uint32_t tmi_laststack_capture(struct tmi_laststack *last, struct tmi_state now,
                               uint32_t generation)
{
    size_t count = last->generation == generation ? last->count : 0;
    size_t from = count;
    size_t n = 0;
    last->generation = generation;
    last->count = 0; /* until this stack is complete */
    if (!skip_own_frames(&now)) {
        return 0;
    }
    while (!meets(last, &now, &count)) {
        tmi_step step = tmi_step_find(now.pc);
        if (!make_room(last, from + n + 1)) {
            return 0;
        }
        last->frames[from + n++] = (struct tmi_kept_frame){.state = now, .step = step};
        if (tmi_step_kind(step) == TMI_RULE_END) {
            count = 0;
            break;
        }
        struct tmi_state inner = now;
        if (!step_out(step, &inner, &now)) {
            return 0;
        }
        if (now.pc == 0) {
            count = 0;
            break;
        }
    }
    bool done = append(last, count, from, n) && last->count <= TMI_TREE_DEPTH_MOST;
    return done ? last->frames[last->count - 1].node : 0;
}
