/* SPDX-License-Identifier: MIT */
/* See trace/kept.h. One mapping holds all: for each stack a frame that is nowhere, frames
 * and checks; then the walked frames. */
#include "trace/kept.h"

#include <string.h>

#include "base/compiler.h"
#include "trace/memory.h"
#include "trace/module.h"
#include "trace/tree.h"

#define FIRST_ROOM 128u

/* The most words that a step reads. */
#define WORDS_MOST 3

/* No frame further in is kept: a route leads at most to the depth that the tree has. */
#define KEPT_MOST (TMI_TREE_DEPTH_MOST - TMI_ROUTE_MOST)

/* Of failures, two in so many ask the other stack, however unlucky: one leaves it what is
 * kept, the next finds out whether that serves. */
#define TRIAL_EVERY 32
#define LUCK_MOST   8

/* No more frames than this are copied for it. */
#define COPIED_MOST 256u

/* ---- room ------------------------------------------------------------------------- */

/* What a check that never matches looks at. */
static const uintptr_t never = 0;

/* What stands before the outermost frame: no stack gets past it, or is there. */
static struct tmi_kept_frame nowhere = {.state = {.sp = UINTPTR_MAX}};

static size_t bytes_of_stack(size_t room)
{
    return sizeof(struct tmi_kept_frame) * (room + 1) +
           sizeof(struct tmi_check) * WORDS_MOST * room;
}

static size_t bytes_for(size_t room)
{
    return 2 * bytes_of_stack(room) + sizeof(struct tmi_walked_frame) * room;
}

static void lay_out(struct tmi_kept_stack *stack, void *at, size_t room)
{
    struct tmi_kept_frame *sentinel = at;
    *sentinel = nowhere;
    stack->newest = sentinel;
    stack->frames = sentinel + 1;
    stack->checks = (struct tmi_check *)(stack->frames + room);
    stack->checks[0] = (struct tmi_check){&never, 1};
}

void tmi_kept_init(struct tmi_kept *kept)
{
    kept->now.newest = &nowhere;
    kept->other.newest = &nowhere;
}

TMI_COLD bool tmi_kept_grow(struct tmi_kept *kept)
{
    size_t room = kept->room == 0 ? FIRST_ROOM : 2 * kept->room;
    char *memory = NULL;
    if (room < 4 * (size_t)TMI_TREE_DEPTH_MOST) {
        memory = tmi_memory_map(bytes_for(room));
    }
    if (memory == NULL) {
        return false;
    }
    if (kept->room != 0) {
        bool in_order = kept->now.frames < kept->other.frames;
        struct tmi_kept_stack *first = in_order ? &kept->now : &kept->other;
        tmi_memory_unmap(first->frames - 1, bytes_for(kept->room));
    }
    lay_out(&kept->now, memory, room);
    lay_out(&kept->other, memory + bytes_of_stack(room), room);
    kept->walked = (struct tmi_walked_frame *)(memory + 2 * bytes_of_stack(room));
    kept->room = room;
    return true;
}

void tmi_kept_drop(struct tmi_kept *kept)
{
    if (kept->room != 0) {
        kept->now.newest = kept->now.frames - 1;
        kept->other.newest = kept->other.frames - 1;
    }
}

/* ---- the other stack -------------------------------------------------------------- */

void tmi_kept_exchange(struct tmi_kept *kept)
{
    struct tmi_kept_stack now = kept->now;
    kept->now = kept->other;
    kept->other = now;
}

bool tmi_kept_try_other(const struct tmi_kept *kept)
{
    return kept->luck > 0 || kept->failures % TRIAL_EVERY < 2;
}

void tmi_kept_tried(struct tmi_kept *kept, bool served)
{
    if (served) {
        kept->luck += kept->luck < LUCK_MOST;
    } else {
        kept->luck -= kept->luck > 0;
    }
}

struct tmi_kept_frame *tmi_kept_give_way(struct tmi_kept *kept,
                                         struct tmi_kept_frame *top)
{
    struct tmi_kept_stack *from = &kept->now;
    struct tmi_kept_stack *to = &kept->other;
    size_t n = (size_t)(top + 1 - from->frames);
    if (n > COPIED_MOST || !tmi_kept_try_other(kept)) {
        return from->newest = top;
    }
    if (n != 0) {
        memcpy(to->frames, from->frames, n * sizeof *top);
        memcpy(to->checks + 1, from->checks + 1, top->check * sizeof *to->checks);
        to->proof = from->proof != NULL ? to->checks : NULL;
        to->end = from->end;
    }
    to->newest = to->frames + n - 1;
    tmi_kept_exchange(kept);
    return kept->now.newest;
}

/* ---- keeping a frame -------------------------------------------------------------- */

bool tmi_kept_may_add(const struct tmi_kept *kept, size_t frames,
                      const struct tmi_walked_frame *walked)
{
    return frames <= kept->room && frames <= KEPT_MOST &&
           (tmi_step_is_fast(walked->step) || !tmi_module_is_own(walked->state.pc));
}

/* Note the words that the step from `state` to `outer` reads, the last one first. */
static struct tmi_check *put_checks(struct tmi_check *check,
                                    const struct tmi_walked_frame *from,
                                    const struct tmi_kept_frame *outer)
{
    const struct tmi_state *to = &outer->state;
    enum tmi_rule_kind kind = tmi_step_kind(from->step);
    if (kind == TMI_RULE_SIGNAL) {
        uintptr_t sp = from->state.sp;
        *++check = (struct tmi_check){(uintptr_t *)(sp + TMI_SIGNAL_RBP), to->rbp};
        *++check = (struct tmi_check){(uintptr_t *)(sp + TMI_SIGNAL_SP), to->sp};
        *++check = (struct tmi_check){(uintptr_t *)(sp + TMI_SIGNAL_PC), to->pc - 1};
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

struct tmi_kept_frame *tmi_kept_add(struct tmi_kept *kept, struct tmi_kept_frame *outer,
                                    const struct tmi_walked_frame *walked, uint32_t node)
{
    struct tmi_kept_stack *stack = &kept->now;
    struct tmi_kept_frame *frame = outer + 1;
    enum tmi_rule_kind kind = tmi_step_kind(walked->step);
    bool by_rbp = kind == TMI_RULE_RBP || kind == TMI_RULE_DEREF;
    bool replaced = tmi_step_rbp(walked->step) != 0 || kind == TMI_RULE_SIGNAL;
    frame->state = walked->state;
    frame->leaf = (struct tmi_leaf){0, node, 0};
    frame->needs_rbp = by_rbp || (!replaced && outer->needs_rbp);
    if (TMI_LIKELY(outer >= stack->frames)) {
        struct tmi_check *check = put_checks(stack->checks + outer->check, walked, outer);
        frame->check = (uint32_t)(check - stack->checks);
    } else {
        uint32_t location = tmi_step_location(walked->step);
        bool ends = kind == TMI_RULE_END && tmi_location_module(location) != 0;
        frame->check = 0;
        stack->end = walked->step;
        stack->proof = ends ? stack->checks : NULL;
    }
    return stack->newest = frame;
}
