/* SPDX-License-Identifier: MIT */
/*
 * The stack by its tables, and over code that has none by a guess: mostly there is a
 * frame pointer in rbp (what a JIT compiler writes, the builtin functions of a virtual
 * machine, much of what is written by hand).
 *
 *     with tables | without ... without | with tables | ... the end of the stack
 *     sure        | found by rbp, and   | guessed
 *                 | not told: one frame of address 0 stands for all but the first
 *
 * A guess is believed only if everything fits: on the thread's own stack, records as
 * trace/unwind_fp.c wants them, a return address behind a call instruction in code with
 * tables, no word read outside of the stack, and the tables lead from there to where
 * they say that the stack ends. Else the stack ends where its tables do. What a JIT
 * compiler wrote is not told because it comes and goes: each time it would be a new
 * stack.
 */
#include "trace/callsite.h"
#include "trace/laststack.h"
#include "trace/module.h"
#include "trace/tree.h"
#include "trace/unwind.h"

struct guess {
    struct tmi_state at;
    struct tmi_stackwalk *walk;
};

static uintptr_t word_at(uintptr_t address)
{
    return *(const uintptr_t *)address;
}

/* Of a return address, or of a number that is none. */
static enum tmi_rule_kind kind_at(uintptr_t pc)
{
    tmi_step step = tmi_step_known(pc);
    bool is_code = step != 0 || (pc != 0 && tmi_module_find(pc - 1) != 0);
    return is_code ? tmi_step_kind(tmi_step_find(pc)) : TMI_RULE_NO_TABLE;
}

static bool is_behind_call(uintptr_t pc)
{
    uint32_t location = tmi_step_location(tmi_step_find(pc));
    if (location == 0) {
        return false;
    }
    const struct tmi_cfi_image *code =
        &tmi_module_get(tmi_location_module(location))->tables;
    return pc > code->code_start && pc <= code->code_end &&
           tmi_callsite_ends_at((const uint8_t *)pc, pc - code->code_start);
}

/* From a frame without a table to the next one outside that has one. */
static bool cross(struct guess *g)
{
    uintptr_t fp = g->at.rbp;
    uintptr_t low = g->at.sp;
    if (g->walk->high == 0 || !tmi_stackwalk_may_read(g->walk, low)) {
        return false; /* another stack */
    }
    while (fp % sizeof fp == 0 && fp >= low && tmi_stackwalk_may_read(g->walk, fp)) {
        low = fp + 2 * sizeof fp;
        g->at = (struct tmi_state){word_at(fp + sizeof fp), low, word_at(fp)};
        enum tmi_rule_kind kind = kind_at(g->at.pc);
        if (kind != TMI_RULE_NO_TABLE) {
            return kind != TMI_RULE_OTHER && kind != TMI_RULE_SIGNAL &&
                   is_behind_call(g->at.pc);
        }
        fp = g->at.rbp;
    }
    return false;
}

/* Does this step read nothing but the stack? */
static bool may_step(const struct guess *g, tmi_step step)
{
    uintptr_t base = g->at.rbp;
    uintptr_t cfa = (uintptr_t)tmi_step_cfa(step);
    switch (tmi_step_kind(step)) {
    case TMI_RULE_RSP:
        cfa += g->at.sp;
        break;
    case TMI_RULE_RBP:
        cfa += g->at.rbp;
        break;
    case TMI_RULE_DEREF:
        if (!tmi_stackwalk_may_read(g->walk, cfa + g->at.rbp)) {
            return false;
        }
        cfa = word_at(cfa + g->at.rbp);
        break;
    default:
        return false;
    }
    int rbp = tmi_step_rbp(step);
    if (rbp != TMI_STEP_DEREF_RBP) {
        base = cfa + (uintptr_t)(rbp * 8l);
    }
    return tmi_stackwalk_may_read(g->walk, cfa - 2 * sizeof cfa) &&
           (rbp == 0 || tmi_stackwalk_may_read(g->walk, base));
}

static void put(uintptr_t *frames, size_t room, size_t *total, uintptr_t pc)
{
    if (*total < room) {
        frames[*total] = pc;
    }
    ++*total;
}

size_t tmi_unwind_guess(const struct tmi_state *from, struct tmi_stackwalk *walk,
                        uintptr_t *frames, size_t room, enum tmi_unwound *how)
{
    struct guess g = {*from, walk};
    size_t total = 0;
    size_t sure = 0; /* how many came before the first guess */
    bool ends = false;
    bool goes_on = true;
    while (goes_on && !ends && g.at.pc != 0) {
        tmi_step step = tmi_step_find(g.at.pc);
        enum tmi_rule_kind kind = tmi_step_kind(step);
        if (total != 0 || !tmi_module_is_own(g.at.pc)) {
            put(frames, room, &total, g.at.pc);
        }
        ends = kind == TMI_RULE_END;
        if (kind == TMI_RULE_NO_TABLE) {
            sure = sure == 0 ? total : sure;
            put(frames, room, &total, 0);
            goes_on = cross(&g);
        } else if (!ends) {
            goes_on = (sure == 0 || may_step(&g, step)) && tmi_laststack_step(&g.at);
        }
    }
    if (sure != 0) {
        *how = ends ? TMI_UNWOUND_GUESSED : TMI_UNWOUND_WHOLE;
        return ends ? total : sure;
    }
    *how = goes_on ? TMI_UNWOUND_WHOLE : TMI_UNWOUND_PART;
    return total;
}
